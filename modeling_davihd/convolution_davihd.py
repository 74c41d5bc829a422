"""3x3 convolution with a kernel of its own for each frequency bin of each video, and its gradient.

Eq. 2 is a sum of K convolutions, weighted by gamma_k(f) in every output bin. As the weights do not depend on
time, the K kernels can be summed first. That leaves one convolution instead of K, but with a different kernel
in every bin. `conv2d` cannot do that; here it takes three matrix products.

B is the batch, C the input channels, O the output channels, L frames and F bins.
"""

import itertools
from typing import cast

import torch
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from .graph_davihd import in_graph


def convolve_bins(window: torch.Tensor, kernels: torch.Tensor) -> torch.Tensor:
    """3x3 convolution of a window (B, C, L + 2, F + 2) by kernels (B, F, 3, 3 C, O) -> (B, O, L, F)."""
    if in_graph():
        return convolve_copied_bins(window, kernels)
    return cast(torch.Tensor, ConvolveBins.apply(window, kernels))


def convolve_copied_bins(window: torch.Tensor, kernels: torch.Tensor) -> torch.Tensor:
    """The same in a graph, which knows no overlapping views: what each kernel meets is copied out."""
    states = window.permute(0, 3, 2, 1)
    rows = torch.cat((states[:, :-2], states[:, 1:-1], states[:, 2:]), -1)
    taps = (rows[:, :, :-2], rows[:, :, 1:-1], rows[:, :, 2:])
    products = [tap @ kernels[:, :, time] for time, tap in enumerate(taps)]
    return (products[0] + products[1] + products[2]).permute(0, 3, 2, 1).contiguous()


def neighbouring_bins(window: torch.Tensor) -> torch.Tensor:
    """(B, C, L, F + 2) -> (B, F, L, 3 C): at each frame, every bin between its two neighbours.

    With channels last, the C channels of one bin are followed in memory by those of the next. So the 3 C
    numbers that a kernel meets at one frame lie side by side, and the rows of all bins are a view in which
    those of neighbouring bins overlap by 2 C numbers. Copied out, they would take three times the memory of
    the states. It must not be written to.
    """
    batch, channels, frames, bins = window.shape
    window = window.permute(0, 2, 3, 1).contiguous()
    video, frame, step, _ = window.stride()
    return window.as_strided((batch, bins - 2, frames, 3 * channels), (video, step, frame, 1))


def correlate_bins(rows: torch.Tensor, kernels: torch.Tensor, rim: int = 0) -> torch.Tensor:
    """Rows (B, F, L + 2, 3 C), kernels (B, F, 3, 3 C, O) -> (B, O, L, F + 2 rim), channels last.

    One product for each of the three frames that a kernel covers. The `rim` bins on either side are zero.
    """
    batch, bins, frames, _ = rows.shape
    output = rows.new_empty(batch, frames - 2, bins + 2 * rim, kernels.shape[-1])
    for edge in (output[:, :, :rim], output[:, :, rim + bins :]):
        edge.zero_()
    # Video by video, because bmm has one batch dimension, which the bins take: to share it, rows of several
    # videos would have to be copied.
    for result, row, kernel in zip(output[:, :, rim : rim + bins], rows, kernels, strict=True):
        products = torch.bmm(row[:, :-2], kernel[:, 0])
        products.baddbmm_(row[:, 1:-1], kernel[:, 1]).baddbmm_(row[:, 2:], kernel[:, 2])
        result.copy_(products.transpose(0, 1))
    return output.permute(0, 3, 1, 2)


class ConvolveBins(torch.autograd.Function):
    """3x3 convolution of a window (B, C, L + 2, F + 2) by kernels (B, F, 3, 3 C, O) -> (B, O, L, F).

    The window's outer bins need to be zero padding: they get no gradient. Kernels are indexed by frame, then
    by bin and channel as in `neighbouring_bins`. Autograd would add up the gradient of an overlapping view
    element by element, which costs more than all the rest.
    """

    @staticmethod
    def forward(ctx, window: torch.Tensor, kernels: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(window, kernels)
        return correlate_bins(neighbouring_bins(window), kernels)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        window, kernels = ctx.saved_tensors
        grad_rows = neighbouring_bins(F.pad(grad, (1, 1, 2, 2)))
        # The outer frames may belong to the video, so they get a gradient; the outer bins never do.
        grad_window = correlate_bins(grad_rows, mirrored_kernels(kernels), rim=1)
        rows, frames = neighbouring_bins(window).transpose(2, 3), grad.shape[2]
        grad_kernels = torch.empty_like(kernels)
        for result, row, output in zip(grad_kernels, rows, grad.permute(0, 3, 2, 1), strict=True):
            for time in range(3):
                result[:, time] = row[..., time : time + frames] @ output
        return grad_window, grad_kernels


def mirrored_kernels(kernels: torch.Tensor) -> torch.Tensor:
    """Kernels (B, F, 3, 3 C, O) -> those that carry an output's gradient back to its input (B, F, 3, 3 O, C).

    The gradient of a convolution is a convolution with its kernel turned around in time and frequency. But
    here a kernel belongs to one output bin, and input bin f took part in the outputs of bins f - 1, f and
    f + 1. So the three columns of the mirrored kernel of f come from the kernels of three bins; at the lowest
    and the highest bin, which have one neighbour only, one column is zero.
    """
    taps = kernels.unflatten(3, (3, -1)).transpose(4, 5)
    mirrored, bins = torch.zeros_like(taps, memory_format=torch.contiguous_format), taps.shape[1]
    for time, step in itertools.product(range(3), repeat=2):
        first, end = max(0, 1 - step), min(bins, bins + 1 - step)
        mirrored[:, first:end, time, step] = taps[:, first + step - 1 : end + step - 1, 2 - time, 2 - step]
    return mirrored.flatten(3, 4)
