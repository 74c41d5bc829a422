"""Folders of videos with labels in CSV and JSON."""

import json
from pathlib import Path

import datasets
import numpy as np
import pytest
from films import film_with_sound, tone

from datasets_scripts.building.errors import DatasetError, UsageError
from datasets_scripts.video_folder import (
    labels_of_intervals,
    main,
    read_labels,
    seconds_of,
    split_by_hash,
)

NAMES = ("a.mp4", "b.mp4", "more/c.mp4")
SECONDS = {"a.mp4": [0.0, 0.5, 1.0, 0.25], "b.mp4": [1.0, 0.0], "more/c.mp4": [0.0, 0.125]}
NONE = {name: [] for name in NAMES}  # no highlights


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    (folder / "more").mkdir()
    for name in NAMES:
        seconds = 3.5 if name == "a.mp4" else 2
        film_with_sound(folder / name, tone(seconds, 16000), seconds)
    (folder / "notes.txt").write_text("not a video")
    return folder


def command(folder: Path, labels: Path, out: Path, *more: str) -> int:
    paths = ["--videos", str(folder), "--labels", str(labels), "--out", str(out)]
    features = ["--semantic-backbone", "statistics", "--log-mel-rate", "1", "--device", "cpu"]
    return main([*paths, *features, *more])


def rows(out: Path) -> dict[str, tuple[str, list[float]]]:
    dataset = datasets.load_dataset(str(out), cache_dir=str(out.parent / "cache"))
    return {row["video_id"]: (split, row["labels"]) for split in dataset for row in dataset[split]}


def written(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def csv_of(header: str, *lines: str) -> str:
    return "\n".join([header, *lines]) + "\n"


def test_scores_of_seconds_are_the_same_from_csv_and_json(folder, tmp_path):
    lines = [f"{name},{t},{score}" for name, scores in SECONDS.items() for t, score in enumerate(scores)]
    found = []
    for name, content in (("l.csv", csv_of("video,second,score", *lines)), ("l.json", SECONDS)):
        out = tmp_path / name.replace(".", "_")
        assert command(folder, written(tmp_path / name, content), out) == 0
        found.append(rows(out))
    assert found[0] == found[1]
    assert {name: labels for name, (_, labels) in found[0].items()} == SECONDS
    assert {split for split, _ in found[0].values()} == {"train", "validation", "test"}


def test_highlights_are_the_same_from_csv_and_json(folder, tmp_path):
    lines = ["a.mp4,1,3.25,0.5,train", "b.mp4,0.5,2,1,train", "more/c.mp4,0,1,.25,test"]
    table = written(tmp_path / "l.csv", csv_of("video, start, end, score, split", *lines))
    assert command(folder, table, tmp_path / "csv") == 0
    expected = {
        "a.mp4": ("train", [0, 0.5, 0.5, 0.25]),  # a quarter second of the half that the film has
        "b.mp4": ("train", [0.5, 1]),
        "more/c.mp4": ("test", [0.25, 0]),
    }
    assert rows(tmp_path / "csv") == expected
    highlights = {
        "a.mp4": [{"start": 1, "end": 3.25, "score": 0.5}],
        "b.mp4": [{"start": 0.5, "end": 2}],
        "more/c.mp4": [],
    }
    shares = ["--validation", "0", "--test", "0"]
    assert command(folder, written(tmp_path / "l.json", highlights), tmp_path / "json", *shares) == 0
    found = {name: labels for name, (_, labels) in rows(tmp_path / "json").items()}
    assert found == {"a.mp4": expected["a.mp4"][1], "b.mp4": expected["b.mp4"][1], "more/c.mp4": [0, 0]}


def test_a_second_run_keeps_and_a_changed_highlight_rebuilds(folder, tmp_path, capsys):
    highlights = {name: [{"start": 0, "end": 1}] for name in NAMES}
    labels = written(tmp_path / "l.json", highlights)
    for changed, said in ((False, "3 built, 0 kept"), (False, "0 built, 3 kept"), (True, "1 built, 2 kept")):
        if changed:
            written(labels, highlights | {"b.mp4": [{"start": 0, "end": 1, "score": 0.5}]})
        assert command(folder, labels, tmp_path / "out") == 0
        assert said in capsys.readouterr().out
    assert rows(tmp_path / "out")["b.mp4"][1] == [0.5, 0]


def test_labels_of_absent_and_broken_videos_are_listed(folder, tmp_path, capsys):
    for name in NAMES[:2]:
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "broken.mp4").write_bytes(b"no film" * 100)
    labels = {**SECONDS, "broken.mp4": [1, 1]}
    labels_file = written(tmp_path / "l.json", labels)
    assert command(tmp_path, labels_file, tmp_path / "out", "--validation", "0", "--test", "0") == 0
    assert "2 train videos" in capsys.readouterr().out
    missing = {
        one["video_id"]: one["reason"] for one in json.loads((tmp_path / "out/missing.json").read_text())
    }
    assert missing.keys() == {"more/c.mp4", "broken.mp4"}
    assert missing["more/c.mp4"].startswith("there is no such file in ")
    assert missing["broken.mp4"].startswith("broken.mp4: not a film or sound file")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("l.txt", "", "l.txt: its name must end in .csv or .json."),
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
def test_wrong_labels_are_refused_in_a_sentence(tmp_path, name, content, said):
    with pytest.raises(DatasetError) as error:
        read_labels(written(tmp_path / name, content))
    assert str(error.value).removeprefix(f"{tmp_path}/").startswith(said)


def test_labels_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(DatasetError, match="absent.csv: cannot be read .No such file or directory"):
        read_labels(tmp_path / "absent.csv")
    (tmp_path / "l.csv").write_bytes(b"video,second,score\n\xff\xfe,0,1\n")
    with pytest.raises(DatasetError, match="l.csv: is not UTF-8 text"):
        read_labels(tmp_path / "l.csv")


def test_a_byte_order_mark_and_lines_in_any_order_do_no_harm(tmp_path):
    path = tmp_path / "l.csv"
    path.write_text("video,second,score\r\na,1,.5\r\n\r\na,0,1\r\n", encoding="utf-8-sig")
    np.testing.assert_array_equal(seconds_of("a", read_labels(path).videos["a"]), [1, 0.5])


def test_a_second_without_a_score_is_refused(tmp_path):
    labels = read_labels(written(tmp_path / "l.csv", "video,second,score\na,0,1\na,2,1\n"))
    with pytest.raises(DatasetError, match="a: has no score for second 1, but for later ones"):
        seconds_of("a", labels.videos["a"])


def test_overlapping_highlights_give_the_larger_score():
    labels = labels_of_intervals("a", [(0, 2, 0.5), (1.5, 3, 1.0)], 3.0)
    np.testing.assert_allclose(labels, [0.5, 0.5, 1.0])


@pytest.mark.parametrize(
    ("labels", "more", "status", "said"),
    [
        (
            NONE | {"a.mp4": [{"start": 1, "end": 5}]},
            [],
            1,
            "a.mp4: its highlight from 1 s to 5 s ends after",
        ),
        (SECONDS | {"a.mp4": [1] * 9}, [], 1, "a.mp4: its labels last 9 s and its media 4 s"),
        ({"a.mp4": [0] * 4, "b.mp4": [1, 1]}, [], 1, "more/c.mp4: is in "),
        (
            {"d.mp4": [1], **SECONDS},
            ["--videos", "/nowhere"],
            1,
            "/nowhere: there is no such folder of videos.",
        ),
        (
            SECONDS,
            ["--validation", "1.5"],
            2,
            "--validation is 1.5; a share of the videos is from 0 to below 1.",
        ),
        (
            SECONDS,
            ["--test", "0.9"],
            2,
            "--validation 0.15 and --test 0.9 leave none of 3 videos to train on.",
        ),
        (SECONDS, ["--visual-backbone", "inception_v3"], 2, "inception_v3 needs its published weights"),
        (
            SECONDS,
            ["--semantic-backbone", "none", "--log-mel-rate", "none"],
            2,
            "There is nothing to compute",
        ),
    ],
)
def test_the_command_fails_in_one_line(folder, tmp_path, capsys, labels, more, status, said):
    assert command(folder, written(tmp_path / "l.json", labels), tmp_path / "out", *more) == status
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_shares_are_exact_seeded_and_stable():
    videos = [f"{number}.mp4" for number in range(40)]
    splits = split_by_hash(videos, 0.1, 0.25, seed=0)
    counts = {split: list(splits.values()).count(split) for split in ("train", "validation", "test")}
    assert counts == {"train": 26, "validation": 4, "test": 10}
    assert (
        split_by_hash(videos[::-1], 0.1, 0.25, seed=0) == splits != split_by_hash(videos, 0.1, 0.25, seed=1)
    )
    more = split_by_hash([*videos, "40.mp4"], 0.1, 0.25, seed=0)
    assert sum(more[video] != splits[video] for video in videos) <= 2
    assert set(split_by_hash(videos, 0, 0, seed=0).values()) == {"train"}
    with pytest.raises(UsageError, match="leave none of 2 videos"):
        split_by_hash(videos[:2], 0.1, 0.1, seed=0)


def test_splits_of_the_file_rule_out_shares(folder, tmp_path, capsys):
    table = written(tmp_path / "l.csv", csv_of("video,start,end,split", *(f"{n},0,1,train" for n in NAMES)))
    assert command(folder, table, tmp_path / "out", "--test", "0.5") == 2
    assert "has a column split, so --validation and --test have no meaning" in capsys.readouterr().err
