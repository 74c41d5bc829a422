"""Scores of a model for every row of a dataset, and how good they are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from transformers import PreTrainedModel

from examples.training.data import Batch, Rows, collate
from examples.training.machine import on_cpu
from examples.training.recipe import EVENTS_AND_RANK
from modeling_davihd.loading import check_checkpoint, checkpoint_folder, load_model
from modeling_davihd.metrics.highlight_detection import protocol_scores
from modeling_davihd.streams_davihd import LOG_MEL_FLOOR, STREAMS

BATCH = 8  # films that are scored at once
SILENT_MEL = math.log(LOG_MEL_FLOOR)
PROTOCOL = "davihd"  # by which models are trained and tables made, unless another is asked for


@torch.no_grad()
def predict(
    accelerator: Accelerator, model: torch.nn.Module, rows: Rows, batch_size: int
) -> list[np.ndarray]:
    """Scores (T,) of every row, each process computing its part."""
    model.eval()
    order = np.argsort(rows.lengths, kind="stable")
    # All processes make as many batches: with weights spread over devices, they compute each one together.
    order = np.resize(order, -(-len(order) // accelerator.num_processes) * accelerator.num_processes)
    mine, found = order[accelerator.process_index :: accelerator.num_processes], []
    for start in range(0, len(mine), batch_size):
        indices = mine[start : start + batch_size]
        batch = to_device(collate([rows[i] for i in indices]), accelerator.device)
        batch.pop("labels")
        scores = model(**batch).scores.float().cpu().numpy()
        found += [(int(i), row[: rows.lengths[i]]) for i, row in zip(indices, scores, strict=True)]
    model.train()
    everyones = dict(gather_object(found))
    return [everyones[i] for i in range(len(rows))]


def scores_of(model: PreTrainedModel, rows: Rows) -> list[np.ndarray]:
    """A model's scores (T,) of every row, computed in float32 whatever its weights are stored as."""
    accelerator = Accelerator(cpu=on_cpu())
    return predict(accelerator, model.to(accelerator.device, torch.float32), rows, BATCH)


@dataclass(frozen=True)
class WithoutStreams:
    """Rows as a model gets those of films that lack streams.

    columns: those of the streams. left_out: whether they are left out, or hold what a film without them
    would: zeros, and silence.
    """

    rows: Rows
    columns: tuple[str, ...]
    left_out: bool

    @classmethod
    def of(cls, rows: Rows, streams: Sequence[str], model: PreTrainedModel) -> WithoutStreams:
        """For a model. Raises ValueError if nothing is left for it to read."""
        left = [stream.name for stream in model.config.streams if stream.name not in streams]
        if not left:
            raise ValueError(
                f"The model reads nothing but {', '.join(streams)}; --without leaves it nothing."
            )
        columns = tuple(STREAMS[name].column for name in streams)
        return cls(rows, columns, model.config.does_without)

    @property
    def lengths(self) -> np.ndarray:
        return self.rows.lengths

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Batch:
        row = self.rows[index]
        if self.left_out:
            return {name: values for name, values in row.items() if name not in self.columns}
        held = {name: SILENT_MEL if name == "log_mel" else 0.0 for name in self.columns}
        return {
            name: torch.full_like(values, held[name]) if name in held else values
            for name, values in row.items()
        }


def open_model(model: str) -> PreTrainedModel:
    """The model of a checkpoint folder or Hub id. Raises ValueError naming it, unless all of it fits."""
    with _named(model):
        return load_model(checkpoint_folder(model))


def find_checkpoint(model: str) -> Path:
    """The folder of a checkpoint, downloaded if `model` is a Hub id, whose config its weights fit.

    Raises ValueError naming it otherwise.
    """
    with _named(model):
        folder = checkpoint_folder(model)
        check_checkpoint(folder)
    return folder


@contextmanager
def _named(model: str) -> Iterator[None]:
    """Name the model in what is wrong with it."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"The model {model} cannot be loaded: {error}") from error


def measure(predictions: Sequence[np.ndarray], rows: Rows, protocol: str = PROTOCOL) -> dict[str, float]:
    """The means of every metric by the rules of a protocol (`modeling_davihd.metrics`)."""
    summaries = rows.summaries if protocol == PROTOCOL else {}
    values = protocol_scores(predictions, rows.labels, protocol=protocol, **summaries)
    if "event_recall" in values:
        parts = [values[name] for name in ("spearman", "event_recall", "event_precision")]
        values[EVENTS_AND_RANK] = sum(parts) / len(parts)
    return {name: round(value, 6) for name, value in values.items()}


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The same tensors there, copied while the processor goes on if their memory allows it."""
    return {name: values.to(device, non_blocking=True) for name, values in batch.items()}
