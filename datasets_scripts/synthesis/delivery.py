"""The way of a film's sound to its listener: downmix, loudness, level control, codecs."""

from __future__ import annotations

import numpy as np

from datasets_scripts.synthesis import rooms
from datasets_scripts.synthesis.mixing import rms
from datasets_scripts.synthesis.tools import decibels, noise

Rng = np.random.Generator


def deliver(rng: Rng, film: np.ndarray) -> np.ndarray:
    """The film as it is heard, with its peak at -40 to 0 dBFS; half of all films are in 16-bit steps."""
    if rng.random() < 0.2:
        film = rooms.level_control(rng, film)
    if rng.random() < 0.15:
        film = rooms.soft_clip(rng, film)
    if rng.random() < 0.4:
        film = film + noise(rng, len(film)) * np.float32(rms(film) * decibels(rng.uniform(-75, -35)))
    if rng.random() < 0.7:
        film = rooms.record(rng, film)
    peak = decibels(-40 * rng.beta(0.7, 3.0))
    film = film * np.float32(peak / (np.abs(film).max() + 1e-12))
    if rng.random() < 0.5:
        film = np.round(film * np.float32(32767)) / np.float32(32767)
    return np.clip(film, -1, 1)
