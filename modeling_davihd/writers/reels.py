"""A reel of several films, and what lies beside it: where everything in it is from, and what is said."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from .. import __version__
from ..files import write_text
from ..media_options import AS_THE_FILM, ReelOptions
from ..reels import Pick, shots, spread_of
from .base import DIGITS, HighlightResult, decoding, prepare, rounded, writing
from .edit_lists import otio_clip, otio_range, otio_timeline
from .subtitles import srt
from .timelines import Cut, Lane, Timeline

if TYPE_CHECKING:
    from ..media import DecodingLimits, Plan, SubtitleLine


@dataclass(frozen=True)
class Reel:
    """picks: in the order of the reel. path: of its film; lists are beside it, with suffixes of their own.

    options, relative_to: as a `HighlightResult` has them.
    """

    picks: Sequence[Pick]
    path: Path
    options: ReelOptions = AS_THE_FILM
    limits: DecodingLimits | None = None
    relative_to: Path | None = None

    def write(self, formats: Sequence[str]) -> list[Path]:
        """Write the formats, of REEL_FORMATS, the film first; each appears whole or not at all.

        Returns their files. Raises FilmError where a film cannot be decoded, and WriterError or MediaError
        where nothing can be written.
        """
        prepare(self.path.parent)
        return [path for name in REEL_FORMATS if name in formats for path in REEL_FORMATS[name](self)]

    @property
    def films(self) -> list[HighlightResult]:
        """Each film once, in the order of the reel."""
        return list({pick.film.source: pick.film for pick in self.picks}.values())

    @cached_property
    def plan(self) -> Plan:
        from ..media import Plan

        return Plan.of(shots(self.picks), self.options.fade)

    @property
    def length(self) -> float:
        """In seconds."""
        return sum(end - start for start, end in self.plan.pieces())

    def save_film(self) -> list[Path]:
        """The reel itself."""
        from ..media import DEFAULT_LIMITS, cut_films

        limits = self.limits or DEFAULT_LIMITS
        with tqdm(total=round(self.length), unit="s", disable=None, desc=self.path.name) as bar:
            cut_films(
                shots(self.picks),
                self.path,
                options=self.options,
                limits=limits,
                progress=lambda seconds: bar.update(int(seconds) - bar.n),
            )
        return [self.path]

    def save_json(self) -> list[Path]:
        """Where everything in the reel is from, and when it is there."""
        fields = {
            "version": __version__,
            "model": self.picks[0].film.model_id or None,
            "reel": self.path.name,
            "duration": round(self.length, DIGITS),
            "films": [self._film(film) for film in self.films],
            "highlights": list(self._highlights()),
        }
        return self._save(".json", json.dumps(fields, ensure_ascii=False, indent=1, allow_nan=False) + "\n")

    def save_subtitles(self) -> list[Path]:
        """What is said in the reel; nothing if the films have no subtitles."""
        lines = list(self._said())
        return self._save(".srt", srt(lines)) if lines else []

    def save_timeline(self) -> list[Path]:
        """OpenTimelineIO: the reel's cuts, each of its film; where two dissolve, in the middle of that."""
        cuts = list(self._cuts())
        tracks = [_track("Video", cuts, lambda timeline: (timeline.has_picture, None))]
        most = max(len(_heard(timeline)) for timeline, _ in cuts)
        for number in range(most):
            tracks.append(_track("Audio", cuts, partial(_lane, number)))
        content = otio_timeline(self.path.stem, tracks)
        return self._save(".otio", json.dumps(content, ensure_ascii=False, indent=2) + "\n")

    def _save(self, suffix: str, text: str) -> list[Path]:
        path = self.path.with_suffix(suffix)
        with writing(path):
            write_text(path, text)
        return [path]

    def _film(self, film: HighlightResult) -> dict[str, Any]:
        median, deviation = spread_of(film)
        return {
            "source": self._source(film),
            "duration": round(film.duration, DIGITS),
            "median": round(median, DIGITS),
            "deviation": round(deviation, DIGITS),
        }

    def _source(self, film: HighlightResult) -> str:
        return Timeline.of(replace(film, highlights=[], relative_to=self.relative_to)).path

    def _highlights(self) -> Iterator[dict[str, Any]]:
        at = 0.0
        for pick, (start, end) in zip(self.picks, self.plan.pieces(), strict=True):
            place = {"at": round(at, DIGITS), "until": round(at + end - start, DIGITS)}
            said = rounded(pick.highlight) | {"prominence": round(pick.prominence, DIGITS)}
            yield {"source": self._source(pick.film)} | place | said
            at += end - start

    def _said(self) -> Iterator[SubtitleLine]:
        from .. import media

        @cache
        def lines_of(number: int) -> list[SubtitleLine]:
            with decoding(self.films[number]) as (info, limits):
                return media.subtitles_of(info, limits)

        numbers, at = {film.source: number for number, film in enumerate(self.films)}, 0.0
        for pick, piece in zip(self.picks, self.plan.pieces(), strict=True):
            for line in media.cut_subtitles(lines_of(numbers[pick.film.source]), [piece]):
                yield line._replace(start=at + line.start, end=at + line.end)
            at += piece[1] - piece[0]

    def _cuts(self) -> Iterator[tuple[Timeline, Cut]]:
        """Each pick as an edit list of its own film has it, numbered as in the reel."""
        for number, (pick, piece) in enumerate(zip(self.picks, self.plan.pieces(), strict=True), start=1):
            start, end = piece
            shown = replace(pick.highlight, start=start, end=min(end, pick.film.duration))
            timeline = Timeline.of(replace(pick.film, highlights=[shown], relative_to=self.relative_to))
            yield timeline, replace(timeline.cuts[0], number=number)


def _track(
    kind: str, cuts: Sequence[tuple[Timeline, Cut]], taken: Callable[[Timeline], tuple[bool, Lane | None]]
) -> dict[str, Any]:
    """A track of clips; `taken` says whether a film has anything there, and which of its sound tracks."""
    children = []
    for timeline, cut in cuts:
        there, lane = taken(timeline)
        gap = {"OTIO_SCHEMA": "Gap.1", "source_range": otio_range(0, cut.length, timeline.code.rate)}
        children.append(otio_clip(timeline, cut, lane) if there else gap)
    return {"OTIO_SCHEMA": "Track.1", "name": kind, "kind": kind, "children": children}


def _heard(timeline: Timeline) -> list[Lane]:
    return [lane for lane in timeline.lanes if lane.heard]


def _lane(number: int, timeline: Timeline) -> tuple[bool, Lane | None]:
    heard = _heard(timeline)
    return (True, heard[number]) if number < len(heard) else (False, None)


REEL_FORMATS: dict[str, Callable[[Reel], list[Path]]] = {
    "mp4": Reel.save_film,
    "json": Reel.save_json,
    "srt": Reel.save_subtitles,
    "otio": Reel.save_timeline,
}

__all__ = ["REEL_FORMATS", "Reel"]
