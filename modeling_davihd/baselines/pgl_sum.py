"""PGL-SUM: global and local multi-head attention with positional matrices, for video summarization.

Apostolidis, Balaouras, Mezaris and Patras, ISM 2021. B is the batch, T its longest video, D the features.
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F
from transformers import initialization as init

from ..attention_davihd import attention_function
from ..streaming_davihd import SegmentRows, frame_mask, zero_padding
from .configuration_baselines import PGLSumConfig
from .modeling_baselines import BaselineModel

_FUSIONS: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "add": torch.add,
    "mult": torch.mul,
    "avg": lambda one, other: (one + other) / 2,
    "max": torch.maximum,
}


def absolute_positions(lengths: torch.Tensor, place: torch.Tensor, config: PGLSumConfig) -> torch.Tensor:
    """(B, L, L) for `place` = 0 to L - 1: column c of row t is the sine or cosine (c even or odd) of
    t / base^((c - c % 2) / D); the last column of a video of odd length is zero."""
    angles = place[:, None] / config.position_base ** ((place - place % 2) / config.visual_dim)
    return _waves(angles, lengths, place)


def relative_positions(lengths: torch.Tensor, place: torch.Tensor, config: PGLSumConfig) -> torch.Tensor:
    """(B, L, L) as above, of the angles (j - i + T - 1) / base^((i + j) / 2T) in a video of length T."""
    row, length = place[:, None], lengths.clamp(min=1)[:, None, None]
    angles = (place - row + length - 1) / config.position_base ** ((row + place) / (2 * length))
    return _waves(angles, lengths, place)


def _waves(angles: torch.Tensor, lengths: torch.Tensor, column: torch.Tensor) -> torch.Tensor:
    values = torch.where(column % 2 == 0, angles.sin(), angles.cos())
    return values * (column < (lengths - lengths % 2)[:, None, None])


_POSITIONS = {"absolute": absolute_positions, "relative": relative_positions}


def eager_attention_forward(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor,
    scaling: float,
    dropout: float = 0.0,
    **kwargs,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention that keeps its weights; `attention_mask` is added to the energies."""
    weights = (query @ key.transpose(2, 3) * scaling + attention_mask).softmax(-1)
    output = F.dropout(weights, dropout, module.training) @ value
    return output.transpose(1, 2).contiguous(), weights


class PGLSumHeads(nn.Linear):
    """The maps of all heads to queries, keys or values: (B, L, D) -> (B, heads, L, width / heads)."""

    def __init__(self, config: PGLSumConfig, width: int, num_heads: int):
        super().__init__(config.visual_dim, width, bias=False)
        self.num_heads = num_heads

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return super().forward(states).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)


class PGLSumAttention(nn.Module):
    """Attention cell of (B, L, D) states of which `lengths` (B,) are real: unscaled energies plus positions.

    Gives (B, L, D), whose padded rows mean nothing, and the attention weights (B, heads, L, L) or None.
    """

    def __init__(self, config: PGLSumConfig, width: int, num_heads: int):
        super().__init__()
        self.config = config
        self.is_causal = False
        self.query = PGLSumHeads(config, width, num_heads)
        self.key = PGLSumHeads(config, width, num_heads)
        self.value = PGLSumHeads(config, width, num_heads)
        self.out = nn.Linear(width, config.visual_dim, bias=False)

    def forward(
        self, states: torch.Tensor, lengths: torch.Tensor, output_attentions: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        attend = attention_function(self.config, output_attentions, eager_attention_forward)
        output, weights = attend(
            self,
            self.query(states),
            self.key(states),
            self.value(states),
            self._bias(lengths, states.shape[1], states.dtype),
            scaling=1.0,
            dropout=self.config.dropout if self.training else 0.0,
        )
        return self.out(output.flatten(2)), weights if output_attentions else None

    def _bias(self, lengths: torch.Tensor, size: int, dtype: torch.dtype) -> torch.Tensor:
        """(B, 1, L, L): positions, and what keeps padding from being attended."""
        place = torch.arange(size, device=lengths.device, dtype=torch.promote_types(dtype, torch.float32))
        if self.config.positions == "none":
            bias = place.new_zeros(len(lengths), size, size)
        else:
            bias = _POSITIONS[self.config.positions](lengths, place, self.config)
        # Where nothing is real, the first row is attended: finite, and without effect.
        real = place < lengths.clamp(min=1)[:, None]
        return bias.to(dtype).masked_fill(~real[:, None], torch.finfo(dtype).min)[:, None]


class PGLSumEncoder(nn.Module):
    """Global attention over each video and local attention over its parts, combined: (B, T, D)."""

    def __init__(self, config: PGLSumConfig):
        super().__init__()
        self.fusion = config.fusion
        self.attention = PGLSumAttention(config, config.visual_dim, config.num_attention_heads)
        parts = config.num_segments if config.fusion != "none" else 0
        self.local_attention = nn.ModuleList(
            PGLSumAttention(config, config.visual_dim // parts, config.num_local_attention_heads)
            for _ in range(parts)
        )

    def forward(
        self, states: torch.Tensor, lengths: torch.Tensor, output_attentions: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """`states` are zero at padding. Also gives the weights of the global attention, on demand."""
        attended, weights = self.attention(states, lengths, output_attentions)
        if self.fusion == "none":
            return attended, weights
        local = self._attend_locally(states, lengths)
        return _FUSIONS[self.fusion](F.normalize(attended, dim=-1), F.normalize(local, dim=-1)), weights

    def _attend_locally(self, states: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Each video is cut into parts of ceil(its length / their number) rows; some may be empty."""
        parts, num_segments = len(self.local_attention), states.shape[1]
        size, longest = (lengths.clamp(min=1) + parts - 1) // parts, -(-num_segments // parts)
        outputs = []
        for number, cell in enumerate(self.local_attention):
            first = number * size
            rows = torch.minimum(lengths - first, size).clamp(min=0)
            index = first[:, None] + torch.arange(longest, device=states.device)
            part = zero_padding(take_rows(states, index), frame_mask(rows, longest)[:, 0, :, 0])
            outputs.append(cell(part, rows)[0])
        place, size = torch.arange(num_segments, device=states.device), size[:, None]
        return take_rows(torch.cat(outputs, 1), place // size * longest + place % size)


def take_rows(states: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Rows `index` (B, R) of (B, L, D) states; an index that is too large takes the last one."""
    index = index.clamp(max=states.shape[1] - 1)
    return states.gather(1, index[..., None].expand(-1, -1, states.shape[2]))


class PGLSumModel(BaselineModel):
    """PGL-SUM on visual features. `attentions` are those over the whole video.

    This is the published model; its Mr.HiSum benchmark port, on which the paper's Table 1 probably rests,
    transposes the attention and normalises along the batch, so that scores there depend on batch and padding.
    Lengths that leave a part with one row or none (13 s and some below) make the original fail; here, it
    skips empty parts.
    """

    config: PGLSumConfig
    _no_split_modules = ["PGLSumAttention"]

    def __init__(self, config: PGLSumConfig):
        super().__init__(config)
        width = config.visual_dim
        self.encoder = PGLSumEncoder(config)
        self.encoder_norm = nn.LayerNorm(width, eps=1e-6)
        self.hidden = nn.Linear(width, width)
        self.hidden_norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, 1)
        self.dropout = nn.Dropout(config.dropout)
        self.post_init()

    def score(
        self, inputs: dict[str, torch.Tensor], segments: SegmentRows, output_attentions: bool
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        features = inputs["visual"]
        attended, weights = self.encoder(features, segments.lengths, output_attentions)
        states = self.encoder_norm(self.dropout(attended + features))
        states = self.hidden_norm(self.dropout(self.hidden(states).relu()))
        return self.head(states)[..., 0], {"attentions": weights}

    @torch.no_grad()
    def _init_weights(self, module: nn.Module):
        """As the original: Xavier of gain sqrt(2), and every bias 0.1, those of the norms too."""
        super()._init_weights(module)
        if isinstance(module, PGLSumHeads):  # each head's map, some rows of ours, counts by itself
            bound = (12 / (module.in_features + module.out_features // module.num_heads)) ** 0.5
            init.uniform_(module.weight, -bound, bound)
        elif isinstance(module, nn.Linear):
            init.xavier_uniform_(module.weight, gain=2**0.5)
        if isinstance(module, nn.Linear | nn.LayerNorm) and module.bias is not None:
            init.constant_(module.bias, 0.1)


__all__ = ["PGLSumModel"]
