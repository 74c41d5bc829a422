"""Manifests: what is read from each kind, and how each wrong one is refused."""

from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datasets_scripts.building.manifest import read_manifest, video_of
from datasets_scripts.building.splits import SPLITS
from modeling_davihd.engines.errors import DatasetError
from modeling_davihd.engines.manifest import blocks_of, hours_of, shards_of
from modeling_davihd.engines.planning import plan_shards

COLUMNS = {
    "video_id": ["a", "007", "c"],
    "path": ["a.mp4", "/films/b.mp4", "memory://films/c.mp4"],
    "split": ["train", "test", "train"],
    "labels": [[0.0, 0.5], [1.0], [0.25, 0.5, 0.75]],
    "duration": [1.5, 1.0, 3.0],
    "title": ["A", "B", "C"],
}


def csv(folder: Path) -> Path:
    texts = dict(COLUMNS, labels=[" ".join(map(str, row)) for row in COLUMNS["labels"]])
    lines = [",".join(map(str, row)) for row in zip(*texts.values(), strict=True)]
    path = folder / "videos.csv"
    path.write_text("\n".join([",".join(texts), *lines]) + "\n")
    return path


def parquet(folder: Path) -> Path:
    pq.write_table(pa.table(COLUMNS), folder / "videos.parquet")
    return folder / "videos.parquet"


def saved(folder: Path) -> Path:
    datasets.Dataset.from_dict(COLUMNS).save_to_disk(str(folder / "saved"))
    return folder / "saved"


def loadable(folder: Path) -> Path:
    (folder / "loadable").mkdir()
    datasets.Dataset.from_dict(COLUMNS).to_parquet(str(folder / "loadable" / "train.parquet"))
    return folder / "loadable"


@pytest.mark.parametrize("write", [csv, parquet, saved, loadable])
def test_every_kind_gives_the_same_rows(tmp_path, write):
    path = write(tmp_path)
    table, ignored = read_manifest(path)
    base = path if path.is_dir() else tmp_path
    expected = {name: values for name, values in COLUMNS.items() if name != "title"}
    expected["path"] = [str(base / "a.mp4"), "/films/b.mp4", "memory://films/c.mp4"]
    assert table.to_pydict() == expected and ignored == ["title"]
    assert hours_of(table) == 5.5 / 3600


def test_splits_of_a_dataset_give_the_column(tmp_path):
    columns = {name: COLUMNS[name] for name in ("video_id", "path")}
    parts = {"train": datasets.Dataset.from_dict(columns)}
    parts["test"] = datasets.Dataset.from_dict({"video_id": ["d"], "path": ["d.mp4"]})
    datasets.DatasetDict(parts).save_to_disk(str(tmp_path / "saved"))
    table, _ = read_manifest(tmp_path / "saved")
    assert table["split"].to_pylist() == ["train"] * 3 + ["test"] and hours_of(table) is None


def test_a_changed_folder_is_read_again(tmp_path):
    folder = loadable(tmp_path)
    read_manifest(folder)
    datasets.Dataset.from_dict({"video_id": ["d"], "path": ["d"]}).to_parquet(str(folder / "train.parquet"))
    assert read_manifest(folder)[0]["video_id"].to_pylist() == ["d"]


def text(content: str):
    def write(folder: Path) -> Path:
        (folder / "videos.csv").write_text(content)
        return folder / "videos.csv"

    return write


def table(**columns):
    def write(folder: Path) -> Path:
        columns_ = {"video_id": ["a", "b"], "path": ["a.mp4", "b.mp4"]} | columns
        pq.write_table(pa.table(columns_), folder / "videos.parquet")
        return folder / "videos.parquet"

    return write


def named(name: str, content: bytes | None = None):
    def write(folder: Path) -> Path:
        if content is not None:
            (folder / name).write_bytes(content)
        return folder / name

    return write


def empty_folder(folder: Path) -> Path:
    (folder / "empty").mkdir()
    return folder / "empty"


HEADER = "video_id,path\n"
WRONG = {
    "absent": (named("none.csv"), "none.csv: cannot be read as a manifest"),
    "kind": (named("videos.txt", b"a"), "videos.txt: a manifest is a .csv or .parquet file, or a folder"),
    "no parquet": (named("videos.parquet", b"not at all"), "videos.parquet: cannot be read as a manifest"),
    "no text": (named("videos.csv", b"\xff\xfe\x00video"), "videos.csv: (cannot be read|has no column)"),
    "folder": (empty_folder, "empty: cannot be read as a manifest"),
    "blank": (text(""), "videos.csv: cannot be read as a manifest"),
    "no rows": (text(HEADER), "videos.csv: lists no videos"),
    "no path": (text("video_id\na\n"), "videos.csv: has no column 'path'; video_id and path are needed"),
    "ragged": (text(HEADER + "a,b,c\n"), "videos.csv: cannot be read as a manifest"),
    "no id": (text(HEADER + "a,a.mp4\n,b.mp4\n"), "videos.csv, row 2: has no video_id"),
    "empty path": (text(HEADER + "a,\n"), "videos.csv, row 1: has no path"),
    "twice": (text(HEADER + "b,x\na,y\na,z\n"), "videos.csv, a: is listed more than once"),
    "split": (
        text("video_id,path,split\na,b,val\n"),
        "has the split 'val'; train, validation, test are known",
    ),
    "words": (text("video_id,path,labels\na,b,0.5 high\n"), "videos.csv, a: its labels are not numbers"),
    "high": (text("video_id,path,labels\na,b,0.5 7\n"), "videos.csv, a: its label of second 1 is 7"),
    "no labels": (text("video_id,path,labels\na,b,\n"), r"videos.csv, a: its labels are .* of shape \(0,\)"),
    "missing labels": (table(labels=[[0.5], None]), "videos.parquet, row 2: has no labels"),
    "nan": (table(labels=[[0.5], [float("nan")]]), "videos.parquet, b: its label of second 0 is nan"),
    "type": (table(labels=[1.5, 2.5]), "videos.parquet: has a column of the wrong type"),
    "bytes": (table(path=[{"bytes": b""}] * 2), "videos.parquet: has a column of the wrong type"),
    "length": (table(duration=[1.0, -3.0]), "videos.parquet, b: its duration is -3; seconds are needed"),
    "time": (text("video_id,path,duration\na,b,1:30\n"), "videos.csv: cannot be read as a manifest"),
    "scheme": (text(HEADER + "a,sftq://h/b.mp4\n"), "sftq://h/b.mp4: sftq:// is no kind of address"),
    "package": (text(HEADER + "a,sftp://h/b.mp4\n"), "sftp:// needs a package that is not installed"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_manifest_is_refused_by_name(tmp_path, monkeypatch, case):
    write, said = WRONG[case]

    def lacking(protocol):
        raise ImportError("Install it") if protocol == "sftp" else ValueError(protocol)

    if case == "package":  # installed or not
        monkeypatch.setattr("fsspec.get_filesystem_class", lacking)
    path = write(tmp_path)
    with pytest.raises(DatasetError, match=said) as refusal:
        read_manifest(path)
    assert str(path) in str(refusal.value)


def test_labels_reach_the_videos(tmp_path):
    table, _ = read_manifest(csv(tmp_path))
    (block,) = blocks_of(table.slice(0, 1), plan_shards(["train"], SPLITS, 16))
    (shard,) = shards_of(block, tmp_path, video_of)
    np.testing.assert_array_equal(shard.videos[0].labels, np.array([0, 0.5], np.float32))
