"""Folders of videos with labels."""

import json
from pathlib import Path

import datasets
import numpy as np
import pytest
from films import film_with_sound, tone

from datasets_scripts.video_folder import main, split_by_hash
from modeling_davihd.engines.errors import UsageError
from modeling_davihd.media import cut_reel

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


def test_a_reel_cut_from_a_film_gives_the_highlights_that_it_was_cut_for(tmp_path):
    (tmp_path / "films").mkdir()
    noise = np.random.default_rng(0).normal(0, 0.1, 12 * 16000).astype(np.float32)
    film = film_with_sound(tmp_path / "films" / "a.mp4", noise, 12)
    pieces = [(2, 4), (5.3, 7.5), (9, 12)]
    cut_reel(film, pieces, tmp_path / "reel.mp4")
    again = [{"start": start, "end": end} for start, end in pieces]
    shares = ["--validation", "0", "--test", "0"]
    found = []
    for option, labels in (("--labels", written(tmp_path / "l.json", {"a.mp4": again})), ("--reels", None)):
        paths = ["--videos", str(film.parent), option, str(labels or tmp_path / "reel.mp4")]
        assert main([*paths, "--out", str(tmp_path / option), "--log-mel-rate", "1", *shares]) == 0
        found.append(rows(tmp_path / option)["a.mp4"][1])
    np.testing.assert_allclose(found[1], found[0], atol=0.002)


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


def test_labels_of_several_kinds_of_files_are_put_together(folder, tmp_path, capsys):
    labels = tmp_path / "labels"
    labels.mkdir()
    written(labels / "l.csv", csv_of("video,start,end,kind", "a.mp4,1,2,goal", "b.mp4,0,1,cheer"))
    written(labels / "b.txt", "0:01-0:02 goal\n")
    written(labels / "c.txt", "0.0\t0.5\tGoal\n0.25\t1.0\tGoal\n")
    shares = ["--validation", "0", "--test", "0", "--only", "goal"]
    assert command(folder, labels, tmp_path / "out", *shares) == 0
    found = {name: scores for name, (_, scores) in rows(tmp_path / "out").items()}
    assert found == {"a.mp4": [0, 1, 0, 0], "b.mp4": [0, 1], "more/c.mp4": [1, 0]}
    said = capsys.readouterr().err
    assert "c.txt: more/c.mp4: 0-0.5 s and 0.25-1 s overlap; they are merged.\n" in said
    assert command(folder, labels, tmp_path / "out", "--only", "tackle") == 2
    assert "--only is 'tackle'" in capsys.readouterr().err


def test_splits_of_the_file_rule_out_shares(folder, tmp_path, capsys):
    table = written(tmp_path / "l.csv", csv_of("video,start,end,split", *(f"{n},0,1,train" for n in NAMES)))
    assert command(folder, table, tmp_path / "out", "--test", "0.5") == 2
    assert "has a column split, so --validation and --test have no meaning" in capsys.readouterr().err
