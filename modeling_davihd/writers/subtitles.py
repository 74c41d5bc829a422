"""Highlights as cues of a text track, for players."""

from __future__ import annotations

from html import escape
from pathlib import Path

from .base import FileWriter, HighlightResult
from .timelines import Timeline


class VTTWriter(FileWriter):
    """WebVTT: a cue for each highlight, with its score and what is heard in it."""

    name, suffix = "vtt", ".highlights.vtt"

    def save(self, result: HighlightResult, path: Path) -> None:
        cues = [
            f"\n{cut.number}\n{_clock(cut.highlight.start)} --> {_clock(cut.highlight.end)}\n"
            f"{escape(cut.remark, quote=False)}\n"
            for cut in Timeline.of(result).cuts
        ]
        path.write_text("".join(["WEBVTT\n", *cues]), encoding="utf-8")


def _clock(seconds: float) -> str:
    """3665.25 -> 01:01:05.250."""
    rest, milliseconds = divmod(round(seconds * 1000), 1000)
    return f"{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}.{milliseconds:03d}"


__all__ = ["VTTWriter"]
