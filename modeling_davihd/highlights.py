"""From one score a second to highlight segments (NumPy only; no media)."""

from __future__ import annotations

import itertools
import math
import operator
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

STEPS = 1_000_000  # scores become whole numbers 0..STEPS, so that rounding can neither make nor break a tie
FLAT = 1e-6  # a curve that varies by less than this share of its largest magnitude is rounding noise
SMOOTHING = np.array([1, 2, 1])  # binomial: a standard deviation of 0.7 seconds
ORDINARY = 0.4  # share of a film's seconds that lie below its ordinary level: events may fill the rest
GROWTH = 0.5  # a clip holds the seconds at or above this share of its peak's prominence
LESSER = 0.1  # peaks below this share of the greatest prominence are never kept
SIGNIFICANT = 0.3  # peaks below this share are kept only when `top_k` or `duration` asks for more
AUTOMATIC_COUNT = 10
AUTOMATIC_SHARE = 0.15  # of the film
AUTOMATIC_SECONDS = 15  # or this, where it is more
SNAP_SECONDS = 1.0
BRIEFEST = 0.001  # seconds: a clip that is shorter is lost where times are added
KNAPSACK_UNITS = 10  # a second
END_TOLERANCE = 0.1  # seconds; whole frames, and the headers of a film, may end this much later than it does
TOUCHING = 1e-4  # seconds; one highlight may begin so little before the end of another: times are rounded

Span = tuple[float, float]  # start and end in seconds


class Sound(NamedTuple):
    """What is heard in a highlight.

    name: in plain words. confidence: share of cases in which it is right; None where somebody gave the name.
    """

    name: str
    confidence: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """The name and any confidence: ready for JSON."""
        return {name: value for name, value in self._asdict().items() if value is not None}


class Edge(NamedTuple):
    """Where an edge of a highlight has been moved, in seconds, before any room is left beside it.

    origin: where it was found. to: where it is cut. at: "shot" or "pause"; None where it has not been moved.
    """

    origin: float
    to: float
    at: str | None

    def as_dict(self) -> dict[str, Any]:
        """Its fields, ready for JSON, which calls the first one `from`."""
        return {"from": float(self.origin), "to": float(self.to), "at": self.at}


@dataclass(frozen=True)
class Highlight:
    """One chosen stretch of a film.

    start, end: seconds from the start of the film.
    score: mean of the scores within, a second counting for the part of it that is inside.
    peak: time in seconds at which the highest-scoring second within starts (the clip's own start if that
        second began before it). Both are NaN where nobody knows them: in a film that has not been scored.
    confidence: share of right picks among highlights of such a score, where `Calibration` knows it.
    sounds: what is heard, the surest first; None unless somebody has listened (`sound_names`).
    edges: where start and end were and went; None unless somebody has looked for better ones (`clean_edges`).
    """

    start: float
    end: float
    score: float
    peak: float
    confidence: float | None = None
    sounds: tuple[Sound, ...] | None = None
    edges: tuple[Edge, Edge] | None = None

    @property
    def middle(self) -> float:
        """Time in seconds of its best: the middle of what it has of its peak's second.

        Where nobody knows the peak it is the middle of all of it.
        """
        if math.isnan(self.peak):
            return (self.start + self.end) / 2
        second = math.floor(self.peak)
        return float(np.clip([second, second + 1], self.start, self.end).mean())

    def as_dict(self) -> dict[str, Any]:
        """Start, end, and what is known of score, peak and confidence as plain floats, sounds and edges."""
        numbers = {name: getattr(self, name) for name in ("start", "end", "score", "peak", "confidence")}
        known = {
            name: value for name, value in numbers.items() if value is not None and not math.isnan(value)
        }
        fields: dict[str, Any] = {name: float(value) for name, value in known.items()}
        if self.sounds is not None:
            fields["sounds"] = [sound.as_dict() for sound in self.sounds]
        if self.edges is not None:
            sides = zip(("start", "end"), self.edges, strict=True)
            fields["edges"] = {side: edge.as_dict() for side, edge in sides}
        return fields


@dataclass(frozen=True)
class Calibration:
    """What was measured of a model's scores after training; by it its highlights are chosen and judged.

    level: see `find_highlights`; None: whatever stands out most of its film is a highlight.
    confidence: [score, share of right picks] in order of score, the shares not falling; None: not known.
    """

    level: float | None = None
    confidence: Sequence[Sequence[float]] | None = None

    def find(self, scores: ArrayLike, **search: Any) -> list[Highlight]:
        """The highlights that `find_highlights` chooses, with their confidence; `search`: its arguments.

        Who asks for some with `top_k` or `duration` gets some: those of a film whose seconds all score alike
        lie evenly over it.
        """
        found = find_highlights(scores, **{"level": self.level, **search})
        return [self.judged(one) for one in found or _even_highlights(np.asarray(scores), **search)]

    def judged(self, highlight: Highlight) -> Highlight:
        """The highlight with the confidence that goes with its score, if that is known."""
        if self.confidence is None:
            return highlight
        known, shares = np.transpose(self.confidence)
        return replace(highlight, confidence=round(float(np.interp(highlight.score, known, shares)), 2))


class _Clip(NamedTuple):
    start: float
    end: float
    peak: int  # the second whose middle stays inside, whatever happens to the edges
    prominence: float

    @property
    def length(self) -> float:
        return self.end - self.start


def find_highlights(
    scores: ArrayLike,
    *,
    top_k: int | None = None,
    duration: float | None = None,
    min_length: float = 2,
    max_length: float = 30,
    merge_gap: float = 1,
    boundaries: Sequence[float] | None = None,
    level: float | None = None,
) -> list[Highlight]:
    """Choose the stretches of a film that stand out, sorted by time and disjoint.

    The curve is smoothed lightly. Every peak that rises above the film's ordinary level (two fifths of its
    seconds lie below) by at least a tenth of what the greatest one does grows to half its height, is held to
    the length limits, joined to neighbours and moved to nearby boundaries. Then the best are kept; ties go to
    the earlier one. Scores multiplied by a positive number or raised by a constant, and `level` with them,
    give the same clips.

    scores: (T,) finite numbers, one a second; second t covers [t, t + 1).
    top_k: keep at most this many, the best by the sum of their mean score and the score of their best second.
        Fewer come back if fewer peaks stand out.
    duration: keep at most this many seconds in all: the subset with the greatest sum of seconds times score
        above the film's lowest score (0/1 knapsack), or a single clip cut to fit where that is worth more.
        Together with `top_k`, the subset is taken from the `top_k` best.
    With neither, the peaks of at least three tenths of the greatest prominence are taken, best first, until
        they cover 15 % of the film or 15 s, whichever is more, and ten at most.
    min_length, max_length: limits of one clip in seconds. A film shorter than `min_length` is one clip.
    merge_gap: clips at most this many seconds apart become one if it fits `max_length`.
    boundaries: good places to cut, in seconds (shot changes, silences), in any order; an edge moves to the
        nearest one within a second if that keeps the limits.
    level: with neither `top_k` nor `duration`, there are highlights only if one has a mean score of at least
        this much: in a film without one, nothing stands out.

    A constant curve has no highlights. Raises ValueError for an argument that cannot be used.
    """
    scores = _check_scores(scores)
    top_k = _check_count(top_k)
    duration = None if duration is None else _check_seconds("duration", duration)
    shortest, longest = _check_lengths(min_length, max_length, len(scores))
    merge_gap = _check_seconds("merge_gap", merge_gap, zero_allowed=True)
    cuts = _check_boundaries(boundaries, len(scores))
    level = _check_level(level)
    levels = _quantise(scores)
    if levels is None:
        return []
    clips = _place_clips(levels, *_whole_seconds(shortest, longest))
    clips = _snap(_merge(clips, merge_gap, longest), cuts, shortest, longest, len(scores))
    chosen = _choose(clips, _Area(levels), top_k, duration, shortest)
    found = [highlight_of(scores, clip.start, clip.end) for clip in sorted(chosen)]
    asked = top_k is not None or duration is not None
    return found if asked or any(highlight.score >= level for highlight in found) else []


def _even_highlights(
    scores: np.ndarray,
    *,
    top_k: int | None = None,
    duration: float | None = None,
    min_length: float = 2,
    max_length: float = 30,
    **_: Any,
) -> list[Highlight]:
    """The highlights that are asked for of a flat curve: alike, evenly spread; none of any other curve.

    They cover `duration`, or what those chosen without a question would, as far as the limits allow.
    """
    if (top_k is None and duration is None) or not is_flat(scores):
        return []
    film = len(scores)
    shortest, longest = _check_lengths(min_length, max_length, film)
    total = max(AUTOMATIC_SHARE * film, AUTOMATIC_SECONDS) if duration is None else min(duration, film)
    wanted = top_k or max(AUTOMATIC_COUNT, math.ceil(total / longest))
    count = min(wanted, int((film if duration is None else total) / shortest))
    if not count:
        return []
    part = film / count
    length = min(max(total / count, shortest), longest, part)
    starts = [part * (number + 0.5) - length / 2 for number in range(count)]
    return [highlight_of(scores, start, min(start + length, film)) for start in starts]


def clip_highlights(highlights: Sequence[Highlight], duration: float) -> list[Highlight]:
    """End highlights where the film does: its last second may be a partial one (T = ceil(duration))."""
    return [replace(h, end=min(h.end, duration)) for h in highlights if h.start < duration]


def check_spans(
    spans: Sequence[Span], duration: float, places: Sequence[str] | None = None, film: str = "the film"
) -> None:
    """Raise ValueError, in one sentence, unless all spans lie within a film and none overlaps another.

    spans: (start, end) in seconds, in any order. An end may be END_TOLERANCE after the film's.
    places: what messages call each; by default highlight 1, 2 and so on. film: what they call the film.
    """
    places = places or [f"highlight {number}" for number in range(1, len(spans) + 1)]
    if not spans:
        raise ValueError("There is no highlight; at least one is needed.")
    for place, (start, end) in zip(places, spans, strict=True):
        if not 0 <= start < end < math.inf:
            raise ValueError(
                f"{place}: goes from {start:.10g} s to {end:.10g} s; 0 <= start < end is needed."
            )
        if start >= duration or end > duration + END_TOLERANCE:
            late = f"goes from {start:.10g} s to {end:.10g} s"
            raise ValueError(f"{place}: {late}, but {film} ends at {duration:.10g} s.")
        if min(end, duration) - start < BRIEFEST:
            raise ValueError(f"{place}: lasts {end - start:.10g} s; at least {BRIEFEST} s is needed.")
    ordered = sorted(zip(spans, places, strict=True))
    for ((start, end), place), ((next_start, next_end), other) in itertools.pairwise(ordered):
        if next_start < end - TOUCHING:
            both = f"from {start:.10g} s to {end:.10g} s and {next_start:.10g} s to {next_end:.10g} s"
            raise ValueError(f"{other}: overlaps {place} ({both}); highlights lie apart.")


# Checks: one sentence naming the argument, what it was and what is needed.


def _check_scores(scores: ArrayLike) -> np.ndarray:
    try:
        scores = np.asarray(scores, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"scores must be numbers, one a second, but cannot be read so: {error}") from None
    if scores.ndim != 1 or scores.size == 0:
        raise ValueError(f"scores has shape {scores.shape}, but (T,) is needed: one a second, T at least 1.")
    wrong = np.flatnonzero(~np.isfinite(scores))
    if wrong.size:
        raise ValueError(f"scores must be finite, but scores[{wrong[0]}] is {scores[wrong[0]]}.")
    return scores


def _check_count(top_k: int | None) -> int | None:
    if top_k is None:
        return None
    try:
        count = operator.index(top_k)
    except TypeError:
        count = 0
    if count < 1:
        raise ValueError(f"top_k must be a whole number of at least 1, but is {top_k!r}.")
    return count


def _check_seconds(name: str, value: float, *, zero_allowed: bool = False) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = math.nan
    if math.isfinite(seconds) and (seconds > 0 or (zero_allowed and seconds == 0)):
        return seconds
    needed = "zero or more" if zero_allowed else "more than zero"
    raise ValueError(f"{name} must be a number of seconds, {needed}, but is {value!r}.")


def _check_lengths(min_length: float, max_length: float, film: int) -> tuple[float, float]:
    shortest = _check_seconds("min_length", min_length)
    longest = _check_seconds("max_length", max_length)
    if shortest < BRIEFEST:
        raise ValueError(f"min_length must be at least {BRIEFEST} seconds, but is {min_length}.")
    if longest < shortest:
        raise ValueError(f"max_length must be at least min_length ({min_length}), but is {max_length}.")
    return min(shortest, film), min(longest, film)


def _check_level(level: float | None) -> float:
    if level is None:
        return -math.inf
    try:
        score = float(level)
    except (TypeError, ValueError):
        score = math.nan
    if not math.isfinite(score):
        raise ValueError(f"level must be None or a finite number, but is {level!r}.")
    return score


def _check_boundaries(boundaries: Sequence[float] | None, film: int) -> np.ndarray:
    try:
        cuts = np.asarray([] if boundaries is None else boundaries, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"boundaries must be times in seconds, but cannot be read so: {error}") from None
    if cuts.ndim != 1:
        raise ValueError(f"boundaries has shape {cuts.shape}, but (N,) is needed: a flat list of seconds.")
    wrong = np.flatnonzero(~np.isfinite(cuts))
    if wrong.size:
        raise ValueError(f"boundaries must be finite, but boundaries[{wrong[0]}] is {cuts[wrong[0]]}.")
    return np.unique(cuts[(cuts >= 0) & (cuts <= film)])


# The curve


def is_flat(scores: np.ndarray) -> bool:
    """Whether all seconds of a film, (T,), score alike but for rounding: nothing in it stands out."""
    return _quantise(np.asarray(scores, np.float64)) is None


def _quantise(scores: np.ndarray) -> np.ndarray | None:
    """(T,) whole numbers from 0 (the film's lowest score) to STEPS (its highest); None for a flat curve."""
    largest = np.abs(scores).max()
    if largest == 0:
        return None
    scaled = scores / largest
    low, high = scaled.min(), scaled.max()
    if high - low <= FLAT:
        return None
    return np.rint((scaled - low) / (high - low) * STEPS).astype(np.int64)


class _Area:
    """Integral of the curve; whole numbers between whole seconds, hence exact there."""

    def __init__(self, levels: np.ndarray) -> None:
        self.film = len(levels)
        self._seconds = np.arange(self.film + 1)
        self._sums = np.concatenate([[0], np.cumsum(levels)])

    def between(self, start: np.ndarray | list[float], end: np.ndarray | list[float]) -> np.ndarray:
        return np.interp(end, self._seconds, self._sums) - np.interp(start, self._seconds, self._sums)

    def of(self, clips: Sequence[_Clip]) -> np.ndarray:
        """(N,) area within each clip: what it is worth."""
        return self.between([clip.start for clip in clips], [clip.end for clip in clips])

    def best_window(self, low: float, high: float, length: float) -> float:
        """Start of the `length` seconds within [low, high] with the greatest area; the earliest of equals.

        The curve is constant within a second, so some best window starts or ends at a whole second.
        """
        whole = np.arange(math.ceil(low), math.floor(high) + 1)
        starts = np.concatenate([[low, high - length], whole, whole - length])
        starts = np.unique(np.clip(starts, low, max(low, high - length)))
        return float(starts[np.argmax(self.between(starts, starts + length))])


# Peaks to clips


def _whole_seconds(shortest: float, longest: float) -> tuple[float, float]:
    """Length limits in whole seconds, the grain of the scores, wherever a whole number lies between them."""
    whole = math.ceil(shortest), math.floor(longest)
    return whole if whole[0] <= whole[1] else (shortest, longest)


def _place_clips(levels: np.ndarray, shortest: float, longest: float) -> list[_Clip]:
    """One clip for each peak, the most prominent first, each in the room that those before it left."""
    area = _Area(levels)
    placed: list[_Clip] = []
    for peak, prominence, first, last in _grown_peaks(levels):
        where = bisect_right(placed, (peak, math.inf))
        low = placed[where - 1].end if where else 0
        high = placed[where].start if where < len(placed) else len(levels)
        if low <= peak and peak + 1 <= high and high - low >= shortest:
            start, end = max(first, low), min(last, high)
            start, end = _fit(area, start, end, peak, (low, high), (shortest, longest))
            placed.insert(where, _Clip(start, end, peak, prominence))
    return placed


def _grown_peaks(levels: np.ndarray) -> list[tuple[int, float, int, int]]:
    """(peak second, prominence, start, end) of each, the most prominent first, then the earliest."""
    beside = len(SMOOTHING) // 2
    smooth = np.convolve(np.pad(levels, beside, mode="reflect"), SMOOTHING, mode="valid")
    ordinary = int(np.quantile(smooth, ORDINARY, method="lower"))
    if ordinary == smooth.max():  # most of the film is at its highest level
        ordinary = 0
    # Zeros beside the film let its first and last second be peaks.
    curve = np.pad(np.maximum(smooth - ordinary, 0), 1)
    tops, prominences = _peaks(curve)
    order = np.argsort(-prominences, kind="stable")
    grown = []
    for i in order[prominences[order] >= LESSER * prominences.max()]:
        height = curve[tops[i]] - GROWTH * prominences[i]
        start, end = _sharpen(levels, (height + ordinary) / SMOOTHING.sum(), *_extent(curve, tops[i], height))
        peak = start + int(np.argmax(levels[start:end]))
        grown.append((peak, float(prominences[i]), start, end))
    return grown


def _peaks(curve: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where a curve stops rising and falls next, the middle of a flat top, and the prominence of each.

    As `scipy.signal.find_peaks` has them, which takes as long to import as a film of minutes to score.
    """
    change = np.diff(curve)
    steps = np.flatnonzero(change)
    rises = change[steps] > 0
    last_rises = np.flatnonzero(rises[:-1] & ~rises[1:])
    tops = (steps[last_rises] + 1 + steps[last_rises + 1]) // 2
    falls = np.maximum(_falls(curve), _falls(curve[::-1])[::-1])
    return tops, (curve - falls)[tops]


def _falls(curve: np.ndarray) -> np.ndarray:
    """For each place, the lowest that a curve falls between it and the last higher place before it."""
    lowest: list[int] = []
    higher: list[tuple[int, int]] = []  # that nothing since has exceeded, each with its own lowest
    for value in curve.tolist():
        low = value
        while higher and higher[-1][0] <= value:
            low = min(low, higher.pop()[1])
        higher.append((value, low))
        lowest.append(low)
    return np.array(lowest)


def _extent(curve: np.ndarray, top: int, height: float) -> tuple[int, int]:
    """Start and end of the seconds around a top above that height, one at it on either side included.

    The curve has a zero before the first second.
    """
    first = last = top
    while curve[first] > height:
        first -= 1
    while curve[last] > height:
        last += 1
    return int(first - (curve[first] == height)), int(last - (curve[last] < height))


def _sharpen(levels: np.ndarray, least: float, start: int, end: int) -> tuple[int, int]:
    """Let the unsmoothed curve decide about the outer seconds, and about the one beyond at either end."""
    before = max(start - 1, 0)
    inside = np.flatnonzero(levels[before : end + 1] >= least)
    return (before + int(inside[0]), before + int(inside[-1]) + 1) if inside.size else (start, end)


def _fit(
    area: _Area, start: float, end: float, peak: int, room: tuple[float, float], limits: tuple[float, float]
) -> tuple[float, float]:
    """Hold [start, end) to the length limits, inside the room and around the peak second."""
    shortest, longest = limits
    if end - start > longest:
        # The window must hold the peak second whole, or be held by it.
        low = max(start, peak + min(1, longest) - longest)
        high = min(end, peak + max(1, longest))
        start = area.best_window(low, high, longest)
        return start, start + longest
    if end - start < shortest:
        missing = shortest - (end - start)
        lead_in = min(missing, math.ceil(missing / 2))  # an odd second goes before the event
        start = min(max(start - lead_in, room[0]), room[1] - shortest)
        return start, start + shortest
    return start, end


def _merge(clips: list[_Clip], gap: float, longest: float) -> list[_Clip]:
    """Join neighbours at most `gap` seconds apart, from left to right, where the whole fits `longest`."""
    merged = clips[:1]
    for clip in clips[1:]:
        last = merged[-1]
        if clip.start - last.end <= gap and clip.end - last.start <= longest:
            main = max(last, clip, key=lambda c: c.prominence)
            merged[-1] = main._replace(start=last.start, end=clip.end)
        else:
            merged.append(clip)
    return merged


def _snap(clips: list[_Clip], cuts: np.ndarray, shortest: float, longest: float, film: int) -> list[_Clip]:
    """Move edges to their nearest boundary: both if the limits allow, else the one that moves less."""
    starts = _nearest(cuts, np.array([clip.start for clip in clips], dtype=np.float64))
    ends = _nearest(cuts, np.array([clip.end for clip in clips], dtype=np.float64))
    snapped: list[_Clip] = []
    for i, clip in enumerate(clips):
        low = snapped[-1].end if snapped else 0
        high = clips[i + 1].start if i + 1 < len(clips) else film
        one = [(starts[i], clip.end), (clip.start, ends[i])]
        one.sort(key=lambda edges: abs(edges[0] - clip.start) + abs(edges[1] - clip.end))
        allowed = (
            clip._replace(start=float(a), end=float(b))
            for a, b in [(starts[i], ends[i]), *one]
            if low <= a <= clip.peak + 0.5 <= b <= high and shortest <= b - a <= longest
        )
        snapped.append(next(allowed, clip))
    return snapped


def _nearest(cuts: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """For each edge the nearest of the sorted boundaries if within SNAP_SECONDS, else the edge itself."""
    if cuts.size == 0:
        return edges
    after = np.searchsorted(cuts, edges)
    before, after = cuts[np.maximum(after - 1, 0)], cuts[np.minimum(after, len(cuts) - 1)]
    nearest = np.where(edges - before <= after - edges, before, after)
    return np.where(np.abs(nearest - edges) <= SNAP_SECONDS, nearest, edges)


# Which clips to keep


def _choose(
    clips: list[_Clip], area: _Area, top_k: int | None, duration: float | None, shortest: float
) -> list[_Clip]:
    """`clips` in order of time -> those to keep, in any order."""
    peaks = np.array([clip.peak for clip in clips], dtype=np.float64)
    worth = area.of(clips) / [clip.length for clip in clips] + area.between(peaks, peaks + 1)
    ranked = [clips[i] for i in np.argsort(-worth, kind="stable")]
    if duration is not None:
        return _fill(sorted(ranked[:top_k]), area, duration, shortest)
    return _automatic(ranked, area.film) if top_k is None else ranked[:top_k]


def _automatic(ranked: list[_Clip], film: int) -> list[_Clip]:
    """The significant clips, best first, until they cover enough."""
    enough = max(AUTOMATIC_SHARE * film, AUTOMATIC_SECONDS)
    least = SIGNIFICANT * max((clip.prominence for clip in ranked), default=0)
    kept: list[_Clip] = []
    for clip in ranked:
        if len(kept) == AUTOMATIC_COUNT or sum(c.length for c in kept) >= enough:
            break
        if clip.prominence >= least:
            kept.append(clip)
    return kept


def _fill(clips: list[_Clip], area: _Area, duration: float, shortest: float) -> list[_Clip]:
    """The subset worth most within `duration`, or one clip (cut to it if need be) where that is better."""
    subset = _knapsack(clips, area.of(clips), duration)
    singles = _shortened(clips, area, duration, shortest)
    if not singles:
        return subset
    best = singles[int(np.argmax(area.of(singles)))]
    return [best] if area.of([best]) > area.of(subset).sum() else subset


def _shortened(clips: list[_Clip], area: _Area, duration: float, shortest: float) -> list[_Clip]:
    """Each clip cut to its best `duration` seconds; none where that is less than `shortest`."""
    if duration < shortest:
        return []
    longest = _whole_seconds(shortest, duration)[1]
    cut = []
    for clip in clips:
        if clip.length > duration:
            start = area.best_window(clip.start, clip.end, longest)
            clip = clip._replace(start=start, end=start + longest)
        cut.append(clip)
    return cut


def _knapsack(clips: list[_Clip], values: np.ndarray, duration: float) -> list[_Clip]:
    """0/1 knapsack by dynamic programming over tenths of a second, lengths rounded up.

    Clips are added from the last to the first, and an equal value counts as better: the earlier clip wins.
    """
    if sum(clip.length for clip in clips) <= duration:
        return clips
    weights = [math.ceil(clip.length * KNAPSACK_UNITS) for clip in clips]
    room = math.floor(duration * KNAPSACK_UNITS)
    best, taken = np.zeros(room + 1), {}
    for i in reversed(range(len(clips))):
        if weights[i] <= room:
            with_clip = best[: room + 1 - weights[i]] + values[i]
            better = with_clip >= best[weights[i] :]
            best[weights[i] :][better] = with_clip[better]
            taken[i] = np.packbits(better)
    chosen = []
    for i, clip in enumerate(clips):
        at = room - weights[i]
        if i in taken and at >= 0 and taken[i][at // 8] >> (7 - at % 8) & 1:
            chosen.append(clip)
            room = at
    return chosen


def highlight_of(scores: np.ndarray, start: float, end: float) -> Highlight:
    """The highlight from `start` to `end` of a film with these scores (T,), 0 <= start < end <= T.

    Scores may be NaN, all of them, where nobody has scored the film.
    """
    seconds = np.arange(math.floor(start), math.ceil(end))
    inside = np.minimum(end, seconds + 1) - np.maximum(start, seconds)
    score = float(scores[seconds] @ (inside / inside.sum()))
    top = math.nan if math.isnan(score) else max(float(seconds[np.argmax(scores[seconds])]), float(start))
    return Highlight(float(start), float(end), score, top)
