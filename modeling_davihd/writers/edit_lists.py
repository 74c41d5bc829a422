"""Edit lists, for editing programs to cut the film by."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from ..highlights import Highlight
from .base import FileWriter, HighlightResult, WriterError, heard, rounded
from .timecodes import TimeCode, editing_rate

EDL_EVENTS = 999  # event numbers have three digits


class EDLWriter(FileWriter):
    """CMX 3600 edit decision list, recorded from 00:00:00:00, of the picture, the sound or both.

    The source's frames are numbered from its own time code, where it has one, drop-frame if that is. Time
    codes count frames: without drop-frame, at 29.97 frames a second, the digits run on 30 to the second and
    fall behind the clock by 3.6 s an hour, while every cut stays on its frame.
    """

    name, suffix = "edl", ".highlights.edl"

    def save(self, result: HighlightResult, path: Path) -> None:
        count = len(result.highlights)
        if count > EDL_EVENTS:
            raise WriterError(f"An EDL holds at most {EDL_EVENTS} events, but there are {count} highlights.")
        mode = "DROP FRAME" if _time_code(result).drop else "NON-DROP FRAME"
        lines = [f"TITLE: {result.source_name} highlights", f"FCM: {mode}", "", *_edl_events(result)]
        path.write_text("\n".join(lines), encoding="utf-8")


class OTIOWriter(FileWriter):
    """OpenTimelineIO: a timeline of a video and an audio track, where the film has both, that refer to it."""

    name, suffix = "otio", ".highlights.otio"

    def save(self, result: HighlightResult, path: Path) -> None:
        timeline = {
            "OTIO_SCHEMA": "Timeline.1",
            "name": f"{result.source_name} highlights",
            "global_start_time": None,
            "tracks": {
                "OTIO_SCHEMA": "Stack.1",
                "name": "tracks",
                "children": [_otio_track(result, kind) for kind in _kinds(result)],
            },
        }
        path.write_text(json.dumps(timeline, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def _time_code(result: HighlightResult) -> TimeCode:
    """How the source's frames are numbered, from its first picture on."""
    film = result.film
    rate = editing_rate(result.fps, film.nominal_fps if film else None)
    return TimeCode.of(rate, film.timecode if film else None, result.fps)


def _kinds(result: HighlightResult) -> list[str]:
    """Which kinds of track the film has; both if nothing is known of it."""
    film = result.film
    there = {"Video": film is None or film.has_video, "Audio": film is None or film.has_audio}
    return [kind for kind, known in there.items() if known]


def _frame_ranges(result: HighlightResult) -> list[tuple[int, int]]:
    """(first frame, frame after the last) of each highlight: edges go to the nearest frame.

    Frames count from the film's first picture, which may be later than its first sound.
    """
    rate = _time_code(result).rate
    zero = result.film.picture_start if result.film else 0.0
    nearest = [
        [max(math.floor((edge - zero) * rate + 0.5), 0) for edge in segment] for segment in result.segments
    ]
    return [(first, max(last, first + 1)) for first, last in nearest]


def _edl_events(result: HighlightResult) -> list[str]:
    source = _time_code(result)
    record = replace(source, start=0)
    reel = re.sub(r"[^A-Z0-9_]", "_", (result.film and result.film.reel or "AX").upper())[:8]
    channels = {"Video": "V", "Audio": "AA"}
    kinds = "/".join(sorted(channels[kind] for kind in _kinds(result)))
    lines, recorded = [], 0
    events = zip(result.highlights, _frame_ranges(result), strict=True)
    for number, (highlight, (first, last)) in enumerate(events, start=1):
        codes = [source.digits(source.start + frame) for frame in (first, last)]
        codes += [record.digits(frame) for frame in (recorded, recorded + last - first)]
        lines.append(f"{number:03d}  {reel:<8} {kinds:<4}  C        {' '.join(codes)}")
        lines.append(f"* FROM CLIP NAME: {result.source_name}")
        lines += [f"* COMMENT: {names}"] if (names := heard(highlight)) else []
        lines += [""]
        recorded += last - first
    return lines


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
    code = _time_code(result)
    length = max(math.floor(result.duration * code.rate + 0.5), frames[1])
    media = {
        "OTIO_SCHEMA": "ExternalReference.1",
        "name": result.source_name,
        "target_url": result.source.absolute().as_uri(),
        "available_range": _otio_range(code.start, code.start + length, code.rate),
    }
    return {
        "OTIO_SCHEMA": "Clip.2",
        "name": f"Highlight {number}",
        "metadata": {"davihd": rounded(highlight)},
        "source_range": _otio_range(code.start + frames[0], code.start + frames[1], code.rate),
        "markers": [_otio_marker(names, frames, code)] if (names := heard(highlight)) else [],
        "media_references": {"DEFAULT_MEDIA": media},
        "active_media_reference_key": "DEFAULT_MEDIA",
    }


def _otio_marker(names: str, frames: tuple[int, int], code: TimeCode) -> dict[str, Any]:
    span = _otio_range(code.start + frames[0], code.start + frames[1], code.rate)
    return {"OTIO_SCHEMA": "Marker.2", "name": names, "color": "ORANGE", "marked_range": span}


def _otio_range(first: int, last: int, rate: Fraction) -> dict[str, Any]:
    def time(frames: int) -> dict[str, Any]:
        return {"OTIO_SCHEMA": "RationalTime.1", "rate": float(rate), "value": float(frames)}

    return {"OTIO_SCHEMA": "TimeRange.1", "start_time": time(first), "duration": time(last - first)}
