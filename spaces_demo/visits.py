"""Folders of visitors: one each, with a name that nobody can guess, removed after its page is closed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock, Timer

from gradio.utils import get_upload_folder


class Visits:
    """The folder of each session that has one. What is older than `keep_seconds` goes with the next visit."""

    def __init__(self, keep_seconds: float, leave_seconds: float):
        self._keep, self._leave = keep_seconds, leave_seconds
        self._folders: dict[str, tuple[float, TemporaryDirectory]] = {}
        self._lock = Lock()

    @contextmanager
    def new_folder(self, session: str) -> Iterator[Path]:
        """Yield an empty folder. It replaces the session's former one unless the body fails."""
        folder = private_folder()
        try:
            yield Path(folder.name)
        except BaseException:
            folder.cleanup()
            raise
        self.end(session)
        with self._lock:
            self._folders[session] = time.monotonic(), folder
        self._end_old_ones()

    def end(self, session: str) -> None:
        """Remove the session's folder if it has one."""
        with self._lock:
            _, folder = self._folders.pop(session, (0, None))
        if folder:
            folder.cleanup()

    def end_later(self, session: str) -> None:
        """Remove it `leave_seconds` from now, with what the session is still waiting for."""
        timer = Timer(self._leave, self.end, [session])
        timer.daemon = True
        timer.start()

    def _end_old_ones(self) -> None:
        oldest = time.monotonic() - self._keep
        with self._lock:
            old = [session for session, (made, _) in self._folders.items() if made < oldest]
        for session in old:
            self.end(session)


def private_folder() -> TemporaryDirectory:
    """A new folder whose files the server may send to anyone who knows its name."""
    Path(get_upload_folder()).mkdir(parents=True, exist_ok=True)
    return TemporaryDirectory(prefix="visit-", dir=get_upload_folder(), ignore_cleanup_errors=True)


def link_upload(upload: str | os.PathLike, folder: Path) -> Path:
    """Put an uploaded film into a folder; another visitor who uploads the same one meanwhile keeps theirs."""
    film = folder / Path(upload).name
    os.link(upload, film)
    return film
