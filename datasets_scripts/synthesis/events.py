"""Highlights made by things: hits, crashes, signals, engines, instruments.

Each family is a function `name(rng, duration)` giving float32 samples at 16 kHz; `EVENTS` lists them with the
split they occur in, their shortest and longest duration in seconds and how interesting they are.
"""

from __future__ import annotations

import numpy as np

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
    oscillate,
    peaks,
    points,
    register,
    samples,
    scatter,
    shape,
    sweep,
    tilt,
    tone,
    unit,
    upsample,
    wavetable,
)

EVENTS: dict[str, Kind] = {}
Rng = np.random.Generator


def strikes(
    rng: Rng, n: int, sound: np.ndarray, first: float, gap: float, *, sway: float = 0.15
) -> np.ndarray:
    """The sound struck again and again: `gap` seconds apart with random sway, from `first` seconds on."""
    track = np.zeros(n, dtype=np.float32)
    time = first
    while True:
        mix_in(track, sound, int(time * RATE), float(decibels(rng.normal(0, 2))))
        time += gap * rng.uniform(1 - sway, 1 + sway)
        if time * RATE + 0.3 * len(sound) > n:
            return track


@register(EVENTS, shortest=0.4, longest=2.5, interest=0.9)
def impact(rng: Rng, duration: float) -> np.ndarray:
    """One blow on a resonant body."""
    n = samples(duration)
    pitches = log_uniform(rng, 60, 1500) * np.cumprod(np.r_[1.0, rng.uniform(1.05, 1.7, rng.integers(4, 14))])
    sound = modes(rng, n, pitches, duration * rng.uniform(0.5, 1.3))
    thud = noise(rng, n, lambda f: tilt(f, rng.uniform(-9, 0)))
    return sound + rng.uniform(0.5, 3) * thud * decay(n, rng.uniform(0.05, 0.3))


@register(EVENTS, shortest=1.0, longest=5.0)
def explosion(rng: Rng, duration: float) -> np.ndarray:
    """A blast with a low rumbling tail and falling debris."""
    n = samples(duration)
    corner = rng.uniform(60, 300)
    rumble = noise(rng, n, lambda f: band(f, 25, corner, 1.0)) * decay(n, duration * rng.uniform(0.8, 1.4))
    blast = noise(rng, n, lambda f: tilt(f, -4)) * decay(n, rng.uniform(0.2, 0.8))
    debris = colour(scatter(rng, n, points(n, [0, 0.15, 1], [0, 60, 5])), lambda f: band(f, 800, 5000))
    sound = rumble * shape(n, drift(rng, n, 12, 0.5, 1.2)) + rng.uniform(0.5, 2) * blast
    return sound + rng.uniform(0, 0.4) * unit(debris) * decay(n, duration)


@register(EVENTS, shortest=0.3, longest=4.0)
def gunshots(rng: Rng, duration: float) -> np.ndarray:
    """One shot, a few, or an automatic burst, each with its echo."""
    n = samples(duration)
    length = samples(min(duration, rng.uniform(0.25, 1.2)))
    crack = noise(rng, length) * decay(length, rng.uniform(0.02, 0.08))
    tail = noise(rng, length, lambda f: tilt(f, rng.uniform(-8, -3))) * decay(length, length / RATE)
    shot = crack + rng.uniform(0.1, 0.5) * tail
    return strikes(rng, n, shot, 0.0, log_uniform(rng, 0.08, max(0.1, duration)), sway=rng.uniform(0.02, 0.4))


@register(EVENTS, shortest=0.3, longest=3.0, interest=0.8)
def noise_burst(rng: Rng, duration: float) -> np.ndarray:
    """A sudden patch of noise in some band."""
    n = samples(duration)
    low = log_uniform(rng, 80, 3000)
    sound = noise(rng, n, lambda f: band(f, low, low * log_uniform(rng, 1.5, 20), rng.uniform(1, 6)))
    sound *= shape(n, drift(rng, n, rng.uniform(2, 25), 0.2, 1))
    return fade(sound, rng.uniform(0.005, 0.2), rng.uniform(0.05, 0.5) * duration)


@register(EVENTS, shortest=0.6, longest=3.0)
def glass_crash(rng: Rng, duration: float) -> np.ndarray:
    """Breaking glass: one burst of high modes and a scatter of tinkling shards."""
    n = samples(duration)
    sound = noise(rng, n, lambda f: band(f, 1500, 7500)) * decay(n, rng.uniform(0.1, 0.4)) * 2
    for _ in range(rng.integers(8, 22)):
        shard = modes(rng, samples(0.25), rng.uniform(1800, 7500, 4), rng.uniform(0.08, 0.25))
        mix_in(sound, shard, int(n * rng.beta(1, 3)), rng.uniform(0.2, 1.2))
    return sound


@register(EVENTS, shortest=0.5, longest=4.0)
def metal_crash(rng: Rng, duration: float) -> np.ndarray:
    """Colliding metal: several inharmonic bodies and scraping noise."""
    n = samples(duration)
    sound = np.zeros(n, dtype=np.float32)
    for _ in range(rng.integers(2, 6)):
        body = modes(
            rng, samples(min(duration, 1.5)), log_uniform(rng, 120, 900) * rng.uniform(1, 9, 10), 1.2
        )
        mix_in(sound, body, int(n * 0.6 * rng.beta(1, 2.5)), rng.uniform(0.4, 1.5))
    scrape = noise(rng, n, lambda f: band(f, 600, 6000)) * shape(n, drift(rng, n, 18, 0, 1))
    return unit(sound) + rng.uniform(0.2, 1) * scrape * decay(n, duration)


@register(EVENTS, shortest=1.0, longest=6.0)
def firework(rng: Rng, duration: float) -> np.ndarray:
    """A rising whistle, a report and crackle."""
    n = samples(duration)
    start = int(n * rng.uniform(0.05, 0.4))
    sound = np.zeros(n, dtype=np.float32)
    rise = tone(rng, points(start, [0, 1], [rng.uniform(700, 1500), rng.uniform(1800, 4000)]), start, -18)
    mix_in(sound, fade(rise, 0.1, 0.05), 0, rng.uniform(0, 0.4))
    rest = n - start
    report = noise(rng, rest, lambda f: tilt(f, -6)) * decay(rest, rng.uniform(0.4, 1.2))
    crackle = colour(scatter(rng, rest, log_uniform(rng, 15, 120)), lambda f: band(f, 1500, 7000, 3))
    mix_in(sound, 2 * report + rng.uniform(0.1, 0.8) * unit(crackle) * decay(rest, duration * 1.5), start)
    return sound


@register(EVENTS, shortest=0.6, longest=4.0, interest=0.85)
def whoosh(rng: Rng, duration: float) -> np.ndarray:
    """Noise whose band glides past, as in trailers: rising, falling or both."""
    n = samples(duration)
    low, high = log_uniform(rng, 100, 500), log_uniform(rng, 1500, 6000)
    top = rng.uniform(0.3, 0.95)
    centre = points(n, [0, top, 1], [low, high, rng.choice([low, high])])
    width = rng.uniform(0.3, 1.0)

    def gate(index: np.ndarray, frequency: np.ndarray) -> np.ndarray:
        return np.exp(-((np.log2(np.maximum(frequency, 20) / centre[index]) / width) ** 2))

    sound = sweep(noise(rng, n), gate)
    return sound * shape(n, points(n, [0, top, 1], [0, 1, 0]) ** rng.uniform(1, 3))


@register(EVENTS, shortest=1.0, longest=7.0)
def engine_rev(rng: Rng, duration: float) -> np.ndarray:
    """An engine revved up, once or several times."""
    n = samples(duration)
    idle, count = rng.uniform(25, 60), int(rng.integers(1, 4))
    wave = np.abs(np.sin(np.pi * count * np.linspace(0, 1, len(control_times(n))))) ** rng.uniform(0.5, 2)
    speed = idle * (1 + rng.uniform(1.5, 5) * wave)
    sound = tone(rng, speed * drift(rng, n, 20, 0.97, 1.03), n, rng.uniform(-6, -2))
    sound += 0.3 * noise(rng, n, lambda f: band(f, 80, 2500)) * upsample(wave, n)
    return fade(sound * shape(n, 0.25 + wave), 0.1, 0.2)


@register(EVENTS, shortest=1.5, longest=8.0)
def siren(rng: Rng, duration: float) -> np.ndarray:
    """A siren that wails, yelps or alternates between two notes."""
    n = samples(duration)
    low, rate = rng.uniform(350, 900), log_uniform(rng, 0.3, 4)
    cycle = (control_times(n) * rate + rng.uniform()) % 1
    forms = (0.5 - 0.5 * np.cos(2 * np.pi * cycle), np.abs(2 * cycle - 1), (cycle > 0.5) * 1.0)
    pitch = low * (1 + rng.uniform(0.25, 1.2) * forms[rng.integers(3)])
    return fade(tone(rng, pitch, n, rng.uniform(-12, -4)), rng.uniform(0.02, 1), rng.uniform(0.02, 1))


@register(EVENTS, shortest=0.8, longest=6.0)
def alarm(rng: Rng, duration: float) -> np.ndarray:
    """A beeping alarm."""
    n = samples(duration)
    gap = rng.uniform(0.12, 0.7)
    beep = tone(rng, log_uniform(rng, 600, 3500), samples(gap * rng.uniform(0.3, 0.7)), rng.uniform(-14, -2))
    return strikes(rng, n, fade(beep, 0.005, 0.01), 0.0, gap, sway=0.0)


@register(EVENTS, shortest=0.3, longest=2.5)
def referee_whistle(rng: Rng, duration: float) -> np.ndarray:
    """A pea whistle or a finger whistle."""
    n = samples(duration)
    pitch = rng.uniform(1800, 4200) * drift(rng, n, rng.uniform(3, 10), 0.97, 1.03)
    flutter = 1 + rng.uniform(0, 0.8) * np.sin(2 * np.pi * rng.uniform(20, 55) * control_times(n))
    sound = tone(rng, pitch * (1 + 0.02 * (flutter - 1)), n, rng.uniform(-24, -14))
    sound = sound + 0.2 * noise(rng, n, lambda f: band(f, pitch.min() * 0.8, pitch.max() * 1.2, 4))
    return fade(sound * shape(n, flutter), 0.02, 0.05)


@register(EVENTS, shortest=0.4, longest=4.0, interest=0.9)
def horn_blast(rng: Rng, duration: float) -> np.ndarray:
    """A car, ship or stadium horn: one or more blasts of a bright chord."""
    n = samples(duration)
    length = samples(duration if rng.random() < 0.5 else duration * rng.uniform(0.25, 0.5))
    base, slope = log_uniform(rng, 110, 520), rng.uniform(-8, -2)
    ratios = [1.0, *rng.choice([1.19, 1.26, 1.335, 1.5, 1.007], rng.integers(0, 3))]
    blast = sum(tone(rng, base * ratio, length, slope) for ratio in ratios)
    return strikes(rng, n, fade(blast, 0.03, 0.06), 0.0, length / RATE * 1.2 + 0.05, sway=0.1)


def drum(rng: Rng, low: float, high: float, ring: float) -> np.ndarray:
    """A drum stroke: a falling tone and the stick's noise."""
    n = samples(ring)
    pitch = low + (high - low) * np.exp(-control_times(n) / rng.uniform(0.02, 0.06))
    skin = oscillate(wavetable(np.array([1.0, 0.3, 0.1])), pitch, n) * decay(n, ring)
    return skin + rng.uniform(0.3, 2) * noise(rng, n, lambda f: band(f, 300, 6000)) * decay(
        n, rng.uniform(0.04, 0.25)
    )


@register(EVENTS, shortest=1.0, longest=4.0, interest=0.85)
def drum_fill(rng: Rng, duration: float) -> np.ndarray:
    """A quickening roll over several drums, ending in a crash."""
    n = samples(duration)
    sound = np.zeros(n, dtype=np.float32)
    step, time = rng.uniform(0.08, 0.2), 0.0
    kit = [drum(rng, pitch, pitch * 2, 0.3) for pitch in rng.uniform(60, 300, 4)]
    while time < duration * 0.7:
        mix_in(sound, kit[min(3, int(4 * time / duration / 0.7))], int(time * RATE), rng.uniform(0.5, 1))
        time += step
    crash = noise(rng, n, lambda f: band(f, 2000, 7500)) * decay(n, 1.5)
    mix_in(sound, crash + 0.5 * np.pad(kit[0], (0, max(0, n - len(kit[0]))))[:n], int(time * RATE), 0.8)
    return sound


@register(EVENTS, shortest=2.5, longest=8.0)
def music_drop(rng: Rng, duration: float) -> np.ndarray:
    """A build-up of rising noise and quickening strokes, a breath, and the drop with bass and drums."""
    n = samples(duration)
    turn = int(n * rng.uniform(0.35, 0.6))
    sound = np.zeros(n, dtype=np.float32)
    mix_in(sound, whoosh(rng, turn / RATE), 0, rng.uniform(1, 3))
    stick = drum(rng, 150, 300, 0.15)
    for time in turn / RATE * (1 - np.geomspace(1, 0.02, 24)):
        mix_in(sound, stick, int(time * RATE), 0.3)
    beat, kick = 60 / rng.uniform(90, 150), drum(rng, 45, 160, 0.35)
    bass = tone(rng, rng.uniform(40, 90), n - turn, rng.uniform(-8, -3)) * decay(n - turn, duration * 2)
    mix_in(sound, strikes(rng, n - turn, kick, 0.0, beat, sway=0.0), turn, 1.5)
    mix_in(sound, fade(bass, 0.005, 0.2), turn, rng.uniform(0.5, 1.2))
    return sound


@register(EVENTS, shortest=1.5, longest=6.0)
def brass_swell(rng: Rng, duration: float) -> np.ndarray:
    """The low blaring chord of film trailers."""
    n = samples(duration)
    base = rng.uniform(40, 90)
    sound = sum(tone(rng, base * ratio * rng.uniform(0.995, 1.005), n, -3) for ratio in (1, 1, 2, 3, 1.5))
    bright = points(n, [0, rng.uniform(0.05, 0.4), 1], [150, rng.uniform(1500, 6000), 150])
    sound = sweep(sound, lambda index, frequency: 1 / (1 + (frequency / bright[index]) ** 2))
    return sound * shape(n, points(n, [0, rng.uniform(0.02, 0.4), 0.6, 1], [0, 1, 0.7, 0]))


@register(EVENTS, shortest=1.5, longest=7.0)
def thunder(rng: Rng, duration: float) -> np.ndarray:
    """Rolling thunder with cracks."""
    n = samples(duration)
    sound = noise(rng, n, lambda f: band(f, 30, rng.uniform(120, 600), 1.0)) * shape(
        n, drift(rng, n, 4, 0, 1) ** 2
    )
    for _ in range(rng.integers(1, 5)):
        length = samples(0.8)
        crack = noise(rng, length, lambda f: tilt(f, -5)) * decay(length, rng.uniform(0.2, 0.8))
        mix_in(sound, crack, int(n * 0.7 * rng.beta(1, 2)), rng.uniform(0.4, 1.2))
    return fade(sound, 0.02, 0.4 * duration)


@register(EVENTS, shortest=0.4, longest=4.0, interest=0.8)
def knocks(rng: Rng, duration: float) -> np.ndarray:
    """A run of blows on wood, a door or a drum."""
    pitches = log_uniform(rng, 90, 600) * rng.uniform(1, 4, 6)
    blow = modes(rng, samples(0.3), pitches, rng.uniform(0.08, 0.3)) + 0.5 * drum(rng, 80, 200, 0.3)
    return strikes(rng, samples(duration), blow, 0.0, rng.uniform(0.1, 0.5), sway=0.2)


@register(EVENTS, shortest=0.3, longest=1.2, interest=0.85)
def racket_hit(rng: Rng, duration: float) -> np.ndarray:
    """A sharp dry crack: bat, racket, kicked ball."""
    n = samples(duration)
    centre = log_uniform(rng, 150, 3000)
    sound = noise(rng, n, lambda f: peaks(f, np.array([centre]), centre)) * decay(n, rng.uniform(0.05, 0.2))
    return sound + 0.4 * modes(rng, n, centre * rng.uniform(0.5, 3, 4), rng.uniform(0.1, 0.4))


@register(EVENTS, shortest=1.0, longest=6.0, interest=0.9)
def helicopter(rng: Rng, duration: float) -> np.ndarray:
    """Chopping rotor blades that come and go."""
    n = samples(duration)
    chop = np.exp(-8 * ((control_times(n) * rng.uniform(8, 22)) % 1))
    sound = noise(rng, n, lambda f: band(f, 40, rng.uniform(400, 2500), 1)) * shape(n, chop)
    return fade(sound, 0.4 * duration, 0.4 * duration)


@register(EVENTS, split="validation", shortest=1.0, longest=5.0)
def fanfare(rng: Rng, duration: float) -> np.ndarray:
    """A run of brass notes ending on a long chord."""
    n = samples(duration)
    sound = np.zeros(n, dtype=np.float32)
    base, step, time = rng.uniform(180, 420), rng.uniform(0.12, 0.3), 0.0
    while time < duration * 0.55:
        note = tone(rng, base * rng.choice([1, 1.25, 1.5, 2]), samples(step), rng.uniform(-7, -3))
        mix_in(sound, fade(note, 0.02, 0.03), int(time * RATE))
        time += step * rng.choice([1, 1, 2])
    rest = max(64, n - int(time * RATE))
    chord = sum(tone(rng, base * ratio, rest, -5) for ratio in (1, 1.25, 1.5, 2))
    mix_in(sound, fade(chord, 0.03, 0.3), int(time * RATE), 0.7)
    return sound


@register(EVENTS, split="validation", shortest=0.6, longest=4.0)
def tyre_skid(rng: Rng, duration: float) -> np.ndarray:
    """Screeching tyres: unsteady high tones in noise."""
    n = samples(duration)
    pitch = (
        rng.uniform(600, 1800) * drift(rng, n, 8, 0.85, 1.15) * points(n, [0, 1], [1, rng.uniform(0.6, 1.1)])
    )
    sound = tone(rng, pitch, n, -6) + tone(rng, pitch * rng.uniform(1.1, 1.4), n, -6)
    sound = sound * shape(n, drift(rng, n, 30, 0.3, 1)) + noise(rng, n, lambda f: band(f, 800, 5000))
    return fade(sound, 0.05, 0.2 * duration)


@register(EVENTS, split="validation", shortest=0.6, longest=3.0, interest=0.9)
def splash(rng: Rng, duration: float) -> np.ndarray:
    """Something falls into water: a plunge, spray and bubbles."""
    n = samples(duration)
    spray = noise(rng, n, lambda f: band(f, 400, 5000, 1)) * shape(
        n, points(n, [0, 0.08, 0.3, 1], [0, 1, 0.4, 0])
    )
    bubble = tone(rng, 300 + 500 * drift(rng, n, 14, 0, 1), n, -18) * shape(n, drift(rng, n, 10, 0, 1) ** 3)
    return fade(spray + 0.4 * bubble * decay(n, duration), 0.005, 0.3 * duration)


@register(EVENTS, split="validation", shortest=1.0, longest=5.0, interest=0.85)
def cymbal_swell(rng: Rng, duration: float) -> np.ndarray:
    """A cymbal rolled up and struck."""
    n = samples(duration)
    metal = rng.uniform(1500, 7500, 12)
    sound = noise(rng, n, lambda f: 0.1 + peaks(f, metal, 250.0)) * shape(n, drift(rng, n, 25, 0.7, 1))
    top = rng.uniform(0.4, 0.8)
    return sound * shape(n, points(n, [0, top, min(1, top + 0.02), 1], [0, 0.6, 1, 0]) ** 2)


@register(EVENTS, split="test", shortest=0.8, longest=6.0)
def bell(rng: Rng, duration: float) -> np.ndarray:
    """A bell or gong, tolled once or more."""
    n = samples(duration)
    ratios = np.array([0.5, 1, 1.19, 1.5, 2, 2.51, 2.66, 3.0, 4.1, 5.4]) * rng.uniform(0.99, 1.01, 10)
    toll = modes(rng, samples(min(duration, 4)), log_uniform(rng, 150, 1400) * ratios, rng.uniform(2, 6))
    return fade(strikes(rng, n, toll, 0.0, rng.uniform(0.5, 3)), 0.001, 0.2 * duration)


@register(EVENTS, split="test", shortest=1.5, longest=6.0)
def vehicle_pass(rng: Rng, duration: float) -> np.ndarray:
    """A fast vehicle passes: the pitch falls as it goes by."""
    n = samples(duration)
    distance = (control_times(n) / duration - 0.5) * rng.uniform(6, 16)
    pitch = rng.uniform(80, 350) * (1 - rng.uniform(0.05, 0.25) * distance / np.sqrt(1 + distance**2))
    sound = tone(rng, pitch, n, rng.uniform(-6, -2)) + noise(rng, n, lambda f: band(f, 100, 3500, 1))
    return fade(sound * shape(n, 1 / (0.15 + distance**2)), 0.2, 0.2)


@register(EVENTS, split="test", shortest=0.3, longest=2.5, interest=0.9)
def electric_zap(rng: Rng, duration: float) -> np.ndarray:
    """Crackling sparks and a mains buzz, as of a laser or an arc."""
    n = samples(duration)
    buzz = tone(rng, rng.choice([50, 60, 100, 120]) * drift(rng, n, 20, 0.9, 1.1), n, 0.0)
    sparks = colour(scatter(rng, n, rng.uniform(50, 300), 10), lambda f: band(f, 1000, 7500))
    return fade((buzz + unit(sparks)) * shape(n, drift(rng, n, 15, 0.1, 1)), 0.005, 0.1)


@register(EVENTS, split="test", shortest=0.4, longest=2.5, interest=0.85)
def slide_whistle(rng: Rng, duration: float) -> np.ndarray:
    """A cartoon glissando, up, down or boinging."""
    n = samples(duration)
    low, high = log_uniform(rng, 200, 700), log_uniform(rng, 900, 2800)
    line = np.linspace(0, 1, len(control_times(n)))
    forms = (line, 1 - line, np.abs(np.sin(line * np.pi * rng.uniform(1, 6))) * (1 - line))
    return fade(tone(rng, low * (high / low) ** forms[rng.integers(3)], n, rng.uniform(-24, -8)), 0.02, 0.05)
