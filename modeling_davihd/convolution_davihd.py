"""3x3 convolution with a kernel for each frequency bin, and its gradient."""

import itertools

import torch
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


def neighbouring_bins(window: torch.Tensor) -> torch.Tensor:
    """(B, C, L, F + 2) -> (B, F, L, 3 C): at every frame each bin between its two neighbours.

    With channels last the three lie side by side in memory, so that this is a view that overlaps itself.
    """
    batch, channels, frames, bins = window.shape
    window = window.permute(0, 2, 3, 1).contiguous()
    video, frame, step, _ = window.stride()
    return window.as_strided((batch, bins - 2, frames, 3 * channels), (video, step, frame, 1))


def correlate_bins(rows: torch.Tensor, kernels: torch.Tensor, rim: int = 0) -> torch.Tensor:
    """Rows (B, F, L + 2, 3 C), kernels of each bin (B, F, 3, 3 C, O) -> (B, O, L, F), in a rim of zeros."""
    batch, bins, frames, _ = rows.shape
    output = rows.new_empty(batch, frames - 2, bins + 2 * rim, kernels.shape[-1])
    for edge in (output[:, :, :rim], output[:, :, rim + bins :]):
        edge.zero_()
    for result, row, kernel in zip(output[:, :, rim : rim + bins], rows, kernels, strict=True):
        products = torch.bmm(row[:, :-2], kernel[:, 0])
        products.baddbmm_(row[:, 1:-1], kernel[:, 1]).baddbmm_(row[:, 2:], kernel[:, 2])
        result.copy_(products.transpose(0, 1))
    return output.permute(0, 3, 1, 2)


class ConvolveBins(torch.autograd.Function):
    """3x3 convolution of (B, C, L + 2, F + 2) by kernels of each bin (B, F, 3, 3 C, O) -> (B, O, L, F).

    Autograd's own gradient of an overlapping view would cost more than all the rest.
    """

    @staticmethod
    def forward(ctx, window: torch.Tensor, kernels: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(window, kernels)
        return correlate_bins(neighbouring_bins(window), kernels)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        window, kernels = ctx.saved_tensors
        rows = neighbouring_bins(F.pad(grad, (1, 1, 2, 2)))
        grad_window = correlate_bins(rows, mirrored_kernels(kernels), rim=1)  # which is no input
        rows, frames = neighbouring_bins(window).transpose(2, 3), grad.shape[2]
        grad_kernels = torch.empty_like(kernels)
        for result, row, output in zip(grad_kernels, rows, grad.permute(0, 3, 2, 1), strict=True):
            for step in range(3):
                result[:, step] = row[..., step : step + frames] @ output
        return grad_window, grad_kernels


def mirrored_kernels(kernels: torch.Tensor) -> torch.Tensor:
    """(B, F, 3, 3 C, O) -> (B, F, 3, 3 O, C): by these, bins give back what neighbours took from them."""
    taps = kernels.unflatten(3, (3, -1)).transpose(4, 5)
    mirrored, bins = torch.zeros_like(taps, memory_format=torch.contiguous_format), taps.shape[1]
    for time, step in itertools.product(range(3), repeat=2):
        first, last = max(0, 1 - step), min(bins, bins + 1 - step)
        mirrored[:, first:last, time, step] = taps[:, first + step - 1 : last + step - 1, 2 - time, 2 - step]
    return mirrored.flatten(3, 4)
