"""SVHighlights: clips become seconds, and the loudness that is published is a row of every table."""

import json
import tarfile

import numpy as np
import pytest

from datasets_scripts.feature_set import main
from examples.evaluate import rule_metrics
from examples.training.data import read_dataset

WIDTHS = {"vid_clip": 3, "vid_slowfast": 2, "aud_pann": 4}
CLIPS = {"soccer_1": 6, "soccer_2": 5, "soccer_3": 4, "race_5": 5, "race_6": 4}


def array(kind: str, name: str, clips: int | None = None) -> np.ndarray:
    rng = np.random.default_rng([len(kind), CLIPS[name], len(name)])
    return rng.normal(size=(CLIPS[name] + 1, WIDTHS[kind])).astype(np.float32)[: clips or CLIPS[name]]


def labels_of(name: str) -> list[int]:
    return [int(clip % 3 == 1) for clip in range(CLIPS[name])]


def store(folder, kind: str, name: str, values: np.ndarray):
    """As users of the release found the files: .npz of `features`, .npy of sound, named by numbers."""
    sport, number = name.rsplit("_", 1)
    place = folder / "features" / sport / kind
    place.mkdir(parents=True, exist_ok=True)
    if kind == "aud_pann":
        np.save(place / f"{number}.npy", values)
    else:
        np.savez(place / f"{number}.npz", features=values)


@pytest.fixture
def published(tmp_path):
    """The folder of a set; the louder a clip, the rather it is a highlight, and one is silent."""
    folder = tmp_path / "set"
    (folder / "annotations").mkdir(parents=True)
    labels = [{"vid": name, "saliency_scores": labels_of(name)} for name in CLIPS]
    volume = {name: [-30.0 + 10 * one for one in [*labels_of(name), 0]] for name in CLIPS}
    volume["race_5"][0] = -np.inf
    (folder / "annotations" / "label.json").write_text(json.dumps(labels))
    (folder / "annotations" / "volume.json").write_text(json.dumps(volume))
    for kind in WIDTHS:
        for name in CLIPS:
            store(folder, kind, name, array(kind, name))
    return folder


def run(folder) -> int:
    return main(["--data", str(folder), "--name", "svhighlights", "--out", str(folder.parent / "out")])


def test_clips_become_seconds_and_loudness_a_row_of_tables(published):
    race = published / "features" / "race"
    with tarfile.open(race.with_suffix(".tar"), "w") as archive:
        archive.add(race, "race")
    for path in race.rglob("*.np[yz]"):
        path.unlink()
    store(published, "vid_clip", "soccer_1", array("vid_clip", "soccer_1", 7))
    assert run(published) == 0
    dataset = read_dataset(published.parent / "out")
    found = {split: rows.column("video_id") for split, rows in dataset.splits.items()}
    assert found == {
        "train": ["soccer_2", "soccer_3"],
        "validation": ["soccer_1", "race_6"],
        "test": ["race_5"],
    }
    [row, _] = dataset.rows("validation", ["visual", "semantic"], 1)
    seen = np.hstack([array(kind, "soccer_1") for kind in ("vid_clip", "vid_slowfast")])
    np.testing.assert_array_equal(row["visual_features"], seen.repeat(2, 0))
    np.testing.assert_array_equal(row["semantic_features"], array("aud_pann", "soccer_1").repeat(2, 0))
    np.testing.assert_array_equal(row["labels"], np.repeat(labels_of("soccer_1"), 2))
    assert dataset.splits["test"].column("loudness")[0][:4] == [-100, -100, -20, -20]
    metrics = rule_metrics(dataset, "test")
    assert metrics["loudness"]["spearman"] > 0.8


def test_games_that_cannot_be_used_are_told_of_one_by_one(published, capsys):
    store(published, "vid_clip", "soccer_1", array("vid_clip", "soccer_1", 4))
    (published / "features" / "soccer" / "aud_pann" / "2.npy").write_bytes(b"no array")
    (published / "features" / "race" / "vid_slowfast" / "5.npz").unlink()
    store(published, "vid_slowfast", "race_6", np.zeros((4, 5), np.float32))
    assert run(published) == 0
    notes = json.loads((published.parent / "out" / "missing.json").read_text())
    found = {note["video_id"]: note["reason"] for note in notes}
    assert found["soccer_1"].startswith("It has 6 labels and 4 clips of soccer/vid_clip/1.npz;")
    assert found["soccer_2"].startswith("soccer/aud_pann/2.npy is no readable array (")
    assert found["race_5"] == "features has no vid_slowfast of it."
    assert found["race_6"] == "Its visual_features are 8 wide, those of others 5."
    assert found.keys() == CLIPS.keys() - {"soccer_3"}
    (published / "annotations" / "volume.json").write_text("[]")
    assert run(published) == 1
    assert capsys.readouterr().err.rstrip().endswith("volume.json holds a list; a dict is needed.")
