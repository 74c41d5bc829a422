"""With which encoder, and how well, pictures are encoded."""

from __future__ import annotations

import functools
import os
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.codec.codec import UnknownCodecError

from .media_limits import MediaError
from .media_pictures import side_numbers
from .media_tones import PQ

MOST_LIGHT = 10_000  # cd/m2: as much as PQ can stand for
LEAST = 64  # pixels of each side of a picture, in HEVC and AV1
# Of each codec FFmpeg's encoder and its options. Reordering would falsify frame lengths; frames that are
# looked ahead at stay in memory.
ENCODERS: dict[str, tuple[str, dict[str, str]]] = {
    "h264": ("libx264", {"preset": "veryfast", "crf": "20", "bf": "0", "rc-lookahead": "4"}),
    "hevc": ("libx265", {"preset": "ultrafast", "crf": "21"}),
    "av1": ("libsvtav1", {"preset": "10", "crf": "28"}),
}
# The same of hardware, in the order in which they are tried: what follows FFmpeg's name of the codec, and
# options for about the same quality.
HARDWARE: dict[str, dict[str, str]] = {
    "videotoolbox": {"flags": "+qscale", "global_quality": str(65 * 118)},
    "nvenc": {"preset": "p4", "rc": "vbr", "cq": "23", "b": "0", "bf": "0"},
    "qsv": {"preset": "faster", "global_quality": "23", "bf": "0"},
    "amf": {"rc": "cqp", "qp_i": "22", "qp_p": "22", "bf": "0"},
}
TRIAL = (640, 360)  # pixels; some take no picture that is much smaller
TRIAL_FRAMES = 5
X265_BASE = ["log-level=error", "bframes=0", "rc-lookahead=4"]
SVT_QUIET = "1"  # errors only; there is no other way to tell it than the environment


@dataclass(frozen=True)
class Encoding:
    """How a picture is to be encoded: by which of FFmpeg's encoders, with what options, in what format."""

    encoder: str
    options: dict[str, str]
    pixel_format: str
    tag: str | None = None  # of the codec, where an mp4 would get one that not all players know

    @property
    def drawn(self) -> str:
        """The pixel format in which pictures are made for it."""
        return "yuv420p10le" if self.pixel_format in ("yuv420p10le", "p010le") else "yuv420p"

    @classmethod
    def of(
        cls,
        codec: str | None,
        size: tuple[int, int],
        deep: bool,
        light: Light | None,
        hardware: bool = False,
    ) -> Encoding:
        """For pictures of that width and height.

        codec: None for H.264, or HEVC of over 8 bits. deep: whether they have more than 8 bits; they get 10
        then, except in H.264, which hardly any player takes with so many. light: what HDR10 says of them.
        hardware: whether to use an encoder of the machine, if one works and nothing of HDR10 gets lost.
        Raises MediaError where PyAV has no encoder for the codec, or none for so small a picture.
        """
        small = min(size) < LEAST
        if codec is None:
            codec = "hevc" if deep and not small and _known("hevc") else "h264"
        check_codec(codec)
        if small and codec != "h264":
            raise MediaError(
                f"codec is {codec}; it needs {LEAST} x {LEAST} pixels, not {size[0]} x {size[1]}."
            )
        if hardware and not light and (found := hardware_encoding(codec, size, deep)):
            return found
        encoder, options = ENCODERS[codec]
        if codec == "h264":
            return cls(encoder, options | _x264_parameters(), "yuv420p")
        pixel_format = "yuv420p10le" if deep else "yuv420p"
        if codec == "hevc":
            parameters = ":".join(X265_BASE + (light.x265() if light else []))
            return cls(encoder, options | {"x265-params": parameters}, pixel_format, "hvc1")
        os.environ.setdefault("SVT_LOG", SVT_QUIET)
        parameters = ":".join(light.svt() if light else [])
        return cls(encoder, options | {"svtav1-params": parameters}, pixel_format)


def _x264_parameters() -> dict[str, str]:
    """What keeps x264 from instructions of AVX-512, with which it reads beyond some pictures.

    Of pictures whose width is no multiple of 128, the bytes of a film would depend on what was in memory.
    """
    extensions = np.show_config(mode="dicts").get("SIMD Extensions", {})  # NumPy leaves out what is empty
    has_avx512 = any(name.startswith(("AVX512", "X86_V4")) for name in extensions.get("found", []))
    return {"x264-params": "asm=AVX2"} if has_avx512 else {}


@functools.cache
def hardware_encoding(codec: str, size: tuple[int, int] = TRIAL, deep: bool = False) -> Encoding | None:
    """The first of the machine's encoders that does encode pictures of a size; None if there is none."""
    fitting = {"p010le"} if deep and codec != "h264" else {"yuv420p", "nv12"}
    for kind, options in HARDWARE.items():
        with suppress(UnknownCodecError):
            formats = av.Codec(f"{codec}_{kind}", "w").video_formats or []
            for pixel_format in [one.name for one in formats if one.name in fitting][:1]:
                tag = "hvc1" if codec == "hevc" else None
                encoding = Encoding(f"{codec}_{kind}", options, pixel_format, tag)
                if _works(encoding, size):
                    return encoding
    return None


def _works(encoding: Encoding, size: tuple[int, int]) -> bool:
    """Whether an encoder makes packets of pictures, one of each and in their order."""
    packets: list[Any] = []
    try:
        context: Any = av.CodecContext.create(encoding.encoder, "w")
        context.width, context.height = size
        context.pix_fmt, context.time_base, context.framerate = encoding.pixel_format, Fraction(1, 25), 25
        context.options = encoding.options
        for number in range(TRIAL_FRAMES):
            frame = av.VideoFrame(*size, encoding.pixel_format)
            for plane in frame.planes:
                plane.update(bytes(plane.buffer_size))  # else they hold whatever was in memory
            frame.pts = number
            packets += context.encode(frame)
        packets += context.encode(None)
    except (av.FFmpegError, ValueError, RuntimeError):
        return False
    return [packet.pts for packet in packets] == list(range(TRIAL_FRAMES))


def check_codec(codec: str) -> None:
    """Raise MediaError where PyAV has no encoder for a codec, one of ENCODERS."""
    if not _known(codec):
        others = ", ".join(one for one in ENCODERS if _known(one))
        missing = f"PyAV as it is installed lacks {ENCODERS[codec][0]} and offers {others}"
        raise MediaError(f"codec is {codec}; {missing}.")


def _known(codec: str) -> bool:
    try:
        av.Codec(ENCODERS[codec][0], "w")
    except UnknownCodecError:
        return False
    return True


@dataclass(frozen=True)
class Light:
    """What HDR10 says of a film: how far the display that it was made on goes, and how bright it gets.

    primaries: x and y of green, blue, red and white. light: the display's most and least, in cd/m2. levels:
    of the brightest point and of the brightest frame, in cd/m2, where they are known.
    """

    primaries: tuple[tuple[float, float], ...]
    light: tuple[float, float]
    levels: tuple[int, int] | None

    @classmethod
    def of(cls, frame: av.VideoFrame) -> Light | None:
        """What a frame says; None where that is nothing or makes no sense."""
        display = side_numbers(frame, "MASTERING_DISPLAY_METADATA", 22)
        if frame.color_trc != PQ or display is None or display.min() < 0 or not display[1:20:2].all():
            return None
        red, green, blue, white, (least, most) = (display[:20:2] / display[1:20:2]).reshape(5, 2).tolist()
        points = tuple((x, y) for x, y in (green, blue, red, white))
        if np.max(points) > 1 or most > MOST_LIGHT:
            return None
        levels = side_numbers(frame, "CONTENT_LIGHT_LEVEL", 2)
        if levels is None or not 0 <= levels.min() <= levels.max() <= MOST_LIGHT:
            return cls(points, (most, least), None)
        return cls(points, (most, least), (int(levels[0]), int(levels[1])))

    def x265(self) -> list[str]:
        """As parameters of x265, which counts colours in fifty-thousandths and light in ten-thousandths."""
        points = [f"({round(x * 50000)},{round(y * 50000)})" for x, y in self.primaries]
        most, least = (round(value * 10000) for value in self.light)
        return self._parameters("master-display", points, f"({most},{least})", "max-cll")

    def svt(self) -> list[str]:
        """As parameters of SVT-AV1."""
        points = [f"({x:.6f},{y:.6f})" for x, y in self.primaries]
        most, least = self.light
        return self._parameters("mastering-display", points, f"({most:.4f},{least:.4f})", "content-light")

    def _parameters(self, display: str, points: list[str], light: str, levels: str) -> list[str]:
        colours = "".join(name + point for name, point in zip(("G", "B", "R", "WP"), points, strict=True))
        said = [f"{levels}={self.levels[0]},{self.levels[1]}"] if self.levels else []
        return [f"{display}={colours}L{light}", *said]


__all__ = ["Encoding", "Light", "check_codec", "hardware_encoding"]
