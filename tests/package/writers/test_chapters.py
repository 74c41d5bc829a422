import re
from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from results import result_of, written

from modeling_davihd.highlights import Sound
from modeling_davihd.writers import WriterError, write_outputs


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


def test_chapters_are_called_what_is_heard(tmp_path):
    segments = [(65, 80.5), (84, 90), (92, 120), (200, 230)]
    heard = [
        (Sound("gunshot", 0.9),),
        (Sound("cheering", 0.8),),
        (Sound("applause", 0.9), Sound("cheering", 0.8)),
        (),
    ]
    path = written(result_of(segments, duration=300, sounds=heard), tmp_path, "chapters")
    assert path.read_text().splitlines() == [
        "0:00 Intro",
        "1:05 Gunshot",
        "1:24 Cheering, applause",
        "2:00 After cheering, applause",
        "3:20 Highlight 4",
        "3:50 After highlight 4",
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


def test_chapters_for_ffmpeg_are_exact(tmp_path):
    segments, heard = (
        [(0, 2.5), (4, 6), (6, 7.0625)],
        [(Sound("a=b;#\\c", 0.9),), (), (Sound("gunshot", 0.8),)],
    )
    path = written(result_of(segments, duration=9, sounds=heard), tmp_path, "ffmetadata")
    with av.open(str(path), format="ffmetadata") as container:
        chapters = container.chapters()
    assert {chapter["time_base"] for chapter in chapters} == {Fraction(1, 1000)}
    assert [(one["start"], one["end"], one["metadata"]["title"]) for one in chapters] == [
        (0, 2500, "A=b;#\\c"),
        (2500, 4000, "After a=b;#\\c"),
        (4000, 6000, "Highlight 2"),
        (6000, 7062, "Gunshot"),
        (7062, 9000, "After gunshot"),
    ]


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
