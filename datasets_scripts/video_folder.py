"""A folder of your own videos and the labels that you have -> a dataset.

    python datasets_scripts/video_folder.py --videos DIR --labels FILE --out DIR --visual-backbone statistics

FILE is one or more of these, or a folder of them (docs/labels.md has an example of each):

    labels.csv         video,second,score              a score from 0 to 1 for every second 0, 1, 2, ...
    labels.csv         video,start,end[,score][,kind]  highlights in seconds, of score 1 unless it is given
    labels.json        {"a.mp4": [0.1, 0.7, ...]}
    labels.json        {"a.mp4": [{"start": 3, "end": 7.5, "score": 0.8, "kind": "goal"}, ...]}
    a.highlights.json  what `davihd highlight` has written, and you may have edited
    cut.edl            an edit list, or .otio, .fcpxml, .xml of Final Cut Pro 7: what it uses of each video
    a.txt              a label track of Audacity, or lines of `1:02:03-1:02:20 goal`

In a CSV or JSON, `video` is the file's path in DIR. A CSV may also have a column `split`: train, validation
or test. Without it, videos are dealt out by --validation, --test and --seed. From highlights, a second gets
the score of the highlight in it, times the share of the second that this takes up; the largest of several,
or 0 if there is none. --only KIND keeps highlights of that kind.

--reels FILE, instead of --labels or beside it: what was cut from the videos, or a folder of such reels. Where
it comes from is found by its sound, to the frame, and these are the highlights.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from datasets_scripts.building.builder import (
    Report,
    Settings,
    Video,
    build_dataset,
    check_computes,
)
from datasets_scripts.building.console import run_dataset_command
from datasets_scripts.building.label_files.films import Films
from datasets_scripts.building.label_files.labels import LabelFile, scores_of_intervals, scores_of_seconds
from datasets_scripts.building.label_files.reading import read_labels
from datasets_scripts.building.options import add_extraction_arguments, settings_from
from modeling_davihd.engines.errors import DatasetError, UsageError

HELD_OUT_SHARE = 0.15  # of the videos, for validation and again for test

CARD = """---
tags: [video-highlight-detection]
---
# Highlights of a folder of videos

Made by `datasets_scripts/video_folder.py` from {count} videos and the labels in {labels}: {kind}.
The videos are not in here, only features of them; they and the labels stay under their owners' terms.
"""


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
    labels: Sequence[Path],
    out: Path,
    settings: Settings,
    *,
    reels: Sequence[Path] = (),
    only: Collection[str] = (),
    validation: float | None = None,
    test: float | None = None,
    seed: int = 0,
) -> Report:
    """Build, or go on building, in the folder `out`, a dataset of a folder of videos and files of labels.

    reels: films or sounds that were cut from the videos, or folders of such.
    only: kinds of highlights to keep; all by default.
    validation, test: shares of the videos, by default HELD_OUT_SHARE. They have to be None if the labels say
        which split each video is in. seed: of dealing the videos out.

    Labelled videos that are not there are listed in missing.json; what cannot be used of labels and reels is
    said in a ListWarning. Raises UsageError for impossible shares, for a kind that there is not and for
    settings that compute nothing, and DatasetError for wrong labels and for videos without labels.
    """
    for name, share in (("validation", validation), ("test", test)):
        if share is not None and not 0 <= share < 1:
            raise UsageError(f"--{name} is {share:g}; a share of the videos is from 0 to below 1.")
    check_computes(settings)
    films = Films(videos)
    label_file = read_labels(labels, films, only, reels)
    found = labelled_videos(films, label_file)
    splits = splits_of(found, label_file, validation, test, seed)
    rows = [labelled_video(videos, name, splits[name], label_file) for name in found]
    absent = [name for name in label_file.videos if name not in splits]
    missing = [(name, f"there is no such file in {videos.name}") for name in absent]
    if not rows:
        raise DatasetError(f"{videos}: holds none of the videos that {label_file.source} names.")
    kind = "a score for every second" if label_file.per_second else "highlights from start to end"
    card = CARD.format(count=len(rows), labels=_file_names([*labels, *reels]), kind=kind)
    return build_dataset(out, rows, settings, card=card, missing=missing)


def _file_names(paths: Sequence[Path]) -> str:
    return ", ".join(f"`{path.name}`" for path in paths)


def labelled_videos(films: Films, labels: LabelFile) -> list[str]:
    """The videos in the folder, by their paths in it. Raises DatasetError for one that has no labels."""
    if unlabelled := [video for video in films.names if video not in labels.videos]:
        raise DatasetError(
            f"{unlabelled[0]}: is in {films.folder}, but has no labels in {labels.source}"
            + (f", nor have {len(unlabelled) - 1} others." if unlabelled[1:] else ".")
        )
    return films.names


def splits_of(
    videos: list[str], labels: LabelFile, validation: float | None, test: float | None, seed: int
) -> dict[str, str]:
    """The split of each video: as the label file says, or else dealt out by shares and seed."""
    given = {video: labels.videos[video].split for video in videos}
    if not any(given.values()):
        shares = [HELD_OUT_SHARE if share is None else share for share in (validation, test)]
        return split_by_hash(videos, *shares, seed)
    if (validation, test) != (None, None):
        raise UsageError(f"{labels.source} has a column split, so --validation and --test have no meaning.")
    return given


def labelled_video(folder: Path, name: str, split: str, labels: LabelFile) -> Video:
    """A video of the folder with its labels. Raises DatasetError if a second has no score."""
    own = labels.videos[name]
    if labels.per_second:
        scores = scores_of_seconds(name, own)
    else:
        scores = functools.partial(scores_of_intervals, name, own.intervals)
    identity = json.dumps([interval[:3] for interval in own.intervals])  # kinds do not change the scores
    return Video(name, split, scores, media=folder / name, identity=identity)


def main(arguments: list[str] | None = None) -> int:
    """Command line. Exit status 0, 1 for wrong data, 2 for wrong usage."""
    parser = argparse.ArgumentParser(
        description="A folder of videos and the labels that you have, to a dataset.",
        epilog=__doc__.split("\n\n", 2)[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--videos", type=Path, required=True, metavar="DIR", help="folder of the videos")
    parser.add_argument(
        "--labels", type=Path, nargs="+", default=[], metavar="FILE", help="files or folders, below"
    )
    parser.add_argument(
        "--reels", type=Path, nargs="+", default=[], metavar="FILE", help="what was cut from them, below"
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="KIND", help="highlights to keep; may be repeated"
    )
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
        reels=options.reels,
        only=options.only,
        validation=options.validation,
        test=options.test,
        seed=options.seed,
    )
    print(report)


if __name__ == "__main__":
    sys.exit(main())
