"""Clean edges of the highlights of a film: not through words, nor a few pictures beside a change of shots.

Little of the film is decoded once more for that: a few seconds around every edge.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING

import torch

from .edges import FARTHEST, KINDS, Around, Found, Rules, Span, chosen, joined, sights, with_room
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

HEARD = FARTHEST + 1.0  # seconds of sound on either side of an edge, to hear most pauses to their end
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

    def _look(self, result: HighlightResult, edges: Sequence[float], snap: Collection[str]) -> Known:
        film, limits = result.probed()
        hears = "pauses" in snap and film.has_audio
        words = self._words(film, edges, limits) if hears else [()] * len(edges)
        arounds = {edge: Around(words=tuple(speech)) for edge, speech in zip(edges, words, strict=True)}
        if "shots" in snap and film.has_video:
            arounds = _with_shots(film, arounds, limits)
        return arounds

    def _words(
        self, film: MediaInfo, edges: Sequence[float], limits: DecodingLimits
    ) -> Iterator[Sequence[Span]]:
        """Where somebody speaks around each edge."""
        spans = [(edge - HEARD - WARMING_UP, edge + HEARD) for edge in edges]
        samples = [(round(start * SAMPLING_RATE), round(end * SAMPLING_RATE)) for start, end in spans]
        for (start, _), sound in zip(spans, sound_of(film, samples, limits), strict=True):
            words = parted(stretches(self._network(torch.from_numpy(sound)).numpy(), start), sound, start)
            yield [word for word in words if word[1] > start + WARMING_UP]


def _with_shots(film: MediaInfo, arounds: Known, limits: DecodingLimits) -> Known:
    """The same with the changes of shots around each edge; without any if the pictures cannot be decoded."""
    seen = {edge: sights(edge, around) for edge, around in arounds.items()}
    changes: list[Span] = []
    try:
        with closing(Pictures(film, SIZE, limits)) as pictures:
            for start, end in joined(chain.from_iterable(seen.values())):
                changes += shot_changes(pictures.between(start, end))
    except MediaError as error:
        message = f"{str(error).rstrip('.')}: no edge of a highlight goes to a change of shots."
        warnings.warn(message, MediaWarning, stacklevel=2)
        return arounds
    return {
        edge: replace(around, shots=tuple(change for change in changes if _is_in(change, seen[edge])))
        for edge, around in arounds.items()
    }


def _is_in(change: Span, spans: Iterable[Span]) -> bool:
    return any(start <= change[1] and change[0] <= end for start, end in spans)
