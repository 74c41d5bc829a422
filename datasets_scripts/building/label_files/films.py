"""The films of a folder, found by whatever a label file calls them."""

from __future__ import annotations

import functools
import math
from pathlib import Path, PurePosixPath

from datasets_scripts.building.errors import DatasetError
from datasets_scripts.building.media_folders import find_videos
from modeling_davihd.media import MediaError, MediaInfo, probe


class Films:
    """The films in a folder and its subfolders; `names`: their sorted paths in it, with forward slashes.

    Raises DatasetError if there is no such folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.names = folder, find_videos(folder)
        paths = [PurePosixPath(film) for film in self.names]
        named = [(path.name.casefold(), str(path)) for path in paths]
        self._forms = [named, [(path.stem.casefold(), str(path)) for path in paths]]
        self.info = functools.cache(self._probe)

    def find(self, where: str, name: str) -> str | None:
        """The film that a path or name of any system means: by its path, else by its name, else by its stem.

        Case and suffix may differ: a list may speak of a film in another container. Raises DatasetError,
        beginning with `where`, if two films may be meant.
        """
        path = PurePosixPath(name.replace("\\", "/"))
        if within := [film for film in self.names if f"/{path}".endswith(f"/{film}")]:
            return max(within, key=len)
        wanted = {path.name.casefold(), path.stem.casefold()} - {""}
        for forms in self._forms:
            alike = [film for form, film in forms if form in wanted]
            if len(alike) > 1:
                raise DatasetError(f"{where}: {name!r} may be {alike[0]} or {alike[1]} of {self.folder}.")
            if alike:
                return alike[0]
        return None

    def find_for(self, path: Path) -> str | None:
        """The film that a file of labels is named like: the one beside it, or else one of that name."""
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
