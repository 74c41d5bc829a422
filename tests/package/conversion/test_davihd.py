import json

import pytest
import torch
from paths import GOLDEN
from published import published_state
from safetensors.torch import load_file

from modeling_davihd.conversion import convert_reference_state_dict, reference_config


@pytest.fixture(scope="module")
def reference() -> tuple[dict, dict]:
    facts = json.loads((GOLDEN / "reference_model_small.json").read_text())
    tensors = load_file(GOLDEN / "reference_model_small.safetensors")
    return facts["config"], published_state(tensors)


def test_config_of_the_reference_network(reference):
    config = reference_config(reference[0])
    assert config.log_mel_rate == 1
    assert config.dynamics_time_pooling == [2, 2, 1, 1, 1, 1]
    assert config.dynamics_basis_kernels == [1, 4, 4, 4, 4, 4]
    assert config.batch_norm_momentum == 0.99
    assert config.audio_width == 32


def test_missing_hyper_parameters_are_named(reference):
    with pytest.raises(ValueError, match="lack DY_layers, pooling"):
        reference_config(
            {name: value for name, value in reference[0].items() if name not in ("DY_layers", "pooling")}
        )


def test_missing_left_over_and_misshapen_keys_are_named(reference):
    config = reference_config(reference[0])
    state = dict(reference[1])
    removed = state.pop("fusion_mlp.8.bias")
    with pytest.raises(ValueError, match=r"lacks fusion_mlp\.8\.bias"):
        convert_reference_state_dict(state, config)
    with pytest.raises(ValueError, match="belong nowhere: extra.weight"):
        convert_reference_state_dict(state | {"fusion_mlp.8.bias": removed, "extra.weight": removed}, config)
    with pytest.raises(ValueError, match=r"fusion_mlp\.8\.bias has shape \(2,\)"):
        convert_reference_state_dict(state | {"fusion_mlp.8.bias": torch.zeros(2)}, config)
