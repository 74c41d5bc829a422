"""Short films of recorded sounds in music, talk and places, and when which recording is heard."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from datasets_scripts.synthesis.library import Library, Recording
from datasets_scripts.synthesis.material import Material, recorded_event
from datasets_scripts.synthesis.mixing import active_part, evened, rms
from datasets_scripts.synthesis.tools import RATE, decibels, mix_in
from examples.naming.vocabulary import right_names

SECONDS = 44  # of a film
SLOTS = (
    4.5,
    12.5,
    20.5,
    28.5,
    36.5,
)  # seconds at or after which something is heard, or a stretch of the bed begins
LONGEST = 4.0  # seconds of an event
RISE = (5.0, 14.0)  # dB by which events are above their surroundings
EMPTY = 0.15  # of the slots have no event
BEDS = {"music": {"music"}, "talk": {"speech"}, "place": set[str]()}  # what is heard in each
ROLES = tuple(BEDS)
# Backgrounds and small things that may be events too, and the bed that they are themselves.
FURTHER = {
    ("background", "crowd"): "talk",
    ("background", "machine"): "place",
    ("background", "music"): "music",
    ("background", "nature"): "place",
    ("background", "speech"): "talk",
    ("minor", "footstep"): "",
}
MOST, LEAST, OFTENEST = 30, 24, 6  # recordings of a kind; times that a kind is heard; that a recording is

Rng = np.random.Generator


@dataclass(frozen=True)
class Heard:
    """A stretch [start, end) in whole seconds, and the recording that stands out in it, if any does."""

    start: int
    end: int
    recording: Recording | None


@dataclass(frozen=True)
class LabelledFilm:
    """sound: (n,) float32 at 16 kHz. role: of its bed, music, talk or place."""

    sound: np.ndarray
    role: str
    heard: list[Heard]


def recordings_of(library: Library, splits: tuple[str, ...]) -> list[Recording]:
    """The recordings to be heard, each as often as it shall be, in a fixed order.

    Raises ValueError naming the folder if there are none.
    """
    rng, chosen = np.random.default_rng(0), []
    places = [("foreground", kind) for split in splits for kind in library.kinds("foreground", split)]
    for role, kind in sorted({*places, *FURTHER}):
        known = [one for split in splits for one in library.recordings(role, kind, split)]
        known = [one for one in known if right_names(one)]
        picked = [known[i] for i in rng.permutation(len(known))[:MOST]]
        times = min(OFTENEST, max(1, -(-LEAST // max(len(picked), 1))))
        chosen += picked * times
    if not chosen:
        raise ValueError(f"{library.folder}: has no recordings of known sounds in {' or '.join(splits)}.")
    return [chosen[i] for i in rng.permutation(len(chosen))]


def labelled_films(library: Library, splits: tuple[str, ...], seed: int = 0) -> Iterator[LabelledFilm]:
    """Films in which each of `recordings_of` is heard, in beds of the same splits.

    Raises ValueError as that does, before any film is made.
    """
    return _films(library, splits, recordings_of(library, splits), seed)


def _films(
    library: Library, splits: tuple[str, ...], waiting: list[Recording], seed: int
) -> Iterator[LabelledFilm]:
    number = 0
    while waiting:
        rng = np.random.default_rng([seed, number])
        role, split = ROLES[number % len(ROLES)], splits[number % len(splits)]
        yield _film(rng, Material(split, library), library, role, waiting)
        number += 1


def _film(
    rng: Rng, material: Material, library: Library, role: str, waiting: list[Recording]
) -> LabelledFilm:
    """Takes what is heard from the end of `waiting`, passing over what the bed itself is made of."""
    film, _ = material.bed(rng, role, SECONDS * RATE)
    film, heard = film.astype(np.float32).copy(), []
    for earliest in SLOTS:
        start = earliest + float(rng.uniform(0, 1.5))
        recording = None if rng.random() < EMPTY else _next(waiting, role)
        if recording is None:
            heard.append(Heard(int(start), int(start) + int(rng.integers(2, 5)), None))
        else:
            heard.append(_put(rng, film, library, recording, start))
    return LabelledFilm(film / np.abs(film).max() * np.float32(rng.uniform(0.2, 0.9)), role, heard)


def _next(waiting: list[Recording], role: str) -> Recording | None:
    fitting = [i for i, one in enumerate(waiting) if FURTHER.get((one.role, one.kind)) != role]
    return waiting.pop(fitting[-1]) if fitting else waiting.pop() if waiting else None


def _put(rng: Rng, film: np.ndarray, library: Library, recording: Recording, start: float) -> Heard:
    sound = library.read(recording)
    if recording.role == "background":
        sound = sound[int(rng.uniform(0, 0.5) * max(0, len(sound) - 5 * RATE)) :]
    sound, at = evened(recorded_event(rng, sound, LONGEST)), int(start * RATE)
    around = film[at - RATE : at + len(sound) + RATE]
    mix_in(film, sound, at, max(rms(around), 0.1) * float(decibels(rng.uniform(*RISE))))
    first, last = active_part(sound)
    begin, end = int(start + first - rng.uniform(0, 1)), int(np.ceil(start + last + rng.uniform(0, 1)))
    return Heard(begin, max(end, begin + 2), recording)
