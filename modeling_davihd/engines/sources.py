"""Media files wherever they are: paths on this machine, and URLs that fsspec opens (s3://, gs://, hf://)."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import fsspec

HASHED = 1 << 16  # bytes at the beginning, in the middle and at the end of a file
UNREACHABLE = "unreachable"

Media = Path | str  # a string is a URL


def file_print(media: Media) -> str:
    """A file's fingerprint: its size and the SHA-256 of its start, middle and end; "absent" without a file.

    It does not depend on the file's name and time, so a copy has the same. UNREACHABLE if there is no telling
    what is behind a URL.
    """
    try:
        with one_kind_of_error(), _opened(media) as file:
            size = file.seek(0, os.SEEK_END)
            digest = hashlib.sha256()
            for start in sorted({0, max(0, (size - HASHED) // 2), max(0, size - HASHED)}):
                file.seek(start)
                digest.update(file.read(HASHED))
    except OSError as error:
        known = isinstance(media, Path) or isinstance(error, FileNotFoundError)
        return "absent" if known else UNREACHABLE
    return f"{size}:{digest.hexdigest()}"


def _opened(media: Media) -> BinaryIO:
    if isinstance(media, Path):
        return media.open("rb")
    files, path = fsspec.core.url_to_fs(media)
    return files.open(path, block_size=HASHED)


@contextmanager
def one_kind_of_error() -> Iterator[None]:
    """Turn the errors of the libraries behind fsspec, each of which has its own, into OSError."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise OSError(f"{type(error).__name__}: {error}") from error


@contextmanager
def local_copy(media: Media) -> Iterator[Path]:
    """The file on this machine: itself, or a copy of the same name that exists within the context.

    Raises OSError if it cannot be fetched.
    """
    if isinstance(media, Path):
        yield media
        return
    with tempfile.TemporaryDirectory(prefix="davihd-") as folder:
        with one_kind_of_error():
            files, path = fsspec.core.url_to_fs(media)
            copy = Path(folder) / path.rstrip("/").rsplit("/", 1)[-1]
            files.get_file(path, str(copy))
        yield copy


def place_of(path: str, base: Path) -> Media:
    """The file that a manifest means by a URL, or by a path that may be relative to the folder `base`."""
    if path.startswith("file://"):
        return Path(path.removeprefix("file://"))
    return path if "://" in path else base / path


def missing_package(urls: Iterable[str]) -> str | None:
    """One sentence on what is needed to read the URLs and is not installed; None if all can be read."""
    first = {url.split("://")[0]: url for url in urls}
    for protocol, url in sorted(first.items()):
        try:
            fsspec.get_filesystem_class(protocol)
        except ValueError:
            return f"{url}: {protocol}:// is no kind of address that fsspec knows."
        except ImportError as error:
            return f"{url}: {protocol}:// needs a package that is not installed ({error})."
    return None
