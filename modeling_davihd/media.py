"""Decoding and encoding of films and sound: the only file of the package that touches media (PyAV).

All times are seconds on the film's own time line, whose zero is the earliest start of its picture and sound.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, dropwhile, islice, pairwise, repeat
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.stream import Discard, Disposition
from av.video.reformatter import VideoReformatter

SAMPLING_RATE = 16000  # of the waveform rows, one second each
MAX_GAP = 600.0  # seconds: a longer leap of the time stamps is damage, and what follows it is ignored
MAX_OVERLAP = 10.0  # seconds: so is a longer step backwards
JITTER = 0.05  # seconds: sound whose time stamps are off by less is joined as if they were not
LOUDEST = 1e3  # times full scale: larger float samples are damage
SEEK_BACK = (0.0, 5.0, 60.0)  # seconds: tried in turn where a container's index leads past the target
PREROLL = 0.5  # seconds: sound decoded and dropped before a piece, for the decoder to settle
SHORTEST = 0.001  # seconds: frames seen for less time do not get into a reel
REEL_LIMITS = (1920, 1080)  # pixels: longer and shorter side of a reel
STILLS = ("tty", "image2")  # what FFmpeg makes films of that are none
AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)

AnyPath = str | os.PathLike
Array = np.ndarray
Piece = tuple[float, float]


class MediaError(ValueError):
    """A media file cannot be used; the message is one sentence that names the file."""


class MediaWarning(UserWarning):
    """A media file can be used only in part; the message names the file and says what is missing."""


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


def probe(path: AnyPath) -> MediaInfo:
    """Say what a file holds, from its headers alone; raises MediaError where it is no media."""
    with _open(path) as container:
        video, audio = _pick(container, "video"), _pick(container, "audio")
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
    path: AnyPath, *, audio: bool = True, frames: FrameSampling | None = None, chunk_seconds: int = 30
) -> Iterator[MediaChunk]:
    """Decode a film once, in order and in bounded memory, into chunks of one-second segments.

    Segment t covers [t, t + 1) s; there are ceil(end) segments, where `end` is the end of picture or sound,
    whichever is later, to the millisecond. Frame k of P is the one presented nearest to t + (k + 0.5) / P,
    upright; the first and the last frame also stand for the time before and after them. The waveform is mono
    at 16 kHz; channels are weighted so that equal ones keep their level. Where there is no sound it is zero,
    and a file without any gives a MediaWarning, as do damaged parts, which are left out. What is not asked
    for is never decoded, only demultiplexed to learn how long it lasts.
    Raises MediaError where nothing can be decoded, or no moving picture although `frames` asks for it.
    """
    if not (audio or frames) or chunk_seconds < 1:
        raise ValueError("stream_segments needs audio, frames or both, and a chunk_seconds of at least 1.")
    info = probe(path)
    if frames and not info.has_video:
        raise MediaError(f"{path}: has sound but no moving picture, and frames were asked for.")
    if audio and not info.has_audio:
        warnings.warn(f"{path}: has no sound; silence stands in for it.", MediaWarning, stacklevel=2)
    return _chunks(info, audio, frames, chunk_seconds)


def cut_reel(path: AnyPath, segments: Sequence[Piece], destination: AnyPath) -> None:
    """Join the pieces [start, end) of a film, with their sound, into one mp4 (H.264, AAC) for browsers.

    Cuts are exact to the frame and the sample; frames keep their times, stand upright and keep their size up
    to 1080p. Pieces are cut off at the film's end. A source without picture gives an mp4 with sound only, one
    without sound a silent film. Raises MediaError for impossible pieces and for one after the film's end.
    """
    info = probe(path)
    pieces = _checked_pieces(path, segments, destination)
    with ExitStack() as stack:
        picture = stack.enter_context(closing(_Track(info, "video"))) if info.has_video else None
        sound = stack.enter_context(closing(_Track(info, "audio"))) if info.has_audio else None
        film = stack.enter_context(_FilmWriter.open(destination))
        if picture:
            film.add_video_like(picture.stream, _stored_rotation(path))
        if sound:
            film.add_audio(info.sampling_rate, min(info.channels, 2))
        for start, end in pieces:
            before = film.length
            _write_piece(film, picture, sound, (start, end))
            if film.length == before:
                raise MediaError(f"{path}: the piece from {start:g} s to {end:g} s is after the film's end.")


def cut_clips(path: AnyPath, segments: Sequence[Piece], destinations: Sequence[AnyPath]) -> None:
    """Write each piece [start, end) of a film to an mp4 of its own, as `cut_reel` would."""
    for segment, destination in zip(segments, destinations, strict=True):
        cut_reel(path, [segment], destination)


def write_film(
    path: AnyPath, frames: Iterable[Array], waveform: Array | None, *, fps: float, sampling_rate: int
) -> None:
    """Write frames and sound as an mp4 that plays in browsers (H.264 yuv420p, AAC, index first).

    frames: uint8 arrays (H, W, 3), all of one size; an odd last row or column is dropped.
    waveform: float32 (n,) or (n, 2) in [-1, 1], or None. The film lasts as long as the longer of the two.
    """
    pictures = iter(frames)
    first = next(pictures, None)
    if first is None:
        raise MediaError(f"{path}: no frames were given and a film needs at least one.")
    height, width = (size - size % 2 for size in first.shape[:2])
    rate = Fraction(fps).limit_denominator(1001)
    sound = np.zeros((1, 0)) if waveform is None else np.atleast_2d(np.asarray(waveform, np.float32).T)
    with _FilmWriter.open(path) as film:
        film.add_video(width, height, rate, 1 / rate)
        if waveform is not None:
            film.add_audio(sampling_rate, len(sound))
        for picture in chain([first], pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[:height, :width]), format="rgb24")
            film.append(1 / rate, frame, sound[:, film.samples :])
        rest = sound[:, film.samples :]
        film.append(Fraction(rest.shape[1], sampling_rate), sound=rest)


def _chunks(info: MediaInfo, audio: bool, sampling: FrameSampling | None, size: int) -> Iterator[MediaChunk]:
    with ExitStack() as stack:
        kinds = ["video"] * info.has_video + ["audio"] * info.has_audio
        tracks = {kind: stack.enter_context(closing(_Track(info, kind))) for kind in kinds}
        lanes: dict[str, Iterator] = {kind: track.seconds() for kind, track in tracks.items()}
        if audio and info.has_audio:
            lanes["audio"] = _Sound(tracks["audio"], 0.0, SAMPLING_RATE, 1).seconds()
        if sampling:
            lanes["video"] = _sampled(tracks["video"], sampling)
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


def _true_end(info: MediaInfo, tracks: dict[str, _Track]) -> float:
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


class _Decoded(NamedTuple):
    time: float
    length: float
    frame: av.VideoFrame | av.AudioFrame | av.Packet
    run: int  # changes where something before this frame was lost


class _Track:
    """One stream of a film, read up to `end`; in its own container, as bad interleaving would cost memory."""

    def __init__(self, info: MediaInfo, kind: str) -> None:
        self.path, self.kind, self.complained, self.finished = info.path, kind, False, False
        self._zero, self._container = info.start, None
        self._lost, self._good = [], 0  # where packets were lost; how many frames were not
        self._reopen()

    def close(self) -> None:
        self._container.close()

    def frames(self, start: float = 0.0) -> Iterator[_Decoded]:
        """Yield the frames in order to the stream's end, from one at or before `start` where there is one."""
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
        if len(self._lost) > 100 * self._good:  # by chance, a decoder makes something of what is none
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
        self._container, self.end = _open(self.path), 0.0
        self.indexed = self._container.format.name.startswith(("mov", "matroska"))  # its length is no guess
        self.stream = _pick(self._container, self.kind)
        for other in self._container.streams:
            other.discard = Discard.default if other is self.stream else Discard.all
        self.stream.thread_type = "AUTO"
        self._tick = float(self.stream.time_base)
        self._usual = 1 / float(getattr(self.stream, "base_rate", None) or 25)
        reordered = getattr(self.stream.codec_context, "has_b_frames", False)  # then mp4 knows no lengths
        self._longest = 2 * self._usual if reordered else MAX_GAP

    def _seek(self, time: float) -> bool:
        with suppress(av.FFmpegError):
            self._container.seek(int((time + self._zero) / self._tick), stream=self.stream)
            return True
        return False

    def _items(self, last: float | None, decode: bool = True) -> Iterator[_Decoded]:
        """Yield what follows until time stamps leap; `last` is the time before it, where that is known."""
        for packet in self._packets(after_seek=last is None):
            if not decode and (packet is None or packet.size == 0 or packet.is_discard):
                continue
            for item in self._decoded(packet) if decode else [packet]:
                stamp = item.dts if item.pts is None else item.pts
                time = self.end if stamp is None else stamp * self._tick - self._zero
                if last is not None and not -MAX_OVERLAP <= time - last <= MAX_GAP:
                    self.complain(f"leaps from {last:.1f} s to {time:.1f} s: the rest is ignored")
                    return
                length = self._length(item)
                last, self.end, self._good = time, max(self.end, time + length), self._good + 1
                yield _Decoded(time, length, item, len(self._lost))
        if self._lost:
            count = f"{len(self._lost)} packet{'s' * (len(self._lost) > 1)}"
            self.complain(f"is damaged: {count} left out from {self._lost[0]:.1f} s on")

    def _packets(self, after_seek: bool) -> Iterator[av.Packet | None]:
        """Yield packets, in the end an empty one or None, which make the decoder give what it still holds."""
        packets = self._container.demux(self.stream)
        try:  # decoders that are given something between key frames make up what they lack
            yield from dropwhile(lambda p: after_seek and p.size and not p.is_keyframe, packets)
        except av.FFmpegError as error:
            self.complain(f"is damaged after {self.end:.1f} s ({error.strerror}): the rest is ignored")
            yield None

    def _decoded(self, packet: av.Packet | None) -> list[av.VideoFrame | av.AudioFrame]:
        try:
            return self.stream.decode(packet)
        except av.FFmpegError:
            self._lost.append(self.end)
            return []

    def complain(self, what: str) -> None:
        self.complained = True
        warnings.warn(f"{self.path}: its {self.kind} {what}.", MediaWarning, stacklevel=2)

    def _length(self, item: av.VideoFrame | av.AudioFrame | av.Packet) -> float:
        claimed = (item.duration or 0) * self._tick
        if isinstance(item, av.AudioFrame):
            return min(claimed or math.inf, item.samples / item.sample_rate)
        return claimed if 0 < claimed <= self._longest else self._usual


class _Sound:
    """A track's sound from `start` on as one line of float32 samples (channels, n), served in any portions.

    Channels are mixed with weights that sum to at most one, so that equal channels keep their level: stereo
    to mono is the mean, 5.1 is FFmpeg's mix scaled down. Gaps become zeros, overlaps are dropped.
    """

    def __init__(self, track: _Track, start: float, rate: int, channels: int) -> None:
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

    def _joined(self, track: _Track) -> Iterator[Array]:
        item, items = None, track.frames(max(self._start - PREROLL, 0.0))
        for item, following in pairwise(chain(items, [None])):
            if following is None:  # its length leaves out what the encoder appended to fill its last frame
                self._limit = round((item.time + item.length - self._start) * self._rate)
            yield from self._resampled(item)
        yield from self._flushed()
        if item is None and self._start == 0:
            track.complain("holds nothing; silence stands in for it")

    def _resampled(self, item: _Decoded) -> Iterator[Array]:
        frame = item.frame
        setup = (frame.sample_rate, frame.layout.name, frame.format.name, item.run)
        if setup != self._setup or abs(item.time - self._due) > JITTER:
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
            "fltp", layout, self._rate, frame_size=self._rate // 4, options={"rematrix_maxval": "1"}
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
        samples = self._cleaned(frame.to_ndarray())
        if len(samples) != self._channels:
            samples = np.repeat(samples.mean(0, keepdims=True), self._channels, axis=0)
        block = samples[:, self._late :][:, : max(self._limit - self._written, 0)]
        self._late = max(self._late - samples.shape[1], 0)
        self._written += block.shape[1]
        return block


def _sampled(track: _Track, sampling: FrameSampling) -> Iterator[Array]:
    """Yield uint8 (P, H, W, 3) for one segment after the other, without end."""
    scaler, item, pictures = VideoReformatter(), None, []
    for nearest in _nearest(track, sampling.frames_per_segment):
        if nearest is not item:  # only frames that are kept are converted, and each but once
            item, picture = nearest, _upright(scaler, nearest.frame, sampling.width, sampling.height)
        pictures.append(picture)
        if len(pictures) == sampling.frames_per_segment:
            yield np.stack(pictures)
            pictures = []


def _nearest(track: _Track, per_segment: int) -> Iterator[_Decoded]:
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
        raise MediaError(f"{track.path}: nothing of its picture can be decoded.")
    yield from repeat(shown)


def _write_piece(film: _FilmWriter, picture: _Track | None, sound: _Track | None, piece: Piece) -> None:
    start, end = piece
    samples = sound and _Sound(sound, start, film.rate, film.channels)
    for begin, until, frame in _shown(picture, start, end) if picture else _steps(start, end):
        block = samples and samples.take(film.due(until - begin))
        if picture is None or begin >= picture.end:  # only the sound can tell how far the film still goes
            until = min(until, begin + (block.shape[1] / film.rate if sound else 0))
        if until > begin:
            film.append(until - begin, frame, block)


def _shown(track: _Track, start: float, end: float) -> Iterator[tuple[float, float, av.VideoFrame]]:
    """Yield (begin, until, frame) for what is seen from `start` to `end`; the last frame stays on."""
    held, since = None, start
    for item in track.frames(start):
        if held is not None and item.time - since >= SHORTEST:
            until = item.time if item.time <= end - SHORTEST else end
            yield from _steps(since, until, held)
            if until == end:
                return
            since = item.time
        held = item.frame
    if held is not None:
        own_end = min(max(track.end, since), end)
        yield from chain(_steps(since, own_end, held), _steps(own_end, end, held))


def _steps(begin: float, end: float, frame: av.VideoFrame | None = None) -> Iterator[tuple]:
    """Cut [begin, end) into steps of ten seconds at most, to bound the sound that goes with each."""
    while end - begin > SHORTEST / 10:
        yield begin, min(begin + 10.0, end), frame
        begin += 10.0


class _FilmWriter:
    """An mp4 being written: H.264 and AAC with explicit times, moved into place only when complete."""

    def __init__(self, container: av.container.OutputContainer) -> None:
        self._container, self._scaler = container, VideoReformatter()
        self._video = self._audio = None
        self.length = Fraction(0)
        self.samples = self.rate = self.channels = 0

    @classmethod
    @contextmanager
    def open(cls, path: AnyPath) -> Iterator[_FilmWriter]:
        """Yield a writer for `path`; nothing stays behind, and nothing is replaced, if the body fails."""
        target = Path(path)
        if not target.parent.is_dir():
            raise MediaError(f"{target}: cannot be written because the folder {target.parent} is not there.")
        temporary = target.absolute().with_name(f".{target.name}.{os.getpid()}.tmp")
        try:
            with av.open(str(temporary), "w", format="mp4", options={"movflags": "+faststart"}) as container:
                writer = cls(container)
                yield writer
                for stream in container.streams:
                    container.mux(stream.encode(None))
            os.replace(temporary, target)
        except (av.FFmpegError, OSError) as error:
            raise MediaError(f"{target}: cannot be written ({error.strerror}).") from error
        finally:
            temporary.unlink(missing_ok=True)

    def add_video(self, width: int, height: int, rate: Fraction, time_base: Fraction) -> None:
        """Add the H.264 picture, whose times are counted in `time_base`."""
        # Reordering would falsify frame lengths; frames that are looked ahead at stay in memory.
        options = {"preset": "veryfast", "crf": "20", "bf": "0", "rc-lookahead": "4"}
        shape = {"width": width, "height": height, "time_base": time_base}
        self._video = self._container.add_stream("libx264", rate, options, **shape)
        self._video.codec_context.flags |= av.codec.context.Flags.frame_duration

    def add_video_like(self, source: av.VideoStream, rotation: int) -> None:
        """Add a picture with square pixels, the source's colours and its upright size within REEL_LIMITS."""
        aspect = float(source.sample_aspect_ratio or 1)
        width, height = _turned(source.width * aspect, source.height, rotation)
        scale = min(1.0, REEL_LIMITS[0] / max(width, height), REEL_LIMITS[1] / min(width, height))
        even = [max(2, 2 * round(side * scale / 2)) for side in (width, height)]
        self.add_video(*even, source.average_rate or source.guessed_rate or Fraction(25), Fraction(1, 90000))
        for name in ("colorspace", "color_range", "color_primaries", "color_trc"):
            if value := getattr(source.codec_context, name):  # zero: unknown, or RGB
                setattr(self._video.codec_context, name, value)

    def add_audio(self, rate: int, channels: int) -> None:
        """Add AAC sound, mono or stereo, of samples at `rate`; a rate that AAC lacks is played at 48 kHz."""
        self.rate, self.channels = rate, channels
        self._audio = self._container.add_stream("aac", rate=rate if rate in AAC_RATES else 48000)
        self._audio.layout, self._audio.bit_rate = "mono" if channels == 1 else "stereo", 64000 * channels

    def due(self, seconds: float) -> int:
        """How many samples there are from the last one written to `seconds` after the film's present end."""
        return round((self.length + seconds) * self.rate) - self.samples

    def append(self, seconds: float, frame: av.VideoFrame | None = None, sound: Array | None = None) -> None:
        """Lengthen the film by a frame and float32 sound (channels, n), cut or filled with zeros to fit."""
        if frame is not None:
            fitted, base = self._fitted(frame), self._video.codec_context.time_base
            fitted.time_base, fitted.pts, fitted.pict_type = base, round(self.length / base), 0
            fitted.duration = round((self.length + seconds) / base) - fitted.pts
            self._container.mux(self._video.encode(fitted))
        if self._audio is not None and (due := self.due(seconds)) > 0:
            samples = np.zeros((self.channels, due), np.float32)
            samples[:, : sound.shape[1]] = sound[:, :due]
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=self._audio.layout.name)
            frame.sample_rate, frame.time_base, frame.pts = self.rate, Fraction(1, self.rate), self.samples
            self._container.mux(self._audio.encode(frame))
            self.samples += due
        self.length += seconds

    def _fitted(self, frame: av.VideoFrame) -> av.VideoFrame:
        width, height, colours = self._video.width, self._video.height, frame.colorspace
        if _rotation(frame):
            frame = av.VideoFrame.from_ndarray(_upright(self._scaler, frame, width, height), format="rgb24")
        return self._scaler.reformat(frame, width, height, "yuv420p", dst_colorspace=colours)


def _upright(scaler: VideoReformatter, frame: av.VideoFrame, width: int, height: int) -> Array:
    """The frame as uint8 RGB (height, width, 3), turned as its display matrix says."""
    picture = scaler.reformat(frame, *_turned(width, height, _rotation(frame)), "rgb24").to_ndarray()
    return np.ascontiguousarray(np.rot90(picture, _rotation(frame) // 90))


def _stored_rotation(path: AnyPath) -> int:
    """Degrees by which the picture is to be turned, as its first frame says."""
    with _open(path) as container, suppress(av.FFmpegError, StopIteration):
        return _rotation(next(container.decode(_pick(container, "video"))))
    return 0


def _rotation(frame: av.VideoFrame) -> int:
    """Degrees counter-clockwise, 0, 90, 180 or 270, by which a frame is turned to stand upright."""
    return round(frame.rotation / 90) * 90 % 360


def _turned(width: float, height: float, rotation: int) -> tuple:
    return (height, width) if rotation % 180 else (width, height)


def _open(path: AnyPath) -> av.container.InputContainer:
    file = Path(path)
    found = "" if file.is_file() else "there is no such file"
    if file.exists() and not file.is_file():
        found = "it is a folder" if file.is_dir() else "it is no regular file"
    if found or file.stat().st_size == 0:
        raise MediaError(f"{path}: {found or 'it is empty'}; a film or sound file is needed.")
    try:  # the white list keeps play lists from fetching anything
        options = {"protocol_whitelist": "file"}
        container = av.open(str(file.absolute()), options=options, metadata_errors="ignore")
    except (av.FFmpegError, OSError) as error:
        raise MediaError(f"{path}: not a film or sound file that can be read ({error.strerror}).") from error
    if container.format.name in STILLS or container.format.name.endswith("_pipe"):
        container.close()
        raise MediaError(f"{path}: is text or a still picture; a film or sound file is needed.")
    return container


def _pick(container: av.container.InputContainer, kind: str) -> av.VideoStream | av.AudioStream | None:
    """The best stream of a kind that can be decoded and is no cover picture, or None."""
    streams = [stream for stream in container.streams if stream.type == kind and stream.codec_context]
    streams = [stream for stream in streams if not stream.disposition & Disposition.attached_pic]
    best = container.streams.best(kind)
    return best if best in streams else next(iter(streams), None)


def _checked_pieces(path: AnyPath, segments: Sequence[Piece], destination: AnyPath) -> list[Piece]:
    pieces = [(float(start), float(end)) for start, end in segments]
    if not pieces:
        raise MediaError(f"{path}: no pieces to cut were given, and at least one is needed.")
    for start, end in pieces:
        if not 0 <= start < end < math.inf:
            raise MediaError(f"{path}: cannot cut from {start:g} s to {end:g} s; 0 <= start < end is needed.")
    if os.path.exists(destination) and os.path.samefile(path, destination):
        raise MediaError(f"{destination}: is the film itself; what is cut from it needs a different name.")
    return pieces
