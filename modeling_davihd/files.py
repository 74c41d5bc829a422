"""Files and folders that appear whole or not at all: the only way that anything here is written.

What is being written lies beside its target under a short hidden name of its own, which no other process uses
and which does not grow with the target's; it takes the target's place when it is complete. What a killed
process leaves behind is known by that name.
"""

import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

PARTIAL = ".partial"


@contextmanager
def whole(target: Path) -> Iterator[Path]:
    """Yield where to write the file `target`, which takes its place if the body succeeds.

    If it fails, nothing is left and nothing replaced. Raises OSError where the system refuses the place.
    """
    with all_whole([target]) as [partial]:
        yield partial


@contextmanager
def all_whole(targets: Sequence[Path]) -> Iterator[list[Path]]:
    """As `whole`, for files that belong together: none takes its place before all are complete."""
    partials = [partial_of(target) for target in targets]
    try:
        yield partials
        for partial, target in zip(partials, targets, strict=True):
            os.replace(partial, target)
    finally:
        for partial in partials:
            with suppress(OSError):
                partial.unlink(missing_ok=True)


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """As `whole`, for a folder that is not there yet; the body gets an empty one to fill."""
    partial = partial_of(target)
    try:
        partial.mkdir(parents=True)
        yield partial
        os.replace(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a small file in UTF-8, making its folder if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, content: object) -> None:
    """Write a small JSON file, making its folder if need be."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def partial_of(target: Path) -> Path:
    """Where `target` is written before it is whole: no two processes, on whatever machine, use the same."""
    return target.absolute().with_name(f".{uuid.uuid4().hex[:12]}{PARTIAL}")


def clear_partials(folder: Path, unchanged_for: float = 0.0) -> None:
    """Remove what killed processes left in a folder, if nothing has written to it for so many seconds."""
    latest = time.time() - unchanged_for
    for path in folder.glob(f".*{PARTIAL}"):
        with suppress(OSError):
            if path.stat().st_mtime <= latest:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


__all__ = [
    "PARTIAL",
    "all_whole",
    "clear_partials",
    "partial_of",
    "whole",
    "whole_folder",
    "write_json",
    "write_text",
]
