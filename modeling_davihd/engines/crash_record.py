"""Videos that kill the process decoding them: a record of crashes that outlives the process."""

from __future__ import annotations

import json
import os
import platform
from types import TracebackType

from .errors import UnusableVideo
from .shards import writing
from .stores import Place, whole_at

MOST_CRASHES = 3
BEGUN = ".begun"


class CrashRecord:
    """A file beside a shard that is being built: the video being decoded, and the crashes over each so far.

    run: names the run; crashes of another one do not count, since a run that is stopped and started again is
        no fault of a video. If it is None, no record is kept.

    As a context, it removes the record once the shard is built or has failed with an ordinary error.
    """

    def __init__(self, shard: Place, run: str | None):
        self._path, self._run = shard.with_name(shard.name + BEGUN), run
        self._counts = self._read() if run else {}

    def begin(self, video_id: str) -> None:
        """To be called before a video is decoded. Raises UnusableVideo after MOST_CRASHES over it."""
        if self._run is None:
            return
        if self._counts.get(video_id, 0) >= MOST_CRASHES:
            raise UnusableVideo(f"{MOST_CRASHES} processes died while decoding it.")
        facts = {"run": self._run, "counts": self._counts, "current": video_id, "worker": this_process()}
        with writing(self._path), whole_at(self._path) as partial:
            partial.write_text(json.dumps(facts), encoding="utf-8")

    def _read(self) -> dict[str, int]:
        """The crashes over each video, the one that ended the process before this one included."""
        try:
            facts = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        if facts["run"] != self._run:
            return {}
        return facts["counts"] | {facts["current"]: facts["counts"].get(facts["current"], 0) + 1}

    def __enter__(self) -> CrashRecord:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._path.unlink(missing_ok=True)


def this_process() -> str:
    """Its machine and number."""
    return f"{platform.node()}:{os.getpid()}"
