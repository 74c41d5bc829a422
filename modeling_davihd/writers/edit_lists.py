"""Edit lists, for editing programs to cut the film by."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from ..highlights import Highlight
from .base import FileWriter, HighlightResult, WriterError, rounded

DEFAULT_FPS = 25.0  # of edit lists for films without a picture
EDL_EVENTS = 999  # event numbers have three digits


class EDLWriter(FileWriter):
    """CMX 3600 edit decision list, non-drop-frame, picture and sound, recorded from 00:00:00:00.

    Timecodes count frames: at 29.97 frames a second the digits run on 30 to the second without dropping any,
    so that they fall behind the clock by 3.6 s an hour while every cut stays on its frame.
    """

    name, suffix = "edl", ".highlights.edl"

    def save(self, result: HighlightResult, path: Path) -> None:
        count = len(result.highlights)
        if count > EDL_EVENTS:
            raise WriterError(f"An EDL holds at most {EDL_EVENTS} events, but there are {count} highlights.")
        lines = [f"TITLE: {result.source_name} highlights", "FCM: NON-DROP FRAME", ""]
        lines += _edl_events(_frame_ranges(result), round(_rate(result)), result.source_name)
        path.write_text("\n".join(lines), encoding="utf-8")


class OTIOWriter(FileWriter):
    """OpenTimelineIO: a timeline of one video and one audio track that refer to the film itself."""

    name, suffix = "otio", ".highlights.otio"

    def save(self, result: HighlightResult, path: Path) -> None:
        timeline = {
            "OTIO_SCHEMA": "Timeline.1",
            "name": f"{result.source_name} highlights",
            "global_start_time": None,
            "tracks": {
                "OTIO_SCHEMA": "Stack.1",
                "name": "tracks",
                "children": [_otio_track(result, kind) for kind in ("Video", "Audio")],
            },
        }
        path.write_text(json.dumps(timeline, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def _rate(result: HighlightResult) -> float:
    return DEFAULT_FPS if result.fps is None else result.fps


def _frame_ranges(result: HighlightResult) -> list[tuple[int, int]]:
    """(first frame, frame after the last) of each highlight: edges go to the nearest frame."""
    rate = _rate(result)
    nearest = [(math.floor(a * rate + 0.5), math.floor(b * rate + 0.5)) for a, b in result.segments]
    return [(first, max(last, first + 1)) for first, last in nearest]


def _edl_events(ranges: list[tuple[int, int]], per_second: int, clip_name: str) -> list[str]:
    lines, recorded = [], 0
    for number, (first, last) in enumerate(ranges, start=1):
        frames = (first, last, recorded, recorded + last - first)
        codes = " ".join(_timecode(frame, per_second) for frame in frames)
        lines += [f"{number:03d}  AX       AA/V  C        {codes}", f"* FROM CLIP NAME: {clip_name}", ""]
        recorded += last - first
    return lines


def _timecode(frame: int, per_second: int) -> str:
    seconds, frames = divmod(frame, per_second)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{frames:02d}"


def _otio_track(result: HighlightResult, kind: str) -> dict[str, Any]:
    clips = zip(result.highlights, _frame_ranges(result), strict=True)
    return {
        "OTIO_SCHEMA": "Track.1",
        "name": kind,
        "kind": kind,
        "children": [_otio_clip(result, i, h, frames) for i, (h, frames) in enumerate(clips, start=1)],
    }


def _otio_clip(
    result: HighlightResult, number: int, highlight: Highlight, frames: tuple[int, int]
) -> dict[str, Any]:
    rate = _rate(result)
    media = {
        "OTIO_SCHEMA": "ExternalReference.1",
        "name": result.source_name,
        "target_url": result.source.absolute().as_uri(),
        "available_range": _otio_range(0, max(math.floor(result.duration * rate + 0.5), frames[1]), rate),
    }
    return {
        "OTIO_SCHEMA": "Clip.2",
        "name": f"Highlight {number}",
        "metadata": {"davihd": rounded(highlight)},
        "source_range": _otio_range(*frames, rate),
        "media_references": {"DEFAULT_MEDIA": media},
        "active_media_reference_key": "DEFAULT_MEDIA",
    }


def _otio_range(first: int, last: int, rate: float) -> dict[str, Any]:
    def time(frames: int) -> dict[str, Any]:
        return {"OTIO_SCHEMA": "RationalTime.1", "rate": float(rate), "value": float(frames)}

    return {"OTIO_SCHEMA": "TimeRange.1", "start_time": time(first), "duration": time(last - first)}
