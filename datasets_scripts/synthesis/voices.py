"""Highlights made by people and animals. Same conventions as `events`."""

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

EVENTS: dict[str, Kind] = {}
Rng = np.random.Generator


def crowd_noise(rng: Rng, n: int, brightness: float = 1.0) -> np.ndarray:
    """The blurred sum of very many voices: noise with broad formants, never quite steady."""
    centres = np.array([450, 900, 1500, 2600]) * brightness * rng.uniform(0.8, 1.25, 4)
    low, slope = rng.uniform(120, 350), rng.uniform(-6, 0)
    sound = noise(
        rng, n, lambda f: band(f, low, 6000, 1.5) * tilt(f, slope) * (0.25 + peaks(f, centres, 500.0))
    )
    return sound * shape(n, drift(rng, n, rng.uniform(4, 12), 0.65, 1.15))


def caller(rng: Rng, n: int, pitch: float, bend: float, slope: float = -3.0) -> np.ndarray:
    """One person calling on a pitch that arches by a factor `bend`."""
    arch = 1 + (bend - 1) * np.sin(np.pi * np.linspace(0, 1, len(control_times(n))) ** rng.uniform(0.5, 1.5))
    curve = pitch * arch * drift(rng, n, 10, 0.97, 1.03)
    return fade(speak(rng, curve, vowels(rng, n, rng.uniform(0.5, 3)), n, slope=slope), 0.06, 0.1)


@register(EVENTS, shortest=1.5, longest=8.0)
def cheer(rng: Rng, duration: float) -> np.ndarray:
    """A crowd roars: a swelling cloud, single calls and whistles on top."""
    n = samples(duration)
    top = rng.uniform(0.08, 0.6)
    swell = points(n, [0, top, rng.uniform(top, 0.95), 1], [0.03, 1, 0.7, 0.05]) ** rng.uniform(0.8, 1.6)
    sound = crowd_noise(rng, n, rng.uniform(0.9, 1.4)) * shape(n, swell)
    for _ in range(rng.integers(0, 6)):
        length = samples(min(duration, rng.uniform(0.4, 1.5)))
        call = caller(rng, length, rng.uniform(200, 600), rng.uniform(1.1, 1.7))
        mix_in(sound, call, int(rng.uniform(0, max(1, n - length))), rng.uniform(0.1, 0.6))
    if rng.random() < 0.4:
        whistle = tone(rng, rng.uniform(1500, 3200) * points(2 * 8000, [0, 0.4, 1], [1, 1.4, 0.9]), 8000, -20)
        mix_in(sound, fade(whistle, 0.05, 0.1), int(rng.uniform(0, n)), rng.uniform(0.1, 0.5))
    return sound


@register(EVENTS, shortest=2.0, longest=8.0)
def chant(rng: Rng, duration: float) -> np.ndarray:
    """A crowd calls the same few syllables in rhythm."""
    n = samples(duration)
    step, sound = rng.uniform(0.3, 0.6), np.zeros(n, dtype=np.float32)
    length, base = samples(step * rng.uniform(0.6, 0.95)), rng.uniform(130, 320)
    word = [syllable(rng, length, base * rng.uniform(0.85, 1.25)) for _ in range(rng.integers(2, 5))]
    for number in range(int(duration / step)):
        mix_in(sound, word[number % len(word)], int(number * step * RATE), rng.uniform(0.8, 1.1))
    return sound


def syllable(rng: Rng, n: int, pitch: float) -> np.ndarray:
    """Several people and a crowd on one syllable."""
    calls = sum(caller(rng, n, pitch * rng.uniform(0.94, 1.06), 1.1) for _ in range(3))
    return fade(calls + 1.5 * crowd_noise(rng, n), 0.04, 0.08)


def clap(rng: Rng, centre: float) -> np.ndarray:
    """One clap of the hands."""
    n = samples(0.05)
    return noise(rng, n, lambda f: peaks(f, np.array([centre]), centre * 0.9)) * decay(
        n, rng.uniform(0.015, 0.05)
    )


@register(EVENTS, shortest=1.5, longest=8.0)
def applause(rng: Rng, duration: float) -> np.ndarray:
    """Many hands clapping, from a handful to a hall."""
    n = samples(duration)
    crowd = log_uniform(rng, 15, 900)
    swell = points(n, [0, rng.uniform(0.05, 0.3), rng.uniform(0.5, 0.9), 1], [0.05, 1, 0.9, 0.02])
    sound = sum(
        colour(scatter(rng, n, crowd / 2 * swell, 4), lambda f, c=centre: peaks(f, np.array([c]), c * 0.8))
        for centre in rng.uniform(800, 2800, 2)
    )
    sound = unit(sound)
    if rng.random() < 0.4:
        sound = sound + rng.uniform(0.2, 0.8) * crowd_noise(rng, n) * shape(n, swell)
    return sound


@register(EVENTS, shortest=1.5, longest=6.0, interest=0.9)
def stadium_claps(rng: Rng, duration: float) -> np.ndarray:
    """A crowd clapping together in rhythm."""
    together = np.zeros(samples(0.2), dtype=np.float32)
    for _ in range(rng.integers(4, 14)):
        mix_in(
            together,
            clap(rng, rng.uniform(700, 2500)),
            int(rng.uniform(0, 0.06) * RATE),
            rng.uniform(0.3, 1),
        )
    return strikes(rng, samples(duration), together, 0.0, rng.uniform(0.22, 0.7), sway=0.03)


@register(EVENTS, shortest=0.3, longest=4.0)
def bark(rng: Rng, duration: float) -> np.ndarray:
    """A dog barks, once or several times."""
    n = samples(rng.uniform(0.1, 0.3))
    pitch = log_uniform(rng, 180, 900) * points(n, [0, 0.25, 1], [0.8, 1.25, 0.6])
    formants = np.tile(np.float32([900, 1800, 3200]) * rng.uniform(0.6, 1.4), (len(pitch), 1))
    sound = fade(speak(rng, pitch, formants, n, slope=-2, breath=rng.uniform(0.3, 1.5)), 0.01, 0.08)
    return strikes(rng, samples(duration), sound, 0.0, rng.uniform(0.25, 0.7), sway=0.35)


@register(EVENTS, shortest=0.4, longest=4.0, interest=0.8)
def bird_trill(rng: Rng, duration: float) -> np.ndarray:
    """A train of chirps."""
    n = samples(rng.uniform(0.04, 0.25))
    base = log_uniform(rng, 1800, 6000)
    curve = base * points(n, [0, rng.uniform(0.2, 0.8), 1], list(rng.uniform(0.75, 1.2, 3)))
    chirp = fade(tone(rng, curve, n, -24), 0.01, 0.02)
    return strikes(rng, samples(duration), chirp, 0.0, n / RATE * rng.uniform(1.1, 2.5), sway=0.1)


@register(EVENTS, shortest=0.4, longest=4.0)
def shout(rng: Rng, duration: float) -> np.ndarray:
    """Somebody shouts a few syllables at the top of the voice."""
    n = samples(duration)
    size, base = rng.uniform(0.9, 1.25), rng.uniform(180, 480)
    pitch = base * drift(rng, n, rng.uniform(2, 6), 0.8, 1.35)
    sound = speak(
        rng, pitch, vowels(rng, n, rng.uniform(2, 6), size), n, slope=rng.uniform(-3, 1), breath=0.15
    )
    beats = 0.55 + 0.45 * np.sin(2 * np.pi * rng.uniform(2, 5) * control_times(n) + rng.uniform(0, 6))
    return fade(sound * shape(n, beats ** rng.uniform(0.2, 1.5)), 0.04, 0.1)


def laugh(rng: Rng, duration: float) -> np.ndarray:
    """One person's laughter: rhythmic breathy bursts of falling pitch."""
    n = samples(duration)
    rate, base = rng.uniform(3.5, 7), rng.uniform(160, 550)
    cycle = (control_times(n) * rate) % 1
    pitch = base * points(n, [0, 0.2, 1], [1, 1.3, 0.75]) * (1.15 - 0.3 * cycle)
    formants = np.tile(np.float32([750, 1400, 2600]) * rng.uniform(0.9, 1.2, 3), (len(pitch), 1))
    sound = speak(rng, pitch, formants, n, slope=-4, breath=rng.uniform(0.2, 0.8))
    bursts = np.clip(np.sin(np.pi * np.minimum(cycle / rng.uniform(0.45, 0.75), 1)), 0, 1)
    return fade(sound * shape(n, bursts), 0.02, 0.3 * duration)


@register(EVENTS, shortest=0.6, longest=4.0)
def laughter(rng: Rng, duration: float) -> np.ndarray:
    """One or a few people laugh."""
    sound = laugh(rng, duration)
    for _ in range(rng.integers(0, 3)):
        mix_in(sound, laugh(rng, duration * rng.uniform(0.5, 1)), int(rng.uniform(0, 0.5) * len(sound)), 0.7)
    return sound


@register(EVENTS, shortest=0.5, longest=3.0)
def scream(rng: Rng, duration: float) -> np.ndarray:
    """A scream: very high, rough, sustained."""
    n = samples(duration)
    pitch = (
        rng.uniform(500, 1500)
        * points(n, [0, 0.15, 0.7, 1], [0.7, 1.1, 1.0, 0.8])
        * drift(rng, n, 30, 0.96, 1.04)
    )
    formants = np.tile(np.float32([1000, 1800, 3100]) * rng.uniform(0.9, 1.2), (len(pitch), 1))
    sound = speak(rng, pitch, formants, n, slope=rng.uniform(0, 3), breath=rng.uniform(0.1, 0.6))
    rough = 1 + rng.uniform(0, 0.7) * np.sin(2 * np.pi * rng.uniform(25, 60) * control_times(n))
    return fade(sound * shape(n, rough), 0.05, 0.15)


@register(EVENTS, shortest=0.6, longest=3.5)
def roar(rng: Rng, duration: float) -> np.ndarray:
    """A large animal roars or growls."""
    n = samples(duration)
    pitch = rng.uniform(40, 130) * drift(rng, n, 8, 0.8, 1.3)
    formants = np.tile(np.float32([350, 800, 1900]) * rng.uniform(0.7, 1.3), (len(pitch), 1))
    sound = speak(rng, pitch, formants, n, slope=-3, breath=rng.uniform(0.5, 2))
    return sound * shape(n, points(n, [0, 0.3, 0.6, 1], [0, 1, 0.8, 0]), drift(rng, n, 20, 0.6, 1))


@register(EVENTS, shortest=0.8, longest=2.5)
def rooster(rng: Rng, duration: float) -> np.ndarray:
    """A cock crows."""
    n = samples(duration)
    pitch = rng.uniform(450, 800) * points(n, [0, 0.15, 0.3, 0.6, 1], [0.8, 1.2, 1.0, 1.5, 0.8])
    formants = np.tile(np.float32([1100, 2100, 3300]), (len(pitch), 1))
    gate = points(n, [0, 0.1, 0.16, 0.2, 0.28, 0.33, 0.9, 1], [0, 1, 0.2, 1, 0.2, 1, 0.8, 0])
    return speak(rng, pitch, formants, n, slope=0, breath=0.2) * shape(n, gate)


@register(EVENTS, shortest=1.0, longest=6.0)
def baby_cry(rng: Rng, duration: float) -> np.ndarray:
    """A baby cries in waves."""
    n = samples(duration)
    rate = rng.uniform(0.7, 1.4)
    cycle = (control_times(n) * rate) % 1
    pitch = rng.uniform(350, 550) * (0.85 + 0.35 * np.sin(np.pi * cycle)) * drift(rng, n, 12, 0.97, 1.03)
    formants = np.tile(np.float32([1000, 2200, 3600]) * rng.uniform(0.9, 1.2), (len(pitch), 1))
    sound = speak(rng, pitch, formants, n, slope=-1, breath=0.2)
    return fade(sound * shape(n, np.clip(np.sin(np.pi * cycle / 0.8), 0, 1) ** 0.5), 0.05, 0.2)


@register(EVENTS, shortest=0.8, longest=4.0, interest=0.9)
def wolf_whistles(rng: Rng, duration: float) -> np.ndarray:
    """Whistles and calls from an audience."""
    n = samples(duration)
    sound = np.zeros(n, dtype=np.float32)
    for _ in range(1 + int(duration * rng.uniform(0.5, 2))):
        length = samples(rng.uniform(0.3, 0.8))
        curve = rng.uniform(1100, 2300) * points(
            length, [0, 0.4, 0.5, 1], [1, 1.7, 1.1, rng.uniform(0.6, 1.6)]
        )
        mix_in(
            sound,
            fade(tone(rng, curve, length, -22), 0.03, 0.08),
            int(rng.uniform(0, n * 0.8)),
            rng.uniform(0.4, 1),
        )
    return sound


@register(EVENTS, split="validation", shortest=0.8, longest=3.5, interest=0.9)
def crowd_gasp(rng: Rng, duration: float) -> np.ndarray:
    """A crowd goes "ooh" together, falling."""
    n = samples(duration)
    sound = crowd_noise(rng, n, 0.8)
    for _ in range(6):
        sound += rng.uniform(0.2, 0.5) * caller(rng, n, rng.uniform(140, 420), rng.uniform(0.8, 1.3), -6)
    return sound * shape(n, points(n, [0, 0.2, 0.5, 1], [0, 1, 0.6, 0]))


@register(EVENTS, split="validation", shortest=1.2, longest=5.0)
def howl(rng: Rng, duration: float) -> np.ndarray:
    """A wolf or dog howls."""
    n = samples(duration)
    pitch = (
        rng.uniform(250, 600)
        * points(n, [0, 0.2, 0.7, 1], [0.6, 1.2, 1.1, 0.7])
        * drift(rng, n, 5, 0.98, 1.02)
    )
    formants = np.tile(np.float32([600, 1200, 2800]) * rng.uniform(0.8, 1.2), (len(pitch), 1))
    return fade(speak(rng, pitch, formants, n, slope=-9, breath=0.05), 0.2, 0.3)


@register(EVENTS, split="validation", shortest=1.5, longest=6.0)
def audience_laughter(rng: Rng, duration: float) -> np.ndarray:
    """A hall full of laughter."""
    n = samples(duration)
    sound = 0.6 * crowd_noise(rng, n, 1.1)
    for _ in range(5):
        mix_in(
            sound,
            laugh(rng, duration * rng.uniform(0.5, 1)),
            int(rng.uniform(0, 0.3) * n),
            rng.uniform(0.3, 1),
        )
    return sound * shape(n, points(n, [0, 0.15, 0.5, 1], [0.1, 1, 0.7, 0.02]))


@register(EVENTS, split="test", shortest=0.4, longest=3.0)
def meow(rng: Rng, duration: float) -> np.ndarray:
    """A cat meows, once or twice."""
    n = samples(min(duration, rng.uniform(0.4, 1.2)))
    pitch = rng.uniform(400, 800) * points(n, [0, 0.3, 1], [0.8, 1.3, 0.8])
    ends = np.float32([[400, 2000, 3200], [1100, 1700, 3100], [500, 1000, 2900]]) * rng.uniform(0.9, 1.3)
    formants = np.stack([points(n, [0, 0.4, 1], list(ends[:, k])) for k in range(3)], axis=1)
    sound = fade(speak(rng, pitch, formants, n, slope=-3, breath=0.1), 0.08, 0.2)
    return strikes(rng, samples(duration), sound, 0.0, n / RATE * rng.uniform(1.1, 2))


@register(EVENTS, split="test", shortest=1.0, longest=5.0, interest=0.9)
def booing(rng: Rng, duration: float) -> np.ndarray:
    """A crowd boos."""
    n = samples(duration)
    sound = 0.7 * crowd_noise(rng, n, 0.6)
    for _ in range(6):
        pitch = rng.uniform(90, 240) * points(n, [0, 1], [1.1, 0.85])
        formants = np.tile(np.float32([330, 850, 2300]), (len(pitch), 1))
        sound += rng.uniform(0.2, 0.6) * speak(rng, pitch, formants, n, slope=-8)
    return fade(sound * float(decibels(rng.normal(0, 1))), 0.3, 0.4 * duration)


@register(EVENTS, split="test", shortest=0.8, longest=2.5)
def whinny(rng: Rng, duration: float) -> np.ndarray:
    """A horse whinnies: a trembling fall."""
    n = samples(duration)
    tremble = 1 + 0.12 * np.sin(2 * np.pi * rng.uniform(9, 14) * control_times(n))
    pitch = rng.uniform(700, 1300) * points(n, [0, 0.2, 1], [0.9, 1.1, 0.4]) * tremble
    formants = np.tile(np.float32([900, 1900, 3300]), (len(pitch), 1))
    return fade(speak(rng, pitch, formants, n, slope=-1, breath=0.4) * shape(n, tremble**4), 0.05, 0.3)


@register(EVENTS, split="test", shortest=2.0, longest=6.0)
def crowd_song(rng: Rng, duration: float) -> np.ndarray:
    """A crowd strikes up a song: long notes, not quite together."""
    n, steps = samples(duration), rng.choice([0, 2, 4, 5, 7, 9], 12)
    index = np.minimum((control_times(n) * rng.uniform(1.2, 2.5)).astype(int), 11)
    melody = rng.uniform(110, 220) * 2 ** (steps[index] / 12)
    sound = 0.8 * crowd_noise(rng, n)
    for _ in range(4):
        pitch = melody * rng.choice([1, 2]) * drift(rng, n, 4, 0.96, 1.04)
        sound += rng.uniform(0.3, 0.8) * speak(rng, pitch, vowels(rng, n, 2), n)
    return fade(sound, 0.3, 0.3)
