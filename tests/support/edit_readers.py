"""Edit lists as OpenTimelineIO's adapters read them, which had no part in writing them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import opentimelineio as otio

ADAPTERS = {".edl": "cmx_3600", ".otio": "otio_json", ".xml": "fcp_xml", ".fcpxml": "fcpx_xml"}
Spans = list[tuple[int, int, int]]  # first frame, frame after the last, first frame in the cut


def timeline_of(path: Path, rate: float) -> otio.schema.Timeline:
    """The timeline in an edit list of so many frames a second, which only the others say themselves."""
    adapter, text = ADAPTERS[path.suffix], path.read_text(encoding="utf-8")
    if adapter == "fcpx_xml":
        root = ElementTree.fromstring(text)
        [asset] = root.iterfind("resources/asset")
        asset.set("src", asset.find("media-rep").get("src"))  # where the adapter looks for it, as up to 1.8
        [timeline] = otio.adapters.read_from_string(ElementTree.tostring(root, "unicode"), adapter)
        return timeline
    options = {"rate": rate} if adapter == "cmx_3600" else {}
    return otio.adapters.read_from_string(text, adapter, **options)


def spans_of(track: otio.schema.Track) -> Spans:
    """What each clip takes of its film, and where it lies in the cut, in frames."""
    spans = []
    for clip in track:
        taken, placed = clip.source_range, clip.trimmed_range_in_parent()
        times = (taken.start_time, taken.end_time_exclusive(), placed.start_time)
        spans.append(tuple(round(time.value) for time in times))
        assert all(abs(time.value - round(time.value)) < 1e-6 for time in times)
    return spans


def fcpxml_spans(path: Path, rate: Fraction) -> Spans:
    """The same of FCPXML, in whose fractions OpenTimelineIO's adapter counts 29 frames to 29.97."""
    spans = []
    for clip in ElementTree.parse(path).iter("asset-clip"):
        start, length, offset = (_frames(clip, name, rate) for name in ("start", "duration", "offset"))
        spans.append((start, start + length, offset))
    return spans


def _frames(clip: ElementTree.Element, name: str, rate: Fraction) -> int:
    frames = Fraction(clip.get(name).removesuffix("s")) * rate
    assert frames.denominator == 1
    return int(frames)
