"""What files of Mr.HiSum's kind say of each video: its split, its labels, shots and summary."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from modeling_davihd.engines.errors import DatasetError

SPLIT_KEYS = {"train_keys": "train", "val_keys": "validation", "test_keys": "test"}


def read_json(path: Path) -> Any:
    """What a file of JSON holds. Raises DatasetError naming it if there is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise DatasetError(f"{path} is not a JSON file.") from error


def read_splits(path: Path) -> dict[str, str]:
    """The split of each video in a file of splits, in the file's order.

    Raises DatasetError if the file has other keys than train_keys, val_keys and test_keys, or a video twice.
    """
    content = read_json(path)
    if not isinstance(content, dict) or set(content) != set(SPLIT_KEYS):
        found = ", ".join(content) if isinstance(content, dict) else f"a {type(content).__name__}"
        raise DatasetError(f"{path} holds {found or 'nothing'}, but {', '.join(SPLIT_KEYS)} are needed.")
    splits: dict[str, str] = {}
    for key, split in SPLIT_KEYS.items():
        if not isinstance(content[key], list) or not all(isinstance(name, str) for name in content[key]):
            raise DatasetError(f"{path}: {key} is not a list of video ids.")
        for name in content[key]:
            if name in splits:
                raise DatasetError(f"{path} holds {name} twice, in {splits[name]} and in {split}.")
            splits[name] = split
    return splits


@dataclass(frozen=True)
class Annotation:
    """One video: labels (T,), change_points (shots, 2) and gt_summary (T,)."""

    labels: np.ndarray
    change_points: np.ndarray
    gt_summary: np.ndarray


def read_annotation(group: h5py.Group, path: Path, score: str) -> Annotation:
    """The group of one video, whose labels are called `score`.

    Raises DatasetError naming file and video if something is wrong with it.
    """
    where = f"{path}, {group.name.lstrip('/')}"
    if not isinstance(group, h5py.Group):
        raise DatasetError(f"{where}: is not a group of arrays for one video.")
    summary = "gt_summary" if "gt_summary" in group else "gtsummary"
    if missing := [name for name in (score, "change_points", summary) if name not in group]:
        raise DatasetError(f"{where}: lacks {missing[0]}; it has {', '.join(group) or 'nothing'}.")
    labels = group[score][()].astype(np.float32).ravel()
    shots, chosen = group["change_points"][()], group[summary][()].ravel()
    if len(labels) == 0 or not ((labels >= 0) & (labels <= 1)).all():
        raise DatasetError(f"{where}: {score} is empty or not made of numbers from 0 to 1 alone.")
    if shots.ndim != 2 or shots.shape[1] != 2:
        raise DatasetError(f"{where}: change_points has the shape {shots.shape}, but (shots, 2) is needed.")
    if len(chosen) != len(labels) or not np.isin(chosen, (0, 1)).all():
        raise DatasetError(f"{where}: {summary} is not one 0 or 1 for each of the {len(labels)} {score}s.")
    return Annotation(labels, shots.astype(np.int32), chosen.astype(np.int8))
