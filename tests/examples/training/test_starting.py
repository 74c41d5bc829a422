import pytest
import torch
from tiny_data import CONFIG

from examples.training.starting import start_from
from modeling_davihd import DAViHDConfig, DAViHDModel

LISTENS = CONFIG | {"modalities": ["dynamics"], "log_mel_baseline_seconds": 31}


def model(**fields) -> DAViHDModel:
    return DAViHDModel(
        DAViHDConfig(**{k: v for k, v in (LISTENS | fields).items() if k != "model_type"})
    ).eval()


@pytest.fixture
def checkpoint(tmp_path):
    model().save_pretrained(tmp_path)
    return tmp_path


def test_a_model_starts_with_the_scores_of_the_checkpoint(checkpoint):
    log_mel = torch.randn(1, 128, 1250)
    wanted = DAViHDModel.from_pretrained(checkpoint).eval()(log_mel=log_mel).scores
    plain, wider = model(), model(log_mel_film_background=True)
    for started in (plain, wider):  # the second sees another view of the sound, of which it knows nothing yet
        assert not torch.allclose(started(log_mel=log_mel).scores, wanted)
        start_from(started, str(checkpoint))
        torch.testing.assert_close(started(log_mel=log_mel).scores, wanted)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (
            {"dynamics_channels": [8, 4]},
            r"blocks.0.conv.weight needs shape \(8, 1, 3, 3\), and the checkpoint has",
        ),
        ({"dynamics_num_layers": 2}, "layers.1.* and the checkpoint lacks it"),
        ({"dynamics_num_layers": 0}, "the model has no dynamics_encoder"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused_whole(checkpoint, fields, told):
    started = model(**fields)
    before = {name: tensor.clone() for name, tensor in started.state_dict().items()}
    with pytest.raises(ValueError, match=f"cannot be started from: .*{told}"):
        start_from(started, str(checkpoint))
    assert all(torch.equal(tensor, before[name]) for name, tensor in started.state_dict().items())


def test_a_checkpoint_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match="nowhere cannot be loaded: there is no such folder"):
        start_from(model(), str(tmp_path / "nowhere"))
