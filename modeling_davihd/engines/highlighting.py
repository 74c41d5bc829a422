"""Highlights of long lists of films: for each film its outputs, and for all of them one table.

DIR/ID.highlights.*       the outputs of each film, named by its id in the manifest
DIR/highlights.parquet    a row for each film in the manifest's order; it is there when all is done
DIR/failures.parquet      the films that could not be used, and why
DIR/shards/*.parquet      rows of a few films each, by which a run that was stopped goes on
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..console import one_line
from .building import MissingVideo, ShardBuilder, in_attempts
from .crash_record import CrashRecord
from .errors import DatasetError, UnreachableVideo, UnusableVideo
from .manifest import FILM_COLUMNS, checked_films, read_columns
from .planning import Shard
from .running import FAILURES
from .shards import DatasetRow, writing
from .sources import Media, file_print, local_copy, place_of
from .stopwatch import Stopwatch
from .stores import Place, whole_at, whole_files_at

if TYPE_CHECKING:
    from ..writers import HighlightResult

TABLE, SHARDS = "highlights.parquet", "shards"
DONE, FAILED = "done", "failed"
READ_AHEAD = 32  # shards, which a store gives faster side by side
HIGHLIGHT = pa.struct(
    {
        **dict.fromkeys(("start", "end", "score", "peak", "confidence"), pa.float64()),
        "sounds": pa.list_(pa.string()),
    }
)
SCHEMA = pa.schema(
    {
        **dict.fromkeys(("video_id", "source", "status", "reason", "model"), pa.string()),
        "duration": pa.float64(),
        "scores": pa.list_(pa.float32()),
        "highlights": pa.list_(HIGHLIGHT),
        "files": pa.list_(pa.string()),
    }
)

Find = Callable[[Path], "HighlightResult"]


@dataclass(frozen=True)
class Film:
    """A film of the manifest: its id, and where it is."""

    video_id: str
    media: Media


@dataclass(frozen=True)
class HighlightJob:
    """What the shards of one list have in common.

    options: of the command. prepare: gives what finds the highlights of a film, once the options and a device
    are known; it is called in each worker. identity: of all that outputs and rows depend on besides the film.
    out: the folder for everything. spare: from `spare_shards`.
    """

    options: argparse.Namespace
    prepare: Callable[[argparse.Namespace, str], Find]
    identity: object
    out: Place
    spare: Mapping[str, Place] = field(default_factory=dict)


def read_films(path: Path) -> tuple[pa.Table, list[str]]:
    """The manifest's rows, and the names of the columns that are ignored.

    Raises DatasetError, in one sentence naming the file and the film, for whatever is wrong with it.
    """
    table, ignored = read_columns(path, FILM_COLUMNS)
    table = checked_films(path, table, FILM_COLUMNS)
    for name in table["video_id"].to_pylist():
        if "/" in name or "\0" in name or name.startswith("."):
            raise DatasetError(f"{path}, {name}: names files here, so it may not hold / or begin with a dot.")
    return table, ignored


class HighlightBuilder(ShardBuilder):
    """Writes the outputs of a shard's films, and the shard with their rows.

    device: where the networks compute. Raises DatasetError, in one sentence, if the model cannot be loaded.
    """

    def __init__(self, job: HighlightJob, device: str, run: str):
        super().__init__(job.identity, SCHEMA, Stopwatch(), job.spare, run)
        self._formats: Sequence[str] = job.options.formats
        self._model, self._out = job.options.model, job.out
        try:
            self._find = job.prepare(job.options, device)
        except (OSError, ValueError, RuntimeError, AssertionError) as error:
            raise DatasetError(f"the model {self._model} cannot be loaded: {error}") from error
        self._files: dict[str, str] = {}

    def video(self, row: Mapping[str, Any]) -> Film:
        return Film(row["video_id"], place_of(row["path"], Path("/")))

    def identify(self, video: Film) -> list:
        """Also of subtitles beside the film, which an output is made of."""
        from ..media_subtitles import BESIDE

        beside: list[str] = []
        if "srt" in self._formats and isinstance(video.media, Path):
            beside = [file_print(video.media.with_name(video.media.stem + suffix)) for suffix in BESIDE]
        return [video.video_id, str(video.media), beside, file_print(video.media)]

    def count(self, path: Place) -> tuple[int, float]:
        with path.open("rb") as file:
            table = pq.ParquetFile(file).read(["status", "duration"])
        done = table.filter(pc.equal(table["status"], DONE))
        return len(done), sum(done["duration"].to_pylist())

    def begin(self, shard: Shard) -> None:
        self._files = {}
        for name in (TABLE, FAILURES):
            (self._out / name).unlink(missing_ok=True)

    def files(self) -> dict[str, str]:
        return self._files

    def has_files(self, files: Mapping[str, str]) -> bool:
        return all(file_print(_media(self._out / name)) == known for name, known in files.items())

    def outcomes(
        self, shard: Shard, record: CrashRecord, progress: Callable[[], object]
    ) -> Iterator[DatasetRow | MissingVideo]:
        """A film that cannot be used has a row as well, which says why."""
        for film in shard.videos:
            try:
                record.begin(film.video_id)
                yield in_attempts(film.media, partial(self._row, film))
            except UnusableVideo as error:
                yield MissingVideo.of(film.video_id, error)
                yield self._facts(film) | {"status": FAILED, "reason": str(error)}
            progress()

    def _row(self, film: Film) -> DatasetRow:
        """Write a film's outputs. Raises UnusableVideo, or OSError if its file cannot be fetched."""
        with ExitStack() as stack:
            with self.stages("fetching"):
                path = stack.enter_context(local_copy(film.media))
            stack.enter_context(_naming(path, film.media))
            with self.stages("finding"):
                result = self._found(path)
            address = film.media if isinstance(film.media, str) else None
            with self.stages("formats"):
                files = self._written(replace(result, name=film.video_id, address=address))
        known = {"duration": result.duration, "scores": result.scores, "files": files}
        return self._facts(film) | known | {"highlights": [_plain(one) for one in result.highlights]}

    def _facts(self, film: Film) -> dict[str, Any]:
        known = {"video_id": film.video_id, "source": str(film.media), "model": self._model, "status": DONE}
        return dict.fromkeys(SCHEMA.names) | known

    def _found(self, path: Path) -> HighlightResult:
        try:
            return self._find(path)
        except (OSError, ValueError, RuntimeError, MemoryError) as error:
            raise UnusableVideo(one_line(error)) from error

    def _written(self, result: HighlightResult) -> list[str]:
        """The names of the files that were written. What cannot be written is tried again by the next run."""
        from ..writers import UnsuitableError, WriterError, write_outputs

        prepared = whole_files_at(self._out, SHARDS)  # where what dies with its worker is removed
        with writing(self._out), prepared as folder, _naming(folder, self._out):
            try:
                paths = write_outputs(result, folder, self._formats)
            except UnsuitableError as error:
                raise UnusableVideo(str(error)) from error
            except WriterError as error:
                raise UnreachableVideo(str(error)) from error
            prints = {path.name: file_print(path) for path in paths}
        self._files |= prints
        return list(prints)


@contextmanager
def _naming(temporary: Path, place: object) -> Iterator[None]:
    """Have errors and warnings about a file or folder name the place that it stands for."""
    from ..media import MediaWarning

    def told(text: object) -> str:
        return str(text).replace(str(temporary), str(place))

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", MediaWarning)
        try:
            yield
        except UnusableVideo as error:
            raise type(error)(told(error)) from error
    for warning in caught:
        warnings.warn(told(warning.message), warning.category, stacklevel=3)


def _plain(highlight: Any) -> dict[str, Any]:
    fields = highlight.as_dict()
    return fields | {"sounds": [sound["name"] for sound in fields["sounds"]] if "sounds" in fields else None}


def _media(place: Place) -> Media:
    return place if isinstance(place, Path) else place.url


def write_table(out: Place, shards: Sequence[str]) -> None:
    """Write the one table of all rows, shard by shard. Raises DatasetError if it cannot be written."""

    def rows(name: str) -> pa.Table:
        with (out / SHARDS / name).open("rb") as file:
            return pq.ParquetFile(file).read()

    options = {"compression": "zstd", "use_dictionary": False}
    with (
        writing(out / TABLE),
        whole_at(out / TABLE) as partial,
        pq.ParquetWriter(partial, SCHEMA, **options) as writer,
        ThreadPoolExecutor(READ_AHEAD) as pool,
    ):
        for first in range(0, len(shards), READ_AHEAD):
            for table in pool.map(rows, shards[first : first + READ_AHEAD]):
                writer.write_table(table.replace_schema_metadata())


__all__ = ["SHARDS", "HighlightBuilder", "HighlightJob", "read_films", "write_table"]
