"""The leaderboard of `reproduce_tables.py --table benchmark`: how good models are, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from transformers import PreTrainedModel

from examples.benchmarking.measuring import flops_of
from examples.training.data import Rows, collate
from examples.training.record import Record
from examples.training.runs import Run
from examples.training.scoring import measure, open_model, scores_of
from examples.training.tables import cost_cells, headings, markdown, measured
from modeling_davihd.metrics.highlight_detection import PROTOCOLS

# What a model costs, as the record of its training has it, but for the GFLOPs.
COSTS = {
    "parameters": "parameters",
    "gflops": "GFLOPs/min",
    "seconds_per_epoch": "s/epoch",
    "seconds_per_video": "s/video",
}
EXPLAINED = (
    "GFLOPs are those of convolutions, matrix products and attention for a minute of film, of the features "
    "given. s/epoch is of training, s/video of scoring a test video, on the machine that this was run on."
)


def test_of(run: Run, record: Record) -> dict[str, dict[str, float]]:
    """What a training came to on its test videos: metrics and costs, by protocol."""
    model, rows = open_model(run.output), run.rows["test"]
    scores, found = scores_of(model, rows), {}
    spent = {"gflops": gflops_per_minute(model, rows)}
    spent |= {cost: getattr(record, cost) for cost in COSTS if cost not in spent}
    for protocol in PROTOCOLS:
        found[protocol] = measure(scores, rows, protocol) | spent
    return found


@torch.no_grad()
def gflops_per_minute(model: PreTrainedModel, rows: Rows) -> float:
    """Billions of floating-point operations a minute of the first film; the model's attention stays eager."""
    model.config._attn_implementation = "eager"  # PyTorch does not count all of the others
    batch = collate([rows[0]])
    seconds = batch.pop("labels").shape[1]
    batch = {name: values.to(model.device) for name, values in batch.items()}
    return flops_of(lambda: model(**batch)) * 60 / seconds / 1e9


def leaderboard(
    results: Mapping[str, Sequence[Mapping[str, float]]], unmeasured: Mapping[str, str], protocol: str
) -> str:
    """A table of one dataset by one protocol, the highest mean tau first: runs by the names of the models.

    unmeasured: what others would have needed, by name; they stand at the end.
    """
    ranked = sorted(results, key=lambda name: -np.mean([run["kendall"] for run in results[name]]))
    columns = [*headings(metrics=results[ranked[0]][0]), *COSTS.values()]
    rows = {name: [*measured(results[name]), *cost_cells(results[name], COSTS)] for name in ranked}
    rows |= {name: [needed, *["—"] * (len(columns) - 1)] for name, needed in unmeasured.items()}
    return markdown([f"protocol {protocol}", *columns], rows)
