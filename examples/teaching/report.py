"""What a teaching has come to: before and after, film by film, beside rules that need no network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from examples.teaching.choosing import UNTAUGHT, Gain, Scores, Way, film_precisions
from examples.teaching.lessons import Lesson
from examples.training import rules
from examples.training.tables import markdown
from modeling_davihd.loading import DEFAULT_MODEL
from modeling_davihd.metrics.highlight_detection import event_scores

HEADINGS = ["scores", "found, %", "right, %", "average precision, %"]
TITLE = "taught"
EXPLANATION = """\
Found: highlights that are among as many picks as a film has highlights. Right: picks that are highlights.
Average precision: of a film's seconds, in the order of their scores; the mean over films with highlights.
Each film was scored by a model taught without it."""


@dataclass(frozen=True)
class Outcome:
    """What came of trying all ways.

    best: the way that does best; `kept`: that, or the untaught model. precisions: of every way the average
    precision of the seconds of all films together, by which `best` was chosen. rows: "found", "right" and
    "precision" of rules and models, each over all films. films: of every film its name, how many highlights
    it has, and "before" and "after" like a row.
    """

    best: Way
    gain: Gain
    precisions: dict[str, float]
    rows: dict[str, dict[str, float | None]]
    films: list[dict[str, Any]]

    @property
    def kept(self) -> Way:
        return self.best if self.gain.is_real else UNTAUGHT

    def content(self) -> dict[str, Any]:
        """As a file holds it."""
        gain = {"mean": round(self.gain.mean, 4), "standard_error": round(self.gain.error, 4)}
        return {
            "kept": str(self.kept),
            "best": str(self.best),
            "gain": gain | {"films": self.gain.films},
            "precisions": self.precisions,
            "rows": self.rows,
            "films": self.films,
        }


def rule_scores(lessons: Sequence[Lesson]) -> dict[str, Scores]:
    """What the rules give every film; the profile of positions is that of the other films."""
    found: dict[str, Scores] = {}
    for number, lesson in enumerate(lessons):
        seconds = len(lesson.chosen)
        others = [one.chosen.astype(float) for one in lessons if one is not lesson]
        profile = rules.stretched(rules.position_profile(others), seconds)
        scores = {"random": rules.random_scores(seconds, number), "centre": rules.centre_scores(seconds)}
        scores |= {"position profile": profile} | rules.sound_scores(lesson.log_mel.numpy(), seconds)
        for name, values in scores.items():
            found.setdefault(name, []).append(np.asarray(values, np.float64))
    return found


def row_of(scores: Scores, lessons: Sequence[Lesson]) -> dict[str, float | None]:
    """Highlights found, picks right and average precision, as shares; None of films without highlights."""
    found = film_precisions(scores, [lesson.chosen for lesson in lessons])
    precisions = [one for one in found if one is not None]
    if not precisions:
        return {"found": None, "right": None, "precision": None}
    events = event_scores(scores, [lesson.spans for lesson in lessons])
    values = (events["event_recall"], events["event_precision"], float(np.mean(precisions)))
    return dict(zip(("found", "right", "precision"), (round(value, 4) for value in values), strict=True))


def film_rows(lessons: Sequence[Lesson], before: Scores, after: Scores) -> list[dict[str, Any]]:
    """Of every film, what the untaught and the taught model find."""
    return [
        {
            "film": lesson.name,
            "highlights": len(lesson.spans),
            "before": row_of([old], [lesson]),
            "after": row_of([new], [lesson]),
        }
        for lesson, old, new in zip(lessons, before, after, strict=True)
    ]


def overview(outcome: Outcome) -> str:
    """The table of rules and models, with what its columns mean."""
    rows = {name: [*map(_cell, row.values())] for name, row in outcome.rows.items()}
    return f"{markdown(HEADINGS, rows)}\n\n{EXPLANATION}"


def tables(outcome: Outcome) -> str:
    """The table of films, then that of rules and models."""
    films = {
        row["film"]: [str(row["highlights"]), *map(_change, row["before"].values(), row["after"].values())]
        for row in outcome.films
    }
    return f"{markdown(['film', 'highlights', *HEADINGS[1:]], films)}\n\n{overview(outcome)}"


def _cell(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"


def _change(before: float | None, after: float | None) -> str:
    return "-" if before is None else f"{_cell(before)} → {_cell(after)}"


def verdict(outcome: Outcome) -> str:
    """What is kept, and why, in one paragraph."""
    gain, after = outcome.gain, outcome.rows[TITLE]["precision"]
    change = f"{100 * gain.mean:+.1f} ± {100 * gain.error:.1f} points"
    if outcome.kept == UNTAUGHT:
        return (
            f"Nothing that was tried is better than {DEFAULT_MODEL} beyond what chance would do: on films "
            f"that it was not taught with, the best ({outcome.best}) changes the average precision by "
            f"{change} in the mean of {gain.films} films. So the model is {DEFAULT_MODEL}, unchanged. More "
            "labelled films may help, or one kind of highlight at a time (--only)."
        )
    return (
        f"Kept: {outcome.best}. On films that it was not taught with, its average precision is "
        f"{_cell(after)} %, {change} against that of {DEFAULT_MODEL} in the mean of {gain.films} films. It "
        f"was chosen by these films among {len(outcome.precisions)} ways, so a little of that is luck."
    )
