"""Films of several scenes whose highlights are known: the wider and the recorded world.

Scenes, silences and changes of level come first (`scenes`), then highlights: single ones, ones that bring a
reaction, and stretches of action that count as one. How much each counts is measured on what was mixed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from datasets_scripts.synthesis import rooms, scenes
from datasets_scripts.synthesis.delivery import deliver
from datasets_scripts.synthesis.labels import Event
from datasets_scripts.synthesis.material import FIERCE_WORDS, REACTION_WORDS, EventKind, Material
from datasets_scripts.synthesis.mixing import active_part, evened, excess, rms, surrounding_level
from datasets_scripts.synthesis.scenes import Stretch
from datasets_scripts.synthesis.tools import RATE, decibels, fade, log_uniform, mix_in, samples

Rng = np.random.Generator
EVENTLESS_SHARE = 0.06
ACTION = EventKind("action", True)


def make_film(
    entropy: list[int], duration: float, source: Material, eventless: bool
) -> tuple[np.ndarray, list[Event], list[str]]:
    """A film's sound, its highlights in order of time and its backgrounds.

    Without highlights, everything else is the same as with them.
    """
    setting, action, chain = (
        np.random.default_rng(seed) for seed in np.random.SeedSequence(entropy).spawn(3)
    )
    film, beds = scenes.string_scenes(setting, source, samples(duration))
    scenes.change_levels(setting, film, source.split)
    closed, black = add_silences(setting, film)
    distract(setting, film, source)
    shoot = Shoot(action, film, source, closed)
    if not eventless and action.random() >= EVENTLESS_SHARE:
        shoot.add_highlights()
    film = deliver(chain, shoot.film)
    for silence in black:
        hush(film, silence, -np.inf)
    return film, sorted(shoot.events, key=lambda event: event.start), beds


def add_silences(rng: Rng, film: np.ndarray) -> tuple[list[Stretch], list[Stretch]]:
    """Silences, some with a title's chord, in place. Returns where no highlight may be, and what is to be
    digital silence once the film has been delivered.
    """
    closed, black, reference = [], [], rms(film) or 1.0
    for silence in scenes.plan_silences(rng, len(film) / RATE):
        hush(film, silence, rng.uniform(-75, -45))
        parts = [silence]
        if rng.random() < 0.3:
            chord = add_title(rng, film, silence, reference)
            parts = [Stretch(silence.start, chord.start), Stretch(chord.end, silence.end)]
            closed.append(Stretch(chord.start - 0.5, chord.end))
        closed.append(silence)
        if rng.random() < 0.6:
            black += [part for part in parts if part.end > part.start]
    return closed, black


def hush(film: np.ndarray, silence: Stretch, level: float) -> None:
    """Turns a stretch of the film down to a level in dB, in place."""
    film[int(silence.start * RATE) : int(np.ceil(silence.end * RATE))] *= np.float32(decibels(level))


def add_title(rng: Rng, film: np.ndarray, silence: Stretch, reference: float) -> Stretch:
    """Mixes a title's chord into a silence, or right after one. Returns where it sounds."""
    seconds = rng.uniform(1.5, 6)
    start = silence.start + rng.uniform(0.3, 1.0) * (silence.end - silence.start)
    sound = evened(scenes.title(rng, seconds))
    mix_in(film, sound, int(start * RATE), reference * float(decibels(rng.uniform(-3, 12))))
    return Stretch(start, start + seconds)


def distract(rng: Rng, film: np.ndarray, source: Material) -> None:
    """Small sounds that are no highlights, in place."""
    base = rms(film) or 1.0
    for _ in range(rng.poisson(1.0)):
        film += np.float32(base * decibels(rng.uniform(-18, 8))) * source.minor(rng, len(film))


@dataclass
class Shoot:
    """The highlights of a film: mixes them into `film` and lists them in `events`, outside `closed`.

    own_band_share: of the highlights whose level is told from what is around them in their own band alone.
    response: of the room that they are heard in, if any.
    """

    rng: Rng
    film: np.ndarray
    source: Material
    closed: list[Stretch]
    events: list[Event] = field(default_factory=list)
    own_band_share: float = 0.5

    def __post_init__(self) -> None:
        self._before, self._reference = self.film.copy(), rms(self.film)
        self._seconds = len(self.film) / RATE
        self.response = rooms.room(self.rng) if self.rng.random() < 0.6 else None
        self._usual = self.rng.uniform(3, 18)

    def add_highlights(self) -> None:
        """In a third of all minutes a stretch of action; single highlights, one to ten a minute."""
        for _ in range(self.rng.binomial(math.ceil(self._seconds / 60), 0.35)):
            self.add_action()
        kinds = self.source.kinds(self.rng, int(self.rng.integers(1, 6)))
        most = max(1, round(self.rng.uniform(1, 10) * self._seconds / 60))
        share, filled = self.rng.uniform(0.05, 0.25) * self._seconds, 0.0
        for _ in range(most):
            if filled > share or not kinds:
                break
            filled += self._add_single(kinds[int(self.rng.integers(len(kinds)))], share - filled)

    def add_action(self) -> None:
        """Fights, chases, battles: 8 to 25 s of violent sounds on top of each other, often with music."""
        seconds = min(self.rng.uniform(8, 25), 0.5 * self._seconds)
        kinds = self.source.kinds(self.rng, int(self.rng.integers(3, 6)), FIERCE_WORDS)
        start = self._free(seconds, apart=1.0)
        if start is None or not kinds:
            return
        sound = self._violence(kinds, samples(seconds))
        if self.rng.random() < 0.5:
            music, _ = self.source.bed(self.rng, "music", len(sound))
            sound += fade(music, 1.0, 1.0) * np.float32(decibels(self.rng.uniform(-14, -3)))
        first = int(start * RATE)
        level = surrounding_level(self._before, sound, first, self._reference, False)
        sound *= np.float32(level * decibels(self.rng.uniform(7, 16)))
        mix_in(self.film, sound, first)
        self._list(ACTION, sound, first, Stretch(start, start + seconds), least=0.8)

    def _free(self, length: float, apart: float = 0.5) -> float | None:
        """Start in seconds of a random stretch in which nothing else happens."""
        taken = [*self.closed, *(Stretch(event.start, event.end) for event in self.events)]
        for _ in range(12):
            start = float(self.rng.uniform(0, max(0.0, self._seconds - length)))
            if all(start > other.end + apart or start + length + apart < other.start for other in taken):
                return start
        return None

    def _add_single(self, kind: EventKind, longest: float) -> float:
        """One highlight, perhaps with a reaction. Returns the seconds they fill."""
        longest = min(max(longest, 1.5), 0.4 * self._seconds)
        sound = evened(self.source.event(self.rng, kind, longest), self.response)
        start = self._free(len(sound) / RATE)
        if start is None:
            return 0.0
        ratio = float(np.clip(self._usual + self.rng.normal(0, 3.5), 3, 20))
        if not self.place(kind, sound, start, ratio):
            return 0.0
        reactions = self.source.kinds(self.rng, 1, REACTION_WORDS) if self.rng.random() < 0.2 else []
        for reaction in reactions:
            after = start + min(len(sound) / RATE, 1.5) * self.rng.uniform(0.3, 1.2)
            self.place(reaction, evened(self.source.event(self.rng, reaction, 6.0)), after, ratio - 2)
        return len(sound) / RATE

    def place(self, kind: EventKind, sound: np.ndarray, start: float, ratio: float) -> bool:
        """Mixes in a highlight, `ratio` dB above its surroundings, as far as the film goes and is open.

        Returns whether there was room for it.
        """
        ends = [self._seconds, *(other.start for other in self.closed if other.start > start)]
        room = min(ends) - start
        if room < 0.3 or any(other.start <= start < other.end for other in self.closed):
            return False
        if len(sound) / RATE > room:
            sound = fade(sound[: int(room * RATE)].copy(), 0.002, 0.2)
        if not sound.any():
            return False
        first = int(start * RATE)
        own_band = bool(self.rng.random() < self.own_band_share)
        level = surrounding_level(self._before, sound, first, self._reference, own_band)
        sound = sound * np.float32(level * decibels(ratio))
        mix_in(self.film, sound, first)
        begin, end = active_part(sound)
        self._list(kind, sound, first, Stretch(start + begin, start + end))
        return True

    def _list(
        self, kind: EventKind, sound: np.ndarray, first: int, heard: Stretch, least: float = 0.3
    ) -> None:
        around = self._before[max(0, first - 2 * RATE) : first + len(sound) + 2 * RATE]
        around = around + np.float32(1e-3 * self._reference)
        weight = prominence(self.source.interest(kind), excess(sound, around), heard.end - heard.start)
        weight = max(weight, least)
        self.events.append(Event(kind.name, round(heard.start, 3), round(heard.end, 3), round(weight, 3)))

    def _violence(self, kinds: list[EventKind], n: int) -> np.ndarray:
        """n samples dense with a few sounds that come again and again, rising and easing off."""
        hits = [evened(self.source.event(self.rng, kind, 3.0), self.response) for kind in kinds for _ in "12"]
        track, time = np.zeros(n, dtype=np.float32), 0.0
        gap = log_uniform(self.rng, 0.2, 0.9)
        while time < n / RATE - 0.5:
            hit = hits[int(self.rng.integers(len(hits)))]
            mix_in(track, hit, int(time * RATE), float(decibels(self.rng.normal(0, 4))))
            time += min(self.rng.exponential(gap), 2.0)
        return fade(evened(track), 0.02, 0.5)


def prominence(interest: float, standing_out: float, seconds: float) -> float:
    """How much a highlight counts, up to 1: by kind, by dB above its surroundings and by its length."""
    level = 0.35 + 0.65 * min(max(standing_out - 4.0, 0.0) / 18.0, 1.0)
    return interest * level * (0.8 + 0.2 * min(seconds / 1.5, 1.0))
