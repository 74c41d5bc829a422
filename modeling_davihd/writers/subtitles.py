"""Text tracks for players: the highlights of a film as cues, and what is said in its reel."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from ..files import write_text
from .base import FileWriter, HighlightResult, Writer, decoding, writing
from .timelines import Timeline

if TYPE_CHECKING:
    from ..media import SubtitleLine


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


class SRTWriter(Writer):
    """SubRip: the film's own subtitles, as far as the reel has them and when; nothing if there are none."""

    name, suffix = "srt", ".highlights.srt"

    def write(self, result: HighlightResult, directory: Path) -> list[Path]:
        lines = _said(result)
        if not lines:
            return []
        target = directory / f"{result.stem}{self.suffix}"
        with writing(target):
            write_text(target, srt(lines))
        return [target]


def srt(lines: Sequence[SubtitleLine]) -> str:
    """Lines of subtitles as SubRip has them."""
    cues = [
        f"{number}\n{_clock(line.start, ',')} --> {_clock(line.end, ',')}\n{line.text}\n"
        for number, line in enumerate(lines, start=1)
    ]
    return "\n".join(cues)


def _said(result: HighlightResult) -> list[SubtitleLine]:
    """The subtitles of the reel."""
    if not result.highlights:
        return []
    from .. import media

    with decoding(result) as (info, limits):
        lines = media.subtitles_of(info, limits)
    pieces = media.pieces_in_reel(info, result.segments, result.reel.fade)
    return list(media.cut_subtitles(lines, pieces))


def _clock(seconds: float, point: str = ".") -> str:
    """3665.25 -> 01:01:05.250."""
    rest, milliseconds = divmod(round(seconds * 1000), 1000)
    return f"{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}{point}{milliseconds:03d}"


__all__ = ["SRTWriter", "VTTWriter", "srt"]
