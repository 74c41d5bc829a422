"""DAViHD: dual-pathway audio encoders for audio-visual video highlight detection (arXiv 2602.03891).

Top to bottom this file is Figure 2 of the paper:

    self-attention encoder, one for each stream       Sections 2.1 and 2.2.3
    audio dynamics encoder E_a^d, Figure 2b           Section 2.2.2, Eq. 1 and 2
    audio feature fusion F_a                          Section 2.2.3, Eq. 3
    cross-attention and score prediction              Section 2.3, Eq. 4
    the whole network, Figure 2a, and its loss        Section 2, Eq. 5

B is the batch, T the number of one-second segments (the paper's T_f), L the log-Mel frames that a block sees,
C its channels and F its frequency bins. Padding is at the end of the time axis; a video's scores in a padded
batch equal its scores alone. Layers that act on one segment at a time act on rows, by way of `SegmentRows`:
the N real segments of the batch as (N, D), or (B, T, D) where nothing is padded. The frozen backbones E_v and
E_a^s (Sections 2.1 and 2.2.1) are in backbones_davihd.py, attention itself in attention_davihd.py.
"""

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.utils import ModelOutput
from transformers.utils.generic import can_return_tuple

from .absence_davihd import DAViHDAbsentStreams, drawn_absences
from .attention_davihd import DAViHDAttention, DAViHDFeedForward
from .backbones_davihd import FrozenBackbone, build_backbone
from .batch_norm_davihd import DAViHDBatchNorm
from .configuration_davihd import DAViHDConfig, HighlightConfig
from .convolution_davihd import convolve_bins
from .gate_davihd import DAViHDGate
from .graph_davihd import average_pool, in_graph
from .objectives_davihd import labels_of, training_loss
from .streaming_davihd import (
    FrameSource,
    HaloedStates,
    RunningSoftmaxSum,
    SegmentRows,
    Spectrogram,
    align_adaptively,
    align_by_time,
    check_inputs,
    check_shape,
    time_windows,
    zero_padding,
)
from .streams_davihd import STREAMS, Stream

# Elements of the largest output of a dynamics block for one video that is kept outside training. A larger one
# is computed piece by piece whenever it is read.
_HELD_ELEMENTS = 2**24

# Attention weights, tensors or tuples of them, by their names in `DAViHDOutput`.
Attentions = dict[str, Any]


@dataclass
class DAViHDOutput(ModelOutput):
    r"""
    Output of [`DAViHDModel`]. Attention fields are filled when `output_attentions=True`.

    loss (`torch.Tensor` of shape `(1,)`, *optional*):
        What the config's `loss` names, by default the mean squared error over the labelled segments of the
        batch (Eq. 5), when `labels` are given.
    scores (`torch.Tensor` of shape `(B, T)`):
        Predicted highlight score of each segment in [0, 1]; 0 where masked.
    visual_attentions, semantic_attentions, text_attentions, fused_attentions (`torch.Tensor` of shape
    `(B, heads, T, T)`, *optional*):
        Self-attention of the visual, semantic and text streams and, with late fusion, of the fused audio
        stream.
    dynamics_attentions (`tuple` of `torch.Tensor` of shape `(B, heads, T, T)`, *optional*):
        Self-attention of each Transformer layer of the dynamics encoder.
    visual_to_audio_attentions, audio_to_visual_attentions (`torch.Tensor` of shape `(B, heads, T, T)`,
    *optional*):
        Cross-attention of visual queries over audio keys (Eq. 4), and the reverse.
    time_attentions, velocity_attentions (`tuple` of `torch.Tensor` of shape `(B, L, F)`, *optional*):
        The maps alpha and beta of Eq. 1 of each frequency-dynamic convolution, averaged over its input
        channels; each sums to 1 over the real frames.
    """

    loss: torch.Tensor | None = None
    scores: torch.Tensor | None = None
    visual_attentions: torch.Tensor | None = None
    semantic_attentions: torch.Tensor | None = None
    text_attentions: torch.Tensor | None = None
    fused_attentions: torch.Tensor | None = None
    dynamics_attentions: tuple[torch.Tensor, ...] | None = None
    visual_to_audio_attentions: torch.Tensor | None = None
    audio_to_visual_attentions: torch.Tensor | None = None
    time_attentions: tuple[torch.Tensor, ...] | None = None
    velocity_attentions: tuple[torch.Tensor, ...] | None = None


# -------------------------------------------------------------------- self-attention encoder (2.1 and 2.2.3)


class DAViHDSelfAttentionEncoder(GradientCheckpointingLayer):
    """Attn_self of Sections 2.1 and 2.2.3, post-norm: y = LN(x + MHA(x)), z = LN(y + FFN(y)).

    Rows of D -> rows of D, and the attention weights (B, heads, T, T) or None. It knows no positions. The
    visual and the semantic stream have one each and, with late fusion, the fused audio.
    """

    def __init__(self, config: HighlightConfig, width: int):
        super().__init__()
        self.attention = DAViHDAttention(config, width, config.num_attention_heads)
        self.attention_norm = nn.LayerNorm(width, eps=1e-5)
        self.feed_forward = DAViHDFeedForward(config, width)
        self.feed_forward_norm = nn.LayerNorm(width, eps=1e-5)

    def forward(
        self, rows: torch.Tensor, segments: SegmentRows, output_attentions: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        attended, weights = self.attention(rows, rows, rows, segments, output_attentions)
        rows = self.attention_norm(rows + attended)
        return self.feed_forward_norm(rows + self.feed_forward(rows)), weights


# ------------------------------------------------------------------------- audio dynamics encoder (2.2.2)


class DAViHDConvBranch(nn.Module):
    """The paper's 2D Conv block: Conv2d C -> h 3x3, batch norm, ReLU, Conv2d h -> C 1x1; h = max(4, C // 4).

    A window of `HaloedStates`, (B, C, L + 2, F + 2), and its mask (B, 1, L, 1) -> (B, C, L, F).
    """

    def __init__(self, channels: int):
        super().__init__()
        hidden = max(4, channels // 4)
        self.conv_in = nn.Conv2d(channels, hidden, 3)
        self.norm = DAViHDBatchNorm(hidden)
        self.conv_out = nn.Conv2d(hidden, channels, 1)

    def forward(self, window: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        # Channels first from here on: batch norm of so few channels is much slower with channels last, and so
        # are the sums over time that follow.
        hidden = self.conv_in(window).contiguous()
        return self.conv_out(self.norm(hidden, mask).relu_())


class AttentionMaps(NamedTuple):
    """alpha and beta of Eq. 1, averaged over channels: (B, L, F) each, which sum to 1 over time."""

    time: torch.Tensor
    velocity: torch.Tensor


class TemporalAttentionPooling(nn.Module):
    """Pools (B, C, L, F) over time into f_combined (B, C, F) = f_TA + f_VA + mean_t S (Eq. 1).

    alpha = softmax_t(branch(S)), beta = softmax_t(branch(|S_t - S_{t-1}|)), x_s = sigmoid(branch(S));
    f_TA = sum_t alpha x_s, f_VA = sum_t beta x_s.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.saliency_gate = DAViHDConvBranch(channels)
        self.time_attention = DAViHDConvBranch(channels)
        self.velocity_attention = DAViHDConvBranch(channels)

    def forward(
        self, haloed: HaloedStates, output_attentions: bool = False
    ) -> tuple[torch.Tensor, AttentionMaps | None]:
        """States (B, C, L, F) -> f_combined (B, C, F), and the maps on demand."""
        pools = RunningSoftmaxSum(), RunningSoftmaxSum()
        mean: torch.Tensor | int = 0
        for start, end, logits in self._windows(haloed):
            saliency = self.saliency_gate(haloed.window(start, end), haloed.mask_of(start, end)).sigmoid()
            for pool, values in zip(pools, logits, strict=True):
                pool.add(values, saliency)
            mean = mean + haloed.share_of_mean(start, end)
        pooled = pools[0].result() + pools[1].result() + mean
        return pooled, self._maps(haloed, pools) if output_attentions else None

    def _maps(self, haloed: HaloedStates, pools: tuple[RunningSoftmaxSum, ...]) -> AttentionMaps:
        # A softmax is known once all its logits have been seen. To keep them until then would take C times
        # the memory of the maps; so the few who want maps pay for computing the logits again.
        windows = [
            [pool.channel_mean(values) for pool, values in zip(pools, logits, strict=True)]
            for _, _, logits in self._windows(haloed)
        ]
        return AttentionMaps(*(torch.cat(maps, 1) for maps in zip(*windows, strict=True)))

    def _windows(self, haloed: HaloedStates) -> Iterator[tuple[int, int, list[torch.Tensor]]]:
        """Spans [start, end) of frames, and their logits of time and velocity attention (B, C, L, F)."""
        batch, channels, frames, bins = haloed.shape
        for start, end in time_windows(0, frames, batch * channels * bins, self.training):
            mask = haloed.mask_of(start, end)
            logits = [
                self.time_attention(haloed.window(start, end), mask),
                self.velocity_attention(haloed.velocity(start, end), mask),
            ]
            if mask is not None:
                logits = [values.masked_fill_(~mask, torch.finfo(values.dtype).min) for values in logits]
            yield start, end, logits


class FrequencyDynamicConv2d(nn.Module):
    """3x3 convolution whose kernel varies with frequency: sum_k gamma_k(f) (W_k * S) (Eq. 2).

    gamma(f) = softmax_k(1D Conv block(f_combined) / temperature), where f_combined is that of Eq. 1.
    """

    def __init__(self, in_channels: int, out_channels: int, basis_kernels: int, temperature: float):
        super().__init__()
        hidden = max(4, in_channels // 4)
        self.temperature = temperature
        self.weight = nn.Parameter(torch.empty(basis_kernels, out_channels, in_channels, 3, 3))
        self.pooling = TemporalAttentionPooling(in_channels)
        self.kernel_in = nn.Conv1d(in_channels, hidden, 3, padding=1, bias=False)
        self.kernel_norm = DAViHDBatchNorm(hidden)
        self.kernel_out = nn.Conv1d(hidden, basis_kernels, 1)

    @property
    def out_channels(self) -> int:
        return self.weight.shape[1]

    def kernel_weights(
        self, haloed: HaloedStates, output_attentions: bool = False
    ) -> tuple[torch.Tensor, AttentionMaps | None]:
        """States (B, C, L, F) -> gamma (B, K, F), and the maps of Eq. 1 on demand."""
        pooled, maps = self.pooling(haloed, output_attentions)
        not_empty = None if haloed.lengths is None else (haloed.lengths > 0)[:, None, None]
        hidden = self.kernel_norm(self.kernel_in(pooled), not_empty).relu_()
        return (self.kernel_out(hidden) / self.temperature).softmax(1), maps

    def forward(self, window: torch.Tensor, gamma: torch.Tensor) -> torch.Tensor:
        """A window (B, C, L + 2, F + 2), gamma (B, K, F) -> (B, out, L, F).

        Since gamma_k(f) weights output bin f, the sum over k folds into one kernel for each bin.
        """
        weight = self.weight.permute(0, 3, 4, 2, 1).flatten(1)
        kernels = gamma.transpose(1, 2).to(weight.dtype) @ weight
        kernels = kernels.unflatten(-1, (3, -1, self.out_channels))
        return convolve_bins(window.to(kernels.dtype), kernels)


class StaticConv2d(nn.Conv2d):
    """Ordinary 3x3 convolution with bias: a window (B, C, L + 2, F + 2) -> (B, out, L, F)."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__(in_channels, out_channels, 3)

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        # A copy, because the one channel of a spectrogram is channels last in any layout: `contiguous` would
        # leave it alone, and the convolution would lay out its output with channels first.
        return super().forward(window.clone(memory_format=torch.channels_last))


class DAViHDDynamicsBlock(GradientCheckpointingLayer):
    """(Frequency-dynamic) convolution -> batch norm -> ReLU -> average pool, on (B, C, L, F).

    Eq. 1 pools over the whole video, so its result is needed before the first frame can be convolved: a block
    reads its input twice.
    """

    conv: StaticConv2d | FrequencyDynamicConv2d

    def __init__(self, config: DAViHDConfig, index: int):
        super().__init__()
        in_channels = config.dynamics_channels[index - 1] if index else config.log_mel_views
        out_channels = config.dynamics_channels[index]
        basis_kernels = config.dynamics_basis_kernels[index]
        self.pooling = (config.dynamics_time_pooling[index], config.dynamics_frequency_pooling[index])
        if basis_kernels == 1:
            self.conv = StaticConv2d(in_channels, out_channels)
        else:
            self.conv = FrequencyDynamicConv2d(
                in_channels, out_channels, basis_kernels, config.dynamics_temperature
            )
        self.norm = DAViHDBatchNorm(out_channels, eps=1e-3, momentum=config.batch_norm_momentum)

    def forward(
        self, states: torch.Tensor, lengths: torch.Tensor | None, output_attentions: bool = False
    ) -> tuple[torch.Tensor, AttentionMaps | None]:
        """States (B, C, L, F) with `lengths` (B,) real frames -> (B, out, L // pool, F // pool) with
        `lengths // pool`, and the maps of Eq. 1 on demand, None from an ordinary convolution."""
        source, maps = self.stream(FrameSource.held(states), lengths, output_attentions)
        return source.all(), maps

    def stream(
        self, source: FrameSource, lengths: torch.Tensor | None, output_attentions: bool = False
    ) -> tuple[FrameSource, AttentionMaps | None]:
        """The same for states that need not lie in memory as a whole, and nor do those returned."""
        haloed = HaloedStates(source, lengths)
        convolve: Callable = self.conv
        maps = None
        if isinstance(self.conv, FrequencyDynamicConv2d):
            gamma, maps = self.conv.kernel_weights(haloed, output_attentions)
            convolve = partial(self.conv, gamma=gamma)
        batch, _, frames, bins = source.shape
        shape = (batch, self.conv.out_channels, frames // self.pooling[0], bins // self.pooling[1])
        pooled = FrameSource(torch.Size(shape), partial(self._pooled, haloed, convolve))
        fits = in_graph() or pooled.shape[1:].numel() <= _HELD_ELEMENTS
        return FrameSource.held(pooled.all()) if fits else pooled, maps

    def _pooled(self, haloed: HaloedStates, convolve: Callable, start: int, end: int) -> torch.Tensor:
        """Frames [start, end) of the output."""
        batch, _, frames, bins = haloed.shape
        pool, channels = self.pooling[0], self.conv.out_channels
        # All at once, with the last frames that fill no pool: batch norm counts them.
        if self.training or in_graph():
            return self._convolve(haloed, convolve, 0, frames)
        output = None  # filled piece by piece: many small results would leave gaps between them in memory
        frame_elements = pool * batch * channels * bins
        for piece_start, piece_end in time_windows(start, end, frame_elements, training=False):
            piece = self._convolve(haloed, convolve, piece_start * pool, piece_end * pool)
            if output is None:
                output = piece.new_empty(batch, end - start, bins // self.pooling[1], channels)
                output = output.permute(0, 3, 1, 2)
            output[:, :, piece_start - start : piece_end - start] = piece
        return output  # type: ignore[return-value]  # there is at least one piece

    def _convolve(
        self, haloed: HaloedStates, convolve: Callable, input_start: int, input_end: int
    ) -> torch.Tensor:
        """Convolution, batch norm, ReLU and pooling of the frames [input_start, input_end) of the input."""
        states = convolve(haloed.window(input_start, input_end))
        return average_pool(self.norm(states, haloed.mask_of(input_start, input_end)).relu_(), self.pooling)


class DAViHDDynamicsBlocks(nn.ModuleList):
    """The blocks, one after the other.

    Outside training, the large outputs of the first blocks for a long video are computed whenever a later
    block reads them, so that memory does not grow with the largest states.
    """

    if TYPE_CHECKING:  # a ModuleList does not say which modules it holds

        def __iter__(self) -> Iterator[DAViHDDynamicsBlock]: ...

    def forward(
        self,
        log_mel: torch.Tensor,
        background: torch.Tensor | None = None,
        second_of_frame: torch.Tensor | None = None,
        lengths: torch.Tensor | None = None,
        output_attentions: bool = False,
    ) -> tuple[torch.Tensor, list[AttentionMaps]]:
        """The fields of a `Spectrogram`, log_mel (B, 1, L, F) with `lengths` (B,) real frames, None if all
        are -> states (B, C, L', F'), and the maps of each frequency-dynamic block on demand."""
        source, recorded = FrameSource.above_background(log_mel, background, second_of_frame), []
        for block in self:
            if self.training:
                states, maps = block(source.all(), lengths, output_attentions)
                source = FrameSource.held(states)
            else:
                source, maps = block.stream(source, lengths, output_attentions)
            lengths = None if lengths is None else lengths // block.pooling[0]
            recorded += [] if maps is None else [maps]
        return source.all(), recorded

    def velocity_attention(self, source: FrameSource, lengths: torch.Tensor | None) -> torch.Tensor:
        """Spectrogram (B, V, L, F) -> beta (B, L', F') of the first frequency-dynamic block, without running
        the blocks after it. Raises ValueError if there is none."""
        for block in self:
            if isinstance(block.conv, FrequencyDynamicConv2d):
                _, maps = block.conv.kernel_weights(HaloedStates(source, lengths), output_attentions=True)
                return maps.velocity  # type: ignore[union-attr]  # they were asked for
            source, _ = block.stream(source, lengths)
            lengths = None if lengths is None else lengths // block.pooling[0]
        raise ValueError(
            "The model has no frequency-dynamic block: every entry of `dynamics_basis_kernels` is 1."
        )


class DAViHDDynamicsLayer(GradientCheckpointingLayer):
    """Attn_self of the dynamics stream (Section 2.2.3), a pre-norm Transformer layer.

    Rows of D_d -> rows of D_d, and the attention weights (B, heads, T, T) or None.
    """

    def __init__(self, config: DAViHDConfig):
        super().__init__()
        width = config.dynamics_width
        self.attention_norm = nn.LayerNorm(width, eps=1e-5)
        self.attention = DAViHDAttention(config, width, config.dynamics_num_heads, config.dropout)
        self.feed_forward_norm = nn.LayerNorm(width, eps=1e-5)
        self.feed_forward = DAViHDFeedForward(config, width)

    def forward(
        self, rows: torch.Tensor, segments: SegmentRows, output_attentions: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        normed = self.attention_norm(rows)
        attended, weights = self.attention(normed, normed, normed, segments, output_attentions)
        rows = rows + attended
        return rows + self.feed_forward(self.feed_forward_norm(rows)), weights


def sinusoidal_positions(length: int, width: int, like: torch.Tensor) -> torch.Tensor:
    """Interleaved sinusoids (length, width), sine at even columns, in the dtype of `like`.

    They are computed in float32: half precision cannot tell the angles of a long video apart.
    """
    rates = torch.exp(torch.arange(0, width, 2, device=like.device).float() * (-math.log(10000.0) / width))
    angles = torch.arange(length, device=like.device).float()[:, None] * rates
    return torch.stack((angles.sin(), angles.cos()), -1).flatten(1).to(like.dtype)


class DAViHDDynamicsEncoder(nn.Module):
    """Audio dynamics encoder E_a^d (Section 2.2.2, Figure 2b): log-Mel (B, F, M) -> rows of D_d.

    Blocks of Eq. 1 and 2, channels and bins flattened, alignment to seconds, projection to D_d. With early
    fusion a Transformer with positions follows (Section 2.2.3).
    """

    def __init__(self, config: DAViHDConfig):
        super().__init__()
        self.config = config
        self.blocks = DAViHDDynamicsBlocks(
            DAViHDDynamicsBlock(config, i) for i in range(len(config.dynamics_channels))
        )
        self.time_pooling = math.prod(config.dynamics_time_pooling)
        bins = config.num_mel_bins
        for pooling in config.dynamics_frequency_pooling:
            bins //= pooling
        self.projection = nn.Linear(config.dynamics_channels[-1] * bins, config.dynamics_width)
        self.dropout = nn.Dropout(config.dropout)
        if config.dynamics_positions == "convolutional":
            width, kernel = config.dynamics_width, config.dynamics_position_kernel
            self.position_conv = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        num_layers = config.dynamics_num_layers if config.fusion_placement == "early" else 0
        self.layers = nn.ModuleList(DAViHDDynamicsLayer(config) for _ in range(num_layers))

    def forward(
        self, log_mel: torch.Tensor, segments: SegmentRows, output_attentions: bool = False
    ) -> tuple[torch.Tensor, dict[str, tuple[torch.Tensor, ...]]]:
        """log-Mel (B, F, M) -> rows of D_d, and attentions by their names in `DAViHDOutput`, on demand."""
        if self.training:
            self._request_norm_updates()
        sound = self._prepare(log_mel, segments)
        lengths = None if segments.mask is None else sound.lengths
        states, maps = self.blocks(
            sound.log_mel, sound.background, sound.second_of_frame, lengths, output_attentions
        )
        rows, weights = self.contextualise(states, sound.lengths, segments, output_attentions)
        return rows, {
            "dynamics_attentions": weights,
            "time_attentions": tuple(each.time for each in maps),
            "velocity_attentions": tuple(each.velocity for each in maps),
        }

    def contextualise(
        self,
        states: torch.Tensor,
        lengths: torch.Tensor,
        segments: SegmentRows,
        output_attentions: bool = False,
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        """What follows the blocks: their states (B, C, L', F'), of `lengths` (B,) log-Mel frames -> rows of
        D_d, and the attention weights of each layer, on demand."""
        states = self._align(states.transpose(1, 2).flatten(2), lengths // self.time_pooling, segments)
        rows = self.projection(segments.gather(states))
        if self.layers:
            rows = self.dropout(rows + self._positions(rows, segments))
        attentions: tuple[torch.Tensor, ...] = ()
        for layer in self.layers:
            rows, weights = layer(rows, segments, output_attentions)
            attentions = (*attentions, weights)
        return rows, attentions

    def velocity_attention(self, log_mel: torch.Tensor, segments: SegmentRows) -> torch.Tensor:
        """log-Mel (B, F, M) -> beta (B, L', F') of the first frequency-dynamic block."""
        sound = self._prepare(log_mel, segments)
        source = FrameSource.above_background(sound.log_mel, sound.background, sound.second_of_frame)
        return self.blocks.velocity_attention(source, None if segments.mask is None else sound.lengths)

    def _prepare(self, log_mel: torch.Tensor, segments: SegmentRows) -> Spectrogram:
        return Spectrogram.prepare(log_mel, segments, self.config, min_frames=self.time_pooling)

    def _align(self, states: torch.Tensor, lengths: torch.Tensor, segments: SegmentRows) -> torch.Tensor:
        """(B, L', C F'), of which `lengths` (B,) are real -> (B, T, C F')."""
        if self.config.log_mel_rate == 1:
            return align_adaptively(states, lengths, segments)
        return align_by_time(states, lengths, segments, self.time_pooling)

    def _positions(self, rows: torch.Tensor, segments: SegmentRows) -> torch.Tensor:
        """Rows of D_d to be added to `rows`, which tell where in its video each segment is."""
        if self.config.dynamics_positions == "sinusoidal":
            table = sinusoidal_positions(segments.num_segments, rows.shape[-1], rows)
            return segments.gather(table.expand(segments.lengths.shape[0], -1, -1))
        states = segments.scatter(rows).transpose(1, 2)
        return segments.gather(self.position_conv(states).relu().transpose(1, 2))

    def _request_norm_updates(self):
        # Here, because gradient checkpointing runs blocks twice for each batch, but never the encoder.
        for module in self.modules():
            if isinstance(module, DAViHDBatchNorm):
                module.update_due = True


# ------------------------------------------ audio fusion (2.2.3), cross-attention and score prediction (2.3)


class DAViHDAudioFusion(nn.Module):
    """F_a of Section 2.2.3: the element-wise product (Eq. 3), or a linear map of both streams (Table 3).

    Rows of D_a of the semantic and the dynamics stream -> rows of D_a. What is not the paper's is their mean,
    weighted anew in each second: w = softmax_s(v_s . x_s + b_s).
    """

    def __init__(self, config: DAViHDConfig):
        super().__init__()
        width, streams = config.audio_width, config.fused_streams
        operation = config.fusion_operation
        self.projection = nn.Linear(len(streams) * width, width) if operation == "concat" else None
        weighs = operation == "weigh"
        self.weights = nn.ModuleList(nn.Linear(width, 1) for _ in streams) if weighs else None

    def forward(self, *streams: torch.Tensor) -> torch.Tensor:
        if self.weights is not None:
            logits = [weight(rows) for weight, rows in zip(self.weights, streams, strict=True)]
            return (torch.stack(logits).softmax(0) * torch.stack(streams)).sum(0)
        if self.projection is None:
            return functools.reduce(torch.mul, streams)
        return self.projection(torch.cat(streams, -1))


class DAViHDCrossAttention(nn.Module):
    """Attn_cross of Section 2.3: queries of one stream over keys and values of the other (Eq. 4).

    Rows of D_q and of D_c -> rows of D_q, and the attention weights (B, heads, T, T) or None.
    """

    def __init__(self, config: HighlightConfig, query_width: int, context_width: int):
        super().__init__()
        self.query = nn.Linear(query_width, query_width)
        self.key = nn.Linear(context_width, query_width)
        self.value = nn.Linear(context_width, query_width)
        self.attention = DAViHDAttention(config, query_width, config.num_attention_heads)

    def forward(
        self,
        query: torch.Tensor,
        context: torch.Tensor,
        segments: SegmentRows,
        output_attentions: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        return self.attention(
            self.query(query), self.key(context), self.value(context), segments, output_attentions
        )


class DAViHDScoreHead(nn.Sequential):
    """The 3-layer MLP of Section 2.3: rows of D -> rows of 1, the logits of the scores."""

    def __init__(self, config: HighlightConfig, width: int):
        hidden = config.score_hidden_dim
        layers = []
        for in_width, out_width in ((width, 2 * hidden), (2 * hidden, hidden)):
            layers += [
                nn.Linear(in_width, out_width),
                nn.LayerNorm(out_width, eps=1e-6),
                nn.ReLU(inplace=True),
                nn.Dropout(config.dropout),
            ]
        super().__init__(*layers, nn.Linear(hidden, 1))


# ------------------------------------------------------------------------------ the whole network (Figure 2a)


class DAViHDPreTrainedModel(PreTrainedModel):
    """Initial weights, and the inputs of every stream: features, or raw ones through a frozen backbone."""

    config: DAViHDConfig
    base_model_prefix = "davihd"
    main_input_name = "log_mel"
    input_modalities = ("video", "audio")  # as in transformers' own models
    supports_gradient_checkpointing = True
    accepts_loss_kwargs = False  # `forward` takes further streams by keyword, and nothing for the loss
    _no_split_modules = ["DAViHDSelfAttentionEncoder", "DAViHDDynamicsBlocks", "DAViHDDynamicsLayer"]
    _supports_sdpa = True

    def post_init(self):
        super().post_init()
        # FSDP refuses a class that a model without some stream does not have.
        own = {type(module).__name__ for module in self.modules()}
        self._no_split_modules = [name for name in self._no_split_modules if name in own]

    def get_input_embeddings(self) -> None:
        """None: features come in as they are. FSDP asks."""
        return None

    @torch.no_grad()
    def _init_weights(self, module: nn.Module):
        super()._init_weights(module)
        if isinstance(module, nn.Linear):
            init.xavier_uniform_(module.weight)
        elif isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
            init.kaiming_normal_(module.weight, nonlinearity="relu")
        elif isinstance(module, DAViHDBatchNorm):
            init.ones_(module.weight)
            init.zeros_(module.bias)
            init.zeros_(module.running_mean)
            init.ones_(module.running_var)
            init.zeros_(module.num_batches_tracked)
        elif isinstance(module, FrozenBackbone | DAViHDAbsentStreams):
            module.reset_parameters()
        elif isinstance(module, FrequencyDynamicConv2d):
            init.normal_(module.weight, std=(2 / math.prod(module.weight.shape[2:])) ** 0.5)

    def _build_backbones(self):
        """Build the frozen encoders that the config names for the streams in `modalities`."""
        for stream in self.config.feature_streams:
            if (name := self.config.stream_backbone(stream)) is not None:
                backbone = build_backbone(stream.name, name, self.config.stream_dim(stream))
                setattr(self, stream.backbone_field, backbone)

    def get_visual_features(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """E_v of Section 2.1 alone: pixel_values (B, T, P, 3, H, W), P frames a segment -> Z_v (B, T, D_v).

        Raises ValueError if the config names no visual backbone or the shape does not fit it.
        """
        return self.encode_raw(STREAMS["visual"], pixel_values)

    def get_semantic_features(self, waveform: torch.Tensor) -> torch.Tensor:
        """E_a^s of Section 2.2.1 alone: 16 kHz waveform (B, T, 16000) -> Z_a^s (B, T, D_s).

        Raises ValueError if the config names no semantic backbone or the shape does not fit it.
        """
        return self.encode_raw(STREAMS["semantic"], waveform)

    def encode_raw(
        self, stream: Stream, values: torch.Tensor, attention_mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        """A stream's frozen backbone alone: its raw input (B, T, ...) of whole films -> features (B, T, D).

        Padding that a mask (B, T) tells of is silence to a backbone that hears beyond the second. Raises
        ValueError if the config names no backbone for the stream or a shape does not fit.
        """
        backbone = self.backbone_of(stream)
        check_shape(stream.raw or stream.column, values, (None, None, *backbone.segment_shape()))
        if attention_mask is not None and any(backbone.context):
            check_shape("attention_mask", attention_mask, values.shape[:2])
            values = zero_padding(values, attention_mask.bool())
        return backbone(backbone.in_context(values).flatten(0, 1)).unflatten(0, values.shape[:2])

    def backbone_of(self, stream: Stream) -> FrozenBackbone:
        """The frozen encoder of a stream. Raises ValueError if the config names none."""
        backbone = getattr(self, stream.backbone_field, None)
        if backbone is None:
            raise ValueError(
                f"`{stream.raw or stream.column}` needs a frozen encoder, but this model's config has no "
                f"`{stream.backbone_field}`."
            )
        return backbone

    def _stream_inputs(
        self, attention_mask: torch.Tensor | None, **given: torch.Tensor | None
    ) -> dict[str, torch.Tensor]:
        """What `forward` was given, by the names of the streams in `config.modalities`: features (B, T, D)
        and log-Mel (B, F, M), in the dtype of the weights. Raw inputs pass through their backbone.

        Raises ValueError naming the argument if one is missing or given twice, TypeError if no stream has it.
        """
        known = {name for stream in STREAMS.values() for name in stream.inputs}
        if unknown := sorted(given.keys() - known):
            raise TypeError(f"{type(self).__name__} got an unexpected input `{unknown[0]}`.")
        inputs = {
            stream.name: self._stream_input(stream, given, attention_mask)
            for stream in self._streams_read(given)
        }
        return {name: values.to(self.dtype) for name, values in inputs.items()}

    def _streams_read(self, given: dict[str, torch.Tensor | None]) -> list[Stream]:
        """The streams that `forward` needs, of what it was given: all that the config names or, of a model
        that does without, those that there are. Raises ValueError if there are none."""
        return self._streams_found(given) if self.config.does_without else self.config.streams

    def _streams_found(self, given: dict[str, torch.Tensor | None]) -> list[Stream]:
        """Those that there is something of. Raises ValueError if there is nothing at all."""
        streams = self.config.streams
        found = [stream for stream in streams if any(given.get(key) is not None for key in stream.inputs)]
        if not found:
            columns = " and ".join(f"`{stream.column}`" for stream in streams)
            raise ValueError(f"{columns} is missing; at least one of what the model reads is needed.")
        return found

    def _drawn_absences(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """By stream, the videos (B,) that are to lack it in this step; empty outside training."""
        if not (self.training and self.config.does_without):
            return {}
        first = next(iter(inputs.values()))
        return drawn_absences(list(inputs), len(first), self.config.stream_dropout, first.device)

    def _stream_input(
        self, stream: Stream, given: dict[str, torch.Tensor | None], attention_mask: torch.Tensor | None
    ) -> torch.Tensor:
        """Features (B, T, D), as given or from raw input, or log-Mel; ValueError unless one is given."""
        features = given.get(stream.column)
        if stream.raw is None:
            if features is None:
                shape = f"(B, {self.config.num_mel_bins}, M)" if stream.spectrogram else "(B, T, D)"
                raise ValueError(f"`{stream.column}` is missing; it needs shape {shape}.")
            return features
        raw = given.get(stream.raw)
        if features is not None and raw is None:
            return features
        if features is None and raw is not None:
            return self.encode_raw(stream, raw, attention_mask)
        found = "missing, and so is" if features is None else "given together with"
        raise ValueError(f"`{stream.column}` is {found} `{stream.raw}`; the model needs exactly one of them.")


class DAViHDModel(DAViHDPreTrainedModel):
    """DAViHD (Section 2, Figure 2a): one highlight score in [0, 1] for every second of a video.

    A stream that `config.modalities` does not name is not built, not needed and not computed (Table 2).
    """

    def __init__(self, config: DAViHDConfig):
        super().__init__(config)
        self._build_backbones()
        for stream in config.streams:
            self._build_stream(config, stream)
        if config.does_without:
            self.absent_streams = DAViHDAbsentStreams(config)
        hears = bool(config.audio_streams)
        if len(config.fused_streams) > 1:
            self.audio_fusion = DAViHDAudioFusion(config)
        if hears and config.fusion_placement == "late":
            self.audio_encoder = DAViHDSelfAttentionEncoder(config, config.audio_width)
        width = config.visual_width * config.sees + config.audio_width * hears
        if config.sees and hears:
            self.cross_visual_to_audio = DAViHDCrossAttention(config, config.visual_width, config.audio_width)
            self.cross_audio_to_visual = DAViHDCrossAttention(config, config.audio_width, config.visual_width)
            width *= 2
        self.score_head = DAViHDScoreHead(config, width)
        self.post_init()

    def _build_stream(self, config: DAViHDConfig, stream: Stream):
        """`visual_projection` and `visual_encoder`, say; late fusion encodes the sound once it is fused.
        `semantic_gate` of a stream that gates."""
        if stream.spectrogram:
            self.dynamics_encoder = DAViHDDynamicsEncoder(config)
            return
        if stream in config.gating_streams:
            setattr(self, f"{stream.name}_gate", DAViHDGate(config.stream_dim(stream)))
            return
        width = config.stream_width(stream)
        if config.projection_dim is not None:
            setattr(self, f"{stream.name}_projection", nn.Linear(config.stream_dim(stream), width))
        if stream.sees or config.fusion_placement == "early":
            setattr(self, f"{stream.name}_encoder", DAViHDSelfAttentionEncoder(config, width))

    @can_return_tuple
    def forward(
        self,
        visual_features: torch.Tensor | None = None,
        semantic_features: torch.Tensor | None = None,
        log_mel: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        waveform: torch.Tensor | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
        **others: torch.Tensor | None,
    ) -> DAViHDOutput:
        r"""
        visual_features (`torch.Tensor` of shape `(B, T, D_v)`, *optional*):
            Features of each one-second segment. Alternatively `pixel_values` `(B, T, P, 3, H, W)`, if the
            config names a visual backbone.
        semantic_features (`torch.Tensor` of shape `(B, T, D_s)`, *optional*):
            Audio embedding of each segment. Alternatively `waveform` `(B, T, 16000)`, if the config names a
            semantic backbone.
        log_mel (`torch.Tensor` of shape `(B, F, ceil(rate * T))`, *optional*):
            log(mel + 1e-8) at the config's `log_mel_rate`, 62.5 or 1 frame a second.
        attention_mask (`torch.Tensor` of shape `(B, T)`, *optional*):
            1 at real segments, 0 at padding, which is at the end.
        labels (`torch.Tensor` of shape `(B, T)`, *optional*):
            Ground-truth scores in [0, 1]; read at real segments only, and not where they are -100.
        others (`torch.Tensor`, *optional*):
            Inputs of further streams of the table `STREAMS`, by their column: `text_features` of shape
            `(B, T, D_t)`.

        Raises ValueError, naming the argument, the shape it has and the shape it needs, if an input that the
        config's `modalities` call for is misshapen, or missing from a model without `stream_dropout`.
        """
        inputs = self._stream_inputs(
            attention_mask,
            visual_features=visual_features,
            semantic_features=semantic_features,
            log_mel=log_mel,
            pixel_values=pixel_values,
            waveform=waveform,
            **others,
        )
        segments = check_inputs(self.config, inputs, attention_mask, labels)
        output_attentions = bool(output_attentions)
        attentions: Attentions = {}
        encoded = self._encode(inputs, segments, output_attentions, attentions)
        absent = self._drawn_absences(inputs)
        if self.config.does_without:
            encoded = {
                stream.name: self.absent_streams.fill(
                    stream.name, encoded.get(stream.name), absent.get(stream.name), segments
                )
                for stream in self.config.contextual_streams
            }
        visual = next((encoded[stream.name] for stream in self.config.streams if stream.sees), None)
        audio = self._fuse(encoded, segments, output_attentions, attentions)
        joint = self._join(visual, audio, segments, output_attentions, attentions)
        scores = self._gate(self.score_head(joint)[..., 0].sigmoid(), inputs, absent, segments)
        scores = segments.scatter(scores)
        loss = None if labels is None else self._loss(scores, labels_of(labels, scores, segments.mask))
        kept = DAViHDOutput.__dataclass_fields__.keys() & attentions.keys() if output_attentions else ()
        return DAViHDOutput(loss=loss, scores=scores, **{name: attentions[name] for name in kept})

    def get_velocity_attention(
        self, log_mel: torch.Tensor, attention_mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Where the sound changes abruptly: beta of Eq. 1 in the first frequency-dynamic block.

        log_mel (B, F, M) -> (B, L, F'), averaged over channels, L frames and F' bins after the pooling of the
        blocks before it. Unlike `output_attentions`, it runs nothing later in the network, so it suits long
        videos.
        """
        log_mel = log_mel.to(self.dtype)
        segments = check_inputs(self.config, {"dynamics": log_mel}, attention_mask, None)
        return self.dynamics_encoder.velocity_attention(log_mel, segments)

    def _encode(
        self,
        inputs: dict[str, torch.Tensor],
        segments: SegmentRows,
        output_attentions: bool,
        attentions: Attentions,
    ) -> dict[str, torch.Tensor]:
        """Rows of each stream that there is and that does not gate, by name: Z'_v of Section 2.1, and both
        pathways of 2.2, contextualised unless they are to be fused first. Adds attention weights to
        `attentions`."""
        encoded = {}
        for stream in self.config.contextual_streams:
            if stream.name not in inputs:
                continue
            if stream.spectrogram:
                log_mel = inputs[stream.name]
                encoded[stream.name], recorded = self.dynamics_encoder(log_mel, segments, output_attentions)
                attentions.update(recorded)
            else:
                rows = self._encode_features(stream, inputs, segments, output_attentions, attentions)
                encoded[stream.name] = rows
        return encoded

    def _encode_features(
        self,
        stream: Stream,
        inputs: dict[str, torch.Tensor],
        segments: SegmentRows,
        output_attentions: bool,
        attentions: Attentions,
    ) -> torch.Tensor:
        """Features (B, T, D) -> rows, projected if the config says so, and contextualised unless they are to
        be fused first. Adds attention weights to `attentions`."""
        rows = segments.gather(inputs[stream.name])
        if self.config.projection_dim is not None:
            rows = getattr(self, f"{stream.name}_projection")(rows)
        if stream.sees or self.config.fusion_placement == "early":
            encoder = getattr(self, f"{stream.name}_encoder")
            rows, attentions[f"{stream.name}_attentions"] = encoder(rows, segments, output_attentions)
        return rows

    def _fuse(
        self,
        encoded: dict[str, torch.Tensor],
        segments: SegmentRows,
        output_attentions: bool,
        attentions: Attentions,
    ) -> torch.Tensor | None:
        """Z'_a of Section 2.2, the fusion of both pathways: rows of streams, by name -> rows of D_a; None
        without sound. Adds attention weights to `attentions`."""
        streams = [encoded[stream.name] for stream in self.config.fused_streams]
        if not streams:
            return None
        audio = self.audio_fusion(*streams) if len(streams) > 1 else streams[0]
        if self.config.fusion_placement == "late":
            audio, attentions["fused_attentions"] = self.audio_encoder(audio, segments, output_attentions)
        return audio

    def _join(
        self,
        visual: torch.Tensor | None,
        audio: torch.Tensor | None,
        segments: SegmentRows,
        output_attentions: bool,
        attentions: Attentions,
    ) -> torch.Tensor:
        """Rows of Z'_v and Z'_a -> rows of [Z'_v, Z'_a, S_v, S_a] (Section 2.3), where S_v = Z'_v + Z'_{a->v}
        and S_a = Z'_a + Z'_{v->a}; of a single stream, its rows. Adds attention weights to `attentions`."""
        if visual is None or audio is None:
            joint = audio if visual is None else visual
            return joint  # type: ignore[return-value]  # a config names at least one stream
        to_visual, weights = self.cross_visual_to_audio(visual, audio, segments, output_attentions)
        attentions["visual_to_audio_attentions"] = weights
        to_audio, weights = self.cross_audio_to_visual(audio, visual, segments, output_attentions)
        attentions["audio_to_visual_attentions"] = weights
        return torch.cat((visual, audio, visual + to_visual, audio + to_audio), -1)

    def _gate(
        self,
        scores: torch.Tensor,
        inputs: dict[str, torch.Tensor],
        absent: dict[str, torch.Tensor],
        segments: SegmentRows,
    ) -> torch.Tensor:
        """Rows of scores, times what each gate makes of its stream's features (B, T, D). Of a video that
        lacks the stream, `absent` (B,), the gate is open."""
        for stream in self.config.gating_streams:
            if stream.name not in inputs:
                continue
            gate = getattr(self, f"{stream.name}_gate")
            factors = gate(inputs[stream.name], segments)
            if stream.name in absent:
                lacking = absent[stream.name][:, None].expand(-1, segments.num_segments)
                factors = factors.masked_fill(segments.gather(lacking), 1)
            scores = scores * factors
        return scores

    def _loss(self, scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Scores (B, T) and what `labels_of` gives -> Eq. 5, and what the config's `loss` adds to it."""
        scores = scores.to(labels)
        return training_loss(self.config, (scores - labels).square(), scores, labels)


__all__ = ["DAViHDModel", "DAViHDOutput", "DAViHDPreTrainedModel"]
