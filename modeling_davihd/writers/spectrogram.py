"""What pictures of a film's sound show: how loud it is, and which of its changes the model attends to."""

from __future__ import annotations

import numpy as np

LEVELS = (2, 99.8)  # percentiles of the log-Mel values drawn as the darkest and the lightest
CELL_ROWS, CELL_COLUMNS = 32, 350  # in which attention is shown, in frequency and time: large enough to see
MARKED = (0.95, 0.985)  # quantiles of the attention at which a cell begins to show, and shows fully
LEAST_DIFFERENCE = 1e-3  # of the largest value; less is not made to look like more


def brightness(log_mel: np.ndarray) -> np.ndarray:
    """(F, M) of any log-Mel values -> (F, M) in [0, 1], from the quiet background to the loudest sound."""
    return _ramp(log_mel, *np.percentile(log_mel, LEVELS))


def abrupt_changes(attention: np.ndarray) -> np.ndarray:
    """Velocity attention (L, F) -> how strongly to mark each cell, from 0, where it is ordinary, to 1.

    The cells are (at most 32, at most 350), in frequency and time, low frequencies first.
    """
    cells = averaged(averaged(attention.T, CELL_COLUMNS).T, CELL_ROWS).T
    return _ramp(cells, *np.quantile(cells, MARKED))


def averaged(picture: np.ndarray, columns: int) -> np.ndarray:
    """(rows, N) -> (rows, at most `columns`): each the mean of the columns that it covers."""
    width = picture.shape[1]
    edges = np.unique(np.linspace(0, width, columns, endpoint=False).astype(int))
    return np.add.reduceat(picture, edges, axis=1, dtype=np.float32) / np.diff(edges, append=width)


def _ramp(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 up to `low`, 1 from `high` on, and in proportion between them."""
    width = max(high - low, LEAST_DIFFERENCE * np.abs(values).max())
    return np.clip((values - low) / width, 0, 1) if width > 0 else np.zeros_like(values)


__all__ = ["abrupt_changes", "averaged", "brightness"]
