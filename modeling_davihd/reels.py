"""One reel from many films: how far their highlights stand out, and which of them it holds.

Scores of different films do not compare: a model's 0.6 may be a quiet minute of one and the best of another.
So a highlight is ranked by its prominence in its own film: how far its mean score is above the film's median,
divided by the standard deviation of all scores of that film, one a second.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .highlights import Highlight
from .writers.base import HighlightResult

if TYPE_CHECKING:
    from .media import Shot

SLACK = 1e-6  # seconds, for what sums of lengths lose
LARGEST_SHARE = 1 / 3  # of a reel, that one of several films has at most
ALL = 1_000_000  # highlights of a film: more than there are


class Pick(NamedTuple):
    """A highlight for a reel, the film that it is of, and its prominence there."""

    film: HighlightResult
    highlight: Highlight
    prominence: float


@dataclass(frozen=True)
class Room:
    """How much a reel holds: seconds in all, and the share of them that one film may have.

    share: None: a third, or as much as makes all films have the same if there are fewer than three, but no
    less than the shortest highlight. shortest, longest: of one highlight, in seconds.
    """

    seconds: float
    share: float | None = None
    shortest: float = 2.0
    longest: float = 30.0

    def for_one_of(self, films: int) -> float:
        """Seconds for one of so many films."""
        if self.share is not None:
            return self.seconds * self.share
        return max(self.seconds * max(LARGEST_SHARE, 1 / max(films, 1)), self.shortest)


def spread_of(film: HighlightResult) -> tuple[float, float]:
    """The median and the standard deviation of a film's scores."""
    scores = np.asarray(film.scores, np.float64)
    return float(np.median(scores)), float(scores.std())


def prominence(film: HighlightResult, highlight: Highlight) -> float:
    """How far a highlight's mean score is above the film's median, in standard deviations of its scores."""
    median, deviation = spread_of(film)
    return float((highlight.score - median) / max(deviation, np.finfo(float).tiny))


def picks_of(film: HighlightResult) -> list[Pick]:
    """All highlights of a film."""
    return [Pick(film, one, prominence(film, one)) for one in film.highlights]


def candidates(film: HighlightResult, room: Room, films: int) -> HighlightResult:
    """A scored film with what of it may get into a reel of so many films: its best highlights, by time.

    They would fill the reel by themselves if there are enough. A film in which nothing reaches the level of
    its calibration has none.
    """
    longest = max(room.shortest, min(room.longest, room.for_one_of(films)))
    limits = {"min_length": room.shortest, "max_length": longest}
    if not film.with_highlights(**limits).highlights:
        return replace(film, highlights=[])
    kept: list[Highlight] = []
    found = film.with_highlights(top_k=ALL, **limits).highlights
    for highlight in sorted(found, key=lambda one: -one.score):
        if sum(one.end - one.start for one in kept) < room.seconds:
            kept.append(highlight)
    return replace(film, highlights=sorted(kept, key=lambda one: one.start))


def choose(films: Sequence[HighlightResult], room: Room) -> list[Pick]:
    """The picks for a reel, the most prominent first; of equal ones the earlier film and time.

    Each is taken unless it is longer than what is left of the reel or of its film's share.
    """
    picks = ranked(films)
    own = room.for_one_of(len({pick.film.source for pick in picks}))
    left, used, chosen = room.seconds, Counter[Path](), []
    for pick in picks:
        length = pick.highlight.end - pick.highlight.start
        if length <= left + SLACK and used[pick.film.source] + length <= own + SLACK:
            chosen.append(pick)
            left -= length
            used[pick.film.source] += length  # type: ignore[assignment]
    return chosen


def ranked(films: Sequence[HighlightResult]) -> list[Pick]:
    """All highlights of films, the most prominent first."""
    picks = [pick for film in films for pick in picks_of(film)]
    return sorted(picks, key=lambda pick: -pick.prominence)


def shots(picks: Sequence[Pick]) -> list[Shot]:
    """The pieces of films that picks stand for."""
    from .media import Shot

    return [Shot(pick.film.probed()[0], pick.highlight.start, pick.highlight.end) for pick in picks]


__all__ = ["Pick", "Room", "candidates", "choose", "picks_of", "prominence", "ranked", "shots", "spread_of"]
