"""Scores from the place in the video alone, which a model has to beat to have seen or heard anything."""

import torch
from torch import nn
from transformers import initialization as init

from ..streaming_davihd import SegmentRows
from .configuration_rules import PositionConfig
from .modeling_baselines import BaselineModel


class PositionModel(BaselineModel):
    """A profile over the video: sigmoid of a line through `num_positions` points, first to last second.

    A new model is the centre rule: the nearer to the middle the better. Training makes it the mean profile of
    the training videos' labels. It reads `attention_mask` alone.
    """

    config: PositionConfig

    def __init__(self, config: PositionConfig):
        super().__init__(config)
        self.profile = nn.Parameter(torch.empty(config.num_positions))
        self.post_init()

    def score(
        self, inputs: dict[str, torch.Tensor], segments: SegmentRows, output_attentions: bool
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        last = len(self.profile) - 1
        second = torch.arange(segments.num_segments, device=segments.lengths.device)
        place = (second / (segments.lengths - 1).clamp(min=1)[:, None] * last).clamp(max=last)
        before = place.long()
        after, share = (before + 1).clamp(max=last), (place - before).to(self.dtype)
        return torch.lerp(self.profile[before], self.profile[after], share), {}

    @torch.no_grad()
    def _init_weights(self, module: nn.Module):
        super()._init_weights(module)
        if isinstance(module, PositionModel):
            place = torch.linspace(-2, 2, len(module.profile), device=module.profile.device)
            init.copy_(module.profile, 1 - place.abs())


__all__ = ["PositionModel"]
