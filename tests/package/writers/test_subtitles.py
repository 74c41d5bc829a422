import dataclasses
import io

import av
import numpy as np
import pytest
from films import make_film
from results import result_of, written

from modeling_davihd.highlights import Sound
from modeling_davihd.media import MediaWarning, cut_reel
from modeling_davihd.writers import write_outputs


def test_cues_are_the_highlights(tmp_path):
    heard = [(Sound("cheering", 0.93), Sound("a<b> & c", 0.8)), ()]
    path = written(result_of([(12, 20.25), (3601.5, 3610)], duration=4000, sounds=heard), tmp_path, "vtt")
    assert path.read_text(encoding="utf-8").split("\n\n")[1] == (
        "1\n00:00:12.000 --> 00:00:20.250\nHighlight 1, score 0.75: cheering, a&lt;b&gt; &amp; c"
    )
    with av.open(str(path)) as container:
        cues = [(packet.pts, packet.duration, bytes(packet)) for packet in container.demux() if packet.size]
    assert [(start, length) for start, length, _ in cues] == [(12000, 8250), (3601500, 8500)]
    assert cues[1][2] == b"Highlight 2, score 0.75"


# Subtitles of the film


SAID = """1
00:00:01,000 --> 00:00:02,500
Hello <i>there</i>
{x} & more

2
00:00:05,960 --> 00:00:07,000
- Café?

3
00:00:08,000 --> 00:00:09,000
Not shown
"""
SEGMENTS = [(1.489, 3), (4.51, 6.5)]


def with_tracks(film, path, tracks):
    """A copy of a film's first track, in English, with tracks of text, each of a language."""
    with av.open(str(film)) as source, av.open(str(path), "w") as copy:
        texts = [av.open(io.BytesIO(text.encode()), format="srt") for _, text in tracks]
        pairs = [(one, one.streams[0]) for one in (source, *texts)]
        streams = [copy.add_stream_from_template(stream) for _, stream in pairs]
        for stream, (language, _) in zip(streams, [("eng", ""), *tracks], strict=True):
            stream.metadata["language"] = language
        for (container, wanted), stream in zip(pairs, streams, strict=True):
            for packet in container.demux(wanted):
                if packet.size:
                    packet.stream = stream
                    copy.mux(packet)
    return path


def cues(path):
    """(start, end, text) of each cue, in seconds."""
    with av.open(str(path)) as container:
        shown = [packet for packet in container.demux() if packet.size]
        return [(one.pts / 1000, (one.pts + one.duration) / 1000, bytes(one).decode()) for one in shown]


@pytest.fixture(scope="module")
def silent(tmp_path_factory):
    """Ten seconds of numbered frames, 25 in each."""
    return make_film(
        tmp_path_factory.mktemp("silent") / "match.mkv", times=np.arange(250) / 25, video_codec="ffv1"
    )


@pytest.mark.parametrize("place", ["track", "match.srt", "match.vtt"])
def test_what_is_said_is_cut_along_with_the_reel(tmp_path, silent, place):
    film = tmp_path / "match.mkv"
    if place == "track":
        with_tracks(silent, film, [("eng", SAID)])
    else:
        film.write_bytes(silent.read_bytes())
        text, code = (SAID, "cp1252") if place.endswith("srt") else (f"WEBVTT\n\n{SAID}", "utf-8-sig")
        text = text.replace(",", ".") if place.endswith("vtt") else text
        (tmp_path / place).write_bytes(text.replace("&", "&amp;" if "vtt" in place else "&").encode(code))
    result = dataclasses.replace(result_of(SEGMENTS, duration=10.0, fps=25.0), source=film)
    path = written(result, tmp_path, "srt")
    assert path.name == "match.highlights.srt"
    (start, end, text), (second, last, other) = cues(path)
    assert (text, other) == ("Hello there\n{x} & more", "- Café?")
    cut_reel(film, result.segments, tmp_path / "reel.mp4")
    with av.open(str(tmp_path / "reel.mp4")) as reel:
        begin = np.array([frame.time for frame in reel.decode(video=0)])
    assert (start, end) == pytest.approx((0, 2.5 - 1.489), abs=0.04)
    assert (second, last) == pytest.approx((1.511 + 5.96 - 4.51, begin[-1] + 0.04), abs=0.04)


def test_of_several_tracks_that_in_the_language_of_the_sound_is_cut(tmp_path):
    tape = make_film(tmp_path / "tape.mkv", sounds=[(0.0, np.zeros(32000, np.float32))], rate=16000)
    tracks = [("fra", SAID.replace("Hello", "Bonjour")), ("eng", SAID)]
    film = with_tracks(tape, tmp_path / "match.mkv", tracks)
    result = dataclasses.replace(result_of([(0, 2)], duration=2.0), source=film)
    [(_, _, text)] = cues(written(result, tmp_path, "srt"))
    assert text.startswith("Hello")


def test_a_film_without_subtitles_gets_none_and_a_bad_file_is_said(tmp_path, silent):
    film = tmp_path / "match.mkv"
    film.write_bytes(silent.read_bytes())
    result = dataclasses.replace(result_of(SEGMENTS, duration=10.0, fps=25.0), source=film)
    assert write_outputs(result, tmp_path, ["srt"]) == []
    for content in (b"\x00\x01 no subtitles", b""):
        (tmp_path / "match.srt").write_bytes(content)
        with pytest.warns(MediaWarning, match="match.srt: holds no subtitles that can be read"):
            assert write_outputs(result, tmp_path, ["srt"]) == []
