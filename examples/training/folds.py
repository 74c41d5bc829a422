"""The models of a cross-validation, and which videos each of them has not been trained on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from examples.training.data import HighlightDataset

NUMBERED = re.compile(r"fold-(\d+)")


def fold_models(model: str) -> list[Path]:
    """The checkpoints fold-0, fold-1, ... in a folder, in that order. Raises ValueError if one is missing."""
    found = [path for path in Path(model).glob("fold-*") if NUMBERED.fullmatch(path.name)]
    models = [Path(model) / f"fold-{number}" for number in range(len(found))]
    if not found or set(models) != set(found):
        raise ValueError(f"{model} needs to hold fold-0, fold-1 and so on, the models of a cross-validation.")
    return models


def own_folds(dataset: HighlightDataset) -> np.ndarray:
    """The fold (N,) in which each video is tested, as the dataset's first column of folds has it.

    Raises ValueError if it has none.
    """
    rows = dataset.everything
    if "folds" not in rows.column_names:
        raise ValueError(f"{dataset.source} has no column 'folds'; --folds FILE can name a list of them.")
    return np.array(rows.column("folds"))[:, 0]


def listed_folds(path: Path, video_ids: Sequence[str]) -> np.ndarray:
    """The fold (N,), from 0, in which each video is tested, by a text that lists the videos of every fold.

    An id belongs to the fold that was named last before it: "fold 1: ID, ID", or on lines of their own.
    Raises ValueError naming the file unless it has every video, in one fold.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no readable text: {error}") from error
    ids = "|".join(re.escape(name) for name in video_ids)
    found: dict[str, int] = {}
    fold = None
    for match in re.finditer(rf"(?<![\w-])(?:(?P<id>{ids})(?![\w-])|fold[\W_]*(?P<fold>\d+))", text, re.I):
        name = match["id"]
        if name is None:
            fold = int(match["fold"])
        elif fold is None or found.setdefault(name, fold) != fold:
            where = "before any fold" if fold is None else f"for the folds {found[name]} and {fold}"
            raise ValueError(f"{path} lists {name} {where}; each video needs the one that tests it.")
    if lacking := [name for name in video_ids if name not in found]:
        raise ValueError(f"{path} lists no fold for {lacking[0]}; every video needs one.")
    return np.unique([found[name] for name in video_ids], return_inverse=True)[1]
