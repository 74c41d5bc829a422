"""Films cut from the film itself. `modeling_davihd.media` writes them complete or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .base import HighlightResult, Writer, WriterError


class ReelWriter(Writer):
    """All highlights in a row, with sound; nothing if there are none."""

    name, suffix = "mp4", ".highlights.mp4"

    def write(self, result: HighlightResult, directory: Path) -> list[Path]:
        if not result.highlights:
            return []
        from .. import media

        target = directory / f"{result.source.stem}{self.suffix}"
        with _cutting(result) as how:
            media.cut_reel(result.film or result.source, result.segments, target, **how)
        return [target]


class ClipsWriter(Writer):
    """One film for each highlight, all of them or none; nothing if there are no highlights."""

    name, suffix = "clips", ".highlight-{:02d}.mp4"

    def write(self, result: HighlightResult, directory: Path) -> list[Path]:
        if not result.highlights:
            return []
        from .. import media

        numbers = range(1, len(result.highlights) + 1)
        targets = [directory / f"{result.source.stem}{self.suffix.format(number)}" for number in numbers]
        with _cutting(result) as how:
            media.cut_clips(result.film or result.source, result.segments, targets, **how)
        return targets


@contextmanager
def _cutting(result: HighlightResult) -> Iterator[dict[str, Any]]:
    """Yield how a film is to be cut; what cannot be cut raises WriterError."""
    from .. import media

    try:
        yield {"options": result.reel, "limits": result.limits or media.DEFAULT_LIMITS}
    except media.MediaError as error:
        raise WriterError(str(error)) from error
