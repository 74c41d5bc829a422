"""The picture under the curve: the sound, and which of its changes the model attends to."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 1400, 128  # pixels
CELLS = (350, 32)  # of the overlay, in time and frequency: large enough to see
MARKED = (0.95, 0.985)  # quantiles of the attention at which a cell begins to show, and shows fully
CHANGE = (255, 217, 47)  # yellow, told apart from grey by everyone
OPACITY = 0.9
DARKER = 1.6  # exponent of the greys, so that yellow stands out from them


def strip_picture(log_mel: np.ndarray, velocity_attention: np.ndarray | None) -> str:
    """log-Mel (F, M) in grey under velocity attention (L, F') in yellow, high notes on top, as a data URI."""
    picture = Image.fromarray(_grey(log_mel)).resize((WIDTH, HEIGHT), Image.Resampling.BOX).convert("RGB")
    if velocity_attention is not None:
        mask = Image.fromarray(_opacity(velocity_attention)).resize(picture.size, Image.Resampling.BILINEAR)
        picture.paste(CHANGE, mask=mask)
    file = io.BytesIO()
    picture.save(file, "WEBP", quality=80)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def _grey(log_mel: np.ndarray) -> np.ndarray:
    """uint8 (F, M): from the quiet background, black, to the loudest, white."""
    low, high = np.percentile(log_mel, (2, 99.8))
    levels = (log_mel - low) / max(high - low, 1e-6)
    return np.rint(np.clip(levels, 0, 1) ** DARKER * 255).astype(np.uint8)[::-1]


def _opacity(attention: np.ndarray) -> np.ndarray:
    """uint8, one for each of CELLS: 0 where the attention is ordinary."""
    cells = Image.fromarray(attention.T[::-1].astype(np.float32)).resize(CELLS, Image.Resampling.BOX)
    values = np.asarray(cells)
    low, high = np.quantile(values, MARKED)
    shown = np.clip((values - low) / max(high - low, 1e-12), 0, 1)
    return np.rint(shown * OPACITY * 255).astype(np.uint8)
