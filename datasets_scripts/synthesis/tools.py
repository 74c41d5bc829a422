"""Building blocks of synthetic sound: noise, envelopes, oscillators, spectral filters, voices.

Sounds are float32 mono arrays at 16 kHz. Curves that vary slowly (pitch, gain, formants) are given at the
control rate of 125 Hz and stretched to samples with `upsample`, which keeps a minute of sound cheap.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import fft

from modeling_davihd.streams_davihd import SAMPLING_RATE

RATE = SAMPLING_RATE
HOP = 128
LOOP = 2**18
NOISE_LOOP = 2**17
TABLE = 4096
VOWELS = np.array(
    [
        (730, 1090, 2440),
        (270, 2290, 3010),
        (300, 870, 2240),
        (530, 1840, 2480),
        (570, 840, 2410),
        (660, 1720, 2410),
        (500, 1500, 2500),
        (640, 1190, 2390),
    ],
    dtype=np.float32,
)
RAMP = (np.arange(HOP) / HOP).astype(np.float32)

Gain = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Kind:
    """One kind of sound: how it is made, in which split it occurs, how long it lasts (s), how interesting it
    is (as a highlight) and how common (as a background).
    """

    make: Callable[..., np.ndarray]
    split: str = "train"
    shortest: float = 0.3
    longest: float = 8.0
    interest: float = 1.0
    common: float = 1.0


def register(table: dict[str, Kind], **settings) -> Callable:
    """Decorator that enters a function under its own name into a table of kinds."""

    def enter(make: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
        table[make.__name__] = Kind(make, **settings)
        return make

    return enter


def of_split(table: dict[str, Kind], split: str) -> list[str]:
    """Names of the kinds that occur in a split, in the order of the table."""
    return [name for name, kind in table.items() if kind.split == split]


def samples(seconds: float) -> int:
    """Whole samples in `seconds`, at least 64."""
    return max(64, round(seconds * RATE))


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Random number between low and high, even on a logarithmic scale."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def decibels(level: float | np.ndarray) -> float | np.ndarray:
    """Amplitude factor of a level in dB."""
    return 10.0 ** (level / 20.0)


def unit(sound: np.ndarray) -> np.ndarray:
    """The sound at a root mean square of 1 (silence stays silence)."""
    power = float(np.dot(sound, sound)) / max(len(sound), 1)
    return (sound * np.float32(power**-0.5)) if power > 1e-20 else sound


def controls(n: int) -> int:
    """Number of control points that cover n samples."""
    return n // HOP + 2


def control_times(n: int) -> np.ndarray:
    """Times in seconds of the control points."""
    return np.arange(controls(n)) * (HOP / RATE)


def upsample(curve: np.ndarray, n: int) -> np.ndarray:
    """Linear interpolation from control points (at least `controls(n)`) to n samples."""
    curve = np.asarray(curve, dtype=np.float32)
    steps = np.diff(curve)
    return (curve[:-1, None] + steps[:, None] * RAMP).ravel()[:n]


def points(n: int, times: list[float], values: list[float]) -> np.ndarray:
    """Piecewise linear control curve; times are fractions of the length."""
    return np.interp(np.linspace(0.0, 1.0, controls(n)), times, values).astype(np.float32)


def drift(rng: np.random.Generator, n: int, rate: float, low: float, high: float) -> np.ndarray:
    """Random control curve that visits a new value between low and high `rate` times a second."""
    seconds = n / RATE
    knots = rng.uniform(low, high, int(np.ceil(seconds * rate)) + 2)
    position = control_times(n) * rate
    index = np.minimum(position.astype(int), len(knots) - 2)
    part = np.clip(position - index, 0.0, 1.0)
    part = part * part * (3 - 2 * part)
    return (knots[index] * (1 - part) + knots[index + 1] * part).astype(np.float32)


def fade(sound: np.ndarray, attack: float, release: float) -> np.ndarray:
    """Raised-cosine fades at both ends, in seconds; changes and returns the sound."""
    for seconds, ends in ((attack, sound), (release, sound[::-1])):
        count = min(len(sound), max(2, int(seconds * RATE)))
        ends[:count] *= (0.5 - 0.5 * np.cos(np.linspace(0, np.pi, count))).astype(np.float32)
    return sound


def decay(n: int, seconds: float) -> np.ndarray:
    """Exponential decay by 60 dB in `seconds`."""
    return np.exp(np.arange(n, dtype=np.float32) * np.float32(-6.908 / (seconds * RATE)))


def shape(n: int, *curves: np.ndarray) -> np.ndarray:
    """Product of control curves, as samples."""
    product = curves[0]
    for curve in curves[1:]:
        product = product * curve
    return upsample(product, n)


def band(frequency: np.ndarray, low: float, high: float, order: float = 2.0) -> np.ndarray:
    """Amplitude of a soft band pass from low to high (Hz)."""
    frequency = np.maximum(frequency, 5.0)
    return 1.0 / np.sqrt((1 + (low / frequency) ** (2 * order)) * (1 + (frequency / high) ** (2 * order)))


def tilt(frequency: np.ndarray, slope: float) -> np.ndarray:
    """Amplitude of a slope in dB per octave about 1 kHz, level below 30 Hz."""
    return (np.maximum(frequency, 30.0) / 1000.0) ** (slope / 6.0206)


def peaks(frequency: np.ndarray, centres: np.ndarray, widths: np.ndarray | float) -> np.ndarray:
    """Amplitude of a sum of resonances (Hz), each 1 at its centre."""
    distance = (frequency[:, None] - np.atleast_1d(centres)) / (np.asarray(widths) / 2)
    return (1.0 / (1.0 + distance**2)).sum(axis=1)


def noise(rng: np.random.Generator, n: int, gain: Gain | None = None) -> np.ndarray:
    """Noise of unit power with the given spectrum. Beyond 8.2 s a seamless loop of it repeats."""
    if gain is None:
        return tile(rng.standard_normal(min(n, NOISE_LOOP), dtype=np.float32), n)
    size = fft.next_fast_len(min(n, NOISE_LOOP), real=True)
    frequency = np.fft.rfftfreq(size, 1 / RATE).astype(np.float32)
    spectrum = rng.standard_normal(2 * len(frequency), dtype=np.float32).view(np.complex64)
    sound = unit(fft.irfft(spectrum * gain(frequency).astype(np.float32), size))
    return sound[:n] if n <= size else tile(sound, n, int(rng.integers(size)))


def tile(loop: np.ndarray, n: int, start: int = 0) -> np.ndarray:
    """n samples of an endlessly repeated loop, from sample `start`."""
    repeats = (start % len(loop) + n) // len(loop) + 1
    return np.tile(loop, repeats)[start % len(loop) :][:n]


def colour(sound: np.ndarray, gain: Gain, tail: float = 0.05) -> np.ndarray:
    """The sound through a fixed filter, given as amplitude over frequency in Hz."""
    size = fft.next_fast_len(len(sound) + samples(tail), real=True)
    response = gain(np.fft.rfftfreq(size, 1 / RATE).astype(np.float32))
    return fft.irfft(fft.rfft(sound, size) * response.astype(np.float32), size)[: len(sound)]


def convolve(sound: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Linear convolution, cut to the sound's length."""
    size = fft.next_fast_len(len(sound) + len(response), real=True)
    return fft.irfft(fft.rfft(sound, size) * fft.rfft(response, size), size)[: len(sound)]


def wavetable(amplitudes: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
    """One period with the given harmonic amplitudes, of unit power; random phases with an rng."""
    spectrum = np.zeros(TABLE // 2 + 1, dtype=np.complex64)
    angles = np.zeros(len(amplitudes)) if rng is None else rng.uniform(0, 2 * np.pi, len(amplitudes))
    spectrum[1 : len(amplitudes) + 1] = amplitudes * np.exp(1j * angles)
    return unit(fft.irfft(spectrum, TABLE).astype(np.float32))


def harmonics(highest: float, slope: float, limit: int = 80) -> np.ndarray:
    """Amplitudes falling by `slope` dB per octave of the harmonics of `highest` Hz below 7.6 kHz."""
    count = int(np.clip(7600 / max(highest, 20.0), 1, limit))
    return np.arange(1, count + 1) ** (slope / 6.0206)


def oscillate(table: np.ndarray, frequency: float | np.ndarray, n: int, start: float = 0.0) -> np.ndarray:
    """A wavetable played at a frequency in Hz: a number, or a control curve."""
    if np.ndim(frequency) == 0:
        cycles = np.arange(n) * (float(frequency) / RATE)
    else:
        cycles = np.cumsum(upsample(frequency, n), dtype=np.float64) / RATE
    return table[((cycles + start) * TABLE).astype(np.int64) & (TABLE - 1)]


def tone(rng: np.random.Generator, frequency: float | np.ndarray, n: int, slope: float = -12.0) -> np.ndarray:
    """A harmonic sound of unit power at a frequency, or along a control curve, with a spectral slope."""
    table = wavetable(harmonics(float(np.max(frequency)), slope), rng)
    return oscillate(table, frequency, n, rng.uniform())


def modes(
    rng: np.random.Generator, n: int, pitches: np.ndarray, ring: float, soft: float = 0.4
) -> np.ndarray:
    """Struck body: decaying modes (Hz); the lowest falls by 60 dB in `ring` seconds, higher ones sooner."""
    sound = np.zeros(n, dtype=np.float32)
    for pitch in pitches[pitches < 7800]:
        length = ring * (pitches.min() / pitch) ** soft * rng.uniform(0.6, 1.2)
        count = min(n, samples(length))
        angle = np.arange(count, dtype=np.float32) * np.float32(2 * np.pi * pitch / RATE)
        sound[:count] += (
            np.float32(rng.uniform(0.2, 1.0)) * np.sin(angle + rng.uniform(0, 6.3)) * decay(count, length)
        )
    return sound


def scatter(rng: np.random.Generator, n: int, rate: float | np.ndarray, spread: float = 6.0) -> np.ndarray:
    """Impulses at random instants, `rate` a second (number or control curve), strengths spread in dB."""
    if np.ndim(rate) == 0:
        count = rng.poisson(rate * n / RATE)
        places = rng.integers(0, n, count)
    else:
        weights = np.cumsum(np.maximum(rate, 0), dtype=np.float64)
        count = rng.poisson(weights[-1] * HOP / RATE)
        places = np.interp(rng.uniform(0, weights[-1], count), weights, np.arange(len(weights)) * HOP)
        places = np.minimum(places.astype(int), n - 1)
    strengths = decibels(rng.normal(0, spread, count)) * rng.choice([-1, 1], count)
    return np.bincount(places, strengths, minlength=n).astype(np.float32)


def mix_in(track: np.ndarray, sound: np.ndarray, start: int, gain: float = 1.0) -> None:
    """Add the sound to the track from sample `start` on, cutting off what lies outside."""
    first = max(0, -start)
    last = min(len(sound), len(track) - start)
    if last > first:
        track[start + first : start + last] += np.float32(gain) * sound[first:last]


def short_time(sound: np.ndarray, size: int) -> np.ndarray:
    """Half-overlapped short-time spectra (frames, size / 2 + 1) with a square-root Hann window."""
    half = size // 2
    count = len(sound) // half + 2
    padded = np.zeros((count + 1) * half, dtype=np.float32)
    padded[half : half + len(sound)] = sound
    rows = np.lib.stride_tricks.sliding_window_view(padded, size)[::half]
    return fft.rfft(rows * _window(size), axis=1)


def from_short_time(spectra: np.ndarray, n: int, size: int) -> np.ndarray:
    """The n samples whose `short_time` spectra are given."""
    half = size // 2
    rows = fft.irfft(spectra, size, axis=1) * _window(size)
    sound = np.zeros((len(rows) + 1, half), dtype=np.float32)
    sound[:-1] = rows[:, :half]
    sound[1:] += rows[:, half:]
    return sound.ravel()[half : half + n]


def _window(size: int) -> np.ndarray:
    return np.sin(np.pi * np.arange(size) / size).astype(np.float32)


def sweep(sound: np.ndarray, gain: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
    """The sound through a filter that changes in time.

    `gain(control index (frames, 1), frequency (257,))` gives amplitudes (frames, 257).
    """
    spectra = short_time(sound, 512)
    index = np.minimum(np.arange(len(spectra)) * 2, controls(len(sound)) - 1)[:, None]
    amplitudes = gain(index, np.fft.rfftfreq(512, 1 / RATE).astype(np.float32))
    return from_short_time(spectra * amplitudes.astype(np.float32), len(sound), 512)


def vowels(rng: np.random.Generator, n: int, rate: float, size: float = 1.0) -> np.ndarray:
    """Formant control curves (points, 3) in Hz that glide to a new vowel `rate` times a second."""
    position = control_times(n) * rate
    track = VOWELS[rng.integers(len(VOWELS), size=int(position[-1]) + 2)] * rng.uniform(0.92, 1.08, (1, 3))
    index = position.astype(int)
    part = np.clip((position - index) * 2.5, 0, 1)[:, None]
    return ((track[index] * (1 - part) + track[index + 1] * part) * size).astype(np.float32)


def speak(
    rng: np.random.Generator,
    pitch: np.ndarray,
    formants: np.ndarray,
    n: int,
    *,
    slope: float = -6.0,
    breath: float = 0.05,
) -> np.ndarray:
    """Voiced sound: pulses along a pitch curve (Hz) plus breath, through moving formants. Unit power."""
    source = oscillate(wavetable(harmonics(float(pitch.max()), 0.0)), pitch, n)
    source = source + np.float32(breath) * noise(rng, n)
    widths = np.array([90, 130, 220], dtype=np.float32) * rng.uniform(0.8, 1.6)

    def throat(index: np.ndarray, frequency: np.ndarray) -> np.ndarray:
        gain = 0.02 * np.ones((len(index), len(frequency)), dtype=np.float32)
        for number in range(3):
            centre = formants[index[:, 0], number][:, None]
            gain += 1.0 / (1.0 + ((frequency - centre) / widths[number]) ** 2)
        return gain * tilt(frequency, slope).astype(np.float32)

    return unit(sweep(source, throat))
