"""The columns of a dataset."""

from __future__ import annotations

from collections.abc import Mapping

import datasets
import numpy as np

from datasets_scripts.building.preview import PREVIEW
from modeling_davihd.engines.shards import DatasetRow
from modeling_davihd.streams_davihd import STREAMS


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
    others |= {"change_points": sequence(sequence(value("int32"))), "loudness": sequence(value("float32"))}
    if "user_scores" in extras:
        others["user_scores"] = datasets.Array2D((None, np.shape(extras["user_scores"])[1]), "float32")
    return datasets.Features(columns | {name: others[name] for name in sorted(extras)})


__all__ = ["row_features"]
