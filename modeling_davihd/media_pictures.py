"""Pictures as they are meant to be seen: upright, with square pixels, in one size and one kind of colours.

FFmpeg's own filters do the work, so that a reel shows what its other tools show of the film.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import SideDataContainer
from av.video.reformatter import VideoReformatter

from .media_filters import Chain, Step
from .media_limits import DecodingLimits, MediaError
from .media_tones import HLG, PQ, steps_to_sdr
from .media_tracks import AnyPath, Decoded, MediaInfo, Track

REEL_LIMITS = (4096, 2160)  # pixels: longer and shorter side of a reel, 4K of cinemas
NO_LIMITS = (10**6, 10**6)
# FFmpeg's numbers of colour matrices, AVCOL_SPC: what they are, and which of them swscale can convert.
BT709, UNKNOWN, BT601 = 1, 2, 5
SAME_MATRIX = {UNKNOWN: BT601, 6: BT601}  # where nothing is said, FFmpeg takes BT.601
CONVERTIBLE = {BT709, 4, BT601, 7, 9}
LIMITED, FULL = 1, 2  # its numbers of colour ranges, AVCOL_RANGE; 0 where nothing is said

Array = np.ndarray
NEUTRAL: Step = ("setparams", {"colorspace": "unknown"})
BWDIF: Step = ("bwdif", {"mode": "send_frame", "deint": "interlaced"})


@dataclass(frozen=True)
class Orientation:
    """How a stored picture becomes upright: mirrored at its diagonal, then left to right, then top down."""

    transposed: bool
    mirrored: bool
    flipped: bool

    @classmethod
    def of(cls, frame: av.VideoFrame) -> Orientation:
        """The one of the eight that comes closest to the frame's display matrix."""
        a, b, c, d = _display_matrix(frame)
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return cls(False, mirrored=a < 0, flipped=d < 0)
        return cls(True, mirrored=c < 0, flipped=b < 0)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """The width and height of a picture once it is turned, or before it was."""
        return (height, width) if self.transposed else (width, height)

    def turned(self, picture: Array) -> Array:
        """An array (height, width, channels) as it is to be seen."""
        picture = picture.swapaxes(0, 1) if self.transposed else picture
        picture = picture[:: -1 if self.flipped else 1, :: -1 if self.mirrored else 1]
        return np.ascontiguousarray(picture)

    def steps(self) -> list[Step]:
        """The same as filters."""
        diagonal: Step = ("transpose", {"dir": "cclock_flip"})
        return [diagonal] * self.transposed + [("hflip", {})] * self.mirrored + [("vflip", {})] * self.flipped


def _display_matrix(frame: av.VideoFrame) -> tuple[float, ...]:
    """Two rows of it: a point (x, y) is shown at x times the first plus y times the second."""
    numbers = side_numbers(frame, "DISPLAYMATRIX", 9)
    if numbers is None:
        turn = math.radians(frame.rotation)
        return math.cos(turn), -math.sin(turn), math.sin(turn), math.cos(turn)
    return tuple(numbers[[0, 1, 3, 4]].tolist())


def side_numbers(frame: av.VideoFrame, name: str, count: int) -> np.ndarray | None:
    """The int32 numbers of a frame's side data of that name; None if there are fewer, or PyAV cannot tell."""
    try:
        # Not `frame.side_data`, by which a frame keeps itself: pictures would pile up, gigabytes of
        # them, until the garbage collector comes.
        data: Any = SideDataContainer(frame).get(name)  # type: ignore[call-arg]
    except ValueError:  # PyAV stumbles over kinds of side data that it does not know
        return None
    numbers = None if data is None else np.frombuffer(bytes(data), np.int32)
    return numbers if numbers is not None and len(numbers) >= count else None


def upright(scaler: VideoReformatter, frame: av.VideoFrame, width: int, height: int, **how: Any) -> Array:
    """The frame as uint8 RGB (height, width, 3), turned as its display matrix says; how: PyAV may scale."""
    orientation = Orientation.of(frame)
    width, height = orientation.size(width, height)
    picture = scaler.reformat(frame, width, height, "rgb24", **how).to_ndarray()
    return orientation.turned(picture)


@dataclass(frozen=True)
class Colours:
    """How the numbers of a YUV picture stand for colours, in the numbers that FFmpeg has for it."""

    matrix: int
    range: int
    primaries: int
    transfer: int

    @classmethod
    def of(cls, frame: av.VideoFrame) -> Colours:
        """What a frame says of itself; one of RGB is to become BT.709 of limited range."""
        matrix, extent = frame.colorspace or UNKNOWN, frame.color_range
        if _is_rgb(frame):
            matrix, extent = BT709, LIMITED
        elif frame.format.name.startswith("yuvj"):
            extent = FULL
        return cls(matrix, extent, frame.color_primaries or UNKNOWN, frame.color_trc or UNKNOWN)

    @property
    def is_hdr(self) -> bool:
        return self.transfer in (PQ, HLG)

    def steps_from(self, frame: av.VideoFrame) -> tuple[list[Step], dict[str, str]]:
        """Filters before that which scales, and options of the latter, to give a frame these colours."""
        options = {"out_range": "pc" if self.range == FULL else "tv"}
        mapped = [] if self.is_hdr or not Colours.of(frame).is_hdr else steps_to_sdr(frame.color_trc)
        if _is_rgb(frame) or mapped:
            return mapped, options | {"out_color_matrix": str(_known(self.matrix))}
        before, after = _known(frame.colorspace), _known(self.matrix)
        if before == after or not {before, after} <= CONVERTIBLE:
            return [NEUTRAL], options  # or swscale would refuse those that it does not know
        return [], options | {"in_color_matrix": str(before), "out_color_matrix": str(after)}


SDR = Colours(matrix=BT709, range=LIMITED, primaries=BT709, transfer=BT709)


def _known(matrix: int) -> int:
    return SAME_MATRIX.get(matrix, matrix)


def _is_rgb(frame: av.VideoFrame) -> bool:
    shape = frame.format
    return shape.is_rgb or shape.has_palette or shape.name.startswith(("mono", "xyz"))


def progressive(items: Iterable[Decoded], threads: int | None = None) -> Iterator[Decoded]:
    """Yield the items of a track, from the first interlaced one on without the combs of two fields in one."""
    kind, chain, waiting = None, None, deque[Decoded]()  # items that the filter has not given back yet
    for item in items:
        shape = (item.frame.width, item.frame.height, item.frame.format.name)
        if chain is not None and shape != kind:
            yield from _replaced(waiting, chain.passed(None))
            chain = None
        if chain is None and item.frame.interlaced_frame and item.frame.height >= 4 <= item.frame.width:
            kind, chain = shape, Chain.of_pictures(item.frame, [BWDIF], threads)
        if chain is None:
            yield item
        else:
            waiting.append(item)
            yield from _replaced(waiting, chain.passed(item.frame))
    if chain is not None:
        yield from _replaced(waiting, chain.passed(None))


def _replaced(waiting: deque[Decoded], frames: Iterable[av.VideoFrame]) -> Iterator[Decoded]:
    for frame in frames:
        yield waiting.popleft()._replace(frame=frame)


class Fitter:
    """Makes the frames of a film alike: upright, with the shape and the colours of one, in bars if need be.

    path: the film, for messages. stream: where the frames come from, of which none has been decoded yet;
    None: their pixels are square. limits: pixels of the longer and of the shorter side. height: rows at the
    most; None: as many as these allow.
    pixel_format: FFmpeg's name of what all frames become.
    width, height, colours: what all frames get, once `begin` has seen one; both sides are even.
    """

    def __init__(
        self,
        path: AnyPath,
        stream: Any = None,
        *,
        limits: tuple[int, int] = REEL_LIMITS,
        height: int | None = None,
        threads: int | None = None,
    ) -> None:
        aspect = _aspect_of_container(stream)
        self._square: list[Step] = [("setsar", {"sar": str(aspect)})] if aspect else []
        self._path, self._limits, self._threads = path, (*limits, height or max(limits)), threads
        self.pixel_format = "yuv420p"
        self._kind: tuple | None = None  # of the frames that self._chain is for
        self._chain: Any = None

    def begin(self, first: av.VideoFrame) -> None:
        """Take shape and colours of a frame; raises MediaError where it cannot be scaled."""
        longer, shorter, highest = self._limits
        upright = "iw*sar" if Orientation.of(first).transposed else "ih"
        scale = f"min(min(1,{highest}/{upright}),min({longer}/max(iw*sar,ih),{shorter}/min(iw*sar,ih)))"
        size = {"w": f"2*max(1,round(iw*sar*{scale}/2))", "h": f"2*max(1,round(ih*{scale}/2))"}
        with self._scaling(first):
            chain = Chain.of_pictures(
                first, [*self._square, NEUTRAL, ("scale", size | {"eval": "frame"})], self._threads
            )
            [shaped] = chain.passed(first)
        self.width, self.height = Orientation.of(first).size(shaped.width, shaped.height)
        self.colours = Colours.of(first)

    def fit(self, frame: av.VideoFrame) -> av.VideoFrame:
        """A frame in that format, of width x height; raises MediaError where it cannot be scaled."""
        orientation = Orientation.of(frame)
        kind = (
            frame.width,
            frame.height,
            frame.format.name,
            frame.colorspace,
            frame.color_range,
            frame.color_trc,
            orientation,
        )
        with self._scaling(frame):
            if kind != self._kind:
                steps = [*self._square, *self._steps(frame, orientation), *orientation.steps()]
                self._kind, self._chain = kind, Chain.of_pictures(frame, steps, self._threads)
            [fitted] = self._chain.passed(frame)
        return fitted

    def _steps(self, frame: av.VideoFrame, orientation: Orientation) -> list[Step]:
        """Filters that scale into the middle of a stored picture, whose colours they convert."""
        width, height = orientation.size(self.width, self.height)
        scale = f"min({width}/(iw*sar),{height}/ih)"
        # Bars are an even number of pixels wide; less than two of them on both sides are none.
        size = {
            "w": f"{width}-4*floor(max(0,{width}-iw*sar*{scale})/4)",
            "h": f"{height}-4*floor(max(0,{height}-ih*{scale})/4)",
        }
        neutral, conversion = self.colours.steps_from(frame)
        bars = {"w": str(width), "h": str(height), "x": "(ow-iw)/2", "y": "(oh-ih)/2"}
        return [
            *neutral,
            ("scale", size | conversion | {"eval": "frame", "flags": "bicubic+accurate_rnd+full_chroma_inp"}),
            ("format", {"pix_fmts": self.pixel_format}),
            ("pad", bars | {"eval": "frame"}),
        ]

    @contextmanager
    def _scaling(self, frame: av.VideoFrame) -> Iterator[None]:
        try:
            yield
        except av.FFmpegError as error:  # swscale fails at some pictures that are one point wide
            shape = f"{frame.width} x {frame.height}"
            raise MediaError(f"{self._path}: its pictures of {shape} pixels cannot be scaled.") from error


def shown_size(info: MediaInfo, limits: DecodingLimits) -> tuple[int, int]:
    """Width and height of a film's picture as it is shown: upright, with square pixels, both sides even.

    Decodes its first frame. Raises MediaError where there is none.
    """
    with closing(Track(info, "video", limits, quiet=True)) as track:
        first = next(track.frames(), None)
        if first is None:
            raise MediaError(f"{info.path}: nothing of its video can be decoded.")
        fitter = Fitter(info.path, track.stream, limits=NO_LIMITS, threads=limits.thread_count)
        fitter.begin(first.frame)
        return fitter.width, fitter.height


def _aspect_of_container(stream: Any) -> Fraction | None:
    """The shape of pixels where the container has a say in it; else every frame says for itself.

    FFmpeg knows which it is, but tells only what the two come to, and what the codec says.
    """
    aspect = stream and stream.sample_aspect_ratio
    return aspect if aspect and aspect != stream.codec_context.sample_aspect_ratio else None
