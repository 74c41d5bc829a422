"""Backgrounds, which are not highlights: noises, machines, weather, voices, music.

Each bed is a function `name(rng, duration)` giving float32 samples at 16 kHz. Longer beds repeat and
rearrange about a quarter of a minute of material. `BEDS` lists them with the split they occur in.
"""

from __future__ import annotations

import numpy as np

from datasets_scripts.synthesis.events import drum
from datasets_scripts.synthesis.tools import (
    HOP,
    LOOP,
    RATE,
    Kind,
    band,
    colour,
    control_times,
    controls,
    decay,
    decibels,
    drift,
    fade,
    harmonics,
    log_uniform,
    mix_in,
    modes,
    noise,
    oscillate,
    register,
    samples,
    scatter,
    shape,
    speak,
    tile,
    tilt,
    tone,
    unit,
    upsample,
    vowels,
    wavetable,
)
from datasets_scripts.synthesis.voices import crowd_noise

BEDS: dict[str, Kind] = {}
SCALES = (
    (0, 2, 4, 5, 7, 9, 11),
    (0, 2, 3, 5, 7, 8, 10),
    (0, 3, 5, 7, 10),
    (0, 2, 4, 7, 9),
    (0, 1, 4, 5, 7, 8, 10),
)
Rng = np.random.Generator


@register(BEDS, common=0.7)
def coloured_noise(rng: Rng, duration: float) -> np.ndarray:
    """Noise of some slope and band, slowly breathing."""
    n = samples(duration)
    slope, low, high = rng.uniform(-12, 0), log_uniform(rng, 20, 400), log_uniform(rng, 1500, 8000)
    sound = noise(rng, n, lambda f: tilt(f, slope) * band(f, low, high))
    return sound * upsample(decibels(drift(rng, n, log_uniform(rng, 0.1, 1), -3, 3)), n)


@register(BEDS)
def room_hum(rng: Rng, duration: float) -> np.ndarray:
    """Mains hum in the hiss of a quiet room."""
    n = samples(duration)
    mains = rng.choice([50.0, 60.0, 100.0, 120.0])
    hum = oscillate(wavetable(rng.exponential(1, 12) * harmonics(mains, -6, 12), rng), mains, n)
    return hum + rng.uniform(0.2, 3) * noise(rng, n, lambda f: tilt(f, rng.uniform(-8, -2)))


@register(BEDS, common=0.6)
def rain(rng: Rng, duration: float) -> np.ndarray:
    """Rain: hiss and single drops."""
    n = min(samples(duration), LOOP)
    low = rng.uniform(300, 2000)
    drops = colour(scatter(rng, n, log_uniform(rng, 10, 300)), lambda f: band(f, low, 6000))
    sound = noise(rng, n, lambda f: band(f, low, 7500, 1)) + rng.uniform(0, 0.6) * unit(drops)
    n = samples(duration)
    return tile(sound, n) * upsample(decibels(drift(rng, n, 0.2, -3, 3)), n)


@register(BEDS)
def traffic(rng: Rng, duration: float) -> np.ndarray:
    """A road: low rumble that swells as vehicles go by."""
    n = samples(duration)
    slope = rng.uniform(-9, -4)
    swells = decibels(drift(rng, n, log_uniform(rng, 0.1, 0.5), -9, 3))
    near = noise(rng, n, lambda f: band(f, 60, 2500, 1)) * upsample(swells, n)
    return near + 0.5 * noise(rng, n, lambda f: tilt(f, slope))


@register(BEDS, common=0.8)
def engine(rng: Rng, duration: float) -> np.ndarray:
    """A motor that runs on, its speed wandering a little."""
    n = samples(duration)
    count = min(n, LOOP)
    speed = log_uniform(rng, 20, 180) * drift(rng, count, rng.uniform(0.3, 3), 0.93, 1.07)
    sound = tone(rng, speed, count, rng.uniform(-8, -2))
    sound += rng.uniform(0.2, 2) * noise(rng, count, lambda f: band(f, 50, rng.uniform(500, 5000), 1))
    return tile(sound, n)


@register(BEDS)
def crowd_murmur(rng: Rng, duration: float) -> np.ndarray:
    """An audience that waits, its murmur rising and falling."""
    n = samples(duration)
    sound = crowd_noise(rng, n, rng.uniform(0.6, 1.2))
    return sound * upsample(decibels(drift(rng, n, rng.uniform(0.1, 0.6), -4, 3)), n)


def syllables(rng: Rng, n: int, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Control curves of voicing and of hissing consonants for running speech."""
    voiced, hiss = np.zeros(controls(n), np.float32), np.zeros(controls(n), np.float32)
    position = 0
    while position < len(voiced):
        length = max(8, int(rng.uniform(0.6, 1.5) / rate * RATE / HOP))
        onset = int(length * rng.uniform(0.15, 0.45))
        kind = rng.integers(3)
        stop = slice(position, position + onset)
        (hiss if kind == 0 else voiced)[stop] = (rng.uniform(0.2, 1), 0.25, 0.0)[kind]
        rest = len(voiced[position + onset : position + length])
        arch = np.sin(np.pi * (np.arange(length - onset) + 1) / (length - onset + 1)) ** 0.6
        voiced[position + onset : position + onset + rest] = rng.uniform(0.4, 1) * arch[:rest]
        position += length
    return voiced, hiss


def speech(rng: Rng, n: int) -> np.ndarray:
    """One calm talker without pauses: unit power while talking."""
    rate, size = rng.uniform(3, 6), rng.uniform(0.9, 1.2)
    voiced, hiss = syllables(rng, n, rate)
    melody = drift(rng, n, rng.uniform(1, 2.5), 0.85, 1.25) * drift(rng, n, 0.35, 0.9, 1.1)
    formants = vowels(rng, n, rate, size)
    sound = speak(rng, log_uniform(rng, 85, 240) * melody, formants, n, slope=rng.uniform(-9, -4), breath=0.1)
    consonants = noise(rng, n, lambda f: band(f, rng.uniform(2000, 4500), 7500, 3))
    return unit(sound * shape(n, voiced) + rng.uniform(0.05, 0.3) * consonants * shape(n, hiss))


def phrases(rng: Rng, material: np.ndarray, n: int, pause: float) -> np.ndarray:
    """Cuts running speech into phrases and lays them out with pauses of `pause` seconds on average."""
    track = np.zeros(n, dtype=np.float32)
    time = int(rng.exponential(pause) * RATE)
    while time < n:
        length = min(len(material), samples(rng.uniform(0.6, 3.5)))
        start = int(rng.integers(0, len(material) - length + 1))
        phrase = fade(material[start : start + length].copy(), 0.04, 0.12)
        mix_in(track, phrase, time, float(decibels(rng.normal(0, 1.5))))
        time += length + int(min(rng.exponential(pause), 6) * RATE)
    return track


@register(BEDS, common=2.0)
def talker(rng: Rng, duration: float) -> np.ndarray:
    """One calm talker with pauses."""
    return phrases(rng, speech(rng, samples(13.0)), samples(duration), log_uniform(rng, 0.15, 1.5))


@register(BEDS)
def babble(rng: Rng, duration: float) -> np.ndarray:
    """Several people talking at once."""
    n, track = samples(duration), np.zeros(samples(duration), dtype=np.float32)
    voices = [speech(rng, samples(8.0)) for _ in range(2)]
    for number in range(rng.integers(3, 7)):
        track += rng.uniform(0.4, 1) * phrases(rng, voices[number % 2], n, 0.3)
    return track


class Score:
    """Key, tempo and chords of a few bars, and the layers that play them; every layer is one loop long."""

    def __init__(self, rng: Rng):
        self.rng = rng
        self.beat = samples(60 / log_uniform(rng, 60, 170))
        self.bars = max(1, min(4, int(LOOP / (4 * self.beat))))
        self.length = self.bars * 4 * self.beat
        self.root = log_uniform(rng, 90, 190)
        self.scale = SCALES[rng.integers(len(SCALES))]
        self.degrees = rng.integers(0, len(self.scale), self.bars)

    def pitch(self, degree: int) -> float:
        octave, step = divmod(int(degree), len(self.scale))
        return self.root * 2 ** (octave + self.scale[step] / 12)

    def _timbre(self, highest: float, slope: float) -> np.ndarray:
        weights = harmonics(highest, slope, 24)
        return wavetable(weights * self.rng.uniform(0.2, 1, len(weights)), self.rng)

    def chords(self) -> np.ndarray:
        """Sustained chords, one a bar."""
        rng, bar = self.rng, 4 * self.beat
        table, loop = self._timbre(1500, rng.uniform(-14, -5)), np.zeros(self.length, np.float32)
        attack = rng.uniform(0.01, 0.4)
        for number, degree in enumerate(self.degrees):
            chord = sum(oscillate(table, self.pitch(degree + step), bar, rng.uniform()) for step in (0, 2, 4))
            loop[number * bar : (number + 1) * bar] = fade(chord, attack, 0.1)
        return loop

    def notes(self, octave: float, per_beat: int, ring: float, busy: float, arpeggio: bool) -> np.ndarray:
        """Plucked or struck single notes: a bass line, a melody or an arpeggio."""
        rng, step = self.rng, self.beat // per_beat
        table, loop = self._timbre(700 * octave, rng.uniform(-12, -3)), np.zeros(self.length, np.float32)
        n = samples(ring)
        body = decay(n, ring) if rng.random() < 0.7 else np.ones(n, np.float32)
        walk = rng.integers(0, 5, 64)
        for number in range(self.bars * 4 * per_beat):
            if rng.random() > busy:
                continue
            degree = self.degrees[number // (4 * per_beat)] + (
                2 * (number % 4) if arpeggio else walk[number % 16]
            )
            note = oscillate(table, octave * self.pitch(degree), n, rng.uniform()) * body
            mix_in(loop, fade(note, 0.008, 0.05), number * step, rng.uniform(0.6, 1))
        return loop

    def song(self) -> np.ndarray:
        """A voice that sings, a note or two a beat."""
        rng, walk = self.rng, self.rng.integers(0, 6, self.bars * 8)
        index = np.minimum(np.arange(controls(self.length)) * HOP * 2 // self.beat, len(walk) - 1)
        pitch = np.array([2 * self.pitch(degree) for degree in walk])[index] * drift(
            rng, self.length, 6, 0.98, 1.02
        )
        formants = vowels(rng, self.length, 2 * RATE / self.beat)
        sound = speak(rng, pitch, formants, self.length, slope=rng.uniform(-9, -4))
        return sound * shape(self.length, (rng.random(len(walk)) < 0.75)[index] * 1.0)

    def drums(self) -> np.ndarray:
        """Kick, snare and hat in a fixed pattern of eighths."""
        rng, loop = self.rng, np.zeros(self.length, np.float32)
        hat = noise(rng, samples(0.12), lambda f: band(f, 4000, 8000, 3)) * decay(
            samples(0.12), rng.uniform(0.04, 0.12)
        )
        kit = (drum(rng, 45, 180, 0.3), drum(rng, 180, 320, 0.25), hat)
        chances = np.array([[0.9, 0.15, 0.3, 0.3], [0.0, 0.1, 0.9, 0.1], [0.8, 0.8, 0.8, 0.8]])
        pattern = rng.random((3, 8)) < np.tile(chances, 2)
        levels = rng.uniform(0.3, 1.2, 3)
        for eighth in range(self.bars * 8):
            for voice in np.flatnonzero(pattern[:, eighth % 8]):
                mix_in(loop, kit[voice], eighth * self.beat // 2, levels[voice] * rng.uniform(0.85, 1.1))
        return loop

    def perform(self, layers: list[np.ndarray], n: int) -> np.ndarray:
        """Layers of unit power, repeated; every now and then, on a bar, one rests or comes back."""
        track, start = np.zeros(n, np.float32), int(self.rng.integers(self.length))
        for number, layer in enumerate(layers):
            part = tile(unit(layer) * np.float32(self.rng.uniform(0.4, 1)), n, start)
            if number and self.rng.random() < 0.5:
                part = self._rests(part, start)
            track += part
        return track

    def _rests(self, part: np.ndarray, start: int) -> np.ndarray:
        section, part = self.length * int(self.rng.integers(1, 3)), part.copy()
        for begin in range(-(start % section), len(part), section):
            if self.rng.random() < 0.3:
                part[max(0, begin) : max(0, begin + section)] *= np.float32(0.05)
        return part


@register(BEDS, common=1.5)
def chord_music(rng: Rng, duration: float) -> np.ndarray:
    """Sustained chords, perhaps with a slow melody or a bass."""
    score = Score(rng)
    layers = [score.chords(), score.notes(2.0, 1, 1.0, 0.5, False), score.notes(0.5, 1, 0.8, 0.7, False)]
    return score.perform(layers[: rng.integers(1, 4)], samples(duration))


@register(BEDS, common=2.0)
def rhythm_music(rng: Rng, duration: float) -> np.ndarray:
    """Drums and bass, perhaps with chords and a lead."""
    score = Score(rng)
    layers = [score.drums(), score.notes(0.5, 2, 0.35, 0.7, False)]
    if rng.random() < 0.6:
        layers.append(score.chords())
    if rng.random() < 0.5:
        layers.append(score.notes(2.0, 2, 0.3, 0.6, False))
    if rng.random() < 0.3:
        layers.append(score.song())
    return score.perform(layers, samples(duration))


@register(BEDS, common=1.5)
def arpeggio_music(rng: Rng, duration: float) -> np.ndarray:
    """A running figure of keys or mallets over a bass."""
    score = Score(rng)
    layers = [
        score.notes(rng.choice([1.0, 2.0, 4.0]), int(rng.integers(2, 5)), rng.uniform(0.2, 0.8), 0.9, True)
    ]
    layers.append(score.notes(0.5, 1, 0.7, 0.8, False))
    return score.perform(layers, samples(duration))


@register(BEDS, common=0.6)
def footfalls(rng: Rng, duration: float) -> np.ndarray:
    """Steps, clatter and rustling of somebody at work near the microphone."""
    n = samples(duration)
    step = noise(rng, samples(0.15), lambda f: band(f, 100, rng.uniform(800, 4000))) * decay(
        samples(0.15), 0.1
    )
    track = noise(rng, n, lambda f: band(f, 500, 6000)) * upsample(drift(rng, n, 3, 0, 0.5) ** 3, n)
    time, gap = 0.0, rng.uniform(0.3, 0.8)
    while time < duration:
        mix_in(track, step, int(time * RATE), float(decibels(rng.normal(0, 3))))
        time += gap * rng.uniform(0.8, 1.2) * (8 if rng.random() < 0.08 else 1)
    return track + 0.05 * noise(rng, n, lambda f: tilt(f, -5))


@register(BEDS, split="validation")
def wind(rng: Rng, duration: float) -> np.ndarray:
    """Gusts of wind on the microphone."""
    n = samples(duration)
    gust = drift(rng, n, rng.uniform(0.3, 1.2), 0, 1) ** 1.5
    howl = noise(rng, n, lambda f: band(f, 200, 900, 2)) * upsample(gust**2, n)
    return howl + noise(rng, n, lambda f: band(f, 20, rng.uniform(80, 300), 1)) * upsample(0.3 + gust, n)


@register(BEDS, split="validation")
def plucked_music(rng: Rng, duration: float) -> np.ndarray:
    """A guitar-like picking pattern."""
    n = samples(duration)
    score = Score(rng)
    loop = np.zeros(score.length, np.float32)
    strings: dict[int, np.ndarray] = {}
    for number in range(score.bars * 8):
        period = max(8, round(RATE / score.pitch(score.degrees[number // 8] + 2 * (number % 3) + 3)))
        if period not in strings:
            strings[period] = _string(rng, period)
        mix_in(loop, strings[period], number * score.beat // 2, rng.uniform(0.5, 1))
    return tile(loop, n, int(rng.integers(len(loop))))


def _string(rng: Rng, period: int) -> np.ndarray:
    """A plucked string: every period is the last one, smoothed."""
    rows = [rng.uniform(-1, 1, period).astype(np.float32)]
    for _ in range(samples(1.0) // period):
        rows.append(np.float32(0.498) * (rows[-1] + np.roll(rows[-1], 1)))
    return fade(np.concatenate(rows), 0.001, 0.2)


@register(BEDS, split="validation")
def dialogue(rng: Rng, duration: float) -> np.ndarray:
    """Two people in turn, one of them through a telephone."""
    n = samples(duration)
    turns = (np.sin(2 * np.pi * control_times(n) / rng.uniform(4, 12) + rng.uniform(0, 6)) > 0) * 1.0
    voices = [phrases(rng, speech(rng, samples(9.0)), n, 0.3) for _ in range(2)]
    voices[1] = colour(voices[1], lambda f: band(f, 300, 3200, 4))
    return voices[0] * upsample(turns, n) + rng.uniform(0.5, 1) * unit(voices[1]) * upsample(1 - turns, n)


@register(BEDS, split="validation")
def workshop(rng: Rng, duration: float) -> np.ndarray:
    """A machine that stamps at a steady pace."""
    n = samples(duration)
    cycle = samples(rng.uniform(0.4, 1.6))
    loop = 0.3 * noise(rng, cycle, lambda f: band(f, 80, 3000, 1))
    for _ in range(rng.integers(1, 4)):
        mix_in(
            loop,
            modes(rng, samples(0.3), rng.uniform(100, 4000, 6), 0.25),
            int(rng.uniform(0, 0.7) * cycle),
            0.5,
        )
    return tile(loop, n)


@register(BEDS, split="test")
def stream(rng: Rng, duration: float) -> np.ndarray:
    """Running water: hiss and gurgling."""
    n = samples(duration)
    count = min(n, LOOP)
    gurgle = sum(
        tone(rng, rng.uniform(300, 900) * (1 + drift(rng, count, 12, 0, 1)), count, -30)
        * shape(count, drift(rng, count, 9, 0, 1) ** 4)
        for _ in range(3)
    )
    return tile(noise(rng, count, lambda f: band(f, 500, 5000, 1)) + rng.uniform(0.3, 2) * gurgle, n)


@register(BEDS, split="test")
def crickets(rng: Rng, duration: float) -> np.ndarray:
    """A night of insects: pulsed high tones."""
    n = samples(duration)
    track = 0.1 * noise(rng, n, lambda f: tilt(f, -4))
    for _ in range(rng.integers(1, 4)):
        pulse = np.clip(np.sin(2 * np.pi * rng.uniform(8, 30) * control_times(n)), 0, 1)
        bouts = np.sin(2 * np.pi * rng.uniform(0.4, 2) * control_times(n)) > rng.uniform(-1, 0.5)
        track += tone(rng, rng.uniform(2500, 6500), n, -30) * shape(n, pulse, bouts) * rng.uniform(0.3, 1)
    return track


@register(BEDS, split="test")
def organ_music(rng: Rng, duration: float) -> np.ndarray:
    """Slow organ or string harmony in three voices."""
    score, n = Score(rng), samples(duration)
    loop = np.zeros(score.length, np.float32)
    half = 2 * score.beat
    table = wavetable(np.array([1, 0.7, 0.3, 0.4, 0.05, 0.1, 0, 0.2]), rng)
    for voice, octave in enumerate((0.5, 1.0, 2.0)):
        for number in range(score.bars * 2):
            degree = score.degrees[number // 2] + rng.choice([0, 2, 4])
            note = oscillate(table, octave * score.pitch(degree), half, rng.uniform())
            mix_in(loop, fade(note, 0.06, 0.06), number * half, 1.0 - 0.2 * voice)
    return tile(loop, n)


@register(BEDS, split="test")
def train_ride(rng: Rng, duration: float) -> np.ndarray:
    """A railway carriage: rumble and pairs of clacks."""
    n = samples(duration)
    cycle = samples(rng.uniform(0.6, 1.4))
    clack = noise(rng, samples(0.1), lambda f: band(f, 80, 1500)) * decay(samples(0.1), 0.1)
    loop = np.zeros(cycle, np.float32)
    for time in (0.0, 0.18):
        mix_in(loop, clack, int(time * cycle))
    return noise(rng, n, lambda f: band(f, 40, 500, 1)) + rng.uniform(0.3, 1.5) * tile(loop, n)
