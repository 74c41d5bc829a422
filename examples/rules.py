"""Scores that need no network: every table carries them, and a model below them has learnt nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import uniform_filter1d

SMOOTHING = 5  # seconds
POSITIONS = 100  # points of the position profile


def random_scores(seconds: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random(seconds)


def places(seconds: int) -> np.ndarray:
    """Where the middle of each second lies in the film, from 0 to 1."""
    return (np.arange(seconds) + 0.5) / seconds


def centre_scores(seconds: int) -> np.ndarray:
    """The nearer to the middle of the film the better."""
    return -np.abs(places(seconds) - 0.5)


def position_profile(labels: Sequence[np.ndarray]) -> np.ndarray:
    """Mean label of the seconds of training videos in each of POSITIONS equal parts of a film."""
    bins = np.concatenate([(places(len(one)) * POSITIONS).astype(int) for one in labels])
    counts = np.bincount(bins, minlength=POSITIONS)
    sums = np.bincount(bins, np.concatenate(labels), POSITIONS)
    there = np.flatnonzero(counts)
    return np.interp(np.arange(POSITIONS), there, sums[there] / counts[there])


def position_scores(seconds: int, profile: np.ndarray) -> np.ndarray:
    """A profile stretched to the length of a film."""
    return np.interp(places(seconds), places(len(profile)), profile)


def sound_scores(log_mel: np.ndarray, seconds: int) -> dict[str, np.ndarray]:
    """Loudness and spectral flux (the rise of the bands' energy), each (T,), from log-Mel (M, F)."""
    energy = np.exp(log_mel.astype(np.float32))
    owner = (np.arange(len(energy)) * seconds / len(energy)).astype(int)

    def per_second(values: np.ndarray) -> np.ndarray:
        return np.bincount(owner, values, seconds) / np.bincount(owner, minlength=seconds)

    loudness = np.log(per_second(energy.sum(1)) + 1e-6)
    flux = per_second(np.maximum(np.diff(energy, axis=0, prepend=energy[:1]), 0).sum(1))
    return {
        "loudness": loudness,
        f"loudness, {SMOOTHING} s mean": uniform_filter1d(loudness, SMOOTHING),
        f"spectral flux, {SMOOTHING} s mean": uniform_filter1d(flux, SMOOTHING),
    }
