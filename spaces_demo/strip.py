"""The picture under the curve: the sound, and which of its changes the model attends to."""

from __future__ import annotations

import numpy as np
from pictures import data_uri
from PIL import Image

from modeling_davihd.writers.spectrogram import abrupt_changes, brightness

SIZE = (1400, 128)  # pixels, wide and high
CHANGE = (255, 217, 47)  # yellow, told apart from grey by everyone
OPACITY = 0.9
DARKER = 1.6  # exponent of the greys, so that yellow stands out from them


def strip_picture(log_mel: np.ndarray, velocity_attention: np.ndarray | None) -> str:
    """log-Mel (F, M) in grey under velocity attention (L, F') in yellow, high notes on top, as a data URI."""
    greys = _picture(brightness(log_mel) ** DARKER)
    picture = greys.resize(SIZE, Image.Resampling.BOX).convert("RGB")
    if velocity_attention is not None:
        marks = _picture(abrupt_changes(velocity_attention) * OPACITY)
        picture.paste(CHANGE, mask=marks.resize(SIZE, Image.Resampling.BILINEAR))
    return data_uri(picture)


def _picture(shares: np.ndarray) -> Image.Image:
    """(frequency, time) in [0, 1] as a picture of bytes, the highest frequency on top."""
    return Image.fromarray(np.rint(shares[::-1] * 255).astype(np.uint8))
