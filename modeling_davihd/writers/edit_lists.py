"""Edit lists in text and JSON, for editing programs to cut the film by."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from .base import FileWriter, HighlightResult, heard, rounded
from .timelines import Cut, Lane, Timeline

EDL_CHANNELS = 4  # of sound, that an event can name
# What an EDL calls the first two channels of sound that an event takes, with the picture and without.
WITH_PICTURE = {(): "V", (1,): "B", (2,): "A2/V", (1, 2): "AA/V"}
SOUND_ALONE = {(): "NONE", (1,): "A", (2,): "A2", (1, 2): "AA"}
AUDIO_TYPES = {1: "Mono", 2: "Stereo", 6: "5.1", 8: "7.1"}  # as Resolve names them


class EDLWriter(FileWriter):
    """CMX 3600 edit decision list, recorded from 00:00:00:00, of the picture, the sound or both.

    The source's frames are numbered from its own time code, where it has one, drop-frame if that is. Time
    codes count frames: without drop-frame, at 29.97 frames a second, the digits run on 30 to the second and
    fall behind the clock by 3.6 s an hour, while every cut stays on its frame. Events take the channels of
    the sound tracks that are heard, of the first four that the film has.
    """

    name, suffix = "edl", ".highlights.edl"

    def save(self, result: HighlightResult, path: Path) -> None:
        timeline = Timeline.of(result)
        timeline.check_events()
        path.write_text("\n".join([*edl_head(timeline), *_edl_events(timeline)]), encoding="utf-8")


class OTIOWriter(FileWriter):
    """OpenTimelineIO: a timeline of the picture and of every sound track that the film has.

    Tracks that are not heard are there, switched off. Which of the film's channels a clip takes is said in
    the way of DaVinci Resolve, as OpenTimelineIO has none.
    """

    name, suffix = "otio", ".highlights.otio"

    def save(self, result: HighlightResult, path: Path) -> None:
        timeline = Timeline.of(result)
        pictures = [_otio_track(timeline, None)] if timeline.has_picture else []
        tracks = pictures + [_otio_track(timeline, lane) for lane in timeline.lanes]
        content = otio_timeline(timeline.title, tracks)
        path.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def edl_head(timeline: Timeline) -> list[str]:
    """The lines before the first event."""
    mode = "DROP FRAME" if timeline.code.drop else "NON-DROP FRAME"
    return [f"TITLE: {timeline.title}", f"FCM: {mode}", ""]


def _edl_events(timeline: Timeline) -> list[str]:
    source = timeline.code
    record = replace(source, start=0)
    reel = re.sub(r"[^A-Z0-9_]", "_", (timeline.reel or "AX").upper())[:8]
    channels, remarks = _edl_channels(timeline)
    lines = []
    for cut in timeline.cuts:
        codes = [source.digits(source.start + frame) for frame in (cut.first, cut.last)]
        codes += [record.digits(frame) for frame in (cut.recorded, cut.recorded + cut.length)]
        lines.append(f"{cut.number:03d}  {reel:<8} {channels:<4}  C        {' '.join(codes)}")
        lines += [f"* FROM CLIP NAME: {timeline.name}", f"* SOURCE FILE: {timeline.path}"]
        lines += [f"* COMMENT: {names}"] if (names := heard(cut.highlight)) else []
        lines += [*remarks, ""]
    return lines


def _edl_channels(timeline: Timeline) -> tuple[str, list[str]]:
    """What an event calls the picture and the channels that it takes, and further lines that do."""
    taken = [channel for lane in timeline.lanes if lane.heard for channel in lane.channels]
    names = WITH_PICTURE if timeline.has_picture else SOUND_ALONE
    first = names[tuple(channel for channel in taken if channel <= 2)]
    lines = []
    if max(taken, default=0) > EDL_CHANNELS:
        lines.append(f"* SOUND CHANNELS: {len(taken)}, OF WHICH AN EDL HOLDS THOSE UP TO {EDL_CHANNELS}")
    third, fourth = ("3" if 3 in taken else " "), ("4" if 4 in taken else "")
    if third.strip() or fourth:
        lines.append(f"AUD  {third}    {fourth}".rstrip())
    return first, lines


def otio_timeline(name: str, tracks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A timeline of tracks."""
    stack = {"OTIO_SCHEMA": "Stack.1", "name": "tracks", "children": list(tracks)}
    return {"OTIO_SCHEMA": "Timeline.1", "name": name, "global_start_time": None, "tracks": stack}


def _otio_track(timeline: Timeline, lane: Lane | None) -> dict[str, Any]:
    """The picture's track if there is no lane, or else the lane's."""
    kind = name = "Audio" if lane else "Video"
    if lane and len(timeline.lanes) > 1:
        name = lane.name or f"{kind} {lane.number}"
    fields: dict[str, Any] = {"OTIO_SCHEMA": "Track.1", "name": name, "kind": kind}
    if lane:
        fields["enabled"] = lane.heard
        if audio_type := AUDIO_TYPES.get(len(lane.channels)):
            fields["metadata"] = {"Resolve_OTIO": {"Audio Type": audio_type}}
    return fields | {"children": [otio_clip(timeline, cut, lane) for cut in timeline.cuts]}


def otio_clip(timeline: Timeline, cut: Cut, lane: Lane | None) -> dict[str, Any]:
    """A highlight of the picture if there is no lane, or else of the lane."""
    code = timeline.code
    media = {
        "OTIO_SCHEMA": "ExternalReference.1",
        "name": timeline.name,
        "target_url": timeline.url,
        "available_range": otio_range(code.start, timeline.length, code.rate),
    }
    span = otio_range(code.start + cut.first, cut.length, code.rate)
    marker = {"OTIO_SCHEMA": "Marker.2", "color": "ORANGE", "marked_range": span}
    names = heard(cut.highlight)
    return {
        "OTIO_SCHEMA": "Clip.2",
        "name": f"Highlight {cut.number}",
        "metadata": _otio_metadata(timeline, cut, lane),
        "source_range": span,
        "markers": [marker | {"name": names}] if names else [],
        "media_references": {"DEFAULT_MEDIA": media},
        "active_media_reference_key": "DEFAULT_MEDIA",
    }


def _otio_metadata(timeline: Timeline, cut: Cut, lane: Lane | None) -> dict[str, Any]:
    """Ours, the reel as OpenTimelineIO's EDLs have it, and what Resolve links a film's tracks by."""
    fields: dict[str, Any] = {"davihd": rounded(cut.highlight)}
    if timeline.reel:
        fields["cmx_3600"] = {"reel": timeline.reel}
    fields["Resolve_OTIO"] = {"Link Group ID": cut.number}
    if lane:
        fields["Resolve_OTIO"]["Channels"] = [
            {"Source Track ID": lane.number - 1, "Source Channel ID": channel}
            for channel in range(len(lane.channels))
        ]
    return fields


def otio_range(first: int, length: int, rate: Fraction) -> dict[str, Any]:
    """So many frames from one on."""

    def time(frames: int) -> dict[str, Any]:
        return {"OTIO_SCHEMA": "RationalTime.1", "rate": float(rate), "value": float(frames)}

    return {"OTIO_SCHEMA": "TimeRange.1", "start_time": time(first), "duration": time(length)}


__all__ = ["EDLWriter", "OTIOWriter", "edl_head", "otio_clip", "otio_range", "otio_timeline"]
