"""Manifests: tables that say which videos there are, and where."""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from datasets_scripts.building.planning import PlannedShard, Shard
from datasets_scripts.building.splits import SPLITS
from datasets_scripts.building.videos import Video, check_labels
from modeling_davihd.engines.errors import DatasetError
from modeling_davihd.engines.sources import missing_package, place_of

MANIFEST_COLUMNS = {
    "video_id": pa.string(),
    "path": pa.string(),
    "split": pa.string(),
    "duration": pa.float64(),
    "labels": pa.list_(pa.float32()),
}
NEEDED_COLUMNS = ("video_id", "path")
BLOCKS = 10_000  # at most; the manifest is cut into them to be dealt out


def read_manifest(path: Path) -> tuple[pa.Table, list[str]]:
    """The manifest's rows, and the names of the columns that are ignored.

    The table has those of MANIFEST_COLUMNS that the file has, and always "split". Relative paths are made
    absolute; they are relative to the folder that the manifest is in, or to the manifest if it is a folder.
    Raises DatasetError, in one sentence naming the file and the video, for whatever is wrong with it.
    """
    table, ignored = _read(path)
    if lacking := [name for name in NEEDED_COLUMNS if name not in table.column_names]:
        raise DatasetError(
            f"{path}: has no column {lacking[0]!r}; {' and '.join(NEEDED_COLUMNS)} are needed."
        )
    columns = {name: table[name] for name in MANIFEST_COLUMNS if name in table.column_names}
    if "labels" in columns and columns["labels"].type == pa.string():
        columns["labels"] = _numbers(path, columns["video_id"], columns["labels"])
    if "split" not in columns:
        columns["split"] = pa.array(["train"] * len(table), pa.string())
    try:
        table = pa.table({name: column.cast(MANIFEST_COLUMNS[name]) for name, column in columns.items()})
    except pa.ArrowException as error:
        raise DatasetError(f"{path}: has a column of the wrong type ({error}).") from error
    _check_table(path, table)
    base = (path if path.is_dir() else path.parent).resolve()
    places = [str(place_of(place, base)) for place in table["path"].to_pylist()]
    table = table.set_column(table.column_names.index("path"), "path", pa.array(places, pa.string()))
    return table, ignored


def _read(path: Path) -> tuple[pa.Table, list[str]]:
    """The columns that have a meaning here, and the names of the others."""
    readers = {".csv": _read_csv, ".parquet": _read_parquet}
    reader = _read_dataset if path.is_dir() else readers.get(path.suffix.lower())
    if reader is None:
        raise DatasetError(f"{path}: a manifest is a .csv or .parquet file, or a folder of `datasets`.")
    try:
        return reader(path)
    except (OSError, ValueError, pa.ArrowException, datasets.exceptions.DatasetsError) as error:
        raise DatasetError(f"{path}: cannot be read as a manifest ({error}).") from error


def _read_csv(path: Path) -> tuple[pa.Table, list[str]]:
    types = MANIFEST_COLUMNS | {"labels": pa.string()}
    options = pa.csv.ConvertOptions(column_types=types, strings_can_be_null=False)
    table = pa.csv.read_csv(path, convert_options=options)
    known, others = _known_and_other(table.column_names)
    return table.select(known), others


def _read_parquet(path: Path) -> tuple[pa.Table, list[str]]:
    known, others = _known_and_other(pq.read_schema(path).names)
    return pq.read_table(path, columns=known, partitioning=None), others


def _read_dataset(folder: Path) -> tuple[pa.Table, list[str]]:
    """A folder of `save_to_disk` or for `load_dataset`; without a column "split", its own splits count."""
    loaded = _loaded(folder)
    parts = {"train": loaded} if isinstance(loaded, datasets.Dataset) else loaded
    tables, ignored = [], []
    for split, part in parts.items():
        known, ignored = _known_and_other(part.column_names)
        table = part.select_columns(known).with_format("arrow")[:]
        if "split" not in known:
            table = table.append_column("split", pa.array([str(split)] * len(table), pa.string()))
        tables.append(table)
    return pa.concat_tables(tables), ignored


def _loaded(folder: Path) -> datasets.Dataset | datasets.DatasetDict:
    if any((folder / name).exists() for name in ("dataset_dict.json", "state.json")):
        return datasets.load_from_disk(str(folder))
    # The usual cache might hold an older manifest.
    with tempfile.TemporaryDirectory(prefix="davihd-") as cache:
        return datasets.load_dataset(str(folder), cache_dir=cache, keep_in_memory=True)


def _known_and_other(names: Sequence[str]) -> tuple[list[str], list[str]]:
    known = [name for name in names if name in MANIFEST_COLUMNS]
    return known, [name for name in names if name not in MANIFEST_COLUMNS]


def _numbers(path: Path, names: pa.ChunkedArray, texts: pa.ChunkedArray) -> pa.Array:
    """The labels of a CSV file, in which the numbers of all seconds are separated by spaces."""
    rows = []
    for name, text in zip(names.to_pylist(), texts.to_pylist(), strict=True):
        try:
            rows.append([float(number) for number in (text or "").split()])
        except ValueError as error:
            raise DatasetError(f"{path}, {name}: its labels are not numbers with spaces between.") from error
    return pa.array(rows, pa.list_(pa.float32()))


def _check_table(path: Path, table: pa.Table) -> None:
    """Raise DatasetError, naming the file and the video, for values that cannot be."""
    if len(table) == 0:
        raise DatasetError(f"{path}: lists no videos.")
    _check_filled(path, table)
    names = table["video_id"].to_pylist()
    if len(set(names)) < len(names):
        raise DatasetError(f"{path}, {Counter(names).most_common(1)[0][0]}: is listed more than once.")
    for split in table["split"].unique().to_pylist():
        if split not in SPLITS:
            raise DatasetError(f"{path}: has the split {split!r}; {', '.join(SPLITS)} are known.")
    if "labels" in table.column_names:
        for name, labels in zip(names, table["labels"], strict=True):
            check_labels(f"{path}, {name}", np.asarray(labels.values, np.float32))
    if "duration" in table.column_names:
        for name, seconds in zip(names, table["duration"].to_pylist(), strict=True):
            if seconds is not None and not 0 <= seconds < math.inf:
                raise DatasetError(f"{path}, {name}: its duration is {seconds:g}; seconds are needed.")
    if problem := missing_package(place for place in table["path"].to_pylist() if "://" in place):
        raise DatasetError(f"{path}: {problem}")


def _check_filled(path: Path, table: pa.Table) -> None:
    for name in (name for name in table.column_names if name != "duration"):
        values = table[name].is_valid() if name == "labels" else table[name]
        empty = (number for number, value in enumerate(values.to_pylist(), 1) if not value)
        if (number := next(empty, None)) is not None:
            raise DatasetError(f"{path}, row {number}: has no {name}.")


def hours_of(table: pa.Table) -> float | None:
    """How many hours the videos last together; None unless the manifest says so of each."""
    if "duration" not in table.column_names or table["duration"].null_count:
        return None
    return float(table["duration"].to_numpy().sum()) / 3600


def blocks_of(table: pa.Table, plan: Sequence[PlannedShard]) -> Iterator[pa.Table]:
    """The rows of the planned shards, with a column "shard", in tables of one or more whole shards."""
    size = -(-len(plan) // BLOCKS)
    for first in range(0, len(plan), size):
        part = plan[first : first + size]
        names = [shard.name for shard in part for _ in shard.videos]
        block = table.take(pa.array([row for shard in part for row in shard.videos], pa.int64()))
        yield block.append_column("shard", pa.array(names, pa.string()))


def shards_of(block: pa.Table, data: Path) -> Iterator[Shard]:
    """The shards of a block, in the folder `data`."""
    by_name: dict[str, list[dict]] = {}
    for row in block.to_pylist():
        by_name.setdefault(row["shard"], []).append(row)
    for name, rows in by_name.items():
        yield Shard(data / name, rows[0]["split"], [_video(row) for row in rows])


def _video(row: dict[str, object]) -> Video:
    labels = row.get("labels")
    return Video(
        video_id=row["video_id"],
        split=row["split"],
        labels=None if labels is None else np.array(labels, np.float32),
        media=place_of(row["path"], Path("/")),
    )
