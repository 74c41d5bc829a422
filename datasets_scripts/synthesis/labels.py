"""Highlights of a soundtrack, and the labels of its seconds that they give."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

GRID = 10


@dataclass(frozen=True)
class Event:
    """A highlight: its kind, its start and end in seconds, how prominent it is (0 to 1)."""

    kind: str
    start: float
    end: float
    prominence: float


@dataclass(frozen=True)
class Soundtrack:
    """`waveform` (n,) float32 mono at 16 kHz; `labels` (ceil(duration),) float32 in [0, 1], one a second."""

    waveform: np.ndarray
    labels: np.ndarray
    events: list[Event]
    beds: list[str]


@dataclass(frozen=True)
class Ramp:
    """Labels that rise over `rise` seconds before a highlight and fall over `fall` seconds after it."""

    rise: float = 2.5
    fall: float = 3.0


def label_seconds(events: list[Event], duration: float) -> np.ndarray:
    """Labels (ceil(duration),): the maximum of all events, each with soft shoulders and a wide weak halo.

    The square root at the end lets the halo weigh in a squared error, so that a model learns near misses.
    """
    seconds = math.ceil(duration)
    times = (np.arange(seconds * GRID) + 0.5) / GRID
    curve = np.zeros(len(times))
    for event in events:
        inside = np.clip(0.5 + GRID * (np.minimum(times - event.start, event.end - times)), 0, 1)
        if inside.max() == 0:
            inside[min(int(event.start * GRID), len(inside) - 1)] = 1.0
        for sigma, weight in ((0.6, 1.0), (2.0, 0.2)):
            soft = gaussian_filter1d(inside, sigma * GRID, mode="constant", truncate=3.5)
            np.maximum(curve, event.prominence * weight * soft / soft.max(), out=curve)
    return np.sqrt(np.clip(curve.reshape(seconds, GRID).mean(axis=1), 0, 1)).astype(np.float32)


def ramp_seconds(events: list[Event], duration: float, ramp: Ramp) -> np.ndarray:
    """Labels (ceil(duration),): the maximum of all events, each a smooth climb to its prominence, held while
    it lasts, and a smooth descent. Each label is the mean over its second.
    """
    seconds = math.ceil(duration)
    times = (np.arange(seconds * GRID) + 0.5) / GRID
    curve = np.zeros(len(times))
    for event in events:
        before = np.maximum(event.start - times, 0) / ramp.rise
        after = np.maximum(times - event.end, 0) / ramp.fall
        near = 0.5 + 0.5 * np.cos(np.pi * np.minimum(before + after, 1))
        np.maximum(curve, event.prominence * near, out=curve)
    return np.clip(curve.reshape(seconds, GRID).mean(axis=1), 0, 1).astype(np.float32)
