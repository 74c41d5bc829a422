"""Which files are films, and where what is written of each goes."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts"),
    *(".flv", ".wmv", ".ogv", ".3gp", ".mxf"),
)
SOUND_SUFFIXES = (".m4a", ".aac", ".mp3", ".opus", ".ogg", ".wav", ".flac")
OURS = re.compile(r"\.highlight(?:s\.|-)")  # what follows a film's name in those of its reel and its clips


def visible_files(folder: Path, suffixes: Collection[str]) -> Iterator[Path]:
    """The files with one of those suffixes, at any depth, that are not hidden, nor in a hidden folder."""
    for path in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix.lower() in suffixes and not hidden and path.is_file():
            yield path


def films_among(given: Sequence[Path], beside: Path | None = None) -> list[Path]:
    """The files that are given and, in their place, the films and sounds of the folders that are, each once.

    Reels and clips that `davihd` wrote are no films of a folder, nor is the file `beside`. Raises ValueError,
    in one sentence, for a folder that holds none.
    """
    films: dict[str, Path] = {}  # by their place
    aside = beside and os.path.abspath(beside)
    for path in given:
        inside = [path]
        if os.path.isdir(path):  # which a name that is too long is not
            found = sorted(visible_files(path, (*VIDEO_SUFFIXES, *SOUND_SUFFIXES)))
            inside = [one for one in found if not OURS.search(one.name) and os.path.abspath(one) != aside]
            if not inside:
                raise ValueError(f"{path} is a folder without any film or sound; at least one is needed")
        for film in inside:
            films.setdefault(os.path.abspath(film), film)
    return list(films.values())


def folders_of(films: Sequence[Path], root: Path) -> dict[Path, Path]:
    """In which folder what is written of each film goes: in `root`, if no other film has its name.

    Films of one name, whatever their suffix and case, get folders below it like those that they are in, from
    where these part; those of one folder get one called like their suffix.
    """
    alike = defaultdict(list)
    for film in films:
        alike[film.stem.casefold()].append(film)
    folders = {}
    for clashing in alike.values():
        parents = {film: Path(os.path.abspath(film)).parent for film in clashing}
        top = os.path.commonpath(parents.values())
        parted = defaultdict(list)
        for film, parent in parents.items():
            parted[root / parent.relative_to(top)].append(film)
        for folder, together in parted.items():
            for film in together:
                place = folder
                while len(together) > 1 and place in parted:
                    place /= film.suffix.lower().lstrip(".") or "film"
                folders[film] = place
    return folders


def overwritten(folders: dict[Path, Path]) -> tuple[Path, Path] | None:
    """A film that what is written of another would replace, and that one; `folders`: of `folders_of`."""
    owners = {(os.path.abspath(folder), film.stem): film for film, folder in folders.items()}
    for film in folders:
        parent, name = os.path.split(os.path.abspath(film))
        for mark in OURS.finditer(name):
            if owner := owners.get((parent, name[: mark.start()])):
                return film, owner
    return None


__all__ = ["SOUND_SUFFIXES", "VIDEO_SUFFIXES", "films_among", "folders_of", "overwritten", "visible_files"]
