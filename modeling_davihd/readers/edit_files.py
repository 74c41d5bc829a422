"""Files of edit lists, checked and handed to OpenTimelineIO's adapters; nothing in them is trusted."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

from ..wording import quoted, short
from .base import ListError, parsed_json, small_bytes, small_text
from .films import Films, rate_of

Edit = Any  # a SerializableObject of opentimelineio, which may not be there
INSTALL = 'is read with OpenTimelineIO and its adapters; pip install ".[edits]" brings them.'
MOST_CLIPS = 10_000  # of an edit list, nested sequences counted as often as they are used; EDLs end at 999
DEEPEST = 200  # elements within elements; editing programs write some 30
RATES = (24.0, 25.0, 30000 / 1001, 30.0, 48.0, 50.0, 60000 / 1001, 60.0)  # of time codes
DROPPING = (30000 / 1001, 60000 / 1001)
CODE = r"\d+(?:[:;.]\d+){3}"
EVENT = re.compile(rf"\d+\s+\S+\s+\S+\s+[A-Z]\S*(?:\s+\d+)?(?:\s+(?:{CODE}|\d+)){{4}}")
FILM_COMMENT = re.compile(r"\*?\s*(?:FROM CLIP NAME|TO CLIP NAME|FROM FILE|SOURCE FILE)\s*:\s*(.+)")
NAMELESS = "0" * 20  # before an event's number, which the adapter takes for a name where there is none
SCHEMA = re.compile(r"[A-Za-z]\w*\.[1-9]\d{0,2}")
ENCODING = "UTF-8"  # of XML, whatever it declares
TICKS = 360_000  # a second; in so many, frames of all common rates are whole
CLIPS = ("ref-clip", "clipitem", "asset-clip", "clip", "video", "audio")


def open_edit_list(path: Path, films: Films) -> Edit:
    """Read .edl, .otio, .fcpxml or .xml of Final Cut Pro 7.

    Raises ListError naming the file, and the line where it is known, for what is none, is too large, or
    could make a reader grow without end; and for OpenTimelineIO that is not installed.
    """
    suffix = path.suffix.lower()
    if suffix == ".otio":
        return _adapted(path, "otio_json", _checked_json(path))
    if suffix == ".edl":
        return _open_edl(path, films)
    root = _checked_xml(path)
    adapter = {"fcpxml": "fcpx_xml", "xmeml": "fcp_xml"}.get(root.tag)
    if adapter is None:
        raise ListError(f"{path}: is XML of {short(root.tag)}; fcpxml or xmeml is needed.")
    if adapter == "fcpx_xml":
        _complete_resources(root)
    return _adapted(path, adapter, ElementTree.tostring(root, encoding="unicode"))


def _adapted(path: Path, adapter: str, text: str, **options: Any) -> Edit:
    try:
        from opentimelineio import adapters
        from opentimelineio.exceptions import OTIOError
    except ImportError as error:
        raise ListError(f"{path}: {INSTALL}") from error
    if adapter not in adapters.available_adapter_names():
        raise ListError(f"{path}: {INSTALL}")
    try:
        edit = adapters.read_from_string(text, adapter, **options)
    except (ValueError, OTIOError) as error:
        said = quoted(" ".join(str(error).split()).strip('".'))
        raise ListError(f"{path}: is no edit list that can be read ({said}).") from error
    except Exception as error:  # of any type: an adapter has stumbled over something that is not there
        raise ListError(
            f"{path}: is no edit list that can be read: it lacks what its format needs."
        ) from error
    if not hasattr(edit, "find_clips"):
        raise ListError(f"{path}: holds no timeline.")
    return edit


# EDL


def _open_edl(path: Path, films: Films) -> Edit:
    lines = [line.strip() for line in small_text(path).splitlines()]
    events = [number for number, line in enumerate(lines) if line[:1].isdigit()]
    if not 0 < len(events) <= MOST_CLIPS:
        raise ListError(f"{path}: has {len(events)} events; from 1 to {MOST_CLIPS} are needed.")
    highest = max(_highest_frame(f"{path}, line {number + 1}", lines[number]) for number in events)
    dropping = any(line.upper().startswith("FCM: DROP") for line in lines)
    likely = _likely_rates(path, lines, films, dropping or any(";" in lines[number] for number in events))
    rate = next(rate for rate in likely if round(rate) > highest)
    for number in events:
        rated = re.sub(CODE, lambda found: _as_rated(found[0], dropping, rate), lines[number])
        lines[number] = NAMELESS + rated
    text = "\n".join(lines[events[0] :])  # what else may be above the first event, the adapter does not know
    return _adapted(path, "cmx_3600", text, rate=rate, ignore_timecode_mismatch=True)


def _highest_frame(where: str, event: str) -> int:
    """The highest number of a frame in its second. Raises ListError for what is no event or time code."""
    if not EVENT.fullmatch(event):
        raise ListError(f"{where}: {short(event)} is no event of an EDL.")
    highest = 0
    for code in re.findall(CODE, event):
        _, minutes, seconds, frames = map(int, re.split("[:;.]", code))
        if max(minutes, seconds, frames) > 59:
            raise ListError(f"{where}: {short(code)} is no time code.")
        highest = max(highest, frames)
    return highest


def _likely_rates(path: Path, lines: list[str], films: Films, dropping: bool) -> list[float]:
    """Frames a second of the time codes, which an EDL does not say, the likeliest first: its films'."""
    names = [found[1].strip() for line in lines if (found := FILM_COMMENT.match(line))]
    own = [film for name in names if (film := films.find(str(path), name))]
    if films.unnamed and not own:
        own = [films.unnamed]
    infos = [films.info(film) for film in own]
    rates = Counter(float(rate_of(info)) for info in infos if info)
    return [*(rate for rate, _ in rates.most_common()), *(DROPPING if dropping else ()), *RATES]


def _as_rated(code: str, dropping: bool, rate: float) -> str:
    """A time code with ";" before its frames if some are dropped, which lists may say in a line instead."""
    *before, frames = re.split("[:;.]", code)
    dropped = rate in DROPPING and (dropping or ";" in code)
    return ":".join(before) + (";" if dropped else ":") + frames


# OTIO


def _checked_json(path: Path) -> str:
    """The text of a file of JSON, nested no deeper than Python reads, and of versions that there can be.

    OpenTimelineIO's own parser would crash at anything else.
    """

    def check(content: dict[str, object]) -> dict[str, object]:
        schema = content.get("OTIO_SCHEMA", "None.1")
        if not (isinstance(schema, str) and SCHEMA.fullmatch(schema)):
            raise ListError(f"{path}: has the unknown schema {short(schema)}.")
        return content

    text = small_text(path)
    parsed_json(path, text, object_hook=check)
    return text


# XML


def _checked_xml(path: Path) -> ElementTree.Element:
    """The root of a file of XML without entities, which could grow without end."""
    content, parser, depth = small_bytes(path), expat.ParserCreate(ENCODING, " "), 0

    def doctype(name: str, system: str | None, public: str | None, has_declarations: bool) -> None:
        if has_declarations:
            where = f"{path}, line {parser.CurrentLineNumber}"
            raise ListError(f"{where}: its DOCTYPE declares entities or the like, which is refused.")

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            raise ListError(f"{path}, line {parser.CurrentLineNumber}: is nested too deeply.")

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1

    parser.StartDoctypeDeclHandler = doctype
    parser.StartElementHandler, parser.EndElementHandler = start, end
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        said = expat.ErrorString(error.code)
        raise ListError(f"{path}, line {error.lineno}: is not XML ({said}).") from error
    root = ElementTree.fromstring(content, ElementTree.XMLParser(encoding=ENCODING))
    if (count := _Counting(path, root).clips(root)) > MOST_CLIPS:
        raise ListError(f"{path}: comes to {count:.6g} clips; {MOST_CLIPS} are read.")
    return root


class _Counting:
    """Counts clips with what they refer to, since compounds of compounds could grow without end."""

    def __init__(self, path: Path, root: ElementTree.Element) -> None:
        self._path = path
        self._named: dict[str | None, ElementTree.Element] = {}
        self._counts: dict[ElementTree.Element, Any] = {}  # None while it is counted
        for element in root.iter():
            self._named.setdefault(element.get("id"), element)

    def clips(self, element: ElementTree.Element, depth: int = 0) -> int:
        """How many clips an element comes to. Raises ListError if it contains itself."""
        known = self._counts.get(element, 0)
        if known is None or depth > DEEPEST:
            raise ListError(f"{self._path}: has a sequence that contains itself, or nests too deeply.")
        if element not in self._counts:
            self._counts[element] = None
            inside = [*element, *self._referred(element)]
            count = (element.tag in CLIPS) + sum(self.clips(one, depth + 1) for one in inside)
            self._counts[element] = count
        return self._counts[element]

    def _referred(self, element: ElementTree.Element) -> list[ElementTree.Element]:
        """What stands for an element in another place: a compound clip's resource, or a repeated id."""
        name = element.get("ref" if element.tag == "ref-clip" else "id")
        target = self._named.get(name) if name else None
        return [] if target is None or target is element else [target]


def _complete_resources(root: ElementTree.Element) -> None:
    """Write what the adapter looks for where it does: a path, since version 1.9 in an element of its own, and
    frames that are short enough: it takes whole ones, of which a second has a whole number."""
    for asset in root.iterfind("./resources/asset"):
        media = asset.find("media-rep")
        if media is not None and not asset.get("src"):
            asset.set("src", media.get("src", ""))
    for form in root.iterfind("./resources/format"):
        form.set("frameDuration", f"1/{TICKS}s")


__all__ = ["NAMELESS", "open_edit_list"]
