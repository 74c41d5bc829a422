"""Videos and their labels -> a folder of Parquet shards that `datasets.load_dataset` reads offline.

    DIR/README.md         dataset card        DIR/data/train-00000-of-00003.parquet, ...
    DIR/extraction.json   how the features were made; written last, so if it is there, the dataset is whole
    DIR/missing.json      [{"video_id", "reason"}]: the videos that could not be used

Shards are planned from the list of videos, and each carries a fingerprint of everything that went into it. A
build that is killed at any point and started again keeps the shards whose fingerprints agree and makes the
rest; the result has the same bytes as that of an undisturbed run.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
from tqdm import tqdm

from datasets_scripts.building.card import dataset_card
from datasets_scripts.building.columns import row_features
from datasets_scripts.building.manifest import video_of
from datasets_scripts.building.preview import PREVIEW
from datasets_scripts.building.rows import DecodedVideo, Features, Mismatched, decode_video, row_of
from datasets_scripts.building.settings import GivenColumn, Settings, check_weights
from datasets_scripts.building.splits import SPLITS
from datasets_scripts.building.videos import Video, check_videos, video_identity
from modeling_davihd import __version__
from modeling_davihd.engines.building import (
    MissingVideo,
    ShardBuilder,
    ShardReport,
    digest,
    in_attempts,
    remove_unplanned,
    spare_shards,
)
from modeling_davihd.engines.crash_record import CrashRecord
from modeling_davihd.engines.errors import DatasetError, UnusableVideo, UsageError
from modeling_davihd.engines.planning import Shard, plan_shards
from modeling_davihd.engines.shards import DatasetRow, writing
from modeling_davihd.engines.sources import file_print
from modeling_davihd.files import clear_partials, write_json, write_text
from modeling_davihd.streams_davihd import feature_streams

if TYPE_CHECKING:
    from datasets_scripts.building.extraction import Encoders

LABELS_ALONE = Settings(log_mel=None)  # no features, for a dataset without its media
ROWS_PER_SHARD = 16


@dataclass(frozen=True)
class Report:
    """The outcome of building a dataset; as a string, it is one line.

    videos, seconds: how many, and how long, in each split. missing: (video_id, reason) of the others.
    built, kept: how many shards were made by this run, and by earlier ones.
    """

    videos: dict[str, int]
    seconds: dict[str, float]
    missing: list[tuple[str, str]]
    built: int
    kept: int

    def __str__(self) -> str:
        splits = ", ".join(f"{videos} {split}" for split, videos in self.videos.items())
        hours = sum(self.seconds.values()) / 3600
        missing = f", {len(self.missing)} missing (see missing.json)" if self.missing else ""
        return f"{splits} videos, {hours:.2f} h{missing}; shards: {self.built} built, {self.kept} kept"


def build_dataset(
    out: Path,
    videos: Sequence[Video],
    settings: Settings,
    *,
    card: str,
    missing: Sequence[tuple[str, str]] = (),
    rows_per_shard: int = ROWS_PER_SHARD,
    mismatched: Mismatched = "refuse",
    threads: int = 1,
) -> Report:
    """Build, or go on building, the dataset in the folder `out`.

    card: the dataset card: YAML front matter with licence and tags between lines of "---", a heading, and
        text on origin, licence and citation. Files, counts, durations and features are added to it.
    missing: (video_id, reason) of videos that the caller already knows to be unusable.
    mismatched: what to do if the length of an undamaged video differs from that of its labels or given
        features by more than a second: "refuse" to go on, or "leave out" the video, as if it were unreadable.
    threads: shards made at a time; more than one is of use where all features are given, for packing them
        leaves Python to others.

    A video that cannot be read is listed in missing.json, and the build goes on. Lengths that differ by one
    second are cut to the shortest: second t of every column is [t, t + 1) of the video. For anything else
    that is wrong, DatasetError is raised, in one sentence naming the video or file; finished shards stay.
    """
    check_weights(settings)
    check_videos(videos, settings)
    data, plan = Path(out) / "data", plan_shards([video.split for video in videos], SPLITS, rows_per_shard)
    shards = [Shard(data / name, split, [videos[i] for i in rows]) for name, split, rows in plan]
    labelled, extras = videos[0].labels is not None, videos[0].extras
    job = Job(
        settings,
        settings.identity(),
        labelled,
        extras,
        mismatched,
        spare_shards(data, [shard.path.name for shard in shards]),
    )
    with tqdm(total=len(videos), unit="video", disable=None, desc=str(out)) as progress:
        reports = list(_built(shards, job, threads, progress.update))
    return finish_dataset(Path(out), reports, job, card, missing)


def _built(
    shards: Sequence[Shard], job: Job, threads: int, progress: Callable[[], object]
) -> Iterator[ShardReport]:
    """What became of each shard, in order; so many are built at a time, each by a builder of its own."""
    if threads == 1:
        build = DatasetBuilder(job)
        yield from (build(shard, progress) for shard in shards)
        return
    own = threading.local()

    def build_own(shard: Shard) -> ShardReport:
        if not hasattr(own, "build"):
            own.build = DatasetBuilder(job)
        return own.build(shard, progress)

    pool = ThreadPoolExecutor(threads)
    try:
        yield from pool.map(build_own, shards)
    finally:
        pool.shutdown(cancel_futures=True)


def check_computes(settings: Settings) -> None:
    """Raise UsageError for settings without a feature column."""
    if not settings.columns:
        raise UsageError("There is nothing to compute: name a backbone, or a --log-mel-rate.")


@dataclass(frozen=True)
class Job:
    """What the shards of one dataset have in common.

    identity: of the settings. labelled: whether videos have labels. extras: those of any one of the videos.
    spare: from `spare_shards`. run: a name for this run if its workers may die, so that others go on with
    their shards and a video that kills too many of them is listed as missing.
    """

    settings: Settings
    identity: Mapping[str, object]
    labelled: bool = True
    extras: Mapping[str, object] = field(default_factory=dict)
    mismatched: Mismatched = "refuse"
    spare: Mapping[str, Path] = field(default_factory=dict)
    run: str | None = None


class DatasetBuilder(ShardBuilder):
    """Builds the shards of a dataset."""

    def __init__(self, job: Job, encoders: Encoders | None = None):
        self._job, self._features = job, Features(job.settings, encoders)
        widths = self._features.widths
        kinds = {name: given.dtype for name, given in job.settings.given.items()}
        schema = row_features(widths, job.extras, job.labelled, kinds).arrow_schema
        super().__init__([PREVIEW, job.identity], schema, self._features.stages, job.spare, job.run, widths)

    def video(self, row: Mapping[str, Any]) -> Video:
        return video_of(row)

    def identify(self, video: Video) -> list:
        return video_identity(video)

    def count(self, path: Path) -> tuple[int, float]:
        with pq.ParquetFile(path) as shard:  # which opens far sooner than pq.read_table
            durations = shard.read(["duration"], use_threads=False)["duration"].to_numpy()
        return len(durations), float(durations.sum(dtype=np.float64))

    def begin(self, shard: Shard) -> None:
        for name in ("extraction.json", "README.md", "failures.parquet"):
            (shard.path.parent.parent / name).unlink(missing_ok=True)

    def outcomes(
        self, shard: Shard, record: CrashRecord, progress: Callable[[], object]
    ) -> Iterator[DatasetRow | MissingVideo]:
        """The rows come in order, each once the batches it is in are full."""
        waiting: deque[tuple[Video, DecodedVideo]] = deque()
        for video in shard.videos:
            try:
                record.begin(video.video_id)
                waiting.append(
                    (video, in_attempts(video.media, partial(decode_video, video, self._features)))
                )
            except UnusableVideo as error:
                yield MissingVideo.of(video.video_id, error)
            while waiting and self._features.are_ready(waiting[0][1]):
                yield self._outcome(*waiting.popleft())
            progress()
        self._features.flush()
        for video, decoded in waiting:
            yield self._outcome(video, decoded)

    def _outcome(self, video: Video, decoded: DecodedVideo) -> DatasetRow | MissingVideo:
        try:
            return row_of(video, decoded, self._features, self._job.mismatched)
        except UnusableVideo as error:
            return MissingVideo.of(video.video_id, error)
        except OSError as error:
            raise DatasetError(f"{video.video_id}: cannot be read ({error.strerror or error}).") from error


def finish_dataset(
    out: Path,
    reports: Sequence[ShardReport],
    job: Job,
    card: str,
    missing: Sequence[tuple[str, str]] = (),
) -> Report:
    """Remove files that do not belong to any shard, and write the three files about the dataset.

    reports: of all shards, in the order of the plan. Raises DatasetError if there is not a single row.
    """
    report = _total(reports, missing)
    if not any(report.videos.values()):
        raise DatasetError(
            f"{out}: no video could be used; the first is missing because {report.missing[0][1]}"
        )
    remove_unplanned(out / "data", [shard.name for shard in reports])
    clear_partials(out, unchanged_for=0)
    notes = [{"video_id": video_id, "reason": reason} for video_id, reason in report.missing]
    facts = _extraction(reports, job.settings, report)
    empty = not all(report.videos.values())
    for path, write, content in (
        (out / "missing.json", write_json, notes),
        (out / "README.md", write_text, dataset_card(card, facts, len(notes), job.labelled, empty)),
        (out / "extraction.json", write_json, facts),
    ):
        with writing(path):
            write(path, content)
    return report


def _total(reports: Sequence[ShardReport], missing: Sequence[tuple[str, str]]) -> Report:
    videos, seconds, every_missing = Counter(), Counter(), list(missing)
    for shard in reports:
        videos[shard.split] += shard.rows
        seconds[shard.split] += shard.seconds
        every_missing += [(video_id, reason) for video_id, reason in shard.missing]
    lengths = {split: round(length, 3) for split, length in seconds.items()}
    kept = sum(shard.kept for shard in reports)
    return Report(dict(videos), lengths, every_missing, len(reports) - kept, kept)


def _extraction(reports: Sequence[ShardReport], settings: Settings, report: Report) -> dict[str, object]:
    """The content of extraction.json."""
    facts = {
        "davihd": __version__,
        **_streams(settings, reports[0].widths),
        "splits": {
            split: {"videos": videos, "seconds": report.seconds[split]}
            for split, videos in report.videos.items()
            if videos  # `load_dataset` refuses a split without rows
        },
        "fingerprint": digest([[shard.fingerprint for shard in reports], report.missing]),
    }
    if settings.given:
        given = dict(sorted(settings.given.items()))
        facts["source"] = {name: column.source for name, column in given.items()}
        facts["dtype"] = {name: column.dtype for name, column in given.items()}
    return facts


def _streams(settings: Settings, widths: Mapping[str, int]) -> dict[str, object]:
    """The encoder and the width of each stream; None where the dataset has no such column."""
    facts: dict[str, object] = {}
    for stream in feature_streams():
        facts[stream.backbone_field] = settings.backbone(stream.name)
        facts[stream.dim_field] = widths.get(stream.column)
    log_mel = settings.log_mel and asdict(settings.log_mel)
    return facts | {
        "encoder_dtype": settings.precision if settings.encoded else None,
        "log_mel_rate": log_mel and log_mel.pop("rate"),
        **(log_mel or dict.fromkeys(("num_mel_bins", "n_fft"))),
    }


__all__ = [
    "LABELS_ALONE",
    "GivenColumn",
    "Report",
    "Settings",
    "Video",
    "build_dataset",
    "check_computes",
    "file_print",
]
