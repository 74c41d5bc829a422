"""Convolutions with their batch norm folded in: the numbers of the two one after the other."""

import copy

import pytest
import torch
from accelerate import cpu_offload
from torch import nn

from modeling_davihd.normed_convolution_davihd import normed_convolution, normed_convolution_of_few


def with_statistics(norm):
    torch.manual_seed(0)
    for tensor in (norm.weight.data, norm.running_var):
        tensor.uniform_(0.5, 1.5)
    for tensor in (norm.bias.data, norm.running_mean):
        tensor.normal_()
    return norm.eval()


# More weights than states: 144 to 72; and fewer, with strides and in three dimensions.
CASES = {
    "apart": (nn.Conv2d(4, 4, 3, padding=1, bias=False), (1, 4, 3, 6), normed_convolution),
    "folded": (nn.Conv2d(4, 8, (1, 7), 2, (0, 3), bias=False), (2, 4, 9, 8), normed_convolution),
    "folded 3d": (nn.Conv3d(2, 3, 3, stride=(1, 2, 2), bias=False), (2, 2, 5, 6, 7), normed_convolution),
    "few": (nn.Conv2d(5, 8, 3, padding=1, bias=False), (3, 5, 3, 2), normed_convolution_of_few),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("offloaded", (False, True))
@torch.no_grad()
def test_the_numbers_are_those_of_the_two_one_after_the_other(case, offloaded):
    conv, shape, function = copy.deepcopy(CASES[case])
    norm = with_statistics((nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm3d)(conv.out_channels))
    states, before = torch.randn(shape), copy.deepcopy(conv.weight)
    expected = norm(conv(states))
    if offloaded:
        cpu_offload(nn.Sequential(conv, norm), execution_device=torch.device("cpu"), offload_buffers=True)
    torch.testing.assert_close(function(conv, norm, states), expected, rtol=1e-5, atol=1e-5)
    assert offloaded or torch.equal(conv.weight, before)


@torch.no_grad()
def test_folding_in_16_bit_is_as_exact_as_16_bit():
    conv, shape, function = copy.deepcopy(CASES["folded"])
    norm, states = with_statistics(nn.BatchNorm2d(conv.out_channels)), torch.randn(shape)
    expected = norm(conv(states))
    half = function(conv.bfloat16(), norm.bfloat16(), states.bfloat16()).float()
    assert (half - expected).abs().max() < 2e-2 * expected.abs().max()
