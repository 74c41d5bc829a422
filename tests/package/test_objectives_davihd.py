import numpy as np
import pytest
import torch
from tiny_models import one_video, random_inputs, tiny_model

from modeling_davihd.objectives_davihd import correlation_error, ranking_error


def film(seconds: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(seconds, generator=generator), torch.rand(seconds, generator=generator).round(
        decimals=1
    )


def test_the_terms_follow_their_formulas():
    scores, labels = film()
    r = np.corrcoef(scores, labels)[0, 1]
    assert correlation_error(scores, labels).item() == pytest.approx(1 - r, abs=1e-4)
    s, y = scores.tolist(), labels.tolist()
    peaks = sorted(range(40), key=lambda second: -y[second])[:6]
    pairs = [(i, j) for i in peaks for j in range(40) if y[j] < y[i]]
    errors = [max(0, (y[i] - y[j]) - (s[i] - s[j])) for i, j in pairs]
    assert ranking_error(scores, labels).item() == pytest.approx(np.mean(errors), abs=1e-6)


def test_scores_that_equal_the_labels_have_no_loss_and_equal_labels_no_gradient():
    _, labels = film()
    assert ranking_error(labels, labels) == 0 and correlation_error(labels, labels).abs() < 1e-4
    scores, same = torch.rand(5, requires_grad=True), torch.full((5,), 0.5)
    (correlation_error(scores, same) + ranking_error(scores, same)).backward()
    assert (scores.grad == 0).all()


def test_the_loss_of_a_batch_is_that_of_its_films_without_padding_and_ignored_labels():
    lengths = [6, 4, 1]
    model = tiny_model(loss="mse+correlation+ranking", correlation_weight=0.5, ranking_weight=2.0)
    inputs = random_inputs(model.config, lengths)
    inputs["labels"][0, 2] = -100
    whole, total = model(**inputs).loss, 0.0
    for row, length in enumerate(lengths):
        labels = inputs["labels"][row : row + 1, :length]
        alone = model(**one_video(inputs, model.config, row, length), labels=labels).loss
        total += alone * (labels != -100).sum()
    assert whole.item() == pytest.approx(total.item() / 10, rel=1e-5)
    model.config.loss = "mse"
    assert model(**inputs).loss < whole
