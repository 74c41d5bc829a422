"""Where the edges of highlights go: to shot changes and pauses near by (numbers only; no media).

All times are seconds on the film's own time line. An edge goes to a shot change within a second, else to the
middle of the nearest pause within one and a half, and into a word only where all other places break a limit.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import accumulate, pairwise, product
from typing import NamedTuple

KINDS = ("shots", "pauses")  # what edges may go to
SHOT_REACH = 1.0  # seconds that an edge may go to a shot change
PAUSE_REACH = 1.5  # and to a pause
FARTHEST = 4.0  # and to a pause if nothing nearer keeps it out of a word
CLEAR = 0.25  # seconds from words that will do in a pause whose middle is too far away
BRIEF = 0.15  # seconds between words in which a cut, as exact as they are known, may still touch one
INEXACT = 0.04  # seconds by which the ends of words may be wrong
FLASH = 0.25  # seconds: a shot change in a pause, and so near to the place in it, is the better place
TINY = 1e-9  # seconds
# What places that cut no word cost; both edges of a highlight are weighed together.
AT_SHOT, IN_MIDDLE, CLEAR_OF_WORDS, STAYING, BETWEEN_WORDS, FAR_AWAY = 0, 20, 21, 22, 26, 40

Span = tuple[float, float]
Cost = tuple[int, int, float]
NOTHING: Cost = (0, 0, 0.0)


@dataclass(frozen=True)
class Around:
    """What was found around an edge, in order.

    shots: of each change of shots, where the old one is over and where the new one begins: the same time, but
    where pictures between them belong to neither. words: stretches in which somebody speaks without a pause.
    """

    shots: tuple[Span, ...] = ()
    words: tuple[Span, ...] = ()

    def in_word(self, time: float) -> bool:
        """Whether a cut at that time would go through a word, as exactly as that is known."""
        return any(start + INEXACT < time < end - INEXACT for start, end in self.words)

    def pauses(self) -> Iterator[Span]:
        """What lies before, between and after the words."""
        ends = [-math.inf, *(end for _, end in self.words)]
        starts = [*(start for start, _ in self.words), math.inf]
        return ((end, start) for end, start in zip(ends, starts, strict=True) if end < start)

    def place(self, time: float, at: str | None, rank: int, distance: float) -> Place:
        """A place for an edge that far away, with what its rank and the words there make it cost."""
        brief = any(start <= time <= end and end - start < BRIEF for start, end in self.pauses())
        return Place(time, at, (self.in_word(time), max(rank, BETWEEN_WORDS) if brief else rank, distance))


@dataclass(frozen=True)
class Rules:
    """What has to hold of highlights wherever their edges go, in seconds.

    film: the film's length. shortest, longest: of one highlight; one that was found shorter or longer than
    that stays within its own length. total: of all; None for any.
    """

    film: float
    shortest: float
    longest: float
    total: float | None = None


class Found(NamedTuple):
    """A highlight as it was found: start, end, and a time between them that has to stay inside."""

    start: float
    end: float
    middle: float

    @property
    def length(self) -> float:
        return self.end - self.start


class Place(NamedTuple):
    """Where an edge may go. at: "shot", "pause", or None where it stays. cost: the lowest is the best."""

    time: float
    at: str | None
    cost: Cost


Pair = tuple[Place, Place]


def places(edge: float, around: Around, *, is_end: bool) -> list[Place]:
    """Where an edge may go: nearby shot changes and pauses, and where it is."""
    shots = [until if is_end else since for until, since in around.shots]
    found = [around.place(edge, None, STAYING, 0.0)]
    for shot in shots:
        if abs(shot - edge) <= SHOT_REACH:
            found.append(around.place(shot, "shot", AT_SHOT, abs(shot - edge)))
    for start, end in around.pauses():
        distance = max(start - edge, edge - end, 0.0)
        clear = min((end - start) / 2, CLEAR)
        for time, rank in (
            ((start + end) / 2, IN_MIDDLE),
            (min(max(edge, start + clear), end - clear), CLEAR_OF_WORDS),
        ):
            way = abs(time - edge)
            if way <= FARTHEST:
                time, at = _or_shot(time, edge, [shot for shot in shots if start <= shot <= end])
                found.append(around.place(time, at, rank if way <= PAUSE_REACH else FAR_AWAY, distance))
    return found


def sights(edge: float, around: Around) -> list[Span]:
    """Stretches, in order, of which `places` has to know the changes of shots; around: needs no shots."""
    far = SHOT_REACH + FLASH
    near = [time for time, *_ in places(edge, around, is_end=False) if abs(time - edge) <= PAUSE_REACH]
    return joined([(edge - far, edge + far), *((time - FLASH, time + FLASH) for time in near)])


def joined(spans: Iterable[Span]) -> list[Span]:
    """Spans in order, those that touch in one."""
    apart: list[Span] = []
    for start, end in sorted(spans):
        if apart and start <= apart[-1][1]:
            apart[-1] = (apart[-1][0], max(end, apart[-1][1]))
        else:
            apart.append((start, end))
    return apart


def _or_shot(time: float, edge: float, shots: Sequence[float]) -> tuple[float, str | None]:
    """A place in a pause, or the change of shots beside it, so that no few pictures are left of a shot."""
    near = [shot for shot in shots if abs(shot - time) <= FLASH]
    if near:
        return min(near, key=lambda shot: abs(shot - edge)), "shot"
    return time, "pause" if time != edge else None


def chosen(found: Sequence[Found], arounds: Sequence[tuple[Around, Around]], rules: Rules) -> list[Pair]:
    """The places of both edges of each highlight: the best that keep the rules and do not overlap.

    found: in order, and disjoint. arounds: of the start and the end of each.
    """
    options = [
        list(product(places(one.start, at_start, is_end=False), places(one.end, at_end, is_end=True)))
        for one, (at_start, at_end) in zip(found, arounds, strict=True)
    ]

    def best(growth: float) -> list[Pair]:
        every = zip(found, options, strict=True)
        return _cheapest([_allowed(one, pairs, rules, growth) for one, pairs in every])

    pairs = best(math.inf)
    if rules.total is None or sum(end.time - start.time for start, end in pairs) <= rules.total:
        return pairs
    return best(max(rules.total - sum(one.length for one in found), 0.0) / len(found))


def _allowed(found: Found, pairs: Sequence[Pair], rules: Rules, growth: float) -> list[Pair]:
    """Those pairs that keep the rules and let a highlight grow by no more than that."""
    shortest = min(rules.shortest, found.length) - TINY
    longest = min(max(rules.longest, found.length), found.length + growth) + TINY
    return [
        (start, end)
        for start, end in pairs
        if 0 <= start.time <= found.middle <= end.time <= rules.film
        and shortest <= end.time - start.time <= longest
    ]


def _cheapest(options: Sequence[Sequence[Pair]]) -> list[Pair]:
    """One pair of each highlight, none of which overlap, that cost least together."""
    paths: list[Path] = [Path(NOTHING, 0.0)]
    for pairs in options:
        paths.sort(key=lambda path: path.end)
        ends, best = [path.end for path in paths], list(accumulate(paths, _cheaper))
        reached = ((bisect_right(ends, start.time), start, end) for start, end in pairs)
        paths = [
            Path(_sum(best[count - 1].cost, start.cost, end.cost), end.time, (start, end), best[count - 1])
            for count, start, end in reached
            if count
        ]
    path: Path | None = reduce(_cheaper, paths)
    backwards = []
    while path and path.last:
        backwards.append(path.last)
        path = path.before
    return backwards[::-1]


class Path(NamedTuple):
    """Pairs of the first highlights: what they cost together, where they end, the last one, and the rest."""

    cost: Cost
    end: float
    last: Pair | None = None
    before: Path | None = None


def _cheaper(one: Path, other: Path) -> Path:
    return other if other.cost < one.cost else one


def _sum(*costs: Cost) -> Cost:
    words, ranks, ways = zip(*costs, strict=True)
    return sum(words), sum(ranks), sum(ways)


def with_room(spans: Sequence[Span], before: float, after: float, film: float) -> list[Span]:
    """Spans with so many seconds more on either side, where the film has them.

    Where two would then overlap, they share what is between them in proportion.
    """
    gaps = [max(start - end, 0.0) for (_, end), (start, _) in pairwise(spans)]
    shares = [min(gap / (before + after), 1.0) if before + after else 0.0 for gap in gaps]
    earlier = [min(before, spans[0][0]), *(before * share for share in shares)] if spans else []
    later = [*(after * share for share in shares), min(after, film - spans[-1][1])] if spans else []
    return [
        (start - lead, end + tail) for (start, end), lead, tail in zip(spans, earlier, later, strict=True)
    ]
