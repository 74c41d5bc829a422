"""The log-Mel spectrogram in NumPy, for those who run an exported model without PyTorch; stays at home."""

import math

import numpy as np
from numpy.typing import NDArray

from .streams_davihd import FULL_LOG_MEL_RATE, HOP_LENGTH, LOG_MEL_FLOOR

_FRAMES_AT_ONCE = 512

Array = NDArray[np.float32]


def log_mel(waveform: Array, filters: Array) -> Array:
    """log(mel + 1e-8) of 16 kHz sound in whole seconds (T, 16000): (bins, ceil(62.5 T)).

    The same as that of the feature extractor at 62.5 frames a second, but for rounding, if `filters`
    (n_fft // 2 + 1, bins) are its filters: what a bin takes of the power at each frequency.
    """
    n_fft = 2 * (len(filters) - 1)
    samples = np.pad(waveform.ravel(), n_fft // 2, "reflect")
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)).astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(samples, n_fft)[::HOP_LENGTH]
    frames = frames[: math.ceil(FULL_LOG_MEL_RATE * len(waveform))]
    found = np.empty((filters.shape[1], len(frames)), np.float32)
    for first in range(0, len(frames), _FRAMES_AT_ONCE):
        spectrum = np.fft.rfft(frames[first : first + _FRAMES_AT_ONCE] * window)
        power = spectrum.real**2 + spectrum.imag**2
        found[:, first : first + len(power)] = np.log(power @ filters + np.float32(LOG_MEL_FLOOR)).T
    return found


__all__ = ["log_mel"]
