"""The sound of a reel on its way to the encoder: soft at its joins."""

from __future__ import annotations

import av
import numpy as np

FADE = 0.02  # seconds

Array = np.ndarray


class Joiner:
    """Fades pieces of sound in and out, float32 (channels, n), given in any portions.

    What may be the end of a piece is held back until more of the piece comes, or the next one.
    """

    def __init__(self, rate: int, channels: int) -> None:
        self._ramp = (np.sin(np.linspace(0, np.pi / 2, round(FADE * rate), endpoint=False)) ** 2).astype(
            np.float32
        )
        self._risen = len(self._ramp)  # samples of the ramp that the present piece has behind it
        self._held = np.zeros((channels, 0), np.float32)

    def begin(self) -> None:
        """Fade in what comes now."""
        self._risen = 0

    def add(self, samples: Array) -> Array:
        """Take more of the piece, which is changed; return what can be encoded."""
        rising = self._ramp[self._risen :][: samples.shape[1]]
        samples[:, : len(rising)] *= rising
        self._risen += len(rising)
        joined = np.concatenate([self._held, samples], axis=1)
        certain = max(joined.shape[1] - len(self._ramp), 0)
        self._held = joined[:, certain:]
        return joined[:, :certain]

    def end(self, fade: bool) -> Array:
        """Return what was held back, faded out or as it is."""
        held, self._held = self._held, self._held[:, :0]
        falling = self._ramp[: held.shape[1]][::-1] if fade else np.float32(1)
        return held * falling


def sound_frame(samples: Array, rate: int) -> av.AudioFrame:
    """Mono or stereo float32 (channels, n) as FFmpeg takes it."""
    layout = "mono" if len(samples) == 1 else "stereo"
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout=layout)
    frame.sample_rate = rate
    return frame


__all__ = ["Joiner", "sound_frame"]
