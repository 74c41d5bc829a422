import numpy as np
import pytest
import torch
from accelerate import Accelerator
from tiny_data import CONFIG

from examples.training.scoring import WithoutStreams, measure, predict
from modeling_davihd import DAViHDConfig, DAViHDModel


class LabelReader(torch.nn.Module):
    """Says what the visual features hold."""

    def forward(self, visual_features: torch.Tensor, attention_mask: torch.Tensor):
        return type("Output", (), {"scores": visual_features[..., 0] * attention_mask})


class Rows(list):
    """Films whose one feature is the label."""

    summaries: dict = {}

    def __init__(self, lengths: list[int]):
        self.labels = [np.linspace(0, 1, length, dtype=np.float32) ** 2 for length in lengths]
        super().__init__(
            {"visual_features": torch.tensor(labels)[:, None], "labels": torch.tensor(labels)}
            for labels in self.labels
        )
        self.lengths = np.array(lengths)


def test_predictions_come_back_in_order_and_cut_to_length():
    rows = Rows([9, 3, 12, 5, 7])
    scores = predict(Accelerator(cpu=True), LabelReader(), rows, batch_size=2)
    for score, labels in zip(scores, rows.labels, strict=True):
        np.testing.assert_array_equal(score, labels)
    assert measure(scores, rows)["spearman"] == 1


def test_films_without_streams_are_what_a_model_would_get_of_them():
    """Left out for one that was trained so; silence and zeros for another."""
    inputs = {"visual_features": torch.ones(2, 8), "log_mel": torch.ones(125, 128), "labels": torch.ones(2)}
    fields = {name: value for name, value in CONFIG.items() if name != "model_type"}
    without = {}
    for dropout in (0.0, 0.3):
        model = DAViHDModel(DAViHDConfig(**fields, modalities=["visual", "dynamics"], stream_dropout=dropout))
        without[dropout] = WithoutStreams.of([inputs], ["dynamics"], model)[0]
    assert without[0.3].keys() == {"visual_features", "labels"}
    assert (without[0.0]["log_mel"] < -18).all() and (without[0.0]["visual_features"] == 1).all()
    with pytest.raises(ValueError, match="reads nothing but dynamics, visual; --without leaves it nothing"):
        WithoutStreams.of([inputs], ["dynamics", "visual"], model)
