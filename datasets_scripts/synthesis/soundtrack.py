"""Any number of soundtracks whose highlights are known, to train and test a highlight model on.

A soundtrack is one or more backgrounds (`beds`), things that change without mattering (`distractors`) and
highlights (`events`, `voices`) in rooms and through recording chains (`rooms`). What is labelled is what
stands out from its surroundings, not what is loud.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import fft
from scipy.ndimage import gaussian_filter1d
from scipy.signal import oaconvolve

from datasets_scripts.building.splits import SPLITS
from datasets_scripts.synthesis import distractors, rooms
from datasets_scripts.synthesis.beds import BEDS
from datasets_scripts.synthesis.events import EVENTS as PLAIN_EVENTS
from datasets_scripts.synthesis.tools import (
    HOP,
    RATE,
    control_times,
    convolve,
    decibels,
    fade,
    log_uniform,
    mix_in,
    noise,
    of_split,
    samples,
    tilt,
    unit,
    upsample,
)
from datasets_scripts.synthesis.voices import EVENTS as VOICES

EVENTS = {**PLAIN_EVENTS, **VOICES}
REACTIONS = {
    "train": ("cheer", "applause", "laughter", "wolf_whistles", "shout"),
    "validation": ("audience_laughter", "crowd_gasp"),
    "test": ("booing", "crowd_song"),
}
GRID = 10
Rng = np.random.Generator


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


def generate_soundtrack(seed: int, *, duration: float = 60.0, split: str = "train") -> Soundtrack:
    """The soundtrack of a seed, always the same; `duration` in seconds, at least 4.

    The splits share no kind of event and no kind of background. Events of low prominence (below 0.3) are
    small things of minor interest. Raises ValueError for an unknown split, a negative seed or less than 4 s.
    """
    _check_arguments(seed, duration, split)
    rng = np.random.default_rng(np.random.SeedSequence([seed, SPLITS.index(split), round(duration * 1000)]))
    n = samples(duration)
    track, beds = background(rng, n, split)
    repeated = distract(rng, track, split)
    kinds = [kind for kind in of_split(EVENTS, split) if kind != repeated]
    events = add_events(rng, track, kinds, split)
    waveform = master(rng, track)
    return Soundtrack(waveform, label_seconds(events, duration), events, beds)


def _check_arguments(seed: int, duration: float, split: str) -> None:
    if split not in SPLITS:
        raise ValueError(f"split is {split!r}; it must be one of {', '.join(SPLITS)}.")
    if seed < 0:
        raise ValueError(f"seed is {seed}; it must be 0 or more.")
    if not duration >= 4:
        raise ValueError(f"duration is {duration} s; it must be at least 4 s.")


def background(rng: Rng, n: int, split: str) -> tuple[np.ndarray, list[str]]:
    """Backgrounds, perhaps of two scenes in turn, and their names; digital silence in one track of twelve."""
    if rng.random() < 1 / 12:
        return np.zeros(n, dtype=np.float32), []
    sound, beds = scene(rng, n, split)
    if rng.random() < 0.35:
        other, other_beds = scene(rng, n, split)
        mask = scene_changes(rng, n)
        sound = sound * (1 - mask) + other * mask * np.float32(decibels(rng.uniform(-8, 8)))
        beds = beds + [bed for bed in other_beds if bed not in beds]
    for name in choose(rng, distractors.available(distractors.GAINS, split), 1.4):
        curve = distractors.GAINS[name].make(rng, n)
        sound *= upsample(decibels(curve), n)
    return sound, beds


def scene(rng: Rng, n: int, split: str) -> tuple[np.ndarray, list[str]]:
    """One to three backgrounds at once, of unit power together, and their names."""
    kinds, count = of_split(BEDS, split), rng.choice([1, 2, 3], p=[0.5, 0.35, 0.15])
    weights = np.array([BEDS[kind].common for kind in kinds])
    names = [str(name) for name in rng.choice(kinds, count, replace=False, p=weights / weights.sum())]
    sound = np.zeros(n, dtype=np.float32)
    for number, name in enumerate(names):
        level = rng.uniform(-20, 0) if number else 0.0
        sound += unit(BEDS[name].make(rng, n / RATE)) * np.float32(decibels(level))
    if rng.random() < 0.25:
        sound = oaconvolve(sound, rooms.room(rng)[: samples(0.6)])[:n]
    if rng.random() < 0.5:
        slope = rng.uniform(-9, -2)
        sound = unit(sound) + noise(rng, n, lambda f: tilt(f, slope)) * np.float32(
            decibels(rng.uniform(-50, -20))
        )
    return unit(sound), names


def scene_changes(rng: Rng, n: int) -> np.ndarray:
    """0 where the first scene is heard, 1 where the second is: one to four cuts or crossfades."""
    times = control_times(n)
    cuts = rng.uniform(0.05, 0.95, rng.integers(1, 5)) * times[-1]
    mask = (np.searchsorted(np.sort(cuts), times) % 2).astype(np.float32)
    if rng.random() < 0.5:
        mask = gaussian_filter1d(mask, log_uniform(rng, 0.05, 2) * RATE / HOP)
    return upsample(mask, n)


def choose(rng: Rng, names: list[str], expected: float) -> list[str]:
    """Each name with the same probability, `expected` of them on average."""
    return [name for name in names if rng.random() < expected / len(names)]


def distract(rng: Rng, track: np.ndarray, split: str) -> str | None:
    """Add sounds that are not highlights. Returns the kind of event that repeats throughout, if one does."""
    n = len(track)
    base = rms(track) or 1.0
    for name in choose(rng, distractors.available(distractors.SOUNDS, split), 1.0):
        sound = distractors.SOUNDS[name].make(rng, n)
        track += np.float32(base * decibels(rng.uniform(-8, 10))) * sound
    if rng.random() < 0.88:
        return None
    kind = str(rng.choice(of_split(EVENTS, split)))
    sound = make_event(rng, kind, max(EVENTS[kind].shortest, 0.6))
    gap = len(sound) / RATE + log_uniform(rng, 0.2, 3)
    track += np.float32(base * decibels(rng.uniform(-3, 10))) * distractors.steadily(rng, n, sound, gap, 0.1)
    return kind


def rms(sound: np.ndarray) -> float:
    """Root mean square."""
    return math.sqrt(float(np.dot(sound, sound)) / len(sound))


def make_event(rng: Rng, kind: str, duration: float, response: np.ndarray | None = None) -> np.ndarray:
    """The sound of an event, in a room if one is given; the root mean square over its strong parts is 1."""
    sound = EVENTS[kind].make(rng, duration).astype(np.float32)
    if response is not None:
        sound = convolve(np.pad(sound, (0, samples(0.4))), response)
    power = block_power(sound)
    return fade(sound / np.float32(math.sqrt(np.sum(power**2) / (np.sum(power) + 1e-20)) + 1e-9), 0.002, 0.02)


def block_power(sound: np.ndarray) -> np.ndarray:
    """Mean power of every 8 ms."""
    rows = len(sound) // HOP
    return np.square(sound[: rows * HOP], dtype=np.float32).reshape(rows, HOP).mean(axis=1)


def plan_events(rng: Rng, kinds: list[str], split: str, duration: float) -> list[tuple[str, float, float]]:
    """The events to come: (kind, start, seconds). One to ten a minute, over 5 to 25 % of the time."""
    palette = list(rng.choice(kinds, min(len(kinds), int(rng.integers(1, 6))), replace=False))
    most, share = max(1, round(rng.uniform(1, 10) * duration / 60)), rng.uniform(0.04, 0.24) * duration
    clustered, plan, filled = rng.random() < 0.35, [], 0.0
    for _ in range(60):
        if plan and (len(plan) >= most or filled >= share):
            break
        kind = str(rng.choice(palette))
        length = min(log_uniform(rng, EVENTS[kind].shortest, EVENTS[kind].longest), 0.4 * duration)
        start = float(np.clip(rng.uniform(-1.5, duration - length + 1.5), 0, duration - length))
        if plan and clustered and rng.random() < 0.6:
            start = plan[-1][1] + plan[-1][2] + rng.exponential(2.0)
        if plan and (filled + length > 1.3 * share or not is_free(plan, start, length, duration)):
            continue
        plan.append((kind, start, length))
        filled += length
        reaction = str(rng.choice(REACTIONS[split]))
        after = start + min(length, 1.5) * rng.uniform(0.3, 1.0)
        if rng.random() < 0.25 and reaction in kinds and duration - after > 1.5:
            plan.append((reaction, after, min(rng.uniform(1.5, 6), duration - after)))
            filled += plan[-1][2]
    return plan


def is_free(plan: list[tuple[str, float, float]], start: float, length: float, duration: float) -> bool:
    """Whether nothing planned is nearer than 0.3 s, and the end is inside."""
    clear = all(start > begun + lasts + 0.3 or start + length + 0.3 < begun for _, begun, lasts in plan)
    return clear and start + length <= duration


def add_events(rng: Rng, track: np.ndarray, kinds: list[str], split: str) -> list[Event]:
    """Mix highlights into the track. Returns them in order of time."""
    plan = plan_events(rng, kinds, split, len(track) / RATE)
    response = rooms.room(rng) if rng.random() < 0.7 else None
    usual, own_band = rng.uniform(2, 14), rng.random() < 0.5
    reference, before, events = rms(track), track.copy(), []
    for number, (kind, start, length) in enumerate(plan):
        minor = bool(number > 0 and rng.random() < 0.12)
        ratio = float(rng.uniform(-5, 0) if minor else np.clip(usual + rng.normal(0, 3), 0, 18))
        sound = make_event(rng, kind, length, response)
        level = surrounding_level(before, sound, int(start * RATE), reference, own_band)
        mix_in(track, sound, int(start * RATE), level * float(decibels(ratio)))
        begin, end = active_part(sound[: len(track) - int(start * RATE)])
        weight = prominence(EVENTS[kind].interest, ratio, end - begin, minor)
        events.append(Event(kind, round(start + begin, 3), round(start + end, 3), round(weight, 3)))
    return sorted(events, key=lambda event: event.start)


def prominence(interest: float, ratio: float, seconds: float, minor: bool) -> float:
    """How much an event stands out: 0.4 to 1 by kind, level over its surroundings (dB) and duration."""
    if minor:
        return 0.1 + 0.03 * (ratio + 5)
    level = 0.55 + 0.45 * min(ratio / 12, 1.0)
    return max(0.4, min(1.0, interest * level * (0.85 + 0.15 * min(seconds / 1.5, 1.0))))


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


def active_part(sound: np.ndarray) -> tuple[float, float]:
    """Start and end in seconds of what is within 20 dB of the sound's strongest 50 ms."""
    power = gaussian_filter1d(block_power(sound), 2.0)
    loud = np.flatnonzero(power > 0.01 * power.max())
    return float(loud[0] * HOP / RATE), float((loud[-1] + 1) * HOP / RATE)


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


def master(rng: Rng, track: np.ndarray) -> np.ndarray:
    """The track as it is recorded, with its peak at -40 to 0 dBFS; half of all tracks are in 16-bit steps."""
    if rng.random() < 0.3:
        track = rooms.level_control(rng, track)
    if rng.random() < 0.2:
        track = rooms.soft_clip(rng, track)
    if rng.random() < 0.6:
        track = track + noise(rng, len(track)) * np.float32(rms(track) * decibels(rng.uniform(-70, -30)))
    track = rooms.record(rng, track)
    peak = decibels(-40 * rng.beta(0.7, 3.0))
    track = track * np.float32(peak / (np.abs(track).max() + 1e-12))
    if rng.random() < 0.5:
        track = np.round(track * np.float32(32767)) / np.float32(32767)
    return np.clip(track, -1, 1)
