import json
from pathlib import Path

import pytest
import torch
from huggingface_hub import ModelCard
from tiny_checkpoint import tiny_record
from tiny_data import CONFIG
from torch import nn

from examples.train import FINE_TUNING, main, parse_arguments
from examples.training.recipe import Recipe
from examples.training.record import RECORD_FILE
from examples.training.runs import make_runs
from examples.training.starting import freeze, keep_still, start_from
from modeling_davihd import DAViHDConfig, DAViHDFeatureExtractor, DAViHDModel

LISTENS = CONFIG | {"modalities": ["dynamics"], "log_mel_baseline_seconds": 31}


def model(**fields) -> DAViHDModel:
    return DAViHDModel(
        DAViHDConfig(**{k: v for k, v in (LISTENS | fields).items() if k != "model_type"})
    ).eval()


def save(folder: Path, **fields) -> Path:
    model(**fields).save_pretrained(folder)
    DAViHDFeatureExtractor().save_pretrained(folder)
    return folder


@pytest.fixture
def checkpoint(tmp_path):
    return save(tmp_path / "base", highlight_level=0.5)


def test_a_model_starts_with_the_scores_of_the_checkpoint(checkpoint):
    log_mel = torch.randn(1, 128, 1250)
    wanted = DAViHDModel.from_pretrained(checkpoint).eval()(log_mel=log_mel).scores
    started = model()
    assert not torch.allclose(started(log_mel=log_mel).scores, wanted)
    start_from(started, str(checkpoint))
    torch.testing.assert_close(started(log_mel=log_mel).scores, wanted)


def test_every_second_filter_reads_the_view_that_the_checkpoint_lacks(checkpoint):
    """So both are used; where they are alike, the convolution gives what the checkpoint's does."""
    started = model(log_mel_film_background=True)
    start_from(started, str(checkpoint))
    weight = started.dynamics_encoder.blocks[0].conv.weight
    given = DAViHDModel.from_pretrained(checkpoint).dynamics_encoder.blocks[0].conv.weight
    torch.testing.assert_close(weight.sum(1, keepdim=True), given)
    assert weight[::2, 1].abs().max() == weight[1::2, 0].abs().max() == 0
    views = torch.randn(1, 1, 128, 64)
    wanted = nn.functional.conv2d(views, given, padding=1)
    torch.testing.assert_close(nn.functional.conv2d(views.expand(-1, 2, -1, -1), weight, padding=1), wanted)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (
            {"dynamics_channels": [8, 4]},
            r"blocks.0.conv.weight needs shape \(8, 1, 3, 3\), and the checkpoint has",
        ),
        ({"dynamics_num_layers": 2}, "layers.1.* and the checkpoint lacks it"),
        ({"dynamics_num_layers": 0}, "the model has no dynamics_encoder.*--fresh dynamics_encoder, nothing"),
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


def test_parts_that_are_named_begin_anew(checkpoint):
    """Here a wider head, and features of the picture beside the sound."""
    started = model(modalities=["visual", "dynamics"], score_hidden_dim=12)
    with pytest.raises(ValueError, match="--fresh cross_visual_to_audio cross_audio_to_visual, nothing"):
        start_from(started, str(checkpoint), ["score_head", "visual_encoder", "visual_projection"])
    anew = ["visual_encoder", "visual_projection", "cross_audio_to_visual", "cross_visual_to_audio"]
    start_from(started, str(checkpoint), [*anew, "score_head"])
    stored = DAViHDModel.from_pretrained(checkpoint).state_dict()
    own = started.state_dict()
    assert all(torch.equal(own[name], stored[name]) for name in stored if "dynamics_encoder" in name)
    with pytest.raises(ValueError, match=r"fresh names 'head'.*there are audio_.*|.*score_head"):
        start_from(started, str(checkpoint), ["head"])


def test_frozen_parts_and_norms_stay_as_they_start():
    trained = model(dropout=0.5)
    freeze(trained, ["dynamics_encoder.blocks.0"])
    keep_still(trained.train(), Recipe(freeze=("dynamics_encoder.blocks.0",)))
    blocks = trained.dynamics_encoder.blocks
    assert not blocks[0].norm.training and blocks[1].norm.training and trained.score_head.training
    assert {p.requires_grad for p in blocks[0].parameters()} == {False}
    keep_still(trained.train(), Recipe(freeze_norms=True))
    norms = {m.training for m in trained.modules() if hasattr(m, "running_mean")}
    dropouts = {m.training for m in trained.modules() if isinstance(m, nn.Dropout)}
    assert norms == {False} and dropouts == {True}
    with pytest.raises(ValueError, match="there are dynamics_encoder, score_head, and their parts"):
        freeze(trained, ["encoder"])
    with pytest.raises(ValueError, match="nothing is left to train"):
        freeze(trained, ["dynamics_encoder", "score_head"])


def test_a_run_goes_on_from_a_checkpoint_and_says_so(checkpoint, data, tmp_path, capsys):
    arguments = ["--model", str(checkpoint), "--dataset", str(data), "--output", str(tmp_path / "out")]
    wanted = [*arguments, "--epochs", "1", "--num-workers", "0", "--freeze", "dynamics_encoder"]
    assert main(wanted) == 0
    base, out = (DAViHDModel.from_pretrained(folder) for folder in (checkpoint, tmp_path / "out"))
    assert out.config.dynamics_channels == base.config.dynamics_channels and base.config.highlight_level
    assert out.config.highlight_level is None  # which was measured on other scores
    for name, tensor in base.state_dict().items():
        assert torch.equal(tensor, out.state_dict()[name]) == name.startswith("dynamics_encoder"), name
    record = json.loads((tmp_path / "out" / "training.json").read_text())
    assert record["base_model"] == "base" and str(tmp_path) not in json.dumps(record)
    card = ModelCard.load(tmp_path / "out" / "README.md")
    assert card.data.base_model == "base" and "It was trained on from `base`" in card.text
    model().save_pretrained(checkpoint)  # another start of the same name
    assert main([*wanted, "--resume"]) == 1
    assert "holds another run: base_digest is " in capsys.readouterr().err


def test_features_of_another_encoder_are_refused(data, tmp_path):
    base = save(tmp_path / "base", modalities=["semantic"])
    names = {"visual_backbone": None, "semantic_backbone": "yamnet"}
    tiny_record(extraction=names).write(base / RECORD_FILE)
    overrides = {"dataset": str(data)}
    with pytest.raises(ValueError, match="semantic features were made with panns_cnn14_16k, and .*of yamnet"):
        list(make_runs(FINE_TUNING, tmp_path, overrides, model=str(base)))
    [run] = make_runs(FINE_TUNING, tmp_path, overrides | {"fresh": ("semantic_projection",)}, model=str(base))
    assert run.config.modalities == ["semantic"] and run.recipe.freeze_norms


@pytest.mark.parametrize(
    "options", [["--config", "a", "--model", "b"], ["--model", "a", "--start", "b"], []], ids=str
)
def test_there_is_one_network_and_one_start(options, capsys):
    with pytest.raises(SystemExit) as left:
        parse_arguments([*options, "--output", "out"])
    assert left.value.code == 2 and "--model" in capsys.readouterr().err
