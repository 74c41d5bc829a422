"""How sure names of sounds are by what speaks for them, as measured on films whose sounds are known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from examples.naming.films import BEDS, SECONDS, LabelledFilm
from examples.naming.vocabulary import right_names
from modeling_davihd.backbones_davihd import YAMNetBackbone
from modeling_davihd.sound_names import LEAST_SURE, NameTable, Surroundings, classes_of

WORTH_FITTING = (1.0, -2.0)  # least rise and lead: of less, nothing can be learned about what is given
SPREAD = 1.0  # of the names' offsets, expected: what few recordings say of a name counts little
FOLDS = 8
LEAST_RIGHT = 0.75  # of all that is given of a name
CAUTION = np.append(np.arange(0, 8, 0.25), 99)  # by how much a name's offset may be lowered


@dataclass(frozen=True)
class Cases:
    """Highlights whose sounds are known.

    evidence, alone: (N, names, 2) and (N, names), of `NameTable`. right: (N, names) bool; where nothing
    stands out, what the film's bed is made of. kinds: of the recordings, "" where nothing stands out.
    sources: whose they are, by the first words of their names; recordings of one source are alike.
    """

    evidence: np.ndarray
    alone: np.ndarray
    right: np.ndarray
    kinds: np.ndarray
    sources: np.ndarray

    def of(self, chosen: np.ndarray) -> Cases:
        """Those that are chosen."""
        return Cases(*(getattr(self, field.name)[chosen] for field in fields(self)))


def cases_of(table: NameTable, heard: Iterable[tuple[LabelledFilm, np.ndarray]]) -> Cases:
    """The cases of films, given with the logits (seconds, 521) of what is heard in them."""
    rows = []
    for film, logits in heard:
        where = Surroundings.of([(one.start, one.end) for one in film.heard], SECONDS)
        for one, inside, around in zip(film.heard, where.inside, where.around, strict=True):
            evidence = table.evidence(logits[inside], logits[[*around, *where.film]])
            alone = table.heard_alone(logits[inside])
            names = right_names(one.recording) if one.recording else BEDS[film.role]
            right = [name in names for name in table.names]
            kind, source = (one.recording.kind, one.recording.path.stem) if one.recording else ("", film.role)
            rows.append((evidence, alone, right, kind, source.split("-")[0]))
    return Cases(*map(np.array, zip(*rows, strict=True)))


def logits_of(encoder: YAMNetBackbone, film: LabelledFilm) -> np.ndarray:
    """The logits (seconds, 521) of what is heard in a film."""
    return classes_of(encoder, np.pad(film.sound, encoder.context))


def fitted(cases: Cases) -> tuple[np.ndarray, np.ndarray]:
    """Weights (2,) and offsets (names,) of a logistic regression, each offset drawn to their mean.

    A name that is right in no case has the mean.
    """
    chosen = (cases.evidence >= WORTH_FITTING).all(-1) & cases.right.any(0)
    _, names = np.nonzero(chosen)
    evidence, right = cases.evidence[chosen], cases.right[chosen]
    count = cases.right.shape[1]

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        weights, offsets, mean = np.split(parameters, (2, 2 + count))
        logits, apart = evidence @ weights + offsets[names], (offsets - mean) / SPREAD
        value = np.logaddexp(0, np.where(right, -logits, logits)).sum() + (apart**2).sum() / 2
        error = expit(logits) - right
        slopes = np.bincount(names, error, count) + apart / SPREAD
        return value, np.concatenate((error @ evidence, slopes, [-apart.sum() / SPREAD]))

    found = minimize(loss, np.zeros(count + 3), jac=True, method="L-BFGS-B").x
    return found[:2], found[2:-1]


def cross_validated(cases: Cases) -> np.ndarray:
    """Log-odds (N, names) of cases by fits to those of other sources, so that none has been heard before."""
    order = np.unique(cases.sources, return_inverse=True)[1]
    folds = np.random.default_rng(0).permutation(order.max() + 1)[order] % FOLDS
    odds = np.zeros(cases.right.shape)
    for fold in range(FOLDS):
        weights, offsets = fitted(cases.of(folds != fold))
        odds[folds == fold] = cases.evidence[folds == fold] @ weights + offsets
    return odds


def cautions(odds: np.ndarray, right: np.ndarray) -> np.ndarray:
    """By how much the log-odds (N, names) of each name have to fall for it to be right often enough."""
    needed = []
    for own, truth in zip(odds.T, right.T, strict=True):
        given = [expit(own - caution) >= LEAST_SURE for caution in CAUTION]
        enough = [truth[sure].sum() >= LEAST_RIGHT * sure.sum() for sure in given]
        needed.append(CAUTION[enough.index(True)])
    return np.array(needed)
