"""What a folder holds, byte for byte, and a store that is out of reach."""

import hashlib
from pathlib import Path

import fsspec


def contents(out: Path) -> dict[str, str]:
    """SHA-256 of every file."""
    files = sorted(path for path in out.rglob("*") if path.is_file())
    return {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


class Broken(fsspec.AbstractFileSystem):
    """A store that does not answer."""

    protocol = "broken"

    def _open(self, path, **_):
        raise RuntimeError("503 Slow down")

    get_file = _open
