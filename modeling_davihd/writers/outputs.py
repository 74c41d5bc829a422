"""Writing the formats that were asked for."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from pathlib import Path

from ..media_limits import MediaWarning
from . import WRITERS
from .base import HighlightResult, UnsuitableError, WriterError, prepare


def write_outputs(
    result: HighlightResult, directory: str | os.PathLike, formats: Iterable[str]
) -> list[Path]:
    """Write the named formats into `directory`, which is made if need be; return the files in that order.

    Raises WriterError for an unknown format, before anything is written, and for what cannot be written,
    after the others are. A format that does not suit the film gives only a MediaWarning if there are others.
    """
    formats = list(formats)
    for name in formats:
        if name not in WRITERS:
            raise WriterError(f"There is no output format {name!r}; the formats are {', '.join(WRITERS)}.")
    folder = Path(directory)
    prepare(folder)
    written, problems = [], []
    for name in formats:
        try:
            written += WRITERS[name]().write(result, folder)
        except UnsuitableError as error:
            if len(formats) == 1:
                raise
            warnings.warn(str(error), MediaWarning, stacklevel=2)
        except WriterError as error:
            problems.append(str(error))
        except (OSError, ValueError, RuntimeError, MemoryError) as error:
            reason = str(error) or type(error).__name__
            problems.append(f"{result.source_name}: the format {name} cannot be written ({reason}).")
    if problems:
        raise WriterError(" ".join(dict.fromkeys(problems)), written)  # reel and clips fail alike
    return written
