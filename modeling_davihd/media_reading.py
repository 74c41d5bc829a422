"""Decoding of films and sound: streams of one-second segments, within limits.

All times are seconds on the film's own time line, whose zero is the earliest start of its picture and sound.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import chain, islice, pairwise, repeat
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from .media_limits import DEFAULT_LIMITS, JITTER, DecodingLimits, MediaError, MediaWarning
from .media_pictures import upright
from .media_resampling import GAP, IN_STEP, IN_STEP_AGAIN, WHERE_IT_IS, Resampler, steadied
from .media_tracks import AnyPath, Decoded, MediaInfo, Track, probe
from .streams_davihd import SAMPLING_RATE

LOUDEST = 1e3  # times full scale; float samples beyond this are damage
NEAR = 5  # seconds of sound that are decoded and dropped rather than searched over
PASSED_OVER = 5.0  # seconds of picture that are decoded and dropped rather than searched over
MOST_PASSED = 1000  # pictures that are decoded and dropped to get to one: what comes after more is not shown
MOST_BEGUN = 1000  # resamplers of one track, each for a stretch without a gap; then one fills what it can
LONG_GAP = 1.0  # seconds that are not for a resampler to fill, which would hold them in memory
MOST_FORMS = 10_000  # resamplers of one track, as its rate or channels change; then other forms are left out
SMALL = 320  # points: pictures no larger do not show the blocks that the last step of decoding smooths
PREROLL = 0.5  # seconds of sound that are decoded and dropped before a piece, for the decoder to settle

Array = np.ndarray


@dataclass(frozen=True)
class FrameSampling:
    """How many frames of which size stand for each segment."""

    frames_per_segment: int
    height: int
    width: int


@dataclass(frozen=True)
class MediaChunk:
    """Consecutive segments [first_segment, first_segment + n), and where they (at last, the film) end.

    waveform: float32 (n, 16000) or None. frames: uint8 RGB (n, frames_per_segment, height, width, 3) or None.
    """

    first_segment: int
    waveform: Array | None
    frames: Array | None
    end: float


def stream_segments(
    path: AnyPath | MediaInfo,
    *,
    audio: bool = True,
    frames: FrameSampling | None = None,
    chunk_seconds: int = 30,
    limits: DecodingLimits = DEFAULT_LIMITS,
) -> Generator[MediaChunk, None, None]:
    """Decode a film once, in order and in bounded memory, into chunks of one-second segments.

    Segment t covers [t, t + 1) s; there are ceil(end) segments, where `end` is the end of picture or sound,
    whichever is later, to the millisecond. Frame k of P is the one presented nearest to t + (k + 0.5) / P,
    upright; the first and the last frame also stand for the time before and after them. The waveform is mono
    at 16 kHz; channels are weighted so that equal ones keep their level. Where there is no sound it is zero,
    and a file without any gives a MediaWarning, as do damaged parts, which are left out. What is not asked
    for is never decoded, only demultiplexed to learn how long it lasts. A film that has been probed can be
    given as its MediaInfo, and its headers are not read again.
    Raises MediaError where nothing can be decoded, or no moving picture although `frames` asks for it, and
    where the film is beyond the limits.
    """
    if not (audio or frames) or chunk_seconds < 1:
        raise ValueError("stream_segments needs audio, frames or both, and a chunk_seconds of at least 1.")
    info = probe(path, limits)
    if frames and not info.has_video:
        raise MediaError(f"{info.path}: has sound but no moving picture, and frames were asked for.")
    if audio and not info.has_audio:
        warnings.warn(f"{info.path}: has no sound; silence stands in for it.", MediaWarning, stacklevel=2)
    return _chunks(info, audio, frames, chunk_seconds, limits)


def _chunks(
    info: MediaInfo, audio: bool, sampling: FrameSampling | None, size: int, limits: DecodingLimits
) -> Generator[MediaChunk, None, None]:
    with ExitStack() as stack:
        tracks = {kind: Track.all_of(info, kind, limits) for kind in ("video", "audio")}
        every = [stack.enter_context(closing(track)) for track in chain(*tracks.values())]
        lanes: dict[Any, Iterator] = {track: track.seconds() for track in every}
        if audio and info.has_audio:
            sound = stack.enter_context(closing(Mix(tracks["audio"], 0.0, SAMPLING_RATE, 1)))
            lanes = {"audio": sound.seconds()} | {track: lanes[track] for track in tracks["video"]}
        if sampling:
            [picture] = tracks["video"]
            lanes["video"] = _sampled(picture, sampling, limits.thread_count)
            del lanes[picture]
        held: dict[Any, list] = {kind: [] for kind in lanes}
        first, done = 0, False
        while not done:
            for kind, lane in lanes.items():  # one segment more than is needed tells whether the film goes on
                held[kind] += islice(lane, size + 1 - len(held[kind]))
            finished = all(track.finished for track in every)
            end = _end_of_segments(_true_end(info, tracks)) if finished else math.inf
            done = end <= first + size
            count = math.ceil(end) - first if done else size
            if count:
                waveform = _stacked_waveform(held, count) if audio else None
                frames = np.stack(held["video"][:count]) if sampling else None
                yield MediaChunk(first, waveform, frames, end if done else float(first + size))
            first += count
            held = {kind: rows[size:] for kind, rows in held.items()}


def _stacked_waveform(held: dict[str, list], count: int) -> Array:
    waveform = np.zeros((count, SAMPLING_RATE), np.float32)
    for row, samples in zip(waveform, held.get("audio", []), strict=False):
        row[: len(samples)] = samples
    return waveform


def _true_end(info: MediaInfo, tracks: dict[str, list[Track]]) -> float:
    """Where the film ends, to the millisecond; raises MediaError where nothing of it was there to decode."""
    shown, heard = (max((track.end for track in tracks[kind]), default=0.0) for kind in ("video", "audio"))
    # The sound may go on only because its encoder fills its last frame.
    end = round(shown if 0 < heard - shown <= JITTER and shown else max(shown, heard), 3)
    if end <= 0:
        raise MediaError(f"{info.path}: nothing in it can be decoded.")
    cut_off = info.duration is not None and info.duration > end + max(info.start, 0) + 1
    every = [*tracks["video"], *tracks["audio"]]
    if cut_off and all(track.indexed and not track.complained for track in every):
        every[0].complain(f"breaks off at {end:.1f} s of {info.duration:.1f} s")
    return end


def _end_of_segments(end: float) -> float:
    """Where the last segment of a film ends: what goes beyond a second too little to be one is left out."""
    return float(math.floor(end)) if end > 1 and end % 1 <= JITTER else end


def true_end(path: AnyPath | MediaInfo, limits: DecodingLimits = DEFAULT_LIMITS) -> float:
    """Where a film ends, in seconds to the millisecond, whatever its headers say.

    It is read to its end, but not decoded. Raises MediaError as `stream_segments` does.
    """
    info = probe(path, limits)
    with ExitStack() as stack:
        tracks = {kind: Track.all_of(info, kind, limits, quiet=True) for kind in ("video", "audio")}
        for track in chain(*tracks.values()):
            stack.enter_context(closing(track))
            for _ in track.seconds():
                pass
        return _true_end(info, tracks)


def sound_of(
    path: AnyPath | MediaInfo, spans: Sequence[tuple[int, int]], limits: DecodingLimits = DEFAULT_LIMITS
) -> Generator[Array, None, None]:
    """Decode stretches of a film's sound: for each span float32 (n,), mono at 16 kHz.

    spans: (first sample, sample after the last), in order; each may overlap with the one before it. What is
    beyond the film's ends is silent. What lies between spans is passed over where the film can be searched,
    and decoded but once where it cannot. It is the sound that `stream_segments` gives, without its warnings.
    Raises MediaError for a film without sound, and as `stream_segments` does.
    """
    info = probe(path, limits)
    if not info.has_audio:
        raise MediaError(f"{info.path}: has no sound.")
    with ExitStack() as stack:
        tracks = [
            stack.enter_context(closing(one)) for one in Track.all_of(info, "audio", limits, quiet=True)
        ]
        sound, at, last = _sound_from(stack, tracks, 0), 0, np.zeros(0, np.float32)
        for start, end in spans:
            if start - at > NEAR * SAMPLING_RATE and all(track.searchable for track in tracks):
                sound.close()
                sound, at = _sound_from(stack, tracks, start), start
            for skipped in range(at, start, SAMPLING_RATE):
                sound.take(min(start - skipped, SAMPLING_RATE))
            again = last[len(last) - max(at - max(start, 0), 0) :]
            fresh = sound.take(max(end - max(start, at), 0))[0]
            at = max(end, at)
            samples = np.concatenate([np.zeros(max(-start, 0), np.float32), again, fresh])
            last = np.pad(samples, (0, end - start - len(samples)))
            yield last


def _sound_from(stack: ExitStack, tracks: Sequence[Track], sample: int) -> Mix:
    return stack.enter_context(closing(Mix(tracks, sample / SAMPLING_RATE, SAMPLING_RATE, 1)))


class Sound:
    """A track's sound from `start` on as one line of float32 samples (channels, n), served in any portions.

    Channels are mixed with weights that sum to at most one, so that equal channels keep their level: stereo
    to mono is the mean, 5.1 to mono is FFmpeg's mix scaled down; 5.1 to stereo is that mix itself, limited.
    Gaps become zeros, overlaps are dropped, and where the sound drifts it is stretched, so that it is where
    its time stamps are.
    """

    def __init__(self, track: Track, start: float, rate: int, channels: int) -> None:
        self._start, self._rate, self._channels = start, rate, channels
        self._track, self._drifts = track, False
        self._setup: tuple | None = None
        self._resampler: Any = None  # a Resampler from the first frame on
        self._begun = 0  # resamplers
        self._due = 0.0
        self._written, self._late, self._limit = 0, 0, 2**62
        self._blocks, self._rest = self._joined(track), np.zeros((channels, 0), np.float32)

    def close(self) -> None:
        """Let go of the track, whose decoder's threads would else run until the garbage collector does."""
        self._blocks.close()  # it and this object hold each other

    def take(self, count: int) -> Array:
        """The next `count` samples; fewer only at the end."""
        parts, missing = [self._rest], count - self._rest.shape[1]
        while missing > 0 and (block := next(self._blocks, None)) is not None:
            parts.append(block)
            missing -= block.shape[1]
        joined = np.concatenate(parts, axis=1)
        self._rest = joined[:, count:]
        return joined[:, :count]

    def _joined(self, track: Track) -> Generator[Array, None, None]:
        item: Any = None  # a Decoded, where there is any
        items = steadied(track.frames(max(self._start - PREROLL, 0.0)))
        for item, following in pairwise(chain(items, [None])):
            if following is None:  # its length leaves out what the encoder appended to fill its last frame
                self._limit = round((item.time + item.length - self._start) * self._rate)
            yield from self._resampled(item)
        yield from self._flushed()
        if item is None and self._start == 0:
            track.complain("holds nothing; silence stands in for it")

    def _resampled(self, item: Decoded) -> Iterator[Array]:
        frame, torn = item.frame, self._begun >= MOST_BEGUN
        step, end = item.time - self._due, item.time + frame.samples / frame.sample_rate
        if torn and (end <= self._due or self._is_one_form_too_many(frame)):
            return
        self._drifts |= torn or (self._setup is not None and IN_STEP / 2 < abs(step) <= GAP)
        setup = (*_form(frame), torn or item.run, self._drifts)
        if setup != self._setup or (step > LONG_GAP if torn else abs(step) > GAP):
            self._track.budget.check_sound(frame.sample_rate, frame.layout.nb_channels)
            yield from self._flushed()
            self._setup, self._resampler = setup, self._new_resampler(frame, torn)
            self._begun += 1
            yield from self._go_to(round((item.time - self._start) * self._rate))
        self._due = end
        yield from map(self._placed, self._resampler.resample(item))

    def _is_one_form_too_many(self, frame: av.AudioFrame) -> bool:
        if self._begun < MOST_FORMS or (self._setup and self._setup[:3] == _form(frame)):
            return False
        self._track.complain(f"changes its form over {MOST_FORMS} times; silence stands in for some of it")
        return True

    def _flushed(self) -> Iterator[Array]:
        return map(self._placed, self._resampler.resample(None) if self._resampler else [])

    def _new_resampler(self, frame: av.AudioFrame, torn: bool) -> Resampler:
        unnamed = any(word in frame.layout.name for word in ("channels", "ambisonic"))  # FFmpeg cannot mix it
        layout = frame.layout.name if unnamed else "mono" if self._channels == 1 else "stereo"
        # A second at once: with the frames of most codecs, Python would take most of the time.
        following = WHERE_IT_IS if torn else IN_STEP_AGAIN if self._drifts else {}
        return Resampler(frame, self._rate, layout, self._rate, following)

    def _go_to(self, sample: int) -> Iterator[Array]:
        for begin in range(self._written, sample, 10 * self._rate):
            yield np.zeros((self._channels, min(10 * self._rate, sample - begin)), np.float32)
        self._late, self._written = max(self._written - sample, 0), max(self._written, sample)

    def _cleaned(self, samples: Array) -> Array:
        """Samples that are no numbers, or so large that they are not sound, as silence."""
        bad = ~(np.abs(samples) < LOUDEST)
        if bad.any():
            self._track.complain("holds samples that are no sound (not finite); silence stands in for them")
            samples = np.where(bad, np.float32(0), samples)
        return samples

    def _placed(self, frame: av.AudioFrame) -> Array:
        # Interleaved, as PyAV reads beyond the channels where eight or more are apart.
        samples = self._cleaned(frame.to_ndarray()).reshape(frame.samples, -1).T
        if len(samples) != self._channels:
            samples = np.repeat(samples.mean(0, keepdims=True), self._channels, axis=0)
        block = samples[:, self._late :][:, : max(self._limit - self._written, 0)]
        self._late = max(self._late - samples.shape[1], 0)
        self._written += block.shape[1]
        return block


def _form(frame: av.AudioFrame) -> tuple:
    return frame.sample_rate, frame.layout.name, frame.format.name


class Mix:
    """Several tracks as one line of sound, in the form of `Sound`: each at its own level, as in an editor."""

    def __init__(self, tracks: Sequence[Track], start: float, rate: int, channels: int) -> None:
        self._sounds = [Sound(track, start, rate, channels) for track in tracks]
        self._rate, self._channels = rate, channels

    def close(self) -> None:
        """Let go of the tracks."""
        for sound in self._sounds:
            sound.close()

    def take(self, count: int) -> Array:
        """The next `count` samples; fewer only where all tracks have ended."""
        parts = [sound.take(count) for sound in self._sounds]
        mixed = np.zeros((self._channels, max(part.shape[1] for part in parts)), np.float32)
        for part in parts:
            mixed[:, : part.shape[1]] += part
        return mixed

    def seconds(self) -> Iterator[Array]:
        """Yield the first channel, one second at a time."""
        while (second := self.take(self._rate)[0]).size:
            yield second


def _sampled(track: Track, sampling: FrameSampling, threads: int | None) -> Iterator[Array]:
    """Yield uint8 (P, H, W, 3) for one segment after the other, without end."""
    scaler, item, pictures = VideoReformatter(), None, []
    for nearest in _nearest(track, sampling.frames_per_segment):
        if nearest is not item:  # only frames that are kept are converted, and each but once
            item = nearest
            picture = _scaled(scaler, track, item.frame, (sampling.height, sampling.width), threads=threads)
        pictures.append(picture)
        if len(pictures) == sampling.frames_per_segment:
            yield np.stack(pictures)
            pictures = []


def _scaled(
    scaler: VideoReformatter, track: Track, frame: av.VideoFrame, size: tuple[int, int], **how: Any
) -> Array:
    """A frame as uint8 RGB (height, width, 3), upright."""
    try:
        return upright(scaler, frame, size[1], size[0], **how)
    except av.FFmpegError as error:  # it fails at some pictures that are one point wide
        shape = f"{frame.width} x {frame.height}"
        raise MediaError(f"{track.path}: its pictures of {shape} pixels cannot be scaled.") from error


class Pictures:
    """Stretches of a film's picture, in order, small; what lies between is passed over if that is faster."""

    def __init__(
        self, info: MediaInfo, size: tuple[int, int], limits: DecodingLimits = DEFAULT_LIMITS
    ) -> None:
        """size: (height, width). The film has a picture."""
        self._size, self._scaler = size, VideoReformatter()
        self._track = Track(info, "video", limits, quiet=True)
        if max(size) <= SMALL:
            context = self._track.stream.codec_context
            context.options = context.options | {"skip_loop_filter": "all"}
        self._most_passed = MOST_PASSED / max(info.fps or 0.0, 1.0)
        self._items: Iterator[Decoded] = iter(())
        self._at = -math.inf  # where the next item is

    def close(self) -> None:
        self._track.close()

    def between(self, start: float, end: float) -> Iterator[tuple[float, Array]]:
        """Yield (time, uint8 RGB (height, width, 3)) of each frame from the one on show at `start` to `end`.

        Nothing comes of a stretch that only hours of decoding would lead to. Raises MediaError where nothing
        can be decoded, or scaled, or where the film is beyond the limits.
        """
        if not self._at <= start <= self._at + min(PASSED_OVER, self._most_passed):
            self._items = self._track.frames(start)
        self._track.needed_from = start
        shown = None
        for item in self._items:
            self._at = item.time
            if start - item.time > self._most_passed:
                return
            if shown is not None and item.time > start:
                yield shown.time, self._picture(shown)
            shown = item
            if item.time > end:
                self._items = chain([item], self._items)
                return
        if shown is not None:
            yield shown.time, self._picture(shown)

    def _picture(self, item: Decoded) -> Array:
        how = {"interpolation": "FAST_BILINEAR", "threads": 1}  # a fourth of the time that else it takes
        return _scaled(self._scaler, self._track, item.frame, self._size, **how)


def _nearest(track: Track, per_segment: int) -> Iterator[Decoded]:
    """Yield, for k = 0, 1, ... endlessly, the frame nearest to (k + 0.5) / per_segment, or the earlier."""
    shown, wanted = None, 0
    for item in track.frames_nearest(per_segment):
        if shown is not None and item.time <= shown.time:
            continue
        before, shown = shown or item, item
        while (target := (wanted + 0.5) / per_segment) <= item.time:
            yield before if target - before.time <= item.time - target else item
            wanted += 1
    if shown is None:
        raise MediaError(f"{track.path}: nothing of its video can be decoded.")
    yield from repeat(shown)
