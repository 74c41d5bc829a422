"""Parquet shards: rows in, a file that is either whole and under its own name, or not there."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import current_thread, main_thread

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from datasets_scripts.building.errors import DatasetError
from modeling_davihd.files import whole

KEY = b"davihd"  # of the note in a shard's metadata
NAME = re.compile(r"(train|validation|test)-\d{5}-of-\d{5}\.parquet")

Row = Mapping[str, object]


@dataclass
class Note:
    """What a shard says of itself: its plan's fingerprint, and the (video_id, reason) of rows it lacks."""

    fingerprint: str
    missing: list[list[str]]


def row_features(widths: Mapping[str, int], extras: Row, labelled: bool = True) -> datasets.Features:
    """The columns of a dataset with those feature columns, in widths, and extras like those of an example."""
    value, sequence = datasets.Value, datasets.Sequence
    columns = {"video_id": value("string"), "duration": value("float32")}
    if labelled:
        columns["labels"] = sequence(value("float32"))
    for name in ("visual_features", "semantic_features", "log_mel"):
        if name in widths:
            columns[name] = datasets.Array2D((None, widths[name]), "float16")
    kinds = {"folds": sequence(value("int8")), "gt_summary": sequence(value("int8"))}
    kinds["change_points"] = sequence(sequence(value("int32")))
    if "user_scores" in extras:
        kinds["user_scores"] = datasets.Array2D((None, np.shape(extras["user_scores"])[1]), "float32")
    return datasets.Features(columns | {name: kinds[name] for name in sorted(extras)})


@contextmanager
def _interrupts_wait() -> Iterator[None]:
    """Ctrl-C takes effect at the end."""
    if current_thread() is not main_thread():  # no other is interrupted
        yield
        return
    received = []
    usual = signal.signal(signal.SIGINT, lambda number, _: received.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
        if received:
            signal.raise_signal(signal.SIGINT)


def write_shard(path: Path, features: datasets.Features, rows: Iterable[Row], note: Note) -> None:
    """Write rows as they come, each a row group of its own; the note last, so that rows may still change it.

    Raises DatasetError where the file cannot be written, and then leaves nothing behind.
    """
    options = {"compression": "zstd", "use_dictionary": False, "write_page_checksum": True}
    with (
        writing(path),
        whole(path) as partial,
        pq.ParquetWriter(partial, features.arrow_schema, **options) as writer,
    ):
        for row in rows:
            _append(writer, row)
        facts = {"fingerprint": note.fingerprint, "missing": note.missing}
        writer.add_key_value_metadata({KEY.decode(): json.dumps(facts, sort_keys=True)})


@_interrupts_wait()  # pyarrow asks Python for the types of columns, and takes what is raised there for damage
def _append(writer: pq.ParquetWriter, row: Row) -> None:
    columns = [_column(row[field.name], field.type) for field in writer.schema]
    writer.write_table(pa.Table.from_arrays(columns, schema=writer.schema))


def _column(value: object, kind: pa.DataType) -> pa.Array:
    """A column of one row; two-dimensional features go over without a Python object for every number."""
    if not isinstance(kind, pa.ExtensionType):
        return pa.array([value.tolist() if isinstance(value, np.ndarray) else value], type=kind)
    number = kind.storage_type.value_type.value_type
    array = np.ascontiguousarray(value, dtype=number.to_pandas_dtype())
    rows = pa.ListArray.from_arrays(
        pa.array(np.arange(len(array) + 1) * array.shape[1], pa.int32()), pa.array(array.ravel())
    )
    video = pa.ListArray.from_arrays(pa.array([0, len(array)], pa.int32()), rows)
    return pa.ExtensionArray.from_storage(kind, video)


def read_note(path: Path) -> Note | None:
    """The note of a shard; None for a damaged file. Raises DatasetError for a Parquet file from elsewhere."""
    try:
        metadata = pq.read_metadata(path).metadata or {}
    except (pa.ArrowException, OSError):
        return None
    if KEY not in metadata:
        raise DatasetError(
            f"{path} is not of a dataset that was built here; the output needs its own folder."
        )
    facts = json.loads(metadata[KEY])
    return Note(facts["fingerprint"], facts["missing"])


def is_whole(path: Path) -> bool:
    """Whether all pages of a shard are as they were written."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            for group in range(file.num_row_groups):
                file.read_row_group(group, use_threads=False)
    except (pa.ArrowException, OSError):
        return False
    return True


def count(path: Path) -> tuple[int, float]:
    """Rows of a shard, and the seconds that they last."""
    durations = pq.read_table(path, columns=["duration"])["duration"].to_numpy()
    return len(durations), float(durations.sum(dtype=np.float64))


def shards_in(folder: Path) -> list[Path]:
    """The files with a shard's name."""
    return sorted(path for path in folder.glob("*.parquet") if NAME.fullmatch(path.name))


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the system says against writing a file into one sentence that names it."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise DatasetError(f"{path}: cannot be written ({reason}).") from error
