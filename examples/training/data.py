"""What training and evaluation read: rows of a dataset folder, and batches of rows of any origin."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch.utils.data import Dataset

from datasets_scripts.building.preview import PREVIEW
from datasets_scripts.building.splits import SPLITS
from examples.training.front_matter import front_matter
from examples.training.origins import locate
from examples.training.reading import Batch, RowReader
from examples.training.stored import StoredRows
from examples.training.streaming import StreamedRows
from modeling_davihd.objectives_davihd import IGNORED_LABEL
from modeling_davihd.streams_davihd import N_FFT, STREAMS

# Columns of a dataset beside those of its streams.
PLAIN_COLUMNS = (
    *("video_id", "duration", "labels", PREVIEW),
    *("folds", "user_scores", "change_points", "gt_summary", "loudness"),
)
# How many batches are sorted by length together: more of them waste less padding, fewer mix better.
SORTED_TOGETHER = 32


class Rows(Protocol):
    """Films to train or score a model on: item i holds the inputs of the model for film i, and its labels.

    lengths: (N,), in seconds. summaries: what the metric takes besides labels, if anything. loudness: (T,) of
    every film, if it is known without the sound.
    """

    name: str
    lengths: np.ndarray
    summaries: dict[str, Any]
    loudness: Sequence[np.ndarray] | None

    @property
    def labels(self) -> Sequence[np.ndarray]:
        """Of every film, (T,)."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Batch: ...


@dataclass(frozen=True)
class HighlightDataset:
    """A dataset: its splits, and its extraction.json, which says how the features were made.

    source: what it is called, a folder or HUB_ID[@revision]. folder: where its files are. streamed: paths or
    addresses of its training videos, if these are to be read from where they are and not to be stored.
    """

    source: str
    folder: Path
    splits: Mapping[str, StoredRows]
    extraction: dict
    streamed: Sequence[str] = ()

    @property
    def name(self) -> str:
        """What others know it by: its Hub id, or the name of its folder."""
        path = Path(self.source)
        return path.absolute().name if path.is_dir() else self.source.partition("@")[0]

    @property
    def everything(self) -> StoredRows:
        """The videos of all splits."""
        return functools.reduce(StoredRows.joined, [self.splits[name] for name in sorted(self.splits)])

    @property
    def revision(self) -> str | None:
        """The commit of one of the Hub."""
        return None if Path(self.source).is_dir() else self.folder.name  # as the Hub's cache has it

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
            raise ValueError(f"{self.source} has no split {split!r}; it has {', '.join(self.splits)}.")
        stored_rate, name = self.extraction["log_mel_rate"], f"{self.source}, split {split}"
        return HighlightRows(self.splits[split], modalities, log_mel_rate, stored_rate, name, log_mel_grid)

    def stream(
        self, modalities: Sequence[str], buffer: int, log_mel_rate: float, log_mel_grid: str = "seconds"
    ) -> StreamedRows:
        """The streamed training videos. Raises ValueError if they lack an input."""
        columns = next(iter(self.splits.values())).column_names
        name, stored_rate = f"{self.source}, split train", self.extraction["log_mel_rate"]
        reader = RowReader.of(name, columns, modalities, log_mel_rate, stored_rate, log_mel_grid)
        videos = self.extraction["splits"]["train"]["videos"]
        return StreamedRows(self.streamed, videos, reader, buffer)


def read_dataset(source: str | Path, streaming: bool = False) -> HighlightDataset:
    """Open a dataset: a folder, or HUB_ID[@revision], which is downloaded if it is not there yet.

    streaming: leave the training videos where they are. Raises ValueError naming the folder, file or column
    that is not what datasets_scripts writes.
    """
    folder, streamed = locate(str(source), streaming)
    extraction = read_extraction(folder / "extraction.json")
    shards = sorted((folder / "data").glob("*.parquet"), key=_split_order)
    files: dict[str, list[Path]] = {}
    for shard in shards:
        split = shard.name.partition("-")[0]
        if not (streaming and split == "train"):
            files.setdefault(split, []).append(shard)
    if not files or (streaming and not streamed):
        raise ValueError(f"{source} has no Parquet files in data/{' to stream' if shards else ''}.")
    splits = {split: StoredRows.of_files(shards) for split, shards in files.items()}
    known = (*PLAIN_COLUMNS, *(stream.column for stream in STREAMS.values()))
    unknown = {name for split in splits.values() for name in split.column_names} - set(known)
    if unknown:
        raise ValueError(f"{source} has the unknown column {min(unknown)!r}; there are {', '.join(known)}.")
    return HighlightDataset(str(source), folder, splits, extraction, streamed)


def read_extraction(record: Path) -> dict[str, Any]:
    """What a dataset says of how its features were made. Raises ValueError naming the file."""
    if not record.is_file():
        raise ValueError(
            f"{record.parent} has no extraction.json; a finished folder of datasets_scripts/ is needed."
        )
    try:
        # The window could not be chosen at first, and was not written down.
        return {"n_fft": N_FFT} | json.loads(record.read_text())
    except ValueError as error:
        raise ValueError(f"{record} is not JSON: {error}") from error


def _split_order(shard: Path) -> tuple[int, str]:
    split = shard.name.partition("-")[0]
    return (SPLITS.index(split) if split in SPLITS else len(SPLITS), shard.name)


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
        rows: StoredRows,
        modalities: Sequence[str],
        log_mel_rate: float,
        stored_rate: float,
        name: str,
        log_mel_grid: str = "seconds",
    ):
        if len(rows) == 0:
            raise ValueError(f"{name} is empty; it needs at least one video.")
        columns = rows.column_names
        self._reader = RowReader.of(name, columns, modalities, log_mel_rate, stored_rate, log_mel_grid)
        self.name, self._rows = name, rows
        self.video_ids = rows.column("video_id")
        labels = zip(self.video_ids, rows.column("labels"), strict=True)
        self.labels = [self._reader.labels(video, values) for video, values in labels]
        self.lengths = np.array([len(labels) for labels in self.labels])
        self.summaries = {}
        if {"change_points", "gt_summary"} <= set(columns):
            self.summaries["change_points"] = rows.column("change_points")
            self.summaries["gt_summaries"] = rows.column("gt_summary")
        self.loudness = None
        if "loudness" in columns:
            self.loudness = [np.asarray(values, np.float32) for values in rows.column("loudness")]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Batch:
        features = self._rows.arrays(index, self._reader.inputs) if self._reader.inputs else {}
        return self._reader.row(self.video_ids[index], self.labels[index], features)


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
