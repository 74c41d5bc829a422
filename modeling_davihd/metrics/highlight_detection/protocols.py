"""By which rules scores are compared with the ground truth: ours, or those of TripleSumm's published code.

The figures of one protocol say nothing beside those of the other.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .scores import (
    IGNORED,
    SEGMENT,
    average_precision,
    dense_ranks,
    highlight_scores,
    kendall,
    paired,
    spearman,
    top,
)

TRIPLESUMM_METRICS = ("map_50", "map_15", "spearman", "kendall")
TRIPLESUMM_BATCH = 32  # videos of a batch when its authors evaluate on Mr.HiSum; 64 on MoSu


def protocol_scores(
    predictions: Sequence[Sequence[float]],
    references: Sequence[Sequence[float]],
    *,
    protocol: str = "davihd",
    **options: Any,
) -> dict[str, Any]:
    """What the function of that protocol in `PROTOCOLS` returns; `options` are its own.

    Raises ValueError for an unknown protocol or option, and as that function does.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"The protocol is {protocol!r}; it needs to be one of {', '.join(PROTOCOLS)}.")
    score = PROTOCOLS[protocol]
    if unknown := sorted(options.keys() - inspect.signature(score).parameters.keys()):
        raise ValueError(f"The protocol {protocol!r} takes no {unknown[0]}.")
    return score(predictions, references, **options)


def triplesumm_scores(
    predictions: Sequence[Sequence[float]],
    references: Sequence[Sequence[float]],
    *,
    per_video: bool = False,
    batch_size: int = TRIPLESUMM_BATCH,
) -> dict[str, Any]:
    """TRIPLESUMM_METRICS by the rules of TripleSumm's code (Kim et al., ICLR 2026), as fractions.

    A video is cut into ceil(n / 5) shots of 5 seconds, the last filled up with zeros; to be found are the
    ceil of 50 and 15 % of them, all-zero references or not. Correlations with a constant are NaN, and so is
    every mean that one is in. Each metric is the mean over batches of the means over the videos of a batch,
    in the order that is given: where the last batch is smaller, its videos weigh more. Of equal shots the
    earlier are to be found; the original's sort leaves that to the processor.

    predictions, references: as for `highlight_scores`, but -100 only at the end. per_video: also one list of
    values for each metric. Also returns n_videos, and skipped, those without a second, which are left out.
    Raises ValueError, naming the video, for what cannot be scored.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; it needs to be 1 or more.")
    pairs = paired(predictions, references, _without_tail)
    rows = [_video_scores(*pair) if len(pair[1]) else None for pair in pairs]
    scored = [row for row in rows if row]
    if not scored:
        raise ValueError(f"None of the {len(rows)} videos has a second to score: no mean.")
    batches = [scored[start : start + batch_size] for start in range(0, len(scored), batch_size)]
    result: dict[str, Any] = {
        name: float(np.mean([np.mean([row[name] for row in batch]) for batch in batches]))
        for name in TRIPLESUMM_METRICS
    }
    result |= {"n_videos": len(scored), "skipped": len(rows) - len(scored)}
    if per_video:
        result["per_video"] = {name: [row and row[name] for row in rows] for name in TRIPLESUMM_METRICS}
    return result


def _without_tail(reference: np.ndarray) -> np.ndarray:
    """Which seconds are scored: all up to the last that has a reference."""
    scored = np.flatnonzero(reference != IGNORED)
    return np.arange(len(reference)) < (scored[-1] + 1 if len(scored) else 0)


def _video_scores(prediction: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    found, truth = _shot_means(prediction), _shot_means(reference)
    ranks = dense_ranks(prediction), dense_ranks(reference)
    constant = any(not rank.any() for rank in ranks)
    return {
        "map_50": average_precision(found, top(truth, -(-50 * len(truth) // 100))),
        "map_15": average_precision(found, top(truth, -(-15 * len(truth) // 100))),
        "spearman": math.nan if constant else spearman(*ranks),
        "kendall": math.nan if constant else kendall(*ranks),
    }


def _shot_means(values: np.ndarray) -> np.ndarray:
    """Sums of 5 seconds over 5, also of the last, which may have fewer."""
    seconds = values.tolist()
    return np.array([math.fsum(seconds[i : i + SEGMENT]) / SEGMENT for i in range(0, len(seconds), SEGMENT)])


PROTOCOLS: dict[str, Callable[..., dict[str, Any]]] = {
    "davihd": highlight_scores,
    "triplesumm": triplesumm_scores,
}
