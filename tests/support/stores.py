"""What a folder holds, byte for byte, and a store that is out of reach."""

import hashlib
import io
from pathlib import Path

import fsspec


def contents(out: Path) -> dict[str, str]:
    """SHA-256 of every file."""
    files = sorted(path for path in out.rglob("*") if path.is_file())
    return {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def refuse(*_, **__):
    raise RuntimeError("503 Slow down")


class Unread(io.RawIOBase):
    seek = read = readinto = refuse

    def readable(self):
        return True


class Broken(fsspec.AbstractFileSystem):
    """A store that opens every file and then does not answer, as S3's does."""

    protocol = "broken"

    def _open(self, path, **_):
        return Unread()

    get_file = refuse
