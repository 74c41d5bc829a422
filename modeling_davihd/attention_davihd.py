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


class DAViHDAttention(nn.Module):
    """Multi-head attention with biases of every segment to all segments of its video.

    Rows of D as queries, keys and values -> rows of D, and the weights (B, heads, T, T) or None.
    """

    def __init__(self, config: HighlightConfig, width: int, num_heads: int, dropout: float = 0.0):
        super().__init__()
        self.config = config
        self.num_heads = num_heads
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
        (B, T, D), and the weights (B, heads, T, S) or None."""
        if mask is not None:
            # In a video without real segments all keys are attended to: a softmax over none would be NaN.
            mask = (mask | ~mask.any(1, keepdim=True))[:, None, None]
        attend = attention_function(self.config, output_attentions)
        output, weights = attend(
            self,
            self._heads(query),
            self._heads(key),
            self._heads(value),
            mask,
            scaling=self.head_dim**-0.5,
            dropout=self.dropout if self.training else 0.0,
        )
        return output.flatten(2), weights if output_attentions else None

    def _heads(self, states: torch.Tensor) -> torch.Tensor:
        """(B, T, D) -> (B, heads, T, D / heads)."""
        return states.unflatten(-1, (self.num_heads, self.head_dim)).transpose(1, 2)


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
