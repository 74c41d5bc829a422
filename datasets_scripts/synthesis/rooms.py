"""What happens to sound between its source and the file: rooms, microphones, level control, codecs."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from datasets_scripts.synthesis.mixing import block_power
from datasets_scripts.synthesis.tools import (
    HOP,
    RATE,
    band,
    decibels,
    from_short_time,
    log_uniform,
    noise,
    samples,
    short_time,
    tilt,
    upsample,
)

Rng = np.random.Generator
FRAME = 1024


def room(rng: Rng) -> np.ndarray:
    """Impulse response: the direct sound, then coloured noise that decays by 60 dB in 0.08 to 2.5 s."""
    seconds = log_uniform(rng, 0.08, 2.5)
    n = samples(min(seconds, 1.5))
    slope = rng.uniform(-7, 0)
    tail = noise(rng, n, lambda f: tilt(f, slope)) * np.exp(
        -6.9 * np.arange(n, dtype=np.float32) / (seconds * RATE)
    )
    response = tail * np.float32(log_uniform(rng, 0.1, 2.0) / np.sqrt(np.sum(tail**2)))
    response[0] += 1.0
    return response


def microphone(rng: Rng, frequency: np.ndarray) -> np.ndarray:
    """Amplitude over frequency of the recording chain: tilt, broad bumps, band limits."""
    gain = tilt(frequency, rng.uniform(-5, 2))
    for _ in range(rng.integers(0, 4)):
        distance = np.log2(np.maximum(frequency, 20) / log_uniform(rng, 80, 7000)) / rng.uniform(0.2, 1)
        gain = gain * decibels(rng.uniform(-8, 8) * np.exp(-(distance**2)))
    draw = rng.random()
    if draw < 0.08:
        return gain * band(frequency, rng.uniform(200, 400), rng.uniform(2600, 3600), 6)
    high_pass = log_uniform(rng, 20, 150)
    cut = rng.choice([4000, 5500, 7000, 8000], p=[0.07, 0.1, 0.18, 0.65]) * rng.uniform(0.97, 1.03)
    return (
        gain
        * band(frequency, high_pass, 1e6, 2)
        / np.sqrt(1 + (frequency / cut) ** (60 if cut < 7500 else 8))
    )


def record(rng: Rng, sound: np.ndarray) -> np.ndarray:
    """The sound through a random recording chain and, in four of ten cases, a poor codec."""
    spectra = short_time(sound, FRAME)
    gain = microphone(rng, np.fft.rfftfreq(FRAME, 1 / RATE)).astype(np.float32)
    spectra *= gain
    if rng.random() < 0.4:
        encode(rng, spectra)
    return from_short_time(spectra, len(sound), FRAME)


def encode(rng: Rng, spectra: np.ndarray) -> None:
    """Imitates a low bit rate, in place: bins far below their frame's peak envelope are dropped."""
    power = spectra.real**2 + spectra.imag**2
    count = FRAME // 2 // 16
    tops = power[:, : count * 16].reshape(len(power), count, 16).max(axis=2)
    floor = power.mean(axis=1, keepdims=True) * 10 ** (-rng.uniform(3.0, 6.0))
    limit = np.maximum(tops * 10 ** (-rng.uniform(1.0, 3.0)), floor)
    spectra[:, : count * 16][power[:, : count * 16] < np.repeat(limit, 16, axis=1)] = 0


def level_control(rng: Rng, sound: np.ndarray) -> np.ndarray:
    """Automatic gain: evens out the loudness, more or less, more or less quickly."""
    power = block_power(sound)
    smooth = np.exp(-HOP / RATE / log_uniform(rng, 0.05, 2.0))
    envelope = lfilter([1 - smooth], [1, -smooth], power, zi=[smooth * power[: RATE // HOP].mean()])[0]
    level = 10 * np.log10(envelope + 1e-3 * power.mean() + 1e-20)
    gain = -rng.uniform(0.3, 0.95) * (level - level.max())
    knots = np.concatenate([gain[:1], gain, gain[-1:]])
    return sound * upsample(decibels(np.minimum(knots, 24.0)), len(sound))


def soft_clip(rng: Rng, sound: np.ndarray) -> np.ndarray:
    """Overdrives the sound's peaks."""
    drive = rng.uniform(1.0, 4.0) / (np.abs(sound).max() + 1e-9)
    return np.tanh(sound * np.float32(drive))
