"""What a model is taught with: films as features, and which of their seconds were chosen."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import AutoConfig

from datasets_scripts.building.builder import build_dataset
from datasets_scripts.building.label_files.films import Films
from datasets_scripts.building.label_files.labels import (
    Interval,
    LabelFile,
    VideoLabels,
    scores_of_intervals,
    scores_of_seconds,
)
from datasets_scripts.building.settings import Settings
from datasets_scripts.building.videos import Video
from examples.training.data import HighlightDataset, read_dataset
from examples.training.runs import fit_extractor
from modeling_davihd import DEFAULT_CHECKPOINT
from modeling_davihd.conversion import EncoderChoice
from modeling_davihd.edges import joined
from modeling_davihd.engines.errors import DatasetError
from modeling_davihd.readers import ListWarning
from modeling_davihd.wording import some

SEMANTIC = EncoderChoice("yamnet")
FEWEST = 3  # films
TAUGHT_WITH = ("train", "validation")  # of a dataset's splits
CARD = "---\ntags: [video-highlight-detection]\n---\n# Features of the films that a model is taught with\n"

Span = tuple[float, float]


@dataclass(frozen=True)
class Lesson:
    """A film and what was chosen of it.

    log_mel: (M, F), of any precision. features: (T, D), what each second sounds like. spans: start and end of
    the highlights, in seconds. chosen: (T,) of bool, the seconds that they take up.
    """

    name: str
    log_mel: torch.Tensor
    features: torch.Tensor
    spans: list[Span]
    chosen: np.ndarray


def labels_of(films: Films, labels: LabelFile) -> dict[str, VideoLabels]:
    """The labels of the films that are there, in the order of their names; the others are warned of.

    Raises DatasetError if no film is labelled, or nothing was chosen of any.
    """
    absent = [name for name in labels.videos if name not in films.names]
    unlabelled = [name for name in films.names if name not in labels.videos]
    for names, why in (
        (absent, f"there is no such film in {films.folder}"),
        (unlabelled, f"{labels.source} says nothing of it"),
    ):
        if names:
            warnings.warn(f"{some(names)}: {why}; left out.", ListWarning, stacklevel=2)
    found = {name: labels.videos[name] for name in films.names if name in labels.videos}
    if not found:
        raise DatasetError(f"{films.folder}: holds none of the films that {labels.source} names.")
    if not any(each.intervals or any(each.seconds.values()) for each in found.values()):
        raise DatasetError(f"{labels.source}: has no highlight in any film, so there is nothing to learn.")
    return found


def make_lessons(films: Films, labels: dict[str, VideoLabels], work: Path) -> list[Lesson]:
    """Compute the features of the labelled films, or go on doing so, in the folder `work`.

    A film that cannot be read is warned of. Raises DatasetError for labels that do not fit their film, and
    if fewer than FEWEST films, or fewer than two of which something was chosen, are left.
    """
    videos = [Video(name, "train", None, media=films.folder / name) for name in labels]
    report = build_dataset(work, videos, Settings({"semantic": SEMANTIC}), card=CARD, rows_per_shard=1)
    for _, reason in report.missing:
        warnings.warn(f"{reason.rstrip('.')}; left out.", ListWarning, stacklevel=2)
    highest = max(score for each in labels.values() for score in (0.0, *each.seconds.values()))
    rows = read_dataset(work).splits["train"]
    lessons = []
    for index, (name, duration) in enumerate(
        zip(rows.column("video_id"), rows.column("duration"), strict=True)
    ):
        spans, chosen = chosen_of(name, labels[name], duration, highest / 2)
        arrays = rows.arrays(index, ["log_mel", "semantic_features"])
        log_mel, features = (torch.from_numpy(array) for array in arrays.values())
        lessons.append(Lesson(name, log_mel, features.float(), spans, fitted(chosen, len(features))))
    check_chosen([lesson.chosen for lesson in lessons])
    return lessons


def read_lessons(dataset: HighlightDataset) -> list[Lesson]:
    """The training and validation videos of a dataset with such features, by their scores a second.

    Its test videos are left for testing. Raises ValueError naming the dataset unless its features are those
    that `make_lessons` computes, and as that does if too few videos are left.
    """
    config = AutoConfig.from_pretrained(DEFAULT_CHECKPOINT)
    fit_extractor(DEFAULT_CHECKPOINT, config, dataset.extraction)
    parts = [
        dataset.rows(split, ("semantic", "dynamics"), config.log_mel_rate)
        for split in TAUGHT_WITH
        if split in dataset.splits
    ]
    if (encoder := dataset.extraction["semantic_backbone"]) != SEMANTIC.name:
        raise ValueError(
            f"The semantic features of {dataset.source} were made with {encoder}; those of {SEMANTIC.name} "
            "are needed."
        )
    highest = max((labels.max() for part in parts for labels in part.labels), default=0)
    lessons = []
    for name, row in (pair for part in parts for pair in zip(part.video_ids, part, strict=False)):
        spans, chosen = chosen_by_scores(row["labels"].numpy(), highest / 2)
        lessons.append(Lesson(name, row["log_mel"], row["semantic_features"].float(), spans, chosen))
    check_chosen([lesson.chosen for lesson in lessons])
    return lessons


def check_chosen(chosen: Sequence[np.ndarray]) -> None:
    """Raise DatasetError if films are too few to learn from and to be tried on. chosen: (T,) of each."""
    if len(chosen) < FEWEST:
        raise DatasetError(f"Only {len(chosen)} labelled films can be read; at least {FEWEST} are needed.")
    if (count := sum(bool(seconds.any()) for seconds in chosen)) < 2:
        raise DatasetError(
            f"Only {count} of {len(chosen)} films has highlights; at least 2 are needed, to learn from one "
            "and be tried on the other."
        )
    if all(seconds.all() for seconds in chosen):
        raise DatasetError("Every second of every film is a highlight, so there is nothing to tell apart.")


def chosen_of(
    name: str, labels: VideoLabels, duration: float, threshold: float
) -> tuple[list[Span], np.ndarray]:
    """The highlights of a film and the seconds (T,) that they take up.

    Of highlights: seconds at least half of which one covers and, of a shorter one, that which it covers most,
    whatever its score. Of scores a second: those at or above the threshold. Raises DatasetError for a
    highlight that ends after the film, for a second without a score, and if scores and film differ by more
    than a second.
    """
    if labels.seconds:
        scores = scores_of_seconds(name, labels)
        if abs(len(scores) - math.ceil(duration)) > 1:
            raise DatasetError(f"{name}: has {len(scores)} scores; it lasts {duration:g} s.")
        return chosen_by_scores(scores, threshold)
    spans = joined((one.start, one.end) for one in labels.intervals if one.score > 0)
    chosen = scores_of_intervals(name, [Interval(*span) for span in spans], duration) >= 0.5
    for span in spans:
        chosen[scores_of_intervals(name, [Interval(*span)], duration).argmax()] = True
    return spans, chosen


def chosen_by_scores(scores: np.ndarray, threshold: float) -> tuple[list[Span], np.ndarray]:
    """The seconds (T,) whose score (T,) is at or above the threshold, and the stretches that they make up."""
    chosen = scores >= max(threshold, np.finfo(np.float32).tiny)
    edges = np.flatnonzero(np.diff(chosen, prepend=False, append=False))
    return [(float(start), float(end)) for start, end in edges.reshape(-1, 2)], chosen


def fitted(chosen: np.ndarray, seconds: int) -> np.ndarray:
    """So many seconds of it, the last ones not chosen if it is shorter."""
    return np.pad(chosen[:seconds], (0, max(0, seconds - len(chosen))))
