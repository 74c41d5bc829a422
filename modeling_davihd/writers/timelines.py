"""What all edit lists say of a film and of the cut, in whole frames of one rate."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from ..highlights import Highlight
from ..wording import printable
from .base import HighlightResult, WriterError, heard
from .timecodes import TimeCode, editing_rate

MOST_EVENTS = 999  # of an EDL, whose event numbers have three digits
STEREO = 2  # channels of a film's sound where nothing is known of it
USUAL_SIZE = (1920, 1080)  # pixels of a picture of which nothing is known
USUAL_SAMPLING_RATE = 48000


@dataclass(frozen=True)
class Cut:
    """A highlight in the cut: its number, from 1, and its frames from `first` to that before `last`, counted
    from the film's first picture; recorded: frames of the cut that come before."""

    number: int
    highlight: Highlight
    first: int
    last: int
    recorded: int

    @property
    def length(self) -> int:
        """In frames."""
        return self.last - self.first

    @property
    def remark(self) -> str:
        """What there is to say of the highlight, in a line."""
        score, names = self.highlight.score, heard(self.highlight)
        known = "" if math.isnan(score) else f", score {score:.2f}"
        return f"Highlight {self.number}{known}" + (f": {names}" if names else "")


@dataclass(frozen=True)
class Lane:
    """A sound track: its number, from 1, its channels, numbered from 1 through all tracks, and whether it is
    heard in the cut, or is there to be switched on."""

    number: int
    name: str
    channels: range
    heard: bool = True


@dataclass(frozen=True)
class Timeline:
    """All of a film's highlights in a row.

    name: the film's file name. code: how its frames are numbered, from its first picture on; the cut's own
    are numbered alike, from zero. length: of the film, in frames. lanes: all of its sound tracks.
    """

    result: HighlightResult
    name: str
    code: TimeCode
    length: int
    cuts: tuple[Cut, ...]
    has_picture: bool
    lanes: tuple[Lane, ...]

    @classmethod
    def of(cls, result: HighlightResult) -> Timeline:
        film = result.film
        rate = editing_rate(result.fps, film.nominal_fps if film else None)
        code = TimeCode.of(rate, film.timecode if film else None, result.fps)
        cuts = tuple(_cuts(result, code))
        length = max([_frame(result, result.duration, code), *(cut.last for cut in cuts)])
        has_picture = film is None or film.has_video
        return cls(result, result.source_name, code, length, cuts, has_picture, tuple(_lanes(result)))

    @property
    def title(self) -> str:
        """Of the cut."""
        return f"{self.name} highlights"

    @property
    def recorded(self) -> int:
        """How many frames the cut has."""
        return sum(cut.length for cut in self.cuts)

    @property
    def reel(self) -> str | None:
        """The tape or card that the film comes from, as its container says."""
        return (self.result.film and self.result.film.reel) or None

    @property
    def path(self) -> str:
        """Where the film is, for people and for formats without addresses."""
        return printable(self.result.address or os.fspath(self._path))

    @property
    def url(self) -> str:
        """Where the film is, its name in UTF-8 and percent signs: a file URL, or a path from the lists on."""
        if self.result.address is not None:
            return self.result.address
        if self.result.relative_to is None:
            return self._path.as_uri()
        return quote(os.fsencode(self._path))

    @property
    def _path(self) -> Path:
        path = self.result.source.parent.resolve() / self.result.source.name
        folder = self.result.relative_to
        return path if folder is None else Path(os.path.relpath(path, folder.resolve()))

    @cached_property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture as it is shown, in pixels; as it is stored if it cannot be read."""
        from ..media import MediaError, shown_size

        film = self.result.film
        if not (film and film.has_video and film.width and film.height):
            return USUAL_SIZE
        try:
            return shown_size(*self.result.probed())
        except (MediaError, OSError):
            return film.width, film.height

    @property
    def sampling_rate(self) -> int:
        """Of the sound, in Hz."""
        return (self.result.film and self.result.film.sampling_rate) or USUAL_SAMPLING_RATE

    def check_events(self) -> None:
        """Raise WriterError if there are more highlights than an EDL can number."""
        if len(self.cuts) > MOST_EVENTS:
            raise WriterError(
                f"An EDL holds at most {MOST_EVENTS} events, but there are {len(self.cuts)} highlights."
            )


def _frame(result: HighlightResult, time: float, code: TimeCode) -> int:
    """The frame nearest to a time; the film's first picture may be later than its first sound."""
    zero = result.film.picture_start if result.film else 0.0
    return max(math.floor((time - zero) * code.rate + 0.5), 0)


def _cuts(result: HighlightResult, code: TimeCode) -> Iterator[Cut]:
    """Where the reel is cut, too: at whole frames of the film, to which there may be several of the rate.

    Where the reel dissolves, it is in the middle of that.
    """
    from ..media import pieces_in_reel

    pieces, recorded = result.segments, 0
    if result.film:
        pieces = pieces_in_reel(result.film, pieces, result.reel.fade)
    for number, (highlight, piece) in enumerate(zip(result.highlights, pieces, strict=True), start=1):
        first, last = (_frame(result, edge, code) for edge in piece)
        cut = Cut(number, highlight, first, max(last, first + 1), recorded)
        recorded += cut.length
        yield cut


def _lanes(result: HighlightResult) -> Iterator[Lane]:
    film = result.film
    if film is None or (film.has_audio and not film.sounds):
        yield Lane(1, "", range(1, 1 + STEREO))
    channel = 1
    for sound in film.sounds if film else ():
        yield Lane(sound.number, sound.name or "", range(channel, channel + sound.channels), sound.heard)
        channel += sound.channels


__all__ = ["Cut", "Lane", "Timeline"]
