"""Manifests: tables that say which videos there are, and where."""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from .errors import DatasetError
from .planning import PlannedShard, Shard
from .sources import missing_package, place_of
from .stores import Place

Columns = Mapping[str, pa.DataType]

FILM_COLUMNS: Columns = {"video_id": pa.string(), "path": pa.string(), "duration": pa.float64()}
NEEDED_COLUMNS = ("video_id", "path")
BLOCKS = 10_000  # at most; the manifest is cut into them to be dealt out


def read_columns(path: Path, columns: Columns) -> tuple[pa.Table, list[str]]:
    """What a manifest has of `columns`, as it is there, and the names of the columns that are ignored.

    Lists in CSV are text. A dataset without a column "split" gets one of its own splits, if that is among
    `columns`. Raises DatasetError, in one sentence naming the file, if it cannot be read or lacks a column.
    """
    readers = {".csv": _read_csv, ".parquet": _read_parquet}
    reader = _read_dataset if path.is_dir() else readers.get(path.suffix.lower())
    if reader is None:
        raise DatasetError(f"{path}: a manifest is a .csv or .parquet file, or a folder of `datasets`.")
    try:
        table, ignored = reader(path, columns)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DatasetError(f"{path}: cannot be read as a manifest ({error}).") from error
    if lacking := [name for name in NEEDED_COLUMNS if name not in table.column_names]:
        raise DatasetError(
            f"{path}: has no column {lacking[0]!r}; {' and '.join(NEEDED_COLUMNS)} are needed."
        )
    return table.select([name for name in columns if name in table.column_names]), ignored


def checked_films(path: Path, table: pa.Table, columns: Columns) -> pa.Table:
    """The table with its columns in their types, and relative paths made absolute.

    They are relative to the folder that the manifest is in, or to the manifest if it is a folder. Raises
    DatasetError, in one sentence naming the file and the video, for whatever is wrong with ids, paths and
    durations, and for anything that is empty.
    """
    try:
        fields = {name: table[name].cast(columns[name]) for name in table.column_names}
    except pa.ArrowException as error:
        raise DatasetError(f"{path}: has a column of the wrong type ({error}).") from error
    table = pa.table(fields)
    _check(path, table)
    base = (path if path.is_dir() else path.parent).resolve()
    places = [str(place_of(place, base)) for place in table["path"].to_pylist()]
    return table.set_column(table.column_names.index("path"), "path", pa.array(places, pa.string()))


def _read_csv(path: Path, columns: Columns) -> tuple[pa.Table, list[str]]:
    types = {name: pa.string() if pa.types.is_list(kind) else kind for name, kind in columns.items()}
    options = pa.csv.ConvertOptions(column_types=types, strings_can_be_null=False)
    table = pa.csv.read_csv(path, convert_options=options)
    known, others = _known_and_other(table.column_names, columns)
    return table.select(known), others


def _read_parquet(path: Path, columns: Columns) -> tuple[pa.Table, list[str]]:
    known, others = _known_and_other(pq.read_schema(path).names, columns)
    return pq.read_table(path, columns=known, partitioning=None), others


def _read_dataset(folder: Path, columns: Columns) -> tuple[pa.Table, list[str]]:
    """A folder of `save_to_disk` or for `load_dataset`."""
    import datasets

    try:
        loaded = _loaded(folder)
    except datasets.exceptions.DatasetsError as error:
        raise ValueError(str(error)) from error
    parts = {"train": loaded} if isinstance(loaded, datasets.Dataset) else loaded
    tables, ignored = [], list[str]()
    for split, part in parts.items():
        known, ignored = _known_and_other(part.column_names, columns)
        table = part.select_columns(known).with_format("arrow")[:]
        if "split" in columns and "split" not in known:
            table = table.append_column("split", pa.array([str(split)] * len(table), pa.string()))
        tables.append(table)
    return pa.concat_tables(tables), ignored


def _loaded(folder: Path) -> Any:
    import datasets

    if any((folder / name).exists() for name in ("dataset_dict.json", "state.json")):
        return datasets.load_from_disk(str(folder))
    # The usual cache might hold an older manifest.
    with tempfile.TemporaryDirectory(prefix="davihd-") as cache:
        return datasets.load_dataset(str(folder), cache_dir=cache, keep_in_memory=True)


def _known_and_other(names: Sequence[str], columns: Columns) -> tuple[list[str], list[str]]:
    known = [name for name in names if name in columns]
    return known, [name for name in names if name not in columns]


def _check(path: Path, table: pa.Table) -> None:
    """Raise DatasetError, naming the file and the video, for values that cannot be."""
    if len(table) == 0:
        raise DatasetError(f"{path}: lists no videos.")
    _check_filled(path, table)
    names = table["video_id"].to_pylist()
    if len(set(names)) < len(names):
        raise DatasetError(f"{path}, {Counter(names).most_common(1)[0][0]}: is listed more than once.")
    if "duration" in table.column_names:
        for name, seconds in zip(names, table["duration"].to_pylist(), strict=True):
            if seconds is not None and not 0 <= seconds < math.inf:
                raise DatasetError(f"{path}, {name}: its duration is {seconds:g}; seconds are needed.")
    if problem := missing_package(place for place in table["path"].to_pylist() if "://" in place):
        raise DatasetError(f"{path}: {problem}")


def _check_filled(path: Path, table: pa.Table) -> None:
    for name in (name for name in table.column_names if name != "duration"):
        listed = pa.types.is_list(table[name].type)
        values = table[name].is_valid() if listed else table[name]
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


def shards_of(
    block: pa.Table, folder: Place, video_of: Callable[[Mapping[str, Any]], object]
) -> Iterator[Shard]:
    """The shards of a block, in a folder; `video_of`: what their builder takes for a row."""
    by_name: dict[str, list[dict[str, Any]]] = {}
    for row in block.to_pylist():
        by_name.setdefault(row["shard"], []).append(row)
    for name, rows in by_name.items():
        yield Shard(folder / name, name.partition("-")[0], [video_of(row) for row in rows])
