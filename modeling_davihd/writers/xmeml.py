"""The XML of Final Cut Pro 7, which Premiere and Resolve exchange."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree.ElementTree import Element

from .base import FileWriter, HighlightResult, heard
from .timecodes import TimeCode
from .timelines import Cut, Lane, Timeline
from .xml_files import add, save_xml

FILE = "file-1"
DEPTH = 16  # bits of a sample, which programs ask for and do not go by
OUTPUTS = 2  # channels that the cut is heard in


@dataclass(frozen=True)
class Row:
    """A track of the sequence: its number among those of its kind, and which channel of which lane it takes,
    counted from 0; the picture's has no lane."""

    number: int
    lane: Lane | None = None
    channel: int = 0

    @property
    def kind(self) -> str:
        return "audio" if self.lane else "video"

    @property
    def is_half(self) -> bool:
        """Whether it is one of the two tracks that stand for stereo, as Premiere writes it."""
        return self.lane is not None and len(self.lane.channels) == 2

    @property
    def source(self) -> int:
        """Which of the film's tracks it takes: of stereo, programs count the tracks, else the channels."""
        assert self.lane
        return self.lane.number if self.is_half else self.lane.channels[self.channel]

    def item(self, cut: Cut) -> str:
        """The id of a clip in it."""
        return f"{self.kind}-{self.number}-{cut.number}"


class XMEMLWriter(FileWriter):
    """Final Cut Pro 7 XML, version 5: a sequence of the picture and a track for each channel of the sound.

    Clips that belong together are linked. Those of sound tracks that are not heard are there, switched off.
    """

    name, suffix = "xmeml", ".highlights.xml"

    def save(self, result: HighlightResult, path: Path) -> None:
        timeline = Timeline.of(result)
        root = Element("xmeml", version="5")
        sequence = add(root, "sequence", id="sequence-1")
        add(sequence, "name", timeline.title)
        add(sequence, "duration", timeline.recorded)
        _add_rate(sequence, timeline.code)
        _add_timecode(sequence, replace(timeline.code, start=0))
        media, rows = add(sequence, "media"), list(_rows(timeline))
        if timeline.has_picture:
            video = add(media, "video")
            _add_picture(add(video, "format"), timeline)
            _add_track(video, timeline, rows, rows[0])
        if timeline.lanes:
            audio = add(media, "audio")
            add(audio, "numOutputChannels", OUTPUTS)
            _add_sound(add(audio, "format"), timeline)
            for row in rows[timeline.has_picture :]:
                _add_track(audio, timeline, rows, row)
        save_xml(root, path)


def _rows(timeline: Timeline) -> Iterator[Row]:
    if timeline.has_picture:
        yield Row(1)
    number = 0
    for lane in timeline.lanes:
        for channel in range(len(lane.channels)):
            number += 1
            yield Row(number, lane, channel)


def _add_track(parent: Element, timeline: Timeline, rows: list[Row], row: Row) -> None:
    track = add(parent, "track", **_premiere_track(row))
    for cut in timeline.cuts:
        kind = {"premiereChannelType": "stereo" if row.is_half else "mono"} if row.lane else {}
        item = add(track, "clipitem", id=row.item(cut), **kind)
        add(item, "name", timeline.name)
        add(item, "enabled", _boolean(row.lane is None or row.lane.heard))
        add(item, "duration", timeline.length)
        _add_rate(item, timeline.code)
        spans = {"start": cut.recorded, "end": cut.recorded + cut.length, "in": cut.first, "out": cut.last}
        for name, frame in spans.items():
            add(item, name, frame)
        file = add(item, "file", id=FILE)
        if row is rows[0] and cut is timeline.cuts[0]:  # what follows refers to it
            _describe_file(file, timeline)
        if row.lane:
            source = add(item, "sourcetrack")
            add(source, "mediatype", "audio")
            add(source, "trackindex", row.source)
        _add_remarks(item, cut)
        for other in rows if len(rows) > 1 else ():
            _add_link(item, other, cut)
    add(track, "enabled", "TRUE")
    add(track, "locked", "FALSE")
    if row.is_half:
        add(track, "outputchannelindex", row.channel + 1)


def _premiere_track(row: Row) -> dict[str, object]:
    """How Premiere, which has stereo tracks where Final Cut had pairs of them, marks the halves."""
    if row.lane is None:
        return {}
    index, count, kind = (row.channel, 2, "Stereo") if row.is_half else (0, 1, "Mono")
    numbers = {"currentExplodedTrackIndex": index, "totalExplodedTrackCount": count}
    return numbers | {"premiereTrackType": kind}


def _describe_file(file: Element, timeline: Timeline) -> None:
    add(file, "name", timeline.name)
    add(file, "pathurl", timeline.url.replace("file:///", "file://localhost/", 1))
    _add_rate(file, timeline.code)
    add(file, "duration", timeline.length)
    timecode = _add_timecode(file, timeline.code)
    if timeline.reel:
        add(add(timecode, "reel"), "name", timeline.reel)
    media = add(file, "media")
    if timeline.has_picture:
        _add_picture(add(media, "video"), timeline)
    for lane in timeline.lanes:
        audio = add(media, "audio")
        _add_sound(audio, timeline)
        add(audio, "channelcount", len(lane.channels))


def _add_picture(parent: Element, timeline: Timeline) -> None:
    width, height = timeline.size
    facts = add(parent, "samplecharacteristics")
    _add_rate(facts, timeline.code)
    add(facts, "width", width)
    add(facts, "height", height)
    add(facts, "pixelaspectratio", "square")


def _add_sound(parent: Element, timeline: Timeline) -> None:
    facts = add(parent, "samplecharacteristics")
    add(facts, "depth", DEPTH)
    add(facts, "samplerate", timeline.sampling_rate)


def _add_rate(parent: Element, code: TimeCode) -> None:
    rate = add(parent, "rate")
    add(rate, "timebase", code.base)
    add(rate, "ntsc", _boolean(code.rate.denominator > 1))


def _add_timecode(parent: Element, code: TimeCode) -> Element:
    timecode = add(parent, "timecode")
    _add_rate(timecode, code)
    add(timecode, "string", code.digits(code.start))
    add(timecode, "frame", code.start)
    add(timecode, "displayformat", "DF" if code.drop else "NDF")
    return timecode


def _add_remarks(item: Element, cut: Cut) -> None:
    if names := heard(cut.highlight):
        marker = add(item, "marker")
        add(marker, "name", names)
        add(marker, "comment", cut.remark)
        add(marker, "in", cut.first)
        add(marker, "out", -1)
    add(add(item, "logginginfo"), "lognote", cut.remark)


def _add_link(item: Element, row: Row, cut: Cut) -> None:
    link = add(item, "link")
    add(link, "linkclipref", row.item(cut))
    add(link, "mediatype", row.kind)
    add(link, "trackindex", row.number)
    add(link, "clipindex", cut.number)
    if row.lane:
        add(link, "groupindex", row.lane.number)


def _boolean(value: bool) -> str:
    return "TRUE" if value else "FALSE"


__all__ = ["XMEMLWriter"]
