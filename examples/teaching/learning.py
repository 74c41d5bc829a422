"""From films and what was chosen of them to a model, and to what is known of how good it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from examples.teaching.choosing import (
    MOST_FOLDS,
    UNTAUGHT,
    Scores,
    Way,
    best_way,
    cross_validate,
    gain_over,
    taught,
)
from examples.teaching.lessons import Lesson
from examples.teaching.report import TITLE, Outcome, film_rows, row_of, rule_scores
from examples.teaching.saving import Knots, taught_model
from examples.teaching.tuning import Studied, study
from examples.training.calibration import LEAST_PICKS, knots_of, picks_of, reliability
from modeling_davihd import DEFAULT_CHECKPOINT, DAViHDModel, __version__
from modeling_davihd.engines.sources import file_print
from modeling_davihd.loading import DEFAULT_MODEL, WEIGHTS, load_model


def learn(lessons: Sequence[Lesson], work: Path) -> tuple[Outcome, DAViHDModel]:
    """Teach the embedded model, and try it by cross-validation.

    What is done of that is kept in the folder `work`, from which the same lessons go on.
    """
    network = load_model(DEFAULT_CHECKPOINT).float()
    films = [study(network, lesson) for lesson in tqdm(lessons, unit="film", disable=None, desc="studying")]
    scores = cross_validate(films, network, work / identity(lessons))
    outcome = judged(lessons, scores)
    return outcome, model_of(outcome.kept, films, network, confidence_of(scores[outcome.kept], lessons))


def identity(lessons: Sequence[Lesson]) -> str:
    """A name for the lessons and the model that is to be taught."""
    digest = hashlib.sha256(__version__.encode())
    for name in ("config.json", WEIGHTS):
        digest.update(file_print(DEFAULT_CHECKPOINT / name).encode())
    for lesson in lessons:
        digest.update(json.dumps([lesson.name, lesson.spans]).encode())
        for values in (lesson.chosen, lesson.features.numpy(), lesson.log_mel.numpy()):
            digest.update(values.tobytes())
    return digest.hexdigest()[:16]


def judged(lessons: Sequence[Lesson], scores: dict[Way, Scores]) -> Outcome:
    """The best way, and how it does beside the others and the rules. scores: of films held out."""
    chosen = [lesson.chosen for lesson in lessons]
    best, precisions = best_way(scores, chosen)
    before, after = scores[UNTAUGHT], scores[best]
    rows = rule_scores(lessons) | {DEFAULT_MODEL: before, TITLE: after}
    return Outcome(
        best=best,
        gain=gain_over(before, after, chosen),
        precisions={str(way): round(value, 4) for way, value in precisions.items()},
        rows={name: row_of(values, lessons) for name, values in rows.items()},
        films=film_rows(lessons, before, after),
    )


def model_of(
    way: Way, films: Sequence[Studied], network: DAViHDModel, confidence: Knots | None
) -> DAViHDModel:
    """The model that a way of teaching makes of all films."""
    if way == UNTAUGHT:
        return network
    [(_, taste)] = taught(films, network, [way], seed=MOST_FOLDS)
    return taught_model(taste, confidence)


def confidence_of(scores: Scores, lessons: Sequence[Lesson]) -> Knots | None:
    """How often picks in films held out were right, by their score, if there are enough of them."""
    events = [[("", start, end) for start, end in lesson.spans] for lesson in lessons]
    picked, right = picks_of(scores, events)
    return knots_of(reliability(picked, right)) if len(picked) >= LEAST_PICKS else None
