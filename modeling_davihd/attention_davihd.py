"""Multi-head attention and the feed-forward network behind it, as the encoders and the baselines use them.

B is the batch, T the number of one-second segments, D the width. Both act on rows, by way of `SegmentRows`:
the N real segments of the batch as (N, D), or (B, T, D) where nothing is padded.
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F
from transformers import PreTrainedConfig
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from .configuration_davihd import HighlightConfig
from .graph_davihd import in_graph
from .streaming_davihd import SegmentRows

# Seconds that share the keys within reach of any of them: fewer copy more keys, more weigh more in vain.
_BLOCK = 32
# Rows that pass through a feed-forward network at once outside training: the hidden states of all rows would
# be the largest tensor of a long video.
_ROWS_AT_ONCE = 1024


def eager_attention_forward(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    **kwargs,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention that returns its weights, as SDPA does not.

    query (B, heads, T, d), key and value (B, heads, S, d), boolean `attention_mask` (B, 1, 1, S), True at the
    keys that may be attended to -> (B, T, heads, d) and weights (B, heads, T, S).
    """
    weights = query @ key.transpose(2, 3) * scaling
    if attention_mask is not None:
        weights = weights.masked_fill(~attention_mask, torch.finfo(weights.dtype).min)
    weights = weights.softmax(-1)
    output = F.dropout(weights, dropout, module.training) @ value
    return output.transpose(1, 2).contiguous(), weights


def attention_function(
    config: PreTrainedConfig, output_attentions: bool, eager: Callable = eager_attention_forward
) -> Callable:
    """The implementation that the config names, SDPA by default; `eager` if attention weights are wanted."""
    if output_attentions:
        return eager
    return ALL_ATTENTION_FUNCTIONS.get_interface(config._attn_implementation, eager)


def real_keys(mask: torch.Tensor | None) -> torch.Tensor | None:
    """A mask (B, S), True at real seconds, or None -> which keys every second of a video attends to,
    (B, 1, 1, S). Where nothing is real it is all of them: a softmax over none would be NaN."""
    return None if mask is None else (mask | ~mask.any(1, keepdim=True))[:, None, None]


def attend_nearby(
    attend: Callable[..., torch.Tensor],
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    radius: int,
) -> torch.Tensor:
    """Attention of every second to those at most `radius` away: queries, keys and values (B, T, heads, d) and
    the mask (B, T), True at real seconds, or None -> (B, T, heads * d).

    attend: of queries (N, t, heads, d), keys and values (N, s, heads, d) and a mask (N, 1, t, s) makes
    (N, t, heads * d). Blocks of seconds attend to what is in their reach, so that memory and time grow with
    T (block + 2 radius), not with T times T, nor with a copy of keys for every second. What a second of
    padding gets means nothing, but is finite.
    """
    batch, length = query.shape[:2]
    size = min(_BLOCK, length)
    blocks = -(-length // size)
    spare, reach = blocks * size - length, size + 2 * radius
    query = F.pad(query, (0, 0, 0, 0, 0, spare)).reshape(batch * blocks, size, *query.shape[2:])
    key, value = (
        F.pad(states, (0, 0, 0, 0, radius, radius + spare))
        .unfold(1, reach, size)
        .flatten(0, 1)
        .movedim(-1, 1)
        for states in (key, value)
    )
    real = query.new_ones(batch, length, dtype=torch.bool) if mask is None else mask
    real = F.pad(real, (radius, radius + spare)).unfold(1, reach, size)  # (B, blocks, reach)
    place = torch.arange(reach, device=query.device) - torch.arange(size, device=query.device)[:, None]
    # A second always attends to itself, that of padding to nothing else.
    allowed = ((place >= 0) & (place <= 2 * radius) & real[:, :, None]) | (place == radius)
    attended = attend(query, key, value, allowed.flatten(0, 1)[:, None])
    return attended.reshape(batch, blocks * size, -1)[:, :length]


class DAViHDAttention(nn.Module):
    """Multi-head attention with biases of every segment to all segments of its video, or to those at most
    `config.attention_radius` away.

    Rows of D as queries, keys and values -> rows of D, and the weights (B, heads, T, T) or None.
    """

    def __init__(self, config: HighlightConfig, width: int, num_heads: int, dropout: float = 0.0):
        super().__init__()
        self.config = config
        self.num_heads = num_heads
        self.radius = config.attention_radius
        self.head_dim = width // num_heads
        self.dropout = dropout
        self.is_causal = False
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        segments: SegmentRows,
        output_attentions: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        attended, weights = self.attend(
            segments.scatter(self.q_proj(query)),
            segments.scatter(self.k_proj(key)),
            segments.scatter(self.v_proj(value)),
            segments.mask,
            output_attentions,
        )
        return self.out_proj(segments.gather(attended)), weights

    def attend(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        mask: torch.Tensor | None,
        output_attentions: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Projected queries (B, T, D), keys and values (B, S, D), mask (B, S), True at real keys -> states
        (B, T, D), and the weights (B, heads, T, S) or None. With a radius, S is T."""
        query, key, value = (states.unflatten(-1, (self.num_heads, -1)) for states in (query, key, value))
        if self.radius is None:
            return self._attend(query, key, value, real_keys(mask), output_attentions)
        if not (output_attentions or in_graph()):
            return attend_nearby(self._states, query, key, value, mask, self.radius), None
        place = torch.arange(query.shape[1], device=query.device)
        distance = (place[:, None] - place).abs()
        near = (distance <= self.radius)[None]
        near = near if mask is None else (near & mask[:, None]) | (distance == 0)
        return self._attend(query, key, value, near[:, None], output_attentions)

    def _states(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor
    ) -> torch.Tensor:
        return self._attend(query, key, value, mask)[0]

    def _attend(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        mask: torch.Tensor | None,
        output_attentions: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The same of (B, T or S, heads, d) each, and a mask (B, 1, 1 or T, S)."""
        attend = attention_function(self.config, output_attentions)
        output, weights = attend(
            self,
            *(states.transpose(1, 2) for states in (query, key, value)),
            mask,
            scaling=self.head_dim**-0.5,
            dropout=self.dropout if self.training else 0.0,
        )
        return output.flatten(2), weights if output_attentions else None


class DAViHDFeedForward(nn.Sequential):
    """Rows of D -> rows of D: linear to a multiple of D, ReLU, dropout, linear back."""

    def __init__(self, config: HighlightConfig, width: int):
        hidden = config.intermediate_ratio * width
        super().__init__(
            nn.Linear(width, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(config.dropout),
            nn.Linear(hidden, width),
        )

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        if self.training or in_graph() or rows.shape[-2] <= _ROWS_AT_ONCE:
            return super().forward(rows)
        return torch.cat(
            [super(DAViHDFeedForward, self).forward(part) for part in rows.split(_ROWS_AT_ONCE, -2)], -2
        )
