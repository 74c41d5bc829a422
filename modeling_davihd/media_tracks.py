"""A film's streams: what its headers say of them, and their frames in order, each with its time.

Nothing else opens or demultiplexes media. All times are seconds on the film's own time line.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import chain, dropwhile, islice
from pathlib import Path
from typing import Any, NamedTuple

import av
from av.stream import Discard, Disposition

from .media_holes import COUNTING, put_in_place
from .media_limits import DEFAULT_LIMITS, JITTER, Budget, DecodingLimits, MediaError, MediaWarning
from .media_sounds import SoundTrack, sound_tracks
from .media_thinning import Nearest
from .media_times import Clock, Restarts, Undated, find_restarts, rebased

MAX_OVERLAP = 10.0  # seconds; time stamps that step back further are damage, and what follows is ignored
SEEK_BACK = (0.0, 5.0, 60.0)  # seconds before the target, tried in turn: an index may lead past its target
MOST_BEFORE_GROUP = 50  # packets; the group of pictures that they belong to has been cut off
MOST_LOST = 50_000  # packets; once so many cannot be decoded, a film with hardly any that can is given up
# FFmpeg holds a picture for each thread that decodes: at most MOST_THREADS of them, and fewer where pictures
# are so large that together they would have more than PIXELS_AT_ONCE.
MOST_THREADS = 16
PIXELS_AT_ONCE = 128_000_000
# Codecs of which a decoder can tell the pictures that no other is made from. HEVC's say so of one layer only.
LEAVING_OUT = ("h264", "mpeg1video", "mpeg2video")
BESIDE = 0.1  # seconds before a time that is asked for, in which a filter may look at every picture
# FFmpeg's names of what is read: files that themselves hold sound or moving pictures. Play lists, which lead
# to other files, pictures and text, which it would play as well, and hundreds of rarities are not among them.
FORMATS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,apng,asf,au,av1,avi,caf,dhav,dts,dtshd,dv,eac3,flac,flv,gif,gxf,h264,"
    "hevc,ivf,loas,m4v,matroska,webm,mlp,mov,mp4,mp3,mpc,mpc8,mpeg,mpegts,mpegvideo,mxf,nsv,nut,obu,ogg,qcp,rm,tak,"
    "truehd,tta,vc1,voc,vvc,w64,wav,wtv,wv,xwma,yuv4mpegpipe"
)

AnyPath = str | os.PathLike
# PyAV's classes for picture and for sound share too little to be used as one; a track's kind says which.
AnyStream = Any  # av.VideoStream or av.AudioStream
AnyFrame = Any  # av.VideoFrame or av.AudioFrame


@dataclass(frozen=True)
class MediaInfo:
    """What a file's headers claim; claims can be false, and nothing is sized by them.

    width, height: of the picture as stored, which players may turn by a quarter. sampling_rate: of the first
    sound track that is heard. channels: of the one that has most. sounds: all sound tracks. start: time stamp
    at which the film's own time line begins. restarts: where time begins anew on the way, as it does where
    recordings have been joined; found in the packets, of formats in which it can. timecode: of its first
    frame, as cameras write it: "01:00:00:00". reel: of which tape or card. fps: on average; nominal_fps: by
    its time stamps. picture_start: when the first picture is shown.
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
    timecode: str | None = None
    reel: str | None = None
    nominal_fps: float | None = None
    picture_start: float = 0.0
    sounds: tuple[SoundTrack, ...] = ()
    restarts: Restarts = field(default_factory=dict, repr=False)


def probe(
    path: AnyPath | MediaInfo, limits: DecodingLimits = DEFAULT_LIMITS, audio_track: str | None = None
) -> MediaInfo:
    """Say what a file holds, from its headers; raises MediaError where it is no media.

    Where the format lets time begin anew on the way, packets are read as well, though not decoded.
    What has been probed before, a MediaInfo, is returned as it is.
    audio_track: number, from 1, name or language of the sound tracks to hear. By default all of the film's
        own language are heard, save commentaries and the like.
    """
    if isinstance(path, MediaInfo):
        return path
    with open_media(path, limits) as container:
        video, sounds = pick_picture(container), sound_tracks(container, path, audio_track)
        audio = [container.streams[one.index] for one in sounds if one.heard]
        streams = [video, *audio] if video else audio
        if not streams:
            raise MediaError(f"{path}: holds no picture and no sound that can be decoded.")
        starts = [_start_of(stream) for stream in streams if stream.start_time is not None]
        facts: dict = {"start": min(starts, default=0.0)}
        if audio:
            facts["sampling_rate"] = audio[0].sample_rate
            facts["channels"] = max(stream.channels for stream in audio)
        if video:
            rate = video.average_rate or video.guessed_rate
            facts |= {"width": video.width, "height": video.height, "fps": rate and float(rate)}
            facts["nominal_fps"] = video.base_rate and float(video.base_rate)
            facts["picture_start"] = 0.0 if video.start_time is None else _start_of(video) - facts["start"]
        facts["duration"] = container.duration and container.duration / av.time_base
        tags = [container.metadata, *(stream.metadata for stream in container.streams)]
        facts["timecode"] = next((one["timecode"] for one in tags if "timecode" in one), None)
        facts["reel"] = next((one["reel_name"] for one in tags if "reel_name" in one), None)
        if facts["timecode"] is None:
            facts["timecode"] = _group_timecode(video, path, limits) if video else _wave_timecode(container)
        facts["restarts"], end = find_restarts(container, streams, limits)
        if facts["restarts"]:
            facts["duration"] = end - facts["start"]
        return MediaInfo(Path(path), has_video=bool(video), has_audio=bool(audio), sounds=sounds, **facts)


def _wave_timecode(container: av.container.InputContainer) -> str | None:
    """When a broadcast wave was recorded, at 25 frames a second."""
    samples, rate = container.metadata.get("time_reference", ""), container.streams.audio[0].sample_rate
    if not (samples.isdecimal() and len(samples) < 20 and rate):
        return None
    seconds, rest = divmod(int(samples), rate)
    clock = f"{seconds // 3600 % 24:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{clock}:{rest * 25 // rate:02d}"


def _start_of(stream: AnyStream) -> float:
    """When a stream starts, by its header, in seconds."""
    return float(stream.start_time * stream.time_base)


def _group_timecode(video: av.VideoStream, path: AnyPath, limits: DecodingLimits) -> str | None:
    """What the first group of MPEG-2 pictures is numbered with; None for other pictures."""
    if video.codec_context.name not in ("mpeg1video", "mpeg2video"):
        return None
    with open_media(path, limits) as container:
        with suppress(av.FFmpegError, IndexError):
            for packet in islice(container.demux(container.streams[video.index]), MOST_BEFORE_GROUP):
                code = bytes(packet).partition(b"\x00\x00\x01\xb8")[2]
                if len(code) >= 4:
                    bits = int.from_bytes(code[:4], "big") >> 7
                    time = f"{bits >> 19 & 31:02d}:{bits >> 13 & 63:02d}:{bits >> 6 & 63:02d}"
                    return f"{time}{';' if bits >> 24 else ':'}{bits & 63:02d}"
    return None


def open_media(path: AnyPath, limits: DecodingLimits = DEFAULT_LIMITS) -> av.container.InputContainer:
    """Open a regular file of one of FORMATS, and nothing that it may refer to.

    Raises MediaError for anything else.
    """
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


def pick_picture(container: av.container.InputContainer) -> av.VideoStream | None:
    """The best picture that can be decoded and is no cover, or None."""
    streams = [stream for stream in container.streams.video if stream.codec_context]
    streams = [stream for stream in streams if not stream.disposition & Disposition.attached_pic]
    best = container.streams.best("video")
    return best if best in streams else next(iter(streams), None)


class Decoded(NamedTuple):
    """A frame, or a packet where nothing is decoded, and when it is presented.

    run: another number than the one before if something between the two was lost.
    """

    time: float
    length: float
    frame: Any  # AnyFrame or av.Packet
    run: int


class Track:
    """One stream of a film, of which everything up to `end`, in seconds, has been read.

    Each track opens the film for itself: if they shared a container, bad interleaving would cost memory.
    finished: whether the stream was read to its end. complained: whether there was a warning about it.
    indexed: whether the film's headers know its length; those of other formats guess it. searchable: whether
    every time that was asked for has been found without reading the film from its beginning. quiet: whether
    warnings are left out, for films of which they have been given before. needed_from: a time; of pictures
    that are over by then, those that no other is made from may be missing among the frames.
    """

    def __init__(
        self,
        info: MediaInfo,
        kind: str,
        limits: DecodingLimits = DEFAULT_LIMITS,
        index: int | None = None,
        quiet: bool = False,
    ) -> None:
        """kind: "video" or "audio". index: of the stream; by default the first sound that is heard."""
        self.path, self.kind, self.budget = info.path, kind, Budget(info.path, kind, limits)
        self.finished = self.complained = False
        self.searchable, self._quiet, self.needed_from = True, quiet, -math.inf
        self._info = info
        self._index = next((one.index for one in info.sounds if one.heard), -1) if index is None else index
        self._from = -math.inf  # packets before this time are not wanted
        self._wanted: Nearest | None = None  # pictures; the others may be left out
        self._interlaced = False
        self._complaints: set[str] = set()
        self._lost: list[float] = []  # times at which a packet could not be decoded
        self._good, self._covered = 0, 0.0  # how many frames could, and how many seconds they last
        self._open()

    @classmethod
    def all_of(
        cls, info: MediaInfo, kind: str, limits: DecodingLimits, *, quiet: bool = False
    ) -> list[Track]:
        """The film's picture, or every sound track that is heard."""
        if kind == "video":
            return [cls(info, kind, limits, quiet=quiet)] if info.has_video else []
        return [cls(info, kind, limits, one.index, quiet) for one in info.sounds if one.heard]

    def close(self) -> None:
        self._container.close()

    def frames(self, start: float = 0.0) -> Iterator[Decoded]:
        """Yield the frames in order to the stream's end, from one at or before `start` where there is one.

        Until shortly before `start`, pictures that no other is made from may be missing.
        """
        self.budget.start_pass()
        self.needed_from = start - BESIDE
        for back in SEEK_BACK:
            if start > back and self._seek(start - back):
                items = self._items(None)
                first = next(items, None)
                if first is not None and first.time <= start:
                    yield from chain([first], items)
                    return
        self.searchable = self.searchable and not start
        self._rewind()
        yield from self._items(0.0)
        self.finished = True
        self._check_lost()

    def frames_nearest(self, rate: int) -> Iterator[Decoded]:
        """Yield all frames that are nearest to (k + 0.5) / rate seconds, k = 0, 1, ..., and some others.

        Pictures that are not, and that no other is made from, are not decoded. Where one is damaged, those
        beside it count: from there on, all are decoded.
        """
        self._wanted, reached = Nearest(rate), -math.inf
        for item in self.frames():
            if item.run:
                break
            reached = item.time
            yield item
        self._wanted = None
        if self._lost:
            self._lost = []
            yield from (item for item in self.frames(max(reached, 0.0)) if item.time > reached)
            self.finished = True

    def seconds(self) -> Iterator[None]:
        """Yield once for every second that the stream reaches into, without decoding it."""
        reached = 0
        for _ in self._items(0.0, decode=False):
            while reached < self.end:
                reached += 1
                yield
        self.finished = True

    def complain(self, what: str) -> None:
        """Give a MediaWarning that says what is wrong with the stream, once."""
        self.complained = True
        if not self._quiet and what not in self._complaints:
            warnings.warn(f"{self.path}: its {self.kind} {what}.", MediaWarning, stacklevel=2)
        self._complaints.add(what)

    # The container

    def _open(self) -> None:
        self._container, self.end = open_media(self.path, self.budget.limits), 0.0
        self._at_start = True  # nothing has been read or searched for since
        self.indexed = self._container.format.name.startswith(("mov", "matroska"))
        streams = self._container.streams
        self.stream: AnyStream = (
            pick_picture(self._container) if self.kind == "video" else streams[self._index]
        )
        for other in self._container.streams:
            other.discard = Discard.default if other is self.stream else Discard.all
        self._prepare_decoder()
        self._clock = Clock.of(self.stream, self._info.start, longest=self.budget.limits.silence)

    def _prepare_decoder(self) -> None:
        """Check what the headers say, and hold the decoder to it."""
        context, limits = self.stream.codec_context, self.budget.limits
        context.thread_type = "AUTO"
        if limits.thread_count:
            context.thread_count = limits.thread_count
        if self.kind == "audio":
            if context.sample_rate:
                self.budget.check_sound(context.sample_rate, context.channels)
            return
        self.budget.check_picture(context.width, context.height)
        context.options = {"max_pixels": _as_option(limits.pixels)}
        pixels = context.width * context.height
        if pixels * MOST_THREADS > PIXELS_AT_ONCE:
            threads = limits.thread_count or os.cpu_count() or 1
            context.thread_count = max(1, min(PIXELS_AT_ONCE // pixels, threads))

    def _rewind(self) -> None:
        """Go back to the beginning by opening the film again, as not every format can be searched."""
        if not self._at_start:
            self._container.close()
            self._open()

    def _seek(self, time: float) -> bool:
        """Go to a key frame at or before a time, or, where time begins anew on the way, at or after it."""
        self._from = -math.inf
        if self._info.restarts:  # the same time stamps come twice
            self._rewind()
            self._from = time
            return True
        self._at_start = False
        with suppress(av.FFmpegError):
            self._container.seek(self._clock.stamp(time), stream=self.stream)
            return True
        return False

    # From packets to frames

    def _items(self, last: float | None, decode: bool = True) -> Iterator[Decoded]:
        """Yield what follows until time stamps leap; `last` is the time before it, where that is known."""
        for item in self._undated(decode, after_seek=last is None):
            time = self._clock.time(item)
            if time is None:
                time = self.end
            due = time if decode else self._clock.order(item, time)
            if last is not None and self._leaps(last, time if self._good == 0 else due):
                return
            length = self._clock.length(item)
            last, self.end = due, max(self.end, time + length)
            self._good, self._covered = self._good + 1, self._covered + length
            self.budget.check_end(self.end)
            yield Decoded(time, length, item, len(self._lost))
        if self._lost and self._wanted is None:
            count = f"{len(self._lost)} packet{'s' * (len(self._lost) > 1)}"
            self.complain(f"is damaged: {count} left out from {self._lost[0]:.1f} s on")

    def _leaps(self, last: float, time: float) -> bool:
        """Whether the step from one time to the next is so large that what follows cannot be trusted.

        Pictures may stand still for long, and sound be missing, if the film goes on meanwhile.
        """
        if -MAX_OVERLAP <= time - last <= self.budget.limits.silence:
            return False
        if self._good == 0:
            self.budget.refuse(f"starts at {time:.1f} s of the film", "silence")
        if last < time and self.budget.allows_end(time) and self._only_pauses(last, time):
            return False
        self.complain(f"leaps from {last:.1f} s to {time:.1f} s: the rest is ignored")
        return True

    def _only_pauses(self, last: float, time: float) -> bool:
        """Whether the film goes on between two times far apart: only this stream has nothing there."""
        if not (self._info.has_audio and self._info.has_video):
            return self.kind == "video"
        other = "audio" if self.kind == "video" else "video"
        with closing(Track(self._info, other, self.budget.limits)) as track:
            return track._has_any(last + JITTER, time - JITTER)

    def _has_any(self, after: float, before: float) -> bool:
        """Whether the stream has anything between two times."""
        self._seek((after + before) / 2)
        with suppress(av.FFmpegError):
            for time in map(self._clock.time, self._demuxed()):
                if time is not None and time > after:
                    return time < before
        return False

    def _undated(self, decode: bool, after_seek: bool) -> Iterator[Undated]:
        """Yield the frames of each packet or, where nothing is to be decoded, the packet itself."""
        shown = -math.inf  # when the last one of the pictures so far is
        packets = self._packets(after_seek)
        if decode and self._wanted is not None and self.stream.codec_context.codec.intra_only:
            packets = self._thinned(packets, self._wanted)
        for packet in packets:
            if decode:
                shown = self._leave_out(packet, shown)
                yield from self._decoded(packet)
            elif packet is not None and packet.size and not packet.is_discard:
                yield packet

    def _thinned(self, packets: Iterator[av.Packet | None], wanted: Nearest) -> Iterator[av.Packet | None]:
        """Leave out pictures, none of which is made from another, each once it is known what follows it."""
        held: list[av.Packet | None] = []
        for packet in packets:
            time = self._known_time(packet)
            if time is not None:
                wanted.know(time)
            if held and self._is_wanted(held[0], wanted):
                yield held[0]
            held = [packet]
        yield from held

    def _is_wanted(self, packet: av.Packet | None, wanted: Nearest) -> bool:
        time = self._known_time(packet)
        if packet is None or time is None or wanted.may_be(time):
            return True
        self._covered += self._clock.length(packet)
        return False

    def _known_time(self, packet: av.Packet | None) -> float | None:
        """When the picture of a packet is shown, if there is one and if it is."""
        return (
            self._clock.time(packet) if packet is not None and packet.size and not packet.is_discard else None
        )

    def _leave_out(self, packet: av.Packet | None, shown: float) -> float:
        """Have the decoder leave a picture out if it can, and if another one follows it before `needed_from`,
        or others are nearer to what is wanted.

        shown: when the last picture before this packet is; with it is returned.
        """
        context = self.stream.codec_context
        if context.name not in LEAVING_OUT:
            return shown
        context.skip_frame, time = "DEFAULT", self._known_time(packet)
        if packet is None or packet.pts is None or time is None:
            return shown
        passed = shown <= self.needed_from
        if self._wanted is not None:
            self._wanted.know(time)
            # The two halves of an interlaced picture may come in two packets.
            passed = self._good > 0 and not self._interlaced and not self._is_wanted(packet, self._wanted)
        if time < shown and passed:
            context.skip_frame = "NONREF"
        return max(shown, time)

    def _packets(self, after_seek: bool) -> Iterator[av.Packet | None]:
        """Yield packets, in the end an empty one or None, which make the decoder give what it still holds."""
        packets, covered = self._demuxed(), self._covered
        try:  # decoders that are given something between key frames make up what they lack
            wanted = dropwhile(self._is_before_target, packets) if after_seek else packets
            for count, packet in enumerate(wanted):
                self.budget.check_packets(count, self._covered - covered)
                yield packet
        except av.FFmpegError as error:
            self.complain(f"is damaged after {self.end:.1f} s ({error.strerror}): the rest is ignored")
            yield None

    def _demuxed(self) -> Iterator[av.Packet]:
        """The stream's packets, in the end an empty one, after which PyAV may stumble over later streams."""
        self._at_start = False
        packets = self._container.demux(self.stream)
        if self._container.format.name in COUNTING:
            packets = put_in_place(packets, self.stream, self.complain)
        with suppress(IndexError):  # it flushes those that begin on the way without knowing them
            yield from rebased(packets, self._info.restarts.get(self.stream.index, ()))

    def _is_before_target(self, packet: av.Packet) -> bool:
        """Whether decoding cannot begin with a packet that comes after a search."""
        time = self._clock.time(packet)
        return packet.size > 0 and (not packet.is_keyframe or (time is not None and time < self._from))

    def _decoded(self, packet: av.Packet | None) -> list[AnyFrame]:
        try:
            frames = self.stream.decode(packet)
        except av.FFmpegError:
            self._lost.append(self.end)
            if len(self._lost) > MOST_LOST:
                self._check_lost()
            return []
        if self.kind == "video":
            self._interlaced |= any(frame.interlaced_frame for frame in frames)
            self.budget.spend_pixels(sum(frame.width * frame.height for frame in frames))
        return frames

    def _check_lost(self) -> None:
        if len(self._lost) > 100 * self._good:  # by chance, a decoder makes something of what is none
            raise MediaError(f"{self.path}: nothing of its {self.kind} can be decoded.")
