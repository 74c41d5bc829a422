"""TVSum (Song et al., CVPR 2015): the original annotations, and the films if you have them -> a dataset.

    pip install ".[research]"
    python datasets_scripts/tvsum.py --annotations ydata-tvsum50.mat --out DIR [--videos DIR]
    python datasets_scripts/tvsum.py --annotations ydata-tvsum50-anno.tsv --out DIR [--videos DIR]

The ground truth is that of the released code, as a function of time. T is the film's length L rounded half
up, as in the release's table of lengths; `duration` is the smaller of L and T, so that T = ceil(duration): a
last fragment shorter than half a second is left out. Second t takes the rating shown at t L / (T - 1),
interpolated between two frames: an instant of [t, t + 1], or up to half a second later at the end of a film
whose last fragment is left out. `user_scores` are (rating - 1) / 4 of each annotator, `labels` their mean.

`folds` are those of the released code: entry s is the fold, 0 to 4, in which the video is tested under
SEEDS[s]. That code also selects the epoch on the test fold. The dataset's splits are an honest alternative:
under the first seed, fold 0 is "test", fold 1 "validation" and the rest "train".
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import math
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from datasets_scripts.building.builder import (
    LABELS_ALONE,
    Report,
    Settings,
    Video,
    build_dataset,
)
from datasets_scripts.building.console import run_dataset_command
from datasets_scripts.building.media_folders import find_media
from datasets_scripts.building.options import add_extraction_arguments, name_encoders, settings_from
from modeling_davihd.engines.errors import DatasetError

SEEDS = (42, 123, 456, 777, 999)
FOLDS = 5
SHOT_SECONDS = 2
SHOT_FPS = 30  # of the frames that ratings of whole shots are repeated over
SLOWEST_FPS = 5  # with so many ratings a second or more, there is one for each frame
MOST_SHOTS = 1800  # an hour; more ratings than that are one a frame, and need a length to tell the rate

CARD = """---
license: cc-by-3.0
tags: [video-highlight-detection, video-summarization, tvsum]
---
# TVSum

50 web videos of ten categories, each rated by 20 people for importance from 1 to 5, one shot of two seconds
after the other (Song, Vallmitjana, Stent and Jaimes, *TVSum: Summarizing web videos using titles*, CVPR
2015).
The videos are CC-BY 3.0; they and their titles stay with their owners and are not in here.

- `user_scores`: (rating - 1) / 4 of every annotator, second by second; `labels`: their mean.
- Ground truth: T is the film's length L rounded half up; a last fragment below half a second is left out.
  Second t takes the rating shown at t L / (T - 1), linearly between two frames.
- `folds`: entry s is the fold (0 to 4) in which the video is tested under the s-th of the seeds
  {seeds}: the ids in order, permuted by NumPy's RandomState(seed), in five equal parts.
- `train`, `validation` and `test` are folds 2 to 4, fold 1 and fold 0 of the first seed, so that no model is
  selected on videos that it is tested on.
"""


@dataclasses.dataclass(frozen=True)
class RatedFilm:
    """One film: `ratings` (users, frames) from 1 to 5, evenly spread over `length` seconds."""

    video_id: str
    ratings: np.ndarray
    length: float

    @property
    def seconds(self) -> int:
        """T, the number of rows: the length rounded half up."""
        return math.floor(self.length + 0.5)

    @property
    def duration(self) -> float:
        """Seconds that the rows cover."""
        return min(self.length, float(self.seconds))

    def user_scores(self) -> np.ndarray:
        """(T, users) float32 in [0, 1]."""
        return np.stack([self._by_second(scores) for scores in (self.ratings - 1) / 4], axis=1)

    def labels(self) -> np.ndarray:
        """(T,) float32 in [0, 1]: the mean of the annotators, taken before the rounding to float32."""
        return self._by_second(((self.ratings - 1) / 4).mean(axis=0))

    def _by_second(self, frames: np.ndarray) -> np.ndarray:
        times = np.linspace(0, self.seconds - 1, len(frames))
        return np.interp(np.arange(self.seconds), times, frames).astype(np.float32)


def read_annotations(path: Path, info: Path | None = None) -> list[RatedFilm]:
    """The films of ydata-tvsum50.mat, or of ydata-tvsum50-anno.tsv with the lengths of `info`.

    Raises DatasetError naming the file and the film if the content is not that of TVSum.
    """
    if not path.is_file():
        raise DatasetError(f"There is no annotation file {path}.")
    if path.suffix == ".mat":
        films = list(_read_mat(path))
    elif path.suffix == ".tsv":
        films = list(_read_tsv(path, read_lengths(path, info)))
    else:
        raise DatasetError(f"{path} is neither the .mat nor the .tsv file of TVSum's annotations.")
    _check_films(films, path)
    return films


def _check_films(films: Sequence[RatedFilm], path: Path) -> None:
    """Raise DatasetError naming the first film that is not as in TVSum."""
    if not films:
        raise DatasetError(f"{path} holds no video.")
    for film in films:
        where, ratings = f"{path}, video {film.video_id}", film.ratings
        if not np.isin(ratings, (1, 2, 3, 4, 5)).all():
            odd = ratings[~np.isin(ratings, (1, 2, 3, 4, 5))][0]
            raise DatasetError(f"{where}: a rating is {odd:g}, but whole numbers from 1 to 5 are needed.")
        if not (math.isfinite(film.length) and film.seconds >= 1):
            raise DatasetError(
                f"{where}: the length is {film.length} s, but at least half a second is needed."
            )
        if len(ratings) != len(films[0].ratings):
            raise DatasetError(
                f"{where}: has {len(ratings)} annotators, but video {films[0].video_id} has "
                f"{len(films[0].ratings)}; all need the same number."
            )
    _check_unique([film.video_id for film in films], path)


def _check_unique(ids: Sequence[str], path: Path) -> None:
    if repeated := [name for name, count in Counter(ids).items() if count > 1]:
        raise DatasetError(f"{path} holds video {repeated[0]} more than once.")


def _read_mat(path: Path) -> Iterator[RatedFilm]:
    """MATLAB v7.3 is HDF5: each field of the struct is a column of references, one for each film."""
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise DatasetError(f"{path} is not a MATLAB v7.3 (HDF5) file.") from error
    with file:
        struct = file.get("tvsum50")
        names = ("video", "length", "nframes", "user_anno")
        missing = [name for name in names if not (isinstance(struct, h5py.Group) and name in struct)]
        if missing:
            raise DatasetError(f"{path} lacks the field {missing[0]} of the struct tvsum50.")
        columns = [struct[name][()].ravel() for name in names]
        if {column.dtype for column in columns} != {h5py.ref_dtype} or len({len(c) for c in columns}) > 1:
            raise DatasetError(f"{path}: the fields of tvsum50 are not references, one for each video.")
        for references in zip(*columns, strict=True):
            yield _mat_film(path, *(file[reference][()] for reference in references))


def _mat_film(
    path: Path, name: np.ndarray, length: np.ndarray, frames: np.ndarray, ratings: np.ndarray
) -> RatedFilm:
    """One film. MATLAB's text is a column of character codes, and its (frames, users) arrives transposed."""
    video_id = "".join(map(chr, name.ravel()))
    if length.size != 1 or frames.size != 1 or ratings.ndim != 2:
        raise DatasetError(f"{path}, video {video_id}: length, nframes or user_anno has an unknown shape.")
    count = int(frames.item())
    if count not in ratings.shape:
        raise DatasetError(
            f"{path}, video {video_id}: user_anno has the shape {ratings.shape}, but nframes is {count}."
        )
    by_user = ratings if ratings.shape[1] == count else ratings.T
    return RatedFilm(video_id, by_user.astype(float), float(length.item()))


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """The line number and the cells of each row of a .tsv file."""
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        reader = csv.reader(file, delimiter="\t")
        try:
            return [(reader.line_num, row) for row in reader if row]
        except csv.Error as error:
            raise DatasetError(f"{path}, line {reader.line_num}: {error}.") from error


def _read_tsv(path: Path, lengths: Mapping[str, float] | None) -> Iterator[RatedFilm]:
    """One line for each film and annotator: id, category, ratings separated by commas."""
    lines: dict[str, list[np.ndarray]] = {}
    for number, row in _rows(path):
        if len(row) != 3:
            raise DatasetError(
                f"{path}, line {number}: has {len(row)} columns, but id, category and ratings are needed."
            )
        ratings = lines.setdefault(row[0], [])
        ratings.append(_numbers(row[2], f"{path}, line {number}"))
        if len(ratings[-1]) != len(ratings[0]):
            raise DatasetError(
                f"{path}, line {number}: has {len(ratings[-1])} ratings, but an earlier line of {row[0]} has "
                f"{len(ratings[0])}."
            )
    for video_id, ratings in lines.items():
        yield _tsv_film(path, video_id, np.stack(ratings), lengths)


def _numbers(text: str, where: str) -> np.ndarray:
    try:
        return np.array([float(value) for value in text.split(",")])
    except ValueError as error:
        raise DatasetError(f"{where}: the third column is not numbers with commas between them.") from error


def _tsv_film(
    path: Path, video_id: str, ratings: np.ndarray, lengths: Mapping[str, float] | None
) -> RatedFilm:
    """One film, rated once a frame, as in the original release, or once for each shot of two seconds."""
    count, where = ratings.shape[1], f"{path}, video {video_id}"
    if lengths is None:
        if count > MOST_SHOTS:
            raise DatasetError(
                f"{where}: has {count} ratings, one a frame, so --info FILE is needed for its length."
            )
        lengths = {video_id: float(SHOT_SECONDS * count)}
    if video_id not in lengths:
        raise DatasetError(f"{where}: the table of lengths has no such video.")
    length = lengths[video_id]
    if abs(count - length / SHOT_SECONDS) <= SHOT_SECONDS:
        return RatedFilm(video_id, _frames_of_shots(ratings, length), length)
    if count >= SLOWEST_FPS * length:
        return RatedFilm(video_id, ratings, length)
    raise DatasetError(
        f"{where}: has {count} ratings for {length:g} s, but one a frame or one every two seconds is needed."
    )


def _frames_of_shots(ratings: np.ndarray, length: float) -> np.ndarray:
    """(users, shots) -> (users, frames) on the release's grid: shot k > 0 begins one frame after 2 k s."""
    frames = np.arange(max(1, round(length * SHOT_FPS)))
    shot = np.maximum(frames - 1, 0) // (SHOT_SECONDS * SHOT_FPS)
    return ratings[:, np.minimum(shot, ratings.shape[1] - 1)]


def read_lengths(path: Path, info: Path | None) -> dict[str, float] | None:
    """Seconds of each film by the release's table: `info`, or ydata-tvsum50-info.tsv beside the annotations.

    None if there is no such table; then the number of rated shots tells the length, to within two seconds.
    """
    table = info or path.with_name(path.name.replace("-anno", "-info"))
    if info is None and (table == path or not table.is_file()):
        return None
    if not table.is_file():
        raise DatasetError(f"There is no table of lengths {table}.")
    (_, header), *rows = _rows(table) or [(0, [])]
    if missing := {"video_id", "length"} - set(header):
        raise DatasetError(f"{table} lacks the column {min(missing)}; its first line is {header}.")
    name, length = header.index("video_id"), header.index("length")
    if short := [number for number, row in rows if len(row) <= max(name, length)]:
        raise DatasetError(f"{table}, line {short[0]}: has fewer columns than the first line.")
    return {row[name]: _seconds(row[length], f"{table}, line {number}") for number, row in rows}


def _seconds(text: str, where: str) -> float:
    """The seconds of "5:54", "1:05:54" or "353.6"."""
    try:
        seconds = 0.0
        for part in text.split(":"):
            seconds = 60 * seconds + float(part)
        return seconds
    except ValueError as error:
        raise DatasetError(f"{where}: the length is {text!r}, but minutes:seconds are needed.") from error


def assign_folds(ids: Sequence[str]) -> dict[str, np.ndarray]:
    """The test fold of each video under each of SEEDS, (seeds,) int8: scikit-learn's KFold of sorted ids."""
    ordered, folds = sorted(ids), {name: np.zeros(len(SEEDS), np.int8) for name in ids}
    for position, seed in enumerate(SEEDS):
        permuted = np.random.RandomState(seed).permutation(len(ordered))
        for fold, members in enumerate(np.array_split(permuted, FOLDS)):
            for member in members:
                folds[ordered[member]][position] = fold
    return folds


def videos_of_films(
    films: Sequence[RatedFilm], media: Mapping[str, Path] | None
) -> tuple[list[Video], list[tuple[str, str]]]:
    """The videos to build, and (video_id, reason) of films that are not in `media`, unless that is None."""
    folds, videos, missing = assign_folds([film.video_id for film in films]), [], []
    for film in films:
        if media is not None and film.video_id not in media:
            missing.append((film.video_id, "The folder of videos has no file of this name."))
            continue
        own = folds[film.video_id]
        videos.append(
            Video(
                video_id=film.video_id,
                split={0: "test", 1: "validation"}.get(int(own[0]), "train"),
                labels=film.labels(),
                media=media and media[film.video_id],
                duration=film.duration,
                extras={"folds": own, "user_scores": film.user_scores()},
            )
        )
    return videos, missing


def build_tvsum(
    annotations: Path,
    out: Path,
    *,
    info: Path | None = None,
    videos: Path | None = None,
    settings: Settings = LABELS_ALONE,
) -> Report:
    """Build, or go on building, the dataset of TVSum in the folder `out`.

    annotations: ydata-tvsum50.mat or ydata-tvsum50-anno.tsv. info: the table of lengths, if it is not beside
        the .tsv file under its usual name.
    videos: a folder of the films, named by their video ids, to compute `settings` of.

    Films that are not there are listed in missing.json. Raises DatasetError naming the file and the film if
    the annotations are not those of TVSum.
    """
    films = read_annotations(annotations, info)
    rows, missing = videos_of_films(films, None if videos is None else find_media(videos))
    if not rows:
        raise DatasetError(f"{videos} holds none of the {len(films)} videos of {annotations}.")
    card = CARD.format(seeds=", ".join(map(str, SEEDS)))
    return build_dataset(out, rows, settings, card=card, missing=missing, mismatched="leave out")


def main(arguments: list[str] | None = None) -> int:
    """Command line. Exit status 0, 1 for wrong data, 2 for wrong usage."""
    parser = argparse.ArgumentParser(description="TVSum's annotations, and its films, to a dataset.")
    parser.add_argument(
        "--annotations", type=Path, required=True, metavar="FILE", help="ydata-tvsum50.mat or ...-anno.tsv"
    )
    parser.add_argument(
        "--info", type=Path, metavar="FILE", help="lengths; default ...-info.tsv beside a .tsv"
    )
    parser.add_argument("--videos", type=Path, metavar="DIR", help="films, named by their video ids")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the dataset")
    add_extraction_arguments(parser)
    options = parser.parse_args(arguments)
    if not options.videos and name_encoders(options):
        parser.error("features are computed from films, so a backbone needs --videos DIR")
    return run_dataset_command(lambda: _build(options), parser.prog)


def _build(options: argparse.Namespace) -> None:
    settings = settings_from(options) if options.videos else LABELS_ALONE
    report = build_tvsum(
        options.annotations, options.out, info=options.info, videos=options.videos, settings=settings
    )
    print(report)


if __name__ == "__main__":
    sys.exit(main())
