"""Single sounds over one background: music, talk or a place that goes on throughout."""

from __future__ import annotations

import numpy as np

from datasets_scripts.synthesis import scenes
from datasets_scripts.synthesis.delivery import deliver
from datasets_scripts.synthesis.labels import Event
from datasets_scripts.synthesis.material import Material
from datasets_scripts.synthesis.mixing import evened
from datasets_scripts.synthesis.tools import RATE, decibels, samples
from datasets_scripts.synthesis.wider import Shoot, distract

ROLES = ("music", "talk", "place")
LONGEST = 5.0  # seconds of a highlight
LIFT = (4.0, 15.0)  # dB of a highlight above all that is around it


def make_singles(
    entropy: list[int], duration: float, source: Material, eventless: bool
) -> tuple[np.ndarray, list[Event], list[str]]:
    """A film's sound, its highlights in order of time and its background.

    Highlights are one to six a minute, each a single sound, in places of their own. Without them, everything
    else is the same as with them.
    """
    setting, action, chain = (
        np.random.default_rng(seed) for seed in np.random.SeedSequence(entropy).spawn(3)
    )
    film, bed = source.bed(setting, ROLES[int(setting.integers(len(ROLES)))], samples(duration))
    film = film + scenes.room_tone(setting, len(film)) * np.float32(decibels(setting.uniform(-55, -22)))
    if setting.random() < 0.6:
        distract(setting, film, source)
    shoot = Shoot(action, film, source, closed=[], own_band_share=0.0)
    if not eventless:
        _add_highlights(shoot, duration)
    return deliver(chain, film), shoot.events, [bed]


def _add_highlights(shoot: Shoot, duration: float) -> None:
    rng = shoot.rng
    count = max(1, round(rng.uniform(1, 6) * duration / 60))
    room = duration / count
    for number in range(count):
        [kind] = shoot.source.kinds(rng, 1)
        sound = evened(shoot.source.event(rng, kind, min(LONGEST, 0.5 * room)), shoot.response)
        start = (number + rng.uniform(0, max(0.0, 0.9 - len(sound) / RATE / room))) * room
        shoot.place(kind, sound, start, rng.uniform(*LIFT))
