"""Labels of films, from the entries of a list, which may need cutting; ranges that overlap are merged."""

from __future__ import annotations

from dataclasses import replace

from datasets_scripts.building.label_files.labels import (
    END_TOLERANCE,
    Interval,
    LabelFile,
    VideoLabels,
    score_of,
)
from modeling_davihd.engines.errors import DatasetError
from modeling_davihd.readers import Entry, Listed
from modeling_davihd.readers.base import tell
from modeling_davihd.wording import some


def label_file_of(listed: Listed) -> LabelFile:
    """A list as labels; what cannot be used is said in a ListWarning, a line each.

    Raises DatasetError if it holds nothing, or nothing before a film's end.
    """
    listed.tell_unknown()
    if not listed.entries:
        found = f" names no film of {listed.films.folder}, but {some(listed.unknown)}"
        raise DatasetError(f"{listed.path}:{found if listed.unknown else ' holds no highlight'}.")
    videos = {film: VideoLabels(intervals=_usable(listed, film)) for film in listed.entries}
    return LabelFile(str(listed.path), videos, per_second=False)


def _usable(listed: Listed, film: str) -> list[Interval]:
    end, entries = listed.films.end(film), listed.entries[film]
    inside = [entry for entry in entries if entry.start < end]
    if not inside:
        late = f"starts at {entries[0].start:g} s, but {film} ends at {end:g} s"
        raise DatasetError(f"{entries[0].where}: {late}, and no highlight of it lies before that.")
    for entry in entries:
        if entry.start >= end:
            late = f"begins {entry.start - end:g} s after the end of {film}; it is left out"
            tell(f"{entry.where}: {_range(entry)} {late}.")
        elif entry.end > end + END_TOLERANCE:
            late = f"ends {entry.end - end:g} s after the end of {film}; it is cut there"
            tell(f"{entry.where}: {_range(entry)} {late}.")
    return [_interval(entry, end) for entry in inside]


def _interval(entry: Entry, end: float) -> Interval:
    score = 1.0 if entry.score is None else score_of(entry.where, entry.score)
    return Interval(entry.start, min(entry.end, end), score, entry.words)


def merged(labels: LabelFile) -> LabelFile:
    """The labels with overlapping ranges of a kind as one; a ListWarning says so of those that differ."""
    videos = {
        film: replace(video, intervals=_merged(f"{labels.source}: {film}", video.intervals))
        for film, video in labels.videos.items()
    }
    return replace(labels, videos=videos)


def _merged(where: str, intervals: list[Interval]) -> list[Interval]:
    groups: dict[tuple[float, str], list[Interval]] = {}
    for interval in sorted(intervals):
        alike = groups.setdefault((interval.score, interval.kind), [])
        if not alike or interval.start >= alike[-1].end:
            alike.append(interval)
            continue
        if interval[:2] != alike[-1][:2]:
            tell(f"{where}: {_range(alike[-1])} and {_range(interval)} overlap; they are merged.")
        alike[-1] = alike[-1]._replace(end=max(alike[-1].end, interval.end))
    return sorted(interval for group in groups.values() for interval in group)


def _range(interval: Interval | Entry) -> str:
    return f"{interval.start:g}-{interval.end:g} s"
