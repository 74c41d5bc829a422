"""Final Cut Pro's XML."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree.ElementTree import Element

from .base import FileWriter, HighlightResult, heard
from .timecodes import TimeCode
from .timelines import Cut, Lane, Timeline
from .xml_files import add, save_xml

VERSION = "1.11"
FORMAT, ASSET = "r1", "r2"
ROLE = "dialogue"  # of sound, as Final Cut gives it unless it is told otherwise


class FCPXMLWriter(FileWriter):
    """FCPXML: the film as an asset, and a project of clips of it, each with its score and what is heard.

    All times are whole frames, as exact fractions of a second. Sound tracks that are not heard are there,
    switched off.
    """

    name, suffix = "fcpxml", ".highlights.fcpxml"

    def save(self, result: HighlightResult, path: Path) -> None:
        timeline = Timeline.of(result)
        root = Element("fcpxml", version=VERSION)
        resources = add(root, "resources")
        width, height = timeline.size
        frame = _seconds(1, timeline.code)
        add(resources, "format", id=FORMAT, frameDuration=frame, width=width, height=height)
        _add_asset(resources, timeline)
        event = add(add(root, "library"), "event", name=timeline.title)
        sequence = add(
            add(event, "project", name=timeline.title),
            "sequence",
            format=FORMAT,
            duration=_seconds(timeline.recorded, timeline.code),
            tcStart="0s",
            tcFormat=_tc_format(timeline.code),
            audioLayout="stereo",
            audioRate="48k",
        )
        spine = add(sequence, "spine")
        for cut in timeline.cuts:
            _add_clip(spine, timeline, cut)
        save_xml(root, path)


def _add_asset(resources: Element, timeline: Timeline) -> None:
    asset = add(
        resources,
        "asset",
        id=ASSET,
        name=timeline.name,
        start=_seconds(timeline.code.start, timeline.code),
        duration=_seconds(timeline.length, timeline.code),
        **_picture_of(timeline, hasVideo=1, videoSources=1),
        **_sound_of(timeline),
    )
    add(asset, "media-rep", kind="original-media", src=timeline.url)
    if timeline.reel:
        add(add(asset, "metadata"), "md", key="com.apple.proapps.studio.reel", value=timeline.reel)


def _picture_of(timeline: Timeline, **facts: object) -> dict[str, object]:
    """Attributes of what has a picture, or none."""
    return {"format": FORMAT} | facts if timeline.has_picture else {}


def _sound_of(timeline: Timeline) -> dict[str, object]:
    """What an asset says of its sound: how many tracks there are, and channels in the largest."""
    if not timeline.lanes:
        return {}
    channels = max(len(lane.channels) for lane in timeline.lanes)
    facts: dict[str, object] = {"hasAudio": 1, "audioSources": len(timeline.lanes)}
    return facts | {"audioChannels": channels, "audioRate": timeline.sampling_rate}


def _add_clip(spine: Element, timeline: Timeline, cut: Cut) -> None:
    code = timeline.code
    start, length = _seconds(code.start + cut.first, code), _seconds(cut.length, code)
    clip = add(
        spine,
        "asset-clip",
        ref=ASSET,
        name=timeline.name,
        offset=_seconds(cut.recorded, code),
        start=start,
        duration=length,
        tcFormat=_tc_format(code),
        audioRole=ROLE if timeline.lanes else None,
        **_picture_of(timeline),
    )
    add(clip, "note", cut.remark)
    if names := heard(cut.highlight):
        add(clip, "marker", start=start, duration=_seconds(1, code), value=names, note=cut.remark)
    if len(timeline.lanes) > 1:
        for lane in timeline.lanes:
            _add_channels(clip, lane)


def _add_channels(clip: Element, lane: Lane) -> None:
    channels = ", ".join(str(channel) for channel in lane.channels)
    name = re.sub(r"[^\w -]", "_", lane.name) or f"{ROLE}-{lane.number}"
    active = None if lane.heard else 0
    add(clip, "audio-channel-source", srcCh=channels, role=f"{ROLE}.{name}", active=active)


def _tc_format(code: TimeCode) -> str:
    return "DF" if code.drop else "NDF"


def _seconds(frames: int, code: TimeCode) -> str:
    """So many frames as a fraction of seconds, in parts of the rate."""
    numerator = frames * code.rate.denominator
    return f"{numerator}/{code.rate.numerator}s" if frames else "0s"


__all__ = ["FCPXMLWriter"]
