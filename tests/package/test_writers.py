import csv
import dataclasses
import json
import re
from pathlib import Path

import av
import numpy as np
import opentimelineio as otio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from modeling_davihd import media
from modeling_davihd.highlights import Highlight
from modeling_davihd.writers import WRITERS, HighlightResult, WriterError, write_outputs

NTSC = 30000 / 1001
SEGMENTS = [(12, 20), (40.52, 47), (300, 330.3)]


def result_of(segments=SEGMENTS, duration=600.0, name="match.mp4", **fields):
    seconds = int(np.ceil(duration))
    return HighlightResult(
        source=Path("/films") / name,
        duration=duration,
        scores=np.abs(np.sin(np.arange(seconds) / 7)),
        highlights=[Highlight(float(start), float(end), 0.75, float(start)) for start, end in segments],
        model_id="davihd-small",
        version="1.2.3",
        **fields,
    )


def written(result, folder, name):
    [path] = write_outputs(result, folder, [name])
    return path


def test_file_names_are_the_contract(tmp_path):
    paths = write_outputs(result_of(), tmp_path / "new", ["json", "csv", "edl", "otio", "chapters"])
    names = ["json", "csv", "edl", "otio", "chapters.txt"]
    assert [path.name for path in paths] == [f"match.highlights.{name}" for name in names]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(path.name for path in paths)
    assert list(WRITERS) == ["json", "csv", "png", "mp4", "clips", "edl", "otio", "chapters"]


def test_json_holds_everything(tmp_path):
    result = result_of(name="Finále 決勝.mp4")
    text = written(result, tmp_path, "json").read_text(encoding="utf-8")
    read = json.loads(text)
    assert list(read) == ["version", "model", "source", "duration", "scores", "highlights"]
    assert (read["version"], read["model"], read["duration"]) == ("1.2.3", "davihd-small", 600.0)
    assert read["source"] == "Finále 決勝.mp4" and "決勝" in text
    assert read["scores"] == pytest.approx(result.scores, abs=5e-7)
    assert read["highlights"][1] == {"start": 40.52, "end": 47.0, "score": 0.75, "peak": 40.52}


def test_csv_has_one_row_a_highlight(tmp_path):
    with written(result_of(), tmp_path, "csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["start", "end", "score", "peak"]
    assert [(float(row["start"]), float(row["end"])) for row in rows] == SEGMENTS
    assert {float(row["score"]) for row in rows} == {0.75}


def test_a_partial_last_second_is_cut_off():
    assert result_of([(5, 10)], duration=9.5).segments == [(5.0, 9.5)]


# Edit lists


def read_edl(path):
    """[(source in, source out, record in, record out)] as digits (h, m, s, f), read by column position."""
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("TITLE: ") and lines[1] == "FCM: NON-DROP FRAME"
    events = [line.split() for line in lines if re.match(r"\d{3} ", line)]
    assert [event[0] for event in events] == [f"{i:03d}" for i in range(1, len(events) + 1)]
    assert all(event[1:4] == ["AX", "AA/V", "C"] for event in events)
    return [[tuple(map(int, code.split(":"))) for code in event[4:]] for event in events]


def frame_of(code, base):
    hours, minutes, seconds, frames = code
    assert minutes < 60 and seconds < 60 and frames < base
    return ((hours * 60 + minutes) * 60 + seconds) * base + frames


@pytest.mark.parametrize(
    ("fps", "base"), [(None, 25), (25.0, 25), (NTSC, 30), (24000 / 1001, 24), (59.94, 60)]
)
def test_edl_cuts_at_the_nearest_frame_and_records_without_gaps(tmp_path, fps, base):
    segments = [(0.02, 2.98), (3601.37, 3615.111), (5000, 5030)]
    path = written(result_of(segments, duration=7200, fps=fps), tmp_path, "edl")
    recorded = 0
    for (start, end), codes in zip(segments, read_edl(path), strict=True):
        first, last, record_first, record_last = (frame_of(code, base) for code in codes)
        rate = fps or 25
        assert abs(first / rate - start) <= 0.5 / rate + 1e-9
        assert abs(last / rate - end) <= 0.5 / rate + 1e-9
        assert record_first == recorded and record_last - record_first == last - first
        recorded = record_last


def test_edl_names_the_clip(tmp_path):
    lines = written(result_of(), tmp_path, "edl").read_text(encoding="utf-8").splitlines()
    assert lines.count("* FROM CLIP NAME: match.mp4") == len(SEGMENTS)
    assert "001  AX       AA/V  C        00:00:12:00 00:00:20:00 00:00:00:00 00:00:08:00" in lines


def test_edl_stops_at_999_events(tmp_path):
    many = [(i, i + 1) for i in range(0, 3000, 3)]
    with pytest.raises(WriterError, match="999 events.*1000 highlights"):
        write_outputs(result_of(many, duration=3000), tmp_path, ["edl"])
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("fps", [None, NTSC])
def test_otio_is_read_back_by_opentimelineio(tmp_path, fps):
    rate = fps or 25
    timeline = otio.adapters.read_from_file(str(written(result_of(fps=fps), tmp_path, "otio")))
    assert [track.kind for track in timeline.tracks] == ["Video", "Audio"]
    for track in timeline.tracks:
        assert len(track) == len(SEGMENTS)
        for clip, (start, end) in zip(track, SEGMENTS, strict=True):
            span = clip.source_range
            assert clip.schema_version() == type(clip)().schema_version()
            assert span.start_time.to_seconds() == pytest.approx(start, abs=0.5 / rate)
            assert span.end_time_exclusive().to_seconds() == pytest.approx(end, abs=0.5 / rate)
            assert clip.media_reference.target_url.endswith("/films/match.mp4")
            assert clip.media_reference.available_range.contains(span)
            assert clip.metadata["davihd"]["score"] == 0.75
    kept = sum(end - start for start, end in SEGMENTS)
    assert timeline.duration().to_seconds() == pytest.approx(kept, abs=len(SEGMENTS) / rate)


# Chapters


def read_chapters(path):
    chapters = []
    for line in path.read_text(encoding="utf-8").splitlines():
        clock, title = line.split(" ", 1)
        assert re.fullmatch(r"\d{1,2}:\d\d|\d+:\d\d:\d\d", clock)
        seconds = sum(int(part) * 60**i for i, part in enumerate(reversed(clock.split(":"))))
        chapters.append((seconds, title))
    return chapters


def test_chapters_tell_highlights_from_the_rest(tmp_path):
    segments = [(65, 80.5), (84, 90), (92, 120), (3590, 3604), (3700, 3705)]
    path = written(result_of(segments, duration=3711), tmp_path, "chapters")
    assert path.read_text(encoding="utf-8").splitlines() == [
        "0:00 Intro",
        "1:05 Highlight 1",
        "1:24 Highlights 2-3",
        "2:00 After highlights 2-3",
        "59:50 Highlight 4",
        "1:00:04 After highlight 4",
        "1:01:40 Highlight 5",
    ]


def test_chapters_of_short_films_and_of_films_without_highlights(tmp_path):
    assert [t for _, t in read_chapters(written(result_of([]), tmp_path, "chapters"))] == [
        "Part 1",
        "Part 2",
        "Part 3",
    ]
    short = result_of([(2, 23)], duration=61)
    assert read_chapters(written(short, tmp_path, "chapters")) == [
        (0, "Highlight 1"),
        (23, "After highlight 1"),
        (42, "After highlight 1, continued"),
    ]
    with pytest.raises(WriterError, match=r"match.mp4 is 29.5 s long.*three chapters of 10 s"):
        write_outputs(result_of([], duration=29.5), tmp_path, ["chapters"])


@settings(max_examples=150, deadline=None)
@given(st.floats(30, 400), st.lists(st.tuples(st.floats(0, 20), st.floats(0.5, 30)), max_size=12))
def test_chapters_always_keep_the_rules(tmp_path_factory, duration, gaps):
    segments, at = [], 0.0
    for gap, length in gaps:
        segments.append((at + gap, at + gap + length))
        at += gap + length
    segments = [(start, end) for start, end in segments if end <= duration]
    path = written(result_of(segments, duration), tmp_path_factory.mktemp("chapters"), "chapters")
    starts = [second for second, _ in read_chapters(path)]
    assert starts[0] == 0 and len(starts) >= 3
    assert np.diff([*starts, duration]).min() >= 10


# Picture


def pixels(result, folder):
    path = written(result, folder, "png")
    assert path.name == f"{result.source.stem}.highlights.png"
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB")).astype(int)


def with_sound(duration=60.0, segments=((20, 35),), name="match.mp4"):
    seconds = int(np.ceil(duration))
    rng = np.random.default_rng(0)
    attention = np.full((seconds * 8, 16), 1e-4)
    attention[seconds * 4 : seconds * 4 + 6] = 1e-2
    sound = rng.normal(-8, 2, (128, min(62 * seconds, 5000)))
    return result_of(segments, duration, name, log_mel=sound, velocity_attention=attention)


def share(picture, rows, columns, wanted):
    """Share of the pixels of a part of the picture (in fractions of its size) that `wanted` accepts."""
    height, width = picture.shape[:2]
    part = picture[int(rows[0] * height) : int(rows[1] * height)]
    part = part[:, int(columns[0] * width) : int(columns[1] * width)]
    return wanted(*np.moveaxis(part, -1, 0)).mean()


def orange(red, green, blue):
    return (red > 150) & (red - blue > 40) & (red - green > 20)


def yellow(red, green, blue):
    return (red > 150) & (green > 130) & (red - blue > 90)


def test_picture_marks_the_highlights_and_the_abrupt_changes(tmp_path):
    picture = pixels(with_sound(), tmp_path)
    assert picture.shape == (700, 1400, 3)
    assert share(picture, (0.06, 0.4), (0.40, 0.55), orange) > 0.8  # 0:20 to 0:35
    assert share(picture, (0.06, 0.4), (0.65, 0.95), orange) < 0.05
    assert share(picture, (0.5, 0.92), (0.52, 0.54), yellow) > 0.3  # 0:30
    assert share(picture, (0.5, 0.92), (0.60, 0.95), yellow) < 0.01


def test_picture_without_sound_is_the_curve_alone(tmp_path):
    picture = pixels(result_of([(20, 35)], 60), tmp_path)
    assert picture.shape == (420, 1400, 3)
    assert share(picture, (0.1, 0.7), (0.40, 0.55), orange) > 0.8


@pytest.mark.parametrize(
    ("duration", "segments", "name"), [(0.4, [], "a$b_{^c.mp4"), (7199.5, [(10, 40)], "決勝.mp4")]
)
@pytest.mark.filterwarnings("error")
def test_picture_of_films_of_any_length_and_name(tmp_path, duration, segments, name):
    picture = pixels(with_sound(duration, segments, name), tmp_path)
    assert picture.shape == (700, 1400, 3) and picture.std() > 10


# All or nothing


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = written(result_of(), tmp_path, "json")
    before = path.read_bytes()
    broken = result_of()
    broken.scores[3] = np.nan
    with pytest.raises(ValueError):
        write_outputs(broken, tmp_path, ["json"])
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_unwritable_places_and_unknown_formats_are_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(WriterError, match="file"):
        write_outputs(result_of(), tmp_path / "file", ["json"])
    with pytest.raises(WriterError, match="missing.*match.highlights.json.*No such file"):
        WRITERS["json"]().write(result_of(), tmp_path / "missing")
    with pytest.raises(WriterError, match="'gif'.*json, csv"):
        write_outputs(result_of(), tmp_path / "other", ["json", "gif"])
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("fields", "named"),
    [({"fps": 0.0}, "fps"), ({"log_mel": np.zeros(5)}, "log_mel"), ({"duration": np.nan}, "duration")],
)
def test_results_that_make_no_sense_are_refused(fields, named):
    good = {"source": "a.mp4", "duration": 1.0, "scores": np.ones(1), "highlights": [], "version": "1"}
    with pytest.raises(ValueError, match=named):
        HighlightResult(**{**good, "model_id": "m", **fields})


# Films


def test_without_highlights_no_film_is_made(tmp_path):
    assert write_outputs(result_of([]), tmp_path, ["mp4", "clips"]) == []
    assert not any(tmp_path.iterdir())


def test_clips_appear_all_or_not_at_all(tmp_path, monkeypatch):
    def fail_at_the_second(path, segments, destinations, limits):
        Path(destinations[0]).write_bytes(b"first")
        raise media.MediaError(f"{path}: cannot be decoded.")

    monkeypatch.setattr(media, "cut_clips", fail_at_the_second)
    with pytest.raises(media.MediaError):
        write_outputs(result_of(), tmp_path, ["clips"])
    assert not any(tmp_path.iterdir())


def test_reel_and_clips_play_for_as_long_as_the_highlights(tmp_path):
    source = tmp_path / "match.mp4"
    gray = (np.full((64, 96, 3), 20 * second, dtype=np.uint8) for second in range(12) for _ in range(10))
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(12 * 16000) / 16000).astype(np.float32)
    media.write_film(source, gray, tone, fps=10, sampling_rate=16000)
    segments = [(2, 4), (7, 10)]
    result = dataclasses.replace(result_of(segments, duration=12.0, fps=10.0), source=source)
    paths = write_outputs(result, tmp_path / "out", ["mp4", "clips"])
    names = ["match.highlights.mp4", "match.highlight-01.mp4", "match.highlight-02.mp4"]
    assert [path.name for path in paths] == names
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(names)
    for path, seconds, shades in zip(
        paths, (5, 2, 3), ([40, 60, 140, 160, 180], [40, 60], [140, 160, 180]), strict=True
    ):
        with av.open(str(path)) as film:
            assert film.duration / av.time_base == pytest.approx(seconds, abs=0.15)
            assert len(film.streams.audio) == 1
            frames = [frame.to_ndarray(format="gray").mean() for frame in film.decode(video=0)]
        assert np.reshape(frames, (-1, 10)).mean(1) == pytest.approx(shades, abs=6)
