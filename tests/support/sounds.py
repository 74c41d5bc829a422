"""A small library of sounds, in Scaper's layout."""

import wave
from pathlib import Path

import numpy as np

RATE = 16000


def write_library(folder: Path) -> Path:
    """A kind of event, of background and of small sounds; each split has a recording of each."""
    rng = np.random.default_rng(0)
    rows = ["file,split"]
    for place, seconds in (("foreground/boom", 0.8), ("background/rain", 6), ("minor/click", 0.1)):
        for split in ("train", "validation", "test"):
            n = int(seconds * RATE)
            sound = rng.normal(0, 0.2, n) * np.exp(-np.arange(n) / (n / 2))
            write_wav(folder / place / f"{split}.wav", sound)
            rows.append(f"{place}/{split}.wav,{split}")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    return folder


def write_wav(path: Path, sound: np.ndarray):
    """Sound (n,) in [-1, 1] as 16 kHz mono."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())
