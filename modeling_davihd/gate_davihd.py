"""What DAViHD's scores are multiplied by where the configuration's `fusion_operation` is "gate".

None of it is the paper's. What a second sounds like says little: music, a crowd or an engine goes on behind
what happens. So a gate hears how a second, with its neighbours, differs from the minute around it.
"""

import torch
from torch import nn
from torch.nn import functional as F

from .streaming_davihd import SegmentRows

_SMOOTHING = 3  # seconds of a mean that is taken twice
_SURROUNDINGS = 61  # seconds


class DAViHDGate(nn.Linear):
    """A logistic regression on how a stream's features (B, T, D) differ from those around."""

    def __init__(self, features: int):
        super().__init__(features, 1)

    def forward(  # type: ignore[override]  # padding is no matter of a layer of single seconds
        self, features: torch.Tensor, segments: SegmentRows
    ) -> torch.Tensor:
        """Rows of factors in [0, 1]."""
        # Linear like the differences, so these are taken of one number a second instead of D.
        logits = segments.scatter(F.linear(segments.gather(features), self.weight)[..., 0])
        return (segments.gather(above_surroundings(logits, segments.mask)) + self.bias).sigmoid()


def above_surroundings(values: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
    """Smoothed values (B, T) less the mean of the minute around.

    At a film's ends, means are of what there is. mask: (B, T), False at padding, where values have to be 0.
    """
    real = torch.ones_like(values) if mask is None else mask.to(values.dtype)
    smoothed = _mean_around(_mean_around(values, real, _SMOOTHING) * real, real, _SMOOTHING)
    return smoothed - _mean_around(values, real, _SURROUNDINGS)


def _mean_around(values: torch.Tensor, real: torch.Tensor, seconds: int) -> torch.Tensor:
    total, count = (
        F.avg_pool1d(one[:, None], seconds, stride=1, padding=seconds // 2)[:, 0] for one in (values, real)
    )
    return total / count.clamp(min=0.5 / seconds)
