"""Edit lists: what they take of each film are its highlights."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

from ..media import MediaInfo
from ..writers.timecodes import DEFAULT_RATE, TimeCode
from .base import Entry, Listed, ListError, tell
from .edit_files import NAMELESS, open_edit_list
from .films import Films, rate_of

if TYPE_CHECKING:
    from opentimelineio.opentime import TimeRange
    from opentimelineio.schema import Clip

MARKER = re.compile(r"\|C:\S+ +\|M:(?P<name>.*?) *\|D:(?P<frames>\d+)")  # in an EDL of markers, by Resolve
UNNAMED = re.compile(r"(Highlight|Marker) \d+")
HALF_A_FRAME = 0.02  # seconds; adapters cut times off to whole frames


class Use(NamedTuple):
    """A range of a film, in seconds from its beginning, that an edit list uses."""

    film: str
    entry: Entry
    sound_only: bool


def read_edit_list(path: Path, films: Films) -> Listed:
    """Read .edl, .otio, .fcpxml or .xml. Raises ListError for what has no use of these films."""
    listed = Listed(path, films)
    uses: list[Use] = []
    for number, clip in enumerate(_clips(path, films), start=1):
        if film := listed.film(_names(clip), clip.metadata.get("cmx_3600", {}).get("reel", "")):
            uses += _use(f"{path}, clip {number}", clip, film, films, path.suffix.lower() == ".edl")
    _check_start(uses, films)
    pictures = [use for use in uses if not use.sound_only]
    known = set()  # the tracks of a film's sound are used at once
    for use in uses:
        span = use.film, use.entry.start, use.entry.end
        if span not in known and not (use.sound_only and any(_overlap(use, one) for one in pictures)):
            listed.add(use.film, use.entry)
        known.add(span)
    return listed


def _clips(path: Path, films: Films) -> Iterator[Clip]:
    """The clips of media that are switched on and lie in a track, as those of a mere list of films do not."""
    edit = open_edit_list(path, films)
    for clip in edit.find_clips():
        generated = hasattr(clip.media_reference, "generator_kind")
        if clip.enabled and clip.parent() is not None and not generated:
            yield clip


def _names(clip: Clip) -> Iterator[str]:
    """What a clip calls its film, the most reliable first."""
    url = getattr(clip.media_reference, "target_url", None) or ""
    yield unquote(urlsplit(url).path) if "://" in url else url
    yield clip.media_reference.name if clip.media_reference else ""
    yield "" if clip.name.startswith(NAMELESS) else clip.name
    for comment in _comments(clip):
        if comment.startswith("SOURCE FILE"):
            yield comment.partition(":")[2].strip()


def _use(where: str, clip: Clip, film: str, films: Films, digits: bool) -> list[Use]:
    """What a clip uses of its film; nothing, with a warning, if that is no range."""
    from opentimelineio.exceptions import OTIOError
    from opentimelineio.schema import TrackKind

    try:
        used = _source_range(clip)
    except OTIOError:  # it says neither what it uses nor what its media have
        tell(f"{where}: does not say what it uses of {film}; it is left out.")
        return []
    start, end = _range_in_film(clip, films.info(film), used, digits)
    if not (math.isfinite(end) and end > max(0.0, start)):
        tell(f"{where}: uses nothing of {film}; it is left out.")
        return []
    sound_only = getattr(clip.parent(), "kind", None) == TrackKind.Audio
    return [Use(film, Entry(where, max(0.0, start), end, _words(clip)), sound_only)]


def _source_range(clip: Clip) -> TimeRange:
    """What a clip uses of its media, less what the compounds that it lies in leave out."""
    from opentimelineio.opentime import RationalTime, TimeRange
    from opentimelineio.schema import Stack

    used, outer = clip.trimmed_range(), clip.parent()
    while outer is not None:
        if isinstance(outer, Stack) and outer.source_range is not None:
            seen = outer.transformed_time_range(outer.source_range, clip)
            first = max(used.start_time, seen.start_time)
            last = min(used.end_time_exclusive(), seen.end_time_exclusive())
            used = TimeRange(first, max(last - first, RationalTime(0, first.rate)))
        outer = outer.parent()
    return used


def _speed(clip: Clip) -> float:
    """Seconds of the film in a second of the cut."""
    speed = 1.0
    for effect in clip.effects:
        speed *= abs(getattr(effect, "time_scalar", 1.0))
    return speed


def _range_in_film(clip: Clip, film: MediaInfo | None, used: TimeRange, digits: bool) -> tuple[float, float]:
    """Start and end, in seconds from the film's beginning, of what a clip uses of its media.

    Its time codes count from its media's start or else from the film's. digits: whether they begin anew at
    midnight, as those of an EDL do.
    """
    start, length = used.start_time.to_seconds(), used.duration.to_seconds()
    if marker := _marker(clip):
        frames = int(marker["frames"])  # one: no stretch of time, but a moment
        length = frames / used.duration.rate if frames > 1 else 0.0
    code = TimeCode.of(rate_of(film), film.timecode, film.fps) if film else TimeCode(DEFAULT_RATE)
    zero = float(code.start / code.rate)
    if digits:
        length = length % code.day if length < 0 else length
        since = (start - zero + HALF_A_FRAME) % code.day - HALF_A_FRAME
        start = since if film and since < (film.duration or 0) else start - _before(start, zero)
    else:
        available = clip.media_reference.available_range if clip.media_reference else None
        start -= _before(start, available.start_time.to_seconds() if available else 0.0, zero)
    start += film.picture_start if film else 0.0
    return start, start + length * _speed(clip)


def _before(start: float, *zeros: float) -> float:
    """The first of the times from which may be counted that lies before a start, or 0."""
    return next((zero for zero in zeros if 0 < zero <= start + HALF_A_FRAME), 0.0)


def _words(clip: Clip) -> str:
    """The name of the clip's markers, if they have but one, or else its comment in an EDL."""
    names = {marker.name.strip() for marker in clip.markers} - {""}
    if marker := _marker(clip):
        names = {marker["name"]}
    elif not names:
        said = (one.partition(":")[2].strip() for one in _comments(clip) if one.startswith("COMMENT:"))
        names = set(said) - {""}
    words = names.pop() if len(names) == 1 else ""
    return "" if UNNAMED.fullmatch(words) else words


def _marker(clip: Clip) -> re.Match[str] | None:
    """What a list of markers says of the one that a clip stands for."""
    return next((found for one in _comments(clip) if (found := MARKER.search(one))), None)


def _comments(clip: Clip) -> list[str]:
    """What an EDL says of a clip."""
    return list(clip.metadata.get("cmx_3600", {}).get("comments", []))


def _check_start(uses: list[Use], films: Films) -> None:
    """Raise ListError for a film whose time codes all begin at an hour that it does not reach."""
    for film in sorted({use.film for use in uses}):
        own = [use for use in uses if use.film == film]
        first, end = min(use.entry.start for use in own), films.end(film)
        hour = int(first // 3600)
        if hour and first >= end > first - 3600 * hour:
            late = f"all its times of {PurePosixPath(film).name} are beyond the end, {end:g} s"
            raise ListError(
                f"{own[0].entry.where}: {late}; they seem to count from {hour:02d}:00:00:00, "
                "but the film carries no such time code."
            )


def _overlap(one: Use, other: Use) -> bool:
    at_once = one.entry.start < other.entry.end and other.entry.start < one.entry.end
    return one.film == other.film and at_once


__all__ = ["read_edit_list"]
