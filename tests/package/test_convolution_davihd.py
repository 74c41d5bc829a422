"""The convolution with a kernel for each bin, and its gradient."""

import pytest
import torch

from modeling_davihd.modeling_davihd import FrequencyDynamicConv2d
from modeling_davihd.streaming_davihd import FrameSource, HaloedStates


@pytest.mark.parametrize("bins", [1, 2, 5])
def test_frequency_dynamic_convolution_is_the_weighted_sum_of_its_kernels(bins):
    torch.manual_seed(0)
    conv = FrequencyDynamicConv2d(3, 4, 2, 1.0).double()
    torch.nn.init.normal_(conv.weight)
    states = torch.randn(2, 3, 6, bins, dtype=torch.float64, requires_grad=True)
    gamma = torch.rand(2, 2, bins, dtype=torch.float64, requires_grad=True)
    expected = sum(
        gamma[:, k, None, None] * torch.nn.functional.conv2d(states, kernel, padding=1)
        for k, kernel in enumerate(conv.weight)
    )
    haloed = HaloedStates(FrameSource.held(states), None)
    found = conv(haloed.window(0, 6), gamma)
    torch.testing.assert_close(found, expected)
    weighting, inputs = torch.randn_like(expected), (states, gamma, conv.weight)
    gradients = [torch.autograd.grad((output * weighting).sum(), inputs) for output in (found, expected)]
    torch.testing.assert_close(*gradients)
