import pytest
from tiny_data import training_arguments

from examples.train import main
from examples.training import tracking


def test_a_tracker_that_is_not_installed_is_told(config, data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tracking, "get_available_trackers", list)
    assert main(training_arguments(config, data, tmp_path / "out", "--report-to", "wandb")) == 1
    assert "wandb is not installed: `pip install wandb`" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_tensorboard_has_losses_rates_metrics_and_curves(config, data, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert main(training_arguments(config, data, tmp_path / "out", "--report-to", "tensorboard")) == 0
    events = EventAccumulator(str(tmp_path / "out" / "davihd")).Reload()
    assert [event.step for event in events.Scalars("train/loss")] == [1, 2, 3, 4, 5, 6]
    rates = [event.value for event in events.Scalars("train/learning_rate")]
    assert rates == pytest.approx([1e-3] * 6)
    assert [event.step for event in events.Scalars("validation/spearman")] == [3, 6]
    assert len(events.Images("validation/scores")) == 2
    [settings] = (tmp_path / "out" / "davihd").glob("*/hparams.yml")
    assert "learning_rate: 0.001" in settings.read_text() and "projection_dim: 16" in settings.read_text()
