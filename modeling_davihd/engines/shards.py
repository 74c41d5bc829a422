"""Parquet shards: files that are either whole, or not there under their own names."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from threading import current_thread, main_thread
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from .errors import DatasetError
from .stores import Place, whole_at

KEY = b"davihd"  # in a shard's metadata, of its note
NAME = re.compile(r"[a-z]+-\d{5,}-of-\d{5,}\.parquet")
FAST = -1  # a level of zstd

DatasetRow = Mapping[str, Any]


@dataclass(frozen=True)
class Note:
    """What a shard says of itself: its fingerprint, and [video_id, reason] of the videos that it lacks.

    files: that were written along with it, and the print of each.
    """

    fingerprint: str
    missing: list[list[str]]
    files: dict[str, str] = field(default_factory=dict)


@contextmanager
def _interrupts_wait() -> Iterator[None]:
    """Delay the effect of Ctrl-C and SIGTERM until the end."""
    if current_thread() is not main_thread():  # only that one is interrupted
        yield
        return
    received: list[int] = []
    usual = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    own = {number: handler for number, handler in usual.items() if handler is not None}  # else not Python's
    for number in own:
        signal.signal(number, lambda number, _: received.append(number))
    try:
        yield
    finally:
        for number, handler in own.items():
            signal.signal(number, handler)
        if received:
            signal.raise_signal(received[0])


@contextmanager
def new_shard(path: Place, schema: pa.Schema) -> Iterator[ShardWriter]:
    """A shard to be written, which appears under its own name once the context ends without an error.

    Raises DatasetError if the file cannot be written; then nothing is left behind.
    """
    with (
        writing(path),
        whole_at(path) as partial,
        pq.ParquetWriter(partial, schema, **_options(schema)) as writer,
    ):
        yield ShardWriter(writer)


def _options(schema: pa.Schema) -> dict[str, Any]:
    """How Parquet packs the columns: features of 32 bits fast, for they hardly become smaller."""
    wide = [
        f"{column.name}.list.element.list.element"
        for column in schema
        if isinstance(column.type, pa.ExtensionType)
        and column.type.storage_type.value_type.value_type == pa.float32()
    ]
    return {
        "compression": "zstd",
        "compression_level": dict.fromkeys(wide, FAST) or None,
        "use_dictionary": False,
        "write_statistics": False,  # nobody asks for the least of them, and no checksum would guard them
        "write_page_checksum": True,
    }


class ShardWriter:
    """Takes the rows of a shard one after the other, each as a row group of its own, and then its note."""

    # pyarrow asks Python for the types of columns, and takes an exception raised there for damage.
    @_interrupts_wait()
    def __init__(self, writer: pq.ParquetWriter):
        self._writer = writer
        self._types = {field.name: field.type for field in writer.schema}  # asked once: it takes its time

    @_interrupts_wait()
    def add_row(self, row: DatasetRow) -> None:
        columns = [_column(row[name], kind) for name, kind in self._types.items()]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self._writer.schema))

    def add_note(self, note: Note) -> None:
        facts = {name: value for name, value in asdict(note).items() if value or name != "files"}
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


def read_note(path: Place) -> Note | None:
    """The note of a shard, None if the file is damaged. Raises DatasetError for any other Parquet file."""
    try:
        with path.open("rb") as file:
            metadata = pq.read_metadata(file).metadata or {}
    except (pa.ArrowException, OSError):
        return None
    if KEY not in metadata:
        raise DatasetError(
            f"{path} is not of a dataset that was built here; the output needs its own folder."
        )
    return Note(**json.loads(metadata[KEY]))


def is_whole(path: Place) -> bool:
    """Whether every page of a shard is as it was written."""
    try:
        with path.open("rb") as file, pq.ParquetFile(file, page_checksum_verification=True) as shard:
            for group in range(shard.num_row_groups):
                shard.read_row_group(group, use_threads=False)
    except (pa.ArrowException, OSError):
        return False
    return True


def shards_in(folder: Place) -> list[Place]:
    """The files in a folder whose names are those of shards, sorted."""
    return sorted(path for path in folder.glob("*.parquet") if NAME.fullmatch(path.name))


@contextmanager
def writing(path: Place) -> Iterator[None]:
    """Turn what the system says against writing a file into one sentence that names it."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise DatasetError(f"{path}: cannot be written ({reason}).") from error
