"""Films of a folder, found by whatever a list calls them."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path, PurePosixPath

from ..media import MediaError, MediaInfo, probe
from ..wording import printable
from ..writers.timecodes import editing_rate
from .base import ListError


class Films:
    """Films of a folder; `names`: their paths in it, with forward slashes.

    lacking: what is to be said of a name that none of them has. unnamed: the film that is meant where a list
    names none.
    """

    unnamed: str | None = None

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self.folder, self.names = folder, list(names)
        self.lacking = f"there is no such film in {folder}"
        paths = [PurePosixPath(film) for film in self.names]
        named = [(path.name.casefold(), str(path)) for path in paths]
        self._forms = [named, [(path.stem.casefold(), str(path)) for path in paths]]
        self.info = functools.cache(self._probe)

    def find(self, where: str, name: str) -> str | None:
        """The film that a path or name of any system means: by its path, else by its name, else by its stem.

        Case and suffix may differ: a list may speak of a film in another container. Raises ListError,
        beginning with `where`, if two films may be meant.
        """
        path = PurePosixPath(name.replace("\\", "/"))
        if within := [film for film in self.names if f"/{path}".endswith(f"/{film}")]:
            return max(within, key=len)
        wanted = {path.name.casefold(), path.stem.casefold()} - {""}
        for forms in self._forms:
            alike = [film for form, film in forms if form in wanted]
            if len(alike) > 1:
                raise ListError(f"{where}: {name!r} may be {alike[0]} or {alike[1]} of {self.folder}.")
            if alike:
                return alike[0]
        return None

    def find_for(self, path: Path) -> str | None:
        """The film that a list is named like: the one beside it, or else one of that name."""
        if path.resolve().is_relative_to(self.folder.resolve()):
            beside = path.resolve().relative_to(self.folder.resolve()).with_suffix("").as_posix()
            for film in self.names:
                if beside in (film, PurePosixPath(film).with_suffix("").as_posix()):
                    return film
        return self.find(str(path), path.stem)

    def end(self, film: str) -> float:
        """When a film ends, in seconds, as its headers say; infinity if they do not."""
        info = self.info(film)
        return info.duration if info and info.duration else math.inf

    def _probe(self, film: str) -> MediaInfo | None:
        """What a film's headers say, or None if it is broken, which the builder finds out and lists."""
        try:
            return probe(self.folder / film)
        except MediaError:
            return None


def rate_of(film: MediaInfo) -> Fraction:
    """At which edit lists count a film's frames."""
    return editing_rate(film.fps, film.nominal_fps)


class OneFilm(Films):
    """A film that has been probed, which every list is of that does not name another."""

    def __init__(self, film: MediaInfo) -> None:
        super().__init__(film.path.parent, [printable(film.path.name)])
        [self.unnamed] = self.names
        self.lacking = f"is not {self.unnamed}"
        self._film = film

    def find_for(self, path: Path) -> str | None:
        return self.unnamed

    def _probe(self, film: str) -> MediaInfo | None:
        return self._film


__all__ = ["Films", "OneFilm", "rate_of"]
