"""The five usual additions, made from outside: each a class or file and a row, that runs and can be removed.

docs/architecture.md says where each of them goes inside the repository.
"""

import json

import numpy as np
import pytest
import torch
from films import film_with_sound, noise_within, tone
from huggingface_hub.dataclasses import strict
from tiny_data import CARD, CONFIG, training_arguments, write_config, write_dataset
from tiny_models import TINY
from torch.nn import functional as F
from transformers import CONFIG_MAPPING, FEATURE_EXTRACTOR_MAPPING, MODEL_MAPPING

from datasets_scripts.building.builder import GivenColumn, Settings, Video, build_dataset
from datasets_scripts.extract import main as extract
from examples.evaluate import main as evaluate
from examples.train import main as train
from examples.training.data import collate, read_dataset
from modeling_davihd import DAViHDConfig, DAViHDFeatureExtractor, DAViHDModel
from modeling_davihd.backbones_davihd import BACKBONES, FrozenBackbone
from modeling_davihd.baselines import BASELINES
from modeling_davihd.baselines.configuration_baselines import BaselineConfig
from modeling_davihd.baselines.modeling_baselines import BaselineModel
from modeling_davihd.cli import main as davihd
from modeling_davihd.conversion import EncoderChoice
from modeling_davihd.registration import register
from modeling_davihd.streams_davihd import STREAMS, LogMel, Stream
from modeling_davihd.writers import WRITERS, FileWriter

SECONDS = 15


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    sound = noise_within(6, 3, 6)
    return film_with_sound(tmp_path_factory.mktemp("films") / "film.mp4", sound, SECONDS)


# ------------------------------------------------------------------------------------------ an output format


class TimesWriter(FileWriter):
    """The start of each highlight, one a line."""

    name, suffix = "times", ".highlights.times.txt"

    def save(self, result, path):
        path.write_text("".join(f"{highlight.start:g}\n" for highlight in result.highlights))


def test_an_output_format(film, tmp_path, capsys):
    command = ["highlight", str(film), "--output-dir", str(tmp_path), "--formats", "json,times"]
    WRITERS["times"] = TimesWriter
    try:
        assert davihd(command) == 0
        with pytest.raises(SystemExit):
            davihd(["highlight", "--help"])
        assert "times" in capsys.readouterr().out
    finally:
        del WRITERS["times"]
    found = json.loads((tmp_path / "film.highlights.json").read_text())["highlights"]
    assert found, "loud noise stands out"
    written = (tmp_path / "film.highlights.times.txt").read_text().split()
    assert list(map(float, written)) == [highlight["start"] for highlight in found]
    with pytest.raises(SystemExit) as usage:
        davihd(command)
    assert usage.value.code == 2 and "'times' is none of" in capsys.readouterr().err


# ---------------------------------------------------------------------------------------------- a baseline


@strict
class BrightnessConfig(BaselineConfig):
    """The louder the upper half of the spectrum, the better."""

    model_type = "baseline_brightness"
    modalities = ("dynamics",)

    num_mel_bins: int = 128
    log_mel_rate: float | int = 1


class BrightnessModel(BaselineModel):
    config: BrightnessConfig

    def __init__(self, config: BrightnessConfig):
        super().__init__(config)
        self.scale = torch.nn.Parameter(torch.ones(1))
        self.post_init()

    def score(self, inputs, segments, output_attentions):
        upper = inputs["dynamics"][:, self.config.num_mel_bins // 2 :].mean(1)
        return self.scale * upper, {}


@pytest.fixture
def brightness():
    BASELINES["baseline_brightness"] = BrightnessModel
    register(BrightnessModel)
    yield
    del BASELINES["baseline_brightness"]
    for mapping, key in (
        (CONFIG_MAPPING, "baseline_brightness"),
        (MODEL_MAPPING, BrightnessConfig),
        (FEATURE_EXTRACTOR_MAPPING, BrightnessConfig),
    ):
        del mapping._extra_content[key]


def test_a_baseline(brightness, film, tmp_path, capsys):
    config = tmp_path / "config"
    BrightnessConfig().save_pretrained(config)
    DAViHDFeatureExtractor(log_mel_rate=1).save_pretrained(config)
    (config / "training.yaml").write_text("epochs: 1\nbatch_size: 4\nnum_workers: 0\n")
    data = write_dataset(tmp_path / "data", rate=1)
    model = str(tmp_path / "model")
    assert train(training_arguments(config, data, model)) == 0
    assert evaluate(["--model", model, "--dataset", str(data)]) == 0
    assert "| model |" in capsys.readouterr().out
    command = ["highlight", str(film), "--model", model, "--output-dir", str(tmp_path), "--formats", "json"]
    assert davihd(command) == 0
    assert len(json.loads((tmp_path / "film.highlights.json").read_text())["scores"]) == SECONDS


def test_a_baseline_that_is_gone_is_no_longer_known(tmp_path, film, capsys):
    BrightnessConfig().save_pretrained(tmp_path)
    assert davihd(["highlight", str(film), "--model", str(tmp_path)]) == 1
    assert "is that of a 'baseline_brightness' model" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------ a frozen encoder


class Envelope(FrozenBackbone):
    """The level of each eighth of a second: sound (N, 16000) -> (N, 8)."""

    input_name = "waveform"
    input_shape = (16000,)
    dim = 8
    needs_weights = False

    def __init__(self):
        super().__init__()
        self.register_buffer("nothing", torch.empty(0), persistent=False)  # remembers dtype and device
        self.freeze()

    def encode(self, inputs):
        return inputs.to(self.dtype).unflatten(1, (8, -1)).square().mean(2).sqrt()


def test_a_frozen_encoder(monkeypatch, film, tmp_path, capsys):
    monkeypatch.setitem(BACKBONES["semantic"], "envelope", Envelope)
    manifest, data, model = tmp_path / "films.csv", tmp_path / "data", str(tmp_path / "model")
    splits = ["train", "train", "validation", "test"]
    labels = " ".join(["0.1", "0.9", "0.1"] * (SECONDS // 3))
    rows = [f"film{i},{film},{split},{labels}" for i, split in enumerate(splits)]
    manifest.write_text("\n".join(["video_id,path,split,labels", *rows]))
    options = ["--manifest", str(manifest), "--out", str(data), "--semantic-backbone", "envelope"]
    assert extract(options) == 0
    facts = json.loads((data / "extraction.json").read_text())
    assert (facts["semantic_backbone"], facts["semantic_dim"]) == ("envelope", 8)
    config = write_config(tmp_path / "config", modalities=["semantic", "dynamics"])
    assert train(training_arguments(config, data, model, "--epochs", "1")) == 0
    command = ["highlight", str(film), "--model", model, "--output-dir", str(tmp_path), "--formats", "json"]
    assert davihd(command) == 0, "an encoder without weights comes with the model"
    monkeypatch.undo()
    assert extract(options) == 2
    assert "no semantic backbone 'envelope'" in capsys.readouterr().err


class Doubler(FrozenBackbone):
    """One number of a published checkpoint times the mean level: (N, 16000) -> (N, 1)."""

    input_name = "waveform"
    input_shape = (16000,)
    dim = 1
    converter = f"{__name__}.renamed"

    def __init__(self):
        super().__init__()
        self.factor = torch.nn.Parameter(torch.empty(1))
        self.freeze()

    def reset_parameters(self):
        torch.nn.init.ones_(self.factor)

    def encode(self, inputs):
        return self.factor * inputs.abs().mean(1, keepdim=True)


def renamed(state_dict):
    return {"factor": state_dict["published_factor"]}


def test_a_frozen_encoder_with_weights(monkeypatch, film, tmp_path, capsys):
    monkeypatch.setitem(BACKBONES["semantic"], "doubler", Doubler)
    weights, manifest, data = tmp_path / "doubler.pth", tmp_path / "films.csv", tmp_path / "data"
    torch.save({"state_dict": {"published_factor": torch.tensor([2.0])}}, weights)
    manifest.write_text(f"video_id,path\nfilm,{film}\n")
    options = ["--manifest", str(manifest), "--out", str(data), "--semantic-backbone", "doubler"]
    assert extract(options) == 2
    assert "needs its published weights, --semantic-weights FILE" in capsys.readouterr().err
    assert extract([*options, "--semantic-weights", str(weights)]) == 0
    features = read_dataset(data).splits["train"].arrays(0, ["semantic_features"])["semantic_features"]
    assert features.shape == (SECONDS, 1)
    assert features[6:9] == pytest.approx(2 * 0.25, rel=0.03)  # the mean level of noise up to half scale


# ------------------------------------------------------------------------------------------------ a stream


@strict
class CrowdedConfig(DAViHDConfig):
    model_type = "davihd_crowded"

    chat_dim: int = 5


class CrowdedModel(DAViHDModel):
    config: CrowdedConfig


def chatted(number: int, split: str) -> Video:
    rng = np.random.default_rng(number)
    labels = rng.random(SECONDS + number).astype(np.float32)

    def given():
        return {
            "chat_features": rng.normal(size=(len(labels), 5)),
            "log_mel": rng.normal(size=(len(labels), 128)),
        }

    return Video(f"film{number}", split, labels, duration=float(len(labels)), given=given)


@pytest.mark.parametrize("placement", ["early", "late"])
@pytest.mark.parametrize("operation", ["multiply", "concat"])
def test_a_stream(monkeypatch, tmp_path, placement, operation):
    monkeypatch.setitem(STREAMS, "chat", Stream("chat", "chat_features"))
    monkeypatch.setitem(BACKBONES, "chat", {"made-up": FrozenBackbone})
    given = {"chat_features": GivenColumn(5, "made up"), "log_mel": GivenColumn(128, "made up")}
    settings = Settings({"chat": EncoderChoice("made-up")}, LogMel(rate=1), given=given)
    build_dataset(tmp_path, [chatted(i, "train") for i in range(3)], settings, card=CARD)
    facts = json.loads((tmp_path / "extraction.json").read_text())
    assert (facts["chat_backbone"], facts["chat_dim"]) == ("made-up", 5)
    names = ["chat", "dynamics"]
    rows = read_dataset(tmp_path).rows("train", names, log_mel_rate=1)
    batch = collate([rows[i] for i in range(3)])
    assert batch["chat_features"].shape == (3, SECONDS + 2, 5)

    torch.manual_seed(0)
    sizes = CONFIG | {"projection_dim": 16, "fusion_placement": placement, "fusion_operation": operation}
    del sizes["model_type"]
    config = CrowdedConfig(**sizes | {"modalities": names, "log_mel_rate": 1})
    model = CrowdedModel(config).train()
    model(**batch).loss.backward()
    assert model.chat_projection.weight.grad.abs().sum() > 0
    model.eval()
    together = model(**batch).scores
    for index, length in enumerate(rows.lengths):
        alone = model(**collate([rows[index]])).scores[0]
        assert torch.allclose(alone, together[index, :length], atol=1e-5)
    other = batch | {"chat_features": F.pad(batch["chat_features"], (0, 0, 1, 0))[:, :-1]}
    assert not torch.allclose(model(**other).scores, together, atol=1e-4)
    with pytest.raises(ValueError, match=r"`chat_features` is missing; it needs shape \(B, T, D\)"):
        model(**{name: values for name, values in batch.items() if name != "chat_features"})


def test_a_stream_that_is_gone_is_no_longer_known():
    with pytest.raises(Exception, match="it needs a non-empty selection of"):
        CrowdedConfig(**TINY, modalities=["chat"])
    with pytest.raises(TypeError, match="unexpected input `chat_features`"):
        DAViHDModel(DAViHDConfig(**TINY, modalities=["visual"]))(chat_features=torch.zeros(1, 2, 5))


# ----------------------------------------------------------------------------------------------- a dataset


def test_a_dataset(tmp_path):
    """A command of its own plans videos and hands them to `build_dataset`; everything else is there."""
    splits = ["train"] * 4 + ["validation", "test"]
    videos = [
        Video(f"tone{i}", split, np.linspace(0, 1, 4), sound=lambda i=i: tone(4, 16000, hertz=200 + i))
        for i, split in enumerate(splits)
    ]
    report = build_dataset(tmp_path / "data", videos, Settings(log_mel=LogMel(rate=1)), card=CARD)
    assert report.videos == {"train": 4, "validation": 1, "test": 1}
    config = write_config(tmp_path / "config", modalities=["dynamics"], log_mel_rate=1)
    wanted = ["--config", str(config), "--dataset", str(tmp_path / "data"), "--epochs", "1"]
    assert train([*wanted, "--output", str(tmp_path / "model")]) == 0
