"""What a reel shows of which film, for how long and at what rate; nothing is decoded for that."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from .media_limits import FASTEST
from .media_tracks import MediaInfo

CONSTANT = 1e-4  # of a rate: it is constant if its average differs by less from what its time stamps fit
SHORTEST = 0.001  # seconds: frames seen for less time do not get into a reel
FULL_RATE = Fraction(60)  # frames a second of a reel for which films have to be brought to one rate, at most
USUAL_RATE = Fraction(25)  # where there is no picture, or nothing is known of it

Piece = tuple[float, float]


class Shot(NamedTuple):
    """A piece [start, end) of a film, in seconds."""

    film: MediaInfo
    start: float
    end: float


@dataclass(frozen=True)
class Part:
    """A shot in a reel.

    soft: whether its sound begins softly; it does unless the shot goes on where the one before it ended.
    frames: how many it has of the reel's rate, 0 where that is not constant. over: for how many of them it is
    seen and heard together with the end of the shot before it.
    """

    shot: Shot
    soft: bool
    frames: int = 0
    over: int = 0


@dataclass(frozen=True)
class Plan:
    """The parts of a reel, and its frames a second; None where those of the film keep their times."""

    parts: tuple[Part, ...]
    rate: Fraction | None

    @classmethod
    def of(cls, shots: Sequence[Shot], fade: float = 0.0) -> Plan:
        """The shots one after the other, of whole frames where the film has a constant rate.

        fade: seconds for which each dissolves into the next one; half of the shorter one at most.
        Shots of several films, and those that dissolve, get one rate: the highest of the films, up to 60.
        """
        films = {shot.film.path: shot.film for shot in shots}
        rate = _rate_of_all(films.values()) if len(films) > 1 or (fade and len(shots) > 1) else None
        parts: list[Part] = []
        for shot, soft in zip(map(_fitted, shots), _softly(shots), strict=True):
            if rate is None:
                parts.append(Part(shot, soft))
                continue
            frames = max(round((shot.end - shot.start) * rate), 1)
            over = min(round(fade * rate), parts[-1].frames // 2, frames // 2) if parts and soft else 0
            shot = shot._replace(end=shot.start + float(frames / rate))
            parts.append(Part(shot, soft, frames, over))
        return cls(tuple(parts), rate)

    @property
    def films(self) -> list[MediaInfo]:
        """Each film once."""
        return list({part.shot.film.path: part.shot.film for part in self.parts}.values())

    def pieces(self) -> list[Piece]:
        """The piece of its film that each part stands for: where two dissolve, up to the middle of that.

        Put one after the other, they are as long as the reel.
        """
        return list(self._pieces())

    def _pieces(self) -> Iterator[Piece]:
        following = [*(part.over for part in self.parts[1:]), 0]
        for part, over in zip(self.parts, following, strict=False):
            _, start, end = part.shot
            if self.rate:
                begin = start + float(part.over // 2 / self.rate)
                yield begin, start + float((part.frames - over + over // 2) / self.rate)
            else:
                yield start, end


def pieces_in_reel(info: MediaInfo, segments: Sequence[Piece], fade: float = 0.0) -> list[Piece]:
    """What a reel shows of pieces [start, end) that are within the film: whole frames of a constant rate.

    Where two dissolve into each other within `fade` seconds, each counts up to the middle of that.
    """
    return Plan.of([Shot(info, *piece) for piece in segments], fade).pieces()


@dataclass(frozen=True)
class Grid:
    """When the frames of a film of constant rate are shown: the first one in seconds, and frames a second."""

    first: float
    rate: Fraction

    @classmethod
    def of(cls, info: MediaInfo) -> Grid | None:
        """None where the rate is not constant, by what the headers say of it."""
        if not (info.has_video and info.fps and info.nominal_fps):
            return None
        if abs(info.fps / info.nominal_fps - 1) > CONSTANT or not 1 <= info.fps <= FASTEST:
            return None
        usual = (Fraction(round(info.fps)), Fraction(round(info.fps * 1.001) * 1000, 1001))
        near = (rate for rate in usual if abs(info.fps / rate - 1) < CONSTANT)
        return cls(info.picture_start, next(near, Fraction(info.fps).limit_denominator(1001)))

    def nearest(self, time: float) -> float:
        """The time of the frame nearest to a time; between two, that of the later one."""
        return self.first + float(math.floor((time - self.first) * self.rate + 0.5) / self.rate)

    def fitted(self, start: float, end: float) -> Piece:
        """A piece of whole frames, of one at least, that begins no earlier than the film."""
        begin = self.nearest(start)
        begin += float(max(math.ceil(-begin * self.rate - CONSTANT), 0) / self.rate)
        return begin, max(self.nearest(end), begin + float(1 / self.rate))


def _fitted(shot: Shot) -> Shot:
    grid = Grid.of(shot.film)
    return Shot(shot.film, *grid.fitted(shot.start, shot.end)) if grid else shot


def _softly(shots: Sequence[Shot]) -> Iterator[bool]:
    yield from [True] * bool(shots)
    for before, shot in pairwise(shots):
        yield before.film.path != shot.film.path or abs(shot.start - before.end) > SHORTEST


def _rate_of_all(films: Iterable[MediaInfo]) -> Fraction:
    return max((_rate(film) for film in films if film.has_video), default=USUAL_RATE)


def _rate(film: MediaInfo) -> Fraction:
    """Its own up to FULL_RATE; the whole number nearest to the average of one that varies."""
    grid = Grid.of(film)
    rate = grid.rate if grid else Fraction(max(round(film.fps or USUAL_RATE), 1))
    return min(rate, FULL_RATE)


__all__ = ["SHORTEST", "USUAL_RATE", "Grid", "Part", "Piece", "Plan", "Shot", "pieces_in_reel"]
