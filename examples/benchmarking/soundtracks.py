"""Soundtracks of recorded sounds whose highlights are of twelve kinds, all of which stand out as much."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from datasets_scripts.synthesis.labels import Event
from datasets_scripts.synthesis.library import Library
from datasets_scripts.synthesis.material import Material, recorded_event
from datasets_scripts.synthesis.mixing import active_part, evened, rms
from datasets_scripts.synthesis.tools import RATE, decibels, mix_in

PAIRS = (
    ("explosion", "gunshot"),
    ("bird", "dog"),
    ("farm", "scream"),
    ("bell", "fanfare"),
    ("engine", "splash"),
)
OTHERS = ("crash", "door")
KINDS = tuple(sorted({*OTHERS, *(kind for pair in PAIRS for kind in pair)}))
LIFT = (5.0, 14.0)  # dB of a highlight above what is around it
LENGTH = (1.5, 5.0)  # seconds of a highlight, of one recording or several


def soundtrack(
    seed: int,
    seconds: int,
    slots: int,
    library: Library,
    splits: Sequence[str],
    role: str,
    kinds: Sequence[str] = KINDS,
) -> tuple[np.ndarray, list[Event]]:
    """Samples (n,) and highlights, of recordings of those splits.

    slots: places of highlights. role: what goes on throughout: music, talk or a place. kinds: what highlights
    are drawn from; a kind that is listed twice comes twice as often. Raises ValueError if the library lacks
    one.
    """
    rng, n = np.random.default_rng(seed), seconds * RATE
    film, _ = Material(splits[0], library).bed(rng, role, n)
    film, events = film.astype(np.float32), []
    for slot in range(slots):
        kind = str(rng.choice(kinds))
        sound = highlight(rng, library, kind, splits)
        start = int((2 + (slot + rng.uniform(0, 0.4)) * (seconds - 3) / slots) * RATE)
        around = film[max(0, start - RATE) : start + len(sound) + RATE]
        mix_in(film, sound, start, max(rms(around), 0.1) * float(decibels(rng.uniform(*LIFT))))
        first, last = active_part(sound)
        events.append(Event(kind, start / RATE + first, start / RATE + last, 1.0))
    return film / np.abs(film).max() * np.float32(0.7), events


def highlight(rng: np.random.Generator, library: Library, kind: str, splits: Sequence[str]) -> np.ndarray:
    """Recordings of a kind, one after the other."""
    recordings = [one for split in splits for one in library.recordings("foreground", kind, split)]
    if not recordings:
        raise ValueError(f"{library.folder}: has no {kind} in the splits {', '.join(splits)}.")
    parts, length = [], RATE * rng.uniform(*LENGTH)
    while sum(map(len, parts)) < length:
        recording = library.read(recordings[int(rng.integers(len(recordings)))])
        parts.append(evened(recorded_event(rng, recording, LENGTH[1])))
    return np.concatenate(parts)[: int(LENGTH[1] * RATE)]
