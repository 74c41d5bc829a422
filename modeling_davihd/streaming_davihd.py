"""Videos of any lengths in one batch: which segments are real, windows in time, statistics without padding.

B is the batch, T the number of one-second segments, L the log-Mel frames that a block sees, C its channels
and F its frequency bins. Padding is at the end of the time axis, and a video's results never depend on it.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, overload

import torch
from torch.nn import functional as F

from .configuration_davihd import DAViHDConfig, HighlightConfig
from .graph_davihd import in_graph, nanmedian, parts
from .streams_davihd import FULL_LOG_MEL_RATE

# Approximate number of elements in one convolution window outside training.
_WINDOW_ELEMENTS = 2**19
# Seconds whose medians are found at once.
_MEDIAN_BLOCK = 64
# A second is silent if no band's median exceeds this. Digital silence has log(1e-8) = -18.4 in every band; of
# white noise, the dither of 16 bits has at most -12.4, -90 dBFS -10.9 and -80 dBFS -8.7. The loudest band
# decides, because a tone, or sound without treble, leaves most bands at digital silence.
_SILENCE = -10.0


# ------------------------------------------------------------------------------- real segments and frames


def check_shape(name: str, tensor: torch.Tensor, expected: tuple[int | None, ...]):
    """Raise ValueError naming the argument, its shape and the shape needed; None is any size above 0."""
    shape = tuple(tensor.shape)
    fits = len(shape) == len(expected) and all(
        size > 0 and need in (None, size) for size, need in zip(shape, expected, strict=True)
    )
    if not fits:
        needed = ", ".join("any" if size is None else str(size) for size in expected)
        raise ValueError(f"`{name}` has shape {shape}; it needs ({needed}).")


class SegmentRows:
    """Which segments of a batch are real, and the way between padded (B, T, ...) states and rows.

    Layers that act on one segment at a time act on rows: the N real segments of the batch as (N, ...), so
    that no work is done on padding and nothing there, NaN included, can spread. Where nothing is padded the
    rows are the (B, T, ...) states themselves.

    lengths: (B,), the number of real segments of each video.
    num_segments: T, padding included.
    mask: (B, T), True at real segments, or None where nothing is padded.
    """

    def __init__(self, lengths: torch.Tensor, num_segments: int, mask: torch.Tensor | None = None):
        self.lengths, self.num_segments, self.mask = lengths, num_segments, mask

    @classmethod
    def of_batch(
        cls,
        batch: int,
        num_segments: int,
        attention_mask: torch.Tensor | None = None,
        device: torch.device | None = None,
    ) -> "SegmentRows":
        """Those of `batch` videos with an attention mask (B, T), which is 1 at real segments.

        Raises ValueError unless padding is at the end of every row.
        """
        if attention_mask is not None and in_graph():
            mask = attention_mask.bool()
            return PaddedRows(mask.sum(1), num_segments, mask)
        if attention_mask is None or bool(attention_mask.all()):
            return cls(torch.full((batch,), num_segments, device=device), num_segments)
        mask = attention_mask.bool()
        if bool((mask[:, 1:] & ~mask[:, :-1]).any()):
            raise ValueError(
                "`attention_mask` has a 1 after a 0; padding needs to be at the end of every row."
            )
        return cls(mask.sum(1), num_segments, mask)

    @cached_property
    def _index(self) -> torch.Tensor | None:
        return None if self.mask is None else self.mask.flatten().nonzero()[:, 0]

    def gather(self, states: torch.Tensor) -> torch.Tensor:
        """(B, T, ...) -> rows (N, ...)."""
        return states if self._index is None else states.flatten(0, 1).index_select(0, self._index)

    def scatter(self, rows: torch.Tensor) -> torch.Tensor:
        """Rows (N, ...) -> (B, T, ...), zero at padding."""
        if self.mask is None or self._index is None:
            return rows
        states = rows.new_zeros(self.mask.numel(), *rows.shape[1:]).index_copy(0, self._index, rows)
        return states.unflatten(0, self.mask.shape)


class PaddedRows(SegmentRows):
    """The same in a graph, which cannot know how many segments are real: the rows are the (B, T, ...) states,
    zero at padding. Nobody checks there that padding is at the end."""

    def gather(self, states: torch.Tensor) -> torch.Tensor:
        """(B, T, ...) -> the same, zero at padding."""
        return zero_padding(states, self.mask)

    def scatter(self, rows: torch.Tensor) -> torch.Tensor:
        """Rows (B, T, ...) -> the same, zero at padding."""
        return zero_padding(rows, self.mask)


def check_inputs(
    config: HighlightConfig,
    inputs: dict[str, torch.Tensor],
    attention_mask: torch.Tensor | None,
    labels: torch.Tensor | None,
) -> SegmentRows:
    """The segments of a batch, once its inputs, by the names of their streams, have been checked.

    Raises ValueError, naming the argument, the shape it has and the shape it needs, if one does not fit the
    config or the others; and unless padding is at the end of every row.
    """
    shapes: dict[str, tuple[torch.Tensor, tuple[int, ...]]] = {}  # of what has a row a segment, after (B, T)
    for stream in config.feature_streams:
        if stream.name in inputs:
            shapes[stream.column] = inputs[stream.name], (config.stream_dim(stream),)
    for name, tensor in (("attention_mask", attention_mask), ("labels", labels)):
        if tensor is not None:
            shapes[name] = tensor, ()
    for name, (tensor, rest) in shapes.items():
        check_shape(name, tensor, (None, None, *rest))
    log_mel = inputs.get("dynamics")
    if log_mel is not None:
        check_shape("log_mel", log_mel, (None, config.num_mel_bins, None))
    first = next((tensor for tensor in (*inputs.values(), attention_mask) if tensor is not None), None)
    if first is None:
        raise ValueError("`attention_mask` is missing; it needs shape (B, T): the model reads nothing else.")
    if shapes:
        num_segments = next(iter(shapes.values()))[0].shape[1]
    else:
        num_segments = max(1, int(first.shape[2] / config.log_mel_rate))  # the log-Mel spectrogram's
    if in_graph():  # where sizes are symbols, and agree by their names
        return SegmentRows.of_batch(first.shape[0], num_segments, attention_mask, first.device)
    for name, (tensor, rest) in shapes.items():
        check_shape(name, tensor, (len(first), num_segments, *rest))
    if log_mel is not None:
        frames = config.log_mel_frames(num_segments)
        check_shape("log_mel", log_mel, (len(first), config.num_mel_bins, frames))
    return SegmentRows.of_batch(len(first), num_segments, attention_mask, first.device)


def zero_padding(states: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Zero (B, T, ...) states, which may be NaN there, where `mask` (B, T) is False."""
    if mask is None:
        return states
    return states.masked_fill(~mask.view(*mask.shape, *[1] * (states.dim() - mask.dim())), 0)


@overload
def frame_mask(lengths: torch.Tensor, num_frames: int) -> torch.Tensor: ...
@overload
def frame_mask(lengths: torch.Tensor | None, num_frames: int) -> torch.Tensor | None: ...
def frame_mask(lengths: torch.Tensor | None, num_frames: int) -> torch.Tensor | None:
    """(B, 1, L, 1), True at the first `lengths` (B,) of L frames; None if `lengths` is None: no padding."""
    if lengths is None:
        return None
    return (torch.arange(num_frames, device=lengths.device) < lengths[:, None])[:, None, :, None]


# --------------------------------------------------------------------------------------- windows in time


def time_windows(start: int, end: int, frame_elements: int, training: bool) -> Iterator[tuple[int, int]]:
    """Cut the frames [start, end), of `frame_elements` elements each, into spans of nearly equal length.

    Outside training the spans bound the memory that a convolution takes. In training there is only one,
    because batch norm needs the whole batch at once, and so there is in a graph.
    """
    span = end - start
    windows = (
        1 if training or in_graph() else max(1, min(span, round(span * frame_elements / _WINDOW_ELEMENTS)))
    )
    return itertools.pairwise(start + span * i // windows for i in range(windows + 1))


@dataclass(frozen=True)
class FrameSource:
    """States of `shape` (B, C, L, F); `frames(start, end)` returns (B, C, end - start, F) of them.

    They either lie in memory or are computed whenever they are read, so that the states of a long video,
    which are many times larger than its spectrogram, need not exist as a whole.
    """

    shape: torch.Size
    frames: Callable[[int, int], torch.Tensor]

    @classmethod
    def held(cls, states: torch.Tensor) -> "FrameSource":
        """States (B, C, L, F) in memory."""
        return cls(states.shape, lambda start, end: states[:, :, start:end])

    @classmethod
    def above_background(
        cls, log_mel: torch.Tensor, background: torch.Tensor | None, second_of_frame: torch.Tensor | None
    ) -> "FrameSource":
        """A spectrogram (B, 1, L, F) minus each of its V backgrounds (B, V, seconds, F), if there are any.

        `second_of_frame` (L,) is the second whose background is subtracted from each frame.
        """
        if background is None or second_of_frame is None:
            return cls.held(log_mel)
        return cls(
            torch.Size((log_mel.shape[0], background.shape[1], *log_mel.shape[2:])),
            lambda start, end: log_mel[:, :, start:end] - background[:, :, second_of_frame[start:end]],
        )

    def all(self) -> torch.Tensor:
        """The whole states (B, C, L, F)."""
        return self.frames(0, self.shape[2])


class HaloedStates:
    """(B, C, L, F) states seen through windows with a halo of one frame and one bin for 3x3 convolutions.

    A window on the frames [start, end) shows the frames on either side of it, so that convolutions of
    consecutive windows join into the convolution of the whole. Beyond the ends of the video, and at padding,
    the halo and the states are zero, as a convolution with zero padding sees them.

    The three branches of Eq. 1 and the mean read the same window in turn, and reading it from a `FrameSource`
    may mean running all the blocks before this one. So the last window read is kept, and only that one: in
    training it is the whole video, shared by all convolutions; elsewhere more would take up memory.

    lengths: (B,), real frames of each video, or None where nothing is padded.
    """

    def __init__(self, source: FrameSource, lengths: torch.Tensor | None):
        self.source, self.shape = source, source.shape
        self.lengths, self.mask = lengths, frame_mask(lengths, self.shape[2])
        # Of the last window: its span [start, end), the frames [_read_start, _read_end) that were read for
        # it, and these with their halo, once they have been asked for.
        self._span: tuple[int, int] = (0, 0)
        self._states: torch.Tensor | None = None
        self._window: torch.Tensor | None = None
        self._read_start = self._read_end = 0

    def mask_of(self, start: int, end: int) -> torch.Tensor | None:
        """(B, 1, end - start, 1), True at real frames; None if nothing is padded."""
        return None if self.mask is None else self.mask[:, :, start:end]

    def window(self, start: int, end: int) -> torch.Tensor:
        """The frames [start, end) and their halo: (B, C, end - start + 2, F + 2)."""
        states = self._read(start, end)
        if self._window is None:
            self._window = self._with_halo(states, self._read_start)
        return self._window

    def velocity(self, start: int, end: int) -> torch.Tensor:
        """The same window on |S_t - S_{t-1}|, which is zero at the first frame and at padding."""
        states = self._read(start, end)
        # Negative padding instead of slices, whose gradient would not be laid out with channels last.
        later, earlier = F.pad(states, (0, 0, -1, 0)), F.pad(states, (0, 0, 0, -1))
        velocity = (later - earlier).abs()
        if self.mask is not None:  # the first padded frame differs from the last real one
            velocity.masked_fill_(~self.mask[:, :, self._read_start + 1 : self._read_end], 0)
        return self._with_halo(velocity, self._read_start + 1)

    def share_of_mean(self, start: int, end: int) -> torch.Tensor:
        """What the frames [start, end) add to the mean over all real frames: (B, C, F)."""
        states = self._read(start, end)
        batch, channels = states.shape[:2]
        count = self.shape[2] if self.lengths is None else self.lengths.clamp(min=1)[:, None, None]
        frame = torch.arange(self._read_start, self._read_end, device=states.device)
        shown = ((frame >= start) & (frame < end)).to(states.dtype)
        weights = shown.expand(batch, 1, -1) / count
        # A matrix product, because a sum over time is slow with channels last.
        mean = torch.bmm(weights, states.permute(0, 2, 3, 1).flatten(2))
        return mean.unflatten(2, (-1, channels))[:, 0].transpose(1, 2)

    def _with_halo(self, states: torch.Tensor, first: int) -> torch.Tensor:
        """Cut or pad states that begin at frame `first` to the halo of the current window."""
        start, end = self._span
        return F.pad(states, (1, 1, first - (start - 1), end + 1 - (first + states.shape[2])))

    def _read(self, start: int, end: int) -> torch.Tensor:
        """The frames that a window on [start, end) needs, which may be those that were read last."""
        if self._states is not None and self._span == (start, end):
            return self._states
        # At the beginning one frame more than the halo, for the velocity of the halo itself.
        frames = self.shape[2]
        self._read_start, self._read_end = max(start - 2, 0), frames if end == frames else end + 1
        # Frees the last window before the next one is computed.
        self._span, self._window, self._states = (start, end), None, None
        states = self.source.frames(self._read_start, self._read_end)
        if self.mask is not None:  # not by masked_fill, which would not keep channels last
            states = torch.where(self.mask[:, :, self._read_start : self._read_end], states, 0)
        self._states = states
        return states


class RunningSoftmaxSum:
    """sum_t softmax_t(logits) * values over consecutive windows of (B, C, L, F) logits and values.

    The largest logit, which a softmax subtracts so that no exponential overflows, is unknown before the last
    window. So exponentials are taken relative to the largest logit so far, and where a window brings a larger
    one, the sums so far are scaled down to match. The result is that of one softmax over the whole video.
    """

    def __init__(self):
        # Each (B, C, F): largest logit so far, sum of exponentials relative to it, and their sum with values.
        # None before the first window, so they are not checked.
        self.peak: Any = None
        self.weight: Any = None
        self.total: Any = None

    def add(self, logits: torch.Tensor, values: torch.Tensor):
        """Take in the next window: logits and values (B, C, L, F)."""
        peak = logits.detach().amax(2)  # the result does not depend on it, so no gradient passes through it
        if self.peak is not None:
            peak = torch.maximum(peak, self.peak)
        exponentials = (logits - peak[:, :, None]).exp()
        exact = torch.promote_types(logits.dtype, torch.float32)  # 16 bits cannot count the frames of a film
        weight = exponentials.sum(2, dtype=exact)
        total = (exponentials * values).sum(2, dtype=exact)
        if self.peak is not None:
            decay = (self.peak - peak).exp()
            weight, total = weight + decay * self.weight, total + decay * self.total
        self.peak, self.weight, self.total = peak, weight, total

    def result(self) -> torch.Tensor:
        """(B, C, F), over all windows."""
        return (self.total / self.weight).to(self.peak.dtype)

    def channel_mean(self, logits: torch.Tensor) -> torch.Tensor:
        """The softmax of a window's logits (B, C, L, F) among all that were added, averaged over channels:
        (B, L, F)."""
        return ((logits - self.peak[:, :, None]).exp() / self.weight[:, :, None]).mean(1)


# ------------------------------------------------------------------ the spectrogram before and after blocks


@dataclass(frozen=True)
class Spectrogram:
    """A batch of spectrograms as the blocks of the dynamics encoder read them, zero at padding.

    log_mel: (B, 1, L, F), L at least the frames that the blocks' pooling needs.
    background: (B, V, seconds, F), to be subtracted from each second's frames, or None.
    second_of_frame: (L,), the second that each frame starts in, or None without a background.
    lengths: (B,), real frames of each video.
    """

    log_mel: torch.Tensor
    background: torch.Tensor | None
    second_of_frame: torch.Tensor | None
    lengths: torch.Tensor

    @classmethod
    def prepare(
        cls,
        log_mel: torch.Tensor,
        segments: SegmentRows,
        config: DAViHDConfig,
        min_frames: int,
    ) -> "Spectrogram":
        """From log-Mel (B, F, M). Videos shorter than `min_frames` are lengthened to as many."""
        log_mel, padded, rate = log_mel.transpose(1, 2), segments.mask is not None, config.log_mel_rate
        lengths = frames_until(segments.lengths, rate)
        if padded:
            log_mel = zero_padding(log_mel, frame_mask(lengths, log_mel.shape[1])[:, 0, :, 0])
        if padded and in_graph():  # more padding, lest it be asked whether some size is 0 or 1 after pooling
            log_mel = F.pad(log_mel, (0, 0, 0, 3 * min_frames))
        if padded or log_mel.shape[1] < min_frames:
            log_mel = repeat_last_frame(log_mel, lengths, min_frames)
        background = second_of_frame = None
        if (seconds := config.log_mel_baseline_seconds) is not None:
            medians = medians_of_seconds(log_mel, lengths, segments, rate)
            background = running_median(medians, seconds, config.log_mel_sounding_seconds)[:, None]
            if config.log_mel_film_background:
                film = median_of_film(medians, config.log_mel_sounding_seconds)
                background = torch.cat((background, film[:, None].expand_as(background)), 1)
            background = repeat_last_frame(background, segments.lengths, math.ceil(min_frames / rate))
            second_of_frame = (torch.arange(log_mel.shape[1], device=log_mel.device) / rate).long()
            second_of_frame = second_of_frame.clamp(max=background.shape[2] - 1)
        lengths = lengths.clamp(min=min_frames).masked_fill(lengths == 0, 0)
        return cls(log_mel[:, None], background, second_of_frame, lengths)


def frames_until(seconds: torch.Tensor, rate: float) -> torch.Tensor:
    """How many frames begin in so many seconds. The rate may be a whole number, which ONNX does not round."""
    return torch.ceil(seconds * float(rate)).long()


def repeat_last_frame(log_mel: torch.Tensor, lengths: torch.Tensor, minimum: int) -> torch.Tensor:
    """Lengthen videos of fewer than `minimum` frames by repeating their last real frame.

    log_mel (B, ..., L, F), of which `lengths` (B,) are real -> (B, ..., max(L, minimum), F).
    """
    frames = torch.arange(torch.sym_max(log_mel.shape[-2], minimum), device=log_mel.device)
    last = torch.where(lengths < minimum, (lengths - 1).clamp(min=0), log_mel.shape[-2] - 1)
    index = torch.minimum(frames, last.view(-1, *[1] * (log_mel.dim() - 2)))
    return log_mel.gather(-2, index[..., None].expand(*log_mel.shape[:-2], -1, log_mel.shape[-1]))


def medians_of_seconds(
    log_mel: torch.Tensor, lengths: torch.Tensor, segments: SegmentRows, rate: float
) -> torch.Tensor:
    """The median of each band in each second: (B, L, F) -> (B, T, F), NaN beyond real segments.

    Only the first `lengths` (B,) frames count. A frame belongs to the second that it starts in: at 62.5
    frames a second, these have 63 and 62 frames in turn.
    """
    second = torch.arange(segments.num_segments, device=log_mel.device)
    first_frame = frames_until(second, rate)
    index = first_frame[:, None] + torch.arange(math.ceil(rate), device=log_mel.device)
    outside = (index >= frames_until(second + 1, rate)[:, None]) | (index >= lengths[:, None, None])
    index = index.clamp(max=log_mel.shape[1] - 1)
    blocks = zip(parts(index, _MEDIAN_BLOCK), parts(outside, _MEDIAN_BLOCK, 1), strict=True)
    medians = [
        nanmedian(log_mel[:, frames].masked_fill(hidden[..., None], torch.nan), 2)
        for frames, hidden in blocks
    ]
    real = second < segments.lengths[:, None]
    return torch.cat(medians, 1).masked_fill(~real[..., None], torch.nan)


def running_median(medians: torch.Tensor, seconds: int, least: int | None) -> torch.Tensor:
    """The median of each band in `seconds` around each second, from those of single seconds (B, S, F):
    (B, S, F).

    A median of medians is moved by short sounds as little as the median of all frames, and it takes far less
    work, because a second's median serves every window that the second is in.

    With `least`, silence is no background: see `medians_of_windows` and `last_known`.
    """
    padded = F.pad(medians, (0, 0, seconds // 2, seconds // 2), value=torch.nan)
    first = torch.arange(medians.shape[1], device=medians.device)[:, None]
    window = torch.arange(seconds, device=medians.device)
    # In blocks, because all windows of a long video side by side are many times larger than its spectrum.
    blocks = [
        medians_of_windows(padded[:, block + window].mT, least) for block in parts(first, _MEDIAN_BLOCK)
    ]
    background, known = (torch.cat(found, 1) for found in zip(*blocks, strict=True))
    if least is not None:
        background = last_known(background, known & (medians.amax(-1) > _SILENCE))
    return background.nan_to_num(0.0)


def last_known(background: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Backgrounds (B, S, F), those of seconds where `known` (B, S) is False replaced by the last known one
    before them, at the beginning of a film by the first. A film where none is known keeps its own.

    A silent second, for one, has none of its own: within silence the background stays as it was, so that no
    step of the background looks like an event there.
    """
    known = known | ~known.any(1, keepdim=True)
    second = torch.arange(known.shape[1], device=known.device)
    sources = torch.where(known, second, second.shape[0]).sort(1).values
    source = sources.gather(1, (known.cumsum(1) - 1).clamp(min=0))
    return background.gather(1, source[..., None].expand_as(background))


def median_of_film(medians: torch.Tensor, least: int | None) -> torch.Tensor:
    """The median of each band over the whole film, from those of its seconds: (B, S, F) -> (B, 1, F)."""
    film, _ = medians_of_windows(medians.transpose(1, 2)[:, None], least)
    return film.nan_to_num(0.0)


def medians_of_windows(windows: torch.Tensor, least: int | None) -> tuple[torch.Tensor, torch.Tensor]:
    """The median of each band in each window of W seconds: (B, N, F, W) -> (B, N, F), leaving out NaN.

    Where a window has `least` seconds that sound, its silent ones are left out too. The second result (B, N)
    is True there and in windows without silence; without `least` it is always.
    """
    if least is None:
        return nanmedian(windows, -1), windows.new_ones(windows.shape[:2], dtype=torch.bool)
    loudest, real = windows.amax(2), ~windows[:, :, 0].isnan()
    silent, sounding = real & (loudest <= _SILENCE), real & (loudest > _SILENCE)
    known = sounding.sum(-1) >= (silent | sounding).sum(-1).clamp(max=least)
    windows = windows.masked_fill((silent & known[..., None])[:, :, None], torch.nan)
    return nanmedian(windows, -1), known


def mean_over_rows(rows: torch.Tensor, first: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Weighted means of R consecutive rows: rows (B, L, D), first (B, T), weights (B, T, R) -> (B, T, D).

    out[b, t] = sum_r weights[b, t, r] rows[b, first[b, t] + r] / sum_r weights[b, t, r]; where all weights
    are zero it is the first row.
    """
    weights = weights.to(rows.dtype)
    weights[..., 0] += weights.sum(-1) == 0
    weights = weights / weights.sum(-1, keepdim=True)
    total: torch.Tensor | int = 0
    for r in range(weights.shape[-1]):
        index = (first + r).clamp(max=rows.shape[1] - 1)[..., None].expand(-1, -1, rows.shape[2])
        total = total + weights[..., r, None] * rows.gather(1, index)
    return total  # type: ignore[return-value]  # R is at least 1


def align_by_time(
    rows: torch.Tensor, lengths: torch.Tensor, segments: SegmentRows, pooling: int
) -> torch.Tensor:
    """Full rate: the mean of the rows in each second, weighted by the time that they share with it.

    rows (B, L, D), of which `lengths` (B,) are real -> (B, T, D). Row j covers the seconds
    [j p / 62.5, (j + 1) p / 62.5), where p is the total time pooling.
    """
    # Counted in half frames, 1/125 s, frames, rows and seconds all start at integers. Nothing is rounded, so
    # that no row slips into the next second, however long the video.
    row_width, second_width = 2 * pooling, int(2 * FULL_LOG_MEL_RATE)
    start = second_width * torch.arange(segments.num_segments, device=rows.device)
    last = (lengths - 1).clamp(min=0)[:, None]
    first = torch.minimum(start // row_width, last)
    row = first[..., None] + torch.arange(-(-second_width // row_width) + 1, device=rows.device)
    start, row_start = start[:, None], row * row_width
    shared = torch.minimum(row_start + row_width, start + second_width) - torch.maximum(row_start, start)
    return mean_over_rows(rows, first, shared.clamp(min=0).masked_fill(row > last[..., None], 0))


def align_adaptively(rows: torch.Tensor, lengths: torch.Tensor, segments: SegmentRows) -> torch.Tensor:
    """1 frame a second: adaptive average pooling of each video's own rows to its own number of segments.

    rows (B, L, D), of which `lengths` (B,) are real -> (B, T, D). In a video of L rows and T segments,
    segment i takes the rows floor(i L / T) to ceil((i + 1) L / T) - 1: at most two, because L <= T.
    """
    total = segments.lengths.clamp(min=1)[:, None]
    segment = torch.minimum(torch.arange(segments.num_segments, device=rows.device), total - 1)
    first = segment * lengths[:, None] // total
    end = ((segment + 1) * lengths[:, None] + total - 1) // total
    taken = first[..., None] + torch.arange(2, device=rows.device) < end[..., None]
    return mean_over_rows(rows, first, taken)
