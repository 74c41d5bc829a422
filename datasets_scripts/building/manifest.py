"""Manifests of datasets: videos with a split, and maybe labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from datasets_scripts.building.splits import SPLITS
from datasets_scripts.building.videos import Video, check_labels
from modeling_davihd.engines.errors import DatasetError
from modeling_davihd.engines.manifest import FILM_COLUMNS, checked_films, read_columns
from modeling_davihd.engines.sources import place_of

MANIFEST_COLUMNS = {**FILM_COLUMNS, "split": pa.string(), "labels": pa.list_(pa.float32())}


def read_manifest(path: Path) -> tuple[pa.Table, list[str]]:
    """The manifest's rows, and the names of the columns that are ignored.

    The table has those of MANIFEST_COLUMNS that the file has, and always "split". Raises DatasetError, in
    one sentence naming the file and the video, for whatever is wrong with it.
    """
    table, ignored = read_columns(path, MANIFEST_COLUMNS)
    if "labels" in table.column_names and table["labels"].type == pa.string():
        place = table.column_names.index("labels")
        table = table.set_column(place, "labels", _numbers(path, table["video_id"], table["labels"]))
    if "split" not in table.column_names:
        table = table.append_column("split", pa.array(["train"] * len(table), pa.string()))
    table = checked_films(path, table, MANIFEST_COLUMNS)
    for split in table["split"].unique().to_pylist():
        if split not in SPLITS:
            raise DatasetError(f"{path}: has the split {split!r}; {', '.join(SPLITS)} are known.")
    if "labels" in table.column_names:
        for name, labels in zip(table["video_id"].to_pylist(), table["labels"], strict=True):
            check_labels(f"{path}, {name}", np.asarray(labels.values, np.float32))
    return table, ignored


def _numbers(path: Path, names: pa.ChunkedArray, texts: pa.ChunkedArray) -> pa.Array:
    """The labels of a CSV file, in which the numbers of all seconds are separated by spaces."""
    rows = []
    for name, text in zip(names.to_pylist(), texts.to_pylist(), strict=True):
        try:
            rows.append([float(number) for number in (text or "").split()])
        except ValueError as error:
            raise DatasetError(f"{path}, {name}: its labels are not numbers with spaces between.") from error
    return pa.array(rows, pa.list_(pa.float32()))


def video_of(row: Mapping[str, Any]) -> Video:
    """A row of a manifest."""
    labels = row.get("labels")
    return Video(
        video_id=row["video_id"],
        split=row["split"],
        labels=None if labels is None else np.array(labels, np.float32),
        media=place_of(row["path"], Path("/")),
    )
