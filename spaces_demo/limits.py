"""What one visitor may ask of the Space, in one place."""

from __future__ import annotations

from dataclasses import dataclass

from modeling_davihd.media import DecodingLimits


@dataclass(frozen=True)
class Limits:
    """
    megabytes, minutes: of one film. pixels: of its pictures, 4K by default.
    jobs: films scored or cut at the same time. waiting: places in the queue.
    keep_seconds: how long a film is kept while its page stays open.
    leave_seconds: how long after the page is closed, since phones cut connections of pages in the background.
    clips: highlights chosen by hand.
    model_megabytes: of a model from the Hub. models: kept in memory.
    """

    megabytes: float = 200
    minutes: float = 20
    pixels: float = 4096 * 2304
    jobs: int = 2
    waiting: int = 20
    keep_seconds: float = 3600
    leave_seconds: float = 300
    clips: int = 500
    model_megabytes: float = 1500
    models: int = 2

    @property
    def film_bytes(self) -> int:
        """A megabyte is 1024 x 1024 bytes, as it is in what Gradio tells visitors."""
        return int(self.megabytes * 1024 * 1024)

    @property
    def decoding(self) -> DecodingLimits:
        """What a film may ask of its decoders, whenever it is decoded for a visitor."""
        return DecodingLimits(pixels=self.pixels, duration=self.minutes * 60)
