"""Scenes of a film without its highlights: talk, quiet, places, music, and how they follow one another.

Each scene is a function `name(rng, source, n)` giving n samples, at a root mean square of about 1 where it is
as loud as ordinary talk, and the names of its backgrounds. `SCENES` lists them with how common they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from datasets_scripts.synthesis import distractors
from datasets_scripts.synthesis.material import Material
from datasets_scripts.synthesis.mixing import block_power, choose
from datasets_scripts.synthesis.tools import (
    RATE,
    control_times,
    controls,
    decibels,
    drift,
    fade,
    log_uniform,
    mix_in,
    noise,
    samples,
    tilt,
    tone,
    upsample,
)

Rng = np.random.Generator
Scene = Callable[[Rng, Material, int], tuple[np.ndarray, list[str]]]
SHORTEST, LONGEST = 15.0, 60.0


class Stretch(NamedTuple):
    """A part of a film, in seconds."""

    start: float
    end: float


def dialogue(rng: Rng, source: Material, n: int) -> tuple[np.ndarray, list[str]]:
    """Talk with pauses in a room or a place, perhaps over soft music; it may set in late or end early."""
    talk, name = source.bed(rng, "talk", n)
    if rng.random() < 0.4:
        times, begin = control_times(n), rng.uniform(0, 0.6) * n / RATE
        talk *= upsample((times > begin) if rng.random() < 0.6 else (times < begin), n)
    floor, floor_names = ground(rng, source, n)
    sound, names = talk + floor, [name, *floor_names]
    if rng.random() < 0.35:
        music, name = source.bed(rng, "music", n)
        sound, names = sound + music * np.float32(decibels(rng.uniform(-26, -8))), [*names, name]
    return sound, names


def ground(rng: Rng, source: Material, n: int) -> tuple[np.ndarray, list[str]]:
    """What lies under talk: a soft place, or the tone of a room."""
    if rng.random() < 0.5:
        place, name = source.bed(rng, "place", n)
        return place * np.float32(decibels(rng.uniform(-30, -6))), [name]
    return room_tone(rng, n) * np.float32(decibels(rng.uniform(-55, -22))), []


def room_tone(rng: Rng, n: int) -> np.ndarray:
    """The soft dull noise of a room in which nothing happens."""
    slope = rng.uniform(-9, -2)
    return noise(rng, n, lambda f: tilt(f, slope))


def quiet(rng: Rng, source: Material, n: int) -> tuple[np.ndarray, list[str]]:
    """Hardly anything: a room's tone, now and then a place far away."""
    sound, names = room_tone(rng, n) * np.float32(decibels(rng.uniform(-45, -12))), []
    if rng.random() < 0.4:
        place, name = source.bed(rng, "place", n)
        sound, names = sound + place * np.float32(decibels(rng.uniform(-40, -14))), [name]
    return sound, names


def place(rng: Rng, source: Material, n: int) -> tuple[np.ndarray, list[str]]:
    """One place or two at once, perhaps with somebody talking in it."""
    sound, name = source.bed(rng, "place", n)
    names = [name]
    for role, chance in (("place", 0.3), ("talk", 0.4)):
        if rng.random() < chance:
            other, name = source.bed(rng, role, n)
            sound, names = sound + other * np.float32(decibels(rng.uniform(-14, 4))), [*names, name]
    return sound * np.float32(decibels(rng.uniform(-14, 4))), names


def music(rng: Rng, source: Material, n: int) -> tuple[np.ndarray, list[str]]:
    """Music that begins, swells, steps up or stops as it likes, often louder than anything else."""
    sound, name = source.bed(rng, "music", n)
    sound = sound * upsample(decibels(music_level(rng, n)), n)
    floor, names = ground(rng, source, n)
    return (sound + floor) * np.float32(decibels(rng.uniform(-8, 8))), [name, *names]


def music_level(rng: Rng, n: int) -> np.ndarray:
    """Level of music in dB as a control curve: swells, steps and silences."""
    times, seconds = control_times(n), n / RATE
    level = drift(rng, n, log_uniform(rng, 0.05, 0.3), -rng.uniform(0, 5), 0)
    if rng.random() < 0.4:
        start, length = rng.uniform(0, 0.8) * seconds, log_uniform(rng, 1, 12)
        level += rng.uniform(5, 16) * (np.clip((times - start) / length, 0, 1) - 1)
    if rng.random() < 0.3:
        level += rng.uniform(4, 12) * distractors.stretch_of(rng, n, 4, 20)
    if rng.random() < 0.35:
        begin = rng.uniform(0, 0.6) * seconds
        level[(times < begin) if rng.random() < 0.6 else (times > begin + 0.35 * seconds)] = -120
    return level


def trailer(rng: Rng, source: Material, n: int) -> tuple[np.ndarray, list[str]]:
    """A narrator, music and a place together, the music turned down under the voice."""
    talk, talk_name = source.bed(rng, "talk", n)
    score, score_name = source.bed(rng, "music", n)
    far, far_name = source.bed(rng, "place", n)
    speaking = np.convolve(block_power(talk), np.ones(40) / 40, mode="same") > 0.05
    ducking = np.pad(-rng.uniform(0, 10) * speaking, (0, controls(n) - len(speaking)), mode="edge")
    turned = upsample(decibels(ducking), n)
    sound = talk + score * turned * np.float32(decibels(rng.uniform(-10, 6)))
    return sound + far * np.float32(decibels(rng.uniform(-25, -6))), [talk_name, score_name, far_name]


SCENES: dict[Scene, float] = {dialogue: 0.32, quiet: 0.12, place: 0.24, music: 0.18, trailer: 0.14}


def scene_lengths(rng: Rng, n: int) -> list[int]:
    """Samples of each scene of a film: 15 to 60 s, the last perhaps longer or all there is."""
    lengths: list[int] = []
    while (left := n - sum(lengths)) > 0:
        length = samples(log_uniform(rng, SHORTEST, LONGEST))
        lengths.append(left if left - length < samples(SHORTEST) else length)
    return lengths


def string_scenes(rng: Rng, source: Material, n: int) -> tuple[np.ndarray, list[str]]:
    """A film's scenes one after the other, with cuts and crossfades between them, and their backgrounds."""
    film, beds, position = np.zeros(n, dtype=np.float32), [], 0
    kinds, shares = list(SCENES), np.array(list(SCENES.values()))
    for length in scene_lengths(rng, n):
        overlap = 0.0 if rng.random() < 0.55 else log_uniform(rng, 0.1, 3)
        kind = kinds[int(rng.choice(len(kinds), p=shares / shares.sum()))]
        sound, names = kind(rng, source, length + samples(overlap) if position else length)
        start = position + length - len(sound)
        if overlap and position:
            count = position - start
            film[start:position] *= np.linspace(1, 0, count, dtype=np.float32)
            fade(sound, overlap, 0.002)
        else:
            sound, start = sound[len(sound) - length :], position
        mix_in(film, sound, start, float(decibels(rng.normal(0, 3))))
        beds, position = beds + [name for name in names if name not in beds], position + length
    return film, beds


def change_levels(rng: Rng, film: np.ndarray, split: str) -> None:
    """Changes of level of the film as a whole that mean nothing, in place."""
    for name in choose(rng, distractors.available(distractors.GAINS, split), 0.9):
        film *= upsample(decibels(distractors.GAINS[name].make(rng, len(film))), len(film))


def plan_silences(rng: Rng, seconds: float) -> list[Stretch]:
    """Silences of 1 to 25 s at the beginning, at the end and in between, over at most half of the film."""
    silences, left = [], 0.5 * seconds
    for where, chance in (("begin", 0.22), ("end", 0.3), ("middle", 0.25), ("middle", 0.12)):
        length = min(log_uniform(rng, 1, 25 if where == "end" else 12), left)
        start = rng.uniform(0, seconds - length)
        if rng.random() >= chance or length < 0.8:
            continue
        start = {"begin": 0.0, "end": seconds - length}.get(where, start)
        silences.append(Stretch(start, start + length))
        left -= length
    return silences


def title(rng: Rng, seconds: float) -> np.ndarray:
    """The chord, stroke or jingle of a title card, as strong as loud music."""
    n, base = samples(seconds), log_uniform(rng, 45, 300)
    ratios = [1.0, 2.0, *rng.choice([1.26, 1.5, 1.19, 3.0, 1.335], int(rng.integers(1, 4)))]
    chord = sum(
        tone(rng, base * ratio * rng.uniform(0.997, 1.003), n, rng.uniform(-14, -4)) for ratio in ratios
    )
    ring = np.exp(-np.arange(n, dtype=np.float32) / np.float32(RATE * seconds * rng.uniform(0.2, 0.6)))
    boom = noise(rng, n, lambda f: tilt(f, -9)) * np.float32(rng.uniform(0, 1.5))
    return fade((chord + boom) * ring, log_uniform(rng, 0.003, 0.6), 0.3 * seconds)
