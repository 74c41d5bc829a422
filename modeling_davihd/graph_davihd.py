"""What `torch.export`, and with it ONNX, asks of the model: a graph holds for every batch and every length.

So nothing in it may depend on how long a tensor is, but on its symbol only: there is one window in time, and
what is otherwise cut into parts to save memory is done at once.
"""

import math
from collections.abc import Sequence

import torch
from torch.nn import functional as F


def in_graph() -> bool:
    """Whether a graph is being made of the model, so that sizes are symbols."""
    return torch.compiler.is_exporting()


def parts(states: torch.Tensor, size: int, dim: int = 0) -> Sequence[torch.Tensor]:
    """Cut states along `dim` into parts of at most `size`; in a graph there is one part, the whole."""
    return [states] if in_graph() else states.split(size, dim)


def nanmedian(values: torch.Tensor, dim: int) -> torch.Tensor:
    """The median along `dim`, leaving out NaN, the lower one of two; NaN where there is nothing else."""
    return median_by_sorting(values, dim) if in_graph() else values.nanmedian(dim).values


def median_by_sorting(values: torch.Tensor, dim: int) -> torch.Tensor:
    """The same of what ONNX knows, which takes up to twice as long."""
    missing = values.isnan()
    ordered = values.masked_fill(missing, torch.inf).sort(dim).values
    count = (~missing).sum(dim, keepdim=True)
    median = ordered.gather(dim, (count - 1).clamp(min=0) // 2)
    return median.masked_fill(count == 0, torch.nan).squeeze(dim)


def average_pool(states: torch.Tensor, pooling: tuple[int, int]) -> torch.Tensor:
    """Means of frames and bins: (B, C, L, F) -> (B, C, L // pool, F // pool)."""
    if not in_graph():
        return F.avg_pool2d(states, pooling)
    # `avg_pool2d` asks whether frames are left over, which a graph could only answer for some lengths.
    weight = states.new_full((states.shape[1], 1, *pooling), 1 / math.prod(pooling))
    return F.conv2d(states, weight, stride=pooling, groups=states.shape[1])


__all__ = ["average_pool", "in_graph", "median_by_sorting", "nanmedian", "parts"]
