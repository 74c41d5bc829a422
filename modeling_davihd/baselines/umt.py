"""UMT: unified multi-modal transformers for video highlight detection, on picture and sound, without text.

Liu et al., CVPR 2022. B is the batch, T its longest video, d the width of the network.
"""

import torch
from torch import nn
from torch.nn import functional as F
from transformers import initialization as init

from ..attention_davihd import DAViHDAttention, DAViHDFeedForward
from ..streaming_davihd import SegmentRows
from .configuration_baselines import UMTConfig
from .modeling_baselines import BaselineModel


class UMTPositions(nn.Module):
    """A learnt table of positions (B or 1, T, d). Videos longer than the table stretch it to their length."""

    def __init__(self, config: UMTConfig):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(config.max_positions, config.hidden_dim))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, segments: SegmentRows) -> torch.Tensor:
        if segments.num_segments <= len(self.weight):
            return self.dropout(self.weight[None, : segments.num_segments])
        last = len(self.weight) - 1
        step = (last / (segments.lengths.clamp(min=2) - 1)).clamp(max=1)[:, None]
        place = (torch.arange(segments.num_segments, device=step.device) * step).clamp(max=last)
        before = place.long()
        after, share = (before + 1).clamp(max=last), (place - before)[..., None].to(self.weight.dtype)
        return self.dropout(torch.lerp(self.weight[before], self.weight[after], share))


class UMTAttention(DAViHDAttention):
    """Multi-head attention with dropout of its weights and of its output."""

    def __init__(self, config: UMTConfig):
        super().__init__(config, config.hidden_dim, config.num_attention_heads, config.dropout)

    def forward(  # type: ignore[override]  # takes padded states instead of rows
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        attended, _ = self.attend(self.q_proj(query), self.k_proj(key), self.v_proj(value), mask)
        return F.dropout(self.out_proj(attended), self.dropout, self.training)


class UMTFeedForward(DAViHDFeedForward):
    def __init__(self, config: UMTConfig):
        super().__init__(config, config.hidden_dim)


class UMTNorm(nn.LayerNorm):
    def __init__(self, config: UMTConfig):
        super().__init__(config.hidden_dim, eps=1e-5)


class UMTUniModalEncoder(nn.Module):
    """Features (B, T, D) of one modality -> (B, T, d), by one pre-norm layer without a final norm."""

    def __init__(self, config: UMTConfig, width: int):
        super().__init__()
        self.dropout = nn.Dropout(config.input_dropout)
        self.projection = nn.Linear(width, config.hidden_dim)
        self.positions = UMTPositions(config)
        self.attention_norm = UMTNorm(config)
        self.attention = UMTAttention(config)
        self.feed_forward_norm = UMTNorm(config)
        self.feed_forward = UMTFeedForward(config)

    def forward(self, features: torch.Tensor, segments: SegmentRows) -> torch.Tensor:
        states = self.projection(self.dropout(features))
        normed = self.attention_norm(states)
        placed = normed + self.positions(segments)
        states = states + self.attention(placed, placed, normed, segments.mask)
        return states + self.feed_forward(self.feed_forward_norm(states))


class UMTBottleneckLayer(nn.Module):
    """Tokens gather from both modalities, then both read the tokens.

    visual, semantic (B, T, d), tokens (B, n, d) and positions -> the first three, updated.
    """

    visual_norm: UMTNorm
    semantic_norm: UMTNorm
    gather_visual: UMTAttention
    gather_semantic: UMTAttention
    spread_visual: UMTAttention
    spread_semantic: UMTAttention
    visual_feed_forward_norm: UMTNorm
    semantic_feed_forward_norm: UMTNorm
    visual_feed_forward: UMTFeedForward
    semantic_feed_forward: UMTFeedForward

    def __init__(self, config: UMTConfig):
        super().__init__()
        for stream in ("visual", "semantic"):
            self.add_module(f"{stream}_norm", UMTNorm(config))
            self.add_module(f"gather_{stream}", UMTAttention(config))
            self.add_module(f"spread_{stream}", UMTAttention(config))
            self.add_module(f"{stream}_feed_forward_norm", UMTNorm(config))
            self.add_module(f"{stream}_feed_forward", UMTFeedForward(config))
        self.token_norm = UMTNorm(config)
        self.gathered_norm = UMTNorm(config)

    def forward(
        self,
        visual: torch.Tensor,
        semantic: torch.Tensor,
        tokens: torch.Tensor,
        positions: torch.Tensor,
        mask: torch.Tensor | None,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        normed_visual, normed_semantic = self.visual_norm(visual), self.semantic_norm(semantic)
        placed_visual, placed_semantic = normed_visual + positions, normed_semantic + positions
        query = self.token_norm(tokens)
        tokens = tokens + self.gather_visual(query, placed_visual, normed_visual, mask)
        tokens = tokens + self.gather_semantic(query, placed_semantic, normed_semantic, mask)
        gathered = self.gathered_norm(tokens)
        visual = visual + self.spread_visual(placed_visual, gathered, gathered)
        semantic = semantic + self.spread_semantic(placed_semantic, gathered, gathered)
        visual = visual + self.visual_feed_forward(self.visual_feed_forward_norm(visual))
        semantic = semantic + self.semantic_feed_forward(self.semantic_feed_forward_norm(semantic))
        return visual, semantic, tokens


class UMTCrossModalEncoder(nn.Module):
    """Two modalities (B, T, d) -> their joint representation (B, T, d), through a few bottleneck tokens."""

    def __init__(self, config: UMTConfig):
        super().__init__()
        self.tokens = nn.Parameter(torch.empty(config.num_bottleneck_tokens, config.hidden_dim))
        self.positions = UMTPositions(config)
        self.layers = nn.ModuleList(UMTBottleneckLayer(config) for _ in range(config.num_bottleneck_layers))
        self.norm = UMTNorm(config)

    def forward(self, visual: torch.Tensor, semantic: torch.Tensor, segments: SegmentRows) -> torch.Tensor:
        tokens, positions = self.tokens.expand(len(visual), -1, -1), self.positions(segments)
        for layer in self.layers:
            visual, semantic, tokens = layer(visual, semantic, tokens, positions, segments.mask)
        return self.norm(visual + semantic)


class UMTDecoderLayer(nn.Module):
    """Pre-norm layer: self-attention, attention to the memory, feed-forward."""

    def __init__(self, config: UMTConfig):
        super().__init__()
        self.attention_norm = UMTNorm(config)
        self.attention = UMTAttention(config)
        self.memory_norm = UMTNorm(config)
        self.memory_attention = UMTAttention(config)
        self.feed_forward_norm = UMTNorm(config)
        self.feed_forward = UMTFeedForward(config)

    def forward(
        self,
        states: torch.Tensor,
        memory: torch.Tensor,
        positions: torch.Tensor,
        memory_positions: torch.Tensor,
        mask: torch.Tensor | None,
    ) -> torch.Tensor:
        normed = self.attention_norm(states)
        placed = normed + positions
        states = states + self.attention(placed, placed, normed, mask)
        query, key = self.memory_norm(states) + positions, memory + memory_positions
        states = states + self.memory_attention(query, key, memory, mask)
        return states + self.feed_forward(self.feed_forward_norm(states))


class UMTDecoder(nn.Module):
    """The joint representation (B, T, d) as queries and as memory -> (B, T, d)."""

    def __init__(self, config: UMTConfig):
        super().__init__()
        self.query_positions = UMTPositions(config)
        self.memory_positions = UMTPositions(config)
        self.layers = nn.ModuleList(UMTDecoderLayer(config) for _ in range(config.num_decoder_layers))
        self.norm = UMTNorm(config)

    def forward(self, joint: torch.Tensor, segments: SegmentRows) -> torch.Tensor:
        positions, memory_positions = self.query_positions(segments), self.memory_positions(segments)
        states = joint
        for layer in self.layers:
            states = layer(states, joint, positions, memory_positions, segments.mask)
        return self.norm(states)


class UMTModel(BaselineModel):
    """UMT on visual and semantic features; without text, the decoder's queries are the joint representation.

    The original decoder attends to padding and its loss divides by the padded length, so that scores and loss
    depend on the batch; here the mask reaches every attention, and the loss, its binary cross-entropy with
    soft labels, is the mean over real segments.
    """

    config: UMTConfig
    _no_split_modules = ["UMTUniModalEncoder", "UMTBottleneckLayer", "UMTDecoderLayer"]

    def __init__(self, config: UMTConfig):
        super().__init__(config)
        self.visual_encoder = UMTUniModalEncoder(config, config.visual_dim)
        self.semantic_encoder = UMTUniModalEncoder(config, config.semantic_dim)
        self.cross_encoder = UMTCrossModalEncoder(config)
        self.decoder = UMTDecoder(config)
        self.head = nn.Linear(config.hidden_dim, 1)
        self.post_init()

    def score(
        self, inputs: dict[str, torch.Tensor], segments: SegmentRows, output_attentions: bool
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        visual = self.visual_encoder(inputs["visual"], segments)
        semantic = self.semantic_encoder(inputs["semantic"], segments)
        joint = self.cross_encoder(visual, semantic, segments)
        return self.head(self.decoder(joint, segments))[..., 0], {}

    def error(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Binary cross-entropy with the labels as soft targets."""
        return F.binary_cross_entropy_with_logits(logits, labels, reduction="none")

    @torch.no_grad()
    def _init_weights(self, module: nn.Module):
        """As the original: Xavier-normal layers, positions and tokens of the size of a unit vector."""
        super()._init_weights(module)
        deviation = self.config.hidden_dim**-0.5
        if isinstance(module, nn.Linear):
            init.xavier_normal_(module.weight)
        elif isinstance(module, UMTPositions):
            init.normal_(module.weight, std=deviation)
        elif isinstance(module, UMTCrossModalEncoder):
            init.normal_(module.tokens, std=deviation)


__all__ = ["UMTModel"]
