"""What labels say of videos, whatever file they come from, and the scores a second that they amount to."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from datasets_scripts.building.splits import SPLITS
from modeling_davihd.engines.errors import DatasetError
from modeling_davihd.readers.base import entry_of, number_of

END_TOLERANCE = 0.1  # seconds; a film's headers may claim this much more than can be decoded


class Interval(NamedTuple):
    """A highlight: its start and end in seconds, its score in [0, 1], and its kind, "" if there is none."""

    start: float
    end: float
    score: float = 1.0
    kind: str = ""


@dataclass
class VideoLabels:
    """What is said of a video: the score of each second, or its highlights."""

    seconds: dict[int, float] = field(default_factory=dict)
    intervals: list[Interval] = field(default_factory=list)
    split: str | None = None

    def set_split(self, where: str, split: str) -> None:
        """Put the video into a split. Raises DatasetError if there is none such, or if it is in another."""
        if split not in SPLITS:
            raise DatasetError(f"{where}: split is {split!r}; it needs to be one of {', '.join(SPLITS)}.")
        if self.split not in (None, split):
            raise DatasetError(f"{where}: split is {split!r}, and was {self.split!r} for the same video.")
        self.split = split

    def add_second(self, where: str, second: int, score: object) -> None:
        """Say a second's score. Raises DatasetError if it has one, or if this one is not in [0, 1]."""
        if second in self.seconds:
            raise DatasetError(f"{where}: second {second} of this video has a score already.")
        self.seconds[second] = score_of(where, score)

    def add_interval(self, where: str, start: object, end: object, score: object, kind: str = "") -> None:
        """Add a highlight. Raises DatasetError if it is there already, ListError if it is no range."""
        entry = entry_of(where, start, end, kind)
        interval = Interval(entry.start, entry.end, score_of(where, score), entry.words)
        if interval[:2] in [known[:2] for known in self.intervals]:
            raise DatasetError(f"{where}: the highlight from {start} s to {end} s is there twice.")
        self.intervals.append(interval)


@dataclass(frozen=True)
class LabelFile:
    """The labels of videos, by their paths in their folder, and whether they are scores of seconds.

    source: the file or files, as messages name them.
    """

    source: str
    videos: dict[str, VideoLabels]
    per_second: bool

    @property
    def kinds(self) -> list[str]:
        """The kinds of the highlights, sorted."""
        found = {one.kind for video in self.videos.values() for one in video.intervals}
        return sorted(found - {""})


def score_of(where: str, value: object) -> float:
    """A score. Raises DatasetError or ListError, beginning with `where`, unless it is a number in [0, 1]."""
    score = number_of(where, "score", value)
    if not 0 <= score <= 1:
        raise DatasetError(f"{where}: score is {value!r}; it needs to be from 0 to 1.")
    return score


def scores_of_seconds(video: str, labels: VideoLabels) -> np.ndarray:
    """Labels (T,) of scores a second. Raises DatasetError if a second has no score."""
    scores = [labels.seconds.get(second) for second in range(len(labels.seconds))]
    if None in scores:
        raise DatasetError(f"{video}: has no score for second {scores.index(None)}, but for later ones.")
    return np.array(scores, np.float32)


def scores_of_intervals(video: str, intervals: Iterable[Interval], duration: float) -> np.ndarray:
    """Labels (ceil(duration),) of highlights. Raises DatasetError if one ends after the video."""
    seconds = math.ceil(duration)
    begins = np.arange(seconds)
    ends = np.minimum(begins + 1, duration)
    labels = np.zeros(seconds)
    for start, end, score, _ in intervals:
        if end > seconds + END_TOLERANCE:
            raise DatasetError(
                f"{video}: its highlight from {start:g} s to {end:g} s ends after the video ({duration:g} s)."
            )
        share = (np.minimum(end, ends) - np.maximum(start, begins)).clip(min=0) / (ends - begins)
        labels = np.maximum(labels, score * share)
    return labels.astype(np.float32)
