"""Labels in CSV, JSON and text files, alone and together."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

from datasets_scripts.building.label_files.films import Films
from datasets_scripts.building.label_files.labels import Interval, scores_of_intervals, scores_of_seconds
from datasets_scripts.building.label_files.reading import read_labels
from modeling_davihd.engines.errors import DatasetError, UsageError
from modeling_davihd.readers import ListWarning


def written(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def read(films: Path, *paths: Path, only: tuple[str, ...] = ()):
    """The highlights of each film, and what was warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ListWarning)
        labels = read_labels(paths, Films(films), only)
    found = {name: [tuple(one) for one in video.intervals] for name, video in labels.videos.items()}
    return found, [str(one.message).replace(f"{paths[0].parent}/", "") for one in caught]


def refused(films: Path, *paths: Path, only: tuple[str, ...] = ()) -> str:
    with warnings.catch_warnings(), pytest.raises(DatasetError) as error:
        warnings.simplefilter("ignore", ListWarning)
        read_labels(paths, Films(films), only)
    return str(error.value)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("l.md", "", "l.md: its name must end in .csv, .json, .txt, .edl, .otio, .fcpxml, .xml."),
        ("l.csv", "", "l.csv: has the columns ''; needed are video,second,score or"),
        ("l.csv", "video,second,score\n", "l.csv: holds no labels."),
        (
            "l.csv",
            "video,time,score\n",
            "l.csv: has the unknown column 'time'; known are video,second,score or",
        ),
        ("l.csv", "video,second,start,score\n", "l.csv: has the columns 'video,second,start,score'; needed"),
        ("l.csv", "video,score,score\n", "l.csv: has the columns 'video,score,score'; needed"),
        ("l.csv", "video,second,score\na,0,1,1\n", "l.csv, line 2: needs 3 values, one for each column."),
        ("l.csv", "video,second,score\na,0\n", "l.csv, line 2: needs 3 values, one for each column."),
        (
            "l.csv",
            "video,second,score\na,0,1.5\n",
            "l.csv, line 2: score is '1.5'; it needs to be from 0 to 1.",
        ),
        ("l.csv", "video,second,score\na,0,nan\n", "l.csv, line 2: score is 'nan'; a number is needed."),
        ("l.csv", "video,second,score\na,x,1\n", "l.csv, line 2: second is 'x'; a number is needed."),
        (
            "l.csv",
            "video,second,score\na,.5,1\n",
            "l.csv, line 2: second is '.5'; a whole number from 0 on is",
        ),
        (
            "l.csv",
            "video,second,score\na,0,1\na,0,1\n",
            "l.csv, line 3: second 0 of this video has a score alr",
        ),
        (
            "l.csv",
            "video,start,end\na,3,3\n",
            "l.csv, line 2: goes from 3 s to 3 s; 0 <= start < end is needed.",
        ),
        ("l.csv", "video,start,end\na,-1,3\n", "l.csv, line 2: goes from -1 s to 3 s; 0 <= start < end"),
        (
            "l.csv",
            "video,start,end\na,1,3\na,1,3.0\n",
            "l.csv, line 3: the highlight from 1 s to 3.0 s is there",
        ),
        (
            "l.csv",
            "video,start,end,split\na,1,3,val\n",
            "l.csv, line 2: split is 'val'; it needs to be one of",
        ),
        (
            "l.csv",
            "video,start,end,split\na,1,3,train\na,4,5,test\n",
            "l.csv, line 3: split is 'test', and was",
        ),
        ("l.csv", "video,second,score,kind\n", "l.csv: has the columns 'video,second,score,kind'; needed"),
        ("l.csv", "video,start,end,kind,label\n", "l.csv: has the columns 'video,start,end,kind,label'; n"),
        ("l.json", '{"a": [{"start": 1, "end": 2, "kind": 3}]}', "l.json, a, highlight 1: kind is 3; a text"),
        ("l.json", "{", "l.json, line 1: is not JSON"),
        ("l.json", "[]", 'l.json: needs to be {"video.mp4": [...], ...}, a list for every video.'),
        ("l.json", '{"a": 1}', 'l.json: needs to be {"video.mp4": [...], ...}, a list for every video.'),
        ("l.json", '{"a": [1], "a": [2]}', "l.json: has 'a' twice."),
        ("l.json", '{"a": [0, true]}', "l.json, a, second 1: score is True; a number is needed."),
        ("l.json", '{"a": [0, -1]}', "l.json, a, second 1: score is -1; it needs to be from 0 to 1."),
        ("l.json", '{"a": [{"start": 1}]}', "l.json, a, highlight 1: end is None; a number is needed."),
        (
            "l.json",
            '{"a": [{"begin": 1, "end": 2}]}',
            "l.json, a, highlight 1: has the unknown field 'begin'; kn",
        ),
        ("l.json", '{"a": [{"start": 1, "end": 2}, 3]}', "l.json, a, highlight 2: is 3; {"),
    ],
)
def test_wrong_labels_are_refused_in_a_sentence(films, tmp_path, name, content, said):
    path = written(tmp_path / name, content)
    assert refused(films, path).removeprefix(f"{tmp_path}/").startswith(said)


def test_labels_that_cannot_be_read_are_named(films, tmp_path):
    assert "absent.csv: cannot be read (No such file or directory)" in refused(films, tmp_path / "absent.csv")
    (tmp_path / "l.csv").write_bytes(b"video,second,score\n\x81\xfe,0,1\n")
    assert refused(films, tmp_path / "l.csv").endswith("l.csv: is not text in UTF-8, UTF-16 or Windows-1252.")
    assert "deep.json: its lists are nested too deeply" in refused(
        films, written(tmp_path / "deep.json", "[" * 100_000)
    )


def test_a_byte_order_mark_and_lines_in_any_order_do_no_harm(films, tmp_path):
    path = tmp_path / "l.csv"
    path.write_text("video,second,score\r\na,1,.5\r\n\r\na,0,1\r\n", encoding="utf-8-sig")
    labels = read_labels([path], Films(films))
    np.testing.assert_array_equal(scores_of_seconds("a", labels.videos["a"]), [1, 0.5])


def test_a_second_without_a_score_is_refused(films, tmp_path):
    path = written(tmp_path / "l.csv", "video,second,score\na,0,1\na,2,1\n")
    labels = read_labels([path], Films(films))
    with pytest.raises(DatasetError, match="a: has no score for second 1, but for later ones"):
        scores_of_seconds("a", labels.videos["a"])


def test_overlapping_highlights_give_the_larger_score():
    labels = scores_of_intervals("a", [Interval(0, 2, 0.5), Interval(1.5, 3)], 3.0)
    np.testing.assert_allclose(labels, [0.5, 0.5, 1.0])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("l.csv", "video,start,end,kind\na,2,4,goal\na,1,2.5,goal\na,2,3,cheer\na,6,7,goal\n"),
        (
            "l.json",
            {
                "a": [
                    {"start": 2, "end": 4, "kind": "goal"},
                    {"start": 1, "end": 2.5, "kind": "goal"},
                    {"start": 2, "end": 3, "kind": "cheer"},
                    {"start": 6, "end": 7, "kind": "goal"},
                ]
            },
        ),
    ],
)
def test_ranges_of_a_kind_that_overlap_are_merged_with_a_line(films, tmp_path, name, content):
    found, said = read(films, written(tmp_path / name, content))
    assert found == {"a": [(1, 4, 1, "goal"), (2, 3, 1, "cheer"), (6, 7, 1, "goal")]}
    assert said == [f"{name}: a: 1-2.5 s and 2-4 s overlap; they are merged."]


def test_a_highlight_may_end_where_the_headers_say_that_its_film_does():
    np.testing.assert_allclose(scores_of_intervals("a", [Interval(1, 3.02)], 2.99), [0, 1, 1])
    with pytest.raises(DatasetError, match="from 1 s to 3.2 s ends after the video"):
        scores_of_intervals("a", [Interval(1, 3.2)], 2.99)


def test_a_track_of_audacity_is_of_the_film_of_its_name(films, tmp_path):
    track = "0.500000\t1.250000\tgoal\n\\\t100.0\t2000.0\n2,0\t3,5\tbig cheer\n1.0\t1.0\there\n"
    found, said = read(films, written(tmp_path / "long.txt", track))
    assert found == {"long.mp4": [(0.5, 1.25, 1, "goal"), (2, 3.5, 1, "big cheer")]}
    assert said == ["long.txt, line 4: is a label of one moment, 1 s; it is left out."]
    path = written(tmp_path / "long.txt", "0.5\t1.5\tgoal\n1:02\n")
    assert "long.txt, line 2: is '1:02'; start, end and label are needed, with" in refused(films, path)


def test_time_stamps_are_of_the_film_that_a_line_or_else_the_file_names(films, tmp_path):
    text = "# best of\n0:01-0:02 goal\n\nSHORT.mov:\n0 – 0.5 a cheer\n1 to 1.5\nother.mp4:\n0:00-0:01 goal\n"
    found, said = read(films, written(tmp_path / "long.mp4.txt", text))
    assert found == {
        "long.mp4": [(1, 2, 1, "goal")],
        "short.mp4": [(0, 0.5, 1, "a cheer"), (1, 1.5, 1, "")],
    }
    assert said == [f"long.mp4.txt: other.mp4: there is no such film in {films}; left out."]


@pytest.mark.parametrize(
    ("time", "seconds"), [("1:02:03", "3723"), ("62:03", "3723"), ("3723.5", "3723.5"), ("0:14.5", "14.5")]
)
def test_times_are_hours_minutes_and_seconds_or_less(films, tmp_path, time, seconds):
    said = refused(films, written(tmp_path / "long.txt", f"{time}-1:59:59 goal"))
    assert f"line 1: starts at {seconds} s, but long.mp4 ends at 3.5 s, and no" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0:01-0:02\n1:75-2:00 goal\n", "long.txt, line 2: '1:75' is no time; 1:02:03.5, 62:03.5 or"),
        ("1:62:03-2:00:00\n", "long.txt, line 1: '1:62:03' is no time"),
        ("1::3-2:00\n", "long.txt, line 1: '1::3' is no time"),
        ("0:02-0:01\n", "long.txt, line 1: goes from 2 s to 1 s; 0 <= start < end is needed."),
        ("a goal\n", "long.txt, line 1: is 'a goal'; 1:02:03-1:02:20 and words, or a film.mp4: is needed."),
        ("x.mp4:\n0:01-0:02\n", "long.txt: names no film of "),
        (
            "1:00-1:10\n2:00-3:00\n",
            "long.txt, line 1: starts at 60 s, but long.mp4 ends at 3.5 s, and no highlight",
        ),
        ("# nothing\n", "long.txt: holds no highlight."),
    ],
)
def test_text_that_cannot_be_used_is_refused_in_a_sentence(films, tmp_path, text, said):
    assert refused(films, written(tmp_path / "long.txt", text)).removeprefix(f"{tmp_path}/").startswith(said)


def test_a_text_beside_its_film_is_that_films(tmp_path, films):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "short.mp4").write_bytes((films / "short.mp4").read_bytes())
    found, _ = read(tmp_path, written(tmp_path / "two" / "short.txt", "0-1 goal\n"))
    assert list(found) == ["two/short.mp4"]
    (tmp_path / "labels").mkdir()
    path = written(tmp_path / "labels" / "short.txt", "0-1 goal\n")
    assert "may be one/short.mp4 or two/short.mp4" in refused(tmp_path, path)
    found, _ = read(tmp_path, written(path, "/media/disk/two/short.mp4:\n0-1 goal\n"))
    assert list(found) == ["two/short.mp4"]


def test_ranges_are_cut_left_out_and_merged_with_a_word(films, tmp_path):
    text = "0-1 a\n0.5-1.5 a\n0-1 b\n3-5 a\n4-6 a\n"
    found, said = read(films, written(tmp_path / "long.txt", text))
    assert found == {"long.mp4": [(0, 1, 1, "b"), (0, 1.5, 1, "a"), (3, 3.5, 1, "a")]}
    assert said == [
        "long.txt, line 4: 3-5 s ends 1.5 s after the end of long.mp4; it is cut there.",
        "long.txt, line 5: 4-6 s begins 0.5 s after the end of long.mp4; it is left out.",
        "long.txt: long.mp4: 0-1 s and 0.5-1.5 s overlap; they are merged.",
    ]


def test_our_own_highlights_are_read_after_an_edit(films, tmp_path):
    ours = {
        "version": "0.1",
        "model": "davihd-small",
        "source": "long.mp4",
        "duration": 3.5,
        "scores": [0.1, 0.9, 0.2, 0.2],
        "highlights": [
            {"start": 1, "end": 2, "score": 0.9, "peak": 1.5, "confidence": 0.7},
            {"start": 2.5, "end": 3, "kind": "mine"},
        ],
    }
    path = tmp_path / "long.highlights.json"
    found, said = read(films, written(path, ours))
    assert found == {"long.mp4": [(1, 2, 0.9, ""), (2.5, 3, 1, "mine")]} and not said
    assert "names no film of" in refused(films, written(path, ours | {"source": "x.mp4"}))
    wrong = ours | {"highlights": [{"start": 1, "end": "soon"}]}
    assert "highlight 1: end is 'soon'; seconds or a time" in refused(films, written(path, wrong))
    assert "holds no highlight" in refused(films, written(path, ours | {"highlights": []}))


def test_kinds_can_be_chosen(films, tmp_path):
    table = written(tmp_path / "l.csv", "video,start,end,label\nlong.mp4,0,1,goal\nshort.mp4,0,1,\n")
    items = {"long.mp4": [{"start": 2, "end": 3, "kind": "Cheer"}], "short.mp4": []}
    lists = written(tmp_path / "l.json", items)
    found, _ = read(films, table, lists, only=("cheer",))
    assert found == {"long.mp4": [(2, 3, 1, "Cheer")], "short.mp4": []}
    found, _ = read(films, table, lists, only=("cheer", "goal"))
    assert [one[3] for one in found["long.mp4"]] == ["goal", "Cheer"]
    with pytest.raises(
        UsageError, match="--only is 'tackle', which no highlight of .* is; the kinds are Chee"
    ):
        read_labels([table, lists], Films(films), ["tackle"])
    seconds = written(tmp_path / "s.csv", "video,second,score\nlong.mp4,0,1\n")
    assert refused(films, seconds, only=("goal",)).endswith("is; they have no kinds.")


def test_a_folder_of_labels_is_read_as_one(films, tmp_path):
    written(tmp_path / "long.txt", "0-1 goal\n")
    (tmp_path / "more").mkdir()
    written(tmp_path / "more" / "best.csv", "video,start,end,kind\nlong.mp4,0,1,goal\nshort.mp4,1,2,\n")
    written(tmp_path / "notes.md", "not labels")
    written(tmp_path / ".hidden.txt", "nor this")
    found, _ = read(films, tmp_path)
    assert found == {"long.mp4": [(0, 1, 1, "goal")], "short.mp4": [(1, 2, 1, "")]}
    (tmp_path / "empty").mkdir()
    assert "empty: holds no file of labels; their names end in .csv" in refused(films, tmp_path / "empty")
    seconds = written(tmp_path / "s.csv", "video,second,score\nlong.mp4,0,1\n")
    assert "has scores of seconds or highlights" in refused(films, tmp_path / "long.txt", seconds)
