"""Mr.HiSum (Sul et al., NeurIPS 2023): labels, and features of YouTube-8M or of the videos -> a dataset.

    pip install ".[research]"
    python datasets_scripts/mr_hisum.py --annotations mr_hisum.h5 --metadata metadata.csv
        --splits mr_hisum_split.json --out DIR [--youtube8m DIR] [--videos DIR]

Visual features come from YouTube-8M's frame-level TFRecord files, wherever they are below --youtube8m; or
from `features` in mr_hisum.h5, where the original repository's preparation puts the same numbers; or, with
--visual-backbone, from the videos. The videos, named by YouTube id or by video_id, also provide the sound.

T is the number of `gtscore`s; the metadata's duration may differ by one second, and the shorter of the two
counts. Videos that differ by more, or lack something (file, features, row of metadata), are listed in
missing.json.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import functools
import math
import sys
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
from tqdm import tqdm

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from datasets_scripts.building.annotations import Annotation, read_annotation, read_splits
from datasets_scripts.building.builder import (
    LABELS_ALONE,
    GivenColumn,
    Report,
    Settings,
    Video,
    build_dataset,
    file_print,
)
from datasets_scripts.building.console import run_dataset_command
from datasets_scripts.building.media_folders import find_media
from datasets_scripts.building.options import add_extraction_arguments, name_encoders, settings_from
from datasets_scripts.building.youtube8m import RGB_WIDTH, YouTube8M
from modeling_davihd.conversion import EncoderChoice
from modeling_davihd.engines.errors import DatasetError, UnusableVideo, UsageError

METADATA_COLUMNS = ("video_id", "youtube_id", "random_id", "duration")

CARD = """---
license: cc-by-4.0
tags: [video-highlight-detection, video-summarization, mr-hisum]
---
# Mr.HiSum

YouTube videos of YouTube-8M with their "most replayed" statistics as highlight scores, one a second (Sul, Han
and Lee, *Mr. HiSum: A Large-scale Dataset for Video Highlight Detection and Summarization*, NeurIPS 2023;
CC BY 4.0). The videos and their titles stay with their owners and are not in here.

- `labels`: `gtscore` of the original file. Where its length and the metadata's duration differ by one second,
  the shorter counts; a video where they differ by more is left out.
- `change_points`, `gt_summary`: the original's shots, and its summary of 15 % of the length.
- The splits are the original's. Whatever could not be used is in `missing.json`, each with its reason.
"""

Metadata = Mapping[str, Mapping[str, str]]


def read_metadata(path: Path) -> dict[str, dict[str, str]]:
    """The rows of metadata.csv by their video_id. Raises DatasetError naming the file and the column."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path} is not a table of text in UTF-8.") from error
    found = reader.fieldnames or []
    if missing := [name for name in METADATA_COLUMNS if name not in found]:
        raise DatasetError(f"{path} lacks the column {missing[0]}; it has {', '.join(found) or 'none'}.")
    for number, row in enumerate(rows, 2):
        if not _is_positive(row["duration"]):
            raise DatasetError(
                f"{path}, line {number}: the duration is {row['duration']!r}; seconds are needed."
            )
    return {row["video_id"]: row for row in rows}


def _is_positive(text: str | None) -> bool:
    try:
        return 0 < float(text or "") < math.inf
    except ValueError:
        return False


@dataclasses.dataclass(frozen=True)
class Entry(Annotation):
    """One video, and whether it has features."""

    has_features: bool

    def cut(self, seconds: int) -> Entry:
        """Its first seconds."""
        return dataclasses.replace(self, labels=self.labels[:seconds], gt_summary=self.gt_summary[:seconds])


def read_entry(group: h5py.Group, path: Path) -> Entry:
    """One group of mr_hisum.h5. Raises DatasetError naming file and video if something is wrong with it."""
    found = read_annotation(group, path, "gtscore")
    return Entry(found.labels, found.change_points, found.gt_summary, "features" in group)


@dataclasses.dataclass(frozen=True)
class Source:
    """Where features come from: `youtube8m`, or the annotation file if `stored`; `media`: files by name."""

    annotations: Path
    stored: bool = False
    youtube8m: YouTube8M | None = None
    media: Mapping[str, Path] | None = None

    @functools.cached_property
    def identity(self) -> str:
        """What the features depend on, if they are stored in the annotation file."""
        return file_print(self.annotations) if self.stored else ""

    def rgb(self, name: str, row: Mapping[str, str]) -> dict[str, np.ndarray]:
        """The visual features of one video. Raises UnusableVideo if there are none."""
        if self.youtube8m:
            return {"visual_features": self.youtube8m.rgb(row["random_id"], row.get("yt8m_file") or None)}
        with h5py.File(self.annotations, "r") as file:
            return {"visual_features": file[name]["features"][()].astype(np.float32)}

    def film(self, name: str, row: Mapping[str, str]) -> Path | None:
        """The video's file, if videos are used. Raises UnusableVideo if it is not there."""
        if self.media is None:
            return None
        for known in (row["youtube_id"], name):
            if known in self.media:
                return self.media[known]
        raise UnusableVideo(f"The folder of videos has neither {row['youtube_id']} nor {name}.")


def video_of_entry(name: str, split: str, entry: Entry, row: Mapping[str, str], source: Source) -> Video:
    """The video of an entry. Raises UnusableVideo, with the reason, if it cannot be used."""
    seconds = min(len(entry.labels), math.ceil(float(row["duration"])))
    if max(len(entry.labels), math.ceil(float(row["duration"]))) - seconds > 1:
        raise UnusableVideo(f"It has {len(entry.labels)} gtscores, but lasts {row['duration']} s.")
    if source.stored and not entry.has_features:
        raise UnusableVideo(f"{source.annotations.name} has no features of it.")
    entry = entry.cut(seconds)
    given = source.stored or source.youtube8m
    return Video(
        video_id=name,
        split=split,
        labels=entry.labels,
        media=source.film(name, row),
        duration=float(seconds),
        given=functools.partial(source.rgb, name, row) if given else None,
        identity=row["random_id"] if source.youtube8m else source.identity,
        extras={"change_points": entry.change_points, "gt_summary": entry.gt_summary},
    )


def videos_of_entries(
    entries: Mapping[str, Entry], splits: Mapping[str, str], metadata: Metadata, source: Source
) -> tuple[list[Video], list[tuple[str, str]]]:
    """The videos to build, in the order of the splits, and (video_id, reason) of the others."""
    videos, missing = [], []
    for name, split in splits.items():
        try:
            if name not in entries:
                raise UnusableVideo(f"{source.annotations.name} has no such video.")
            if name not in metadata:
                raise UnusableVideo("The metadata have no such video.")
            videos.append(video_of_entry(name, split, entries[name], metadata[name], source))
        except UnusableVideo as error:
            missing.append((name, str(error)))
    unused = (entries.keys() | metadata.keys()) - splits.keys()
    return videos, missing + [(name, "It is in no split.") for name in sorted(unused)]


def read_entries(path: Path) -> dict[str, Entry]:
    """All videos of mr_hisum.h5, without their features. Raises DatasetError naming the file."""
    if not path.is_file():
        raise DatasetError(f"There is no annotation file {path}.")
    try:
        with h5py.File(path, "r") as file:
            names = tqdm(list(file), unit="video", disable=None, desc=path.name)
            return {name: read_entry(file[name], path) for name in names}
    except OSError as error:
        raise DatasetError(f"{path} is not a readable HDF5 file: {error}.") from error


def build_mr_hisum(
    annotations: Path,
    metadata: Path,
    splits: Path,
    out: Path,
    *,
    youtube8m: Path | None = None,
    videos: Path | None = None,
    settings: Settings = LABELS_ALONE,
) -> Report:
    """Build, or go on building, the dataset of Mr.HiSum in the folder `out`.

    annotations, metadata, splits: mr_hisum.h5, metadata.csv and mr_hisum_split.json.
    youtube8m: a folder of YouTube-8M's frame-level .tfrecord files, to take the visual features from; without
        it they come from `annotations`, if it has some and `settings` name no visual backbone.
    videos: a folder of the videos, named by YouTube id or video_id, to compute `settings` of.

    Videos that cannot be used are listed in missing.json. Raises DatasetError naming the file that is wrong,
    and UsageError if `settings` name a visual encoder beside `youtube8m`.
    """
    if youtube8m and "visual" in settings.encoders:
        raise UsageError("YouTube-8M brings the visual features, so the settings cannot name their encoder.")
    rows_of_metadata, split_of = read_metadata(metadata), read_splits(splits)
    entries = read_entries(annotations)
    records, stored = None, False
    if youtube8m:
        records = YouTube8M(youtube8m, {row["random_id"] for row in rows_of_metadata.values()})
    elif "visual" not in settings.encoders:
        stored = any(entries[name].has_features for name in split_of if name in entries)
    if records or stored:
        given = {"visual_features": GivenColumn(RGB_WIDTH, "YouTube-8M")}
        encoders = {"visual": EncoderChoice("inception_v3"), **settings.encoders}
        settings = dataclasses.replace(settings, encoders=encoders, given=given)
    source = Source(annotations, stored, records, find_media(videos) if videos else None)
    rows, missing = videos_of_entries(entries, split_of, rows_of_metadata, source)
    if not rows:
        raise DatasetError(f"None of the {len(split_of)} videos of {splits} can be used: {missing[0][1]}")
    return build_dataset(out, rows, settings, card=CARD, missing=missing, mismatched="leave out")


def main(arguments: list[str] | None = None) -> int:
    """Command line. Exit status 0, 1 for wrong data, 2 for wrong usage."""
    parser = argparse.ArgumentParser(description="Mr.HiSum's labels, with features, to a dataset.")
    for name, kind, help_text in (
        ("annotations", "FILE", "mr_hisum.h5"),
        ("metadata", "FILE", "metadata.csv"),
        ("splits", "FILE", "mr_hisum_split.json"),
        ("out", "DIR", "folder of the dataset"),
    ):
        parser.add_argument(f"--{name}", type=Path, required=True, metavar=kind, help=help_text)
    parser.add_argument(
        "--youtube8m", type=Path, metavar="DIR", help="YouTube-8M's frame-level .tfrecord files"
    )
    parser.add_argument("--videos", type=Path, metavar="DIR", help="videos, named by YouTube id or video_id")
    add_extraction_arguments(parser)
    options = parser.parse_args(arguments)
    if not options.videos and name_encoders(options):
        parser.error("features are computed from videos, so a backbone needs --videos DIR")
    if options.youtube8m and options.visual_backbone != "none":
        parser.error("--youtube8m brings the visual features, so --visual-backbone has nothing to do")
    return run_dataset_command(lambda: _build(options), parser.prog)


def _build(options: argparse.Namespace) -> None:
    report = build_mr_hisum(
        options.annotations,
        options.metadata,
        options.splits,
        options.out,
        youtube8m=options.youtube8m,
        videos=options.videos,
        settings=settings_from(options) if options.videos else LABELS_ALONE,
    )
    print(report)


if __name__ == "__main__":
    sys.exit(main())
