"""Published feature sets: what of them becomes rows, and what is told of the rest."""

import json
import os
import pickle

import h5py
import numpy as np
import pytest
from tiny_data import training_arguments, write_config

from datasets_scripts.feature_set import main
from datasets_scripts.published.hdf5_sets import Store
from examples.train import main as train
from examples.training.data import read_dataset
from modeling_davihd.baselines import TripleSummConfig

WIDTHS = {"visual_clip": 6, "audio_ast": 4, "text_roberta": 3}
TYPES = {"visual_clip": np.float32, "audio_ast": np.float64, "text_roberta": np.float16}
COLUMNS = {
    "visual_clip": "visual_features",
    "audio_ast": "semantic_features",
    "text_roberta": "text_features",
}
SECONDS = {"a": 9, "b": 7, "c": 8, "d": 6, "e": 5}
SPLITS = {"train_keys": ["b", "a", "c"], "val_keys": ["d"], "test_keys": ["e"]}


def array(kind: str, name: str) -> np.ndarray:
    rng = np.random.default_rng([ord(name), len(kind)])
    return rng.normal(size=(SECONDS[name], WIDTHS[kind])).astype(TYPES[kind])


@pytest.fixture
def published(tmp_path):
    """The folder of a set with five videos."""
    folder = tmp_path / "sets" / "kosum"
    folder.mkdir(parents=True)
    (folder / "kosum_split.json").write_text(json.dumps(SPLITS))
    with h5py.File(folder / "kosum_gt.h5", "w") as file:
        for name, seconds in SECONDS.items():
            file[f"{name}/gt_score"] = np.linspace(0, 1, seconds, dtype=np.float32)
            file[f"{name}/gt_summary"] = (np.arange(seconds) < 2).astype(np.int8)
            file[f"{name}/change_points"] = np.array([[0, 2], [2, seconds]])
    for kind in WIDTHS:
        with h5py.File(folder / f"kosum_feat_{kind}.h5", "w") as file:
            for name in SECONDS:
                file.create_dataset(name, data=array(kind, name), chunks=True, compression="gzip")
    return folder


def run(folder, name="kosum") -> int:
    arguments = {"data": folder.parent, "name": name, "out": folder.parents[1] / "out"}
    return main([text for option, value in arguments.items() for text in (f"--{option}", str(value))])


def missing_of(folder) -> dict[str, str]:
    notes = json.loads((folder.parents[1] / "out" / "missing.json").read_text())
    return {note["video_id"]: note["reason"] for note in notes}


def replace(folder, kind: str, name: str, values: np.ndarray | None) -> None:
    with h5py.File(folder / f"kosum_feat_{kind}.h5", "a") as file:
        del file[name]
        if values is not None:
            file[name] = values


def test_rows_are_those_of_the_files_number_by_number(published, capsys):
    assert run(published) == 0
    dataset = read_dataset(published.parents[1] / "out")
    found = {split: rows.column("video_id") for split, rows in dataset.splits.items()}
    assert found == {"train": ["b", "a", "c"], "validation": ["d"], "test": ["e"]}
    arrays = dataset.splits["train"].arrays(0, list(COLUMNS.values()))
    assert [str(one.dtype) for one in arrays.values()] == ["float32", "float32", "float16"]
    rows = dataset.rows("train", ["visual", "semantic", "text"], 1)
    for kind, column in COLUMNS.items():
        expected = array(kind, "a").astype(np.float32)
        np.testing.assert_array_equal(rows[1][column].float().numpy(), expected)
    np.testing.assert_allclose(rows[1]["labels"], np.linspace(0, 1, 9), atol=1e-7)
    assert rows.summaries["change_points"][1] == [[0, 2], [2, 9]]
    facts = dataset.extraction
    assert [facts[f"{name}_backbone"] for name in ("visual", "semantic", "text")] == [
        "clip",
        "ast",
        "roberta",
    ]
    assert missing_of(published) == {} and capsys.readouterr().out.endswith("3 built, 0 kept\n")
    assert run(published) == 0 and capsys.readouterr().out.endswith("0 built, 3 kept\n")


@pytest.mark.parametrize("config", [TripleSummConfig(hidden_dim=8), None], ids=["TripleSumm", "DAViHD"])
def test_models_that_read_text_learn_on_them(published, tmp_path, config):
    assert run(published) == 0
    changes = {"modalities": ["visual", "semantic", "text"], "fusion_operation": "concat"}
    folder = write_config(tmp_path / "config", **changes)
    if config is not None:
        config.save_pretrained(folder)
    assert train(training_arguments(folder, tmp_path / "out", tmp_path / "model", "--epochs", "1")) == 0
    assert json.loads((tmp_path / "model" / "config.json").read_text())["text_dim"] == 3


def corrupt(folder, kind: str, name: str) -> None:
    """Spoil the stored bytes of an array."""
    path = folder / f"kosum_feat_{kind}.h5"
    with h5py.File(path) as file:
        place = file[name].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[place.byte_offset : place.byte_offset + place.size] = bytes(place.size)
    path.write_bytes(content)


def test_videos_that_cannot_be_used_are_told_of_one_by_one(published):
    replace(published, "text_roberta", "a", None)
    replace(published, "audio_ast", "b", array("audio_ast", "b")[:-1])
    replace(published, "visual_clip", "d", np.zeros((6, 7), np.float32))
    replace(published, "audio_ast", "e", np.full((5, 4), np.nan))
    corrupt(published, "visual_clip", "c")
    with h5py.File(published / "kosum_gt.h5", "a") as file:
        file.copy("a", "f")
        file["g"] = np.zeros(3)
    splits = SPLITS | {"test_keys": ["e", "f", "g", "h"]}
    (published / "kosum_split.json").write_text(json.dumps(splits))
    for kind in WIDTHS:
        with h5py.File(published / f"kosum_feat_{kind}.h5", "a") as file:
            file["f"] = array(kind, "a")
    assert run(published) == 0
    found = missing_of(published)
    assert found["a"] == "kosum_feat_text_roberta.h5 has nothing of it."
    expected = (
        "It has 7 labels, 7 rows of visual_features, 6 rows of semantic_features, 7 rows of text_features"
    )
    assert found["b"].startswith(expected)
    assert found["c"].startswith("kosum_feat_visual_clip.h5 is damaged there (Can't")
    assert found["d"] == "kosum_feat_visual_clip.h5: it is of shape (6, 7) there; (T, 6) is needed."
    assert found["e"] == "kosum_feat_audio_ast.h5 holds NaN or infinite numbers of it."
    assert "g: is not a group of arrays" in found["g"] and found["h"] == "kosum_gt.h5 has nothing of it."
    assert found.keys() == {"a", "b", "c", "d", "e", "g", "h"}


def truncate(folder):
    path = folder / "kosum_feat_audio_ast.h5"
    path.write_bytes(path.read_bytes()[:-100])


def rename(folder):
    for path in list(folder.iterdir()):
        path.rename(path.with_name(path.name.replace("kosum", "mosu")))
    folder.rename(folder.with_name("mosu"))


@pytest.mark.parametrize(
    "change, name, message",
    [
        (truncate, "kosum", "kosum_feat_audio_ast.h5 is not a readable HDF5 file"),
        (rename, "mosu", "mosu_feat_visual_clip.h5: its features are 6 wide; MoSu's are 768."),
        (
            lambda folder: (folder / "kosum_gt.h5").unlink(),
            "kosum",
            "kosum_gt.h5 is not a readable HDF5 file",
        ),
        (lambda _: None, "mrhisum", "holds no mrhisum_split.json"),
        (
            lambda folder: (folder / "kosum_feat_text_more.h5").touch(),
            "kosum",
            "_text_*.h5; it has kosum_feat_text_more.h5 and kosum_feat_text_roberta.h5.",
        ),
    ],
)
def test_what_is_wrong_with_the_whole_set_is_one_sentence(published, capsys, change, name, message):
    change(published)
    assert run(published, name) == 1
    errors = capsys.readouterr().err.strip().splitlines()
    assert len(errors) == 1 and message in errors[0]
    assert not (published.parents[1] / "out" / "extraction.json").exists()


def test_every_process_opens_the_files_for_itself(published, monkeypatch):
    store = Store(published / "kosum_gt.h5")
    assert store.file is store.file
    copy = pickle.loads(pickle.dumps(store))
    first = store.file
    assert copy.file is not first
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert store.file is not first
