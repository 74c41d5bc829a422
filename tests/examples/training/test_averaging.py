import pytest
import torch
from accelerate import Accelerator

from examples.training.averaging import WeightAverage


@pytest.fixture
def accelerator():
    accelerator = Accelerator(cpu=True)
    yield accelerator
    accelerator.free_memory()


def step(model: torch.nn.Linear, weight: float):
    with torch.no_grad():
        model.weight.fill_(weight)


def test_the_average_follows_the_weights_and_comes_back_with_a_state(accelerator, tmp_path):
    model = torch.nn.Linear(1, 1, bias=False)
    average = WeightAverage(accelerator, model, 0.75)
    for weight in (1.0, 3.0, 3.0):
        step(model, weight)
        average.update()
    assert average.model is not model and average.model.weight.item() == pytest.approx(1 + 2 * (1 - 0.75**2))
    kept = average.model.weight.item()
    accelerator.save_state(tmp_path / "state")
    step(model, 9.0)
    average.update()
    accelerator.load_state(tmp_path / "state")
    assert average.model.weight.item() == kept


def test_without_a_decay_the_trained_model_is_kept_itself(accelerator):
    model = torch.nn.Linear(1, 1)
    average = WeightAverage(accelerator, model, None)
    average.update()
    assert average.model is model


def test_statistics_of_batch_norm_are_averaged_too(accelerator):
    model = torch.nn.BatchNorm1d(1)
    average = WeightAverage(accelerator, model, 0.5)
    for mean in (0.0, 4.0):
        model.running_mean.fill_(mean)
        average.update()
    assert float(average.model.running_mean) == 2.0
