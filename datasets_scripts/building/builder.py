"""Videos and their labels -> a folder of Parquet shards that `datasets.load_dataset` reads offline.

    DIR/README.md         dataset card        DIR/data/train-00000-of-00003.parquet, ...
    DIR/extraction.json   how the features were made; written last: if it is there, the dataset is whole
    DIR/missing.json      [{"video_id", "reason"}]: the videos that could not be used

Shards are planned from the list of videos, and each carries the fingerprint of all that went into it. Killed
anywhere and started again, a build keeps the shards whose fingerprint agrees and makes the rest: the result
has the same bytes as that of an undisturbed run.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from datasets_scripts.building.card import dataset_card
from datasets_scripts.building.crash_record import BEGUN, Deaths, this_process
from datasets_scripts.building.errors import DatasetError, UnusableVideo, UsageError
from datasets_scripts.building.extraction import (
    NUM_MEL_BINS,
    Encoders,
    Extractor,
    Given,
    Settings,
    check_weights,
    settings_from,
)
from datasets_scripts.building.options import add_extraction_arguments
from datasets_scripts.building.rows import (
    Decoded,
    Mismatched,
    Video,
    check_videos,
    decoded,
    row_of,
    video_identity,
)
from datasets_scripts.building.shards import (
    Note,
    Row,
    count,
    is_whole,
    read_note,
    row_features,
    shards_in,
    write_shard,
    writing,
)
from datasets_scripts.building.sources import UNREACHABLE, file_print
from datasets_scripts.building.splits import SPLITS
from modeling_davihd import __version__
from modeling_davihd.files import clear_partials, write_json, write_text
from modeling_davihd.media import MediaError, MediaWarning

ROWS_PER_SHARD = 16
ATTEMPTS = 3  # at decoding a video: twice more than once
UNFINISHED = "unfinished"  # in place of the fingerprint of a shard that another run shall build again


@dataclass(frozen=True)
class Report:
    """What came of it; as a string, in one line.

    videos, seconds: of each split. missing: (video_id, reason). built, kept: shards made now, and before.
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


@dataclass(frozen=True)
class Shard:
    """A planned file and the videos it is to hold."""

    path: Path
    split: str
    videos: Sequence[Video]


@dataclass(frozen=True)
class ShardReport:
    """What came of one shard, as plain data.

    fingerprint: of all that went into it. seconds: that its rows last. missing: [video_id, reason].
    widths: of the feature columns. kept: it was there already. worker: which process built it, with the
    seconds that it spent on each stage.
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


def build_dataset(
    out: Path,
    videos: Sequence[Video],
    settings: Settings,
    *,
    card: str,
    missing: Sequence[tuple[str, str]] = (),
    rows_per_shard: int = ROWS_PER_SHARD,
    mismatched: Mismatched = "refuse",
) -> Report:
    """Build, or go on building, the dataset in the folder `out`.

    card: the card's own text: YAML front matter with licence and tags between lines of "---", a heading, and
        what there is to say of origin, licence and citation. Files, counts, durations and how the features
        were made are added to it.
    missing: (video_id, reason) of videos that the caller already knows to be unusable.
    mismatched: what to do with a whole video whose length differs from that of its labels or given features
        by more than a second: "refuse" to go on, or "leave out" that video and list it in missing.json.

    A video that cannot be read goes to missing.json and the rest goes on. Lengths that differ by one second
    are cut to the shortest: second t of everything is [t, t + 1) of the video. Raises DatasetError, in one
    sentence naming the video or file, for everything else; finished shards stay.
    """
    check_weights(settings)
    check_videos(videos, settings)
    data, plan = Path(out) / "data", plan_shards([video.split for video in videos], rows_per_shard)
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
    build, reports = ShardBuilder(job), []
    with tqdm(total=len(videos), unit="video", disable=None, desc=str(out)) as progress:
        for shard in shards:
            reports.append(build(shard, progress.update))
    return finish(Path(out), reports, job, card, missing)


def plan_shards(
    splits: Sequence[str], rows_per_shard: int = ROWS_PER_SHARD
) -> list[tuple[str, str, list[int]]]:
    """The (file name, split, numbers of the videos) of each shard, for the split of each video."""
    plan = []
    for split in SPLITS:
        chosen = [number for number, one in enumerate(splits) if one == split]
        parts = [chosen[i : i + rows_per_shard] for i in range(0, len(chosen), rows_per_shard)]
        for number, part in enumerate(parts):
            plan.append((f"{split}-{number:05d}-of-{len(parts):05d}.parquet", split, part))
    return plan


def spare_shards(data: Path, planned: Iterable[str]) -> dict[str, Path]:
    """By fingerprint, the shards in `data` whose names are not planned. Makes the folder."""
    with writing(data):
        data.mkdir(parents=True, exist_ok=True)
    names = set(planned)
    notes = {path: read_note(path) for path in shards_in(data)}
    return {note.fingerprint: path for path, note in notes.items() if note and path.name not in names}


@dataclass(frozen=True)
class Job:
    """What the shards of one dataset have in common.

    identity: that of the settings. labelled: whether videos have labels. extras: like those of any video.
    spare: as `spare_shards` gives. run: names this run, where workers may die and others go on with their
    shards; a video over which three of them die is listed as missing.
    """

    settings: Settings
    identity: Mapping[str, object]
    labelled: bool = True
    extras: Mapping[str, object] = field(default_factory=dict)
    mismatched: Mismatched = "refuse"
    spare: Mapping[str, Path] = field(default_factory=dict)
    run: str | None = None


class ShardBuilder:
    """Builds a shard, or keeps it where it is there already: what every engine runs for each shard."""

    def __init__(self, job: Job, encoders: Encoders | None = None):
        self._job, self._extractor = job, Extractor(job.settings, encoders)
        self._features = row_features(self._extractor.widths, job.extras, job.labelled)

    def __call__(self, shard: Shard, progress: Callable[[], object] = lambda: None) -> ShardReport:
        """Calls `progress` for each video. Raises DatasetError, in one sentence naming the video or file."""
        stages = self._extractor.stages
        stages.seconds.clear()
        with stages("fetching"):
            videos = [video_identity(video) for video in shard.videos]
        fingerprint = _digest([[__version__, self._job.identity], videos])
        kept = _keep(shard.path, fingerprint, self._job.spare)
        if kept:
            for _ in shard.videos:
                progress()
        else:
            lost = [number for number, (*_, media) in enumerate(videos) if media == UNREACHABLE]
            if lost:
                _check_replaceable(shard.path, shard.videos[lost[0]])
            self._write(shard, Note(UNFINISHED if lost else fingerprint, []), progress)
        rows, seconds = count(shard.path)
        return ShardReport(
            name=shard.path.name,
            split=shard.split,
            fingerprint=fingerprint,
            rows=rows,
            seconds=seconds,
            missing=read_note(shard.path).missing,
            widths=dict(self._extractor.widths),
            kept=kept,
            worker=this_process(),
            spent=dict(stages.seconds),
        )

    def _write(self, shard: Shard, note: Note, progress: Callable[[], object]) -> None:
        for name in ("extraction.json", "README.md", "failures.parquet"):  # half-built is not whole
            (shard.path.parent.parent / name).unlink(missing_ok=True)
        stages = self._extractor.stages
        with Deaths(shard.path, self._job.run) as deaths, stages("writing"):
            rows = stages.each("checking", self._rows(shard, note, deaths, progress))
            write_shard(shard.path, self._features, rows, note)

    def _rows(
        self, shard: Shard, note: Note, deaths: Deaths, progress: Callable[[], object]
    ) -> Iterator[Row]:
        """The rows in order, each as soon as the batches it is in are full; unusable videos are noted."""
        reasons: dict[str, str] = {}
        waiting: deque[tuple[Video, Decoded]] = deque()
        for video in shard.videos:
            try:
                deaths.begin(video.video_id)
                waiting.append((video, _decoded(video, self._extractor, note)))
            except UnusableVideo as error:
                reasons[video.video_id] = str(error)
            while waiting and self._extractor.is_ready(waiting[0][1].film):
                yield from self._row(*waiting.popleft(), reasons)
            progress()
        self._extractor.flush()
        for video, parts in waiting:
            yield from self._row(video, parts, reasons)
        note.missing += [
            [one.video_id, reasons[one.video_id]] for one in shard.videos if one.video_id in reasons
        ]

    def _row(self, video: Video, parts: Decoded, reasons: dict[str, str]) -> Iterator[Row]:
        try:
            yield row_of(video, parts, self._extractor, self._job.mismatched)
        except UnusableVideo as error:
            reasons[video.video_id] = str(error)
        except OSError as error:
            raise DatasetError(f"{video.video_id}: cannot be read ({error.strerror or error}).") from error


def _decoded(video: Video, extractor: Extractor, note: Note) -> Decoded:
    """Decode a video, in ATTEMPTS. A file that cannot be fetched leaves the shard to be tried again."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return decoded(video, extractor)
        except UnusableVideo:
            if attempt == ATTEMPTS:
                raise
        except OSError as error:
            if attempt == ATTEMPTS:
                note.fingerprint = UNFINISHED
                said = f"{video.media}: cannot be fetched ({error.strerror or error})."
                raise UnusableVideo(said) from error


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _keep(path: Path, fingerprint: str, spare: Mapping[str, Path]) -> bool:
    """Whether the planned shard is there, after moving that of another plan, if it fits, into its place."""
    source = path
    if (note := read_note(path)) is None or note.fingerprint != fingerprint:
        source = spare.get(fingerprint)
    if source is None or not is_whole(source):
        return False
    if source != path:
        with writing(path):
            os.replace(source, path)
    return True


def _check_replaceable(path: Path, lost: Video) -> None:
    """A finished shard is not given up because a video of it is out of reach just now."""
    if (note := read_note(path)) is not None and note.fingerprint != UNFINISHED:
        raise DatasetError(
            f"{lost.media}: is out of reach, so that nothing tells whether {path} is still right."
        )


def finish(
    out: Path,
    reports: Sequence[ShardReport],
    job: Job,
    card: str,
    missing: Sequence[tuple[str, str]] = (),
) -> Report:
    """Remove what belongs to no shard, and write the three files about the dataset, as measured.

    reports: of all shards, in the order of the plan. Raises DatasetError where there is not one row.
    """
    report = _measured(reports, missing)
    if not any(report.videos.values()):
        raise DatasetError(
            f"{out}: no video could be used; the first is missing because {report.missing[0][1]}"
        )
    data, planned = out / "data", {one.name for one in reports}
    left = [path for path in shards_in(data) if path.name not in planned]
    for path in (*left, *data.glob(f"*{BEGUN}")):
        path.unlink(missing_ok=True)
    for folder in (data, out):
        clear_partials(folder, unchanged_for=0)
    notes = [{"video_id": video_id, "reason": reason} for video_id, reason in report.missing]
    facts = _extraction(reports, job.settings, report)
    for path, write, content in (
        (out / "missing.json", write_json, notes),
        (out / "README.md", write_text, dataset_card(card, facts, len(notes), job.labelled)),
        (out / "extraction.json", write_json, facts),
    ):
        with writing(path):
            write(path, content)
    return report


def _measured(reports: Sequence[ShardReport], missing: Sequence[tuple[str, str]]) -> Report:
    videos, seconds, missing = Counter(), Counter(), list(missing)
    for one in reports:
        videos[one.split] += one.rows
        seconds[one.split] += one.seconds
        missing += [(video_id, reason) for video_id, reason in one.missing]
    lengths = {split: round(length, 3) for split, length in seconds.items()}
    kept = sum(one.kept for one in reports)
    return Report(dict(videos), lengths, missing, len(reports) - kept, kept)


def _extraction(reports: Sequence[ShardReport], settings: Settings, report: Report) -> dict:
    widths = reports[0].widths
    facts = {
        "davihd": __version__,
        "visual_backbone": settings.visual_backbone,
        "visual_dim": widths.get("visual_features"),
        "semantic_backbone": settings.semantic_backbone,
        "semantic_dim": widths.get("semantic_features"),
        "log_mel_rate": settings.log_mel_rate,
        "num_mel_bins": NUM_MEL_BINS,
        "splits": {
            split: {"videos": videos, "seconds": report.seconds[split]}
            for split, videos in report.videos.items()
            if videos  # `load_dataset` refuses a split without rows
        },
        "fingerprint": _digest([[one.fingerprint for one in reports], report.missing]),
    }
    if settings.given:
        facts["source"] = {name: given.source for name, given in sorted(settings.given.items())}
    return facts


def run_command(command: Callable[[], int], prog: str) -> int:
    """Run what a command line does. Exit status: its own, 1 wrong data, 2 wrong usage, 130 interrupted.

    Errors and warnings are one line each on standard error.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", MediaWarning)
        warnings.showwarning = lambda message, *_, **__: _say(f"{prog}: warning: {message}")
        try:
            return command()
        except (DatasetError, MediaError) as error:
            _say(f"{prog}: {error}")
            return 2 if isinstance(error, UsageError) else 1
        except KeyboardInterrupt:
            _say(f"{prog}: interrupted; the same command goes on from here.")
            return 130


def _say(message: str) -> None:
    print(" ".join(message.split()), file=sys.stderr)


__all__ = [
    "Given",
    "Report",
    "Settings",
    "Video",
    "add_extraction_arguments",
    "build_dataset",
    "file_print",
    "run_command",
    "settings_from",
]
