"""Films cut from the film itself. `modeling_davihd.media` writes them complete or not at all."""

from __future__ import annotations

from pathlib import Path

from .base import HighlightResult, Writer, WriterError


class ReelWriter(Writer):
    """All highlights in a row, with sound; nothing if there are none."""

    name, suffix = "mp4", ".highlights.mp4"

    def write(self, result: HighlightResult, directory: Path) -> list[Path]:
        if not result.highlights:
            return []
        from .. import media

        target = directory / f"{result.source.stem}{self.suffix}"
        limits = result.limits or media.DEFAULT_LIMITS
        try:
            media.cut_reel(result.film or result.source, result.segments, target, limits=limits)
        except media.MediaError as error:
            raise WriterError(str(error)) from error
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
        limits = result.limits or media.DEFAULT_LIMITS
        try:
            media.cut_clips(result.film or result.source, result.segments, targets, limits=limits)
        except media.MediaError as error:
            raise WriterError(str(error)) from error
        return targets
