"""Text files: label tracks of Audacity, and time stamps with words."""

from __future__ import annotations

import re
from pathlib import Path

from .base import Listed, ListError, entry_of, small_text, tell
from .films import Films

AUDACITY = re.compile(r"\d+(?:[.,]\d+)?\t\d+(?:[.,]\d+)?(?:\t.*)?")
LOWEST_AND_HIGHEST_PITCH = "\\"  # begins a line that Audacity adds to labels of spectral selections
TIME = r"[\d:.]*\d[\d:.]*"
RANGE = re.compile(rf"(?P<start>{TIME})\s*(?:-|–|—|\bto\b)\s*(?P<end>{TIME})(?:\s+(?P<words>.*))?")
CLOCK = re.compile(r"(?:(?:(?P<hours>\d+):)?(?P<minutes>\d+):)?(?P<seconds>\d+(?:\.\d+)?)")


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
        start, end = start.replace(",", "."), end.replace(",", ".")
        if float(start) == float(end):
            tell(f"{where}: is a label of one moment, {float(start):g} s; it is left out.")
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
            film, named = listed.film(line.removesuffix(":").strip()), True
        else:
            raise ListError(f"{where}: is {line!r}; 1:02:03-1:02:20 and words, or a film.mp4: is needed.")


def _seconds(where: str, time: str) -> float:
    """Seconds of 1:02:03.5, 62:03.5 or 3723.5. Raises ListError for anything else."""
    found = CLOCK.fullmatch(time)
    hours, minutes, seconds = (float(part or 0) for part in found.groups()) if found else (0.0, 0.0, -1.0)
    too_many = found and ((found["minutes"] and seconds >= 60) or (found["hours"] and minutes >= 60))
    if not found or too_many:
        raise ListError(f"{where}: {time!r} is no time; 1:02:03.5, 62:03.5 or seconds are needed.")
    return 3600 * hours + 60 * minutes + seconds


__all__ = ["read_text"]
