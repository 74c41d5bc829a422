"""How many events of videos are found, and how many picks are right, when as many are picked as there are.

The picks are the `davihd` package's `find_highlights`, so that this alone of the metric needs the package.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

TOLERANCE = 1.0  # seconds by which a pick may miss an event


class Matches(NamedTuple):
    """Of one video. found: (E,), whether each event is met by a pick. right: (P,), whether each pick is."""

    found: np.ndarray
    right: np.ndarray


def event_scores(
    predictions: Sequence[ArrayLike],
    events: Sequence[Sequence[Sequence[float]]],
    *,
    kinds: Sequence[Sequence[str]] | None = None,
) -> dict[str, Any]:
    """Recall and precision of events, counted over all videos together (micro averages).

    In each video as many highlights are picked as it has events. An event is found if a pick overlaps it or
    comes within a second of it; a pick is right if it does so with some event, and may find several of them.
    A video without events is left out.

    predictions: N sequences of T_i numbers, one per second, on any scale.
    events: N sequences of [start, end] in seconds. kinds: of each event its kind.

    Returns event_recall = events_found / n_events, event_precision = picks_right / n_picks (0 if nothing is
    picked), those four counts and, given kinds, "kinds": of each its event_recall, events_found and n_events.
    Raises ValueError naming the video for input that cannot be scored, and if there is no event at all.
    """
    spans = _all_events(predictions, events)
    names = None if kinds is None else _all_kinds(kinds, spans)
    matches = [_video_matches(i, *video) for i, video in enumerate(zip(predictions, spans, strict=True))]
    found = np.concatenate([one.found for one in matches])
    right = np.concatenate([one.right for one in matches])
    result: dict[str, Any] = _recall(int(found.sum()), len(found))
    result["event_precision"] = int(right.sum()) / len(right) if len(right) else 0.0
    result |= {"picks_right": int(right.sum()), "n_picks": len(right)}
    if names is not None:
        every, met = Counter(names), Counter(name for name, hit in zip(names, found, strict=True) if hit)
        result["kinds"] = {name: _recall(met[name], every[name]) for name in sorted(every)}
    return result


def match_events(picks: ArrayLike, events: ArrayLike) -> Matches:
    """Which picks (P, 2) and events (E, 2), [start, end] in seconds, come within a second of each other.

    Either may be an empty list.
    """
    picks, events = np.reshape(picks, (-1, 2)), np.reshape(events, (-1, 2))
    first, last = events[:, 0] - TOLERANCE, events[:, 1] + TOLERANCE
    meet = (picks[:, None, 0] <= last) & (picks[:, None, 1] >= first)
    return Matches(np.logical_or.reduce(meet, axis=0), np.logical_or.reduce(meet, axis=1))


def _recall(found: int, events: int) -> dict[str, Any]:
    return {"event_recall": found / events, "events_found": found, "n_events": events}


def _video_matches(index: int, prediction: ArrayLike, events: np.ndarray) -> Matches:
    if not len(events):
        return match_events([], [])
    try:
        from modeling_davihd.highlights import find_highlights
    except ImportError as error:
        raise ImportError("Events are scored by the davihd package, which is not installed.") from error
    try:
        picked = find_highlights(prediction, top_k=len(events))
    except ValueError as error:
        raise ValueError(f"Video {index}: {error}") from error
    return match_events([(pick.start, pick.end) for pick in picked], events)


def _all_events(predictions: Sequence, events: Sequence) -> list[np.ndarray]:
    if len(predictions) != len(events):
        raise ValueError(
            f"There are {len(predictions)} predictions and events of {len(events)} videos; each video needs "
            "both, its events as an empty list if it has none."
        )
    spans = [_video_events(index, video) for index, video in enumerate(events)]
    if not any(map(len, spans)):
        raise ValueError(f"None of the {len(spans)} videos has an event: there is no recall.")
    return spans


def _video_events(index: int, events: Sequence) -> np.ndarray:
    """(E, 2) of float64."""
    try:
        spans = np.asarray(events, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"Video {index}: the events cannot be read as numbers ({error}).") from error
    if spans.size == 0:
        return spans.reshape(0, 2)
    if spans.ndim != 2 or spans.shape[1] != 2:
        raise ValueError(
            f"Video {index}: the events have shape {spans.shape}; they need to be (events, 2), the start and "
            "the end of each in seconds."
        )
    if not (np.isfinite(spans).all() and (spans[:, 0] <= spans[:, 1]).all()):
        wrong = next(span for span in spans.tolist() if not -np.inf < span[0] <= span[1] < np.inf)
        raise ValueError(
            f"Video {index}: an event is {wrong}; its start and end need to be finite and in that order."
        )
    return spans


def _all_kinds(kinds: Sequence[Sequence[str]], spans: Sequence[np.ndarray]) -> list[str]:
    counts = [len(names) for names in kinds]
    if counts != [len(events) for events in spans]:
        raise ValueError("kinds does not have one name for each event of each video.")
    return [name for names in kinds for name in names]
