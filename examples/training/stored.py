"""Rows of Parquet files, read from where they lie: no second copy of a dataset is made to train on it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from datasets_scripts.building.console import sentence


class Place(NamedTuple):
    """Where a row is: its file, its number there, its row group, and its number in that."""

    file: Path
    row: int
    group: int
    offset: int


@dataclass(frozen=True)
class StoredRows:
    """Rows of Parquet files with the same columns.

    What is read of a row is read with its row group: where that is the row alone, as in the files of
    datasets_scripts, nothing is read in vain. Raises ValueError, naming the file, where one is damaged.
    """

    places: list[Place]
    column_names: list[str]

    @classmethod
    def of_files(cls, files: Sequence[Path]) -> StoredRows:
        """All rows of one file or several."""
        places, columns = [], None
        for file in files:
            with _reading(file):
                metadata = pq.read_metadata(file)
            names = metadata.schema.to_arrow_schema().names
            if columns not in (None, names):
                raise ValueError(f"{file} has the columns {', '.join(names)}; {files[0]} has others.")
            columns = names
            places += _places(file, [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)])
        return cls(places, columns or [])

    def __len__(self) -> int:
        return len(self.places)

    def select(self, indices: Iterable[int]) -> StoredRows:
        """Those of these numbers, in that order."""
        return StoredRows([self.places[index] for index in indices], self.column_names)

    def joined(self, others: StoredRows) -> StoredRows:
        """These and others."""
        return StoredRows([*self.places, *others.places], self.column_names)

    def column(self, name: str) -> list[Any]:
        """What all rows have in a column, as Python's own values: for small columns."""
        found: dict[Path, pa.ChunkedArray] = {}
        for file in dict.fromkeys(place.file for place in self.places):
            with _reading(file):
                table = pq.read_table(file, columns=[name], page_checksum_verification=True)
            found[file] = table[name].to_pylist()
        return [found[place.file][place.row] for place in self.places]

    def arrays(self, index: int, columns: Sequence[str]) -> dict[str, np.ndarray]:
        """What a row has in columns of lists of lists, (rows, width) each, in memory of their own."""
        place = self.places[index]
        with _reading(place.file), pq.ParquetFile(place.file, page_checksum_verification=True) as file:
            table = file.read_row_group(place.group, columns=list(columns), use_threads=False)
        return {name: array_of(table[name][place.offset]) for name in columns}


def array_of(cell: pa.Scalar) -> np.ndarray:
    """Lists of lists (rows, width), in memory of their own. Raises ValueError unless all are as wide."""
    if isinstance(cell, pa.ExtensionScalar):
        cell = cell.value
    rows = pa.array([], pa.list_(pa.float16())) if cell is None or cell.values is None else cell.values
    numbers = rows.flatten().to_numpy(zero_copy_only=False)
    widths = rows.value_lengths().to_numpy(zero_copy_only=False)  # NaN where a list is missing
    if len(widths) and not (widths == widths[0]).all():
        raise ValueError("A row of features holds lists of several lengths.")
    return numbers.reshape(len(rows), int(widths[0]) if len(widths) else 0).copy()


def _places(file: Path, counts: Sequence[int]) -> Iterator[Place]:
    numbers = itertools.count()
    for group, count in enumerate(counts):
        for offset in range(count):
            yield Place(file, next(numbers), group, offset)


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{file} is damaged, or no Parquet file: {sentence(error)}") from error
