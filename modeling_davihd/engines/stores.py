"""Where results go: folders of this machine, and those of stores that fsspec reaches (s3://, gs://)."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, BinaryIO

import fsspec

from ..files import whole, whole_files
from .sources import one_kind_of_error


@dataclass(frozen=True, order=True)
class Stored:
    """A file or folder of a store, by its URL, with what of `Path` is needed here.

    All that goes wrong with it is an OSError.
    """

    url: str

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str) -> Stored:
        return Stored(f"{self.url.rstrip('/')}/{name}")

    @property
    def name(self) -> str:
        return self.url.rstrip("/").rpartition("/")[2]

    @property
    def parent(self) -> Stored:
        return Stored(self.url.rstrip("/").rpartition("/")[0])

    def with_name(self, name: str) -> Stored:
        return self.parent / name

    def mkdir(self, parents: bool = True, exist_ok: bool = True) -> None:
        """Where stores have folders at all; those above it are always made."""
        with one_kind_of_error():
            files, path = self._found()
            files.makedirs(path, exist_ok=exist_ok)

    @contextmanager
    def open(self, mode: str = "rb") -> Iterator[BinaryIO]:
        """The file; stores may answer only when it is read, so that counts as well."""
        with one_kind_of_error():
            files, path = self._found()
            with files.open(path, mode) as file:
                yield file

    def read_bytes(self) -> bytes:
        with self.open() as file:
            return file.read()

    def put(self, file: Path) -> None:
        """Send a file of this machine to this place."""
        with one_kind_of_error():
            files, path = self._found()
            files.put_file(str(file), path)

    def exists(self) -> bool:
        with one_kind_of_error():
            files, path = self._found()
            return files.exists(path)

    def unlink(self, missing_ok: bool = False) -> None:
        try:
            with one_kind_of_error():
                files, path = self._found()
                files.rm_file(path)
        except FileNotFoundError:
            if not missing_ok:
                raise

    def replace(self, target: Stored) -> None:
        with one_kind_of_error():
            files, path = self._found()
            files.mv(path, target._found()[1])

    def glob(self, pattern: str) -> Iterator[Stored]:
        """The files of this folder whose names fit."""
        try:
            with one_kind_of_error():
                files, path = self._found()
                names = [found.rstrip("/").rpartition("/")[2] for found in files.ls(path, detail=False)]
        except FileNotFoundError:
            return
        yield from (self / name for name in sorted(names) if fnmatch(name, pattern))

    def _found(self) -> tuple[Any, str]:
        """The store and the path in it; what it remembers of others' files may be outdated."""
        files, path = fsspec.core.url_to_fs(self.url)
        files.invalidate_cache()
        return files, path


Place = Path | Stored


@contextmanager
def whole_at(place: Place) -> Iterator[Path]:
    """As `whole`, wherever the file is to be: what a store is to hold is written here, then sent there."""
    if isinstance(place, Path):
        with whole(place) as partial:
            yield partial
        return
    with tempfile.TemporaryDirectory(prefix="davihd-") as folder:
        partial = Path(folder) / "whole"
        yield partial
        place.put(partial)


@contextmanager
def whole_files_at(folder: Place, prepared_in: str) -> Iterator[Path]:
    """As `whole_files`, wherever the folder is; prepared_in: a folder in it."""
    if isinstance(folder, Path):
        with whole_files(folder, folder / prepared_in) as partial:
            yield partial
        return
    with tempfile.TemporaryDirectory(prefix="davihd-") as temporary:
        yield Path(temporary)
        for path in sorted(Path(temporary).iterdir()):
            (folder / path.name).put(path)
