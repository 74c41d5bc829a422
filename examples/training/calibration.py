"""What score makes a highlight, and how often one of such a score is right: as measured.

`calibrate` scores films with events and films without. What it finds goes to the record of the training, and
from there to the model's config, as its `highlight_level` and `highlight_confidence`, and to its card.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from accelerate import Accelerator
from scipy.optimize import isotonic_regression
from transformers import AutoConfig

from examples.training.data import Rows
from examples.training.scoring import predict
from modeling_davihd.files import whole_files
from modeling_davihd.highlights import find_highlights
from modeling_davihd.metrics.highlight_detection.events import match_events

SHARE = 0.03  # of films without events may have a highlight
MOST_KNOTS = 10
LEAST_PICKS = 20  # behind each knot
DECIMALS = 4  # of scores and shares

Event = tuple[str, float, float]  # kind, start, end in seconds


class EventRows(Rows, Protocol):
    """Rows whose events are known; a film without any has an empty list."""

    @property
    def events(self) -> Sequence[Sequence[Event]]:
        """Of every film."""


def calibrate(
    accelerator: Accelerator, model: torch.nn.Module, rows: EventRows, eventless: Rows, batch_size: int
) -> dict:
    """Score both, each process its part, and measure: what the record of a training has as `calibration`.

    rows: films with events. eventless: films without, all about as long as those the level is to hold for.

    Returns "level" and "confidence", the config's fields; "share", of films without events that may rise
    above the level, and how many such "films" there were; "reliability", the table behind the confidence: of
    each group of picks their mean "score", how many "picks" and how many of them "right". Picks are what the
    automatic choice takes of films of both kinds if there is no level.
    """
    quiet = predict(accelerator, model, eventless, batch_size)
    picked, right = picks_of(predict(accelerator, model, rows, batch_size), rows.events)
    more_picked, more_right = picks_of(quiet, [[] for _ in quiet])
    table = reliability([*picked, *more_picked], [*right, *more_right])
    return {
        "level": level_of([greatest_score(scores) for scores in quiet]),
        "share": SHARE,
        "films": len(quiet),
        "confidence": knots_of(table),
        "reliability": table,
    }


def keep_calibration(folder: Path, calibration: dict):
    """Write the level and the confidence to the config of the model in a folder."""
    config = AutoConfig.from_pretrained(folder)
    config.highlight_level = calibration["level"]
    config.highlight_confidence = calibration["confidence"] or None
    with whole_files(folder) as partial:
        config.save_pretrained(partial)


def greatest_score(scores: np.ndarray) -> float:
    """The greatest mean score that a stretch of a film with scores (T,) can be picked for; 0 if none can."""
    return max((found.score for found in find_highlights(scores, top_k=len(scores))), default=0.0)


def level_of(greatest: Sequence[float], share: float = SHARE) -> float:
    """The score which at most that share of films without events exceed, given the greatest score of each.

    Of n films it is the ceil((n + 1)(1 - share))-th from below, rounded up: over the draw of these
    films and of one more like them, the one more exceeds it with a probability of at most `share`. Where n is
    too small for that (below 33 for a share of 0.03) it is the greatest of all. Raises ValueError without
    films.
    """
    if not len(greatest):
        raise ValueError("greatest is empty; a level needs films without events.")
    place = min(len(greatest), math.ceil((len(greatest) + 1) * (1 - share)))
    score = float(np.sort(np.asarray(greatest, dtype=np.float64))[place - 1])
    return math.ceil(score * 10**DECIMALS) / 10**DECIMALS


def picks_of(
    scores: Sequence[np.ndarray], events: Sequence[Sequence[Event]]
) -> tuple[list[float], list[bool]]:
    """The score of every pick of the automatic choice in every film, and whether it meets an event."""
    picked: list[float] = []
    right: list[bool] = []
    for one, happened in zip(scores, events, strict=True):
        found = find_highlights(one)
        picked += [highlight.score for highlight in found]
        spans = [(highlight.start, highlight.end) for highlight in found]
        right += match_events(spans, [event[1:] for event in happened]).right.tolist()
    return picked, right


def reliability(picked: Sequence[float], right: Sequence[bool]) -> list[dict]:
    """Picks by score in at most ten groups of a size: the mean score, how many they are, how many right."""
    order = np.argsort(picked, kind="stable")
    groups = max(1, min(MOST_KNOTS, len(order) // LEAST_PICKS))
    table: dict[float, dict] = {}
    for group in np.array_split(order, groups) if len(order) else []:
        score = round(float(np.mean(np.take(picked, group))), DECIMALS)
        row = table.setdefault(score, {"score": score, "picks": 0, "right": 0})
        row["picks"] += len(group)
        row["right"] += int(np.sum(np.take(right, group)))
    return list(table.values())


def knots_of(table: Sequence[dict]) -> list[list[float]]:
    """[score, share of right picks] by score: of shares that never decrease, those that fit the table best.

    The share of r right picks out of n is taken as (r + 1) / (n + 2), for few picks do not make a certainty.
    """
    if not table:
        return []
    shares = [(row["right"] + 1) / (row["picks"] + 2) for row in table]
    fitted = isotonic_regression(shares, weights=[row["picks"] for row in table]).x
    return [[row["score"], round(float(share), DECIMALS)] for row, share in zip(table, fitted, strict=True)]
