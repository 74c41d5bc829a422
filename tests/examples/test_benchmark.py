"""The textbook side computes the same as the package, and the command tells what it measured."""

import json

import numpy as np
import pytest
import torch
from tiny_models import random_inputs, tiny_model

from examples import benchmark
from examples.benchmarking import textbook
from modeling_davihd.metrics.highlight_detection import highlight_scores


@pytest.mark.parametrize("rate", [1, 62.5])
def test_the_textbook_model_gives_the_same_scores_and_loss(rate):
    model = tiny_model(log_mel_rate=rate)
    inputs = random_inputs(model.config, [9, 6], padding=0.0)
    with torch.no_grad():
        expected = model(**inputs)
        labels = inputs.pop("labels")
        scores = textbook.model(model, **inputs)
    torch.testing.assert_close(scores, expected.scores)
    torch.testing.assert_close(textbook.loss(scores, labels, inputs["attention_mask"]), expected.loss)


def test_the_textbook_encoder_learns_the_same_from_equal_lengths():
    encoder = tiny_model().double().train().dynamics_encoder
    log_mel = torch.randn(2, 128, encoder.config.log_mel_frames(6), dtype=torch.float64)
    gradients = []
    for blocks in (benchmark.our_blocks, textbook.dynamics_blocks):
        states = blocks(encoder, log_mel)
        gradients.append(torch.autograd.grad(states.square().sum(), list(encoder.blocks.parameters())))
    torch.testing.assert_close(*gradients, rtol=1e-7, atol=1e-9)


def test_textbook_metrics_are_the_same():
    rng = np.random.default_rng(0)
    references = [rng.random(length) for length in (30, 61)]
    predictions = [rng.random(len(one)) for one in references]
    expected = highlight_scores(predictions, references)
    for name, value in textbook.metrics(predictions, references).items():
        assert value == pytest.approx(expected[name], abs=1e-12), name


def test_sides_that_differ_are_told_of():
    with pytest.raises(ValueError, match="differ by 1.0e-01 of the largest value"):
        benchmark.check_equal(torch.tensor([0.9]), torch.tensor([1.0]))


def test_the_command_prints_a_table_and_writes_json(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(benchmark, "apart", lambda rows, *arguments: rows(*arguments))
    assert benchmark.main(["--only", "padding", "--json", str(tmp_path / "out.json")]) == 0
    found = json.loads((tmp_path / "out.json").read_text())
    (row,) = found["rows"]
    assert row["target"] == "< 10 %" and row["met"] == (float(row["ours"].rstrip("%")) < 10)
    assert f"| {row['name']} | {row['ours']} | {row['textbook']} |" in capsys.readouterr().out


def test_an_unknown_measurement_is_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        benchmark.main(["--only", "nonsense"])
    assert "nonsense" in capsys.readouterr().err


def test_a_device_that_is_not_there_is_told(capsys):
    assert benchmark.main(["--only", "gpu", "--device", "xpu:99"]) == 1
    assert "--device is 'xpu:99'; this machine does not have such a device" in capsys.readouterr().err
