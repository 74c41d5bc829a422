"""What the model does in a graph, where sizes are symbols, done here with sizes that are known."""

import pytest
import torch
from tiny_models import TWO_VIEWS, random_inputs, silence, tiny_model

from modeling_davihd.graph_davihd import median_by_sorting

LENGTHS = [9, 5, 1, 0]
ceil = torch.ceil


def ceil_in_onnx(values: torch.Tensor) -> torch.Tensor:
    assert values.is_floating_point(), "Ceil takes no whole numbers"
    return ceil(values)


@pytest.mark.parametrize(
    "changes",
    [
        {"modalities": ["dynamics"], "dynamics_positions": "convolutional", **TWO_VIEWS},
        {"modalities": ["visual", "semantic", "dynamics", "text"], "log_mel_baseline_seconds": 5},
        {"log_mel_rate": 1, "fusion_placement": "late", "fusion_operation": "concat"},
    ],
    ids=["two views", "all streams", "one frame a second"],
)
@torch.no_grad()
def test_scores_are_the_same_in_a_graph(monkeypatch, changes):
    model = tiny_model(**changes)
    inputs = random_inputs(model.config, LENGTHS)
    silence(inputs, model.config, 0, (2, 5))
    expected = model(**inputs).scores
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    monkeypatch.setattr(torch, "ceil", ceil_in_onnx)
    assert (model(**inputs).scores - expected).abs().max() < 1e-5


def test_sorting_gives_the_median_of_what_is_there():
    values = torch.randn(3, 7, 4)
    values[0, 2:4] = values[1, :, 1] = torch.nan
    for dim in (1, -1):
        expected = values.nanmedian(dim).values
        torch.testing.assert_close(median_by_sorting(values, dim), expected, rtol=0, atol=0, equal_nan=True)
