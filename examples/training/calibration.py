"""How high a peak has to rise to be a highlight, and how often one of such a height is right: as measured.

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
DECIMALS = 4  # of heights and shares

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
    each group of picks their mean "height", how many "picks" and how many of them "right". Picks are what the
    automatic choice takes of films of both kinds if there is no level.
    """
    quiet = predict(accelerator, model, eventless, batch_size)
    heights, right = picks_of(predict(accelerator, model, rows, batch_size), rows.events)
    more_heights, more_right = picks_of(quiet, [[] for _ in quiet])
    table = reliability([*heights, *more_heights], [*right, *more_right])
    return {
        "level": level_of([greatest_height(scores) for scores in quiet]),
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


def greatest_height(scores: np.ndarray) -> float:
    """How far the highest peak of a film's scores (T,) rises above its ordinary level; 0 if there is none."""
    return max((found.height for found in find_highlights(scores, top_k=len(scores))), default=0.0)


def level_of(heights: Sequence[float], share: float = SHARE) -> float:
    """The height which at most that share of films without events exceed, given the greatest height of each.

    Of n films it is the ceil((n + 1)(1 - share))-th height from below, rounded up: over the draw of these
    films and of one more like them, the one more exceeds it with a probability of at most `share`. Where n is
    too small for that (below 33 for a share of 0.03) it is the greatest height. Raises ValueError without
    films.
    """
    if not len(heights):
        raise ValueError("heights is empty; a level needs films without events.")
    place = min(len(heights), math.ceil((len(heights) + 1) * (1 - share)))
    height = float(np.sort(np.asarray(heights, dtype=np.float64))[place - 1])
    return math.ceil(height * 10**DECIMALS) / 10**DECIMALS


def picks_of(
    scores: Sequence[np.ndarray], events: Sequence[Sequence[Event]]
) -> tuple[list[float], list[bool]]:
    """The height of every pick of the automatic choice in every film, and whether it meets an event."""
    heights: list[float] = []
    right: list[bool] = []
    for one, happened in zip(scores, events, strict=True):
        found = find_highlights(one)
        heights += [highlight.height for highlight in found]
        spans = [(highlight.start, highlight.end) for highlight in found]
        right += match_events(spans, [event[1:] for event in happened]).right.tolist()
    return heights, right


def reliability(heights: Sequence[float], right: Sequence[bool]) -> list[dict]:
    """Picks by height in at most ten groups of a size: the mean height, how many they are, how many right."""
    order = np.argsort(heights, kind="stable")
    groups = max(1, min(MOST_KNOTS, len(order) // LEAST_PICKS))
    table: dict[float, dict] = {}
    for group in np.array_split(order, groups) if len(order) else []:
        height = round(float(np.mean(np.take(heights, group))), DECIMALS)
        row = table.setdefault(height, {"height": height, "picks": 0, "right": 0})
        row["picks"] += len(group)
        row["right"] += int(np.sum(np.take(right, group)))
    return list(table.values())


def knots_of(table: Sequence[dict]) -> list[list[float]]:
    """[height, share of right picks] by height: of shares that never decrease, those that fit the table best.

    The share of r right picks out of n is taken as (r + 1) / (n + 2), for few picks do not make a certainty.
    """
    if not table:
        return []
    shares = [(row["right"] + 1) / (row["picks"] + 2) for row in table]
    fitted = isotonic_regression(shares, weights=[row["picks"] for row in table]).x
    return [[row["height"], round(float(share), DECIMALS)] for row, share in zip(table, fitted, strict=True)]
