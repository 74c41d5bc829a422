"""Decoding of films and sound: streams of one-second segments, within limits.

All times are seconds on the film's own time line, whose zero is the earliest start of its picture and sound.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, dropwhile, islice, pairwise, repeat
from pathlib import Path
from typing import NamedTuple, NoReturn

import av
import numpy as np
from av.stream import Discard, Disposition
from av.video.reformatter import VideoReformatter

SAMPLING_RATE = 16000  # of the waveform rows, one second each
MAX_OVERLAP = 10.0  # seconds: a longer step backwards of the time stamps is damage; what follows is ignored
JITTER = 0.05  # seconds: sound whose time stamps are off by less is joined as if they were not
LOUDEST = 1e3  # times full scale: larger float samples are damage
SEEK_BACK = (0.0, 5.0, 60.0)  # seconds: tried in turn where a container's index leads past the target
PREROLL = 0.5  # seconds: sound decoded and dropped before a piece, for the decoder to settle
ALWAYS_ALLOWED = 1800.0  # seconds: a film may last so long however few bytes it has
LEAST_BYTES = 100_000  # for which a smaller film counts where pictures are compared with bytes
BURST = 20.0  # seconds' worth of packets may come at once
MOST_LOST = 50_000  # packets that cannot be decoded, before a film with hardly any that can is given up
MOST_THREADS = 16  # that FFmpeg takes to decode, a picture each,
PIXELS_AT_ONCE = 128_000_000  # but for larger pictures not more than hold so many pixels at the same time
# FFmpeg's names of what is read: files that themselves hold sound or moving pictures. Play lists, which lead
# to other files, pictures and text, which it would play as well, and hundreds of rarities are not among them.
FORMATS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,apng,asf,au,av1,avi,caf,dhav,dts,dtshd,dv,eac3,flac,flv,gif,gxf,h264,"
    "hevc,ivf,loas,m4v,matroska,webm,mlp,mov,mp4,mp3,mpc,mpc8,mpeg,mpegts,mpegvideo,mxf,nsv,nut,obu,ogg,qcp,rm,tak,"
    "truehd,tta,vc1,voc,vvc,w64,wav,wtv,wv,xwma,yuv4mpegpipe"
)

AnyPath = str | os.PathLike
Array = np.ndarray


class MediaError(ValueError):
    """A media file cannot be used; the message is one sentence that names the file."""


class MediaWarning(UserWarning):
    """A media file can be used only in part; the message names the file and says what is missing."""


@dataclass(frozen=True)
class DecodingLimits:
    """How much a film may ask of its decoders; one that asks for more is refused with a MediaError.

    pixels: of a picture; 8K by default, of any shape.
    pixels_per_byte: of all pictures that are decoded, to the bytes of the file, of which small ones count as
        having 100 000. Slides in x264 at 1080p have 12 000, a black film without sound 20 000.
    channels: of the sound.
    lowest_rate, highest_rate: of the sound, in Hz.
    duration: seconds of the film, twelve hours by default: they are what memory grows with.
    silence: seconds without any data before the first of the picture or of the sound. Where data is missing
        for longer later on, what follows is ignored, with a MediaWarning.
    packets_per_second: of picture or sound, on average, not counting the time in which there is none. The
        densest codec in use, TrueHD, has 1200.
    bytes_per_second: what there has to be of a film that lasts more than half an hour. The most
        compressed speech has 90.
    threads: that decode pictures, or scale them; one for each core by default.
    """

    pixels: float = 8192 * 4320
    pixels_per_byte: float = 50_000
    channels: float = 64
    lowest_rate: float = 1000
    highest_rate: float = 768_000
    duration: float = 12 * 3600
    silence: float = 600
    packets_per_second: float = 2000
    bytes_per_second: float = 50
    threads: float = math.inf

    @property
    def thread_count(self) -> int | None:
        """None: as FFmpeg sees fit."""
        return max(1, int(self.threads)) if math.isfinite(self.threads) else None


DEFAULT_LIMITS = DecodingLimits()


@dataclass(frozen=True)
class MediaInfo:
    """What a file's headers claim; claims can be false, and nothing is sized by them.

    width, height: of the picture as stored, which players may turn by a quarter. start: time stamp at which
    the film's own time line begins.
    """

    path: Path
    duration: float | None
    has_video: bool
    has_audio: bool
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    sampling_rate: int | None = None
    channels: int | None = None
    start: float = 0.0


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


def probe(path: AnyPath, limits: DecodingLimits = DEFAULT_LIMITS) -> MediaInfo:
    """Say what a file holds, from its headers alone; raises MediaError where it is no media."""
    with open_media(path, limits) as container:
        video, audio = pick_stream(container, "video"), pick_stream(container, "audio")
        if not (video or audio):
            raise MediaError(f"{path}: holds no picture and no sound that can be decoded.")
        starts = [s.start_time * s.time_base for s in (video, audio) if s and s.start_time is not None]
        facts: dict = {"start": float(min(starts, default=0))}
        if audio:
            facts |= {"sampling_rate": audio.sample_rate, "channels": audio.channels}
        if video:
            rate = video.average_rate or video.guessed_rate
            facts |= {"width": video.width, "height": video.height, "fps": rate and float(rate)}
        facts["duration"] = container.duration and container.duration / av.time_base
        return MediaInfo(Path(path), has_video=bool(video), has_audio=bool(audio), **facts)


def stream_segments(
    path: AnyPath,
    *,
    audio: bool = True,
    frames: FrameSampling | None = None,
    chunk_seconds: int = 30,
    limits: DecodingLimits = DEFAULT_LIMITS,
) -> Iterator[MediaChunk]:
    """Decode a film once, in order and in bounded memory, into chunks of one-second segments.

    Segment t covers [t, t + 1) s; there are ceil(end) segments, where `end` is the end of picture or sound,
    whichever is later, to the millisecond. Frame k of P is the one presented nearest to t + (k + 0.5) / P,
    upright; the first and the last frame also stand for the time before and after them. The waveform is mono
    at 16 kHz; channels are weighted so that equal ones keep their level. Where there is no sound it is zero,
    and a file without any gives a MediaWarning, as do damaged parts, which are left out. What is not asked
    for is never decoded, only demultiplexed to learn how long it lasts.
    Raises MediaError where nothing can be decoded, or no moving picture although `frames` asks for it, and
    where the film is beyond the limits.
    """
    if not (audio or frames) or chunk_seconds < 1:
        raise ValueError("stream_segments needs audio, frames or both, and a chunk_seconds of at least 1.")
    info = probe(path, limits)
    if frames and not info.has_video:
        raise MediaError(f"{path}: has sound but no moving picture, and frames were asked for.")
    if audio and not info.has_audio:
        warnings.warn(f"{path}: has no sound; silence stands in for it.", MediaWarning, stacklevel=2)
    return _chunks(info, audio, frames, chunk_seconds, limits)


def _chunks(
    info: MediaInfo, audio: bool, sampling: FrameSampling | None, size: int, limits: DecodingLimits
) -> Iterator[MediaChunk]:
    with ExitStack() as stack:
        kinds = ["video"] * info.has_video + ["audio"] * info.has_audio
        tracks = {kind: stack.enter_context(closing(Track(info, kind, limits))) for kind in kinds}
        lanes: dict[str, Iterator] = {kind: track.seconds() for kind, track in tracks.items()}
        if audio and info.has_audio:
            lanes["audio"] = Sound(tracks["audio"], 0.0, SAMPLING_RATE, 1).seconds()
        if sampling:
            lanes["video"] = _sampled(tracks["video"], sampling, limits.thread_count)
        held: dict[str, list] = {kind: [] for kind in kinds}
        first, done = 0, False
        while not done:
            for kind, lane in lanes.items():  # one segment more than is needed tells whether the film goes on
                held[kind] += islice(lane, size + 1 - len(held[kind]))
            end = _true_end(info, tracks) if all(track.finished for track in tracks.values()) else math.inf
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


def _true_end(info: MediaInfo, tracks: dict[str, Track]) -> float:
    """Where the film ends, to the millisecond; raises MediaError where nothing of it was there to decode."""
    end = round(max(track.end for track in tracks.values()), 3)
    if len(tracks) == 2 and 0 < tracks["audio"].end - tracks["video"].end <= JITTER:
        end = round(tracks["video"].end, 3)  # the sound goes on only because its encoder fills its last frame
    if end <= 0:
        raise MediaError(f"{info.path}: nothing in it can be decoded.")
    if end % 1 <= 0.002 and any(track.stream.time_base >= Fraction(1, 1000) for track in tracks.values()):
        end = float(math.floor(end))  # both start and length of the last frame were rounded to milliseconds
    cut_off = info.duration is not None and info.duration > end + max(info.start, 0) + 1
    if cut_off and all(track.indexed and not track.complained for track in tracks.values()):
        next(iter(tracks.values())).complain(f"breaks off at {end:.1f} s of {info.duration:.1f} s")
    return end


class Decoded(NamedTuple):
    time: float
    length: float
    frame: av.VideoFrame | av.AudioFrame | av.Packet
    run: int  # changes where something before this frame was lost


class Track:
    """One stream of a film, read up to `end`; in its own container, as bad interleaving would cost memory."""

    def __init__(self, info: MediaInfo, kind: str, limits: DecodingLimits = DEFAULT_LIMITS) -> None:
        self.path, self.kind, self.complained, self.finished = info.path, kind, False, False
        self._zero, self._container, self._limits = info.start, None, limits
        size = info.path.stat().st_size
        self._latest = max(ALWAYS_ALLOWED, size / limits.bytes_per_second)
        self._most_pixels = limits.pixels_per_byte * max(size, LEAST_BYTES)
        self._lost, self._good = [], 0  # where packets were lost; how many frames were not
        self._covered, self._pixels = 0.0, 0  # seconds for which there were frames; in one pass
        self._reopen()

    def close(self) -> None:
        self._container.close()

    def frames(self, start: float = 0.0) -> Iterator[Decoded]:
        """Yield the frames in order to the stream's end, from one at or before `start` where there is one."""
        self._pixels = 0
        for back in SEEK_BACK:
            if start > back and self._seek(start - back):
                items = self._items(None)
                first = next(items, None)
                if first is not None and first.time <= start:
                    yield from chain([first], items)
                    return
        self._reopen()
        yield from self._items(0.0)
        self.finished = True
        self._check_lost()

    def first_frame(self) -> av.VideoFrame | av.AudioFrame:
        """The first frame that can be decoded; raises MediaError where there is none."""
        for item in self.frames():
            return item.frame
        raise MediaError(f"{self.path}: nothing of its {self.kind} can be decoded.")

    def seconds(self) -> Iterator[None]:
        """Yield once for every second that the stream reaches into, without decoding it."""
        reached = 0
        for _ in self._items(0.0, decode=False):
            while reached < self.end:
                reached += 1
                yield
        self.finished = True

    def _reopen(self) -> None:
        if self._container is not None:
            self._container.close()
        self._container, self.end = open_media(self.path, self._limits), 0.0
        self.indexed = self._container.format.name.startswith(("mov", "matroska"))  # its length is no guess
        self.stream = pick_stream(self._container, self.kind)
        for other in self._container.streams:
            other.discard = Discard.default if other is self.stream else Discard.all
        self._prepare()
        self._tick = float(self.stream.time_base)
        self._usual = 1 / float(getattr(self.stream, "base_rate", None) or 25)
        reordered = getattr(self.stream.codec_context, "has_b_frames", False)  # then mp4 knows no lengths
        self._longest = 2 * self._usual if reordered else self._limits.silence

    def check_sound(self, rate: int, channels: int) -> None:
        """Raise MediaError where sound is beyond the limits."""
        if channels > self._limits.channels:
            self.refuse(f"has {channels} channels", "channels")
        if rate < self._limits.lowest_rate:
            self.refuse(f"has {rate} samples a second", "lowest_rate")
        if rate > self._limits.highest_rate:
            self.refuse(f"has {rate} samples a second", "highest_rate")

    def refuse(self, what: str, limit: str) -> NoReturn:
        value = getattr(self._limits, limit)
        allowed = f"{value:g}" if value < 1e6 else f"{value:.0f}"
        raise MediaError(f"{self.path}: its {self.kind} {what}; the decoding limit `{limit}` is {allowed}.")

    def _prepare(self) -> None:
        """Check what the headers say, and hold the decoder to it."""
        context, most = self.stream.codec_context, self._limits.pixels
        context.thread_type = "AUTO"
        if self._limits.thread_count:
            context.thread_count = self._limits.thread_count
        if self.kind == "audio":
            if context.sample_rate:
                self.check_sound(context.sample_rate, context.channels)
            return
        pixels = context.width * context.height
        if pixels > most:
            self.refuse(f"has pictures of {context.width} x {context.height} pixels", "pixels")
        context.options = {"max_pixels": _as_option(most)}
        if pixels * MOST_THREADS > PIXELS_AT_ONCE:
            threads = self._limits.thread_count or os.cpu_count() or 1
            context.thread_count = max(1, min(PIXELS_AT_ONCE // pixels, threads))

    def _seek(self, time: float) -> bool:
        with suppress(av.FFmpegError):
            self._container.seek(int((time + self._zero) / self._tick), stream=self.stream)
            return True
        return False

    def _items(self, last: float | None, decode: bool = True) -> Iterator[Decoded]:
        """Yield what follows until time stamps leap; `last` is the time before it, where that is known."""
        for packet in self._packets(after_seek=last is None):
            if not decode and (packet is None or packet.size == 0 or packet.is_discard):
                continue
            for item in self._decoded(packet) if decode else [packet]:
                stamp = item.dts if item.pts is None else item.pts
                time = self.end if stamp is None else stamp * self._tick - self._zero
                if last is not None and not -MAX_OVERLAP <= time - last <= self._limits.silence:
                    if self._good == 0:
                        self.refuse(f"starts at {time:.1f} s of the film", "silence")
                    self.complain(f"leaps from {last:.1f} s to {time:.1f} s: the rest is ignored")
                    return
                length = self._length(item)
                last, self.end = time, max(self.end, time + length)
                self._good, self._covered = self._good + 1, self._covered + length
                if self.end > self._limits.duration:
                    self.refuse(f"lasts over {self._limits.duration:g} s", "duration")
                if self.end > self._latest:
                    self.refuse(f"lasts over {self._latest:.0f} s for so small a file", "bytes_per_second")
                yield Decoded(time, length, item, len(self._lost))
        if self._lost:
            count = f"{len(self._lost)} packet{'s' * (len(self._lost) > 1)}"
            self.complain(f"is damaged: {count} left out from {self._lost[0]:.1f} s on")

    def _packets(self, after_seek: bool) -> Iterator[av.Packet | None]:
        """Yield packets, in the end an empty one or None, which make the decoder give what it still holds."""
        packets, covered = self._demuxed(), self._covered
        try:  # decoders that are given something between key frames make up what they lack
            wanted = dropwhile(lambda p: after_seek and p.size and not p.is_keyframe, packets)
            for count, packet in enumerate(wanted):
                if count > self._limits.packets_per_second * (self._covered - covered + BURST):
                    self.refuse(f"has {count} packets or more in a few seconds", "packets_per_second")
                yield packet
        except av.FFmpegError as error:
            self.complain(f"is damaged after {self.end:.1f} s ({error.strerror}): the rest is ignored")
            yield None

    def _demuxed(self) -> Iterator[av.Packet]:
        """The stream's packets, in the end an empty one, after which PyAV may stumble over later streams."""
        with suppress(IndexError):  # it flushes those that begin on the way without knowing them
            yield from self._container.demux(self.stream)

    def _decoded(self, packet: av.Packet | None) -> list[av.VideoFrame | av.AudioFrame]:
        try:
            frames = self.stream.decode(packet)
        except av.FFmpegError:
            self._lost.append(self.end)
            if len(self._lost) > MOST_LOST:
                self._check_lost()
            return []
        if self.kind == "video":
            self._pixels += sum(frame.width * frame.height for frame in frames)
            if self._pixels > self._most_pixels:
                self.refuse(f"has over {self._pixels:.2g} pixels in so small a file", "pixels_per_byte")
        return frames

    def _check_lost(self) -> None:
        if len(self._lost) > 100 * self._good:  # by chance, a decoder makes something of what is none
            raise MediaError(f"{self.path}: nothing of its {self.kind} can be decoded.")

    def complain(self, what: str) -> None:
        self.complained = True
        warnings.warn(f"{self.path}: its {self.kind} {what}.", MediaWarning, stacklevel=2)

    def _length(self, item: av.VideoFrame | av.AudioFrame | av.Packet) -> float:
        claimed = (item.duration or 0) * self._tick
        if isinstance(item, av.AudioFrame):
            return min(claimed or math.inf, item.samples / item.sample_rate)
        return claimed if 0 < claimed <= self._longest else self._usual


class Sound:
    """A track's sound from `start` on as one line of float32 samples (channels, n), served in any portions.

    Channels are mixed with weights that sum to at most one, so that equal channels keep their level: stereo
    to mono is the mean, 5.1 is FFmpeg's mix scaled down. Gaps become zeros, overlaps are dropped.
    """

    def __init__(self, track: Track, start: float, rate: int, channels: int) -> None:
        self._start, self._rate, self._channels = start, rate, channels
        self._track, self._complained = track, False
        self._setup, self._resampler, self._due = None, None, 0.0
        self._written, self._late, self._limit = 0, 0, 2**62
        self._blocks, self._rest = self._joined(track), np.zeros((channels, 0), np.float32)

    def take(self, count: int) -> Array:
        """The next `count` samples; fewer only at the end."""
        parts, missing = [self._rest], count - self._rest.shape[1]
        while missing > 0 and (block := next(self._blocks, None)) is not None:
            parts.append(block)
            missing -= block.shape[1]
        joined = np.concatenate(parts, axis=1)
        self._rest = joined[:, count:]
        return joined[:, :count]

    def seconds(self) -> Iterator[Array]:
        """Yield the first channel, one second at a time."""
        while (second := self.take(self._rate)[0]).size:
            yield second

    def _joined(self, track: Track) -> Iterator[Array]:
        item, items = None, track.frames(max(self._start - PREROLL, 0.0))
        for item, following in pairwise(chain(items, [None])):
            if following is None:  # its length leaves out what the encoder appended to fill its last frame
                self._limit = round((item.time + item.length - self._start) * self._rate)
            yield from self._resampled(item)
        yield from self._flushed()
        if item is None and self._start == 0:
            track.complain("holds nothing; silence stands in for it")

    def _resampled(self, item: Decoded) -> Iterator[Array]:
        frame = item.frame
        setup = (frame.sample_rate, frame.layout.name, frame.format.name, item.run)
        if setup != self._setup or abs(item.time - self._due) > JITTER:
            self._track.check_sound(frame.sample_rate, frame.layout.nb_channels)
            yield from self._flushed()
            self._setup, self._due, self._resampler = setup, item.time, self._new_resampler(frame)
            yield from self._go_to(round((item.time - self._start) * self._rate))
        self._due += frame.samples / frame.sample_rate
        yield from map(self._placed, self._resampler.resample(frame))

    def _flushed(self) -> Iterator[Array]:
        return map(self._placed, self._resampler.resample(None) if self._resampler else [])

    def _new_resampler(self, frame: av.AudioFrame) -> av.AudioResampler:
        unnamed = any(word in frame.layout.name for word in ("channels", "ambisonic"))  # FFmpeg cannot mix it
        layout = frame.layout.name if unnamed else "mono" if self._channels == 1 else "stereo"
        # A quarter of a second at once: with the frames of most codecs, Python would take half of the time.
        return av.AudioResampler(
            "flt", layout, self._rate, frame_size=self._rate // 4, options={"rematrix_maxval": "1"}
        )

    def _go_to(self, sample: int) -> Iterator[Array]:
        for begin in range(self._written, sample, 10 * self._rate):
            yield np.zeros((self._channels, min(10 * self._rate, sample - begin)), np.float32)
        self._late, self._written = max(self._written - sample, 0), max(self._written, sample)

    def _cleaned(self, samples: Array) -> Array:
        """Samples that are no numbers, or so large that they are not sound, as silence."""
        bad = ~(np.abs(samples) < LOUDEST)
        if bad.any():
            if not self._complained:
                self._track.complain(
                    "holds samples that are no sound (not finite); silence stands in for them"
                )
            self._complained = True
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


def _sampled(track: Track, sampling: FrameSampling, threads: int | None) -> Iterator[Array]:
    """Yield uint8 (P, H, W, 3) for one segment after the other, without end."""
    scaler, item, pictures = VideoReformatter(), None, []
    for nearest in _nearest(track, sampling.frames_per_segment):
        if nearest is not item:  # only frames that are kept are converted, and each but once
            item = nearest
            try:
                picture = upright(scaler, item.frame, sampling.width, sampling.height, threads)
            except av.FFmpegError as error:  # it fails at some pictures that are one point wide
                shape = f"{item.frame.width} x {item.frame.height}"
                raise MediaError(f"{track.path}: its pictures of {shape} pixels cannot be scaled.") from error
        pictures.append(picture)
        if len(pictures) == sampling.frames_per_segment:
            yield np.stack(pictures)
            pictures = []


def _nearest(track: Track, per_segment: int) -> Iterator[Decoded]:
    """Yield, for k = 0, 1, ... endlessly, the frame nearest to (k + 0.5) / per_segment, or the earlier."""
    shown, wanted = None, 0
    for item in track.frames():
        if shown is not None and item.time <= shown.time:
            continue
        before, shown = shown or item, item
        while (target := (wanted + 0.5) / per_segment) <= item.time:
            yield before if target - before.time <= item.time - target else item
            wanted += 1
    if shown is None:
        raise MediaError(f"{track.path}: nothing of its video can be decoded.")
    yield from repeat(shown)


def upright(
    scaler: VideoReformatter, frame: av.VideoFrame, width: int, height: int, threads: int | None = None
) -> Array:
    """The frame as uint8 RGB (height, width, 3), turned as its display matrix says."""
    size = turned(width, height, rotation_of(frame))
    picture = scaler.reformat(frame, *size, "rgb24", threads=threads).to_ndarray()
    return np.ascontiguousarray(np.rot90(picture, rotation_of(frame) // 90))


def rotation_of(frame: av.VideoFrame) -> int:
    """Degrees counter-clockwise, 0, 90, 180 or 270, by which a frame is turned to stand upright."""
    return round(frame.rotation / 90) * 90 % 360


def turned(width: float, height: float, rotation: int) -> tuple:
    return (height, width) if rotation % 180 else (width, height)


def open_media(path: AnyPath, limits: DecodingLimits = DEFAULT_LIMITS) -> av.container.InputContainer:
    """Open a regular file of one of FORMATS, and nothing that it may refer to; MediaError for others."""
    file = Path(path)
    try:
        found = _unfit(file)
        if found:
            raise MediaError(f"{path}: {found}; a film or sound file is needed.")
        options = {"protocol_whitelist": "file", "format_whitelist": FORMATS}
        # What is decoded to learn about a stream has its limit too.
        options["max_pixels"] = _as_option(limits.pixels)
        return av.open(str(file.absolute()), options=options, metadata_errors="ignore")
    except av.ArgumentError as error:
        raise MediaError(f"{path}: is no film or sound file of a kind that is read here.") from error
    except (av.FFmpegError, OSError) as error:
        raise MediaError(f"{path}: not a film or sound file that can be read ({error.strerror}).") from error


def _as_option(limit: float) -> str:
    """As FFmpeg takes it, whose numbers end at 2^31 - 1."""
    return str(int(min(limit, 2**31 - 1)))


def _unfit(file: Path) -> str | None:
    """Why a file cannot be opened, if that can be told from outside."""
    if not file.exists():
        return "there is no such file"
    if not file.is_file():
        return "it is a folder" if file.is_dir() else "it is no regular file"
    return None if file.stat().st_size else "it is empty"


def pick_stream(container: av.container.InputContainer, kind: str) -> av.VideoStream | av.AudioStream | None:
    """The best stream of a kind that can be decoded and is no cover picture, or None."""
    streams = [stream for stream in container.streams if stream.type == kind and stream.codec_context]
    streams = [stream for stream in streams if not stream.disposition & Disposition.attached_pic]
    best = container.streams.best(kind)
    return best if best in streams else next(iter(streams), None)
