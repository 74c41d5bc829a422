"""Joint-VA: joint visual and audio learning for video highlight detection, Badamdorj et al., ICCV 2021.

A reconstruction: no code of the original is published. What is known is that it fuses the modalities by
attention in both directions and that a "noise sentinel" discounts a noisy one; all else is as in DAViHD.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F
from transformers import initialization as init

from ..attention_davihd import DAViHDAttention
from ..modeling_davihd import (
    DAViHDCrossAttention,
    DAViHDScoreHead,
    DAViHDSelfAttentionEncoder,
)
from ..streaming_davihd import SegmentRows
from .configuration_baselines import JointVAConfig
from .modeling_baselines import BaselineModel, BaselineOutput


@dataclass
class JointVAOutput(BaselineOutput):
    r"""
    Output of [`JointVAModel`], with these beside those of [`BaselineOutput`].

    visual_noise, audio_noise (`torch.Tensor` of shape `(B, T)`, *optional*):
        How much of its attention each second gives to the sentinel instead of to the picture, or to the
        sound, as a mean over heads; 0 where masked. When `output_attentions=True`.
    """

    visual_noise: torch.Tensor | None = None
    audio_noise: torch.Tensor | None = None


class SentinelAttention(DAViHDAttention):
    """Multi-head attention to keys and values that a learnt pair extends, which no mask hides.

    It equals `nn.MultiheadAttention(add_bias_kv=True)`. Weights are (B, heads, T, T + 1), the sentinel last.
    """

    def __init__(self, config: JointVAConfig, width: int, num_heads: int):
        super().__init__(config, width, num_heads)
        self.sentinel_key = nn.Parameter(torch.empty(width))
        self.sentinel_value = nn.Parameter(torch.empty(width))

    def forward(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        segments: SegmentRows,
        output_attentions: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        mask = segments.mask
        attended, weights = self.attend(
            segments.scatter(self.q_proj(query)),
            _append_row(segments.scatter(self.k_proj(key)), self.sentinel_key),
            _append_row(segments.scatter(self.v_proj(value)), self.sentinel_value),
            None if mask is None else F.pad(mask, (0, 1), value=True),
            output_attentions,
        )
        return self.out_proj(segments.gather(attended)), weights


def _append_row(states: torch.Tensor, row: torch.Tensor) -> torch.Tensor:
    """(B, T, D) and (D,) -> (B, T + 1, D)."""
    return torch.cat((states, row.expand(len(states), 1, -1)), 1)


class SentinelCrossAttention(DAViHDCrossAttention):
    """Queries of one stream over keys and values of the other and a sentinel."""

    def __init__(self, config: JointVAConfig, query_width: int, context_width: int):
        super().__init__(config, query_width, context_width)
        self.attention = SentinelAttention(config, query_width, config.num_attention_heads)


class JointVAModel(BaselineModel):
    """Joint-VA, reconstructed, on visual and semantic features.

    Self-attention of each stream, cross-attention in both directions with noise sentinels, and the MLP on
    streams and residuals. Without `noise_sentinel` it is `DAViHDModel` without its dynamics pathway: what the
    paper's Table 1 calls Joint-VA is within 0.2 of that row of its Table 2.
    """

    config: JointVAConfig
    supports_gradient_checkpointing = True
    _no_split_modules = ["DAViHDSelfAttentionEncoder"]
    output_class = JointVAOutput

    def __init__(self, config: JointVAConfig):
        super().__init__(config)
        visual, semantic = config.visual_dim, config.semantic_dim
        cross_attention = SentinelCrossAttention if config.noise_sentinel else DAViHDCrossAttention
        self.visual_encoder = DAViHDSelfAttentionEncoder(config, visual)
        self.semantic_encoder = DAViHDSelfAttentionEncoder(config, semantic)
        self.cross_visual_to_audio = cross_attention(config, visual, semantic)
        self.cross_audio_to_visual = cross_attention(config, semantic, visual)
        self.score_head = DAViHDScoreHead(config, 2 * (visual + semantic))
        self.post_init()

    def score(
        self, inputs: dict[str, torch.Tensor], segments: SegmentRows, output_attentions: bool
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        visual, _ = self.visual_encoder(segments.gather(inputs["visual"]), segments)
        audio, _ = self.semantic_encoder(segments.gather(inputs["semantic"]), segments)
        to_visual, from_audio = self.cross_visual_to_audio(visual, audio, segments, output_attentions)
        to_audio, from_visual = self.cross_audio_to_visual(audio, visual, segments, output_attentions)
        joint = torch.cat((visual, audio, visual + to_visual, audio + to_audio), -1)
        recorded, mask = {}, segments.mask
        if output_attentions and self.config.noise_sentinel:
            recorded = {"audio_noise": _noise(from_audio, mask), "visual_noise": _noise(from_visual, mask)}
        return segments.scatter(self.score_head(joint)[..., 0]), recorded

    @torch.no_grad()
    def _init_weights(self, module: nn.Module):
        super()._init_weights(module)
        if isinstance(module, SentinelAttention):
            init.zeros_(module.sentinel_key)
            init.zeros_(module.sentinel_value)


def _noise(weights: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    noise = weights[..., -1].mean(1)
    return noise if mask is None else noise.masked_fill(~mask, 0)


__all__ = ["JointVAModel", "JointVAOutput"]
