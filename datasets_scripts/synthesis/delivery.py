"""The way of a film's sound to its listener: downmix, loudness control, clipping, codecs."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import av
import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import resample_poly

from datasets_scripts.synthesis import rooms
from datasets_scripts.synthesis.mixing import block_power, rms
from datasets_scripts.synthesis.tools import HOP, RATE, decibels, log_uniform, noise, upsample

Rng = np.random.Generator
# Encoding takes twice as long as generating, so few films go through a real codec; `rooms` imitates one.
CODED_SHARE = 0.05


@dataclass(frozen=True)
class Codec:
    """An encoder and a decoder of PyAV, the sample format and rate (Hz) in between, bit rates (1/s), how
    common it is, and by how many samples what is decoded lags behind.
    """

    encoder: str
    decoder: str
    form: str
    rate: int
    bit_rates: tuple[int, ...]
    common: float
    delay: int = 0
    options: dict[str, str] = field(default_factory=dict)


CODECS = {
    "aac": Codec("aac", "aac", "fltp", 16000, (12000, 64000), 0.4, 1024, {"aac_coder": "fast"}),
    "mp3": Codec("libmp3lame", "mp3float", "fltp", 16000, (16000, 24000, 32000, 64000), 0.2),
    "opus": Codec("libopus", "opus", "flt", 16000, (6000, 32000), 0.2, 0, {"compression_level": "0"}),
    "amr": Codec("libopencore_amrnb", "amrnb", "s16", 8000, (4750, 5900, 7400, 12200), 0.2, 40),
}


def deliver(rng: Rng, film: np.ndarray) -> np.ndarray:
    """The film as it is heard, with its peak at -40 to 0 dBFS; half of all films are in 16-bit steps."""
    steps = (
        (downmix, 0.15),
        (rooms.level_control, 0.12),
        (normalise_loudness, 0.2),
        (rooms.soft_clip, 0.1),
        (clip_peaks, 0.08),
        (add_hiss, 0.4),
        (rooms.record, 0.65),
    )
    for step, chance in steps:
        if rng.random() < chance:
            film = step(rng, film)
    peak = decibels(-40 * rng.beta(0.7, 3.0))
    film = film * np.float32(peak / (np.abs(film).max() + 1e-12))
    if rng.random() < CODED_SHARE:
        film = stream(rng, film)
    if rng.random() < 0.5:
        film = np.round(film * np.float32(32767)) / np.float32(32767)
    return np.clip(film, -1, 1)


def downmix(rng: Rng, film: np.ndarray) -> np.ndarray:
    """Two channels added that differ by up to 3 ms: a comb of cancelled frequencies."""
    delay = int(log_uniform(rng, 1, 50))
    mixed = film.copy()
    mixed[delay:] += np.float32(rng.uniform(0.3, 0.95) * rng.choice([-1, 1])) * film[:-delay]
    return mixed


def normalise_loudness(rng: Rng, film: np.ndarray) -> np.ndarray:
    """A limiter or an automatic gain that gives way at once and comes back slowly: it pumps."""
    power = gaussian_filter1d(np.pad(block_power(film), 1, mode="edge"), 4)
    level = 10 * np.log10(power + 1e-5 * np.mean(power) + 1e-20)
    release = np.arange(len(level)) * (HOP / RATE * log_uniform(rng, 3, 40))  # dB that are given back
    held = np.maximum.accumulate(level + release) - release
    if rng.random() < 0.5:
        gain = -np.maximum(held - np.percentile(held, rng.uniform(20, 80)), 0)
    else:
        gain = np.minimum(held.max() - held, rng.uniform(6, 24)) * rng.uniform(0.4, 1)
    return film * upsample(decibels(gaussian_filter1d(gain, 3)), len(film))


def clip_peaks(rng: Rng, film: np.ndarray) -> np.ndarray:
    """Cuts the peaks off hard, as overdriven recorders do."""
    limit = np.float32(np.abs(film).max() * decibels(-rng.uniform(2, 12)))
    return np.clip(film, -limit, limit)


def add_hiss(rng: Rng, film: np.ndarray) -> np.ndarray:
    """The noise of a recorder, 35 to 75 dB below the film."""
    return film + noise(rng, len(film)) * np.float32(rms(film) * decibels(rng.uniform(-75, -35)))


def stream(rng: Rng, film: np.ndarray) -> np.ndarray:
    """The film through a random codec at a random bit rate."""
    names, shares = list(CODECS), [codec.common for codec in CODECS.values()]
    name = names[int(rng.choice(len(names), p=shares))]
    low, *steps, high = CODECS[name].bit_rates
    bit_rate = int(rng.choice([low, *steps, high])) if steps else int(log_uniform(rng, low, high))
    return coded(film, CODECS[name], bit_rate)


def coded(film: np.ndarray, codec: Codec, bit_rate: int) -> np.ndarray:
    """The film encoded and decoded again, at the same place in time."""
    sound = film if codec.rate == RATE else resample_poly(film, 1, RATE // codec.rate)
    if codec.form == "s16":
        sound = np.round(np.clip(sound, -1, 1) * 32767).astype(np.int16)
    encoder = _context(codec, av.CodecContext.create(codec.encoder, "w"))
    encoder.format, encoder.bit_rate, encoder.options = codec.form, bit_rate, codec.options
    encoder.time_base = Fraction(1, codec.rate)
    encoder.open()
    packets = _packets(encoder, sound, codec)
    decoder = _context(codec, av.CodecContext.create(codec.decoder, "r"))
    decoder.extradata = encoder.extradata
    frames = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
    heard = np.concatenate([frame.to_ndarray().ravel() for frame in frames])[codec.delay :]
    heard = heard.astype(np.float32) / np.float32(32767 if heard.dtype == np.int16 else 1)
    # A codec at 16 kHz leaves nothing above 8 kHz, so that every third sample of 48 kHz is enough.
    heard = heard[:: frames[0].sample_rate // RATE] if codec.rate == RATE else resample_poly(heard, 2, 1)
    return np.pad(heard, (0, max(0, len(film) - len(heard))))[: len(film)].astype(np.float32)


def _context(codec: Codec, context: av.CodecContext) -> av.CodecContext:
    context.sample_rate, context.layout = codec.rate, "mono"
    return context


def _packets(encoder: av.CodecContext, sound: np.ndarray, codec: Codec) -> list[av.Packet]:
    """The sound as packets, the last frame filled up with silence."""
    frame = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(np.pad(sound, (0, -len(sound) % encoder.frame_size))[None]),
        format=codec.form,
        layout="mono",
    )
    frame.sample_rate, frame.pts, frame.time_base = codec.rate, 0, Fraction(1, codec.rate)
    queue = av.AudioFifo()
    queue.write(frame)
    packets = [packet for part in queue.read_many(encoder.frame_size) for packet in encoder.encode(part)]
    return packets + encoder.encode(None)
