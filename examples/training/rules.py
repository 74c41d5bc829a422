"""Scores that need no network: every table carries them, and a model below them has learnt nothing.

Two of them exist as models too, `PositionModel` and `LoudnessModel` of modeling_davihd.baselines, but no
table is scored with those. Which second wins a tie decides F1, and here seconds tie exactly: mirrored ones
in the centre rule, silent ones in loudness. A model's float32 sigmoid can give two equal seconds scores
that differ in the last bit, depending on where they lie in the processor's vectors, and its curve reorders
means over five seconds. A log-Mel frame that straddles two seconds belongs to one of them here, and to both
in the model.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import uniform_filter1d

SMOOTHING = 5  # seconds
POSITIONS = 101  # points of the position profile, from the first second of a film to its last


def random_scores(seconds: int, seed: int) -> np.ndarray:
    """Uniform in [0, 1), the same for the same seed."""
    return np.random.default_rng(seed).random(seconds)


def centre_scores(seconds: int) -> np.ndarray:
    """The nearer to the middle of the film the better; in whole numbers, so that mirrored seconds tie."""
    return -np.abs(2 * np.arange(seconds) - (seconds - 1))


def without_negatives(scores: np.ndarray) -> np.ndarray:
    """The scores, raised until the lowest is 0 if it is negative: summaries are chosen by sums of scores."""
    return scores - min(0, scores.min())


def position_profile(labels: Sequence[np.ndarray]) -> np.ndarray:
    """The mean of the training videos' labels, each stretched to POSITIONS points: each video counts once."""
    return np.mean([stretched(curve, POSITIONS) for curve in labels], axis=0)


def stretched(curve: np.ndarray, length: int) -> np.ndarray:
    """A curve brought to another length: the first point to the first, the last to the last."""
    return np.interp(np.linspace(0, 1, length), np.linspace(0, 1, len(curve)), curve)


def sound_scores(log_mel: np.ndarray, seconds: int) -> dict[str, np.ndarray]:
    """Loudness and spectral flux (the rise of the bands' energy), each (T,), from log-Mel (M, F)."""
    energy = np.exp(log_mel.astype(np.float32))
    owner = (np.arange(len(energy)) * seconds / len(energy)).astype(int)

    def per_second(values: np.ndarray) -> np.ndarray:
        return np.bincount(owner, values, seconds) / np.bincount(owner, minlength=seconds)

    loudness = loudness_scores(np.log(per_second(energy.sum(1)) + 1e-6))
    flux = per_second(np.maximum(np.diff(energy, axis=0, prepend=energy[:1]), 0).sum(1))
    return loudness | {f"spectral flux, {SMOOTHING} s mean": uniform_filter1d(flux, SMOOTHING)}


def loudness_scores(loudness: np.ndarray) -> dict[str, np.ndarray]:
    """Loudness (T,) as it is, and smoothed; a logarithm, as decibels are."""
    return {"loudness": loudness, f"loudness, {SMOOTHING} s mean": uniform_filter1d(loudness, SMOOTHING)}
