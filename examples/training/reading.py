"""What a model is given of a dataset's row, checked, wherever the row was read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from modeling_davihd.streams_davihd import FULL_LOG_MEL_RATE, LOG_MEL_GRIDS, STREAMS

Batch = dict[str, torch.Tensor]


@dataclass(frozen=True)
class RowReader:
    """Turns rows into the inputs of a model, unpadded, with their labels.

    name: of the rows, in what is said of them. inputs: the columns of features that the model takes.
    stored_rate: log-Mel frames a second of the rows. frames_averaged: how many of them the model takes for a
    second, 0 if it takes them as they are.
    """

    name: str
    inputs: tuple[str, ...]
    stored_rate: float
    frames_averaged: float = 0

    @classmethod
    def of(
        cls,
        name: str,
        columns: Sequence[str],
        modalities: Sequence[str],
        log_mel_rate: float,
        stored_rate: float,
        log_mel_grid: str = "seconds",
    ) -> RowReader:
        """For a model of these modalities and log-Mel settings. Raises ValueError if the rows lack any."""
        inputs = tuple(STREAMS[modality].column for modality in modalities)
        for column in ("video_id", "labels", *inputs):
            if column not in columns:
                raise ValueError(f"{name} has no column {column!r}, which the model needs.")
        pooled = log_mel_rate == 1 and stored_rate == FULL_LOG_MEL_RATE
        needed = log_mel_rate if log_mel_grid == "seconds" else FULL_LOG_MEL_RATE
        if "dynamics" in modalities and not pooled and needed != stored_rate:
            raise ValueError(f"{name} has {stored_rate} log-Mel frames a second; the model needs {needed}.")
        return cls(name, inputs, stored_rate, LOG_MEL_GRIDS[log_mel_grid] if pooled else 0)

    def labels(self, video: str, values: Sequence[float] | None) -> np.ndarray:
        """The labels (T,) of a video. Raises ValueError naming it unless there are some, all in [0, 1]."""
        labels = np.asarray([] if values is None else values, np.float32)
        if labels.ndim != 1 or len(labels) == 0:
            raise ValueError(f"{self.name}: {video} has no labels; one a second is needed.")
        if not ((labels >= 0) & (labels <= 1)).all():
            raise ValueError(f"{self.name}: {video} has labels that are NaN or outside 0 to 1.")
        return labels

    def row(self, video: str, labels: np.ndarray, features: Mapping[str, np.ndarray]) -> Batch:
        """Features, by column, and labels (T,), as a model takes them. Raises ValueError naming the video."""
        row = {column: torch.from_numpy(values) for column, values in features.items()}
        for column, values in row.items():
            self._check(video, len(labels), column, values)
        if self.frames_averaged and "log_mel" in row:
            row["log_mel"] = mean_over_seconds(row["log_mel"], len(labels), self.frames_averaged)
        return {**row, "labels": torch.from_numpy(labels)}

    def _check(self, video: str, seconds: int, column: str, values: torch.Tensor):
        needed = math.ceil((self.stored_rate if column == "log_mel" else 1) * seconds)
        if len(values) != needed:
            raise ValueError(
                f"{self.name}: {video} has {seconds} labels and {len(values)} rows of {column}; {needed} are "
                "needed."
            )
        if not values.sum(dtype=torch.float32).isfinite():  # many times faster than looking at each
            raise ValueError(f"{self.name}: {video} has NaN or infinite {column}.")


def mean_over_seconds(log_mel: torch.Tensor, seconds: int, frames: float = FULL_LOG_MEL_RATE) -> torch.Tensor:
    """Full-rate log-Mel (M, F) as the mean of each second (T, F); a frame that straddles two counts half.

    frames: how many are taken for a second.
    """
    halves = log_mel.float().repeat_interleave(2, 0)
    return halves[: int(2 * frames) * seconds].unflatten(0, (seconds, -1)).mean(1)
