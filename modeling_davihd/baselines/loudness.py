"""Scores from loudness alone, which a model has to beat to have understood anything of the sound."""

import torch
from torch import nn
from transformers import initialization as init

from ..streaming_davihd import SegmentRows, align_by_time
from .configuration_rules import LoudnessConfig
from .modeling_baselines import BaselineModel

# Added to the energy, for the logarithm of silence.
_FLOOR = 1e-6


class LoudnessModel(BaselineModel):
    """The louder a second the better: sigmoid(scale * log energy + offset), two numbers that can be trained.

    The energy of a second is the mean over its frames of the sum over the mel bands of `log_mel`.
    """

    config: LoudnessConfig

    def __init__(self, config: LoudnessConfig):
        super().__init__(config)
        self.scale = nn.Parameter(torch.empty(1))
        self.offset = nn.Parameter(torch.empty(1))
        self.post_init()

    def score(
        self, inputs: dict[str, torch.Tensor], segments: SegmentRows, output_attentions: bool
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        log_mel = inputs["dynamics"]
        energy = log_mel.to(torch.promote_types(log_mel.dtype, torch.float32)).logsumexp(1).exp()
        if self.config.log_mel_rate != 1:
            lengths = torch.ceil(segments.lengths * self.config.log_mel_rate).long()
            energy = align_by_time(energy[..., None], lengths, segments, pooling=1)[..., 0]
        loudness = (energy + _FLOOR).log().to(self.dtype)
        return self.scale * loudness + self.offset, {}

    @torch.no_grad()
    def _init_weights(self, module: nn.Module):
        super()._init_weights(module)
        if isinstance(module, LoudnessModel):
            # Sound lies between about -13 (silence) and 13 (full scale).
            init.constant_(module.scale, 0.25)
            init.zeros_(module.offset)


__all__ = ["LoudnessModel"]
