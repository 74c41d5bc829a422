"""Parquet shards: files that are either whole, or not there under their own names."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import current_thread, main_thread
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from datasets_scripts.building.preview import PREVIEW

from ..files import whole
from ..streams_davihd import STREAMS
from .errors import DatasetError

KEY = b"davihd"  # in a shard's metadata, of its note
NAME = re.compile(r"(train|validation|test)-\d{5}-of-\d{5}\.parquet")

DatasetRow = Mapping[str, Any]


@dataclass(frozen=True)
class Note:
    """What a shard says of itself: its fingerprint, and [video_id, reason] of the videos that it lacks."""

    fingerprint: str
    missing: list[list[str]]


def row_features(
    widths: Mapping[str, int],
    extras: DatasetRow,
    labelled: bool = True,
    kinds: Mapping[str, str] | None = None,
) -> datasets.Features:
    """The columns of a dataset.

    widths: of its feature columns. extras: those of any one of its videos, as an example. kinds: of the
    numbers in feature columns, where that is not float16.
    """
    value, sequence = datasets.Value, datasets.Sequence
    columns = {"video_id": value("string"), "duration": value("float32")}
    if labelled:
        columns["labels"] = sequence(value("float32"))
    if labelled or "log_mel" in widths:
        columns[PREVIEW] = datasets.Image()
    for name in (stream.column for stream in STREAMS.values()):
        if name in widths:
            columns[name] = datasets.Array2D((None, widths[name]), (kinds or {}).get(name, "float16"))
    others = {"folds": sequence(value("int8")), "gt_summary": sequence(value("int8"))}
    others["change_points"] = sequence(sequence(value("int32")))
    if "user_scores" in extras:
        others["user_scores"] = datasets.Array2D((None, np.shape(extras["user_scores"])[1]), "float32")
    return datasets.Features(columns | {name: others[name] for name in sorted(extras)})


@contextmanager
def _interrupts_wait() -> Iterator[None]:
    """Delay the effect of Ctrl-C until the end."""
    if current_thread() is not main_thread():  # only that one is interrupted
        yield
        return
    received: list[int] = []
    usual = signal.signal(signal.SIGINT, lambda number, _: received.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
        if received:
            signal.raise_signal(signal.SIGINT)


@contextmanager
def new_shard(path: Path, features: datasets.Features) -> Iterator[ShardWriter]:
    """A shard to be written, which appears under its own name once the context ends without an error.

    Raises DatasetError if the file cannot be written; then nothing is left behind.
    """
    # Statistics would hold every picture twice more, where no checksum guards them.
    options = {"compression": "zstd", "use_dictionary": False, "write_page_checksum": True}
    options["write_statistics"] = ["video_id", "duration"]
    with (
        writing(path),
        whole(path) as partial,
        pq.ParquetWriter(partial, features.arrow_schema, **options) as writer,
    ):
        yield ShardWriter(writer)


class ShardWriter:
    """Takes the rows of a shard one after the other, each as a row group of its own, and then its note."""

    def __init__(self, writer: pq.ParquetWriter):
        self._writer = writer

    # pyarrow asks Python for the types of columns, and takes an exception raised there for damage.
    @_interrupts_wait()
    def add_row(self, row: DatasetRow) -> None:
        schema = self._writer.schema
        columns = [_column(row[field.name], field.type) for field in schema]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=schema))

    def add_note(self, note: Note) -> None:
        facts = {"fingerprint": note.fingerprint, "missing": note.missing}
        self._writer.add_key_value_metadata({KEY.decode(): json.dumps(facts, sort_keys=True)})


def _column(value: object, kind: pa.DataType) -> pa.Array:
    """A column of one row. Two-dimensional features are passed on without a Python object for each number."""
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
    """The note of a shard, None if the file is damaged. Raises DatasetError for any other Parquet file."""
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
    """Whether every page of a shard is as it was written."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            for group in range(file.num_row_groups):
                file.read_row_group(group, use_threads=False)
    except (pa.ArrowException, OSError):
        return False
    return True


def count(path: Path) -> tuple[int, float]:
    """How many rows a shard has, and how many seconds they last together."""
    durations = pq.read_table(path, columns=["duration"])["duration"].to_numpy()
    return len(durations), float(durations.sum(dtype=np.float64))


def shards_in(folder: Path) -> list[Path]:
    """The files in a folder whose names are those of shards, sorted."""
    return sorted(path for path in folder.glob("*.parquet") if NAME.fullmatch(path.name))


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the system says against writing a file into one sentence that names it."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise DatasetError(f"{path}: cannot be written ({reason}).") from error
