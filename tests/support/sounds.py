"""WAV files, and a small library of sounds in Scaper's layout."""

import wave
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from datasets_scripts.building.splits import SPLITS

RATE = 16_000
KINDS = {"foreground": {"boom": 0.8}, "background": {"rain": 6}, "minor": {"click": 0.1}}


def write_library(folder: Path, kinds: Mapping[str, Mapping[str, float]] = KINDS) -> Path:
    """Noise of that many seconds for each kind of each role; a recording in every split, named after it."""
    rng = np.random.default_rng(0)
    rows = ["file,split"]
    for role, lengths in kinds.items():
        for kind, seconds in lengths.items():
            for split in SPLITS:
                place = f"{role}/{kind}/{split}.wav"
                write_wav(folder / place, rng.uniform(-0.5, 0.5, int(seconds * RATE)))
                rows.append(f"{place},{split}")
    (folder / "manifest.csv").write_text("\n".join(rows))
    return folder


def write_wav(target: Path | BinaryIO, sound: np.ndarray, rate: int = RATE):
    """Write sound (n,) or (channels, n) in [-1, 1] as 16 bits; a path's folder is made if need be."""
    if isinstance(target, Path):
        target.parent.mkdir(parents=True, exist_ok=True)
    sound = np.atleast_2d(sound)
    with wave.open(str(target) if isinstance(target, Path) else target, "wb") as file:
        file.setparams((len(sound), 2, rate, 0, "NONE", ""))
        file.writeframes(np.rint(sound.T * 32767).astype("<i2").tobytes())
