"""A small picture of each row, for people who look at a dataset where pictures are shown, as on the Hub."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw

PREVIEW = "preview"  # the column
WIDTH, HEIGHT = 256, 64
SHADES = 15  # with the colour of the curve, four bits for each pixel
SAMPLED = 16 * WIDTH  # frames at most, so that long films cost no more
DARK, LIGHT, CURVE = (13, 8, 40), (235, 140, 70), (130, 255, 255)


def preview_of(labels: np.ndarray | None, log_mel: np.ndarray | None) -> bytes:
    """A PNG of a video: its labels (T,), if any, as a curve over its log-Mel spectrogram (M, F), if any.

    It shows nothing that the row does not hold, and is the same for the same row.
    """
    levels = np.zeros((HEIGHT, WIDTH), np.uint8)
    if log_mel is not None and len(log_mel):
        levels = spectrogram(log_mel)
    picture = Image.fromarray(levels)
    shades = np.linspace(DARK, LIGHT, SHADES).astype(np.uint8)
    picture.putpalette([*shades.ravel().tolist(), *CURVE])
    if labels is not None and len(labels):
        values = labels[np.arange(WIDTH) * len(labels) // WIDTH]
        heights = np.rint((HEIGHT - 2) * (1 - values)).astype(int).tolist()
        ImageDraw.Draw(picture).line(list(enumerate(heights)), fill=SHADES, width=2)
    written = io.BytesIO()
    picture.save(written, "PNG", compress_level=6)  # 9 takes five times as long, to save a tenth
    return written.getvalue()


def spectrogram(log_mel: np.ndarray) -> np.ndarray:
    """Log-Mel frames (M, F) as shades (HEIGHT, WIDTH), the highest frequencies on top."""
    sampled = log_mel[:: -(-len(log_mel) // SAMPLED)].astype(np.float32)
    small = pooled(pooled(sampled, WIDTH).T, HEIGHT)[::-1]
    low, high = np.quantile(small, (0.05, 0.995))
    return np.clip(SHADES * (small - low) / max(high - low, 1e-6), 0, SHADES - 1).astype(np.uint8)


def pooled(array: np.ndarray, size: int) -> np.ndarray:
    """(n, m) -> (size, m): the means of so many parts of it, or rows repeated where there are fewer."""
    edges = np.arange(size + 1) * len(array) // size
    return np.add.reduceat(array, edges[:-1], axis=0) / np.maximum(1, np.diff(edges))[:, None]
