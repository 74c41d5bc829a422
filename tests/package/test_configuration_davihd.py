import json

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from paths import CONFIGURATION
from tiny_models import tiny_model
from transformers import (
    AutoConfig,
    AutoModel,
    GenerationConfig,
    PreTrainedConfig,
    Trainer,
    TrainingArguments,
)

from modeling_davihd import DAViHDConfig, DAViHDFeatureExtractor, DAViHDModel
from modeling_davihd.backbones_davihd import BACKBONES
from modeling_davihd.baselines import BASELINES, UMTConfig
from modeling_davihd.loading import load_model

PRESETS = sorted(path.parent.name for path in CONFIGURATION.glob("*/config.json"))


def test_all_presets_are_there():
    assert PRESETS == [
        "davihd-base",
        "davihd-mrhisum",
        "davihd-mrhisum-reference",
        "davihd-plus",
        "davihd-small",
        "davihd-tvsum",
        "davihd-tvsum-reference",
    ]


@pytest.mark.parametrize("preset", PRESETS)
def test_preset_gives_a_config_an_extractor_and_a_model_that_fit(preset):
    config = DAViHDConfig.from_pretrained(CONFIGURATION / preset)
    extractor = DAViHDFeatureExtractor.from_pretrained(CONFIGURATION / preset)
    assert config.log_mel_settings == {name: getattr(extractor, name) for name in config.log_mel_settings}
    assert config.log_mel_grid == ("released" if preset.endswith("reference") else "seconds")
    with torch.device("meta"):
        model = DAViHDModel(config)
    assert sum(parameter.numel() for parameter in model.parameters()) > 100_000
    backbones = {"davihd-mrhisum": "inception_v3", "davihd-tvsum": "resnet3d_34"}
    if backbone := BACKBONES["visual"].get(backbones.get(preset.removesuffix("-reference"))):
        assert extractor.image_size == backbone.image_size
        assert extractor.frames_per_segment == backbone.frames_per_segment
        assert extractor.image_mean == list(backbone.image_mean)
        assert extractor.image_std == list(backbone.image_std)


def test_defaults_are_the_paper():
    paper = DAViHDConfig.from_pretrained(CONFIGURATION / "davihd-mrhisum")
    assert paper.to_diff_dict() == DAViHDConfig(architectures=["DAViHDModel"]).to_diff_dict()


@pytest.mark.parametrize(("stream", "name"), [(one, name) for one in BACKBONES for name in BACKBONES[one]])
def test_a_config_takes_every_backbone_at_its_width(stream, name):
    dim = BACKBONES[stream][name].dim or 24
    config = DAViHDConfig(modalities=[stream], **{f"{stream}_dim": dim, f"{stream}_backbone": name})
    assert config.stream_backbone(config.streams[0]) == name
    with pytest.raises(StrictDataclassError, match=f"`{stream}_backbone` is 'clip'; it needs one of"):
        DAViHDConfig(**{f"{stream}_backbone": "clip"})


def test_save_and_load(tmp_path):
    config = DAViHDConfig(modalities=["visual"], visual_dim=64, dropout=0.25)
    config.save_pretrained(tmp_path)
    assert DAViHDConfig.from_pretrained(tmp_path).to_dict() == config.to_dict()


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"modalities": []}, "`modalities` is"),
        ({"modalities": ["audio"]}, "`modalities` is"),
        ({"modalities": ["visual", "visual"]}, "`modalities` is"),
        ({"log_mel_rate": 30}, "`log_mel_rate` is 30"),
        ({"log_mel_grid": "released"}, "`log_mel_grid` is 'released'; it needs a `log_mel_rate` of 1"),
        ({"fusion_placement": "middle"}, "`fusion_placement` is 'middle'"),
        ({"fusion_operation": "sum"}, "`fusion_operation` is 'sum'"),
        ({"fusion_operation": "gate", "modalities": ["semantic"]}, "needs 'dynamics', which is gated"),
        ({"visual_backbone": "vgg"}, "`visual_backbone` is 'vgg'"),
        ({"visual_dim": -4}, "`visual_dim` is -4"),
        ({"visual_dim": 10**9}, "`visual_dim` is 1000000000"),
        ({"visual_dim": 1023}, "`num_attention_heads` is 4; it needs to divide"),
        ({"dynamics_dim": 1024}, "`dynamics_dim` is 1024"),
        ({"dynamics_time_pooling": [2, 2]}, "`dynamics_time_pooling` is"),
        ({"dynamics_basis_kernels": [1, 4, 4, 4, 4, 0]}, "`dynamics_basis_kernels` is"),
        ({"dynamics_frequency_pooling": [4, 4, 4, 4, 4, 4]}, "`dynamics_frequency_pooling` is"),
        ({"dynamics_temperature": 0.0}, "`dynamics_temperature` is"),
        ({"log_mel_baseline_seconds": 30}, "`log_mel_baseline_seconds` is 30"),
        (
            {"log_mel_film_background": True},
            "`log_mel_film_background` is True; it needs `log_mel_baseline_s",
        ),
        ({"log_mel_sounding_seconds": 8}, "`log_mel_sounding_seconds` is 8; it needs `log_mel_baseline_s"),
        (
            {"log_mel_baseline_seconds": 31, "log_mel_sounding_seconds": 32},
            "`log_mel_sounding_seconds` is 32; it needs to lie between 1 and 31",
        ),
        (
            {"log_mel_baseline_seconds": 31, "log_mel_sounding_seconds": 0},
            "`log_mel_sounding_seconds` is 0; it needs to lie between 1 and 31",
        ),
        ({"dropout": 1.5}, "`dropout` is 1.5"),
        ({"highlight_level": -0.1}, "`highlight_level` is -0.1; it needs to be finite and 0 or more"),
        ({"highlight_level": float("nan")}, "`highlight_level` is nan"),
        ({"highlight_confidence": []}, r"`highlight_confidence` is \[\]; it needs pairs"),
        ({"highlight_confidence": [[0.1, 0.2, 0.3]]}, "needs pairs"),
        ({"highlight_confidence": [[0.2, 0.1], [0.2, 0.3]]}, r"the scores \[0.2, 0.2\]; they need to incr"),
        ({"highlight_confidence": [[0.1, 0.4], [0.2, 0.3]]}, r"the shares \[0.4, 0.3\]; they need to lie"),
        ({"highlight_confidence": [[0.1, 1.1]]}, r"the shares \[1.1\]"),
        ({"highlight_levels": 0.1}, "did you mean `highlight_level`"),
        ({"modality": ["visual"]}, "did you mean `modalities`"),
        ({"visual_dims": 512}, "did you mean `visual_dim`"),
    ],
)
def test_wrong_fields_are_named(wrong, message):
    with pytest.raises((ValueError, StrictDataclassError), match=message):
        DAViHDConfig(**wrong)


# What transformers 4 wrote of any model, as far as version 5 has dropped it.
OF_VERSION_4 = {
    **{"torchscript": False, "pruned_heads": {}, "finetuning_task": None, "use_bfloat16": False},
    **{"tf_legacy_loss": False, "tie_word_embeddings": True, "cross_attention_hidden_size": None},
    **{"task_specific_params": None, "prefix": None, "tokenizer_class": None, "is_decoder": False},
    **{"_attn_implementation_autoset": True, "_commit_hash": None, "num_beam_groups": 1, "top_k": 50},
}


@pytest.mark.parametrize("model_type", ["davihd", *BASELINES])
def test_fields_that_transformers_writes_are_read_over(model_type):
    own = AutoConfig.for_model(model_type)
    everything = PreTrainedConfig().to_dict() | GenerationConfig().to_dict() | OF_VERSION_4
    given = everything | own.to_dict() | {"use_cache": False}
    read = type(own)(**given)
    assert read.to_diff_dict() == own.to_diff_dict()
    for wrong in ("modality", "num_attention_head", "colour", "hidden_sizes"):
        with pytest.raises(ValueError, match=f"no field `{wrong}`"):
            type(own)(**given, **{wrong: 64})


def test_what_trainer_saves_loads(tmp_path):
    model = tiny_model(modalities=["dynamics"])
    Trainer(model, TrainingArguments(tmp_path / "run", report_to=[], use_cpu=True)).save_model(tmp_path)
    assert "use_cache" in json.loads((tmp_path / "config.json").read_text())
    DAViHDFeatureExtractor().save_pretrained(tmp_path)
    for read in (AutoModel.from_pretrained(tmp_path), load_model(tmp_path)):
        torch.testing.assert_close(read.state_dict(), model.state_dict())


def test_every_model_may_be_calibrated(tmp_path):
    calibration = {"highlight_level": 0.2, "highlight_confidence": [[0, 0.1], [0.5, 1]]}
    for config in (DAViHDConfig(**calibration), UMTConfig(**calibration)):
        config.save_pretrained(tmp_path)
        read = type(config).from_pretrained(tmp_path)
        assert (read.highlight_level, read.highlight_confidence) == tuple(calibration.values())


def test_wrong_type_is_refused():
    with pytest.raises(StrictDataclassError, match="visual_dim"):
        DAViHDConfig(visual_dim="wide")
