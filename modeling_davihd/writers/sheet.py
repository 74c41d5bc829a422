"""A contact sheet: what highlights look like, to choose among them."""

from __future__ import annotations

import math
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..highlights import Highlight
from .base import FileWriter, HighlightResult, UnsuitableError, clock, decoding, heard
from .picture import letters_may_lack

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
        thumbnails = _thumbnails(result)
        with letters_may_lack():
            _draw(result, thumbnails).savefig(path, format="jpg")


def _thumbnails(result: HighlightResult) -> list[np.ndarray | None]:
    """uint8 RGB (height, width, 3) of each highlight, as it is shown; None where it cannot be got at."""
    from .. import media

    with decoding(result) as (info, limits):
        if not info.has_video:
            raise UnsuitableError(f"{result.source_name}: has no picture of which to make a contact sheet.")
        width, height = media.shown_size(info, limits)
        scale = min(THUMBNAIL[0] / width, THUMBNAIL[1] / height)
        size = max(round(height * scale), 1), max(round(width * scale), 1)
        with closing(media.Pictures(info, size, limits)) as pictures:
            moments = map(_moment, result.highlights[:MOST])
            return [next((one for _, one in pictures.between(at, at)), None) for at in moments]


def _moment(highlight: Highlight) -> float:
    """The middle of a highlight's peak second, or of all of it where the peak is unknown."""
    start, end, peak = highlight.start, highlight.end, highlight.peak
    return (start + end) / 2 if math.isnan(peak) else (max(peak, start) + min(peak + 1, end)) / 2


def _draw(result: HighlightResult, thumbnails: list[np.ndarray | None]) -> Figure:
    from matplotlib.figure import Figure

    columns, rows = min(len(thumbnails), COLUMNS), math.ceil(len(thumbnails) / COLUMNS)
    width, height = columns * CELL[0], rows * CELL[1] + HEADING
    figure = Figure(figsize=(width / 100, height / 100), dpi=100)
    count = len(result.highlights)
    shown = f"the first {MOST} of {count} highlights" if count > MOST else f"{count} highlights"
    title = result.source_name if count == 1 else f"{result.source_name}: {shown}"
    figure.text(6 / width, 1 - 12 / height, title, weight="bold", va="top", parse_math=False)
    for place, (highlight, picture) in enumerate(zip(result.highlights, thumbnails, strict=False)):
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
