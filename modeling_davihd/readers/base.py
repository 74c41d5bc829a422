"""What all readers of lists share: the entries that they give, their errors, and how small files are read."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .films import Films

SIZE_LIMIT = 20_000_000  # bytes of a file; two hours, cut every second, make an XML of 10 MB


class ListError(ValueError):
    """A list cannot be used; the message is one sentence naming the file and, if known, the line or entry."""


class ListWarning(UserWarning):
    """A list can be used only in part; the message names the file and says what is left out."""


@dataclass(frozen=True)
class Entry:
    """A highlight that a list names, in seconds from the film's beginning.

    where: the place in the list, such as "goals.txt, line 3". words: what the list says of it, or "".
    score: None where the list gives none.
    """

    where: str
    start: float
    end: float
    words: str = ""
    score: float | None = None


class Listed:
    """What a list names of films: `entries`, by the film; what cannot be used is said in a ListWarning."""

    def __init__(self, path: Path, films: Films) -> None:
        self.path, self.films = path, films
        self.entries: dict[str, list[Entry]] = {}
        self.unknown: list[str] = []

    def film(self, *names: str) -> str | None:
        """The film that the first of the names which mean one means; None, with a warning, if none does."""
        known = [name for name in names if name]
        for name in known:
            if film := self.films.find(str(self.path), name):
                return film
        self.miss(known[0] if known else "a clip without a name")
        return None

    def film_of_file(self) -> str | None:
        """The film that the list is named like; None, with a warning, if there is none."""
        film = self.films.find_for(self.path)
        if film is None:
            self.miss(self.path.stem)
        return film

    def miss(self, name: str) -> None:
        """Warn, once for each name, that there is no such film."""
        if name not in self.unknown:
            self.unknown.append(name)
            tell(f"{self.path}: {name}: there is no such film in {self.films.folder}; it is left out.")

    def add(self, film: str, entry: Entry) -> None:
        """Add a highlight of a film."""
        self.entries.setdefault(film, []).append(entry)


def entry_of(where: str, start: object, end: object, words: str = "", score: float | None = None) -> Entry:
    """An entry of checked numbers. Raises ListError, beginning with `where`, if they make none."""
    first, last = number_of(where, "start", start), number_of(where, "end", end)
    if not 0 <= first < last:
        raise ListError(f"{where}: goes from {start} s to {end} s; 0 <= start < end is needed.")
    return Entry(where, first, last, words.strip(), score)


def number_of(where: str, name: str, value: object) -> float:
    """A finite number. Raises ListError, beginning with `where` and what the value is called."""
    try:
        number = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ListError(f"{where}: {name} is {value!r}; a number is needed.")
    return number


def tell(message: str) -> None:
    """Warn of what a list holds and cannot be used."""
    warnings.warn(message, ListWarning, stacklevel=2)


def small_text(path: Path) -> str:
    """A file's text, in UTF-8. Raises ListError above SIZE_LIMIT."""
    return small_bytes(path).decode("utf-8-sig")


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
    "entry_of",
    "number_of",
    "small_bytes",
    "small_text",
    "tell",
]
