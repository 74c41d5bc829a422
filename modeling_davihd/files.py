"""Files and folders that appear whole or not at all: the only way that anything here is written.

What is being written lies beside its place in a hidden folder with a short name of its own, which no other
process uses on any machine and which does not grow with the name of what is written. It moves into its place
once it is complete. What a killed process leaves behind is known by that folder's name.

Only the standard library is imported: this file travels to the Hub beside the model.
"""

import errno
import json
import os
import re
import shutil
import stat
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

HIDDEN = re.compile(r"\.[0-9a-f]{12}\.partial")
ABANDONED_AFTER = 3600.0  # seconds without a change: no writer is that slow


@contextmanager
def whole(target: Path) -> Iterator[Path]:
    """Yield where to write the file `target`, which takes its place if the body succeeds.

    If the body fails, nothing is left and nothing replaced. The folder of `target` has to exist. Raises
    OSError where the system refuses, before the body if that can be told by then, or if it wrote no file.
    """
    with all_whole([target]) as [partial]:
        yield partial


@contextmanager
def all_whole(targets: Sequence[Path]) -> Iterator[list[Path]]:
    """As `whole`, for files that belong together: none takes its place before all are complete."""
    for target in targets:
        _check_place(target)
    with ExitStack() as stack:
        parents = dict.fromkeys(target.parent for target in targets)
        folders = {parent: stack.enter_context(_hidden(parent)) for parent in parents}
        partials = [folders[target.parent] / str(number) for number, target in enumerate(targets)]
        yield partials
        for partial, target in zip(partials, targets, strict=True):
            os.replace(partial, target)


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """As `whole`, for a folder that is not there yet: the body fills an empty one. Makes those above it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with _hidden(target.parent) as partial:
        yield partial
        os.replace(partial, target)


@contextmanager
def whole_files(folder: Path, prepared_in: Path | None = None) -> Iterator[Path]:
    """As `all_whole`, for files that only the body can name: it gets an empty folder to put them in.

    They then move into `folder`, which may hold more, and is made with those above it if need be.
    prepared_in: where the hidden folder lies, on the same disk; None for `folder`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _hidden(prepared_in or folder) as partial:
        yield partial
        for path in sorted(partial.iterdir()):
            os.replace(path, folder / path.name)


def write_text(path: Path, text: str) -> None:
    """Write a small file in UTF-8, making its folder if need be."""
    _write(path, text.encode())


def write_json(path: Path, content: object) -> None:
    """Write a small JSON file in UTF-8, making its folder if need be."""
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    _write(path, text.encode(errors="backslashreplace"))  # JSON's own escapes, for names that are not UTF-8


def clear_partials(folder: Path, unchanged_for: float = ABANDONED_AFTER) -> None:
    """Remove what killed processes left in a folder, if nothing in it has changed for that many seconds.

    unchanged_for: 0 removes everything; for when no other process can be writing there.
    """
    for path in folder.glob(".*"):
        if HIDDEN.fullmatch(path.name) and path.is_dir():
            with suppress(OSError):  # its process may live, and be done with it
                if not unchanged_for or time.time() - _last_change(path) > unchanged_for:
                    shutil.rmtree(path)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as partial:
        partial.write_bytes(content)


def _check_place(target: Path) -> None:
    with suppress(FileNotFoundError):
        if stat.S_ISDIR(os.lstat(target).st_mode):  # lstat itself refuses a name that is too long
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))


@contextmanager
def _hidden(folder: Path) -> Iterator[Path]:
    """Yield a new hidden folder in `folder`, and remove what is left of it afterwards."""
    hidden = folder.absolute() / f".{uuid.uuid4().hex[:12]}.partial"
    hidden.mkdir()
    try:
        yield hidden
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def _last_change(folder: Path) -> float:
    return max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))


__all__ = ["all_whole", "clear_partials", "whole", "whole_files", "whole_folder", "write_json", "write_text"]
