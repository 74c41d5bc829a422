"""How strong a sound is, where it is heard and how loud it must be to stand out where it is mixed in."""

from __future__ import annotations

import math

import numpy as np
from scipy import fft
from scipy.ndimage import gaussian_filter1d

from datasets_scripts.synthesis.tools import HOP, RATE, convolve, decibels, fade, samples, tile, unit

Rng = np.random.Generator
BLOCK = 1024
BANDS = np.array([5, 10, 19, 32, 52, 84, 135, 230])  # Of a spectrum of 1024 samples: 80 Hz to 8 kHz.


def rms(sound: np.ndarray) -> float:
    """Root mean square."""
    return math.sqrt(float(np.dot(sound, sound)) / len(sound))


def choose(rng: Rng, names: list[str], expected: float) -> list[str]:
    """Each name with the same probability, `expected` of them on average."""
    return [name for name in names if rng.random() < expected / len(names)]


def block_power(sound: np.ndarray) -> np.ndarray:
    """Mean power of every 8 ms."""
    rows = len(sound) // HOP
    return np.square(sound[: rows * HOP], dtype=np.float32).reshape(rows, HOP).mean(axis=1)


def is_free(plan: list[tuple[str, float, float]], start: float, length: float, duration: float) -> bool:
    """Whether nothing planned is nearer than 0.3 s, and the end is inside."""
    clear = all(start > begun + lasts + 0.3 or start + length + 0.3 < begun for _, begun, lasts in plan)
    return clear and start + length <= duration


def surrounding_level(
    track: np.ndarray, sound: np.ndarray, start: int, reference: float, own_band: bool
) -> float:
    """Level (amplitude) at which an event of unit strength equals the background about it.

    Either over all frequencies, or in the band that holds most of the event. Silence counts as a fixed level.
    """
    if reference < 1e-6:
        return 1.0
    around = track[max(0, start - 2 * RATE) : start + len(sound) + 2 * RATE]
    level = max(rms(around), 0.25 * reference)
    if not own_band:
        return level
    share = max(band_share(around, sound), decibels(-22.0) ** 2)
    return level * math.sqrt(share / 0.8)


def band_share(around: np.ndarray, sound: np.ndarray) -> float:
    """Part of the surroundings' power that lies in the band holding 80 % of the event's power."""
    size = 4096
    spectra = []
    for part in (sound, around):
        rows = np.resize(part, (max(1, len(part) // size), size))
        spectra.append(
            np.square(np.abs(fft.rfft(rows * np.hanning(size).astype(np.float32), axis=1))).sum(axis=0)
        )
    total = np.cumsum(spectra[0])
    low, high = np.searchsorted(total, [0.1 * total[-1], 0.9 * total[-1]])
    return float(spectra[1][low : high + 1].sum() / (spectra[1].sum() + 1e-20))


def active_part(sound: np.ndarray, drop: float = 20.0) -> tuple[float, float]:
    """Start and end in seconds of what is within `drop` dB of the sound's strongest 50 ms."""
    power = gaussian_filter1d(block_power(sound), 2.0)
    loud = np.flatnonzero(power > 10 ** (-drop / 10) * power.max())
    return float(loud[0] * HOP / RATE), float((loud[-1] + 1) * HOP / RATE)


def evened(sound: np.ndarray, response: np.ndarray | None = None) -> np.ndarray:
    """The sound, in a room if its response is given, at a root mean square of 1 over its strong parts."""
    if response is not None:
        sound = convolve(np.pad(sound, (0, samples(0.4))), response)
    power = block_power(sound)
    return fade(sound / np.float32(math.sqrt(np.sum(power**2) / (np.sum(power) + 1e-20)) + 1e-9), 0.002, 0.02)


def looped(sound: np.ndarray, n: int, start: int = 0) -> np.ndarray:
    """n samples of a sound from sample `start` on, begun anew where it ends, with short crossfades."""
    cross = min(samples(0.1), len(sound) // 4)
    ramp = np.linspace(0, 1, cross, dtype=np.float32)
    loop = sound[: len(sound) - cross].copy()
    loop[:cross] = loop[:cross] * ramp + sound[len(sound) - cross :] * (1 - ramp)
    return tile(loop, n, start)


def strung(rng: Rng, sounds: list[np.ndarray], n: int) -> np.ndarray:
    """n samples of several sounds of equal power in turn, crossfaded, again and again if need be."""
    chain = np.zeros(0, dtype=np.float32)
    for sound in sounds:
        part = unit(sound[int(rng.uniform(0, 0.5) * max(0, len(sound) - n)) :][:n])
        cross = min(samples(rng.uniform(0.2, 2)), len(chain) // 2, len(part) // 2)
        ramp = np.linspace(0, 1, cross, dtype=np.float32)
        join = chain[len(chain) - cross :] * (1 - ramp) + part[:cross] * ramp
        chain = np.concatenate([chain[: len(chain) - cross], join, part[cross:]])
    return chain[:n] if len(chain) >= n else looped(chain, n)


def excess(sound: np.ndarray, around: np.ndarray) -> float:
    """How far a sound stands out from its surroundings, in dB: the mean over the two of eight bands in
    which it does most. `sound` is as strong as it is mixed in.
    """
    strong, weak = band_powers(sound), band_powers(around).mean(axis=0)
    strong = (strong**2).sum(axis=0) / (strong.sum(axis=0) + 1e-20)
    above = 10 * np.log10(1 + strong / (weak + 1e-6 * strong.max() + 1e-12))
    return float(np.sort(above)[-2:].mean())


def band_powers(sound: np.ndarray) -> np.ndarray:
    """Power in eight bands from 80 Hz to 8 kHz of blocks of 64 ms, at most 127 of them (blocks, 8)."""
    rows = np.pad(sound, (0, -len(sound) % BLOCK)).reshape(-1, BLOCK)
    spectrum = np.square(np.abs(fft.rfft(rows[:: max(1, len(rows) // 64)], axis=1)))
    return np.add.reduceat(spectrum.astype(np.float64), BANDS, axis=1)
