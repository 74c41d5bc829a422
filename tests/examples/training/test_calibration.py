import json

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from examples.training.calibration import (
    calibrate,
    greatest_score,
    keep_calibration,
    knots_of,
    level_of,
    picks_of,
    reliability,
)
from modeling_davihd import DAViHDConfig
from modeling_davihd.highlights import Calibration


class LabelReader(torch.nn.Module):
    """Says what the visual features hold."""

    def forward(self, visual_features: torch.Tensor, attention_mask: torch.Tensor):
        return type("Output", (), {"scores": visual_features[..., 0] * attention_mask})


class Films(list):
    """Films whose one feature is the score that they get."""

    summaries: dict = {}
    name = "films"

    def __init__(self, scores, events=None):
        self.events = events
        self.labels = [np.asarray(curve, dtype=np.float32) for curve in scores]
        self.lengths = np.array([len(curve) for curve in self.labels])
        super().__init__(
            {"visual_features": torch.tensor(curve)[:, None], "labels": torch.tensor(curve)}
            for curve in self.labels
        )


def film(score, start=20, seconds=60):
    """Scores with one highlight of that score."""
    scores = np.full(seconds, 0.001)
    scores[start : start + 5] = score
    return scores


def test_the_level_is_exceeded_by_so_few_that_one_more_film_hardly_will():
    greatest = np.random.default_rng(0).permutation(np.arange(1, 100) / 100)
    assert level_of(greatest) == 0.97  # the 97th of 99: ceil(100 * 0.97)
    assert level_of(greatest[:10], share=0.5) == sorted(greatest[:10])[5]


def test_the_level_holds_for_films_that_it_was_not_taken_from():
    rng = np.random.default_rng(1)
    exceeded = [np.mean(rng.exponential(size=1000) > level_of(rng.exponential(size=80))) for _ in range(200)]
    assert np.mean(exceeded) < 0.03


def test_few_films_give_their_greatest_score_rounded_up():
    assert level_of([0.1, 0.23456, 0.2]) == 0.2346
    with pytest.raises(ValueError, match="needs films without events"):
        level_of([])


def test_a_film_has_the_score_of_its_greatest_highlight():
    assert greatest_score(film(0.5) + film(0.2, start=40)) == pytest.approx(0.5, abs=0.01)
    assert greatest_score(np.full(60, 0.3)) == 0


def test_picks_are_right_if_they_meet_an_event():
    picked, right = picks_of([film(0.5), film(0.3), film(0.2)], [[("horn", 21, 23)], [("horn", 40, 42)], []])
    assert picked == pytest.approx([0.5, 0.3, 0.2]) and right == [True, False, False]


def test_reliability_counts_the_right_ones_among_picks_of_like_score():
    picked = np.random.default_rng(0).permutation(np.arange(400) / 400)
    table = reliability(picked, picked > 0.5)
    assert len(table) == 10 and {row["picks"] for row in table} == {40}
    assert [row["right"] for row in table] == [0] * 5 + [39] + [40] * 4
    assert [row["score"] for row in table] == sorted(row["score"] for row in table)
    assert len(reliability(picked[:50], picked[:50] > 0.5)) == 2
    assert reliability([0.2] * 90, [True] * 90) == [{"score": 0.2, "picks": 90, "right": 90}]
    assert reliability([], []) == []


def test_shares_never_fall_and_are_never_certain():
    table = [{"score": s, "picks": 20, "right": r} for s, r in ((0.1, 0), (0.2, 12), (0.3, 8), (0.4, 20))]
    knots = knots_of(table)
    assert [score for score, _ in knots] == [0.1, 0.2, 0.3, 0.4]
    shares = [share for _, share in knots]
    assert shares == sorted(shares) and shares[1] == shares[2] == 0.5
    assert 0 < shares[0] and shares[-1] < 1
    assert knots_of([]) == []


@pytest.fixture(scope="module")
def calibration():
    loud = Films([film(0.6)] * 30, [[("horn", 20, 25)]] * 30)
    quiet = Films([film(score) for score in np.linspace(0.01, 0.2, 40)])
    return calibrate(Accelerator(cpu=True), LabelReader(), loud, quiet, batch_size=8)


def test_calibration_of_a_model(calibration):
    assert calibration["level"] == pytest.approx(0.2, abs=0.01)
    assert (calibration["films"], calibration["share"]) == (40, 0.03)
    assert sum(row["picks"] for row in calibration["reliability"]) == 70
    assert sum(row["right"] for row in calibration["reliability"]) == 30
    measured = Calibration(calibration["level"], calibration["confidence"])
    assert measured.find(film(0.15)) == []
    [sure], [unsure] = measured.find(film(0.6)), measured.find(film(0.15), top_k=1)
    assert sure.confidence > 0.9 and unsure.confidence < 0.2


def test_a_calibration_goes_to_the_config_of_the_model(tmp_path, calibration):
    DAViHDConfig(modalities=["dynamics"]).save_pretrained(tmp_path)
    before = json.loads((tmp_path / "config.json").read_text())
    keep_calibration(tmp_path, calibration)
    after = json.loads((tmp_path / "config.json").read_text())
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {"highlight_level", "highlight_confidence"} and before.keys() <= after.keys()
    config = DAViHDConfig.from_pretrained(tmp_path)
    assert (config.highlight_level, config.highlight_confidence) == (
        calibration["level"],
        calibration["confidence"],
    )
