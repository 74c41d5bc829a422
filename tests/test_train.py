import math

import numpy as np
import pytest
import torch

from examples.evaluate import rules
from examples.train import SyntheticBatches, learning_rate, mean_spearman
from modeling_davihd import DAViHDConfig, DAViHDFeatureExtractor, DAViHDModel

RECIPE = {"warmup_steps": 10, "steps": 110, "learning_rate": 2.0}


def batches(seed: int = 0) -> SyntheticBatches:
    return SyntheticBatches(DAViHDFeatureExtractor(), "train", 5, seed, 30, [5, 10])


def test_batches_are_repeatable_and_differ():
    first, again, other = batches()[3], batches()[3], batches()[4]
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert first["labels"].numel() == other["labels"].numel() == 30
    assert not torch.equal(first["log_mel"].flatten()[:1000], other["log_mel"].flatten()[:1000])
    assert not torch.equal(first["log_mel"], batches(seed=1)[3]["log_mel"][: len(first["log_mel"])])


def test_learning_rate_warms_up_and_decays():
    rates = [learning_rate(step, RECIPE) for step in range(110)]
    assert rates[0] == pytest.approx(0.2) and rates[9] == pytest.approx(2.0)
    assert max(rates) == pytest.approx(2.0) and rates[-1] < 0.05
    assert np.all(np.diff(rates[10:]) < 0)


def test_a_few_steps_lower_the_loss():
    torch.manual_seed(0)
    config = DAViHDConfig(
        modalities=["dynamics"], dynamics_dim=16, dynamics_channels=[4] * 6, score_hidden_dim=8, dropout=0.0
    )
    model = DAViHDModel(config).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    batch, losses = batches()[0], []
    for _ in range(12):
        loss = model(**batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


class Constant(torch.nn.Module):
    """Says the same of every second."""

    device = torch.device("cpu")

    def forward(self, log_mel: torch.Tensor):
        return type("Output", (), {"scores": torch.full((len(log_mel), 10), 0.3)})


@pytest.mark.filterwarnings("ignore:An input array is constant")
def test_a_constant_score_counts_nothing():
    batch = {"log_mel": torch.zeros(2, 128, 625), "labels": torch.rand(2, 10)}
    assert mean_spearman(Constant(), [batch]) == 0


def test_rules_follow_the_sound():
    log_mel = np.full((128, math.ceil(62.5 * 20)), -10.0)
    log_mel[:, 625:750] = 0.0  # seconds 10 and 11
    scores = rules(log_mel, 20, seed=0)
    assert scores["loudness"].argmax() in (10, 11)
    assert scores["loudness, 5 s mean"].argmax() in range(9, 13)
    assert scores["spectral flux, 5 s mean"].argmax() in range(8, 13)
    assert scores["centre"].argmax() == 10
    assert all(np.isfinite(score).all() and score.shape == (20,) for score in scores.values())
