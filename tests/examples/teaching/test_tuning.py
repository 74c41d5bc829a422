import numpy as np
import pytest
import torch

from examples.teaching.lessons import Lesson
from examples.teaching.saving import taught_model
from examples.teaching.tuning import PIECE, begin, network_logits, study, tuned
from modeling_davihd import DEFAULT_CHECKPOINT
from modeling_davihd.loading import load_model


@pytest.fixture(scope="module")
def network():
    return load_model(DEFAULT_CHECKPOINT).float()


def lesson(seconds: int, seed: int) -> Lesson:
    generator = torch.Generator().manual_seed(seed)
    log_mel = torch.randn(int(62.5 * seconds + 0.5), 128, generator=generator) - 8
    features = torch.rand(seconds, 1024, generator=generator)
    chosen = np.arange(seconds) % 7 == 3
    return Lesson(f"{seed}.mp4", log_mel, features, [], chosen)


def test_the_halves_of_a_network_give_its_scores(network):
    films = [study(network, lesson(seconds, seed)) for seed, seconds in enumerate((9, 20))]
    together = network_logits(network, films).sigmoid()
    for seed, film in enumerate(films):
        alone = network(log_mel=lesson(film.seconds, seed).log_mel.T[None]).scores[0]
        assert torch.allclose(together[seed, : film.seconds], alone, atol=1e-5)
        assert np.allclose(film.standing_out, alone.detach().numpy(), atol=1e-6)


def test_pieces_are_the_film(network):
    film = study(network, lesson(PIECE + 4, 0))
    pieces = film.pieces()
    assert [piece.seconds for piece in pieces] == [PIECE, 4]
    assert torch.equal(torch.cat([piece.states for piece in pieces]), film.states)


def test_a_taste_is_saved_as_it_scores(network):
    given = [lesson(12, seed) for seed in range(3)]
    films = [study(network, one) for one in given]
    [taste] = tuned(begin(network, films), films, [2], seed=0)
    model = taught_model(taste, None)
    inputs = {"log_mel": given[0].log_mel.T[None], "semantic_features": given[0].features[None]}
    assert np.allclose(model(**inputs).scores[0].detach(), taste.scores(films[0]), atol=1e-5)
    before, after = network.state_dict(), model.state_dict()
    kept = [name for name in before if ".blocks.0." in name or "running" in name]
    assert all(torch.equal(before[name], after[name]) for name in kept)
    assert not torch.equal(before["score_head.0.weight"], after["score_head.0.weight"])
