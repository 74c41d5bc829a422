"""What changes in a soundtrack without being a highlight.

`GAINS` are changes of the background's level: `name(rng, n)` gives a control curve in dB. `SOUNDS` are added:
`name(rng, n)` gives n samples whose strongest parts have about unit power. Held-out splits meet the training
ones and their own.
"""

from __future__ import annotations

import numpy as np

from datasets_scripts.synthesis.tools import (
    HOP,
    RATE,
    Kind,
    band,
    control_times,
    controls,
    decay,
    decibels,
    drift,
    fade,
    log_uniform,
    mix_in,
    modes,
    noise,
    register,
    samples,
    tone,
    unit,
    upsample,
)

GAINS: dict[str, Kind] = {}
SOUNDS: dict[str, Kind] = {}
Rng = np.random.Generator


def available(table: dict[str, Kind], split: str) -> list[str]:
    """Distractors that may occur in a split: those of training everywhere, held-out ones in their own."""
    return [name for name, kind in table.items() if kind.split in ("train", split)]


def stretch_of(rng: Rng, n: int, shortest: float, longest: float) -> np.ndarray:
    """Mask over the control points: a random stretch of shortest to longest seconds."""
    times = control_times(n)
    length = min(log_uniform(rng, shortest, longest), 0.5 * times[-1])
    start = rng.uniform(0, times[-1] - length)
    return (times >= start) & (times < start + length)


@register(GAINS)
def slow_fade(rng: Rng, n: int) -> np.ndarray:
    """The level climbs or sinks by several dB over many seconds, and stays."""
    times = control_times(n)
    start, length = rng.uniform(-0.2, 0.9) * times[-1], log_uniform(rng, 3, 25)
    return rng.uniform(-14, 14) * np.clip((times - start) / length, 0, 1)


@register(GAINS)
def level_step(rng: Rng, n: int) -> np.ndarray:
    """The level jumps once and stays."""
    return rng.uniform(-10, 10) * (control_times(n) > rng.uniform(0, n / RATE))


@register(GAINS)
def loud_section(rng: Rng, n: int) -> np.ndarray:
    """A stretch of the background is louder, or softer, for a while."""
    return rng.uniform(-8, 12) * stretch_of(rng, n, 4, 25)


@register(GAINS)
def gap(rng: Rng, n: int) -> np.ndarray:
    """One to three pauses of the background."""
    depth = rng.choice([-25.0, -45.0, -120.0])
    return depth * np.any([stretch_of(rng, n, 0.4, 5) for _ in range(rng.integers(1, 4))], axis=0)


@register(GAINS)
def dropouts(rng: Rng, n: int) -> np.ndarray:
    """Very brief losses of the signal."""
    return -120.0 * np.any([stretch_of(rng, n, 0.03, 0.2) for _ in range(rng.integers(1, 9))], axis=0)


@register(GAINS)
def wander(rng: Rng, n: int) -> np.ndarray:
    """The level wanders, slowly or within seconds."""
    return drift(rng, n, log_uniform(rng, 0.04, 0.6), -rng.uniform(1, 8), rng.uniform(1, 6))


@register(GAINS, split="validation")
def ducking(rng: Rng, n: int) -> np.ndarray:
    """The background is turned down again and again, as under a speaker."""
    return -rng.uniform(6, 14) * (np.sin(control_times(n) * rng.uniform(0.3, 1.2) + rng.uniform(0, 6)) > 0.3)


@register(GAINS, split="test")
def pumping(rng: Rng, n: int) -> np.ndarray:
    """A regular swell of the level over a few seconds."""
    return rng.uniform(3, 9) * np.sin(2 * np.pi * control_times(n) / rng.uniform(2, 9))


def now_and_then(rng: Rng, n: int, sound: np.ndarray, per_minute: float) -> np.ndarray:
    """The sound at a few random instants."""
    track = np.zeros(n, dtype=np.float32)
    for start in rng.integers(0, n, max(1, rng.poisson(per_minute * n / RATE / 60))):
        mix_in(track, sound, int(start), float(decibels(rng.normal(0, 3))))
    return track


def steadily(rng: Rng, n: int, sound: np.ndarray, gap_seconds: float, sway: float = 0.03) -> np.ndarray:
    """The sound repeated evenly from beginning to end."""
    track, start = np.zeros(n, dtype=np.float32), rng.uniform(-gap_seconds, 0)
    while start < n / RATE:
        mix_in(track, sound, int(start * RATE), float(decibels(rng.normal(0, 0.7))))
        start += gap_seconds * rng.uniform(1 - sway, 1 + sway)
    return track


@register(SOUNDS)
def clicks(rng: Rng, n: int) -> np.ndarray:
    """Small clicks."""
    length = samples(rng.uniform(0.005, 0.03))
    click = noise(rng, length, lambda f: band(f, rng.uniform(200, 3000), 8000)) * decay(length, length / RATE)
    return now_and_then(rng, n, click, rng.uniform(2, 25))


@register(SOUNDS)
def bumps(rng: Rng, n: int) -> np.ndarray:
    """Handling noise: very low thumps."""
    length = samples(rng.uniform(0.1, 0.5))
    thump = noise(rng, length, lambda f: band(f, 15, rng.uniform(50, 120), 3)) * decay(length, length / RATE)
    return 2.0 * now_and_then(rng, n, thump, rng.uniform(2, 12))


@register(SOUNDS)
def hiss_change(rng: Rng, n: int) -> np.ndarray:
    """The hiss of the microphone comes and goes."""
    hiss = noise(rng, n, lambda f: band(f, rng.uniform(500, 3000), 8000, 1))
    return 0.4 * hiss * upsample(stretch_of(rng, n, 3, 30).astype(np.float32), n)


@register(SOUNDS)
def hammer(rng: Rng, n: int) -> np.ndarray:
    """A hammer or a machine that beats all the time."""
    blow = modes(
        rng, samples(0.4), log_uniform(rng, 100, 2500) * rng.uniform(1, 4, 5), rng.uniform(0.05, 0.3)
    )
    return 2.0 * steadily(rng, n, unit(blow), log_uniform(rng, 0.4, 3))


@register(SOUNDS)
def metronome(rng: Rng, n: int) -> np.ndarray:
    """Ticks or pips at an even pace."""
    pip = fade(tone(rng, log_uniform(rng, 500, 4000), samples(rng.uniform(0.01, 0.12)), -20), 0.003, 0.005)
    return steadily(rng, n, pip, rng.uniform(0.35, 1.5), 0.0)


@register(SOUNDS)
def rustle(rng: Rng, n: int) -> np.ndarray:
    """Cloth or paper moves now and then."""
    length = samples(rng.uniform(0.3, 1.2))
    cloth = noise(rng, length, lambda f: band(f, 1000, 7000, 1))
    curve = drift(rng, length, 20, 0, 1) ** 2
    return 0.7 * now_and_then(rng, n, fade(cloth * upsample(curve, length), 0.1, 0.2), rng.uniform(2, 10))


@register(SOUNDS, split="validation")
def drips(rng: Rng, n: int) -> np.ndarray:
    """Dripping water."""
    length = samples(0.12)
    pitch = log_uniform(rng, 500, 1800) * np.linspace(1, 1.6, controls(length))
    return steadily(rng, n, tone(rng, pitch, length, -30) * decay(length, 0.1), rng.uniform(0.5, 2.5), 0.1)


@register(SOUNDS, split="test")
def typing(rng: Rng, n: int) -> np.ndarray:
    """Bouts of typing on a keyboard."""
    length = samples(0.03)
    key = noise(rng, length, lambda f: band(f, 1200, 6000)) * decay(length, 0.03)
    bouts = upsample((drift(rng, n, 0.4, 0, 1) > 0.5).astype(np.float32), n + HOP)[:n]
    return steadily(rng, n, key, rng.uniform(0.12, 0.25), 0.6) * bouts
