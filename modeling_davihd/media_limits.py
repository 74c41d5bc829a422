"""How much a film may ask of its decoders, and what is raised or warned about a media file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

JITTER = 0.05  # seconds; time stamps and lengths are taken to be no more exact than this
FASTEST = 300  # frames a second; containers that claim more count in milliseconds
ALWAYS_ALLOWED = 1800.0  # seconds that a film may last however few bytes it has
LEAST_BYTES = 100_000  # the size that a smaller file counts as where its pictures are weighed against it
BURST = 20.0  # seconds; packets for this long may come all at once


class MediaError(ValueError):
    """A media file cannot be used; the message is one sentence that names the file."""


class LimitError(MediaError):
    """A film asks for more than one of the DecodingLimits allows; `limit` is the name of that field."""

    def __init__(self, message: str, limit: str) -> None:
        super().__init__(message, limit)  # both, so that the error can be pickled
        self.limit = limit

    def __str__(self) -> str:
        return self.args[0]


class MediaWarning(UserWarning):
    """A media file can be used only in part; the message names the file and says what is missing."""


@dataclass(frozen=True)
class DecodingLimits:
    """How much a film may ask of its decoders; one that asks for more is refused with a LimitError.

    pixels: of a picture; 8K by default, of any shape.
    pixels_per_byte: of all pictures that are decoded, to the bytes of the file, of which small ones count as
        having 100 000. Slides in x264 at 1080p have 12 000, a black film without sound 20 000.
    channels: of the sound.
    lowest_rate, highest_rate: of the sound, in Hz.
    duration: seconds of the film, twelve hours by default: they are what memory grows with. A film may last
        0.05 s longer, which is as exactly as its length can be told.
    silence: seconds without any data before the first of the picture or of the sound. Where data of both is
        missing for longer later on, what follows is ignored, with a MediaWarning.
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


class Budget:
    """What one stream of a film may still use of its limits; every check raises LimitError beyond them."""

    def __init__(self, path: Path, kind: str, limits: DecodingLimits) -> None:
        self.limits = limits
        self._path, self._kind = path, kind
        size = path.stat().st_size
        self._latest_end = max(ALWAYS_ALLOWED, size / limits.bytes_per_second)
        self._most_pixels = limits.pixels_per_byte * max(size, LEAST_BYTES)
        self._pixels = 0

    def start_pass(self) -> None:
        """Allow all pixels once more: each pass over a film counts by itself."""
        self._pixels = 0

    def spend_pixels(self, count: int) -> None:
        """Count the pixels of pictures that have been decoded in this pass."""
        self._pixels += count
        if self._pixels > self._most_pixels:
            self.refuse(f"has over {self._pixels:.2g} pixels in so small a file", "pixels_per_byte")

    def check_picture(self, width: int, height: int) -> None:
        """Check the size of one picture."""
        if width * height > self.limits.pixels:
            self.refuse(f"has pictures of {width} x {height} pixels", "pixels")

    def check_sound(self, rate: int, channels: int) -> None:
        """Check the sampling rate, in Hz, and the number of channels."""
        if channels > self.limits.channels:
            self.refuse(f"has {channels} channels", "channels")
        if rate < self.limits.lowest_rate:
            self.refuse(f"has {rate} samples a second", "lowest_rate")
        if rate > self.limits.highest_rate:
            self.refuse(f"has {rate} samples a second", "highest_rate")

    def check_end(self, end: float) -> None:
        """Check the time, in seconds, that the stream has reached."""
        if end > self.limits.duration + JITTER:
            self.refuse(f"lasts over {self.limits.duration:g} s", "duration")
        if end > self._latest_end:
            self.refuse(f"lasts over {self._latest_end:.0f} s for so small a file", "bytes_per_second")

    def allows_end(self, end: float) -> bool:
        """Whether `check_end` would let that time pass."""
        return end <= min(self.limits.duration + JITTER, self._latest_end)

    def check_packets(self, count: int, seconds: float) -> None:
        """Check how many packets there were for so many seconds of picture or sound."""
        if count > self.limits.packets_per_second * (seconds + BURST):
            self.refuse(f"has {count} packets or more in a few seconds", "packets_per_second")

    def refuse(self, what: str, limit: str) -> NoReturn:
        """Raise LimitError: what the stream has or does, and the limit that it breaks."""
        value = getattr(self.limits, limit)
        allowed = f"{value:g}" if value < 1e6 else f"{value:.0f}"
        raise LimitError(
            f"{self._path}: its {self._kind} {what}; the decoding limit `{limit}` is {allowed}.", limit
        )


__all__ = ["DEFAULT_LIMITS", "JITTER", "Budget", "DecodingLimits", "LimitError", "MediaError", "MediaWarning"]
