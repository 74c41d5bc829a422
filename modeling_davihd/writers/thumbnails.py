"""Small pictures of a film, as it is shown."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing

import numpy as np

from .base import HighlightResult, UnsuitableError, decoding


def thumbnails(
    result: HighlightResult, moments: Iterable[float], most: tuple[int, int]
) -> list[np.ndarray | None]:
    """What a film shows at moments in seconds: uint8 RGB (height, width, 3) of each, upright, in its shape.

    most: width and height at the most. None: a picture that cannot be got at. Raises UnsuitableError for a
    film without a picture, and WriterError where nothing of it can be decoded.
    """
    from .. import media

    with decoding(result) as (info, limits):
        if not info.has_video:
            raise UnsuitableError(f"{result.source_name}: has no picture of which to make thumbnails.")
        width, height = media.shown_size(info, limits)
        scale = min(most[0] / width, most[1] / height)
        size = max(round(height * scale), 1), max(round(width * scale), 1)
        with closing(media.Pictures(info, size, limits)) as pictures:
            return [next((one for _, one in pictures.between(at, at)), None) for at in moments]


__all__ = ["thumbnails"]
