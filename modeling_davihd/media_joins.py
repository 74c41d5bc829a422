"""The sound of a reel on its way to the encoder: soft at its joins, and as loud as asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import chain
from typing import Any

import av
import numpy as np

from .media_filters import TICKS, Chain, Step

FADE = 0.02  # seconds
HIGHEST = 10 ** (-1 / 20)  # of a sample that is made louder: leaves room for what an encoder adds
CLOSE = 0.1  # LU: nearer to the loudness that is wanted nothing is gained
ROUNDS = 4  # in which the gain is corrected: where peaks have to be held down, the first one falls short
SILENT = -69.9  # LUFS: what the meter shows of silence, and of what is shorter than its blocks, is less
AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)

Array = np.ndarray


class Joiner:
    """Fades pieces of sound in and out and gives them a gain; makes frames for an encoder of them.

    What may be the end of a piece is held back until more of the piece comes, or the next one.
    """

    def __init__(self, rate: int, channels: int, gain: float | None = None) -> None:
        """rate: in Hz. channels: one or two. gain: in dB, with a limiter for what would be too loud."""
        self.rate, self.channels = rate, channels
        rise = np.sin(np.linspace(0, np.pi / 2, round(FADE * rate), endpoint=False)) ** 2
        self._ramp = rise.astype(np.float32)
        self._risen = len(self._ramp)  # samples of the ramp that the present piece has behind it
        self._held = np.zeros((channels, 0), np.float32)
        self._given = self._levelled = 0  # samples, to the filters and to the encoder
        self._filters: Any = None  # a Chain
        if gain is not None:
            like = self._frame(np.zeros((channels, 1), np.float32))
            self._filters = Chain.of_sound(like, _steps_to(gain), rate // 4)

    def with_gain(self, gain: float | None) -> Joiner:
        """A new one for such sound, with a gain or without."""
        return Joiner(self.rate, self.channels, gain)

    def join(self, fade: bool) -> Iterator[av.AudioFrame]:
        """End a piece and begin the next one, softly or as they are; yield what can be encoded."""
        held, self._held = self._held, self._held[:, :0]
        if fade:
            held = held * self._ramp[: held.shape[1]][::-1]
            self._risen = 0
        return self._ready(held)

    def add(self, samples: Array) -> Iterator[av.AudioFrame]:
        """Take more of a piece, float32 (channels, n), which is changed; yield what can be encoded."""
        rising = self._ramp[self._risen :][: samples.shape[1]]
        samples[:, : len(rising)] *= rising
        self._risen += len(rising)
        joined = np.concatenate([self._held, samples], axis=1)
        certain = max(joined.shape[1] - len(self._ramp), 0)
        self._held = joined[:, certain:]
        return self._ready(joined[:, :certain])

    def finish(self) -> Iterator[av.AudioFrame]:
        """Yield what is left."""
        yield from self.join(fade=False)
        if self._filters is not None:
            yield from map(self._placed, self._filters.passed(None))

    def _ready(self, samples: Array) -> Iterator[av.AudioFrame]:
        if not samples.shape[1]:
            return
        frame = self._frame(samples)
        if self._filters is None:
            yield self._placed(frame)
            return
        frame.pts = round(self._given * TICKS / self.rate)
        self._given += samples.shape[1]
        yield from map(self._placed, self._filters.passed(frame))

    def _frame(self, samples: Array) -> av.AudioFrame:
        layout = "mono" if self.channels == 1 else "stereo"
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout=layout)
        frame.sample_rate = self.rate
        return frame

    def _placed(self, frame: av.AudioFrame) -> av.AudioFrame:
        frame.time_base, frame.pts = Fraction(1, self.rate), self._levelled
        self._levelled += frame.samples
        return frame


def _steps_to(gain: float) -> list[Step]:
    limiter = {"limit": str(HIGHEST), "level": "0", "latency": "1"}
    return [
        ("aformat", {"sample_fmts": "dbl"}),
        ("volume", {"volume": f"{gain}dB", "precision": "double"}),
        ("alimiter", limiter),
        ("aformat", {"sample_fmts": "fltp"}),
    ]


def loudness(frames: Iterable[av.AudioFrame]) -> float:
    """The integrated loudness of frames of sound in LUFS, by FFmpeg's own meter; -70 of silence.

    It is that of what the encoder makes of them, which leaves out the highest notes.
    """
    meter, filters, found = {"metadata": "1", "framelog": "quiet"}, None, -70.0
    for frame in _coded(frames):
        if filters is None:
            steps: list[Step] = [("aformat", {"sample_fmts": "dbl"}), ("ebur128", meter)]
            filters = Chain.of_sound(frame, steps, frame.sample_rate // 10)
        frame.pts = None
        for measured in filters.passed(frame):
            found = float(measured.metadata["lavfi.r128.I"])
    return found


def _coded(frames: Iterable[av.AudioFrame]) -> Iterator[av.AudioFrame]:
    """Yield what a player gets to hear of frames of sound."""
    encoder: Any = None
    decoder: Any = av.CodecContext.create("aac", "r")
    for frame in chain(frames, [None]):
        if encoder is None:
            if frame is None:
                return
            encoder = av.CodecContext.create("aac", "w")
            encoder.sample_rate, encoder.format = aac_rate(frame.sample_rate), "fltp"
            encoder.time_base = Fraction(1, encoder.sample_rate)
            set_quality(encoder, frame.layout.nb_channels)
            encoder.open()
            decoder.extradata = encoder.extradata
        for packet in encoder.encode(frame):
            yield from decoder.decode(packet)


def aac_rate(rate: int) -> int:
    """The rate in Hz at which sound of another is encoded: 48 kHz for those that AAC lacks."""
    return rate if rate in AAC_RATES else 48000


def set_quality(aac: Any, channels: int) -> None:
    """Tell an encoder of AAC, or a stream that has one, what is to be encoded how well."""
    aac.layout, aac.bit_rate = "mono" if channels == 1 else "stereo", 64000 * channels


def gain_to(wanted: float, measured: Callable[[float], float]) -> tuple[float, float]:
    """The gain in dB that gives sound a loudness, and what comes of it; measured: the loudness at a gain."""
    gain, found = 0.0, measured(0.0)
    for _ in range(ROUNDS):
        if found <= SILENT or abs(wanted - found) <= CLOSE:
            break
        gain += wanted - found
        found = measured(gain)
    return gain, found


__all__ = ["SILENT", "Joiner", "aac_rate", "gain_to", "loudness", "set_quality"]
