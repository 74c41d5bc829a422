"""Markers at the highlights, for the whole film rather than a cut of it."""

from __future__ import annotations

from pathlib import Path

from .base import FileWriter, HighlightResult, heard
from .edit_lists import edl_head
from .timelines import Cut, Timeline

COLOUR = "ResolveColorBlue"


class MarkersWriter(FileWriter):
    """Timeline markers in the EDL that DaVinci Resolve reads and writes, each as long as its highlight.

    They lie at the film's own time code, so that they fit a timeline of the film that starts with it.
    """

    name, suffix = "markers", ".highlights.markers.edl"

    def save(self, result: HighlightResult, path: Path) -> None:
        timeline = Timeline.of(result)
        timeline.check_events()
        lines = [line for cut in timeline.cuts for line in _marker(timeline, cut)]
        path.write_text("\n".join([*edl_head(timeline), *lines]), encoding="utf-8")


def _marker(timeline: Timeline, cut: Cut) -> list[str]:
    code = timeline.code
    first = code.start + cut.first
    codes = f"{code.digits(first)} {code.digits(first + 1)}"
    name = (heard(cut.highlight) or f"Highlight {cut.number}").replace("|", "/")
    return [
        f"{cut.number:03d}  001      V     C        {codes} {codes}  ",
        f"{cut.remark.replace('|', '/')} |C:{COLOUR} |M:{name} |D:{cut.length}",
        "",
    ]


__all__ = ["MarkersWriter"]
