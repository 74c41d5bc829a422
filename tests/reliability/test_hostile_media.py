"""The limits of decoding; what `fuzz.py` found, with the lines that build it; a slice of the fuzzer."""

from __future__ import annotations

import pickle
import re
import struct
import warnings

import av
import fuzz
import mutants
import mutants_made
import numpy as np
import pytest
from films import clicks, make_film, tone

from modeling_davihd import media_tracks
from modeling_davihd.cli import main
from modeling_davihd.media import (
    DecodingLimits,
    FrameSampling,
    LimitError,
    MediaError,
    MediaWarning,
    cut_clips,
    cut_reel,
    probe,
    stream_segments,
)

SMALL = FrameSampling(1, 48, 64)
THREE_SECONDS = [i / 10 for i in range(30)]


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    return mutants.Bases(tmp_path_factory.mktemp("bases"))


@pytest.fixture
def film(tmp_path):
    return make_film(
        tmp_path / "film.mp4", times=THREE_SECONDS, fps=10, sounds=[(0, tone(3, 16000))], rate=16000
    )


def refusal(path, **options) -> str:
    """The sentence with which a file is refused."""
    with warnings.catch_warnings(), pytest.raises(MediaError) as error:
        warnings.simplefilter("ignore", MediaWarning)
        for _ in stream_segments(path, **options):
            pass
    text = str(error.value)
    assert text.startswith(f"{path}: ") and text.endswith(".") and "\n" not in text
    return text


# The limits


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        ({"pixels": 3071}, "pictures of 64 x 48 pixels; the decoding limit `pixels` is 3071."),
        ({"channels": 0}, "has 1 channels; the decoding limit `channels` is 0."),
        ({"lowest_rate": 22050}, "has 16000 samples a second; the decoding limit `lowest_rate` is 22050."),
        ({"highest_rate": 8000}, "has 16000 samples a second; the decoding limit `highest_rate` is 8000."),
        ({"duration": 2.5}, "lasts over 2.5 s; the decoding limit `duration` is 2.5."),
        ({"pixels_per_byte": 0.5}, "pixels in so small a file; the decoding limit `pixels_per_byte` is 0.5."),
        (
            {"packets_per_second": 1},
            "packets or more in a few seconds; the decoding limit `packets_per_second` is 1.",
        ),
    ],
)
def test_what_is_beyond_a_limit_is_refused_with_both_numbers(film, tmp_path, limits, sentence):
    limits = DecodingLimits(**limits)
    assert refusal(film, frames=SMALL, limits=limits).endswith(sentence)
    for cut in (
        cut_reel,
        lambda path, pieces, target, limits: cut_clips(path, pieces, [target], limits=limits),
    ):
        with pytest.raises(MediaError, match="decoding limit"):
            cut(film, [(0, 3)], tmp_path / "reel.mp4", limits=limits)
    assert not list(tmp_path.glob("*reel*"))


def test_what_reaches_a_limit_is_not_refused(film, tmp_path):
    rates = {"lowest_rate": 16000, "highest_rate": 16000}
    limits = DecodingLimits(pixels=64 * 48, channels=1, packets_per_second=60, duration=3.1, **rates)
    assert [chunk.end for chunk in stream_segments(film, frames=SMALL, limits=limits)] == [3.0]
    cut_reel(film, [(0, 1)], tmp_path / "reel.mp4", limits=limits)


def test_the_command_takes_the_limits_that_it_names(film, tmp_path, capsys):
    """Both ways: what is refused can be allowed, in scoring and in cutting, and what is allowed refused."""
    sound = np.concatenate([tone(5, 500, amplitude=0.01), tone(2, 500), tone(5, 500, amplitude=0.01)])
    path, out = tmp_path / "slow.wav", tmp_path / "out"
    path.write_bytes(mutants_made.wav(1, 1, 500, 16, (32767 * sound).astype("<i2").tobytes()))
    command = ["highlight", str(path), "--output-dir", str(out), "--formats", "json,mp4,clips"]
    command += ["--top-k", "1"]
    assert main(command) == 1
    assert "has 500 samples a second; the decoding limit `lowest_rate` is 1000." in capsys.readouterr().err
    assert main([*command, "--limit", "lowest_rate=500"]) == 0
    made = {"slow.highlight-01.mp4", "slow.highlights.json", "slow.highlights.mp4"}
    assert made <= {path.name for path in out.iterdir()}
    command = ["highlight", str(film), "--output-dir", str(out), "--limit", "channels=1"]
    assert main([*command, "--limit", "pixels=3000"]) == 1
    assert "pictures of 64 x 48 pixels; the decoding limit `pixels` is 3000." in capsys.readouterr().err


def test_a_refusal_tells_which_limit_it_is_for(film):
    with pytest.raises(LimitError, match="lasts over 2 s") as error:
        list(stream_segments(film, limits=DecodingLimits(duration=2)))
    for one in (error.value, pickle.loads(pickle.dumps(error.value))):  # as between processes
        assert one.limit == "duration" and str(one).startswith(f"{film}: ")


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_a_film_exactly_as_long_as_allowed_is_not_refused(tmp_path, suffix):
    """Time stamps are rounded, and sound is filled up to a whole frame."""
    times, sounds = [i / 30 for i in range(90)], [(0, tone(3, 44100))]
    path = make_film(tmp_path / f"film.{suffix}", times=times, fps=30, sounds=sounds, rate=44100)
    limits = DecodingLimits(duration=3)
    assert list(stream_segments(path, limits=limits))[-1].end == pytest.approx(3, abs=0.05)
    cut_reel(path, [(0, 3)], tmp_path / "reel.mp4", limits=limits)


def test_pieces_of_a_reel_are_not_added_up(tmp_path):
    """Each piece of a film with one key frame is decoded from the film's beginning."""
    path = make_film(tmp_path / "film.mp4", times=THREE_SECONDS, fps=10, keyframe_every=1000)
    limits = DecodingLimits(pixels_per_byte=1)  # 30 pictures have 92160, and may have 100000
    cut_reel(path, [(2, 3), (1, 2), (2, 3)], tmp_path / "reel.mp4", limits=limits)


@pytest.mark.parametrize("suffix", ["mkv", "ts"])
def test_pictures_larger_than_the_header_says_are_not_decoded(tmp_path, suffix):
    path = make_film(tmp_path / f"film.{suffix}", times=THREE_SECONDS, fps=10, size=(640, 480))
    if suffix == "mkv":
        content = path.read_bytes()
        assert content.count(b"\xb0\x82\x02\x80\xba\x82\x01\xe0") == 1  # PixelWidth 640, PixelHeight 480
        path.write_bytes(
            content.replace(b"\xb0\x82\x02\x80\xba\x82\x01\xe0", b"\xb0\x82\x00\x40\xba\x82\x00\x30")
        )
    assert "video" in refusal(path, audio=False, frames=SMALL, limits=DecodingLimits(pixels=64 * 48))


@pytest.mark.parametrize(("late", "limit"), [(20, 10.0), (700, DecodingLimits().silence)])
def test_a_stream_that_begins_late_is_refused(tmp_path, late, limit):
    sounds = [(late, clicks(1, 16000, [0.5]))]
    path = make_film(tmp_path / "film.mkv", times=THREE_SECONDS, fps=10, sounds=sounds, rate=16000)
    sentence = refusal(path, limits=DecodingLimits(silence=limit))
    assert f"starts at {late}.0 s of the film; the decoding limit `silence` is {limit:g}." in sentence
    chunks = list(stream_segments(path, limits=DecodingLimits(silence=late)))
    assert chunks[-1].end == pytest.approx(late + 1, abs=0.1)


def test_a_film_of_hours_has_more_than_a_few_bytes(tmp_path):
    times = [100.0 * i for i in range(96)]
    path = make_film(tmp_path / "film.mkv", times=times, fps=10, video_codec="mpeg4")
    assert "lasts over 1800 s for so small a file; the decoding limit `bytes_per_second` is 50." in refusal(
        path
    )
    with pytest.warns(MediaWarning, match="no sound"):
        chunks = list(stream_segments(path, limits=DecodingLimits(bytes_per_second=0.01)))
    assert chunks[-1].end == pytest.approx(9500, abs=1)


# What was found


def test_eight_and_more_channels_without_names_are_heard(tmp_path):
    """PyAV reads beyond the planes of such sound, and crashed."""
    for channels in (8, 9, 64):
        samples = np.tile((0.5 * 32767 * tone(1, 16000)).astype("<i2")[:, None], channels)
        path = tmp_path / f"{channels}.wav"
        path.write_bytes(mutants_made.wav(1, channels, 16000, 16, samples.tobytes()))
        (chunk,) = stream_segments(path)
        assert chunk.end == 1.0 and np.abs(chunk.waveform).max() == pytest.approx(0.25, rel=0.02)
        cut_reel(path, [(0, 1)], tmp_path / "reel.mp4")


@pytest.mark.parametrize("rate", [1, 2, 999, 2**31 - 1])
def test_rates_of_no_sound_are_refused(tmp_path, rate):
    """A sample a second made hours of sound, and gigabytes, of a few kilobytes."""
    path = tmp_path / "tape.wav"
    path.write_bytes(mutants_made.wav(1, 2, rate, 16, bytes(100_000)))
    assert f"has {rate} samples a second" in refusal(path)


@pytest.mark.parametrize("name", mutants_made.PLAY_LISTS)
@pytest.mark.parametrize("disguise", [None, "film.ts"])
def test_no_other_file_is_read_through_a_play_list(tmp_path, bases, name, disguise):
    """An uploaded list of ten lines gave the picture and the sound of a film that lay beside it."""
    (tmp_path / "other.ts").write_bytes(bases.bytes("film.ts"))
    list_file = tmp_path / (disguise or name)
    for where in ("other.ts", str(tmp_path / "other.ts")):
        list_file.write_text(mutants_made.PLAY_LISTS[name].format(film=where))
        for use in (probe, lambda path: cut_reel(path, [(0, 1)], tmp_path / "reel.mp4")):
            with pytest.raises(MediaError, match=list_file.name):
                use(list_file)


def test_numbered_names_are_no_pattern(tmp_path, bases):
    """`%d.jpg` stood for the pictures 0.jpg, 1.jpg and so on."""
    for name in ("0.jpg", "1.jpg", "%d.jpg"):
        (tmp_path / name).write_bytes(bases.bytes("still.jpg"))
    assert "of a kind that is read here" in refusal(tmp_path / "%d.jpg")


@pytest.mark.parametrize("spacing", [0, 1, 20])
def test_tiny_packets_of_sound_end_soon(tmp_path, spacing):
    """A million packets of two samples with 20 ms between them took half an hour."""
    path = mutants.tiny_mkv(tmp_path / "tiny.mkv", 10_000, spacing)
    sentence = refusal(path, limits=DecodingLimits(packets_per_second=100))
    assert int(re.search(r"has (\d+) packets or more", sentence)[1]) < 3000


def test_packets_that_none_can_decode_are_given_up(tmp_path, monkeypatch):
    """A million of them took half a minute before nothing was found to be in them."""
    path = mutants.tiny_mp4(tmp_path / "tiny.mp4", 20_000, 1024)
    seen = []
    decode = media_tracks.Track._decoded
    monkeypatch.setattr(media_tracks.Track, "_decoded", lambda *one: seen.append(1) or decode(*one))
    monkeypatch.setattr(media_tracks, "MOST_LOST", 100)
    assert "nothing of its audio can be decoded" in refusal(path)
    assert len(seen) < 200


def test_a_slow_film_of_seconds_is_not_stretched_to_hours(tmp_path, bases):
    """A flipped bit in an AVI's time scale made five hours of three seconds, which took minutes to score."""
    content = bases.bytes("film.avi")
    struct.pack_into("<I", content, content.index(b"strh") + 24 + 4, 2**24)
    (tmp_path / "film.avi").write_bytes(content)
    assert "its video lasts over 43200 s" in refusal(tmp_path / "film.avi", frames=SMALL)


def test_a_gif_of_many_large_pictures_is_refused(tmp_path):
    """20 000 pictures of 8K took 460 kB, and hours to cut a reel from."""
    path = tmp_path / "moving.gif"
    path.write_bytes(mutants_made.gif(100, delay=2, width=640, height=480))
    limits = DecodingLimits(pixels_per_byte=100)
    assert "the decoding limit `pixels_per_byte` is 100." in refusal(path, frames=SMALL, limits=limits)


def test_a_stream_that_begins_on_the_way_is_left_out(tmp_path, bases):
    """One flipped bit in the number of a stream, and PyAV failed at the end of the film."""
    content = bases.bytes("film.ts")
    last = max(at for at in range(0, len(content), 188) if content[at + 1 : at + 3] == b"\x41\x01")
    content[last + 2] |= 0x80
    path = tmp_path / "film.ts"
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chunks = list(stream_segments(path, frames=SMALL))
    assert chunks[-1].end == pytest.approx(3, abs=0.1)


def test_pictures_that_cannot_be_scaled_are_refused(tmp_path):
    """FFmpeg's scaler refuses some that are one point wide, and its word for it came through."""
    path = tmp_path / "moving.gif"
    path.write_bytes(mutants_made.gif(3, delay=100, width=1, height=11633))
    assert "its pictures of 1 x 11633 pixels cannot be scaled." in refusal(path, frames=SMALL)


def test_a_reel_of_a_film_without_size_is_refused(tmp_path):
    """A stream without any key frame has no width to divide by."""
    path = make_film(
        tmp_path / "film.ts", times=THREE_SECONDS, fps=10, sounds=[(0, tone(3, 16000))], rate=16000
    )
    target = tmp_path / "cut.ts"
    with av.open(str(path)) as source, av.open(str(target), "w") as output:
        streams = [output.add_stream_from_template(stream) for stream in source.streams]
        for packet in source.demux():
            if packet.size and not (packet.stream.type == "video" and packet.is_keyframe):
                packet.stream = streams[packet.stream_index]
                output.mux(packet)
    with pytest.raises(MediaError, match="cut.ts: nothing of its video"):
        cut_reel(target, [(0, 1)], tmp_path / "reel.mp4")


def test_a_reel_of_a_few_samples_is_refused(tmp_path):
    """The encoder made no packet, so that there was no file to move into place."""
    (tmp_path / "tape.wav").write_bytes(mutants_made.wav(1, 1, 1000, 16, bytes(6)))
    with pytest.raises(MediaError, match="reel.mp4: .* nothing long enough"):
        cut_reel(tmp_path / "tape.wav", [(0, 0.003)], tmp_path / "reel.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["tape.wav"]


def test_names_may_break_lines(tmp_path, bases, capsys):
    """What the command printed for `a⏎b.mp4` were two lines, the second of the file's making."""
    path = tmp_path / "a\nerror: b\x1b[31m.mp4"
    path.write_bytes(bases.bytes("film.mp4"))
    command = ["highlight", str(path), "--output-dir", str(tmp_path / "out"), "--formats", "json"]
    assert main([*command, "--top-k", "1"]) == 0
    path.write_bytes(b"no film")
    assert main(command) == 1
    said = capsys.readouterr()
    assert said.out.count("\n") == said.err.count("\n") == 1 and "\x1b" not in said.out + said.err


def test_names_too_long_are_refused(tmp_path, bases, capsys):
    """A name that leaves no room for those of the outputs gave the number of an error."""
    path = tmp_path / ("a" * 251 + ".mp4")
    path.write_bytes(bases.bytes("film.mp4"))
    command = ["highlight", str(path), "--output-dir", str(tmp_path / "out"), "--formats", "json,mp4"]
    assert main([*command, "--top-k", "1"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "cannot be written (File name too long)." in error
    assert "File name too long" in refusal(tmp_path / ("long" * 100 + ".mp4"))


# The fuzzer


@pytest.mark.slow
def test_a_mutant_can_be_built_again_alone(tmp_path):
    plan = [*mutants.names(30), ("changing", 0), ("changing", 1), ("packed", 0), ("rates", 0), ("ends", 0)]
    plan = [one for one in plan if one[0] != "pictures"]  # some take their encoders a second
    with fuzz.Builder() as builder, fuzz.Builder() as another:
        for number, (kind, index) in enumerate(plan):
            folders = [tmp_path / f"{number}-{time}" for time in range(2)]
            [folder.mkdir() for folder in folders]
            first = builder.build(kind, index, 11, folders[0])
            second = another.build(kind, index, 11, folders[1])
            assert first.name == second.name
            if first.is_file() and not first.is_symlink():
                again = first.read_bytes() == second.read_bytes()
                assert again or kind == "lists"  # which hold the names of their folders


@pytest.mark.slow
def test_a_slice_of_the_fuzzer_ends_in_results_and_sentences():
    plan = [one for one in fuzz.planned(60) if one[0] not in ("tiny", "pictures", "packed")][:30]
    outcomes = list(fuzz.run_all(plan, seed=12))
    assert [outcome for outcome in outcomes if outcome.outcome == "failure"] == []
    assert len(outcomes) == 30 and {"result", "sentence"} == {outcome.outcome for outcome in outcomes}


def test_the_fuzzer_notices_what_must_not_be(tmp_path):
    path, output = tmp_path / "film.mp4", tmp_path / "out"
    output.mkdir()
    called = fuzz._Called
    good = f"error: {path}: is no film or sound file of a kind that is read here.\n"
    assert fuzz.judged_command(called(1, "", good), path, output)[0] == "sentence"
    for wrong in (
        called(1, "", "error: it is broken.\n"),  # names no file
        called(1, "", f"error: {path}: \n"),
        called(1, "", f"Traceback (most recent call last):\n  {path}\n"),
        called(0, "", good),
        called(-11, "", ""),
        called(0, "film.mp4  0:00:03  1 highlight", ""),  # but no file
    ):
        with pytest.raises(fuzz.Failure):
            fuzz.judged_command(wrong, path, output)
    (output / ".0123456789ab.partial").mkdir()
    with pytest.raises(fuzz.Failure, match="left behind"):
        fuzz.judged_command(called(1, "", good), path, output)
