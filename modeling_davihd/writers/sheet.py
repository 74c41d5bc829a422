"""A contact sheet: what highlights look like, to choose among them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..highlights import Highlight
from .base import FileWriter, HighlightResult, clock, heard
from .picture import letters_may_lack
from .thumbnails import thumbnails

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

THUMBNAIL = (320, 180)  # pixels: width and height at the most
CELL = (332, 222)  # pixels that a thumbnail has with its words and the room around it
HEADING = 40  # pixels above them all
BELOW: dict[str, Any] = {
    "xycoords": "axes fraction",
    "textcoords": "offset points",
    "va": "top",
    "fontsize": 9,
}
MOST_LETTERS = 40  # of what is heard in a highlight
COLUMNS, MOST = 4, 100  # thumbnails in a row, and in all


class SheetWriter(FileWriter):
    """A thumbnail for each highlight, of its peak, with its time and score; nothing if there are none."""

    name, suffix = "sheet", ".highlights.sheet.jpg"

    def write(self, result: HighlightResult, directory: Path) -> list[Path]:
        return super().write(result, directory) if result.highlights else []

    def save(self, result: HighlightResult, path: Path) -> None:
        pictures = thumbnails(result, [one.middle for one in result.highlights[:MOST]], THUMBNAIL)
        with letters_may_lack():
            _draw(result, pictures).savefig(path, format="jpg")


def _draw(result: HighlightResult, pictures: list[np.ndarray | None]) -> Figure:
    from matplotlib.figure import Figure

    columns, rows = min(len(pictures), COLUMNS), math.ceil(len(pictures) / COLUMNS)
    width, height = columns * CELL[0], rows * CELL[1] + HEADING
    figure = Figure(figsize=(width / 100, height / 100), dpi=100)
    count = len(result.highlights)
    shown = f"the first {MOST} of {count} highlights" if count > MOST else f"{count} highlights"
    title = result.source_name if count == 1 else f"{result.source_name}: {shown}"
    figure.text(6 / width, 1 - 12 / height, title, weight="bold", va="top", parse_math=False)
    for place, (highlight, picture) in enumerate(zip(result.highlights, pictures, strict=False)):
        row, column = divmod(place, columns)
        left, bottom = column * CELL[0] + 6, height - HEADING - (row + 1) * CELL[1] + 36
        box = (left / width, bottom / height, THUMBNAIL[0] / width, THUMBNAIL[1] / height)
        _draw_one(figure.add_axes(box), place + 1, highlight, picture)
    return figure


def _draw_one(axes: Axes, number: int, highlight: Highlight, picture: np.ndarray | None) -> None:
    axes.set_facecolor("0.85")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    if picture is not None:
        axes.imshow(picture, interpolation="none")
        axes.set_anchor("W")
    words = f"{number}   {clock(highlight.start)} to {clock(highlight.end)}"
    if not math.isnan(highlight.score):
        words += f"   score {highlight.score:.2f}"
    axes.annotate(words, (0, 0), (0, -3), weight="bold", **BELOW)
    names = heard(highlight)
    names = names if len(names) <= MOST_LETTERS else f"{names[: MOST_LETTERS - 3]}..."
    axes.annotate(names, (0, 0), (0, -15), parse_math=False, **BELOW)


__all__ = ["SheetWriter"]
