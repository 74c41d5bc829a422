"""How videos of many lengths and of any length pass through one batch: padding, windows, alignment in time.

B is the batch, T the number of one-second segments, L the log-Mel frames that a block sees, C its channels
and F its frequency bins.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

# Elements of one convolution window outside training: long videos pass through in pieces of about that.
_WINDOW_ELEMENTS = 2**19
# Seconds whose medians are found at once.
_MEDIAN_BLOCK = 64


# ----------------------------------------------------------------------------------- real segments and frames


def check_shape(name: str, tensor: torch.Tensor, expected: tuple[int | None, ...]):
    """Raise ValueError naming the argument, its shape and the shape needed; None is any size above 0."""
    shape = tuple(tensor.shape)
    fits = len(shape) == len(expected) and all(
        size > 0 and need in (None, size) for size, need in zip(shape, expected, strict=True)
    )
    if not fits:
        needed = ", ".join("any" if size is None else str(size) for size in expected)
        raise ValueError(f"`{name}` has shape {shape}; it needs ({needed}).")


def segment_mask(attention_mask: torch.Tensor | None) -> torch.Tensor | None:
    """Boolean (B, T), True at real segments, or None if none is padded. ValueError unless padding is last."""
    if attention_mask is None or bool(attention_mask.all()):
        return None
    mask = attention_mask.bool()
    if bool((mask[:, 1:] & ~mask[:, :-1]).any()):
        raise ValueError("`attention_mask` has a 1 after a 0; padding needs to be at the end of every row.")
    return mask


class SegmentRows:
    """The way between padded (B, T, D) states and the rows of their real segments.

    `mask` is (B, T), True at real segments, or None where nothing is padded: then rows are the states.
    """

    def __init__(self, mask: torch.Tensor | None):
        self.mask = mask
        self._index = None if mask is None else mask.flatten().nonzero()[:, 0]

    def gather(self, states: torch.Tensor) -> torch.Tensor:
        """(B, T, ...) -> (N, ...). What stands at padding, NaN included, is left behind."""
        return states if self.mask is None else states.flatten(0, 1).index_select(0, self._index)

    def scatter(self, rows: torch.Tensor) -> torch.Tensor:
        """(N, ...) -> (B, T, ...), zero at padding."""
        if self.mask is None:
            return rows
        states = rows.new_zeros(self.mask.numel(), *rows.shape[1:]).index_copy(0, self._index, rows)
        return states.unflatten(0, self.mask.shape)


def zero_padding(states: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Zero the padded rows of (B, T, D) states; `mask` is (B, T), True at real rows. Padding may be NaN."""
    return states if mask is None else states.masked_fill(~mask[..., None], 0)


def frame_mask(lengths: torch.Tensor | None, frames: int) -> torch.Tensor | None:
    """Real frames of videos of those lengths (B,): (B, 1, frames, 1), or None where nothing is padded."""
    if lengths is None:
        return None
    return (torch.arange(frames, device=lengths.device) < lengths[:, None])[:, None, :, None]


# -------------------------------------------------------------------------------------------- windows in time


def time_windows(start: int, end: int, frame_elements: int, training: bool) -> Iterator[tuple[int, int]]:
    """Consecutive spans of nearly equal length of the frames [start, end), each of `frame_elements` elements.

    In training there is one, because batch norm needs the whole batch; otherwise they bound the memory that a
    convolution takes.
    """
    span = end - start
    count = 1 if training else max(1, min(span, round(span * frame_elements / _WINDOW_ELEMENTS)))
    return itertools.pairwise(start + span * i // count for i in range(count + 1))


@dataclass(frozen=True)
class FrameSource:
    """States of `shape` (B, C, L, F), of which `frames(start, end)` gives (B, C, end - start, F).

    They lie in memory, or are computed when asked for: states of a long video need not exist as a whole.
    """

    shape: torch.Size
    frames: Callable[[int, int], torch.Tensor]

    @classmethod
    def held(cls, states: torch.Tensor) -> "FrameSource":
        return cls(states.shape, lambda start, end: states[:, :, start:end])

    @classmethod
    def above(
        cls, log_mel: torch.Tensor, background: torch.Tensor | None, second: torch.Tensor | None
    ) -> "FrameSource":
        """(B, 1, L, F) less the background (B, T, F), if there is one, of the second (L,) of each frame."""
        if background is None:
            return cls.held(log_mel)
        return cls(
            log_mel.shape,
            lambda start, end: log_mel[:, :, start:end] - background[:, None, second[start:end]],
        )

    def all(self) -> torch.Tensor:
        return self.frames(0, self.shape[2])


class HaloedStates:
    """(B, C, L, F) states, seen through windows with a rim of one frame and one bin for 3x3 convolutions.

    Padding, what is after `lengths` (B,), and the rim beyond the ends are zero; without lengths nothing is
    padded. The last window is kept: in training all convolutions share the only one there is.
    """

    def __init__(self, source: FrameSource, lengths: torch.Tensor | None):
        self.source, self.shape = source, source.shape
        self.lengths, self.mask = lengths, frame_mask(lengths, self.shape[2])
        self._span = self._states = self._window = None

    def mask_of(self, start: int, end: int) -> torch.Tensor | None:
        """Which of the frames are real, (B, 1, end - start, 1); None if all are."""
        return None if self.mask is None else self.mask[:, :, start:end]

    def window(self, start: int, end: int) -> torch.Tensor:
        """Frames [start, end): (B, C, end - start + 2, F + 2)."""
        first = self._read(start, end)
        if self._window is None:
            rim = (first + 1 - start, end + 1 - first - self._states.shape[2])
            self._window = F.pad(self._states, (1, 1, *rim))
        return self._window

    def velocity(self, start: int, end: int) -> torch.Tensor:
        """The same of |S_t - S_{t-1}|, zero at the first frame and where the later of the two is padding."""
        first = self._read(start, end)
        last = first + self._states.shape[2]
        # Cut by padding, as only its gradient keeps channels last in memory.
        later, earlier = F.pad(self._states, (0, 0, -1, 0)), F.pad(self._states, (0, 0, 0, -1))
        velocity = (later - earlier).abs()
        if self.mask is not None:
            velocity.masked_fill_(~self.mask[:, :, first + 1 : last], 0)
        return F.pad(velocity, (1, 1, first + 2 - start, end + 1 - last))

    def mean(self, start: int, end: int) -> torch.Tensor:
        """What frames [start, end) add to the mean over all real frames, (B, C, F).

        As a product, for a sum over time is slow with channels last.
        """
        first = self._read(start, end)
        batch, channels, frames, _ = self._states.shape
        count = self.shape[2] if self.lengths is None else self.lengths.clamp(min=1)[:, None, None]
        weights = self._states.new_ones(batch, 1, frames) / count
        weights[..., : start - first] = weights[..., end - first :] = 0
        mean = torch.bmm(weights, self._states.permute(0, 2, 3, 1).flatten(2))
        return mean.unflatten(2, (-1, channels))[:, 0].transpose(1, 2)

    def _read(self, start: int, end: int) -> int:
        """Read what windows on [start, end) need, unless it is there; returns the first frame of it."""
        first, last = max(start - 2, 0), min(end + 1, self.shape[2])
        if self._span != (start, end):
            self._span, self._window, self._states = (start, end), None, None  # lets the memory go first
            states = self.source.frames(first, last)
            if self.mask is not None:  # masked_fill would lose channels last
                states = torch.where(self.mask[:, :, first:last], states, 0)
            self._states = states
        return first


class RunningSoftmaxSum:
    """sum_t softmax_t(logits) * values over consecutive windows of (B, C, L, F) logits and values."""

    def __init__(self):
        self.peak = self.weight = self.total = None

    def add(self, logits: torch.Tensor, values: torch.Tensor):
        peak = logits.detach().amax(2)
        if self.peak is not None:
            peak = torch.maximum(peak, self.peak)
        exponentials = (logits - peak[:, :, None]).exp()
        weight, total = exponentials.sum(2), (exponentials * values).sum(2)
        if self.peak is not None:
            decay = (self.peak - peak).exp()
            weight, total = weight + decay * self.weight, total + decay * self.total
        self.peak, self.weight, self.total = peak, weight, total

    def result(self) -> torch.Tensor:
        return self.total / self.weight

    def channel_mean(self, logits: torch.Tensor) -> torch.Tensor:
        """The softmax of a window's logits among all that were added, averaged over channels: (B, L, F)."""
        return ((logits - self.peak[:, :, None]).exp() / self.weight[:, :, None]).mean(1)


# --------------------------------------------------------------------------------- batch norm without padding


def masked_sum(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Sum over the positions of (B, C, ..., F) where the mask (B, 1, ..., 1) is True: (C,).

    Over bins first, then over what the mask tells apart: one pass over the states, in either memory layout.
    """
    sums = states.movedim(1, -1).sum(-2).masked_fill(~mask[..., 0].movedim(1, -1), 0)
    return sums.flatten(0, -2).sum(0)


class MaskedBatchNorm(torch.autograd.Function):
    """Batch norm of (B, C, ..., F) by the mean and variance (C,), which it gives too, where `mask` is True.

    `count` is how many values of a channel that is. Elsewhere the output means nothing, and its gradient is
    not read. With c = x - mean and d the deviation, y = weight c / d + bias, whose gradient is
    dx = weight / d (dy - mean(dy) - c / d^2 mean(c dy)). Autograd would pass over the states three times as
    often.
    """

    @staticmethod
    def forward(ctx, states: torch.Tensor, mask: torch.Tensor, count: torch.Tensor, weight, bias, eps: float):
        shape = (1, -1) + (1,) * (states.dim() - 2)
        mean = masked_sum(states, mask) / count
        centred = states - mean.view(shape)
        variance = masked_sum(centred.square(), mask) / count
        scale = torch.rsqrt(variance + eps)
        ctx.save_for_backward(centred, mask, count, weight, scale)
        ctx.mark_non_differentiable(mean, variance)
        return torch.addcmul(bias.view(shape), centred, (weight * scale).view(shape)), mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: torch.Tensor, *_):
        centred, mask, count, weight, scale = ctx.saved_tensors
        shape = (1, -1) + (1,) * (grad.dim() - 2)
        grad_bias, grad_weight = masked_sum(grad, mask), masked_sum(grad * centred, mask) * scale
        centre = (grad_bias / count).view(shape)
        slope = (grad_weight * scale / count).view(shape)
        grad_states = torch.addcmul(grad - centre, centred, slope, value=-1)
        grad_states.mul_((weight * scale).view(shape) * mask)
        return grad_states, None, None, grad_weight, grad_bias, None


class DAViHDBatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch norm over (B, C, ...) whose training statistics leave out the positions where `mask` is False.

    `mask` broadcasts against the input with one channel. The running statistics move once after
    `update_expected` is set, so that a block that gradient checkpointing runs twice is counted once.
    """

    update_expected = False

    def _check_input_dim(self, input: torch.Tensor):
        if input.dim() not in (3, 4):
            raise ValueError(
                f"batch norm got a tensor of shape {tuple(input.shape)}; it needs 3 or 4 dimensions."
            )

    def forward(self, states: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        update, self.update_expected = self.training and self.update_expected, False
        if update:
            self.num_batches_tracked.add_(1)
        if self.training and mask is not None:
            return self._masked(states, mask, update)
        running = self.running_mean, self.running_var
        if self.training and not update:  # checkpointing wants the same tensors from both runs
            running = tuple(statistic.clone() for statistic in running)
        return F.batch_norm(states, *running, self.weight, self.bias, self.training, self.momentum, self.eps)

    def _masked(self, states: torch.Tensor, mask: torch.Tensor, update: bool) -> torch.Tensor:
        exact = states.to(torch.promote_types(states.dtype, torch.float32))
        count = (mask.sum() * states.shape[-1]).clamp(min=1)
        normed, mean, variance = MaskedBatchNorm.apply(exact, mask, count, self.weight, self.bias, self.eps)
        if update:
            unbiased = variance * count / (count - 1).clamp(min=1)
            self.running_mean.lerp_(mean.to(self.running_mean), self.momentum)
            self.running_var.lerp_(unbiased.to(self.running_var), self.momentum)
        return normed.to(states.dtype)


# ----------------------------------------------------------------------------------- background and alignment


def repeat_last_frame(log_mel: torch.Tensor, lengths: torch.Tensor, minimum: int) -> torch.Tensor:
    """Lengthen videos of fewer than `minimum` frames, (B, L, F), by repeating their last real frame."""
    frames = torch.arange(max(log_mel.shape[1], minimum), device=log_mel.device)
    last = torch.where(lengths < minimum, (lengths - 1).clamp(min=0), log_mel.shape[1] - 1)
    index = torch.minimum(frames, last[:, None])
    return log_mel.gather(1, index[..., None].expand(-1, -1, log_mel.shape[2]))


def running_median(
    log_mel: torch.Tensor, frames: torch.Tensor, segments: torch.Tensor, rate: float, seconds: int
) -> torch.Tensor:
    """The background of each band of (B, L, F), a running median over `seconds`: (B, ceil(L / rate), F).

    It is the median of each second's median. Only real frames and segments count, both given as lengths (B,).
    A frame belongs to the second that it starts in.
    """
    second = torch.arange(math.ceil(log_mel.shape[1] / rate), device=log_mel.device)
    first = torch.ceil(second * rate).long()
    index = first[:, None] + torch.arange(math.ceil(rate), device=log_mel.device)
    outside = (index >= torch.ceil((second + 1) * rate)[:, None]) | (index >= frames[:, None, None])
    index = index.clamp(max=log_mel.shape[1] - 1)
    # In blocks, for the windows of a long video laid side by side are many times its spectrogram.
    medians = torch.cat(
        [
            log_mel[:, rows].masked_fill(hidden[..., None], torch.nan).nanmedian(2).values
            for rows, hidden in zip(index.split(_MEDIAN_BLOCK), outside.split(_MEDIAN_BLOCK, 1), strict=True)
        ],
        1,
    ).masked_fill((second >= segments[:, None])[..., None], torch.nan)
    windows = F.pad(medians, (0, 0, seconds // 2, seconds // 2), value=torch.nan).unfold(1, seconds, 1)
    background = torch.cat([block.nanmedian(-1).values for block in windows.split(_MEDIAN_BLOCK, 1)], 1)
    return background.nan_to_num(0.0)


def mean_over_rows(rows: torch.Tensor, first: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Weighted means of consecutive rows: out[b, t] = sum_r weights[b, t, r] rows[b, first[b, t] + r] / sum_r
    weights.

    rows (B, L, D), first (B, T), weights (B, T, R) -> (B, T, D). Where no row has a weight the first one is
    taken.
    """
    weights = weights.to(rows.dtype)
    weights[..., 0] += weights.sum(-1) == 0
    weights = weights / weights.sum(-1, keepdim=True)
    total = 0
    for r in range(weights.shape[-1]):
        index = (first + r).clamp(max=rows.shape[1] - 1)[..., None].expand(-1, -1, rows.shape[2])
        total = total + weights[..., r, None] * rows.gather(1, index)
    return total


def align_by_time(rows: torch.Tensor, lengths: torch.Tensor, segments: int, pooling: int) -> torch.Tensor:
    """Full rate: row j covers seconds [j p / 62.5, (j + 1) p / 62.5); each second takes the overlap-weighted
    mean.

    rows (B, L, D) of which `lengths` (B,) are real -> (B, segments, D). Times are counted in 1/125 s, hence
    exact.
    """
    width, second = 2 * pooling, 125
    start = second * torch.arange(segments, device=rows.device)
    last = (lengths - 1).clamp(min=0)[:, None]
    first = torch.minimum(start // width, last)
    row = first[..., None] + torch.arange(-(-second // width) + 1, device=rows.device)
    start = start[:, None]
    overlap = torch.minimum((row + 1) * width, start + second) - torch.maximum(row * width, start)
    return mean_over_rows(rows, first, overlap.clamp(min=0).masked_fill(row > last[..., None], 0))


def align_adaptively(
    rows: torch.Tensor, lengths: torch.Tensor, segments: int, segment_lengths: torch.Tensor
) -> torch.Tensor:
    """1 frame a second: adaptive average pooling of each video's own rows to its own number of segments.

    Segment i takes rows floor(i L / T) to ceil((i + 1) L / T) - 1: at most two, since L <= T.
    """
    total = segment_lengths.clamp(min=1)[:, None]
    segment = torch.minimum(torch.arange(segments, device=rows.device), total - 1)
    first = segment * lengths[:, None] // total
    end = -(-(segment + 1) * lengths[:, None] // total)
    return mean_over_rows(
        rows, first, first[..., None] + torch.arange(2, device=rows.device) < end[..., None]
    )
