"""Writing the formats that were asked for."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from ..files import clear_partials
from . import WRITERS
from .base import HighlightResult, WriterError


def write_outputs(
    result: HighlightResult, directory: str | os.PathLike, formats: Iterable[str]
) -> list[Path]:
    """Write the named formats into `directory`, which is made if need be; return the files in that order.

    Raises WriterError for an unknown format, before anything is written, and for what a format cannot hold,
    after the others are written.
    """
    formats = list(formats)
    for name in formats:
        if name not in WRITERS:
            raise WriterError(f"There is no output format {name!r}; the formats are {', '.join(WRITERS)}.")
    folder = Path(directory)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriterError(f"{folder}: cannot be made a folder ({error.strerror or error}).") from error
    clear_partials(folder)
    written, problems = [], []
    for name in formats:
        try:
            written += WRITERS[name]().write(result, folder)
        except WriterError as error:
            problems.append(str(error))
    if problems:
        raise WriterError(" ".join(problems))
    return written
