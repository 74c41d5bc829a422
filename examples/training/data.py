"""What training and evaluation read: rows of a dataset folder, and batches of rows of any origin."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import datasets
import numpy as np
import pyarrow
import pyarrow.parquet
import torch
from datasets import DatasetDict
from datasets.exceptions import DatasetGenerationError
from torch.utils.data import Dataset

from datasets_scripts.building.console import sentence
from datasets_scripts.building.shards import is_whole
from datasets_scripts.building.splits import SPLITS
from examples.training.front_matter import front_matter
from modeling_davihd.modeling_davihd import IGNORED_LABEL
from modeling_davihd.streams_davihd import FULL_LOG_MEL_RATE, LOG_MEL_GRIDS, N_FFT, STREAMS

Batch = dict[str, torch.Tensor]

# Columns of a dataset beside those of its streams.
PLAIN_COLUMNS = ("video_id", "duration", "labels", "folds", "user_scores", "change_points", "gt_summary")
# How many batches are sorted by length together: more of them waste less padding, fewer mix better.
SORTED_TOGETHER = 32
# Rows held in memory while Parquet is unpacked; the library's 1000 would take 2 GB.
ROWS_AT_ONCE = 16


class Rows(Protocol):
    """Films to train or score a model on: item i holds the inputs of the model for film i, and its labels.

    lengths: (N,), in seconds. summaries: what the metric takes besides labels, if anything.
    """

    name: str
    lengths: np.ndarray
    summaries: dict[str, Any]

    @property
    def labels(self) -> Sequence[np.ndarray]:
        """Of every film, (T,)."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Batch: ...


@dataclass(frozen=True)
class HighlightDataset:
    """A dataset folder: its splits, and its extraction.json, which says how the features were made."""

    folder: Path
    splits: DatasetDict
    extraction: dict

    @property
    def card(self) -> dict[str, Any]:
        """The metadata of its card. Raises ValueError naming the card if it has none."""
        return front_matter(self.folder / "README.md")

    @property
    def is_generated(self) -> bool:
        """Whether its card says that its films were generated."""
        return "synthetic" in (self.card.get("tags") or [])

    def rows(
        self, split: str, modalities: Sequence[str], log_mel_rate: float, log_mel_grid: str = "seconds"
    ) -> HighlightRows:
        """The videos of a split. Raises ValueError if there is no such split, or its videos lack an input."""
        if split not in self.splits:
            raise ValueError(f"{self.folder} has no split {split!r}; it has {', '.join(self.splits)}.")
        stored_rate, name = self.extraction["log_mel_rate"], f"{self.folder}, split {split}"
        return HighlightRows(self.splits[split], modalities, log_mel_rate, stored_rate, name, log_mel_grid)


def read_dataset(folder: Path) -> HighlightDataset:
    """Open a dataset folder.

    Raises ValueError naming the folder, file or column that is not what datasets_scripts writes.
    """
    record = folder / "extraction.json"
    if not record.is_file():
        raise ValueError(
            f"{folder} has no extraction.json; a finished folder of datasets_scripts/ is needed."
        )
    try:
        # The window could not be chosen at first, and was not written down.
        extraction = {"n_fft": N_FFT} | json.loads(record.read_text())
    except ValueError as error:
        raise ValueError(f"{record} is not JSON: {error}") from error
    shards = sorted((folder / "data").glob("*.parquet"), key=_split_order)
    if not shards:
        raise ValueError(f"{folder} has no Parquet files in data/.")
    files: dict[str, list[str]] = {}
    for shard in shards:
        _check_shard(shard)
        files.setdefault(shard.name.partition("-")[0], []).append(str(shard))
    datasets.disable_progress_bars()
    try:
        # By files, not by folder, whose copy in the cache is found by its card even if rows have changed.
        splits = datasets.load_dataset("parquet", data_files=files, writer_batch_size=ROWS_AT_ONCE)
    except (DatasetGenerationError, ValueError, OSError) as error:
        broken = next((f"{shard} is damaged" for shard in shards if not is_whole(shard)), None)
        raise ValueError(f"{broken or f'{folder} cannot be loaded'}: {sentence(error)}") from error
    known = (*PLAIN_COLUMNS, *(stream.column for stream in STREAMS.values()))
    unknown = {name for split in splits.values() for name in split.column_names} - set(known)
    if unknown:
        raise ValueError(f"{folder} has the unknown column {min(unknown)!r}; there are {', '.join(known)}.")
    return HighlightDataset(folder, splits, extraction)


def _split_order(shard: Path) -> tuple[int, str]:
    split = shard.name.partition("-")[0]
    return (SPLITS.index(split) if split in SPLITS else len(SPLITS), shard.name)


def _check_shard(path: Path):
    try:
        pyarrow.parquet.read_metadata(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(f"{path} is not a whole Parquet file: {sentence(error)}") from error


class HighlightRows(Dataset):
    """Videos of a dataset as the inputs of a model, unpadded, with their labels.

    Item i is a dict of `labels` (T,) and of `visual_features` (T, D_v), `semantic_features` (T, D_s) and
    `log_mel` (M, F), those of `modalities`; log_mel at `log_mel_rate`: 62.5 or, of rows stored at either
    rate, 1 frame a second; on a `log_mel_grid` other than "seconds", of those stored at 62.5. `summaries`,
    for the metric, has Mr.HiSum's shots and summaries if the dataset does. Raises ValueError, naming the
    video, for a row that is not whole.
    """

    def __init__(
        self,
        rows: datasets.Dataset,
        modalities: Sequence[str],
        log_mel_rate: float,
        stored_rate: float,
        name: str,
        log_mel_grid: str = "seconds",
    ):
        if len(rows) == 0:
            raise ValueError(f"{name} is empty; it needs at least one video.")
        self._inputs = [STREAMS[modality].column for modality in modalities]
        for column in ("video_id", "labels", *self._inputs):
            if column not in rows.column_names:
                raise ValueError(f"{name} has no column {column!r}, which the model needs.")
        self._pooled = log_mel_rate == 1 and stored_rate == FULL_LOG_MEL_RATE
        self._frames_averaged = LOG_MEL_GRIDS[log_mel_grid]
        needed = log_mel_rate if log_mel_grid == "seconds" else FULL_LOG_MEL_RATE
        if "dynamics" in modalities and not self._pooled and needed != stored_rate:
            raise ValueError(f"{name} has {stored_rate} log-Mel frames a second; the model needs {needed}.")
        self.name, self._stored_rate = name, stored_rate
        self.video_ids = rows["video_id"][:]
        self.labels = [np.asarray(labels, np.float32) for labels in rows["labels"][:]]
        self.lengths = np.array([len(labels) for labels in self.labels])
        for video, labels in zip(self.video_ids, self.labels, strict=True):
            _check_labels(f"{name}: {video}", labels)
        kinds = {getattr(rows.features[column], "dtype", "float16") for column in self._inputs}
        kind = torch.float32 if "float32" in kinds else torch.float16
        self._features = rows.select_columns(self._inputs).with_format("torch", dtype=kind)
        self.summaries = {}
        if {"change_points", "gt_summary"} <= set(rows.column_names):
            self.summaries["change_points"] = rows["change_points"][:]
            self.summaries["gt_summaries"] = rows["gt_summary"][:]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Batch:
        row = self._features[int(index)] if self._inputs else {}
        for column, values in row.items():
            self._check_features(index, column, values)
        if self._pooled and "log_mel" in row:
            seconds = int(self.lengths[index])
            row["log_mel"] = mean_over_seconds(row["log_mel"], seconds, self._frames_averaged)
        return {**row, "labels": torch.from_numpy(self.labels[index])}

    def _check_features(self, index: int, column: str, values: torch.Tensor):
        rate = self._stored_rate if column == "log_mel" else 1
        needed = math.ceil(rate * self.lengths[index])
        if len(values) != needed:
            raise ValueError(
                f"{self.name}: {self.video_ids[index]} has {self.lengths[index]} labels and {len(values)} "
                f"rows of {column}; {needed} are needed."
            )
        if not values.sum(dtype=torch.float32).isfinite():  # many times faster than looking at each
            raise ValueError(f"{self.name}: {self.video_ids[index]} has NaN or infinite {column}.")


def _check_labels(name: str, labels: np.ndarray):
    if labels.ndim != 1 or len(labels) == 0:
        raise ValueError(f"{name} has no labels; one a second is needed.")
    if not ((labels >= 0) & (labels <= 1)).all():
        raise ValueError(f"{name} has labels that are NaN or outside 0 to 1.")


def mean_over_seconds(log_mel: torch.Tensor, seconds: int, frames: float = FULL_LOG_MEL_RATE) -> torch.Tensor:
    """Full-rate log-Mel (M, F) as the mean of each second (T, F); a frame that straddles two counts half.

    frames: how many are taken for a second.
    """
    halves = log_mel.float().repeat_interleave(2, 0)
    return halves[: int(2 * frames) * seconds].unflatten(0, (seconds, -1)).mean(1)


def collate(rows: Sequence[Batch]) -> Batch:
    """Rows of any lengths as a float32 batch, padded at the end, labels with -100; log_mel as (B, F, M)."""
    batch = {name: padded([row[name] for row in rows]) for name in rows[0]}
    if "log_mel" in batch:
        batch["log_mel"] = batch["log_mel"].transpose(1, 2)
    mask = padded([torch.ones(len(row["labels"])) for row in rows]).long()
    return {**batch, "labels": batch["labels"].masked_fill(mask == 0, IGNORED_LABEL), "attention_mask": mask}


def padded(rows: Sequence[torch.Tensor]) -> torch.Tensor:
    """(T_i, ...) of any type -> (B, max T_i, ...) in float32, in one pass over memory."""
    batch = torch.zeros(len(rows), max(len(row) for row in rows), *rows[0].shape[1:])
    for target, row in zip(batch, rows, strict=True):
        target[: len(row)] = row
    return batch


def plan_batches(
    lengths: np.ndarray, batch_size: int, seed: int, epoch: int, processes: int = 1
) -> list[np.ndarray]:
    """Batches of videos of similar lengths, in random order: the same ones for the same seed and epoch.

    Every batch has at least as many videos as there are processes; one left over joins the batch before.
    """
    if len(lengths) < processes:
        raise ValueError(f"{len(lengths)} training videos cannot be shared by {processes} processes.")
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(lengths))
    batches: list[np.ndarray] = []
    size = max(batch_size, processes)
    for start in range(0, len(order), SORTED_TOGETHER * size):
        pool = order[start : start + SORTED_TOGETHER * size]
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        batches += [pool[i : i + size] for i in range(0, len(pool), size)]
    small = [i for i, batch in enumerate(batches) if len(batch) < processes]
    for i in reversed(small):
        batches[i - 1] = np.concatenate((batches[i - 1], batches.pop(i)))
    return [batches[i] for i in rng.permutation(len(batches))]


def parts_of(indices: np.ndarray, most: int, rank: int, processes: int) -> list[list[int]]:
    """What a process has of a step's videos, in at most so many parts, each with videos for every process."""
    parts = max(1, min(most, len(indices) // processes))
    mine = indices[rank::processes]
    return [mine[part::parts].tolist() for part in range(parts)]


def split_folds(folds: np.ndarray, run: int, fold: int, selection: str) -> dict[str, np.ndarray]:
    """Indices of the training, validation and test videos of one fold.

    folds: (N,), the fold in which each video is tested. A fifth of the other videos, drawn by run and fold,
    is for validation; with selection "test" it stays in training and the test videos are used for both.
    """
    tested = folds == fold
    test, others = np.flatnonzero(tested), np.flatnonzero(~tested)
    if selection == "test":
        return {"train": others, "validation": test, "test": test}
    chosen = np.random.default_rng([run, fold]).permutation(len(others)) < len(others) // 5
    return {"train": others[~chosen], "validation": others[chosen], "test": test}
