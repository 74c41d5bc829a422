"""The table of kinds: what tells one network from another, and what weights tell of a config."""

import json
import re

import pytest
import torch
from paths import CONFIGURATION, GOLDEN
from published import published_state
from safetensors.torch import load_file

from modeling_davihd import DAViHDConfig
from modeling_davihd.backbones_davihd import InceptionV3Backbone, YAMNetBackbone
from modeling_davihd.baselines import CSTAConfig, PGLSumConfig, UMTConfig
from modeling_davihd.conversion import reference_config, triplesumm_config
from modeling_davihd.conversion.kinds import KINDS, config_of, open_checkpoint, preset, read_config

HYPER_PARAMETERS = json.loads((GOLDEN / "reference_model_small.json").read_text())["config"]
# kind -> golden file and config
SMALL = {
    "davihd": "reference_model_small",
    **{"pgl-sum": "pgl_sum", "umt": "umt_small", "csta": "csta", "triplesumm": "triplesumm_small"},
}
TRIPLESUMM = json.loads((GOLDEN / "triplesumm_small.json").read_text())["hyper"]
CONFIGS = {
    "davihd": reference_config(HYPER_PARAMETERS),
    "pgl-sum": PGLSumConfig(visual_dim=64),
    "umt": UMTConfig(visual_dim=48, semantic_dim=40, hidden_dim=32, max_positions=64),
    "csta": CSTAConfig(visual_dim=128, hidden_dim=128),
    "triplesumm": triplesumm_config(TRIPLESUMM),
}


def small_state(kind: str) -> dict:
    return published_state(load_file(GOLDEN / f"{SMALL[kind]}.safetensors"))


def keys(kind: str) -> list[str]:
    if kind in SMALL:
        return list(small_state(kind))
    if kind == "inception-v3":
        with torch.device("meta"):
            return list(InceptionV3Backbone().network.state_dict())
    if kind == "yamnet":
        with torch.device("meta"):
            return list(YAMNetBackbone().state_dict())
    name = {"cnn14": "panns_cnn14_16k", "resnet3d-34": "resnet3d_34"}[kind]
    return list(json.loads((GOLDEN / f"{name}.json").read_text())["state_shapes"])


@pytest.mark.parametrize("name", KINDS)
def test_keys_are_of_one_kind_alone(name, tmp_path):
    assert [kind.name for kind in KINDS.values() if kind.signature.fits(keys(name))] == [name]
    torch.save({"net": {f"model.{key}": torch.ones(1) for key in keys(name)}}, tmp_path / "w.pth")
    kind, state = open_checkpoint(tmp_path / "w.pth")
    assert kind.name == name and list(state) == keys(name)


def test_a_checkpoint_of_ours_with_two_encoders_needs_a_kind(tmp_path):
    ours = {f"semantic_backbone.{key}": torch.ones(1) for key in keys("cnn14")}
    ours |= {f"visual_backbone.{key}": torch.ones(1) for key in keys("resnet3d-34")}
    torch.save(ours, tmp_path / "w.pth")
    with pytest.raises(
        ValueError, match="more than one known network; `kind` says which: cnn14, resnet3d-34"
    ):
        open_checkpoint(tmp_path / "w.pth")
    assert open_checkpoint(tmp_path / "w.pth", "cnn14")[0].name == "cnn14"


@pytest.mark.parametrize("name", SMALL)
def test_weights_tell_what_gives_them_their_shapes(name):
    state, config = small_state(name), CONFIGS[name].to_dict()
    sizes = KINDS[name].sizes(state)
    assert sizes.items() <= config.items() and "visual_dim" in sizes
    if name not in ("davihd", "triplesumm"):
        assert config_of(KINDS[name], state, None).to_dict() == config


def test_pgl_sum_without_local_attention_is_known_by_its_keys():
    state = {key: value for key, value in small_state("pgl-sum").items() if "local_attention" not in key}
    config = config_of(KINDS["pgl-sum"], state, None)
    assert config.fusion == "none" and KINDS["pgl-sum"].convert(state, config)


@pytest.mark.parametrize("name", SMALL)
def test_a_missing_key_is_named_as_its_file_has_it(name):
    state = small_state(name)
    needed = [
        key
        for key in state
        if not key.endswith(("num_batches_tracked", "positional_encoding.pe", "temporal_pe.pe"))
    ]
    for missing in needed[:: len(needed) // 12]:
        changed = {key: value for key, value in state.items() if key != missing}
        with pytest.raises(ValueError, match=rf"lacks {re.escape(missing)}\.$"):
            KINDS[name].convert(changed, CONFIGS[name])


@pytest.mark.parametrize("name", SMALL)
def test_sizes_of_what_is_damaged_are_told_by_key(name):
    for value in (None, torch.tensor(1.0)):
        state = {key: value for key in small_state(name)} if value is not None else {}
        with pytest.raises(ValueError, match="axes are needed" if state else "checkpoint lacks [a-z]"):
            KINDS[name].sizes(state)


@pytest.mark.parametrize("width, name", [(1024, "davihd-mrhisum-reference"), (512, "davihd-tvsum-reference")])
def test_released_sizes_have_presets(width, name):
    shapes = json.loads((GOLDEN / "reference_state_dict_keys.json").read_text())
    state = {key: torch.zeros(()).expand(shape) for key, (shape, _) in shapes.items()}
    state["visual_encoder.ffn.0.weight"] = torch.zeros(()).expand(4 * width, width)
    assert preset(KINDS["davihd"], state) == name
    config = config_of(KINDS["davihd"], state, CONFIGURATION / name)
    assert config.to_dict() == DAViHDConfig.from_pretrained(CONFIGURATION / name).to_dict()


def test_configs_are_ours_or_the_authors(tmp_path):
    path = tmp_path / "hyper_parameters.json"
    path.write_text(json.dumps(HYPER_PARAMETERS))
    assert read_config(path).to_dict() == CONFIGS["davihd"].to_dict()
    kind = KINDS["triplesumm"]
    path.write_text(json.dumps(TRIPLESUMM))
    assert config_of(kind, small_state("triplesumm"), path).to_dict() == CONFIGS["triplesumm"].to_dict()
    with pytest.raises(ValueError, match="Its hidden_dim is 28, .* 128; its own config is needed"):
        config_of(kind, small_state("triplesumm"), None)
    path.write_text(json.dumps({"audio_dim": 32}))
    with pytest.raises(ValueError, match="TripleSumm's hyper-parameters lack dropout"):
        read_config(path, kind.from_hyper)
    with pytest.raises(ValueError, match="does not hold: The reference's hyper-parameters lack DY_layers, "):
        read_config(path)
    path.write_text(json.dumps(HYPER_PARAMETERS | {"n_filt": 3}))
    with pytest.raises(ValueError, match="hyper_parameters.json does not hold: 'int' object is not iterable"):
        read_config(path)
    path.write_text(json.dumps({"model_type": "davihd", "visual_dims": 3}))
    with pytest.raises(ValueError, match="no field `visual_dims`; did you mean `visual_dim`"):
        read_config(path)
