"""Where the sounds of a film come from: made by the generators, or taken from a library of recordings."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.signal import resample

from datasets_scripts.synthesis.beds import BEDS
from datasets_scripts.synthesis.distractors import SOUNDS, available
from datasets_scripts.synthesis.events import EVENTS as THINGS
from datasets_scripts.synthesis.events import strikes
from datasets_scripts.synthesis.mixing import active_part, looped, strung
from datasets_scripts.synthesis.spectacle import EVENTS as SPECTACLE
from datasets_scripts.synthesis.tools import RATE, fade, log_uniform, mix_in, of_split, samples, unit
from datasets_scripts.synthesis.voices import EVENTS as VOICES

if TYPE_CHECKING:
    from datasets_scripts.synthesis.library import Library

# Parts of a score mark no moment in a film, so they are no highlights there.
MUSICAL = ("noise_burst", "drum_fill", "music_drop", "brass_swell", "cymbal_swell")
EVENTS = {name: kind for name, kind in {**THINGS, **VOICES, **SPECTACLE}.items() if name not in MUSICAL}
BED_ROLES = {
    "talk": {"train": ("talker", "babble"), "validation": ("dialogue",), "test": ("talker", "dialogue")},
    "music": {
        "train": ("chord_music", "rhythm_music", "arpeggio_music"),
        "validation": ("plucked_music",),
        "test": ("organ_music",),
    },
}
MUSIC_WORDS = ("music", "song", "melody", "soundtrack")
TALK_WORDS = ("speech", "speak", "talk", "voice", "dialog", "prompt", "narrat", "spoken")
FIERCE_WORDS = (
    *("explo", "blast", "gun", "shot", "fire", "thunder", "break", "glass", "crash", "impact", "hit", "roar"),
    *("scream", "shout", "engine", "weapon", "skid", "tyre", "electric", "zap", "smash", "collapse", "metal"),
    *("splinter", "beast", "shatter", "cannon", "splash", "vehicle", "machine", "battle", "bellow", "snarl"),
)
REACTION_WORDS = ("cheer", "applause", "laugh", "gasp", "boo", "crowd", "audience", "clap", "ovation")
INTEREST = (
    (
        1.0,
        (
            "action",
            "explo",
            "thunder",
            "cheer",
            "applause",
            "laugh",
            "gun",
            "shot",
            "break",
            "scream",
            "siren",
        ),
    ),
    (0.95, ("crash", "horn", "crowd", "alarm", "roar")),
    (0.85, ("animal", "dog", "cat", "bird", "bell", "whistle", "engine", "vehicle")),
    (0.8, ("magic", "door", "weapon", "splash", "fanfare")),
)
UNKNOWN_INTEREST = 0.9
RECORDED_EVENTS, RECORDED_BEDS, RECORDED_MINOR = 0.67, 0.8, 0.6
LONGEST_EVENT = 10.0
ENOUGH = 0.1  # Of all recordings of events; kinds that have fewer together are used less often.
Rng = np.random.Generator


class EventKind(NamedTuple):
    """A kind of highlight, recorded or generated."""

    name: str
    recorded: bool


def has(name: str, words: tuple[str, ...]) -> bool:
    """Whether a part of a kind's name, as in horror_scream, begins with one of the words."""
    return any(part.startswith(words) for part in re.split("[^a-z]+", name.lower()))


class Material:
    """The sounds of one film in a split; backgrounds come back, as places and themes do in films."""

    def __init__(self, split: str, library: Library | None):
        self.split, self._library = split, library
        self._beds: dict[str, list[tuple[str, np.ndarray]]] = {"place": [], "talk": [], "music": []}
        recorded = self._kinds("foreground")
        self._recorded = [kind for kind in recorded if not has(kind, (*MUSIC_WORDS, *TALK_WORDS))]
        self._generated = of_split(EVENTS, split)

    def _kinds(self, role: str) -> list[str]:
        return self._library.kinds(role, self.split) if self._library else []

    def kinds(self, rng: Rng, count: int, words: tuple[str, ...] = ()) -> list[EventKind]:
        """Different kinds of event, at most `count`; only those named by the words, if any are."""
        tables = {}
        for recorded, names in ((True, self._recorded), (False, self._generated)):
            tables[recorded] = [name for name in names if not words or has(name, words)]
        known, wanted = self._count(tables[True]), ENOUGH * self._count(self._recorded)
        share = RECORDED_EVENTS * min(1.0, known / max(wanted, 1))
        chosen: list[EventKind] = []
        for _ in range(count):
            recorded = bool(tables[True]) and (not tables[False] or rng.random() < share)
            if not tables[recorded]:
                break
            name = self._draw(rng, tables[recorded], "foreground" if recorded else None)
            tables[recorded].remove(name)
            chosen.append(EventKind(name, recorded))
        return chosen

    def _count(self, names: list[str]) -> int:
        return sum(len(self._library.recordings("foreground", name, self.split)) for name in names)

    def _draw(self, rng: Rng, names: list[str], role: str | None = None) -> str:
        """One of the names; of recorded ones, those with many recordings in the role come more often."""
        if role is None:
            return names[int(rng.integers(len(names)))]
        shares = np.sqrt([len(self._library.recordings(role, name, self.split)) for name in names])
        return names[int(rng.choice(len(names), p=shares / shares.sum()))]

    def interest(self, kind: EventKind) -> float:
        """How much a kind of event matters to a viewer, 0.8 to 1."""
        if not kind.recorded:
            return EVENTS[kind.name].interest
        return next((value for value, words in INTEREST if has(kind.name, words)), UNKNOWN_INTEREST)

    def event(self, rng: Rng, kind: EventKind, longest: float) -> np.ndarray:
        """One sound of a kind, at most `longest` seconds."""
        longest = min(longest, LONGEST_EVENT)
        if kind.recorded:
            return recorded_event(rng, self._pick(rng, "foreground", kind.name), longest)
        made = EVENTS[kind.name]
        return made.make(rng, min(log_uniform(rng, made.shortest, made.longest), longest)).astype(np.float32)

    def _pick(self, rng: Rng, role: str, kind: str) -> np.ndarray:
        recordings = self._library.recordings(role, kind, self.split)
        recording = recordings[int(rng.integers(len(recordings)))]
        sound = self._library.read(recording)
        if not sound.any():
            raise ValueError(f"{os.fspath(recording)}: is silent; remove it from the library.")
        return sound

    def minor(self, rng: Rng, n: int) -> np.ndarray:
        """n samples with small things that are no highlights; their strongest parts have about unit power."""
        kinds = self._kinds("minor")
        if not kinds or rng.random() > RECORDED_MINOR:
            return SOUNDS[self._draw(rng, available(SOUNDS, self.split))].make(rng, n)
        kind, track = self._draw(rng, kinds, "minor"), np.zeros(n, dtype=np.float32)
        sounds = [peaked(active(self._pick(rng, "minor", kind), 4.0)) for _ in range(2)]
        for start in rng.integers(0, n, max(1, rng.poisson(rng.uniform(2, 20) * n / RATE / 60))):
            mix_in(track, sounds[int(rng.integers(2))], int(start), float(rng.uniform(0.4, 1)))
        return track

    def bed(self, rng: Rng, role: str, n: int) -> tuple[np.ndarray, str]:
        """n samples of a background of unit power, and its name; `role` is place, talk or music."""
        kept = self._beds[role]
        if not kept or rng.random() < 0.4:
            name, sound = self._new_bed(rng, role, n)
            kept.append((name, unit(sound)))
            return kept[-1][1][:n].copy(), name
        name, sound = kept[int(rng.integers(len(kept)))]
        return looped(sound, n, int(rng.integers(len(sound)))), name

    def _new_bed(self, rng: Rng, role: str, n: int) -> tuple[str, np.ndarray]:
        kinds = [kind for kind in self._kinds("background") if bed_role(kind) == role]
        if kinds and rng.random() < RECORDED_BEDS:
            kind = self._draw(rng, kinds, "background")
            if role == "talk":
                return kind, self._talk(rng, kind, n)
            count = 1 if rng.random() < 0.6 else int(rng.integers(2, 4))
            return kind, strung(rng, [self._pick(rng, "background", kind) for _ in range(count)], n)
        scored = {name for roles in BED_ROLES.values() for names in roles.values() for name in names}
        names = BED_ROLES.get(role, {}).get(self.split) or [
            name for name in of_split(BEDS, self.split) if name not in scored
        ]
        shares = np.array([BEDS[name].common for name in names])
        name = str(rng.choice(names, p=shares / shares.sum()))
        return name, BEDS[name].make(rng, n / RATE)

    def _talk(self, rng: Rng, kind: str, n: int) -> np.ndarray:
        """Spoken phrases with pauses."""
        track, pause = np.zeros(n, dtype=np.float32), log_uniform(rng, 0.2, 1.5)
        time = int(rng.exponential(pause) * RATE)
        while time < n:
            phrase = unit(active(self._pick(rng, "background", kind), 12.0))
            mix_in(track, phrase, time)
            time += len(phrase) + int(min(rng.exponential(pause), 8) * RATE)
        return track


def bed_role(kind: str) -> str:
    """Whether a kind of background is talk, music or a place."""
    return "talk" if has(kind, TALK_WORDS) else "music" if has(kind, MUSIC_WORDS) else "place"


def active(sound: np.ndarray, longest: float) -> np.ndarray:
    """What is audible of a recording, from its beginning, at most `longest` seconds, faded at both ends."""
    if len(sound) < samples(0.05):
        sound = np.pad(sound, (0, samples(0.05) - len(sound)))
    start, end = active_part(sound, 30.0)
    part = sound[int(start * RATE) : int(min(end, start + longest) * RATE)].copy()
    return fade(part, 0.003, min(0.3, 0.2 * len(part) / RATE))


def peaked(sound: np.ndarray) -> np.ndarray:
    """The sound with its strongest sample at 3, as if its strongest parts had unit power."""
    return sound * np.float32(3 / (np.abs(sound).max() + 1e-9))


def recorded_event(rng: Rng, recording: np.ndarray, longest: float) -> np.ndarray:
    """An event from a recording: its audible part, perhaps faster or slower, perhaps in a burst."""
    sound = active(recording, longest)
    if rng.random() < 0.5:
        sound = resample(sound, samples(len(sound) / RATE * rng.uniform(0.87, 1.15))).astype(np.float32)
    seconds = len(sound) / RATE
    if seconds < 1.5 and rng.random() < 0.3:
        total = min(longest, seconds * rng.uniform(2, 6))
        sound = strikes(rng, samples(total), sound, 0.0, max(0.08, seconds * rng.uniform(0.3, 1.3)), sway=0.3)
    return sound[: samples(longest)]
