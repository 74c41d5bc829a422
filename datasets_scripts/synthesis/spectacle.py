"""Highlights as films have them: long, layered, near and far. Same conventions as `events`."""

from __future__ import annotations

import numpy as np

from datasets_scripts.synthesis.events import strikes
from datasets_scripts.synthesis.tools import (
    RATE,
    Kind,
    band,
    colour,
    control_times,
    decay,
    decibels,
    drift,
    fade,
    log_uniform,
    mix_in,
    modes,
    noise,
    peaks,
    points,
    register,
    samples,
    scatter,
    shape,
    speak,
    tilt,
    tone,
    unit,
    vowels,
)
from datasets_scripts.synthesis.voices import caller, crowd_noise, laugh

EVENTS: dict[str, Kind] = {}
Rng = np.random.Generator


def rumble(rng: Rng, n: int, low: float, high: float, ring: float) -> np.ndarray:
    """Unsteady low noise that dies away by 60 dB in `ring` seconds."""
    sound = noise(rng, n, lambda f: band(f, low, high, 1.0)) * shape(n, drift(rng, n, 6, 0.4, 1.2))
    return sound * decay(n, ring)


def rubble(rng: Rng, n: int, rate: np.ndarray, low: float) -> np.ndarray:
    """Falling pieces: `rate` a second along a control curve, the largest no deeper than `low` Hz."""
    return unit(colour(scatter(rng, n, rate, 9), lambda f: band(f, low, 5000, 1)))


@register(EVENTS, shortest=2.0, longest=10.0)
def rolling_thunder(rng: Rng, duration: float) -> np.ndarray:
    """A tearing crack, or none, and a long low tail that rolls on in waves."""
    n, corner = samples(duration), log_uniform(rng, 90, 400)
    waves = drift(rng, n, rng.uniform(1, 4), 0, 1) ** 1.5 + 0.05
    sound = noise(rng, n, lambda f: band(f, 25, corner, 1.0)) * shape(n, waves) * decay(n, 2 * duration)
    for _ in range(rng.integers(0, 4)):
        length = samples(rng.uniform(0.3, 1.2))
        tearing = shape(length, drift(rng, length, 40, 0, 1) ** 2)
        crack = (
            noise(rng, length, lambda f: tilt(f, rng.uniform(-6, -2)))
            * tearing
            * decay(length, length / RATE)
        )
        mix_in(sound, crack, int(0.5 * n * rng.beta(1, 3)), rng.uniform(0.3, 2))
    return fade(sound, log_uniform(rng, 0.005, 0.5), 0.3 * duration)


@register(EVENTS, shortest=1.5, longest=10.0)
def great_blast(rng: Rng, duration: float) -> np.ndarray:
    """An explosion: the blast, perhaps a second one, debris raining down, a tail that rumbles on."""
    n = samples(duration)
    sound = rumble(rng, n, 20, log_uniform(rng, 70, 350), duration * rng.uniform(0.7, 1.5))
    for time in (0.0, rng.uniform(0.1, 0.5) * duration)[: rng.integers(1, 3)]:
        length = samples(rng.uniform(0.4, 1.5))
        shock = noise(rng, length, lambda f: tilt(f, rng.uniform(-7, -3))) * decay(length, length / RATE)
        mix_in(sound, shock, int(time * RATE), rng.uniform(0.5, 3))
    falling = points(n, [0, 0.1, 0.4, 1], [0, log_uniform(rng, 10, 120), 20, 2])
    debris = rubble(rng, n, falling, rng.uniform(300, 1500)) * decay(n, duration * 1.5)
    return fade(sound + rng.uniform(0, 0.5) * debris, 0.003, 0.25 * duration)


def gun(rng: Rng, seconds: float) -> np.ndarray:
    """One shot of one gun: the crack, the body of the report and its echo."""
    n, pitch = samples(seconds), log_uniform(rng, 80, 400)
    crack = noise(rng, n) * decay(n, rng.uniform(0.015, 0.08))
    body = noise(rng, n, lambda f: peaks(f, np.array([pitch]), 2 * pitch)) * decay(n, rng.uniform(0.08, 0.3))
    echo = noise(rng, n, lambda f: tilt(f, rng.uniform(-9, -4))) * decay(n, seconds)
    return fade(crack + rng.uniform(0.3, 2) * body + rng.uniform(0.05, 0.6) * echo, 0.001, 0.1)


@register(EVENTS, shortest=1.0, longest=10.0)
def firefight(rng: Rng, duration: float) -> np.ndarray:
    """Several guns, near and far, in single shots and in bursts."""
    n = samples(duration)
    sound = np.zeros(n, dtype=np.float32)
    for _ in range(rng.integers(2, 5)):
        shot, level, time = gun(rng, rng.uniform(0.2, 0.8)), decibels(rng.uniform(-12, 0)), 0.0
        while time < duration - 0.15:
            for number in range(int(rng.choice([1, 1, 3, 8]))):
                mix_in(sound, shot, int((time + 0.1 * number) * RATE), level * rng.uniform(0.7, 1.1))
            time += rng.exponential(duration / 3) + 0.2
    return sound


@register(EVENTS, shortest=0.4, longest=4.0)
def splintering(rng: Rng, duration: float) -> np.ndarray:
    """Wood gives way: groaning, snapping, pieces on the floor."""
    n = samples(duration)
    sound = 0.3 * rubble(rng, n, points(n, [0, 0.2, 1], [20, 90, 3]), 300)
    for _ in range(rng.integers(3, 12)):
        snap = modes(
            rng, samples(0.2), log_uniform(rng, 150, 900) * rng.uniform(1, 5, 5), rng.uniform(0.04, 0.2)
        )
        snap += noise(rng, len(snap), lambda f: band(f, 400, 7000, 1)) * decay(len(snap), 0.05)
        mix_in(sound, snap, int(0.8 * n * rng.beta(1, 2.5)), rng.uniform(0.4, 2.5))
    return fade(sound, 0.002, 0.1)


@register(EVENTS, shortest=0.5, longest=5.0)
def heavy_impact(rng: Rng, duration: float) -> np.ndarray:
    """Something very heavy lands: a deep drop, a crunch, things that rattle after it."""
    n = samples(duration)
    pitch = log_uniform(rng, 28, 80) * (1 + rng.uniform(0.5, 3) * np.exp(-control_times(n) / 0.08))
    boom = tone(rng, pitch, n, -12) * decay(n, duration)
    crunch = noise(rng, n, lambda f: band(f, 150, 4000, 1)) * decay(n, rng.uniform(0.1, 0.5))
    rattle = rubble(rng, n, points(n, [0, 0.1, 1], [0, 40, 1]), 600) * decay(n, duration)
    return fade(boom + rng.uniform(0.3, 2) * crunch + rng.uniform(0, 0.5) * rattle, 0.002, 0.2)


@register(EVENTS, shortest=3.0, longest=10.0)
def crowd_swell(rng: Rng, duration: float) -> np.ndarray:
    """A crowd that grows louder and brighter until it roars, and calms down again."""
    n, top = samples(duration), rng.uniform(0.3, 0.8)
    rise = points(n, [0, top, min(1, top + 0.1), 1], [0.1, 0.9, 1, 0.15]) ** rng.uniform(1, 2.5)
    sound = crowd_noise(rng, n, rng.uniform(0.7, 1)) * shape(n, np.sqrt(rise))
    sound += crowd_noise(rng, n, 1.5) * shape(n, rise**2)
    for _ in range(rng.integers(0, 8)):
        length = samples(rng.uniform(0.4, 1.5))
        call = caller(rng, length, rng.uniform(180, 550), rng.uniform(1.1, 1.7))
        mix_in(sound, call, int(n * rng.uniform(0.5 * top, 0.9)), rng.uniform(0.1, 0.5))
    return fade(sound, 0.1, 0.2 * duration)


@register(EVENTS, shortest=0.6, longest=6.0)
def laughing_fit(rng: Rng, duration: float) -> np.ndarray:
    """Somebody laughs in bouts, with breaths between them; perhaps somebody joins in."""
    sound, time = np.zeros(samples(duration), dtype=np.float32), 0.0
    while time < duration - 0.3:
        bout = min(rng.uniform(0.5, 2.2), duration - time)
        mix_in(sound, laugh(rng, bout), int(time * RATE), rng.uniform(0.5, 1))
        if rng.random() < 0.3:
            mix_in(sound, laugh(rng, bout), int((time + 0.2) * RATE), rng.uniform(0.2, 0.8))
        time += bout + rng.uniform(0.1, 0.7)
    return sound


def clapping(rng: Rng, n: int, hands: np.ndarray) -> np.ndarray:
    """Claps of many hands, `hands` a second along a control curve; each hand sounds a little different."""
    centres = rng.uniform(700, 3000, 3)
    return unit(
        sum(
            colour(scatter(rng, n, hands / 3, 4), lambda f, c=c: peaks(f, np.array([c]), 0.7 * c))
            for c in centres
        )
    )


@register(EVENTS, shortest=3.0, longest=10.0)
def spreading_applause(rng: Rng, duration: float) -> np.ndarray:
    """A few hands begin to clap, then everybody does."""
    n = samples(duration)
    most, turn = log_uniform(rng, 60, 900), rng.uniform(0.2, 0.6)
    hands = points(n, [0, turn, rng.uniform(turn, 0.9), 1], [0.01, 0.3, 1, 0.2]) ** 1.5 * most
    sound = clapping(rng, n, hands)
    if rng.random() < 0.4:
        sound += rng.uniform(0.2, 0.6) * crowd_noise(rng, n) * shape(n, hands / most)
    return fade(sound, 0.01, 0.2 * duration)


@register(EVENTS, shortest=0.4, longest=4.0)
def horror_scream(rng: Rng, duration: float) -> np.ndarray:
    """A scream that slides up or down and breaks, high or hoarse."""
    n, middle = samples(duration), log_uniform(rng, 300, 1300)
    pitch = (
        middle * points(n, [0, 0.2, 0.6, 1], list(rng.uniform(0.7, 1.4, 4))) * drift(rng, n, 40, 0.94, 1.06)
    )
    formants = vowels(rng, n, rng.uniform(0.3, 2), rng.uniform(1, 1.3))
    sound = speak(rng, pitch, formants, n, slope=rng.uniform(-2, 3), breath=rng.uniform(0.1, 1.2))
    return fade(sound * shape(n, drift(rng, n, 25, 0.5, 1)), 0.03, 0.15 * duration)


@register(EVENTS, shortest=0.6, longest=5.0)
def beast(rng: Rng, duration: float) -> np.ndarray:
    """A monster or a large cat: roughly roaring throats, one above the other."""
    n, base = samples(duration), log_uniform(rng, 35, 200)
    sound = np.zeros(n, dtype=np.float32)
    for ratio in (1.0, rng.uniform(1.4, 2.6)):
        pitch = base * ratio * drift(rng, n, 12, 0.75, 1.3) * points(n, [0, 0.3, 1], [0.8, 1.3, 0.6])
        formants = vowels(rng, n, rng.uniform(0.5, 2), rng.uniform(0.6, 1.1))
        sound += speak(rng, pitch, formants, n, slope=-2, breath=rng.uniform(0.5, 3)) / np.float32(ratio)
    rough = 1 + 0.8 * np.sin(2 * np.pi * rng.uniform(18, 45) * control_times(n))
    return fade(sound * shape(n, rough, points(n, [0, 0.25, 0.7, 1], [0.1, 1, 0.8, 0])), 0.03, 0.2)


@register(EVENTS, shortest=1.0, longest=8.0, interest=0.95)
def klaxon(rng: Rng, duration: float) -> np.ndarray:
    """The blaring alarm of a ship or a base, again and again."""
    n, length = samples(duration), rng.uniform(0.4, 1.2)
    m, base = samples(length), log_uniform(rng, 200, 700)
    pitch = base * points(m, [0, 0.3, 1], list(rng.uniform(0.6, 1.3, 3)))
    blare = tone(rng, pitch, m, rng.uniform(-5, 0)) * shape(m, drift(rng, m, 40, 0.7, 1))
    return strikes(rng, n, fade(blare, 0.02, 0.05), 0.0, length * rng.uniform(1.05, 1.8), sway=0.0)


@register(EVENTS, split="validation", shortest=0.4, longest=6.0)
def machine_gun(rng: Rng, duration: float) -> np.ndarray:
    """Automatic fire in bursts."""
    n, gap, time = samples(duration), 1 / rng.uniform(7, 16), 0.0
    sound, shot = np.zeros(n, dtype=np.float32), gun(rng, rng.uniform(0.1, 0.4))
    while time < duration - 0.1:
        for number in range(int(rng.integers(3, 20))):
            mix_in(sound, shot, int((time + gap * number) * RATE), rng.uniform(0.8, 1.1))
        time += rng.uniform(0.8, 2.5)
    return sound


@register(EVENTS, split="validation", shortest=2.0, longest=10.0)
def collapse(rng: Rng, duration: float) -> np.ndarray:
    """A building comes down: growing rumble, beams that hit the ground, rubble."""
    n, top = samples(duration), rng.uniform(0.3, 0.7)
    grow = points(n, [0, top, 1], [0.1, 1, 0.05])
    sound = noise(rng, n, lambda f: band(f, 25, log_uniform(rng, 150, 700), 1)) * shape(n, grow)
    for _ in range(rng.integers(3, 9)):
        beam = modes(
            rng, samples(0.8), log_uniform(rng, 40, 300) * rng.uniform(1, 6, 8), rng.uniform(0.2, 0.8)
        )
        mix_in(sound, beam, int(n * rng.beta(2, 2)), rng.uniform(0.3, 1.5))
    return fade(sound + 0.5 * rubble(rng, n, 80 * grow, 400) * shape(n, grow), 0.1, 0.2 * duration)


@register(EVENTS, split="validation", shortest=0.5, longest=5.0, interest=0.95)
def snarl(rng: Rng, duration: float) -> np.ndarray:
    """A dog growls and snaps."""
    n = samples(duration)
    pitch = rng.uniform(60, 140) * drift(rng, n, 20, 0.8, 1.2)
    growl = speak(rng, pitch, vowels(rng, n, 1, rng.uniform(0.8, 1.2)), n, slope=-4, breath=1.0)
    growl *= shape(n, drift(rng, n, 25, 0.2, 1))
    snap = fade(speak(rng, points(3200, [0, 0.3, 1], [300, 500, 250]), vowels(rng, 3200, 1), 3200), 0.01, 0.1)
    return fade(growl + 2 * strikes(rng, n, snap, 0.4 * duration, rng.uniform(0.3, 1), sway=0.4), 0.1, 0.1)


@register(EVENTS, split="validation", shortest=0.5, longest=4.0, interest=0.9)
def buzzer(rng: Rng, duration: float) -> np.ndarray:
    """The buzzer that ends a game or a round."""
    n = samples(duration)
    sound = tone(rng, log_uniform(rng, 90, 450), n, rng.uniform(-2, 1)) + 0.1 * noise(rng, n)
    return fade(sound, 0.01, 0.05)


@register(EVENTS, split="test", shortest=1.5, longest=10.0)
def cannonade(rng: Rng, duration: float) -> np.ndarray:
    """Heavy guns far away, each shot with its rolling echo."""
    n = samples(duration)
    length = samples(min(duration, rng.uniform(1, 3)))
    boom = rumble(rng, length, 25, log_uniform(rng, 100, 500), length / RATE)
    boom += noise(rng, length, lambda f: tilt(f, -6)) * decay(length, rng.uniform(0.1, 0.4))
    return fade(strikes(rng, n, boom, 0.0, rng.uniform(0.4, 2.5), sway=0.5), 0.005, 0.2 * duration)


@register(EVENTS, split="test", shortest=0.4, longest=3.0)
def shattering(rng: Rng, duration: float) -> np.ndarray:
    """A pane or plates burst: a bright blow, then shards that ring and settle."""
    n = samples(duration)
    sound = noise(rng, n, lambda f: band(f, 900, 7800, 1)) * decay(n, rng.uniform(0.08, 0.3))
    ring = modes(rng, samples(0.4), rng.uniform(1500, 7000, 8), rng.uniform(0.1, 0.4))
    for place in np.sort(rng.beta(1, 3, rng.integers(4, 16))):
        mix_in(sound, ring[int(rng.integers(2000)) :], int(n * place), rng.uniform(0.05, 0.5))
    return sound


@register(EVENTS, split="test", shortest=3.0, longest=10.0)
def ovation(rng: Rng, duration: float) -> np.ndarray:
    """Applause breaks out all at once, with calls, and lasts."""
    n = samples(duration)
    hands = points(n, [0, 0.08, 0.7, 1], [0.02, 1, 0.7, 0.1])
    sound = clapping(rng, n, log_uniform(rng, 100, 900) * hands)
    for _ in range(rng.integers(2, 7)):
        call = caller(rng, samples(rng.uniform(0.3, 1)), rng.uniform(180, 500), rng.uniform(1.1, 1.6))
        mix_in(sound, call, int(n * rng.uniform(0.05, 0.85)), rng.uniform(0.2, 0.8))
    return fade(sound, 0.02, 0.2 * duration)


@register(EVENTS, split="test", shortest=1.0, longest=5.0)
def bellow(rng: Rng, duration: float) -> np.ndarray:
    """An elephant or a bull: a trumpet of a voice that cracks."""
    n = samples(duration)
    pitch = log_uniform(rng, 90, 420) * points(n, [0, 0.3, 0.7, 1], [0.6, 1.2, 1.1, 0.7])
    sound = speak(rng, pitch * drift(rng, n, 20, 0.95, 1.05), vowels(rng, n, 1, 0.7), n, slope=0, breath=0.6)
    return fade(sound * shape(n, drift(rng, n, 15, 0.6, 1)), 0.08, 0.25)


@register(EVENTS, split="test", shortest=1.0, longest=7.0, interest=0.95)
def whooping_alarm(rng: Rng, duration: float) -> np.ndarray:
    """A car's alarm: quick upward sweeps."""
    n = samples(duration)
    cycle = (control_times(n) * rng.uniform(1.5, 5)) % 1
    pitch = rng.uniform(400, 900) * (1 + rng.uniform(0.5, 2) * cycle)
    return fade(tone(rng, pitch, n, rng.uniform(-10, -3)), 0.01, 0.05)
