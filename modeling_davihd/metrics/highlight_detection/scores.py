"""How well per-second highlight scores agree with the ground truth: plain NumPy, one video after another.

Which second wins a tie decides F1 on most videos whose ground truth is a mean of few ratings. Every order
here is stable: of equal values the earlier second (segment, shot) comes first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from .events import event_scores

METRICS = ("f1", "map_50", "map_15", "spearman", "kendall", "hit_at_1", "top5_map", "map_11pt")
EVENT_METRICS = ("event_recall", "event_precision")
MIN_SECONDS = 2  # a shorter video has nothing to rank
SEGMENT = 5  # seconds
SUMMARY_PERCENT = 15  # of a video's length, for knapsack_f1
RECALLS = np.linspace(0, 1, 11)
IGNORED = -100  # the reference of a second that is not scored, as transformers pads a batch of labels
KENDALL_ROWS = 512  # bounds the memory of comparing all pairs of seconds


def highlight_scores(
    predictions: Sequence[Sequence[float]],
    references: Sequence[Sequence[float]],
    *,
    per_video: bool = False,
    change_points: Sequence[Sequence[Sequence[int]]] | None = None,
    gt_summaries: Sequence[Sequence[int]] | None = None,
    events: Sequence[Sequence[Sequence[float]]] | None = None,
) -> dict[str, Any]:
    """Every metric of each video, averaged over the videos.

    predictions, references: N sequences, the i-th both of T_i numbers, one per second. Predictions may be on
        any scale; references must not be negative (hit_at_1 is in their unit, a fraction for [0, 1]). Seconds
        whose reference is -100 are left out.
    change_points, gt_summaries: N arrays (S_i, 2) of shots [start, end) in seconds and N sequences of T_i
        zeros and ones; together they add knapsack_f1, for which predictions must not be negative either.
    events: N sequences of [start, end] in seconds; they add event_recall and event_precision, counted over
        the events of all videos, those of skipped ones included (`event_scores`).
    per_video: adds "per_video": for each metric a list of N values, None where the video was skipped;
        none for what is counted over all videos.

    Returns METRICS as fractions, n_videos (those in the means) and skipped (those shorter than two seconds).
    Raises ValueError, naming the video, for lengths that differ and for values that cannot be scored.
    """
    pairs = paired(predictions, references, lambda reference: reference != IGNORED)
    summaries = _summaries(change_points, gt_summaries, [len(reference) for _, reference in pairs])
    rows = []
    for index, (prediction, reference) in enumerate(pairs):
        row = _video_scores(prediction, reference) if len(reference) >= MIN_SECONDS else None
        if row and summaries:
            row["knapsack_f1"] = knapsack_f1(
                _not_negative(index, "prediction", prediction), *summaries[index]
            )
        rows.append(row)
    found = {} if events is None else event_scores([prediction for prediction, _ in pairs], events)
    return _gather(rows, per_video) | {name: found[name] for name in EVENT_METRICS if name in found}


def _video_scores(prediction: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    ranks = dense_ranks(prediction), dense_ranks(reference)
    gains = reference[_descending(ranks[0])].astype(np.float32)
    map_50, map_15 = segment_average_precisions(prediction, reference, (50, 15))
    return {
        "f1": f1(prediction, reference),
        "map_50": map_50,
        "map_15": map_15,
        "spearman": spearman(*ranks),
        "kendall": kendall(*ranks),
        "hit_at_1": float(reference[prediction.argmax()]),
        # The order in which the totals are added up matters: see eleven_point_average_precision.
        "top5_map": eleven_point_average_precision(gains[:5], gains[4::-1].sum()),
        "map_11pt": eleven_point_average_precision(gains, reference.astype(np.float32).sum()),
    }


def _gather(rows: list[dict[str, float] | None], per_video: bool) -> dict[str, Any]:
    scored = [row for row in rows if row]
    if not scored:
        raise ValueError(f"None of the {len(rows)} videos is {MIN_SECONDS} seconds long or longer: no mean.")
    result: dict[str, Any] = {name: float(np.mean([row[name] for row in scored])) for name in scored[0]}
    result |= {"n_videos": len(scored), "skipped": len(rows) - len(scored)}
    if per_video:
        result["per_video"] = {name: [row and row[name] for row in rows] for name in scored[0]}
    return result


def _descending(values: np.ndarray) -> np.ndarray:
    return np.argsort(-values, kind="stable")


def top(values: np.ndarray, count: int) -> np.ndarray:
    """Mask (n,) of the `count` largest values, but at least one."""
    mask = np.zeros(len(values), dtype=bool)
    mask[_descending(values)[: max(1, count)]] = True
    return mask


def f1(prediction: np.ndarray, reference: np.ndarray) -> float:
    """F1 of the better half of the seconds. Both halves are of one size, so precision = recall = F1."""
    if not reference.any():
        return 0.0
    half = len(reference) // 2
    return int((top(prediction, half) & top(reference, half)).sum()) / max(1, half)


def segment_average_precisions(
    prediction: np.ndarray, reference: np.ndarray, percents: Sequence[int]
) -> list[float]:
    """Average precision of 5-second means; the top percent of the reference's means are the ones to find."""
    if not reference.any():
        return [0.0] * len(percents)
    found, truth = _segment_means(prediction), _segment_means(reference)
    return [average_precision(found, top(truth, percent * len(truth) // 100)) for percent in percents]


def _segment_means(values: np.ndarray) -> np.ndarray:
    """Means of 5 seconds, the last of what is left; fsum, so that the order of adding breaks no tie."""
    seconds = values.tolist()
    parts = [seconds[start : start + SEGMENT] for start in range(0, len(seconds), SEGMENT)]
    return np.array([math.fsum(part) / len(part) for part in parts])


def average_precision(scores: np.ndarray, positive: np.ndarray) -> float:
    """Area under the precision-recall steps; equal scores are one step, so their order does not matter."""
    order = _descending(scores)
    ranked, hits = scores[order], np.cumsum(positive[order])
    ends = np.flatnonzero(ranked[1:] != ranked[:-1])  # of each run of equal scores but the last
    places = np.concatenate((ends + 1, [len(scores)]))
    hits = hits[places - 1]
    gained = hits - np.concatenate(([0], hits[:-1]))
    return float(gained @ (hits / places) / hits[-1])


def dense_ranks(values: np.ndarray) -> np.ndarray:
    """The place of each value among the distinct ones, from 0: small whole numbers compare and sort fast."""
    kind = np.int16 if len(values) < 2**15 else np.int32
    return np.unique(values, return_inverse=True)[1].astype(kind)


def spearman(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's rho of dense ranks, ties at their mean rank; 0 where a sequence is constant."""
    a, b = _centred_ranks(first), _centred_ranks(second)
    scale = math.sqrt((a @ a) * (b @ b))
    return float(a @ b) / scale if scale else 0.0


def _centred_ranks(dense: np.ndarray) -> np.ndarray:
    counts = np.bincount(dense)
    return (np.cumsum(counts) - (counts + len(dense)) / 2)[dense]


def kendall(first: np.ndarray, second: np.ndarray) -> float:
    """Kendall's tau-b of dense ranks, exact with ties; 0 where a sequence is constant."""
    concordant = discordant = untied_first = untied_second = 0
    for start in range(0, len(first), KENDALL_ROWS):
        rows = slice(start, start + KENDALL_ROWS)
        above, above_second = first[rows, None] > first, second[rows, None] > second
        concordant += int(np.count_nonzero(above & above_second))
        discordant += int(np.count_nonzero(above & (second[rows, None] < second)))
        untied_first += int(np.count_nonzero(above))
        untied_second += int(np.count_nonzero(above_second))
    scale = math.sqrt(untied_first * untied_second)
    return (concordant - discordant) / scale if scale else 0.0


def eleven_point_average_precision(gains: np.ndarray, total: np.float32) -> float:
    """Mean over the recalls 0, 0.1, ..., 1 of the best precision from there on.

    gains: (n,) float32, the reference from the highest prediction to the lowest. total: their sum.
    Float32 with 1e-8 in the denominator, as published: there the rounding of the two sums decides whether the
    last recall is reached, which is worth up to 1/11.
    """
    if total <= 0:
        return 0.0
    found = np.cumsum(gains)
    recall, precision = found / (total + np.float32(1e-8)), found / np.arange(1, len(gains) + 1)
    best_from = np.maximum.accumulate(np.append(precision, 0.0)[::-1])[::-1]
    return float(best_from[np.searchsorted(recall, RECALLS)].mean())


def knapsack_f1(prediction: np.ndarray, shots: np.ndarray, gt_summary: np.ndarray) -> float:
    """F1 of the predicted summary against gt_summary, (T,) of bool; 0 if both are empty or do not meet."""
    summary = knapsack_summary(prediction, shots)
    seconds = int(summary.sum() + gt_summary.sum())
    return 2 * int((summary & gt_summary).sum()) / seconds if seconds else 0.0


def knapsack_summary(scores: np.ndarray, shots: np.ndarray) -> np.ndarray:
    """The most valuable shots that fill at most 15 % of the video, as a mask (T,) of its seconds (Mr.HiSum).

    scores: (T,). shots: (S, 2), [start, end) in seconds. A shot weighs end - start and is worth the mean of
    scores[start : end + 1], the next shot's first second included, as in the published summaries.
    """
    values = [scores[start : end + 1].mean() for start, end in shots]
    summary = np.zeros(len(scores), dtype=bool)
    for index in _knapsack(values, shots[:, 1] - shots[:, 0], SUMMARY_PERCENT * len(scores) // 100):
        start, end = shots[index]
        summary[start:end] = True
    return summary


def _knapsack(values: Sequence[float], weights: np.ndarray, capacity: int) -> Iterator[int]:
    """Indices of the most valuable set of items; of equally valuable sets the one of earlier items."""
    best = np.zeros(capacity + 1)
    taken = []
    for value, weight in zip(values, weights, strict=True):
        with_item = np.full(capacity + 1, -np.inf)
        with_item[weight:] = best[: max(0, capacity + 1 - weight)] + value
        taken.append(with_item > best)
        best = np.maximum(best, with_item)
    for index in reversed(range(len(taken))):
        if taken[index][capacity]:
            capacity -= weights[index]
            yield index


def paired(
    predictions: Iterable, references: Iterable, scored: Callable[[np.ndarray], np.ndarray]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each video the seconds, of prediction and reference, that `scored` says of the reference (T,).

    Raises ValueError, naming the video, for lengths that differ and for values that cannot be scored.
    """
    predictions, references = list(predictions), list(references)
    if len(predictions) != len(references):
        raise ValueError(
            f"There are {len(predictions)} predictions and {len(references)} references; "
            "each video needs one of each."
        )
    if not predictions:
        raise ValueError("predictions and references are empty; they need at least one video.")
    return [
        _pair(index, *pair, scored) for index, pair in enumerate(zip(predictions, references, strict=True))
    ]


def _pair(
    index: int, prediction: Any, reference: Any, scored: Callable[[np.ndarray], np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    prediction, reference = (
        _sequence(index, name, values)
        for name, values in (("prediction", prediction), ("reference", reference))
    )
    if len(prediction) != len(reference):
        raise ValueError(
            f"Video {index}: the prediction has {len(prediction)} seconds and the reference "
            f"{len(reference)}; both need one number for every second of the video."
        )
    kept = scored(reference)
    return _finite(index, "prediction", prediction[kept]), _not_negative(
        index, "reference", _finite(index, "reference", reference[kept])
    )


def _sequence(index: int, name: str, values: Any) -> np.ndarray:
    array = _array(index, name, values, np.float64)
    if array.ndim != 1:
        raise ValueError(
            f"Video {index}: the {name} has shape {array.shape}; it needs one number per second, shape (T,)."
        )
    return array


def _finite(index: int, name: str, array: np.ndarray) -> np.ndarray:
    finite = np.isfinite(array)
    if not finite.all():
        second = int(finite.argmin())
        raise ValueError(
            f"Video {index}: the {name} is {array[second]} at second {second}; "
            "every second needs a finite number."
        )
    return array


def _not_negative(index: int, name: str, values: np.ndarray) -> np.ndarray:
    """Values that are added up, as gains or in a knapsack, mean nothing below zero."""
    if (values < 0).any():
        raise ValueError(
            f"Video {index}: the {name} is {values.min():g} at second {values.argmin()}; "
            "it must be 0 or more at every second, normally in [0, 1]."
        )
    return values


def _array(index: int, name: str, values: Any, dtype: type | None = None) -> np.ndarray:
    try:
        return np.asarray(values, dtype=dtype)
    except (TypeError, ValueError) as error:
        raise ValueError(f"Video {index}: the {name} cannot be read as numbers ({error}).") from error


def _summaries(
    change_points: Iterable | None, gt_summaries: Iterable | None, lengths: list[int]
) -> list[tuple[np.ndarray, np.ndarray]]:
    if change_points is None and gt_summaries is None:
        return []
    if change_points is None or gt_summaries is None:
        raise ValueError("Only one of change_points and gt_summaries was given; knapsack_f1 needs both.")
    change_points, gt_summaries = list(change_points), list(gt_summaries)
    if not len(change_points) == len(gt_summaries) == len(lengths):
        raise ValueError(
            f"There are {len(change_points)} change_points and {len(gt_summaries)} gt_summaries for "
            f"{len(lengths)} videos; each video needs one of each."
        )
    given = zip(change_points, gt_summaries, lengths, strict=True)
    return [(_shots(i, shots, t), _summary(i, summary, t)) for i, (shots, summary, t) in enumerate(given)]


def _shots(index: int, change_points: Any, seconds: int) -> np.ndarray:
    shots = _array(index, "change_points", change_points)
    if shots.ndim != 2 or shots.shape[1] != 2 or not len(shots) or not np.issubdtype(shots.dtype, np.integer):
        raise ValueError(
            f"Video {index}: change_points are {shots.dtype} of shape {shots.shape}; they need whole numbers "
            "of shape (shots, 2): the first second of each shot and the second after its last."
        )
    starts, ends = shots.T
    if (starts >= ends).any() or (starts[1:] < ends[:-1]).any() or starts[0] < 0 or ends[-1] > seconds:
        raise ValueError(
            f"Video {index}: change_points run from {shots.min()} to {shots.max()}; they need shots of one "
            f"second or more that do not overlap, in order, within the {seconds} seconds of the video."
        )
    return shots


def _summary(index: int, gt_summary: Any, seconds: int) -> np.ndarray:
    summary = _array(index, "gt_summary", gt_summary)
    if summary.shape != (seconds,) or not np.isin(summary, (0, 1)).all():
        raise ValueError(
            f"Video {index}: the gt_summary of shape {summary.shape} needs {seconds} zeros and ones, "
            "one per second of the video."
        )
    return summary.astype(bool)
