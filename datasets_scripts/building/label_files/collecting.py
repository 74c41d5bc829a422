"""Highlights of films, collected from a file whose ranges may need checking, cutting and merging."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import NamedTuple

from datasets_scripts.building.errors import DatasetError, LabelWarning
from datasets_scripts.building.label_files.films import Films
from datasets_scripts.building.label_files.labels import END_TOLERANCE, Interval, LabelFile, VideoLabels
from modeling_davihd.wording import some

SIZE_LIMIT = 20_000_000  # bytes of a file; two hours, cut every second, make an XML of 10 MB


class Entry(NamedTuple):
    """A highlight and where it was found, such as "goals.txt, line 3"."""

    where: str
    interval: Interval


class Collector:
    """The highlights that a file names; what cannot be used is said in a LabelWarning, a line each."""

    def __init__(self, path: Path, films: Films) -> None:
        self.path, self.films = path, films
        self._entries: dict[str, list[Entry]] = {}
        self._unknown: list[str] = []

    def film(self, *names: str) -> str | None:
        """The film that the first of the names which mean one means; None, with a warning, if none does."""
        known = [name for name in names if name]
        for name in known:
            if film := self.films.find(str(self.path), name):
                return film
        self.miss(known[0] if known else "a clip without a name")
        return None

    def miss(self, name: str) -> None:
        """Warn, once for each name, that there is no such film."""
        if name not in self._unknown:
            self._unknown.append(name)
            tell(f"{self.path}: {name}: there is no such film in {self.films.folder}; it is left out.")

    def add(self, where: str, film: str, interval: Interval) -> None:
        """Collect a highlight of a film."""
        self._entries.setdefault(film, []).append(Entry(where, interval))

    def labels(self) -> LabelFile:
        """What was collected. Raises DatasetError if that is nothing, or nothing before a film's end."""
        if not self._entries:
            found = f" names no film of {self.films.folder}, but {some(self._unknown)}"
            raise DatasetError(f"{self.path}:{found if self._unknown else ' holds no highlight'}.")
        videos = {film: VideoLabels(intervals=self._usable(film)) for film in self._entries}
        return LabelFile(str(self.path), videos, per_second=False)

    def _usable(self, film: str) -> list[Interval]:
        end, entries = self.films.end(film), self._entries[film]
        inside = [entry for entry in entries if entry.interval.start < end]
        if not inside:
            where, first = entries[0]
            late = f"starts at {first.start:g} s, but {film} ends at {end:g} s"
            raise DatasetError(f"{where}: {late}, and no highlight of it lies before that.")
        for where, interval in entries:
            if interval.start >= end:
                late = f"begins {interval.start - end:g} s after the end of {film}; it is left out"
                tell(f"{where}: {_range(interval)} {late}.")
            elif interval.end > end + END_TOLERANCE:
                late = f"ends {interval.end - end:g} s after the end of {film}; it is cut there"
                tell(f"{where}: {_range(interval)} {late}.")
        cut = [entry.interval._replace(end=min(entry.interval.end, end)) for entry in inside]
        return self._merged(film, cut)

    def _merged(self, film: str, intervals: list[Interval]) -> list[Interval]:
        """Merge overlapping ranges of the same kind and score, with a warning about those that differ."""
        merged: dict[tuple[float, str], list[Interval]] = {}
        for interval in sorted(intervals):
            alike = merged.setdefault((interval.score, interval.kind), [])
            if not alike or interval.start >= alike[-1].end:
                alike.append(interval)
                continue
            if interval[:2] != alike[-1][:2]:
                both = f"{_range(alike[-1])} and {_range(interval)}"
                tell(f"{self.path}: {film}: {both} overlap; they are merged.")
            alike[-1] = alike[-1]._replace(end=max(alike[-1].end, interval.end))
        return sorted(interval for group in merged.values() for interval in group)


def tell(message: str) -> None:
    """Warn of what a file of labels holds and cannot be used."""
    warnings.warn(message, LabelWarning, stacklevel=2)


def small_text(path: Path) -> str:
    """A file's text, in UTF-8. Raises DatasetError above SIZE_LIMIT."""
    return small_bytes(path).decode("utf-8-sig")


def small_bytes(path: Path) -> bytes:
    """A file's content. Raises DatasetError above SIZE_LIMIT."""
    with path.open("rb") as file:
        content = file.read(SIZE_LIMIT + 1)
    if len(content) > SIZE_LIMIT:
        raise DatasetError(f"{path}: is larger than the {SIZE_LIMIT / 1e6:g} MB that are read.")
    return content


def _range(interval: Interval) -> str:
    return f"{interval.start:g}-{interval.end:g} s"
