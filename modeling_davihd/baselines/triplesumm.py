"""TripleSumm: adaptive triple-modality fusion for video summarization, Kim et al., ICLR 2026.

B is the batch, T its longest video, D the width of the network, S its streams: the fusion stream, which comes
first and becomes the scores, and those of picture, text and sound.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from transformers import initialization as init

from ..attention_davihd import attend_nearby, attention_function, real_keys
from ..modeling_davihd import sinusoidal_positions
from ..streaming_davihd import SegmentRows
from ..streams_davihd import STREAMS, Stream
from .configuration_baselines import TripleSummConfig
from .modeling_baselines import BaselineModel, BaselineOutput

# The streams in the order of the table of stream vectors, after the fusion stream.
_ORDER = ("visual", "text", "semantic")


@dataclass
class TripleSummOutput(BaselineOutput):
    r"""
    Output of [`TripleSummModel`], with this beside those of [`BaselineOutput`].

    modality_weights (`tuple` of `torch.Tensor` of shape `(B, T, heads, 3)`, *optional*):
        How much each second takes of picture, text and sound, in the last fusion block of each layer; 0 where
        masked. When `output_attentions=True`.
    """

    modality_weights: tuple[torch.Tensor, ...] | None = None


def made_again(function: Callable[..., torch.Tensor], training: bool) -> Callable[..., torch.Tensor]:
    """`function`, of whose inner states training keeps none: they are many times larger than what they are
    made of, and are made again for the gradients."""
    return functools.partial(checkpoint, function, use_reentrant=False) if training else function


class TripleSummNorm(nn.LayerNorm):
    def __init__(self, config: TripleSummConfig):
        super().__init__(config.hidden_dim, eps=1e-5)


class TripleSummMap(nn.Linear):
    """Linear and without bias, from D to a width, D unless it is given."""

    def __init__(self, config: TripleSummConfig, width: int | None = None):
        super().__init__(config.hidden_dim, width or config.hidden_dim, bias=False)


class TripleSummFeedForward(nn.Module):
    """SwiGLU: (..., D) -> (..., D)."""

    def __init__(self, config: TripleSummConfig):
        super().__init__()
        inner = 4 * config.hidden_dim // 3
        self.gate = TripleSummMap(config, inner)
        self.value = TripleSummMap(config, inner)
        self.out = nn.Linear(inner, config.hidden_dim, bias=False)
        # The original drops the result, and then what is added to the states: both at once.
        self.dropout = nn.Dropout(1 - (1 - config.dropout) ** 2)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return self.dropout(made_again(self._transform, self.training)(states))

    def _transform(self, states: torch.Tensor) -> torch.Tensor:
        return self.out(F.silu(self.gate(states)) * self.value(states))


class TripleSummAttention(nn.Module):
    """Attention of every second to those at most `radius` away, or, if that is None, to its whole video.

    Streams (S, B, T, D) and their mask (B, T), True at real seconds, or None -> (S, B, T, D), each stream by
    itself. What a second of padding gets means nothing, but is finite.
    """

    def __init__(self, config: TripleSummConfig, radius: int | None):
        super().__init__()
        self.config, self.radius = config, radius
        self.is_causal = False
        self.qkv = TripleSummMap(config, 3 * config.hidden_dim)
        self.out = TripleSummMap(config)

    def forward(self, states: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        attend = made_again(self._attend_stream, self.training)
        return self.out(torch.stack([attend(stream, mask) for stream in states]))

    def _attend_stream(self, states: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """One stream (B, T, D) -> (B, T, D)."""
        heads = self.config.num_attention_heads
        query, key, value = self.qkv(states).unflatten(-1, (3, heads, -1)).unbind(2)
        if self.radius is not None and self.radius < states.shape[1] - 1:
            return attend_nearby(self._attend, query, key, value, mask, self.radius)
        return self._attend(query, key, value, real_keys(mask))

    def _attend(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None
    ) -> torch.Tensor:
        """Queries (N, T, heads, d), keys and values (N, K, heads, d), mask (N, 1, 1 or T, K) -> (N, T, D)."""
        attend = attention_function(self.config, False)
        attended, _ = attend(
            self,
            *(states.transpose(1, 2) for states in (query, key, value)),
            mask,
            scaling=query.shape[-1] ** -0.5,
            dropout=self.config.dropout if self.training else 0.0,
        )
        return attended.flatten(2)


class TripleSummTemporalBlock(nn.Module):
    """Pre-norm Transformer layer over time, one for all streams (S, B, T, D), with their mask (B, T)."""

    def __init__(self, config: TripleSummConfig, window: int):
        super().__init__()
        self.attention_norm = TripleSummNorm(config)
        self.attention = TripleSummAttention(config, window // 2 if window else None)
        self.feed_forward_norm = TripleSummNorm(config)
        self.feed_forward = TripleSummFeedForward(config)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, states: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        states = states + self.dropout(self.attention(self.attention_norm(states), mask))
        return states + self.feed_forward(self.feed_forward_norm(states))


class TripleSummFusionBlock(nn.Module):
    """Every second of the fusion stream attends to the other streams at the same second.

    fusion (B, T, D), streams (S - 1, B, T, D) -> fusion, updated, and the weights (S - 1, B, T, heads).
    """

    def __init__(self, config: TripleSummConfig):
        super().__init__()
        self.num_heads = config.num_attention_heads
        self.query_norm = TripleSummNorm(config)
        self.context_norm = TripleSummNorm(config)
        self.q_proj = TripleSummMap(config)
        self.k_proj = TripleSummMap(config)
        self.v_proj = TripleSummMap(config)
        self.out_proj = TripleSummMap(config)
        self.feed_forward_norm = TripleSummNorm(config)
        self.feed_forward = TripleSummFeedForward(config)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, fusion: torch.Tensor, streams: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        context = self.context_norm(streams)
        query, key, value = (
            states.unflatten(-1, (self.num_heads, -1))
            for states in (self.q_proj(self.query_norm(fusion)), self.k_proj(context), self.v_proj(context))
        )
        weights = ((query * key).sum(-1) * query.shape[-1] ** -0.5).softmax(0)
        attended = (self.dropout(weights)[..., None] * value).sum(0).flatten(-2)
        fusion = fusion + self.dropout(self.out_proj(attended))
        return fusion + self.feed_forward(self.feed_forward_norm(fusion)), weights


class TripleSummModel(BaselineModel):
    """TripleSumm on visual, text and semantic features.

    Features that are not given, or that `config.modalities` does not name, are missing: they count as zero
    features, which is what the published network can be asked for; with `config.drop_missing`, their stream
    is left out of the mean that the fusion stream starts from and of what it attends to. One needs to be
    there. Positions are computed, so that no video is too long.
    """

    config: TripleSummConfig
    _no_split_modules = ["TripleSummTemporalBlock", "TripleSummFusionBlock"]
    output_class = TripleSummOutput

    def __init__(self, config: TripleSummConfig):
        super().__init__(config)
        width = config.hidden_dim
        for name in _ORDER:
            if config.drop_missing and name not in config.modalities:
                continue  # it would never be used
            self.add_module(f"{name}_projection", nn.Linear(config.stream_dim(STREAMS[name]), width))
            self.add_module(f"{name}_norm", TripleSummNorm(config))
        self.stream_vectors = nn.Parameter(torch.empty(1 + len(_ORDER), width))
        self.dropout = nn.Dropout(config.dropout)
        self.temporal_blocks = nn.ModuleList(
            TripleSummTemporalBlock(config, window) for window in config.window_seconds
        )
        self.fusion_blocks = nn.ModuleList(
            TripleSummFusionBlock(config) for _ in range(config.num_layers * config.num_fusion_blocks)
        )
        self.hidden = nn.Linear(width, config.score_hidden_dim)
        self.hidden_norm = nn.LayerNorm(config.score_hidden_dim, eps=1e-5)
        self.head = nn.Linear(config.score_hidden_dim, 1)
        self.post_init()

    def score(
        self, inputs: dict[str, torch.Tensor], segments: SegmentRows, output_attentions: bool
    ) -> tuple[torch.Tensor, dict[str, tuple[torch.Tensor, ...]]]:
        names = [name for name in _ORDER if name in inputs or not self.config.drop_missing]
        states = self._embed(inputs, names)
        recorded: tuple[torch.Tensor, ...] = ()
        for number in range(self.config.num_layers):
            states, weights = self._layer(number, states, segments.mask)
            recorded = (*recorded, weights)
        hidden = self.hidden_norm(self.dropout(F.gelu(self.hidden(states[0]))))
        logits = self.head(hidden)[..., 0]
        if not output_attentions:
            return logits, {}
        return logits, {"modality_weights": tuple(spread(one, names, segments) for one in recorded)}

    def _layer(
        self, number: int, states: torch.Tensor, mask: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Streams (S, B, T, D) -> the same, updated, and the weights of the last fusion block."""
        temporal, fusing = self.config.num_temporal_blocks, self.config.num_fusion_blocks
        for block in self.temporal_blocks[number * temporal :][:temporal]:
            states = block(states, mask)
        fusion = states[0]
        for block in self.fusion_blocks[number * fusing :][:fusing]:
            fusion, weights = block(fusion, states[1:])
        return torch.cat((fusion[None], states[1:])), weights

    def _embed(self, inputs: dict[str, torch.Tensor], names: list[str]) -> torch.Tensor:
        """The streams (S, B, T, D): their mean, and those of the names; each second's position and each
        stream's vector are added. A stream without features has zeros."""
        like = next(iter(inputs.values()))
        streams = []
        for name in names:
            projection, norm = self.get_submodule(f"{name}_projection"), self.get_submodule(f"{name}_norm")
            features = inputs.get(name, like.new_zeros(1, 1, projection.in_features))
            streams.append(norm(projection(features)).expand(*like.shape[:2], -1))
        joined = torch.stack((torch.stack(streams).mean(0), *streams))
        joined = self.dropout(joined + sinusoidal_positions(like.shape[1], joined.shape[-1], joined))
        rows = [0, *(1 + _ORDER.index(name) for name in names)]
        return joined + self.stream_vectors[rows][:, None, None]

    def _streams_read(self, given: dict[str, torch.Tensor | None]) -> list[Stream]:
        return self._streams_found(given)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module):
        """As the original: Xavier-uniform layers, stream vectors of the normal distribution."""
        super()._init_weights(module)
        if isinstance(module, TripleSummModel):
            init.normal_(module.stream_vectors)


def spread(weights: torch.Tensor, names: list[str], segments: SegmentRows) -> torch.Tensor:
    """Weights (streams, B, T, heads) of those names -> (B, T, heads, 3), 0 for the others and at padding."""
    whole = weights.new_zeros(*weights.shape[1:], len(_ORDER))
    for name, values in zip(names, weights, strict=True):
        whole[..., _ORDER.index(name)] = values
    return whole if segments.mask is None else whole.masked_fill(~segments.mask[..., None, None], 0)


__all__ = ["TripleSummModel", "TripleSummOutput"]
