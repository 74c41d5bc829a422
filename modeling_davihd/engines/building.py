"""Shards that are built exactly once, whatever they hold: what every engine runs for each shard."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import pyarrow as pa

from .. import __version__
from ..files import clear_partials
from .crash_record import BEGUN, CrashRecord, this_process
from .errors import DatasetError, UnreachableVideo, UnusableVideo
from .planning import Shard
from .shards import DatasetRow, Note, is_whole, new_shard, read_note, shards_in, writing
from .sources import UNREACHABLE
from .stopwatch import Stopwatch
from .stores import Place, Stored

Result = TypeVar("Result")

ATTEMPTS = 3  # at decoding a video
UNFINISHED = "unfinished"  # instead of a fingerprint, so that the next run builds the shard again


@dataclass(frozen=True)
class ShardReport:
    """The outcome of building a shard, as plain data.

    fingerprint: of everything that goes into it. rows, seconds: how many, and how long they last together.
    missing: [video_id, reason] of videos that could not be used. widths: of the feature columns.
    kept: whether it was there already. worker: the process that built it. spent: its seconds on each stage.
    """

    name: str
    split: str
    fingerprint: str
    rows: int
    seconds: float
    missing: list[list[str]]
    widths: dict[str, int]
    kept: bool
    worker: str
    spent: dict[str, float]


def in_attempts(media: object, work: Callable[[], Result]) -> Result:
    """What `work` on a video returns, in ATTEMPTS.

    Raises UnusableVideo as it does, and UnreachableVideo in the end if it raises OSError.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return work()
        except UnusableVideo:
            if attempt == ATTEMPTS:
                raise
        except OSError as error:
            if attempt == ATTEMPTS:
                reason = f"{media}: cannot be fetched ({error.strerror or error})."
                raise UnreachableVideo(reason) from error
    raise AssertionError


@dataclass(frozen=True)
class MissingVideo:
    """A video that could not be used, and why; `again` if the next run shall try it again."""

    video_id: str
    reason: str
    again: bool

    @classmethod
    def of(cls, video_id: str, error: UnusableVideo) -> MissingVideo:
        return cls(video_id, str(error), isinstance(error, UnreachableVideo))


class ShardBuilder(ABC):
    """Builds a shard, or keeps the one that is there.

    identity: what all shards depend on, as plain data. schema: of their columns. stages: where time goes.
    spare: from `spare_shards`. run: a name for this run if its workers may die, so that others go on with
    their shards and a video that kills too many of them is listed as missing. widths: of feature columns.
    """

    def __init__(
        self,
        identity: object,
        schema: pa.Schema,
        stages: Stopwatch,
        spare: Mapping[str, Place],
        run: str | None = None,
        widths: Mapping[str, int] | None = None,
    ):
        self.stages = stages
        self._identity, self._schema, self._spare, self._run = identity, schema, spare, run
        self._widths = dict(widths or {})

    @abstractmethod
    def video(self, row: Mapping[str, Any]) -> Any:
        """What the other methods take for a row of the manifest."""

    @abstractmethod
    def identify(self, video: Any) -> list:
        """All that a video's row depends on besides, as plain data; last the print of its file."""

    @abstractmethod
    def outcomes(
        self, shard: Shard, record: CrashRecord, progress: Callable[[], object]
    ) -> Iterator[DatasetRow | MissingVideo]:
        """The rows in order, and what could not be used.

        Tells `record` before a video is decoded, and calls `progress` after each.
        """

    @abstractmethod
    def count(self, path: Place) -> tuple[int, float]:
        """How many videos of a shard could be used, and how many seconds they last together."""

    def begin(self, shard: Shard) -> None:  # noqa: B027
        """Called before a shard is built: what says that all is done has to go."""

    def files(self) -> dict[str, str]:
        """What was written along with the shard that has just been built, with the print of each file."""
        return {}

    def has_files(self, files: Mapping[str, str]) -> bool:
        """Whether all that was written along with a shard is as it was."""
        return True

    def __call__(self, shard: Shard, progress: Callable[[], object] = lambda: None) -> ShardReport:
        """Call `progress` after each video. Raises DatasetError, in one sentence naming the video or file."""
        self.stages.seconds.clear()
        with self.stages("fetching"):
            identities = [self.identify(video) for video in shard.videos]
        fingerprint = digest([[__version__, self._identity], identities])
        note = self._keep(shard.path, fingerprint)
        if kept := note is not None:
            for _ in shard.videos:
                progress()
        else:
            lost = [number for number, (*_, media) in enumerate(identities) if media == UNREACHABLE]
            if lost:
                _check_replaceable(shard.path, shard.videos[lost[0]])
            note = self._build(shard, UNFINISHED if lost else fingerprint, progress)
        rows, seconds = self.count(shard.path)
        return ShardReport(
            name=shard.path.name,
            split=shard.split,
            fingerprint=fingerprint,
            rows=rows,
            seconds=seconds,
            missing=note.missing,
            widths=self._widths,
            kept=kept,
            worker=this_process(),
            spent=dict(self.stages.seconds),
        )

    def _build(self, shard: Shard, fingerprint: str, progress: Callable[[], object]) -> Note:
        """Write the shard. Returns its note, which says UNFINISHED if a video shall be tried again."""
        self.begin(shard)
        missing: dict[str, MissingVideo] = {}
        with CrashRecord(shard.path, self._run) as record, self.stages("writing"):
            with new_shard(shard.path, self._schema) as writer:
                for outcome in self.stages.each("checking", self.outcomes(shard, record, progress)):
                    if isinstance(outcome, MissingVideo):
                        missing[outcome.video_id] = outcome
                    else:
                        writer.add_row(outcome)
                note = _note(shard, fingerprint, missing, self.files())
                writer.add_note(note)
        return note

    def _keep(self, path: Place, fingerprint: str) -> Note | None:
        """The note of the planned shard, if there is one, or one of another plan to move into its place."""
        for source in (path, self._spare.get(fingerprint)):
            note = read_note(source) if source else None
            if source and note and note.fingerprint == fingerprint:
                if is_whole(source) and self.has_files(note.files):
                    if source != path:
                        with writing(path):
                            source.replace(path)  # type: ignore[arg-type]  # both are of one kind
                    return note
        return None


def _note(shard: Shard, fingerprint: str, missing: Mapping[str, MissingVideo], files: dict[str, str]) -> Note:
    """The note of a shard that has been built; its missing videos are in the shard's order."""
    if any(video.again for video in missing.values()):
        fingerprint = UNFINISHED
    ordered = [missing[video.video_id] for video in shard.videos if video.video_id in missing]
    return Note(fingerprint, [[video.video_id, video.reason] for video in ordered], files)


def digest(content: object) -> str:
    """The fingerprint of plain data."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _check_replaceable(path: Place, lost: Any) -> None:
    """Raise DatasetError if a finished shard would be given up because one of its videos is out of reach."""
    if (note := read_note(path)) is not None and note.fingerprint != UNFINISHED:
        raise DatasetError(
            f"{lost.media}: is out of reach, so there is no telling whether {path} is still right."
        )


def spare_shards(folder: Place, planned: Iterable[str]) -> dict[str, Place]:
    """The shards in a folder that are not planned, by fingerprint. Makes the folder."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    names = set(planned)
    notes = {path: read_note(path) for path in shards_in(folder) if path.name not in names}
    return {note.fingerprint: path for path, note in notes.items() if note}


def remove_unplanned(folder: Place, planned: Iterable[str]) -> None:
    """Remove the shards of a folder that are not planned, and what killed processes have left there."""
    names = set(planned)
    unplanned = [path for path in shards_in(folder) if path.name not in names]
    for path in (*unplanned, *folder.glob(f"*{BEGUN}")):
        path.unlink(missing_ok=True)
    if not isinstance(folder, Stored):
        clear_partials(folder, unchanged_for=0)


__all__ = [
    "MissingVideo",
    "ShardBuilder",
    "ShardReport",
    "digest",
    "in_attempts",
    "remove_unplanned",
    "spare_shards",
]
