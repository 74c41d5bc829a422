"""A list of any format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from . import READERS
from .base import ListError
from .films import Films

Read = TypeVar("Read")


def read_list(
    path: Path, films: Films, readers: Mapping[str, Callable[[Path, Films], Read]] = READERS
) -> Read:
    """What the reader for the file's suffix gives: a Listed, of READERS.

    Raises ListError, in one sentence, for a suffix that is unknown, and for what cannot be read.
    """
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ListError(f"{path}: its name must end in {', '.join(readers)}.")
    try:
        return reader(path, films)
    except OSError as error:
        raise ListError(f"{path}: cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise ListError(f"{path}: is not text in UTF-8, UTF-16 or Windows-1252.") from error


__all__ = ["read_list"]
