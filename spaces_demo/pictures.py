"""Pictures for the page, as data URIs: a small one of each highlight, and one to stand in the player."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from modeling_davihd.writers import HighlightResult, WriterError
from modeling_davihd.writers.thumbnails import thumbnails

Size = tuple[int, int]  # width and height in pixels, at the most
SMALL: Size = (160, 90)
LARGE: Size = (640, 360)
MOST = 100  # highlights that have one
Seen = dict[tuple[float, Size], str | None]  # pictures by their moments in seconds and sizes


def of_highlights(result: HighlightResult, seen: Seen) -> list[str | None]:
    """A picture of the middle of each highlight; None where there is none.

    seen: what is known of this film already, to which is added what is looked up now.
    """
    pictures = _at([one.middle for one in result.highlights[:MOST]], SMALL, result, seen)
    return pictures + [None] * (len(result.highlights) - len(pictures))


def of_best_second(result: HighlightResult, seen: Seen) -> str | None:
    """A picture of the second with the highest score; else as `of_highlights`."""
    [picture] = _at([float(np.argmax(result.scores)) + 0.5], LARGE, result, seen)
    return picture


def _at(moments: Sequence[float], size: Size, result: HighlightResult, seen: Seen) -> list[str | None]:
    if new := [one for one in moments if (one, size) not in seen]:
        try:
            pictures = thumbnails(result, new, size)
        except WriterError:  # the film has no picture, or none that can be decoded
            pictures = [None] * len(new)
        for moment, picture in zip(new, pictures, strict=True):
            seen[moment, size] = None if picture is None else data_uri(Image.fromarray(picture))
    return [seen[moment, size] for moment in moments]


def data_uri(picture: Image.Image) -> str:
    """A picture as an address that holds it."""
    file = io.BytesIO()
    picture.save(file, "WEBP", quality=80)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode("ascii")
