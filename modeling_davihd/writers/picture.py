"""The picture of a film: its scores over its sound."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..streams_davihd import HIGHEST_HZ
from .base import FileWriter, HighlightResult, UnsuitableError, clock, heard
from .spectrogram import abrupt_changes, averaged, brightness

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CURVE, CHOSEN, CHANGE = "#0B5394", "#E66100", "#FFD92F"  # told apart by the colour-blind, on light and dark
COLUMNS = 2000  # of the spectrogram: more than the picture has pixels
OPACITY = 0.7  # of the marks on the changes that the model attends to most
NAMES: dict[str, Any] = {"rotation": "vertical", "fontsize": "small", "ha": "center", "va": "top"}
TICKS_HZ = (250, 500, 1000, 2000, 4000, 8000)
TICK_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)


class PNGWriter(FileWriter):
    """The score curve over the sound, after Figure 1 of the paper."""

    name, suffix = "png", ".highlights.png"

    def save(self, result: HighlightResult, path: Path) -> None:
        if not result.scored:
            raise UnsuitableError(f"{result.source_name}: there are no scores of which to draw the curve.")
        with letters_may_lack():
            _draw(result).savefig(path, format="png")


@contextmanager
def letters_may_lack() -> Iterator[None]:
    """Draw without a word about letters, as of a film's name, that the font does not have."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def _draw(result: HighlightResult) -> Figure:
    """The whole picture: 1400 x 700 pixels, or 1400 x 420 without a spectrogram."""
    from matplotlib.figure import Figure

    panels = 1 if result.log_mel is None else 2
    figure = Figure(figsize=(14, 7 if panels == 2 else 4.2), dpi=100, layout="constrained")
    axes = figure.subplots(panels, 1, sharex=True, squeeze=False, height_ratios=(1, 1.1)[:panels])[:, 0]
    _draw_curve(axes[0], result)
    if result.log_mel is not None:
        _draw_sound(axes[1], result)
    _mark_time(axes[-1], result.duration)
    return figure


def _draw_curve(axes: Axes, result: HighlightResult) -> None:
    scores = np.asarray(result.scores, dtype=np.float64)
    edges, levels = np.repeat(np.arange(len(scores) + 1), 2)[1:-1], np.repeat(scores, 2)  # one step a second
    axes.fill_between(edges, levels, color=CURVE, alpha=0.12, linewidth=0)
    axes.plot(edges, levels, color=CURVE, linewidth=1.4 if len(scores) < 1500 else 0.7)
    low, high = min(0.0, scores.min()), max(1.0, scores.max())
    axes.set_ylim(low, low + 1.12 * (high - low))  # room for the numbers
    axes.set_ylabel("highlight score")
    axes.grid(axis="y", color="0.9")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(result.source_name, loc="left", weight="bold", parse_math=False)
    axes.set_title(_summary(result), loc="right", color="0.35", fontsize="medium")
    _label_highlights(axes, result)


def _summary(result: HighlightResult) -> str:
    count = len(result.highlights)
    if not count:
        return f"nothing stands out in {clock(result.duration)}"
    kept = sum(end - start for start, end in result.segments)
    noun = "highlight" if count == 1 else "highlights"
    return f"{count} {noun}, {clock(kept)} of {clock(result.duration)}"


def _label_highlights(axes: Axes, result: HighlightResult) -> None:
    """Their numbers and, upright below these, what is heard."""
    label: dict = {"color": "white", "weight": "bold", "fontsize": "small", "ha": "center", "va": "top"}
    box = {"boxstyle": "round,pad=0.2", "facecolor": CHOSEN, "edgecolor": "none"}
    free = -math.inf
    for number, highlight in enumerate(result.highlights, start=1):
        start, end = highlight.start, highlight.end
        axes.axvspan(start, end, facecolor=CHOSEN, edgecolor=CHOSEN, alpha=0.3, linewidth=1, zorder=0.6)
        middle = (start + end) / 2
        if middle >= free:  # labels that would run into each other are left out
            axes.text(middle, 0.98, str(number), transform=axes.get_xaxis_transform(), bbox=box, **label)
            axes.text(middle, 0.89, heard(highlight), transform=axes.get_xaxis_transform(), **NAMES)
            free = middle + 0.02 * result.duration


def _draw_sound(axes: Axes, result: HighlightResult) -> None:
    log_mel = np.asarray(result.log_mel)
    bins, span = len(log_mel), (0, len(result.scores), 0, len(log_mel))
    picture = brightness(averaged(log_mel, COLUMNS))
    axes.imshow(picture, cmap="bone", vmin=0, vmax=1, extent=span, origin="lower", aspect="auto")
    title = "log-Mel spectrogram"
    if result.velocity_attention is not None:
        overlay = _change_overlay(np.asarray(result.velocity_attention))
        axes.imshow(overlay, extent=span, origin="lower", aspect="auto", interpolation="nearest")
        title += "; yellow: the abrupt changes the model attends to most"
    axes.set_title(title, loc="left", fontsize="medium", color="0.35")
    axes.set_ylabel("frequency (Hz)")
    axes.set_yticks([bins * _mel(hertz) / _mel(HIGHEST_HZ) for hertz in TICKS_HZ], map(str, TICKS_HZ))
    for start, end in result.segments:
        axes.axvspan(start, end, facecolor="none", edgecolor=CHOSEN, linewidth=1.2)


def _mel(hertz: float) -> float:
    return 2595 * math.log10(1 + hertz / 700)


def _change_overlay(attention: np.ndarray) -> np.ndarray:
    """(L, F) -> RGBA picture, transparent where the attention is ordinary."""
    from matplotlib.colors import to_rgb

    strength = abrupt_changes(attention)
    colour = np.broadcast_to(to_rgb(CHANGE), (*strength.shape, 3))
    return np.dstack([colour, OPACITY * strength])


def _mark_time(axes: Axes, duration: float) -> None:
    step = next((step for step in TICK_SECONDS if duration / step <= 14), TICK_SECONDS[-1])
    ticks = np.arange(0, duration + 1e-6, step)
    axes.set_xticks(ticks, [clock(tick) for tick in ticks])
    axes.set_xlim(0, duration)
    axes.set_xlabel("time")
