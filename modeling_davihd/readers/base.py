"""What all readers of lists share: the entries that they give, their errors, and how small files are read."""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..highlights import Edge, Sound
from ..media_subtitles import decoded
from ..wording import short, some

if TYPE_CHECKING:
    from .films import Films

SIZE_LIMIT = 20_000_000  # bytes of a file; two hours, cut every second, make an XML of 10 MB
CLOCK = re.compile(
    r"(?P<sign>-?)(?:(?:(?P<hours>\d+):)?(?P<minutes>\d+):)?(?P<seconds>\d+(?:\.\d+)?)", re.ASCII
)


class ListError(ValueError):
    """A list cannot be used; the message is one sentence naming the file and, if known, the line or entry."""


class ListWarning(UserWarning):
    """A list can be used only in part; the message names the file and says what is left out."""


@dataclass(frozen=True)
class Entry:
    """A highlight that a list names, in seconds from the film's beginning.

    where: the place in the list, such as "goals.txt, line 3". words: what the list says of it, or "".
    score, peak, confidence, sounds, edges: as in a `Highlight`; None where the list does not give them.
    """

    where: str
    start: float
    end: float
    words: str = ""
    score: float | None = None
    peak: float | None = None
    confidence: float | None = None
    sounds: tuple[Sound, ...] | None = None
    edges: tuple[Edge, Edge] | None = None


class Scored(NamedTuple):
    """The scores that a list holds of its film: one a second, of a film so long, by that model."""

    scores: list[float]
    duration: float
    model_id: str


class Listed:
    """What a list names of films: `entries`, by the film; `unknown`: what it calls those that are not there.

    scored: of the list's only film, where the list holds scores.
    """

    def __init__(self, path: Path, films: Films) -> None:
        self.path, self.films = path, films
        self.entries: dict[str, list[Entry]] = {}
        self.unknown: list[str] = []
        self.scored: Scored | None = None

    def film(self, names: Iterable[str], reel: str = "") -> str | None:
        """The film that the first of the names which mean one means, or else its reel; None if none does."""
        known = [name for name in names if name]
        for name in [*known, reel]:
            if name and (film := self.films.find(str(self.path), name)):
                return film
        if not known and self.films.unnamed:
            return self.films.unnamed
        self._miss(known[0] if known else reel or "a clip without a name")
        return None

    def film_of_file(self) -> str | None:
        """The film that the list is named like; None if there is none."""
        film = self.films.find_for(self.path)
        if film is None:
            self._miss(self.path.stem)
        return film

    def _miss(self, name: str) -> None:
        if name not in self.unknown:
            self.unknown.append(name)

    def add(self, film: str, entry: Entry) -> None:
        """Add a highlight of a film."""
        self.entries.setdefault(film, []).append(entry)

    def tell_unknown(self) -> None:
        """Warn of films that are not there, unless nothing else is listed: that is an error of its own."""
        if self.unknown and self.entries:
            tell(f"{self.path}: {some(self.unknown)}: {self.films.lacking}; left out.")


def entry_of(where: str, start: object, end: object, words: str = "", **known: Any) -> Entry:
    """An entry of checked times; `known`: the other fields. Raises ListError, beginning with `where`."""
    first, last = seconds_of(where, "start", start), seconds_of(where, "end", end)
    if not 0 <= first < last:
        raise ListError(f"{where}: goes from {first:.10g} s to {last:.10g} s; 0 <= start < end is needed.")
    return Entry(where, first, last, words.strip(), **known)


def seconds_of(where: str, name: str, value: object) -> float:
    """Seconds, or a time such as 1:02:03.5. Raises ListError, beginning with `where` and its name."""
    seconds = clock_of(value) if isinstance(value, str) else number_of(where, name, value)
    if seconds is None:
        said = f"{name} is {short(value)}; seconds or a time such as 1:02:03.5 are needed"
        raise ListError(f"{where}: {said}.")
    return seconds


def number_of(where: str, name: str, value: object) -> float:
    """A finite number. Raises ListError, beginning with `where` and its name."""
    try:
        known = _with_point(value) if isinstance(value, str) else value
        number = math.nan if isinstance(value, bool) else float(known)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ListError(f"{where}: {name} is {short(value)}; a number is needed.")
    return number


def clock_of(text: str) -> float | None:
    """Seconds of 1:02:03.5, 62:03.5 or 3723.5, with a point or a comma; None for anything else."""
    if not (found := CLOCK.fullmatch(_with_point(text.strip()))):
        return None
    hours, minutes, seconds = (float(found[part] or 0) for part in ("hours", "minutes", "seconds"))
    if (found["minutes"] and seconds >= 60) or (found["hours"] and minutes >= 60):
        return None
    return (-1 if found["sign"] else 1) * (3600 * hours + 60 * minutes + seconds)


def names_in(words: str) -> tuple[Sound, ...]:
    """What a list calls a highlight, with commas between, as names of what is heard in it."""
    names = dict.fromkeys(name.strip() for name in words.split(","))
    return tuple(Sound(name) for name in names if name)


def _with_point(number: str) -> str:
    """A number with a decimal point, where it has a decimal comma."""
    return number.replace(",", ".") if number.count(",") == 1 and "." not in number else number


def tell(message: str) -> None:
    """Warn of what a list holds and cannot be used."""
    warnings.warn(message, ListWarning, stacklevel=2)


def parsed_json(path: Path, text: str, **hooks: Any) -> Any:
    """What a file's text of JSON holds; hooks: of `json.loads`. Raises ListError, and what the hooks do."""
    try:
        return json.loads(text, **hooks)
    except json.JSONDecodeError as error:
        raise ListError(f"{path}, line {error.lineno}: is not JSON ({error.msg}).") from error
    except RecursionError as error:
        raise ListError(f"{path}: its lists are nested too deeply.") from error


def small_text(path: Path) -> str:
    """A file's text, in UTF-8, or as spreadsheets write it: in UTF-16, or in Windows-1252.

    Raises ListError above SIZE_LIMIT, UnicodeDecodeError for what is no text.
    """
    return decoded(small_bytes(path))


def small_bytes(path: Path) -> bytes:
    """A file's content. Raises ListError above SIZE_LIMIT."""
    with path.open("rb") as file:
        content = file.read(SIZE_LIMIT + 1)
    if len(content) > SIZE_LIMIT:
        raise ListError(f"{path}: is larger than the {SIZE_LIMIT / 1e6:g} MB that are read.")
    return content


__all__ = [
    "Entry",
    "ListError",
    "ListWarning",
    "Listed",
    "Scored",
    "clock_of",
    "entry_of",
    "names_in",
    "number_of",
    "parsed_json",
    "seconds_of",
    "small_bytes",
    "small_text",
    "tell",
]
