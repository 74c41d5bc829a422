"""What is heard in the highlights of a film, in plain words: YAMNet's classes above their background.

A second of sound has a logit for each of AudioSet's 521 classes. A class counts in a highlight by how far it
rises there above what it seldom exceeds in the background: in what surrounds the highlight, and in seconds
from all over the film. A name counts by the class of its own that rises farthest, and by its lead over all
others. How often names are right that count so much was measured on recorded sounds by
`examples/calibrate_names.py`, which writes the table of names. A name is given where it is so sure that those
given are right in three of four cases.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from .backbones_davihd import YAMNetBackbone
from .conversion import EncoderChoice, load_encoder
from .highlights import Sound
from .loading import CHECKPOINTS
from .media import DEFAULT_LIMITS, SAMPLING_RATE, DecodingLimits, MediaInfo, sound_of

if TYPE_CHECKING:
    from .writers import HighlightResult

TABLE = CHECKPOINTS / YAMNetBackbone.embedded / "sound_names.json"
LEAST_SURE = 0.6  # a name is given from this confidence on, at which three of four given ones are right
MOST = 3  # names of one highlight
AROUND, GAP = 4, 1  # seconds on either side that surround a highlight, and between them and it
SAMPLES = 24  # seconds, spread evenly, that stand for the film
SELDOM = 0.9  # the quantile of the background that a class has to rise above
FLOOR = -9.0  # and the logit, which classes that are not heard stay below
LARGEST_LEAD = 4.0  # in logits; more makes a name no surer
CLEAR = 4.5  # the logit of what is so clearly heard, in all but a quarter of the seconds, that it fills them
BLOCK = 30  # seconds that are heard at once
SILENT = 1e-4  # what the largest sample of a second without sound stays below: -80 dB of full scale
NOTHING = -20.0  # its logits

Logits = dict[int, np.ndarray]  # (521,) of each second that has been heard
Stretch = tuple[float, float]  # start and end in seconds


@dataclass(frozen=True)
class Surroundings:
    """Seconds of a film: of each highlight, of what surrounds it, and those that stand for the film.

    None of those around or of the film is in any highlight.
    """

    inside: list[list[int]]
    around: list[list[int]]
    film: list[int]

    @classmethod
    def of(cls, highlights: Sequence[Stretch], duration: float) -> Surroundings:
        spans = [(math.floor(start), math.ceil(end)) for start, end in highlights]
        inside = [list(range(start, end)) for start, end in spans]
        free = set(range(math.ceil(duration))) - set(chain(*inside))
        near = [(*range(a - GAP - AROUND, a - GAP), *range(b + GAP, b + GAP + AROUND)) for a, b in spans]
        around = [[second for second in seconds if second in free] for seconds in near]
        spread = np.linspace(0, math.ceil(duration) - 1, SAMPLES).astype(int).tolist()
        return cls(inside, around, sorted(free & set(spread)))

    @property
    def seconds(self) -> set[int]:
        return {*chain(*self.inside, *self.around), *self.film}


class NameTable:
    """The names, the classes of each, and how sure each is by what speaks for it.

    names: in order. A general name (animal) has the classes of special ones (dog, bird) too, and is left out
    where one of these is given.
    """

    def __init__(self, fields: Mapping[str, Any]) -> None:
        """fields: "weights" of rise and lead, and "names", rows of "name", "classes" (numbers), "special"
        (names), "offset", and "alone": None, or how sure the name is where it alone is heard.
        """
        rows = fields["names"]
        self.names = [row["name"] for row in rows]
        self.weights = np.array(fields["weights"])
        self.offsets = np.array([row["offset"] for row in rows])
        self._classes = [np.array(row["classes"]) for row in rows]
        self._alone = [row["alone"] for row in rows]
        self.may_be_alone = np.array([sure is not None for sure in self._alone])
        self.special = np.array([[name in row["special"] for name in self.names] for row in rows])
        self._related = self.special | self.special.T | np.eye(len(rows), dtype=bool)

    @classmethod
    def load(cls, path: Path = TABLE) -> NameTable:
        """The table of a file: the one that comes with the package."""
        return cls(json.loads(path.read_text(encoding="utf-8")))

    def evidence(self, inside: np.ndarray, background: np.ndarray) -> np.ndarray:
        """What speaks for each name, (names, 2): its rise above the background and its lead over others.

        inside, background: logits (n, 521) of the classes in seconds of a highlight and of what is around it.
        """
        usual = np.full(inside.shape[1], FLOOR)
        if len(background):
            usual = np.maximum(usual, np.quantile(background, SELDOM, axis=0))
        above = inside.max(0) - usual
        rises = np.array([above[classes].max() for classes in self._classes])
        others = np.where(self._related, -np.inf, rises).max(1)
        return np.stack((rises, np.clip(rises - others, -LARGEST_LEAD, LARGEST_LEAD)), 1)

    def confidences(self, evidence: np.ndarray) -> np.ndarray:
        """The share of cases in which each name is right: (..., names, 2) -> (..., names)."""
        return 1 / (1 + np.exp(-(evidence @ self.weights + self.offsets)))

    def given(self, confidences: np.ndarray) -> np.ndarray:
        """Which names are given: (..., names) -> (..., names) bool."""
        sure = confidences >= LEAST_SURE
        return sure & ~(sure @ self.special.T)

    def heard_alone(self, inside: np.ndarray) -> np.ndarray:
        """Which names (names,) fill a highlight so that nothing else is heard."""
        levels = [np.quantile(inside[:, classes].max(1), 0.25) for classes in self._classes]
        return np.array(levels) > CLEAR

    def sounds(self, inside: np.ndarray, background: np.ndarray) -> tuple[Sound, ...]:
        """The names that are sure enough, the surest first; arguments as of `evidence`."""
        confidences = self.confidences(self.evidence(inside, background))
        surest = np.argsort(-confidences, kind="stable")
        found = [(int(i), float(confidences[i])) for i in surest[self.given(confidences)[surest]]]
        if not found:
            alone = zip(self._alone, self.heard_alone(inside), strict=True)
            found = [(i, sure) for i, (sure, heard) in enumerate(alone) if heard and sure is not None]
        return tuple(Sound(self.names[i], round(sure, 2)) for i, sure in found[:MOST])


def hear(
    encoder: YAMNetBackbone, film: MediaInfo, seconds: set[int], limits: DecodingLimits = DEFAULT_LIMITS
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield each of these seconds of a film with sound, and the logits (521,) of its classes."""
    before, after = encoder.context
    runs = _runs(sorted(seconds))
    spans = [(start * SAMPLING_RATE - before, end * SAMPLING_RATE + after) for start, end in runs]
    for (start, end), samples in zip(runs, sound_of(film, spans, limits), strict=True):
        yield from zip(range(start, end), classes_of(encoder, samples), strict=True)


def classes_of(encoder: YAMNetBackbone, samples: np.ndarray) -> np.ndarray:
    """Logits (n, 521) of the classes of each second; samples: of n seconds and what is heard around them."""
    segments = torch.from_numpy(samples).unfold(0, encoder.input_shape[0], SAMPLING_RATE)
    logits = encoder.class_logits(encoder(segments.to(encoder.device))).float().cpu().numpy()
    before = encoder.context[0]
    own = segments[:, before : before + SAMPLING_RATE]
    return np.where(own.abs().amax(1, keepdim=True).numpy() < SILENT, np.float32(NOTHING), logits)


def _runs(seconds: Sequence[int]) -> list[tuple[int, int]]:
    """(first second, second after the last) of seconds that follow one another, BLOCK at most."""
    runs: list[tuple[int, int]] = []
    for second in seconds:
        start, end = runs[-1] if runs else (second, -1)
        if second == end and second - start < BLOCK:
            runs[-1] = (start, second + 1)
        else:
            runs.append((second, second + 1))
    return runs


class SoundNamer:
    """Says what is heard in the highlights of films. YAMNet is loaded for the first film that has any."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self._device = device

    @cached_property
    def _encoder(self) -> YAMNetBackbone:
        encoder = load_encoder("semantic", EncoderChoice(YAMNetBackbone.embedded))
        return encoder.to(self._device)

    @cached_property
    def _table(self) -> NameTable:
        return NameTable.load()

    def name(self, result: HighlightResult, heard: Logits | None = None) -> HighlightResult:
        """The same film with the `sounds` of each highlight: none where nothing is sure enough, or silent.

        heard: what has been heard of this film before; what is heard now is added. Raises MediaError, in one
        sentence, if the film cannot be read.
        """
        film, limits = result.probed()
        heard = {} if heard is None else heard
        if not (film.has_audio and result.highlights):
            return _with_sounds(result, [()] * len(result.highlights))
        where = Surroundings.of(result.segments, result.duration)
        heard.update(hear(self._encoder, film, where.seconds - heard.keys(), limits))
        backgrounds = (around + where.film for around in where.around)
        sounds = [
            self._table.sounds(_rows(heard, inside), _rows(heard, background))
            for inside, background in zip(where.inside, backgrounds, strict=True)
        ]
        return _with_sounds(result, sounds)


def _rows(heard: Logits, seconds: Sequence[int]) -> np.ndarray:
    return np.array([heard[second] for second in seconds])


def _with_sounds(result: HighlightResult, sounds: Sequence[tuple[Sound, ...]]) -> HighlightResult:
    pairs = zip(result.highlights, sounds, strict=True)
    return replace(result, highlights=[replace(one, sounds=names) for one, names in pairs], listened=True)
