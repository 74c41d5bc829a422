"""Convolutions of the frozen encoders with their batch norm, whose statistics are known, made quick.

Nothing is kept between calls and no weight is changed: to checkpoints, `.to()` and `load_state_dict` it is as
if the two ran one after the other.
"""

from typing import Any

from torch import Tensor
from torch.nn import functional as F


def normed_convolution(conv: Any, norm: Any, states: Tensor) -> Tensor:
    """norm(conv(states)), (N, C, ...) -> (N, C', ...), of a Conv2d or Conv3d without bias.

    The norm is multiplied into the weights, unless these are more numbers than there are states.
    """
    if conv.weight.is_meta:
        return _by_modules(conv, norm, states)
    convolve = F.conv2d if conv.weight.dim() == 4 else F.conv3d
    if states.numel() < conv.weight.numel():
        return _normed(norm, convolve(states, conv.weight, None, conv.stride, conv.padding))
    scale, shift = _scale_and_shift(norm)
    weight = (conv.weight * scale.view(-1, *[1] * (conv.weight.dim() - 1))).to(conv.weight.dtype)
    return convolve(states, weight, shift.to(weight.dtype), conv.stride, conv.padding)


def rectified_block(block: Any, states: Tensor) -> Tensor:
    """What timm's block of a convolution, its batch norm and ReLU gives."""
    return normed_convolution(block.conv, block.bn, states).relu_()


def normed_convolution_of_few(conv: Any, norm: Any, states: Tensor) -> Tensor:
    """The same of a 3x3 convolution with padding 1, by one matrix product of what its kernels see.

    For many channels at a few positions: there it is up to four times as fast as oneDNN's convolution, which
    is made for large pictures.
    """
    if conv.weight.is_meta:
        return _by_modules(conv, norm, states)
    batch, _, height, width = states.shape
    seen = F.pad(states, (1, 1, 1, 1)).unfold(2, 3, 1).unfold(3, 3, 1)  # (N, C, H, W, 3, 3)
    rows = seen.permute(0, 2, 3, 1, 4, 5).flatten(0, 2).flatten(1)
    return _normed(norm, rows @ conv.weight.flatten(1).T).unflatten(0, (batch, height, width)).movedim(3, 1)


def _by_modules(conv: Any, norm: Any, states: Tensor) -> Tensor:
    """With weights that accelerate has offloaded: they are there only while their module is called."""
    return norm(conv(states))


def _normed(norm: Any, states: Tensor) -> Tensor:
    """By batch norm alone, whatever else the module does: (N, C, ...) -> (N, C, ...)."""
    return F.batch_norm(states, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)


def _scale_and_shift(norm: Any) -> tuple[Tensor, Tensor]:
    """What the norm multiplies each channel with and then adds to it: (C,) each, in float32 at least."""
    variance = norm.running_var.float() if norm.running_var.itemsize < 4 else norm.running_var
    scale = norm.weight * (variance + norm.eps).rsqrt()
    return scale, norm.bias - norm.running_mean * scale


__all__ = ["normed_convolution", "normed_convolution_of_few", "rectified_block"]
