"""Pieces in, reels out."""

from __future__ import annotations

import contextlib
import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from film_contents import FIVE_SECONDS, SMALL, clicking_film, decode, numbers, shown
from films import click_times, clicks, damage, make_film, number_of, numbered_frame, tone

from modeling_davihd.media import (
    FilmError,
    FrameSampling,
    MediaError,
    MediaWarning,
    ReelOptions,
    Shot,
    cut_clips,
    cut_films,
    cut_reel,
    probe,
    write_film,
)

pytestmark = pytest.mark.filterwarnings("error::modeling_davihd.media.MediaWarning")


# Reels and clips


@pytest.mark.parametrize(
    ("suffix", "video_codec"), [("mp4", "libx264"), ("mkv", "libx264"), ("ts", "mpeg2video")]
)
def test_a_reel_is_exact_to_the_frame(tmp_path, suffix, video_codec):
    path = make_film(
        tmp_path / f"film.{suffix}",
        times=[i / 25 for i in range(1000)],
        keyframe_every=250,
        video_codec=video_codec,
    )
    pieces = [(20, 21), (3, 4.48), (39, 40), (0, 0.2)]
    cut_reel(path, pieces, tmp_path / "reel.mp4")
    frames, end = shown(tmp_path / "reel.mp4")
    expected = [number for start, stop in pieces for number in range(round(start * 25), round(stop * 25))]
    assert [number for _, number in frames] == expected
    assert [time for time, _ in frames] == pytest.approx(np.arange(len(expected)) / 25, abs=1e-3)
    assert end == pytest.approx(len(expected) / 25, abs=1e-3)


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
def test_a_reel_is_the_same_whatever_was_in_memory(tmp_path, codec):
    rng = np.random.default_rng(0)
    wide = np.kron(rng.integers(0, 255, (12, 24, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    moving = [wide[:, column : column + 96] for column in (*range(20), *[30] * 10)]
    film, reel = tmp_path / "film.mp4", tmp_path / "reel.mp4"
    write_film(film, moving, None, fps=10, sampling_rate=16000)

    def cut_again() -> bytes:
        left = [rng.integers(-200, 200, int(size), np.int16) for size in rng.integers(500, 60000, 300)]
        del left  # which leaves its numbers in memory
        cut_reel(film, [(0.3, 2.6)], reel, options=ReelOptions(codec=codec))
        return reel.read_bytes()

    assert len({cut_again() for _ in range(4)}) == 1


def test_sound_stays_in_place_over_many_pieces(tmp_path):
    seconds, length = 20, 1 / 3
    sound = np.stack([clicks(seconds, 44100, np.arange(seconds) + 0.6)] * 2, axis=1)
    path = make_film(
        tmp_path / "film.mp4", times=np.arange(0, seconds, 1 / 30), fps=30, sounds=[(0, sound)], rate=44100
    )
    cut_reel(path, [(i + 0.5, i + 0.5 + length) for i in range(seconds)], tmp_path / "reel.mp4")
    waveform, _, end = decode(tmp_path / "reel.mp4")
    assert click_times(waveform, 16000) == pytest.approx(np.arange(seconds) * length + 0.1, abs=0.002)
    with av.open(str(tmp_path / "reel.mp4")) as reel:
        lengths = [float(stream.duration * stream.time_base) for stream in reel.streams]
    assert lengths == pytest.approx([seconds * length] * 2, abs=0.001) and end == pytest.approx(
        lengths[0], abs=0.001
    )


def test_a_reel_keeps_uneven_times(tmp_path):
    times = np.cumsum(np.random.default_rng(2).uniform(0.02, 0.4, 40))
    times -= times[0]
    path = make_film(tmp_path / "film.mp4", times=times)
    cut_reel(path, [(2, 4)], tmp_path / "reel.mp4")
    frames, end = shown(tmp_path / "reel.mp4")
    first = int((times <= 2).sum()) - 1  # the frame that is on screen as the piece begins
    inside = [(0.0, first), *((time - 2, i) for i, time in enumerate(times) if 2 < time < 4)]
    assert np.array(frames) == pytest.approx(np.array(inside), abs=1e-3) and end == pytest.approx(2, abs=1e-3)


@pytest.mark.parametrize(("suffix", "rate"), [("mp4", Fraction(24000, 1001)), ("mkv", Fraction(30))])
def test_a_constant_rate_stays_constant_across_joins(tmp_path, suffix, rate):
    times, sounds = [float(i / rate) for i in range(120)], [(0, clicks(5, 16000, [1, 3]))]
    path = make_film(tmp_path / f"film.{suffix}", times=times, fps=float(rate), sounds=sounds, rate=16000)
    cut_reel(path, [(0.51, 1.52), (2.5, 2.51), (2.513, 3.487)], tmp_path / "reel.mp4")
    with av.open(str(tmp_path / "reel.mp4")) as reel:
        lengths = {packet.duration * packet.time_base for packet in reel.demux(video=0) if packet.size}
    assert lengths == {1 / rate}
    heard = click_times(decode(tmp_path / "reel.mp4")[0], 16000)
    numbers = [number for _, number in shown(tmp_path / "reel.mp4")[0]]
    for click, at in zip(heard, (1, 3), strict=True):  # in step to the frame
        assert numbers[round(float(click * rate))] == pytest.approx(float(at * rate), abs=1)


@pytest.mark.parametrize(
    ("stored", "height", "size"),
    [((8224, 34), None, (4096, 16)), ((34, 4340), None, (32, 4096)), ((151, 83), 40, (74, 40))],
)
def test_pictures_keep_their_size_up_to_4k_or_the_height_asked_for(tmp_path, stored, height, size):
    picture = np.zeros((stored[1], stored[0], 3), np.uint8)
    write_film(tmp_path / "film.mp4", [picture] * 2, None, fps=2, sampling_rate=16000)
    cut_reel(tmp_path / "film.mp4", [(0, 1)], tmp_path / "reel.mp4", options=ReelOptions(height=height))
    assert (probe(tmp_path / "reel.mp4").width, probe(tmp_path / "reel.mp4").height) == size


def test_the_height_is_that_of_the_picture_as_it_is_shown(tmp_path):
    path = make_film(tmp_path / "phone.mp4", times=[0, 1], fps=1, size=(96, 64), rotation=90)
    cut_reel(path, [(0, 1)], tmp_path / "reel.mp4", options=ReelOptions(height=48))
    assert (probe(tmp_path / "reel.mp4").width, probe(tmp_path / "reel.mp4").height) == (32, 48)
    for options in ({"height": 8}, {"height": 5000}):
        with pytest.raises(ValueError, match="height is .*from 16 to 4096 rows"):
            ReelOptions(**options)


# Sound at joins


SOUNDS = {
    "hum": lambda: tone(6, 16000, hertz=110, amplitude=0.5),
    "noise": lambda: np.random.default_rng(0).uniform(-0.3, 0.3, 96000).astype(np.float32),
    "offset": lambda: np.full(96000, 0.4, np.float32),
}


@pytest.mark.parametrize("kind", SOUNDS)
def test_no_join_clicks(tmp_path, kind):
    path = make_film(tmp_path / "tape.wav", sounds=[(0, SOUNDS[kind]())], rate=16000)
    pieces = [(0.1013, 1.0048), (2.0071, 2.5113), (4.2, 4.21), (3.0001, 6)]
    cut_reel(path, pieces, tmp_path / "reel.mp4")
    steps = np.abs(np.diff(decode(tmp_path / "reel.mp4")[0], prepend=0, append=0))
    joins = np.round(np.cumsum([0, *(end - start for start, end in pieces)]) * 16000).astype(int)
    near = np.abs(np.arange(len(steps))[:, None] - joins).min(1) <= 320
    assert steps[near].max() <= max(steps[~near].max(), 0.01)


def test_sound_that_goes_on_at_a_join_does_not_fade(tmp_path):
    path = make_film(tmp_path / "tape.wav", sounds=[(0, tone(4, 16000, amplitude=0.5))], rate=16000)
    cut_reel(path, [(1, 2), (2, 3)], tmp_path / "reel.mp4")
    heard = decode(tmp_path / "reel.mp4")[0][:32000]
    levels = np.sqrt((heard.reshape(-1, 160) ** 2).mean(1))  # of every 10 ms
    assert levels[5:-5] == pytest.approx(0.5 / np.sqrt(2), rel=0.03) and max(levels[0], levels[-1]) < 0.2


def test_a_reel_of_sound_alone(tmp_path):
    path = make_film(tmp_path / "tape.wav", sounds=[(0, clicks(5, 44100, [1.0, 3.0]))], rate=44100)
    cut_reel(path, [(2.5, 3.5), (0.9, 2)], tmp_path / "reel.m4a")
    assert not probe(tmp_path / "reel.m4a").has_video
    waveform, _, end = decode(tmp_path / "reel.m4a")
    assert click_times(waveform, 16000) == pytest.approx([0.5, 1.1], abs=0.002) and end == 2.1


def test_a_reel_ends_with_the_film(tmp_path):
    path = clicking_film(tmp_path / "film.mp4")
    cut_reel(path, [(4, 9), (4, 5 + 1e-5), (4.52, 5 - 1e-5)], tmp_path / "reel.mp4")
    frames, end = shown(tmp_path / "reel.mp4")
    assert end == pytest.approx(2.48, abs=0.001) and frames[-1][1] == 124
    assert decode(tmp_path / "reel.mp4")[2] == pytest.approx(2.48, abs=0.001)


def test_where_only_sound_goes_on_the_last_frame_stays(tmp_path):
    path = make_film(tmp_path / "film.mp4", times=FIVE_SECONDS, sounds=[(0, clicks(9, 48000, [8.0]))])
    cut_reel(path, [(4.52, 12), (7, 8.52)], tmp_path / "reel.mp4")
    frames, end = shown(tmp_path / "reel.mp4")
    assert end == pytest.approx(6, abs=0.001) and frames[-1][1] == 124
    assert click_times(decode(tmp_path / "reel.mp4")[0], 16000) == pytest.approx([3.48, 5.48], abs=0.002)


def test_a_piece_is_reached_without_decoding_what_is_before_it(tmp_path):
    times = [i / 25 for i in range(1000)]
    path = make_film(tmp_path / "film.mp4", times=times, sounds=[(0, clicks(40, 48000, [30.5]))])
    for kind in ("video", "audio"):
        damage(path, kind, 0, 28)
    cut_reel(path, [(30, 31)], tmp_path / "reel.mp4")  # a MediaWarning would be an error here
    assert [number for _, number in shown(tmp_path / "reel.mp4")[0]] == list(range(750, 775))
    assert click_times(decode(tmp_path / "reel.mp4")[0], 16000) == pytest.approx([0.5], abs=0.002)


@pytest.mark.parametrize(
    "pieces",
    [[], [(2, 1)], [(1, 1)], [(-1, 1)], [(0, float("nan"))], [(0, float("inf"))], [(0, 1), (6, 7)]],
)
def test_impossible_pieces_leave_everything_as_it_was(tmp_path, pieces):
    path = make_film(tmp_path / "film.mp4", times=FIVE_SECONDS)
    (tmp_path / "reel.mp4").write_bytes(b"old")
    with pytest.raises(MediaError, match="film.mp4"):
        cut_reel(path, pieces, tmp_path / "reel.mp4")
    assert (tmp_path / "reel.mp4").read_bytes() == b"old"
    assert sorted(os.listdir(tmp_path)) == ["film.mp4", "reel.mp4"]


def test_a_film_is_not_replaced_by_its_reel(tmp_path):
    path = make_film(tmp_path / "film.mp4", times=FIVE_SECONDS)
    with pytest.raises(MediaError, match="the film itself"):
        cut_reel(path, [(0, 1)], path)
    with pytest.raises(MediaError, match="nowhere"):
        cut_reel(path, [(0, 1)], tmp_path / "nowhere" / "reel.mp4")


def test_clips_are_reels_of_one_piece(tmp_path):
    path, clips = clicking_film(tmp_path / "film.mp4"), [tmp_path / "1.mp4", tmp_path / "2.mp4"]
    cut_clips(path, [(0.96, 1.96), (3.52, 4.52)], clips)
    assert [[n for _, n in shown(clip)[0]][:1] for clip in clips] == [[24], [88]]
    assert [click_times(decode(clip)[0], 16000) for clip in clips] == [
        pytest.approx([0.04], abs=0.002),
        pytest.approx([0.48], abs=0.002),
    ]
    with pytest.raises(ValueError):
        cut_clips(path, [(1, 2)], clips)


def test_clips_appear_all_or_not_at_all(tmp_path):
    path = make_film(tmp_path / "film.mp4", times=FIVE_SECONDS)
    with pytest.raises(MediaError, match="from 6 s to 7 s is after the film's end"):
        cut_clips(path, [(1, 2), (6, 7)], [tmp_path / "1.mp4", tmp_path / "2.mp4"])
    (tmp_path / "2.mp4").mkdir()
    with pytest.raises(MediaError, match="2.mp4: cannot be written .Is a directory"):
        cut_clips(path, [(1, 2), (3, 4)], [tmp_path / "1.mp4", tmp_path / "2.mp4"])
    assert sorted(os.listdir(tmp_path)) == ["2.mp4", "film.mp4"]
    cut_clips(path, [], [])


# Reels of several films


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Films of two seconds, of different size, rate, shape and sound: a wide one, an upright one, a tape."""
    folder, tenths = tmp_path_factory.mktemp("films"), np.arange(20) / 10
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, (88200, 2)).astype(np.float32)
    wide = make_film(
        folder / "wide.mp4", times=np.arange(50) / 25, size=(96, 64), sounds=[(0, noise)], rate=44100
    )
    sounds = [(0, clicks(2, 16000, [0.5, 1.5]))]
    upright = make_film(folder / "up.mkv", times=tenths, fps=10, size=(32, 48), sounds=sounds, rate=16000)
    tape = make_film(folder / "tape.wav", sounds=[(0, np.full(16000, 0.4, np.float32))], rate=8000)
    return [probe(path) for path in (wide, upright, tape)]


def test_a_reel_of_films_that_differ(films, tmp_path):
    wide, upright, tape = films
    shots = [Shot(wide, 0.52, 1.52), Shot(upright, 1, 2), Shot(tape, 0, 0.4), Shot(wide, 0, 0.2)]
    cut_films(shots, tmp_path / "reel.mp4")
    info = probe(tmp_path / "reel.mp4")
    assert (info.width, info.height, info.fps, info.sampling_rate, info.channels) == (96, 64, 25, 48000, 2)
    with av.open(str(tmp_path / "reel.mp4")) as reel:
        frames = [frame.to_ndarray(format="rgb24") for frame in reel.decode(video=0)]
    assert [number_of(frame) for frame in [*frames[:25], *frames[60:]]] == [*range(13, 38), *range(5)]
    inside = [number_of(frame[:, 27:69]) for frame in frames[25:50]]
    assert set(inside) == {*range(10, 20)} and inside == sorted(inside)
    assert max(frame[:, :20].max() for frame in frames[25:50]) < 30  # bars beside it
    assert max(frame.max() for frame in frames[50:60]) < 30
    heard = decode(tmp_path / "reel.mp4")[0]
    assert click_times(heard[16000:32000], 16000) == pytest.approx([0.5], abs=0.002)
    steps = np.abs(np.diff(heard, prepend=0, append=0))
    joins = np.round(np.array([0, 1, 2, 2.4, 2.6]) * 16000).astype(int)
    near = np.abs(np.arange(len(steps))[:, None] - joins).min(1) <= 320
    assert steps[near].max() <= steps[~near].max()


def test_the_film_that_spoils_a_reel_is_named(films, tmp_path):
    with pytest.raises(
        FilmError, match="tape.wav: the piece from 3 s to 4 s is after the film's end"
    ) as told:
        cut_films([Shot(films[0], 0, 1), Shot(films[2], 3, 4)], tmp_path / "reel.mp4")
    assert told.value.path == films[2].path and not list(tmp_path.iterdir())


def test_pieces_dissolve(tmp_path):
    pictures = [np.full((48, 64, 3), 255 * (number >= 20), np.uint8) for number in range(40)]
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, 64000).astype(np.float32)
    write_film(tmp_path / "film.mp4", pictures, noise, fps=10, sampling_rate=16000)
    cut_reel(tmp_path / "film.mp4", [(0, 2), (2.5, 4)], tmp_path / "reel.mp4", options=ReelOptions(fade=1))
    heard, frames, end = decode(tmp_path / "reel.mp4", frames=FrameSampling(10, 48, 64))
    assert end == pytest.approx(3.5 - 0.7, abs=0.001)  # half of the shorter piece, in whole frames
    light = frames.reshape(-1, 48 * 64 * 3).mean(1)[:28]
    assert light[:13].max() < 3 and light[20:].min() > 252 and (np.diff(light[12:20]) > 10).all()
    levels = np.sqrt((heard[1600:43200].reshape(-1, 800) ** 2).mean(1))
    assert levels == pytest.approx(levels.mean(), rel=0.15)


# Loudness


def ffmpeg_loudness(path) -> float:
    """The integrated loudness of a film's sound in LUFS, by FFmpeg's own meter."""
    found = -70.0
    with av.open(str(path)) as film:
        graph = av.filter.Graph()
        source = graph.add_abuffer(template=film.streams.audio[0])
        graph.link_nodes(source, graph.add("ebur128", "metadata=1"), graph.add("abuffersink")).configure()
        for frame in film.decode(audio=0):
            graph.push(frame)
            with contextlib.suppress(av.BlockingIOError):
                while True:
                    found = float(graph.pull().metadata["lavfi.r128.I"])
    return found


def talk(seconds: int, rate: int, loud: float) -> np.ndarray:
    """Noise that comes and goes, as speech does, in stereo: its peaks are far above its loudness."""
    noise = np.random.default_rng(1).normal(0, loud, (seconds * rate, 2)).astype(np.float32)
    swell = np.sin(2 * np.pi * 1.5 * np.arange(seconds * rate) / rate) ** 4
    return np.clip(noise * swell[:, None], -1, 1).astype(np.float32)


@pytest.mark.parametrize(("loud", "wanted"), [(0.01, -14), (0.3, -30)])
def test_a_reel_is_as_loud_as_asked(tmp_path, loud, wanted):
    path = make_film(tmp_path / "tape.wav", sounds=[(0, talk(8, 48000, loud))], rate=48000)
    pieces = [(0.52, 3), (4, 7.48)]
    cut_reel(path, pieces, tmp_path / "reel.mp4", options=ReelOptions(loudness=wanted))
    assert ffmpeg_loudness(tmp_path / "reel.mp4") == pytest.approx(wanted, abs=0.5)
    waveform, _, end = decode(tmp_path / "reel.mp4")
    assert end == pytest.approx(5.96, abs=0.001) and np.abs(waveform).max() <= 1


def test_films_of_a_reel_are_made_as_loud(tmp_path):
    tapes = [tmp_path / "quiet.wav", tmp_path / "loud.wav"]
    for tape, loud in zip(tapes, (0.01, 0.2), strict=True):
        make_film(tape, sounds=[(0, talk(2, 48000, loud))], rate=48000)
    quiet, loud = map(probe, tapes)
    shots = [Shot(quiet, 0, 0.4), Shot(loud, 0, 2), Shot(quiet, 0.4, 2)]
    cut_films(shots, tmp_path / "reel.mp4", options=ReelOptions(loudness=-20, fade=1))
    assert ffmpeg_loudness(tmp_path / "reel.mp4") == pytest.approx(-20, abs=0.5)
    heard = decode(tmp_path / "reel.mp4")[0]
    levels = [np.sqrt((heard[start : start + 10667] ** 2).mean()) for start in (8000, 35500)]
    assert levels[0] == pytest.approx(levels[1], rel=0.2)


def test_a_loudness_that_cannot_be_is_said(tmp_path):
    path = make_film(tmp_path / "tape.wav", sounds=[(0, clicks(3, 16000, [0.5, 1.5, 2.5]))], rate=16000)
    for pieces, said in ([(0, 3)], "reel.mp4: has .* LUFS, not -6"), ([(1, 1.2)], "too quiet or too short"):
        with pytest.warns(MediaWarning, match=said):
            cut_reel(path, pieces, tmp_path / "reel.mp4", options=ReelOptions(loudness=-6))
    with pytest.raises(ValueError, match="loudness is 14"):
        ReelOptions(loudness=14)


# Films


@pytest.mark.parametrize(("rate", "channels"), [(16000, 1), (44100, 2), (37000, 2), (96000, 1)])
def test_a_written_film_reads_back(tmp_path, rate, channels):
    path = tmp_path / "film.mp4"
    sound = np.stack([clicks(3, rate, [0.5, 2.0])] * channels, axis=1).squeeze()
    write_film(path, (numbered_frame(i, 65, 49) for i in range(75)), sound, fps=25, sampling_rate=rate)
    info = probe(path)
    assert (info.width, info.height, info.fps, info.channels) == (64, 48, 25.0, channels)
    waveform, frames, end = decode(path, frames=SMALL)
    assert numbers(frames) == [[12], [37], [62]] and end == 3.0
    assert click_times(waveform, 16000) == pytest.approx([0.5, 2.0], abs=0.002)


def test_a_written_film_suits_browsers(tmp_path):
    path, frames = tmp_path / "film.mp4", [numbered_frame(i) for i in range(50)]
    write_film(path, frames, tone(2, 44100), fps=25, sampling_rate=44100)
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, video.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert audio.codec_context.name == "aac"
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_a_written_film_may_be_silent_or_end_in_sound(tmp_path):
    frames = [numbered_frame(i) for i in range(25)]
    write_film(tmp_path / "silent.mp4", frames, None, fps=25, sampling_rate=16000)
    assert not probe(tmp_path / "silent.mp4").has_audio
    write_film(tmp_path / "long.mp4", frames, tone(2.5, 16000), fps=25, sampling_rate=16000)
    assert decode(tmp_path / "long.mp4")[2] == 2.5


def test_a_failed_film_leaves_the_old_one(tmp_path):
    def frames():
        yield numbered_frame(0)
        raise RuntimeError("no more")

    path: Path = tmp_path / "film.mp4"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError, match="no more"):
        write_film(path, frames(), None, fps=25, sampling_rate=16000)
    with pytest.raises(MediaError, match="film.mp4.*no frames"):
        write_film(path, [], None, fps=25, sampling_rate=16000)
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["film.mp4"]
