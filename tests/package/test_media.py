"""Media in, segments out."""

from __future__ import annotations

import os
import sys
import tracemalloc
import warnings
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from film_contents import FIVE_SECONDS, SMALL, clicking_film, decode, numbers, shown
from films import (
    click_times,
    clicks,
    damage,
    make_film,
    make_tracks,
    number_of,
    numbered_frame,
    tone,
    truncate,
)

from modeling_davihd import media_tracks
from modeling_davihd.media import (
    DecodingLimits,
    FrameSampling,
    MediaError,
    MediaWarning,
    cut_clips,
    cut_reel,
    probe,
    sound_of,
    stream_segments,
)

pytestmark = pytest.mark.filterwarnings("error::modeling_davihd.media.MediaWarning")


# Reading: what a file holds, and what is refused


def test_probe_tells_what_a_film_holds(tmp_path):
    path = make_film(
        tmp_path / "phone.mp4", times=FIVE_SECONDS, rotation=90, sounds=[(0, tone(5, 44100))], rate=44100
    )
    info = probe(path)
    assert (info.has_video, info.has_audio, info.width, info.height) == (True, True, 64, 48)
    assert (info.fps, info.sampling_rate, info.channels) == (25.0, 44100, 1)
    assert info.duration == pytest.approx(5.0, abs=0.05)


@pytest.mark.parametrize(
    ("name", "codec", "options", "tags", "found"),
    [
        ("camera.mov", "libx264", {}, {"timecode": "10:11:12;13"}, "10:11:12;13"),
        ("tape.mxf", "mpeg2video", {}, {"timecode": "09:59:50;02"}, "09:59:50;02"),
        ("disc.mpg", "mpeg2video", {"gop_timecode": "01:02:03:04"}, {}, "01:02:03:04"),
        ("tape.wav", "pcm_s16le", {}, {"time_reference": str(16000 * 3723 + 1280)}, "01:02:03:02"),
        ("tape.mkv", "libx264", {}, {}, None),
    ],
)
def test_probe_tells_the_time_code_that_a_recorder_wrote(tmp_path, name, codec, options, tags, found):
    with av.open(str(tmp_path / name), "w", options={"write_bext": "1"} if tags else {}) as container:
        if codec == "pcm_s16le":
            container.metadata.update(tags)
            stream = container.add_stream(codec, rate=16000)
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1600), np.int16), "s16", "mono")
            frame.sample_rate = 16000
        else:
            stream = container.add_stream(codec, rate=Fraction(30000, 1001), options=options)
            stream.width, stream.height = 64, 48
            stream.metadata.update(tags)
            frame = av.VideoFrame.from_ndarray(numbered_frame(1), format="rgb24")
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    assert probe(tmp_path / name).timecode == found


def test_a_cover_picture_is_no_video(tmp_path):
    path = make_film(tmp_path / "song.mp3", sounds=[(0, tone(2, 44100))], rate=44100, cover=True)
    assert not probe(path).has_video
    with pytest.raises(MediaError, match="song.mp3.*no moving picture"):
        stream_segments(path, frames=SMALL)
    assert decode(path)[2] == pytest.approx(2.0, abs=0.001)


BAD_FILES = {
    "missing.mp4": None,
    "folder.mp4": "folder",
    "empty.mp4": b"",
    "text.mp4": b"This is a text about a film.\n" * 50,
    "noise.mkv": np.random.default_rng(0).bytes(5000),
    "titles.srt": b"1\n00:00:01,000 --> 00:00:02,000\nHello\n",
    "list.m3u8": b"#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1:9/a.ts\n",
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_what_is_no_media_is_refused_in_one_sentence(tmp_path, capfd, name):
    path, content = tmp_path / name, BAD_FILES[name]
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    for use in (probe, stream_segments, lambda path: cut_reel(path, [(0, 1)], tmp_path / "reel.mp4")):
        with pytest.raises(MediaError) as error:
            use(path)
        assert str(error.value).startswith(str(path)) and "\n" not in str(error.value)
    assert capfd.readouterr() == ("", "")


def test_a_name_that_looks_like_a_protocol_can_be_read(tmp_path):
    assert probe(make_film(tmp_path / "part 2: the end%03d.mp4", times=FIVE_SECONDS)).has_video


# Reading: the picture


def test_frames_are_taken_by_time(tmp_path):
    path = make_film(tmp_path / "film.mp4", times=FIVE_SECONDS)
    _, frames, end = decode(path, frames=SMALL)
    assert frames.shape == (5, 1, 60, 80, 3) and frames.dtype == np.uint8 and end == 5.0
    assert numbers(frames) == [[12], [37], [62], [87], [112]]
    _, frames, _ = decode(path, audio=False, frames=FrameSampling(16, 48, 64))
    targets = (np.arange(5 * 16) + 0.5) / 16
    nearest = np.abs(targets[:, None] - np.array(FIVE_SECONDS)).argmin(axis=1)
    assert numbers(frames) == nearest.reshape(5, 16).tolist()


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_frames_at_uneven_times_are_taken_by_time(tmp_path, suffix):
    times = np.cumsum(np.random.default_rng(1).uniform(0.01, 0.4, 60))
    times -= times[0]
    _, frames, end = decode(make_film(tmp_path / f"film.{suffix}", times=times), frames=SMALL)
    assert end == pytest.approx(times[-1] + 0.02, abs=0.03)
    middles = np.arange(len(frames)) + 0.5
    assert numbers(frames) == np.abs(middles[:, None] - times).argmin(axis=1)[:, None].tolist()


SLIDES = [0, 3, 30, 45, 70, 80, 95, 95.1]  # seconds; stored in another order than shown


@pytest.mark.parametrize("suffix", ["mp4", "ts"])
def test_a_still_scene_repeats_its_frame(tmp_path, suffix):
    path = make_film(tmp_path / f"slides.{suffix}", times=SLIDES)
    _, frames, end = decode(path, frames=SMALL)
    assert [n for (n,) in numbers(frames)[:40]] == [0] * 2 + [1] * 15 + [2] * 21 + [3] * 2
    with pytest.warns(MediaWarning, match="no sound") as told:
        assert [chunk.end for chunk in stream_segments(path)][-1] == end == pytest.approx(95.6, abs=0.6)
    assert len(told) == 1


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_picture_may_stand_for_longer_than_sound_may_be_missing(tmp_path, suffix):
    hum, limits = (0, tone(41, 8000)), DecodingLimits(silence=5)
    path = make_film(tmp_path / f"s.{suffix}", times=[0, 2, 19, 38, 40], sounds=[hum], rate=8000)
    assert decode(path, limits=limits)[2] == pytest.approx(41, abs=0.1)
    cut_reel(path, [(18, 20), (35, 39)], tmp_path / "reel.mp4", limits=limits)
    frames, end = shown(tmp_path / "reel.mp4")
    seen = [number for (_, number), (_, next_one) in pairwise([*frames, (0, None)]) if number != next_one]
    assert seen == [1, 2, 3] and end == 6


# Reading: the sound


@pytest.mark.parametrize(
    ("name", "rate", "channels"),
    [
        ("film.mp4", 48000, 2),
        ("film.mkv", 48000, 1),
        ("tape.wav", 8000, 1),
        ("tape.flac", 96000, 2),
        ("tape.m4a", 22050, 2),
        ("tape.mp3", 44100, 2),
        ("tape.mp3", 16000, 1),
    ],
)
def test_sound_is_in_sync_and_no_longer_than_it_is(tmp_path, name, rate, channels):
    samples = np.stack([clicks(5, rate, [1.0, 3.0])] * channels, axis=1).squeeze()
    times = FIVE_SECONDS if name.startswith("film") else None
    waveform, _, end = decode(make_film(tmp_path / name, times=times, sounds=[(0, samples)], rate=rate))
    assert waveform.dtype == np.float32 and end == 5.0
    assert click_times(waveform, 16000) == pytest.approx([1.0, 3.0], abs=0.002)


def test_chunk_length_changes_nothing(tmp_path):
    sound = np.random.default_rng(0).normal(0, 0.1, (round(7.3 * 44100), 2))
    times = [i / 30 for i in range(200)]
    path = make_film(tmp_path / "film.mp4", times=times, fps=30, sounds=[(0.2, sound)], rate=44100)
    whole = decode(path, frames=SMALL)
    assert whole[2] == pytest.approx(7.5, abs=0.002)
    for seconds in (1, 4, 8):
        parts = decode(path, frames=SMALL, chunk_seconds=seconds)
        assert np.array_equal(whole[0], parts[0]) and np.array_equal(whole[1], parts[1])
        assert whole[2] == parts[2]


@pytest.mark.parametrize("layout", ["mono", "stereo", "5.1", "3 channels"])
def test_equal_channels_keep_their_level(tmp_path, layout):
    channels = av.AudioLayout(layout).nb_channels
    samples = np.stack([tone(3, 44100, amplitude=0.5)] * channels, axis=1)
    path = make_film(tmp_path / "tape.wav", sounds=[(0, samples)], rate=44100, layout=layout)
    waveform, _, _ = decode(path)
    assert np.abs(waveform[16000:32000]).max() == pytest.approx(0.5, rel=0.01)


def test_stereo_becomes_the_mean(tmp_path):
    left = tone(2, 16000, hertz=300)
    path = make_film(tmp_path / "t.wav", sounds=[(0, np.stack([left, 0 * left], axis=1))], rate=16000)
    assert decode(path)[0] == pytest.approx(left / 2, abs=1e-4)


@pytest.mark.parametrize(
    ("wanted", "heard"),
    [(None, [1, 2]), ("2", [2]), ("game", [1]), ("fr", [3]), ("fra", [3]), ("eng", [1, 2]), ("4", [4])],
)
def test_all_sound_tracks_of_a_language_are_heard_unless_one_is_chosen(tmp_path, wanted, heard):
    """A click at 1 s in the first, at 2 s in the second and so on."""
    kinds = [("Game", "eng"), ("Microphone", "eng"), ("Jeu", "fra"), ("Remarks", "eng")]
    tracks = [
        (clicks(5, 16000, [n]), dict(zip(("title", "language"), kind, strict=True)), n == 4)
        for n, kind in enumerate(kinds, start=1)
    ]
    path = make_tracks(tmp_path / "game.mkv", tracks, 16000)
    info = probe(path, audio_track=wanted)
    assert [track.number for track in info.sounds if track.heard] == heard
    assert [track.channels for track in info.sounds] == [1] * 4
    assert click_times(decode(info)[0], 16000) == pytest.approx(heard, abs=0.002)
    cut_reel(info, [(0, 5)], tmp_path / "reel.mp4")
    assert click_times(decode(tmp_path / "reel.mp4")[0], 16000) == pytest.approx(heard, abs=0.002)


def test_the_same_sound_in_another_codec_is_heard_once(tmp_path):
    tracks = [(clicks(3, 16000, [1]), {"language": "eng"}, False)] * 2
    path = make_tracks(tmp_path / "film.mkv", tracks, 16000, codecs=["pcm_s16le", "pcm_s16be"])
    assert [track.heard for track in probe(path).sounds] == [True, False]
    assert [track.heard for track in probe(path, audio_track="2").sounds] == [False, True]


def test_a_sound_track_that_is_not_there_is_named_with_those_that_are(tmp_path):
    tags = {"title": "Game", "language": "eng"}
    path = make_tracks(tmp_path / "f.mkv", [(tone(1, 16000), tags, False)], 16000)
    with pytest.raises(MediaError, match=r"f.mkv: has no sound track '2'; it has 1 'Game' \(eng\)\."):
        probe(path, audio_track="2")


def test_gaps_are_silent(tmp_path):
    sounds = [(0, clicks(1, 48000, [0.5])), (2.0, clicks(1, 48000, [0.5])), (3.02, clicks(2, 48000, [0.5]))]
    path = make_film(tmp_path / "f.mkv", times=FIVE_SECONDS, sounds=sounds, audio_codec="pcm_s16le")
    waveform, _, _ = decode(path)
    assert click_times(waveform, 16000) == pytest.approx([0.5, 2.5, 3.52], abs=0.002)
    assert not waveform[17000:31000].any()


@pytest.mark.parametrize("suffix", ["ts", "mpg"])
def test_recordings_that_have_been_joined_are_one_film(tmp_path, suffix):
    """Time begins anew with each, and the second has another shape and another kind of sound."""
    picture = {"times": [i / 25 for i in range(50)], "video_codec": "mpeg2video", "audio_codec": "mp2"}
    first = make_film(tmp_path / f"1.{suffix}", **picture, sounds=[(0, clicks(2.4, 48000, [1]))])
    sound = (0, clicks(2, 44100, [0.6, 1.4]))
    second = make_film(tmp_path / f"2.{suffix}", **picture, sounds=[sound], rate=44100, size=(96, 64))
    joined = tmp_path / f"joined.{suffix}"
    joined.write_bytes(b"".join(path.read_bytes() for path in (first, second, first)))
    waveform, frames, end = decode(joined, frames=FrameSampling(25, 48, 64))
    assert end == pytest.approx(6.8, abs=0.15)
    heard = click_times(waveform, 16000)
    assert heard == pytest.approx([1, 3, 3.8, 5.4], abs=0.15)
    seen = [number_of(frames.reshape(-1, 48, 64, 3)[round(time * 25)]) for time in heard]
    assert seen == pytest.approx([25, 15, 35, 25], abs=1)  # in step to a frame
    cut_reel(joined, [(heard[3] - 0.5, heard[3] + 0.5), (0.5, 1.5)], tmp_path / "reel.mp4")
    waveform, frames, end = decode(tmp_path / "reel.mp4", frames=FrameSampling(25, 48, 64))
    assert click_times(waveform, 16000) == pytest.approx([0.5, 1.5], abs=0.025) and end == 2
    assert [number_of(frames[i, 13]) for i in (0, 1)] == pytest.approx([25, 25], abs=1)


# Reading: where picture and sound differ


def test_late_sound_is_preceded_by_silence(tmp_path):
    path = make_film(tmp_path / "f.mp4", times=FIVE_SECONDS, sounds=[(2.5, clicks(2.5, 48000, [0.5]))])
    waveform, frames, end = decode(path, frames=SMALL)
    assert click_times(waveform, 16000) == pytest.approx([3.0], abs=0.002) and end == 5.0
    assert not waveform[:39000].any() and number_of(frames[0, 0]) == 12


def test_late_picture_is_preceded_by_its_first_frame(tmp_path):
    times = [t + 1.5 for t in FIVE_SECONDS]
    path = make_film(tmp_path / "film.mp4", times=times, sounds=[(0, clicks(5, 48000, [0.5]))])
    waveform, frames, end = decode(path, frames=SMALL)
    assert [n for (n,) in numbers(frames)] == [0, 0, 25, 50, 75, 100, 124] and end == 6.5
    assert click_times(waveform, 16000) == pytest.approx([0.5], abs=0.002)


def test_time_begins_where_the_film_does(tmp_path):
    times, sound = [100 + t for t in FIVE_SECONDS], clicks(5, 48000, [0.5])
    path = make_film(tmp_path / "film.mkv", times=times, sounds=[(100, sound)])
    waveform, frames, end = decode(path, frames=SMALL)
    assert click_times(waveform, 16000) == pytest.approx([0.5], abs=0.002) and end == 5.0
    assert number_of(frames[0, 0]) == 12


def test_the_longer_of_picture_and_sound_counts(tmp_path):
    short = make_film(tmp_path / "short.mp4", times=FIVE_SECONDS, sounds=[(0, tone(2.2, 48000))])
    waveform, _, end = decode(short)
    assert end == 5.0 and np.abs(waveform[:35000]).max() > 0.4 and not waveform[35300:].any()
    long = make_film(tmp_path / "long.mp4", times=FIVE_SECONDS, sounds=[(0, tone(9.3, 48000))])
    assert decode(long)[2] == decode(long, audio=False, frames=SMALL)[2] == pytest.approx(9.3, abs=0.001)
    frames = decode(long, frames=SMALL)[1]
    assert [n for (n,) in numbers(frames)][-6:] == [112] + [
        124
    ] * 5  # each second's middle frame, then the last


def test_a_silent_film_is_zeros_with_a_warning(tmp_path):
    path = make_film(tmp_path / "silent.mp4", times=FIVE_SECONDS)
    with pytest.warns(MediaWarning, match="silent.mp4.*no sound"):
        (chunk,) = stream_segments(path)
    assert chunk.waveform.shape == (5, 16000) and not chunk.waveform.any() and chunk.frames is None


def test_nothing_asked_for_is_a_mistake(tmp_path):
    with pytest.raises(ValueError, match="audio, frames or both"):
        stream_segments(make_film(tmp_path / "film.mp4", times=FIVE_SECONDS), audio=False)


# Reading: damage


def test_what_is_not_asked_for_is_not_decoded(tmp_path):
    no_picture = damage(clicking_film(tmp_path / "a.mp4"), "video", 0, 5)
    (chunk,) = stream_segments(no_picture)  # a MediaWarning would be an error here
    assert len(click_times(chunk.waveform.ravel(), 16000)) == 4
    no_sound = damage(clicking_film(tmp_path / "b.mp4"), "audio", -1, 5)
    (chunk,) = stream_segments(no_sound, audio=False, frames=SMALL)
    assert chunk.waveform is None and len(chunk.frames) == 5


def test_damage_in_the_middle_leaves_the_rest_in_place(tmp_path):
    path = damage(clicking_film(tmp_path / "film.mp4"), "audio", 2.1, 2.15)
    with pytest.warns(MediaWarning, match=r"film.mp4: its audio is damaged.* from 2\.1 s"):
        (chunk,) = stream_segments(path)
    assert click_times(chunk.waveform.ravel(), 16000) == pytest.approx([1, 2, 3, 4], abs=0.002)


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_film_that_breaks_off_is_used_up_to_there(tmp_path, suffix):
    sound, times = tone(20, 8000), [i / 25 for i in range(500)]
    path = make_film(tmp_path / f"film.{suffix}", times=times, sounds=[(0, sound)], rate=8000)
    truncate(path, 0.5)
    with pytest.warns(MediaWarning, match=f"film.{suffix}.*(damaged|breaks off)"):
        chunks = list(stream_segments(path, frames=SMALL))
    assert 5 < chunks[-1].end < 16 and number_of(chunks[0].frames[4, 0]) == 112


@pytest.mark.parametrize("kind", ["video", "audio"])
def test_a_film_of_which_nothing_decodes_is_refused(tmp_path, kind):
    path = damage(clicking_film(tmp_path / "film.mp4"), kind, -1, 6)
    with warnings.catch_warnings(), pytest.raises(MediaError, match=f"film.mp4.*nothing of its {kind}"):
        warnings.simplefilter("ignore")
        list(stream_segments(path, frames=SMALL))


def test_a_lying_header_costs_nothing(tmp_path):
    path = clicking_film(tmp_path / "film.mkv")
    content = bytearray(path.read_bytes())
    claim = content.index(b"\x44\x89\x88") + 3  # Duration, an 8-byte float of milliseconds
    content[claim : claim + 8] = np.array(1e15, ">f8").tobytes()
    path.write_bytes(content)
    assert probe(path).duration > 1e9
    with pytest.warns(MediaWarning, match="breaks off"):
        assert sum(len(chunk.frames) for chunk in stream_segments(path, frames=SMALL)) == 5


def test_a_leap_of_hours_ends_the_film(tmp_path):
    times, click = [*FIVE_SECONDS, *(7200 + t for t in FIVE_SECONDS)], clicks(5, 48000, [1.0])
    sounds = [(0, click), (7200, click)]
    path = make_film(tmp_path / "film.mkv", times=times, sounds=sounds, audio_codec="pcm_s16le")
    with pytest.warns(MediaWarning, match="leaps from 5.0 s to 7200.0 s"):
        assert [chunk.end for chunk in stream_segments(path, frames=SMALL)] == [5.0]


# Reading: resources


def test_memory_does_not_grow_with_the_film(tmp_path):
    sound = np.zeros((600 * 8000,), np.float32)
    path = make_film(tmp_path / "long.mp4", times=range(600), fps=1, sounds=[(0, sound)], rate=8000)
    del sound
    tracemalloc.start()
    try:
        chunks = stream_segments(path, frames=FrameSampling(4, 112, 112), chunk_seconds=10)
        assert sum(len(chunk.frames) for chunk in chunks) == 600  # 90 MB of frames, 38 MB of sound
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="counts open files in /proc")
def test_no_file_stays_open(tmp_path):
    path = clicking_film(tmp_path / "film.mp4")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        decode(path, frames=SMALL)
        unfinished = stream_segments(path, frames=SMALL, chunk_seconds=1)
        next(unfinished)
        unfinished.close()
        cut_reel(path, [(1, 2)], tmp_path / "reel.mp4")
        with pytest.raises(MediaError):
            cut_reel(path, [(1, 2), (8, 9)], tmp_path / "reel.mp4")
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.fixture
def opened(monkeypatch):
    """The films that have been opened, once for each time."""
    films, open_media = [], media_tracks.open_media

    def spy(path, limits):
        films.append(path)
        return open_media(path, limits)

    monkeypatch.setattr(media_tracks, "open_media", spy)
    return films


def test_a_film_is_opened_once_for_its_headers_and_once_for_each_stream(tmp_path, opened):
    path = clicking_film(tmp_path / "film.mp4")
    for frames in (None, SMALL):
        list(stream_segments(path, frames=frames))
        assert opened == [path] * 3
        opened.clear()
    info = probe(path)
    assert probe(info) is info
    list(stream_segments(info, frames=SMALL))
    assert opened == [path] * 3
    opened.clear()
    cut_clips(info, [(1, 2), (3, 4)], [tmp_path / "1.mp4", tmp_path / "2.mp4"])
    assert opened == [path] * 6  # for each clip also to see what its first picture is like


# Reading: what is no sound, and what is no film


def test_samples_that_are_no_numbers_become_silence(tmp_path):
    sound = tone(4, 16000)
    sound[16000] = np.nan
    sound[20000] = np.inf
    path = make_film(tmp_path / "odd.wav", sounds=[(0, sound)], rate=16000, audio_codec="pcm_f32le")
    with pytest.warns(MediaWarning, match="no sound"):
        waveform = np.concatenate([chunk.waveform for chunk in stream_segments(path)])
    assert np.isfinite(waveform).all() and np.abs(waveform).max() > 0.4


def test_text_that_ffmpeg_would_play_is_refused(tmp_path):
    (tmp_path / "notes.nfo").write_text("not a film " * 50)
    with pytest.raises(MediaError, match="notes.nfo"):
        probe(tmp_path / "notes.nfo")


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc")
def test_decoding_takes_the_threads_it_is_given(tmp_path):
    film, threads = make_film(tmp_path / "film.mp4", times=np.arange(30) / 10, fps=10), {}
    for count in (1, 3):
        limits, sampling = DecodingLimits(threads=count), FrameSampling(1, 64, 40)
        before = len(os.listdir("/proc/self/task"))
        chunks = stream_segments(film, audio=False, frames=sampling, chunk_seconds=1, limits=limits)
        next(chunks)
        threads[count] = len(os.listdir("/proc/self/task")) - before
        chunks.close()
    assert threads[1] == 0 and threads[3] >= 3


@pytest.mark.parametrize("searchable", [True, False])
def test_stretches_of_sound_are_those_of_the_whole(tmp_path, monkeypatch, searchable):
    rng = np.random.default_rng(0)
    film = make_film(tmp_path / "film.wav", sounds=[(0, rng.uniform(-1, 1, 8000 * 60) / 2)], rate=8000)
    whole = np.concatenate([chunk.waveform.ravel() for chunk in stream_segments(film)])
    if not searchable:
        monkeypatch.setattr(media_tracks.Track, "_seek", lambda *_: False)
    spans = [
        (-900, 16000),
        (12000, 40000),
        (40000, 40500),
        (50 * 16000, 52 * 16000),
        (59 * 16000, 61 * 16000),
    ]
    padded = np.pad(whole, (900, 32000))
    for (start, end), samples in zip(spans, sound_of(film, spans), strict=True):
        np.testing.assert_allclose(samples, padded[start + 900 : end + 900], atol=2e-3)
