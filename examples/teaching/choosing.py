"""Which way of teaching does best on films that it was not taught with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from scipy.stats import t as student
from tqdm import tqdm

from examples.teaching.tuning import STEPS, Studied, Taste, begin, tuned
from modeling_davihd import DAViHDModel
from modeling_davihd.files import whole
from modeling_davihd.metrics.highlight_detection.scores import average_precision

MOST_FOLDS = 8
LUCK = 0.15  # how often chance alone may make a gain that is taken for one

Scores = list[np.ndarray]  # of every film, (T,)


@dataclass(frozen=True)
class Way:
    """A way of teaching. gate: whether what seconds sound like has a say. steps: of tuning, if any."""

    title: str
    gate: bool
    steps: int = 0

    def __str__(self) -> str:
        return f"{self.title}, {self.steps} steps" if self.steps else self.title


UNTAUGHT = Way("untaught", gate=False)
GATED = Way("untaught dynamics with a gate", gate=True)
WAYS = (
    UNTAUGHT,
    GATED,
    *(Way("dynamics and gate tuned together", gate=True, steps=steps) for steps in STEPS),
    *(Way("dynamics tuned alone", gate=False, steps=steps) for steps in STEPS),
)


def taught(
    films: Sequence[Studied], network: DAViHDModel, ways: Sequence[Way], seed: int = 0
) -> Iterator[tuple[Way, Taste]]:
    """What each of the ways makes of the films; to be used before the next one is asked for."""
    gated = begin(network, films)
    for start in (gated, Taste(network, None, gated.scale)):
        chosen = {way.steps: way for way in ways if way.gate == (start.gate is not None)}
        if 0 in chosen:
            yield chosen[0], start
        steps = sorted(set(chosen) - {0})
        if steps:
            for number, taste in zip(steps, tuned(start, films, steps, seed), strict=True):
                yield chosen[number], taste


def cross_validate(films: Sequence[Studied], network: DAViHDModel, work: Path) -> dict[Way, Scores]:
    """The scores of every film by each way, taught with the other films, or with those of other folds.

    What is done of it is kept in the folder `work`, which has to be one for these films and labels.
    """
    scores: dict[Way, Scores] = {way: [np.empty(0)] * len(films) for way in WAYS}
    work.mkdir(parents=True, exist_ok=True)
    for number, held_out in enumerate(tqdm(folds_of(films), unit="fold", disable=None, desc="trying")):
        path = work / f"fold-{number}.safetensors"
        if not path.is_file():
            found = try_fold(films, held_out, network, number)
            with whole(path) as partial:
                save_file(found, partial)
        for name, tensor in load_file(path).items():
            way, film = map(int, name.split("/"))
            scores[WAYS[way]][film] = tensor.numpy()
    return scores


def try_fold(
    films: Sequence[Studied], held_out: Sequence[int], network: DAViHDModel, seed: int
) -> dict[str, torch.Tensor]:
    """The scores of the films held out, by "the number of the way/that of the film"."""
    others = [film for number, film in enumerate(films) if number not in held_out]
    return {
        f"{WAYS.index(way)}/{number}": torch.from_numpy(taste.scores(films[number]))
        for way, taste in taught(others, network, WAYS, seed)
        for number in held_out
    }


def folds_of(films: Sequence[Studied]) -> list[list[int]]:
    """Each film alone, or MOST_FOLDS groups; films with highlights are dealt out first, and so evenly."""
    order = sorted(range(len(films)), key=lambda number: not films[number].chosen.any())
    count = min(MOST_FOLDS, len(films))
    return [sorted(order[first::count]) for first in range(count)]


class Gain(NamedTuple):
    """What one way gains over another, in average precision: the mean over films with highlights, its
    standard error, and how many films those are."""

    mean: float
    error: float
    films: int

    @property
    def is_real(self) -> bool:
        """Whether chance alone would make such a gain in less than LUCK of all cases."""
        return self.mean > student.ppf(1 - LUCK, self.films - 1) * self.error


def gain_over(before: Scores, after: Scores, chosen: Sequence[np.ndarray]) -> Gain:
    """Of two or more films with highlights."""
    pairs = zip(film_precisions(after, chosen), film_precisions(before, chosen), strict=True)
    gains = np.array([new - old for new, old in pairs if new is not None and old is not None])
    return Gain(float(gains.mean()), float(gains.std(ddof=1) / len(gains) ** 0.5), len(gains))


def film_precisions(scores: Scores, chosen: Sequence[np.ndarray]) -> list[float | None]:
    """The average precision of the seconds of every film; None of one without highlights."""
    pairs = zip(scores, chosen, strict=True)
    return [average_precision(one, truth) if truth.any() else None for one, truth in pairs]


def best_way(scores: Mapping[Way, Scores], chosen: Sequence[np.ndarray]) -> tuple[Way, dict[Way, float]]:
    """The way to teach, and of each the average precision of the seconds of all films together.

    Of few films, the best of many ways is so by luck, and a simpler one mostly does better on others. So it
    is the first of `scores`, which come simplest first, that in the mean of the films is no more than a
    standard error behind the best (the one-standard-error rule: Breiman et al., Classification and Regression
    Trees, 1984). Not to teach is chosen only where nothing ranks the seconds better.
    """
    truth = np.concatenate(chosen)
    found = {way: average_precision(np.concatenate(each), truth) for way, each in scores.items()}
    best = max(found, key=found.__getitem__)

    def suffices(way: Way) -> bool:
        behind = gain_over(scores[way], scores[best], chosen)
        return way == best or (way != UNTAUGHT and behind.mean <= behind.error)

    return next(filter(suffices, found)), found
