"""Films cut from the film itself. `modeling_davihd.media` writes them complete or not at all."""

from __future__ import annotations

from pathlib import Path

from .base import HighlightResult, Writer, decoding


class ReelWriter(Writer):
    """All highlights in a row, with sound; nothing if there are none."""

    name, suffix = "mp4", ".highlights.mp4"

    def write(self, result: HighlightResult, directory: Path) -> list[Path]:
        if not result.highlights:
            return []
        from .. import media

        target = directory / f"{result.stem}{self.suffix}"
        with decoding(result) as (film, limits):
            media.cut_reel(film, result.segments, target, options=result.reel, limits=limits)
        return [target]


class ClipsWriter(Writer):
    """One film for each highlight, all of them or none; nothing if there are no highlights."""

    name, suffix = "clips", ".highlight-{:02d}.mp4"

    def write(self, result: HighlightResult, directory: Path) -> list[Path]:
        if not result.highlights:
            return []
        from .. import media

        numbers = range(1, len(result.highlights) + 1)
        targets = [directory / f"{result.stem}{self.suffix.format(number)}" for number in numbers]
        with decoding(result) as (film, limits):
            media.cut_clips(film, result.segments, targets, options=result.reel, limits=limits)
        return targets
