"""Recordings as samples: decoded to 16 kHz mono, trimmed, and written as WAV files."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
from scipy.signal import butter, sosfilt, sosfilt_zi

from modeling_davihd.streams_davihd import SAMPLING_RATE

RATE = SAMPLING_RATE
PEAK = 0.9  # of what is written: no recording clips, and a quiet one keeps its fine detail in 16 bits
LOWEST = 20.0  # Hz; what is below is no sound, but the offset that many old recordings rest on
QUIET = 1e-3  # of the peak: -60 dB, below which a recording's beginning and end are silence
FULL_SCALE = 32_767


def decode(source: Path | BinaryIO, name: str, form: str | None = None) -> np.ndarray:
    """All samples of a recording, (n,) float32 mono at 16 kHz.

    name: what an error calls it. form: FFmpeg's name of the format, where the file itself does not tell it.
    Raises ValueError where nothing can be decoded.
    """
    opened = str(source) if isinstance(source, Path) else source
    try:
        with av.open(opened, format=form, metadata_errors="ignore") as container:
            if not container.streams.audio:
                raise ValueError(f"{name}: holds no sound.")
            # The mean of the channels, which is never louder than they are; a second at once is quicker.
            options = {"rematrix_maxval": "1"}
            resampler = av.AudioResampler("flt", "mono", RATE, frame_size=RATE, options=options)
            frames = [*container.decode(audio=0), None]
            pieces = [piece.to_ndarray()[0] for frame in frames for piece in resampler.resample(frame)]
    except (av.FFmpegError, OSError) as error:
        raise ValueError(f"{name}: is not a recording that can be decoded ({error.strerror}).") from error
    if not pieces:
        raise ValueError(f"{name}: holds no sound.")
    return np.nan_to_num(np.concatenate(pieces), posinf=1.0, neginf=-1.0)


def audible(samples: np.ndarray) -> np.ndarray:
    """Without an offset, which would be a click where a recording is mixed in, and what else nobody hears."""
    filters = butter(2, LOWEST, "highpass", fs=RATE, output="sos")
    settled = sosfilt_zi(filters) * samples[0]  # as if it had rested there for long
    return sosfilt(filters, samples, zi=settled)[0].astype(np.float32)


def trimmed(samples: np.ndarray) -> np.ndarray:
    """Without the silence at its two ends; empty where all is silence."""
    loud = np.flatnonzero(np.abs(samples) > QUIET * np.abs(samples).max(initial=0.0))
    return samples[loud[0] : loud[-1] + 1] if len(loud) else samples[:0]


def middle(samples: np.ndarray, seconds: float) -> np.ndarray:
    """At most `seconds` from its middle, with ends of 10 ms that fade where something was cut."""
    count = round(seconds * RATE)
    if len(samples) <= count:
        return samples
    start = (len(samples) - count) // 2
    cut = samples[start : start + count].copy()
    ramp = np.linspace(0, 1, RATE // 100, dtype=np.float32)
    cut[: len(ramp)] *= ramp
    cut[-len(ramp) :] *= ramp[::-1]
    return cut


def to_int16(samples: np.ndarray) -> np.ndarray:
    """Samples in [-1, 1] as whole numbers of 16 bits; what is beyond is clipped."""
    return np.rint(np.clip(samples, -1, 1) * FULL_SCALE).astype("<i2")


def write_wav(path: Path, samples: np.ndarray) -> None:
    """Write samples as a 16-bit mono WAV file whose loudest sample is PEAK."""
    scaled = samples * (PEAK / max(float(np.abs(samples).max(initial=0.0)), 1e-9))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(to_int16(scaled).tobytes())


def read_wav(path: Path) -> np.ndarray | None:
    """The samples (n,) int16 of a 16-bit mono WAV file of 16 kHz; None if the file is anything else."""
    try:
        with wave.open(str(path), "rb") as file:
            if (file.getnchannels(), file.getsampwidth(), file.getframerate()) != (1, 2, RATE):
                return None
            return np.frombuffer(file.readframes(file.getnframes()), "<i2")
    except (wave.Error, EOFError):
        return None
