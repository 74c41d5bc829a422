"""Any number of soundtracks whose highlights are known, to train and test a highlight model on.

A soundtrack is one or more backgrounds (`beds`), things that change without mattering (`distractors`) and
highlights (`events`, `voices`) in rooms and through recording chains (`rooms`). What is labelled is what
stands out from its surroundings, not what is loud.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import oaconvolve

from datasets_scripts.building.splits import SPLITS
from datasets_scripts.synthesis import distractors, rooms
from datasets_scripts.synthesis.beds import BEDS
from datasets_scripts.synthesis.events import EVENTS as PLAIN_EVENTS
from datasets_scripts.synthesis.labels import Event, Ramp, Soundtrack, label_seconds, ramp_seconds
from datasets_scripts.synthesis.material import Material
from datasets_scripts.synthesis.mixing import active_part, choose, evened, is_free, rms, surrounding_level
from datasets_scripts.synthesis.singles import make_singles
from datasets_scripts.synthesis.tools import (
    HOP,
    RATE,
    control_times,
    decibels,
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
from datasets_scripts.synthesis.wider import make_film

if TYPE_CHECKING:
    from datasets_scripts.synthesis.library import Library

EVENTS = {**PLAIN_EVENTS, **VOICES}
REACTIONS = {
    "train": ("cheer", "applause", "laughter", "wolf_whistles", "shout"),
    "validation": ("audience_laughter", "crowd_gasp"),
    "test": ("booing", "crowd_song"),
}
WORLDS = ("generated", "wider", "recorded", "single")
RECORDED_WORLDS = ("recorded", "single")  # that have recorded sounds, if there is a library
Rng = np.random.Generator


def generate_soundtrack(
    seed: int,
    *,
    duration: float = 60.0,
    split: str = "train",
    world: str = "generated",
    library: Library | None = None,
    eventless: bool = False,
    ramp: Ramp | None = None,
) -> Soundtrack:
    """The soundtrack of a seed, always the same; `duration` in seconds, at least 4.

    `world` is "generated" (one scene or two, the usual test), "wider" (films of several scenes, more kinds of
    sound), "recorded" (as wider, most sounds from the recordings of `library`) or "single" (single sounds
    over one background, most of them recordings if there is a library). The splits share no kind of event and
    no recording. `eventless` leaves the highlights out. With a `ramp` the labels rise and fall about a
    highlight; without one they have narrow shoulders. Events of low prominence (below 0.3) are small things
    of minor interest. Raises ValueError for an unknown split or world, a negative seed, less than 4 s or
    recorded sound without a library.
    """
    _check_arguments(seed, duration, split, world, library)
    entropy = [seed, SPLITS.index(split), round(duration * 1000)]
    if world == "generated":
        waveform, events, beds = _generate(np.random.SeedSequence(entropy), duration, split, eventless)
    else:
        source = Material(split, library if world in RECORDED_WORLDS else None)
        make = make_singles if world == "single" else make_film
        waveform, events, beds = make([*entropy, WORLDS.index(world)], duration, source, eventless)
    labels = label_seconds(events, duration) if ramp is None else ramp_seconds(events, duration, ramp)
    return Soundtrack(waveform, labels, events, beds)


def _check_arguments(seed: int, duration: float, split: str, world: str, library: Library | None) -> None:
    if split not in SPLITS:
        raise ValueError(f"split is {split!r}; it must be one of {', '.join(SPLITS)}.")
    if world not in WORLDS:
        raise ValueError(f"world is {world!r}; it must be one of {', '.join(WORLDS)}.")
    if seed < 0:
        raise ValueError(f"seed is {seed}; it must be 0 or more.")
    if not duration >= 4:
        raise ValueError(f"duration is {duration} s; it must be at least 4 s.")
    if world == "recorded" and library is None:
        raise ValueError("library is None; the recorded world needs a library of recordings.")


def _generate(
    seed: np.random.SeedSequence, duration: float, split: str, eventless: bool
) -> tuple[np.ndarray, list[Event], list[str]]:
    rng, n = np.random.default_rng(seed), samples(duration)
    track, beds = background(rng, n, split)
    repeated = distract(rng, track, split)
    kinds = [kind for kind in of_split(EVENTS, split) if kind != repeated]
    events = [] if eventless else add_events(rng, track, kinds, split)
    return master(rng, track), events, beds


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


def make_event(rng: Rng, kind: str, duration: float, response: np.ndarray | None = None) -> np.ndarray:
    """The sound of an event, in a room if one is given; the root mean square over its strong parts is 1."""
    return evened(EVENTS[kind].make(rng, duration).astype(np.float32), response)


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
