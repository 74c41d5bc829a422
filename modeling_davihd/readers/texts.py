"""Text files: label tracks of Audacity, and time stamps with words."""

from __future__ import annotations

import re
from pathlib import Path

from .base import Listed, ListError, clock_of, entry_of, small_text, tell
from .films import Films

AUDACITY = re.compile(r"\d+(?:[.,]\d+)?\t\d+(?:[.,]\d+)?(?:\t.*)?")
LOWEST_AND_HIGHEST_PITCH = "\\"  # begins a line that Audacity adds to labels of spectral selections
TIME = r"[\d:.,]*\d[\d:.,]*"
RANGE = re.compile(rf"(?P<start>{TIME})\s*(?:-|–|—|\bto\b)\s*(?P<end>{TIME})(?:\s+(?P<words>.*))?")


def read_text(path: Path, films: Films) -> Listed:
    """Read a label track of Audacity, or else time stamps. Raises ListError naming the line."""
    lines = {number: line.strip() for number, line in enumerate(small_text(path).splitlines(), start=1)}
    lines = {number: line for number, line in lines.items() if line and not line.startswith("#")}
    listed = Listed(path, films)
    tracks = bool(lines) and bool(AUDACITY.fullmatch(next(iter(lines.values()))))
    (_collect_track if tracks else _collect_stamps)(listed, lines)
    return listed


def _collect_track(listed: Listed, lines: dict[int, str]) -> None:
    """Collect what Audacity exports of one film, `start`, `end` and a label, with tabs in between."""
    film = listed.film_of_file()
    for number, line in lines.items():
        where = f"{listed.path}, line {number}"
        if line.startswith(LOWEST_AND_HIGHEST_PITCH):
            continue
        if not AUDACITY.fullmatch(line):
            raise ListError(f"{where}: is {line!r}; start, end and label are needed, with tabs between.")
        start, end, *words = line.split("\t")
        if clock_of(start) == clock_of(end):
            tell(f"{where}: is a label of one moment, {clock_of(start):g} s; it is left out.")
        elif film:
            listed.add(film, entry_of(where, start, end, " ".join(words)))


def _collect_stamps(listed: Listed, lines: dict[int, str]) -> None:
    """Collect lines of `start-end words`, below lines that name their film or else of the file's."""
    film, named = None, False
    for number, line in lines.items():
        where = f"{listed.path}, line {number}"
        if found := RANGE.fullmatch(line):
            if not named:
                film, named = listed.film_of_file(), True
            start, end = _seconds(where, found["start"]), _seconds(where, found["end"])
            if film:
                listed.add(film, entry_of(where, start, end, found["words"] or ""))
        elif line.endswith(":"):
            film, named = listed.film([line.removesuffix(":").strip()]), True
        else:
            raise ListError(f"{where}: is {line!r}; 1:02:03-1:02:20 and words, or a film.mp4: is needed.")


def _seconds(where: str, time: str) -> float:
    """Seconds of a time. Raises ListError for anything else."""
    seconds = clock_of(time)
    if seconds is None:
        raise ListError(f"{where}: {time!r} is no time; 1:02:03.5, 62:03.5 or seconds are needed.")
    return seconds


__all__ = ["read_text"]
