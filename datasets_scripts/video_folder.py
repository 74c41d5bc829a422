"""A folder of your own videos and a file of labels -> a dataset.

    python datasets_scripts/video_folder.py --videos DIR --labels FILE --out DIR --visual-backbone statistics

FILE is one of:

    labels.csv    video,second,score            a score from 0 to 1 for every second 0, 1, 2, ... of a video
    labels.csv    video,start,end[,score]       highlights in seconds, of score 1 unless it is given
    labels.json   {"a.mp4": [0.1, 0.7, ...]}
    labels.json   {"a.mp4": [{"start": 3, "end": 7.5, "score": 0.8}, ...]}

`video` is the file's path in DIR. A CSV may also have a column `split`: train, validation or test. Without
it, videos are dealt out by --validation, --test and --seed. From highlights, a second gets the score of the
highlight in it, times the share of the second that this takes up; the largest of several, or 0 if there is
none.
"""

from __future__ import annotations

import argparse
import csv
import functools
import hashlib
import json
import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from datasets_scripts.building.builder import (
    Report,
    Settings,
    Video,
    build_dataset,
    check_computes,
    settings_from,
)
from datasets_scripts.building.console import run_dataset_command
from datasets_scripts.building.errors import DatasetError, UsageError
from datasets_scripts.building.media_folders import find_videos
from datasets_scripts.building.options import add_extraction_arguments
from datasets_scripts.building.splits import SPLITS

PER_SECOND, INTERVALS = {"video", "second", "score"}, {"video", "start", "end"}
LABEL_COLUMNS = "video,second,score or video,start,end[,score], and split if you like"
HELD_OUT_SHARE = 0.15  # of the videos, for validation and again for test

CARD = """---
tags: [video-highlight-detection]
---
# Highlights of a folder of videos

Made by `datasets_scripts/video_folder.py` from {count} videos and the labels in `{labels}`: {kind}.
The videos are not in here, only features of them; they and the labels stay under their owners' terms.
"""

Interval = tuple[float, float, float]


@dataclass
class VideoLabels:
    """What the label file says of a video: the score of each second, or (start, end, score) of highlights."""

    seconds: dict[int, float] = field(default_factory=dict)
    intervals: list[Interval] = field(default_factory=list)
    split: str | None = None


@dataclass(frozen=True)
class LabelFile:
    """The labels of videos, in the file's order, and whether they are scores of seconds."""

    path: Path
    videos: dict[str, VideoLabels]
    per_second: bool


def read_labels(path: Path) -> LabelFile:
    """Read a .csv or .json file. Raises DatasetError saying where something is wrong, and what is needed."""
    readers = {".csv": read_csv, ".json": read_json}
    if path.suffix.lower() not in readers:
        raise DatasetError(f"{path}: its name must end in .csv or .json.")
    try:
        labels = readers[path.suffix.lower()](path)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: is not UTF-8 text.") from error
    if not labels.videos:
        raise DatasetError(f"{path}: holds no labels.")
    return labels


def read_csv(path: Path) -> LabelFile:
    """Read either form of CSV. Raises DatasetError naming the line."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, skipinitialspace=True, strict=True)
        try:
            columns = set(reader.fieldnames or ())
            per_second = _csv_form(path, reader.fieldnames or [])
            videos: dict[str, VideoLabels] = {}
            for row in reader:
                where = f"{path}, line {reader.line_num}"
                if None in row or None in row.values():
                    raise DatasetError(f"{where}: needs {len(columns)} values, one for each column.")
                _add_row(where, videos.setdefault(row["video"], VideoLabels()), row, per_second)
        except csv.Error as error:
            raise DatasetError(f"{path}, line {reader.line_num}: is not CSV ({error}).") from error
    return LabelFile(path, videos, per_second)


def _csv_form(path: Path, columns: list[str]) -> bool:
    """Whether the columns are those of scores a second; otherwise they are those of highlights."""
    if unknown := [name for name in columns if name not in PER_SECOND | INTERVALS | {"split"}]:
        raise DatasetError(f"{path}: has the unknown column {unknown[0]!r}; known are {LABEL_COLUMNS}.")
    per_second, optional = "second" in columns, {"score", "split"}
    needed = PER_SECOND if per_second else INTERVALS
    if len(set(columns)) < len(columns) or not needed <= set(columns) <= needed | optional:
        raise DatasetError(f"{path}: has the columns {','.join(columns)!r}; needed are {LABEL_COLUMNS}.")
    return per_second


def _add_row(where: str, labels: VideoLabels, row: dict[str, str], per_second: bool) -> None:
    if "split" in row:
        _set_split(where, labels, row["split"])
    if per_second:
        second = _number(where, "second", row["second"])
        if second != int(second) or second < 0:
            raise DatasetError(f"{where}: second is {row['second']!r}; a whole number from 0 on is needed.")
        _add_second(where, labels, int(second), row["score"])
    else:
        _add_interval(where, labels, row["start"], row["end"], row.get("score", 1))


def _set_split(where: str, labels: VideoLabels, split: str) -> None:
    if split not in SPLITS:
        raise DatasetError(f"{where}: split is {split!r}; it needs to be one of {', '.join(SPLITS)}.")
    if labels.split not in (None, split):
        raise DatasetError(f"{where}: split is {split!r}, and was {labels.split!r} for the same video.")
    labels.split = split


def _add_second(where: str, labels: VideoLabels, second: int, score: object) -> None:
    if second in labels.seconds:
        raise DatasetError(f"{where}: second {second} of this video has a score already.")
    labels.seconds[second] = _score(where, score)


def _add_interval(where: str, labels: VideoLabels, start: object, end: object, score: object) -> None:
    interval = (_number(where, "start", start), _number(where, "end", end), _score(where, score))
    if not 0 <= interval[0] < interval[1]:
        raise DatasetError(f"{where}: goes from {start} s to {end} s; 0 <= start < end is needed.")
    if interval[:2] in [known[:2] for known in labels.intervals]:
        raise DatasetError(f"{where}: the highlight from {start} s to {end} s is there twice.")
    labels.intervals.append(interval)


def _score(where: str, value: object) -> float:
    score = _number(where, "score", value)
    if not 0 <= score <= 1:
        raise DatasetError(f"{where}: score is {value!r}; it needs to be from 0 to 1.")
    return score


def _number(where: str, name: str, value: object) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise DatasetError(f"{where}: {name} is {value!r}; a number is needed.")
    return number


def read_json(path: Path) -> LabelFile:
    """Read either form of JSON. Raises DatasetError naming the video."""

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        for number, (name, _) in enumerate(pairs):
            if name in [earlier for earlier, _ in pairs[:number]]:
                raise DatasetError(f"{path}: has {name!r} twice.")
        return dict(pairs)

    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise DatasetError(f"{path}, line {error.lineno}: is not JSON ({error.msg}).") from error
    if not isinstance(content, dict) or not all(isinstance(items, list) for items in content.values()):
        raise DatasetError(f'{path}: needs to be {{"video.mp4": [...], ...}}, a list for every video.')
    every_item = [item for items in content.values() for item in items]
    per_second = bool(every_item) and not any(isinstance(item, dict) for item in every_item)
    read = _json_seconds if per_second else _json_intervals
    videos = {video: read(f"{path}, {video}", items) for video, items in content.items()}
    return LabelFile(path, videos, per_second)


def _json_seconds(where: str, scores: list) -> VideoLabels:
    return VideoLabels(
        seconds={second: _score(f"{where}, second {second}", score) for second, score in enumerate(scores)}
    )


def _json_intervals(where: str, items: list) -> VideoLabels:
    labels = VideoLabels()
    for number, item in enumerate(items):
        here = f"{where}, highlight {number + 1}"
        if not isinstance(item, dict):
            raise DatasetError(f'{here}: is {item!r}; {{"start": ..., "end": ...}} is needed, as elsewhere.')
        if unknown := sorted(set(item) - {"start", "end", "score"}):
            raise DatasetError(f"{here}: has the unknown field {unknown[0]!r}; known are start, end, score.")
        _add_interval(here, labels, item.get("start"), item.get("end"), item.get("score", 1))
    return labels


def seconds_of(video: str, labels: VideoLabels) -> np.ndarray:
    """Labels (T,) of scores a second. Raises DatasetError if a second has no score."""
    scores = [labels.seconds.get(second) for second in range(len(labels.seconds))]
    if None in scores:
        raise DatasetError(f"{video}: has no score for second {scores.index(None)}, but for later ones.")
    return np.array(scores, np.float32)


def labels_of_intervals(video: str, intervals: Iterable[Interval], duration: float) -> np.ndarray:
    """Labels (ceil(duration),) of highlights. Raises DatasetError if one ends after the video."""
    seconds = math.ceil(duration)
    begins = np.arange(seconds)
    ends = np.minimum(begins + 1, duration)
    labels = np.zeros(seconds)
    for start, end, score in intervals:
        if end > seconds:
            raise DatasetError(
                f"{video}: its highlight from {start:g} s to {end:g} s ends after the video ({duration:g} s)."
            )
        share = (np.minimum(end, ends) - np.maximum(start, begins)).clip(min=0) / (ends - begins)
        labels = np.maximum(labels, score * share)
    return labels.astype(np.float32)


def split_by_hash(videos: list[str], validation: float, test: float, seed: int) -> dict[str, str]:
    """The split of each video, by a hash of its name: exact shares, and one video at least of each."""
    counts = {
        split: max(1, round(share * len(videos))) if share else 0
        for split, share in (("test", test), ("validation", validation))
    }
    if sum(counts.values()) >= len(videos):
        raise UsageError(
            f"--validation {validation:g} and --test {test:g} leave none of {len(videos)} videos to train on."
        )
    shuffled = sorted(videos, key=lambda video: hashlib.sha256(f"{seed}/{video}".encode()).digest())
    splits = ["test"] * counts["test"] + ["validation"] * counts["validation"]
    splits += ["train"] * (len(videos) - len(splits))
    return dict(zip(shuffled, splits, strict=True))


def build_video_folder(
    videos: Path,
    labels: Path,
    out: Path,
    settings: Settings,
    *,
    validation: float | None = None,
    test: float | None = None,
    seed: int = 0,
) -> Report:
    """Build, or go on building, in the folder `out`, a dataset of a folder of videos and a file of labels.

    validation, test: shares of the videos, by default HELD_OUT_SHARE. They have to be None if the file says
        which split each video is in. seed: of dealing the videos out.

    Labelled videos that are not there are listed in missing.json. Raises UsageError for impossible shares and
    for settings that compute nothing, and DatasetError for wrong labels and for videos without labels.
    """
    for name, share in (("validation", validation), ("test", test)):
        if share is not None and not 0 <= share < 1:
            raise UsageError(f"--{name} is {share:g}; a share of the videos is from 0 to below 1.")
    check_computes(settings)
    label_file = read_labels(labels)
    found = labelled_videos(videos, label_file)
    splits = splits_of(found, label_file, validation, test, seed)
    rows = [labelled_video(videos, name, splits[name], label_file) for name in found]
    absent = [name for name in label_file.videos if name not in splits]
    missing = [(name, f"there is no such file in {videos.name}") for name in absent]
    if not rows:
        raise DatasetError(f"{videos}: holds none of the videos that {labels} names.")
    kind = "a score for every second" if label_file.per_second else "highlights from start to end"
    card = CARD.format(count=len(rows), labels=labels.name, kind=kind)
    return build_dataset(out, rows, settings, card=card, missing=missing)


def labelled_videos(folder: Path, labels: LabelFile) -> list[str]:
    """The videos in the folder, by their paths in it. Raises DatasetError for one that has no labels."""
    found = find_videos(folder)
    if unlabelled := [video for video in found if video not in labels.videos]:
        raise DatasetError(
            f"{unlabelled[0]}: is in {folder}, but has no labels in {labels.path}"
            + (f", nor have {len(unlabelled) - 1} others." if unlabelled[1:] else ".")
        )
    return found


def splits_of(
    videos: list[str], labels: LabelFile, validation: float | None, test: float | None, seed: int
) -> dict[str, str]:
    """The split of each video: as the label file says, or else dealt out by shares and seed."""
    given = {video: labels.videos[video].split for video in videos}
    if not any(given.values()):
        shares = [HELD_OUT_SHARE if share is None else share for share in (validation, test)]
        return split_by_hash(videos, *shares, seed)
    if (validation, test) != (None, None):
        raise UsageError(f"{labels.path} has a column split, so --validation and --test have no meaning.")
    return given


def labelled_video(folder: Path, name: str, split: str, labels: LabelFile) -> Video:
    """A video of the folder with its labels. Raises DatasetError if a second has no score."""
    own = labels.videos[name]
    if labels.per_second:
        scores = seconds_of(name, own)
    else:
        scores = functools.partial(labels_of_intervals, name, own.intervals)
    return Video(name, split, scores, media=folder / name, identity=json.dumps(own.intervals))


def main(arguments: list[str] | None = None) -> int:
    """Command line. Exit status 0, 1 for wrong data, 2 for wrong usage."""
    parser = argparse.ArgumentParser(
        description="A folder of videos and a file of labels, to a dataset.",
        epilog=__doc__.split("\n\n", 2)[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--videos", type=Path, required=True, metavar="DIR", help="folder of the videos")
    parser.add_argument("--labels", type=Path, required=True, metavar="FILE", help=".csv or .json, see below")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the dataset")
    parser.add_argument(
        "--validation", type=float, metavar="SHARE", help=f"of the videos (default {HELD_OUT_SHARE})"
    )
    parser.add_argument(
        "--test", type=float, metavar="SHARE", help=f"of the videos (default {HELD_OUT_SHARE})"
    )
    parser.add_argument("--seed", type=int, default=0, help="of dealing them out (default 0)")
    add_extraction_arguments(parser)
    options = parser.parse_args(arguments)
    return run_dataset_command(lambda: _build(options), parser.prog)


def _build(options: argparse.Namespace) -> None:
    report = build_video_folder(
        options.videos,
        options.labels,
        options.out,
        settings_from(options),
        validation=options.validation,
        test=options.test,
        seed=options.seed,
    )
    print(report)


if __name__ == "__main__":
    sys.exit(main())
