"""Clean edges of the highlights of a film: not through words, nor a few pictures beside a change of shots.

Little of the film is decoded once more for that: a few seconds around every edge.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from .edges import FARTHEST, FLASH, KINDS, PAUSE_REACH, Around, Found, Rules, Span, chosen, with_room
from .highlights import Edge
from .media import (
    SAMPLING_RATE,
    DecodingLimits,
    MediaError,
    MediaInfo,
    MediaWarning,
    Pictures,
    sound_of,
)
from .shots import SIZE, shot_changes
from .speech import SileroNetwork, parted, stretches

if TYPE_CHECKING:
    from .writers import HighlightResult

SEEN = PAUSE_REACH + FLASH  # seconds of picture on either side of an edge
HEARD = FARTHEST + 1.0  # and of sound, so that most pauses are heard to their end
WARMING_UP = 1.0  # seconds of sound before these, for the network to know what it hears

Known = dict[float, Around]  # by the edge around which it was found


@dataclass(frozen=True)
class Cutting:
    """How the edges of highlights are to be.

    snap: what they go to, of KINDS. before, after: seconds of room that each is given then, on top of all
    limits. shortest, longest: of one highlight, and total: of all, without that room, in seconds.
    """

    snap: Collection[str] = KINDS
    before: float = 0.0
    after: float = 0.0
    shortest: float = 2.0
    longest: float = 30.0
    total: float | None = None


class EdgeCleaner:
    """Moves edges of highlights to where they can be cut. Silero's network is loaded for the first film."""

    @cached_property
    def _network(self) -> SileroNetwork:
        return SileroNetwork.load()

    def clean(self, result: HighlightResult, cutting: Cutting, known: Known | None = None) -> HighlightResult:
        """The same film with cleaner edges, which say where they were, and with room beside them.

        known: what was found around edges of this film before, with the same `snap`; what is found now is
        added. Raises MediaError, in one sentence, if the film cannot be read; one whose pictures cannot be
        decoded gets a MediaWarning.
        """
        if not result.highlights or not (cutting.snap or cutting.before or cutting.after):
            return result
        known = {} if known is None else known
        edges = sorted({edge for segment in result.segments for edge in segment} - known.keys())
        if edges:
            known.update(self._look(result, edges, cutting.snap))
        rules = Rules(result.duration, cutting.shortest, cutting.longest, cutting.total)
        arounds = [(known[start], known[end]) for start, end in result.segments]
        found = [Found(one.start, one.end, one.middle) for one in result.highlights]
        pairs = chosen(found, arounds, rules)
        spans = [(start.time, end.time) for start, end in pairs]
        spans = with_room(spans, cutting.before, cutting.after, result.duration)
        moved = [
            replace(
                result.judged(*span),
                confidence=one.confidence,
                sounds=one.sounds,
                edges=(Edge(one.start, start.time, start.at), Edge(one.end, end.time, end.at)),
            )
            for one, (start, end), span in zip(result.highlights, pairs, spans, strict=True)
        ]
        return replace(result, highlights=moved)

    def _look(
        self, result: HighlightResult, edges: Sequence[float], snap: Collection[str]
    ) -> Iterator[tuple[float, Around]]:
        film, limits = result.probed()
        shots = _shots(film, edges, limits) if "shots" in snap and film.has_video else [()] * len(edges)
        hears = "pauses" in snap and film.has_audio
        words = self._words(film, edges, limits) if hears else [()] * len(edges)
        for edge, changes, speech in zip(edges, shots, words, strict=True):
            yield edge, Around(tuple(changes), tuple(speech))

    def _words(
        self, film: MediaInfo, edges: Sequence[float], limits: DecodingLimits
    ) -> Iterator[Sequence[Span]]:
        """Where somebody speaks around each edge."""
        spans = [(edge - HEARD - WARMING_UP, edge + HEARD) for edge in edges]
        samples = [(round(start * SAMPLING_RATE), round(end * SAMPLING_RATE)) for start, end in spans]
        for (start, _), sound in zip(spans, sound_of(film, samples, limits), strict=True):
            words = parted(stretches(self._network(torch.from_numpy(sound)).numpy(), start), sound, start)
            yield [word for word in words if word[1] > start + WARMING_UP]


def _shots(film: MediaInfo, edges: Sequence[float], limits: DecodingLimits) -> list[list[Span]]:
    """The changes of shots around each edge; none where the pictures cannot be decoded."""
    changes: list[Span] = []
    try:
        with closing(Pictures(film, SIZE, limits)) as pictures:
            for start, end in _joined((edge - SEEN, edge + SEEN) for edge in edges):
                changes += shot_changes(pictures.between(start, end))
    except MediaError as error:
        message = f"{str(error).rstrip('.')}: no edge of a highlight goes to a change of shots."
        warnings.warn(message, MediaWarning, stacklevel=2)
        changes = []
    return [
        [(until, since) for until, since in changes if edge - SEEN <= since and until <= edge + SEEN]
        for edge in edges
    ]


def _joined(spans: Iterable[Span]) -> list[Span]:
    """Spans in order, those that touch in one."""
    joined: list[Span] = []
    for start, end in spans:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined
