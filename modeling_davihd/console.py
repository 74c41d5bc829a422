"""What the command `davihd` says: results on standard output, all else on standard error, each in a line."""

from __future__ import annotations

import io
import os
import re
import sys
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .jobs import Died

Said = list[tuple[str, str]]  # what is said of a film: as a result, a remark or a warning, and the text


def succeeds(work: Callable[[], None]) -> bool:
    """Work on a film; what goes wrong with it is said in a line."""
    try:
        work()
    except (OSError, ValueError, RuntimeError, MemoryError) as error:
        say(f"error: {one_line(error)}")
        return False
    return True


def warn_once() -> Callable[..., None]:
    """Says each warning once, though a film is read more than once."""
    said = set()

    def warn(message: Warning | str, *_: object, **__: object) -> None:
        if (text := str(message)) not in said:
            said.add(text)
            say(f"warning: {text}")

    return warn


def recorded(work: Callable[[Path], Any], path: Path) -> tuple[Any, Said]:
    """What comes of a film, and what is said meanwhile, which is kept for `retold`."""
    said: Said = []
    warnings.showwarning = lambda message, *_, **__: said.append(("warning", str(message)))
    with redirect_stdout(_Record("result", said)), redirect_stderr(_Record("remark", said)):
        return work(path), said


class _Record(io.TextIOBase):
    """Keeps what is printed, a text at a time; no terminal, so that progress is not shown."""

    def __init__(self, voice: str, said: Said) -> None:
        self._voice, self._said = voice, said

    def write(self, text: str) -> int:
        if text.strip():
            self._said.append((self._voice, text))
        return len(text)


def retold(path: Path, answer: tuple[Any, Said] | Died) -> Any:
    """Say what was said of a film, or that its process died, which gives None; gives what came of it."""
    from .jobs import Died
    from .media import MediaWarning

    if isinstance(answer, Died):
        say(f"error: {path}: {answer}")
        return None
    done, said = answer
    warn = partial(warnings.warn, category=MediaWarning)
    voices: dict[str, Callable[[str], None]] = {"result": tell, "remark": say, "warning": warn}
    for voice, text in said:
        voices[voice](text)
    return done


def one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def tell(text: str) -> None:
    """Print a result; if nobody reads on, as after `| head`, the remaining files are still written."""
    try:
        print(_printable(text), flush=True)
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")


def say(text: str) -> None:
    print(_printable(text), file=sys.stderr, flush=True)


def _printable(text: str) -> str:
    """Names of files may hold line breaks and what commands a terminal."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", "\N{REPLACEMENT CHARACTER}", text)


def clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"
