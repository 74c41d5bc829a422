"""16 bits: chosen only where the processor has instructions for them, and near to float32."""

import pytest
import torch
from torch import nn

from modeling_davihd.backbones_davihd import FrozenBackbone, VisualStatistics, panns_log_mel, yamnet_log_mel
from modeling_davihd.precision import resolve_precision, set_precision

CPU = torch.device("cpu")


@pytest.mark.parametrize("instructions", ("_is_avx512_bf16_supported", "_is_amx_tile_supported", None))
def test_auto_is_16_bit_where_the_processor_has_instructions_for_it(monkeypatch, instructions):
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda found=name == instructions: found)
    assert resolve_precision("auto", CPU) == ("bfloat16" if instructions else "float32")
    assert resolve_precision("auto", torch.device("cuda")) == "float32"
    assert [resolve_precision(name, CPU) for name in ("float32", "bfloat16")] == ["float32", "bfloat16"]


class Linear(FrozenBackbone):
    input_name, input_shape, dim, bears_16_bits = "waveform", (64,), 8, True

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(64, 8)
        self.freeze()

    def encode(self, inputs):
        return self.linear(inputs)


def test_16_bit_features_are_near_those_of_float32_and_leave_weights_alone():
    torch.manual_seed(0)
    encoder, sound = Linear(), torch.randn(5, 64)
    exact, weights = encoder(sound), encoder.linear.weight.clone()
    set_precision(nn.Sequential(encoder), "bfloat16")
    near = encoder(sound)
    assert near.dtype == torch.float32 and torch.equal(encoder.linear.weight, weights)
    assert 0 < (near - exact).abs().max() < 2e-2 * exact.abs().max()
    set_precision(encoder, "float32")
    assert torch.equal(encoder(sound), exact)


def test_encoders_that_16_bits_would_harm_keep_float32():
    encoder = VisualStatistics()
    set_precision(encoder, "bfloat16")
    assert encoder.autocast_dtype is None


def test_front_ends_do_not_mind_autocast():
    sound = torch.randn(1, 16000) * 0.1
    expected = [front(sound) for front in (panns_log_mel, yamnet_log_mel)]
    with torch.autocast("cpu", torch.bfloat16):
        found = [front(sound) for front in (panns_log_mel, yamnet_log_mel)]
    assert all(map(torch.equal, found, expected))
