"""The parts of a reel as they are seen and heard one after the other, before anything is encoded."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np

from .media_canvas import Canvas, FilmError, of_film, shown, spans
from .media_limits import DecodingLimits
from .media_plans import Grid, Part, Plan
from .media_reading import Array, Mix
from .media_tracks import MediaInfo, Track

Due = Callable[[Fraction | float], int]  # the samples of sound that belong to so many seconds from now on
Step = tuple[float, Fraction | float, av.VideoFrame | None]  # when, for how long, and what is seen


class Moment(NamedTuple):
    """A step of a reel.

    seconds: how long it is. picture: as it is to be encoded, or None. sound: float32 (channels, n), or None.
    begins: None in the middle of a part; at its beginning, whether that is soft.
    """

    seconds: Fraction | float
    picture: av.VideoFrame | None
    sound: Array | None
    begins: bool | None = None


class Player:
    """Plays a plan, as often as asked.

    canvas: of its pictures; None: without them. rate, channels: of its sound, the former in Hz; no channels:
    without it. gains: by what factor the sound of a film is to be louder, by its path.
    """

    def __init__(
        self,
        plan: Plan,
        canvas: Canvas | None,
        sound: tuple[int, int],
        limits: DecodingLimits,
        gains: Mapping[Path, float] | None = None,
    ) -> None:
        self.plan, self.canvas, self.sound, self.limits = plan, canvas, sound, limits
        self.gains = gains or {}

    def of_sound(self, film: MediaInfo | None = None) -> Player:
        """One of the sound alone: of the whole reel, or of what it has of one film, part after part."""
        parts = self.plan.parts
        if film:
            parts = tuple(replace(one, soft=True, over=0) for one in parts if one.shot.film.path == film.path)
        return Player(Plan(parts, self.plan.rate), None, self.sound, self.limits, self.gains)

    def moments(self) -> Generator[Moment, None, None]:
        """Yield everything in order. Raises FilmError for what cannot be decoded or is not there."""
        length, samples = Fraction(0), 0
        rate, channels = self.sound

        def due(seconds: Fraction | float) -> int:
            return max(round((length + seconds) * rate) - samples, 0) if channels else 0

        with closing(self._joined(due)) as moments:
            for moment in moments:
                samples += due(moment.seconds)
                length += moment.seconds  # type: ignore[assignment]
                yield moment

    def _joined(self, due: Due) -> Generator[Moment, None, None]:
        parts = self.plan.parts
        with ExitStack() as earlier:
            ending: Iterator[Moment] = iter(())
            for part, following in zip(parts, [*parts[1:], None], strict=True):
                with ExitStack() as stack:
                    moments = stack.enter_context(closing(self._moments_of(part, due)))
                    yield from self._dissolved(ending, moments, part.over)
                    earlier.close()
                    alone = part.frames - part.over - (following.over if following else 0)
                    body: Iterator[Moment] = islice(moments, alone) if self.plan.rate else moments
                    yield from body if part.over else _begun(body, part)
                    ending = moments
                    earlier.push(stack.pop_all())

    def _dissolved(
        self, ending: Iterator[Moment], beginning: Iterator[Moment], frames: int
    ) -> Iterator[Moment]:
        """Yield so many frames of one part's end and the next one's beginning, mixed."""
        last: Any = None
        for number in range(frames):
            one, two = next(ending, last), next(beginning, None)
            if one is None or two is None:  # the film ends earlier than it says
                yield from filter(None, (one, two))
                continue
            last = one._replace(sound=None)
            picture = two.picture and _mixed(one.picture, two.picture, (number + 0.5) / frames)
            yield Moment(two.seconds, picture, _cross_faded(one.sound, two.sound, number, frames))

    def _moments_of(self, part: Part, due: Due) -> Generator[Moment, None, None]:
        film = part.shot.film
        with of_film(film.path), ExitStack() as stack:
            picture, heard = self._opened(stack, part)
            fitted = self._fitting(film, picture)
            for begin, seconds, frame in self._steps(picture, part):
                block = heard.take(due(seconds)) if heard else None
                if picture is None or begin >= picture.end:  # only the sound can tell how far the film goes
                    seconds = self._left(seconds, picture, block)
                if seconds > 0:
                    yield Moment(seconds, fitted(frame), self._filled(block, due(seconds), film.path))

    def _opened(self, stack: ExitStack, part: Part) -> tuple[Track | None, Mix | None]:
        film, start, _ = part.shot
        picture, (rate, channels) = None, self.sound
        if self.canvas and film.has_video:
            picture = stack.enter_context(closing(Track(film, "video", self.limits)))
        if not (channels and film.has_audio):
            return picture, None
        tracks = Track.all_of(film, "audio", self.limits)
        for track in tracks:
            stack.enter_context(closing(track))
        return picture, stack.enter_context(closing(Mix(tracks, start, rate, channels)))

    def _fitting(
        self, film: MediaInfo, picture: Track | None
    ) -> Callable[[av.VideoFrame | None], av.VideoFrame | None]:
        if self.canvas is None:
            return lambda frame: None
        if picture is None:
            blank = self.canvas.blank()
            return lambda frame: blank
        fitter = self.canvas.fitter(film.path, picture.stream, self.limits.thread_count)
        return functools.lru_cache(1)(fitter.fit)  # what is shown for long is fitted once

    def _steps(self, picture: Track | None, part: Part) -> Iterator[Step]:
        film, start, end = part.shot
        stretches = shown(picture, start, end) if picture else spans(start, end)
        rate, grid = self.plan.rate, Grid.of(film)
        for begin, until, frame in stretches:
            if rate:
                for number in range(round((begin - start) * rate), round((until - start) * rate)):
                    yield start + float(number / rate), 1 / rate, frame
                continue
            if grid:
                begin, until = grid.nearest(begin), grid.nearest(until)
            if until > begin:
                yield begin, until - begin, frame

    def _left(
        self, seconds: Fraction | float, picture: Track | None, block: Array | None
    ) -> Fraction | float:
        """How much there is of so many seconds once there is no picture any more, or where there is none."""
        if block is None:
            return 0 if picture else seconds
        left = block.shape[1] / self.sound[0]
        return (seconds if left else 0) if self.plan.rate else min(seconds, left)

    def _filled(self, block: Array | None, count: int, film: Path) -> Array | None:
        """So many samples: those of a block, as loud as they are to be, and silence."""
        if not self.sound[1]:
            return None
        samples = np.zeros((self.sound[1], count), np.float32)
        if block is not None:
            samples[:, : block.shape[1]] = block[:, :count]
            samples *= np.float32(self.gains.get(film, 1.0))
        return samples


def _begun(moments: Iterator[Moment], part: Part) -> Iterator[Moment]:
    film, start, end = part.shot
    first = next(moments, None)
    if first is None:
        raise FilmError(
            f"{film.path}: the piece from {start:g} s to {end:g} s is after the film's end.", film.path
        )
    yield first._replace(begins=part.soft)
    yield from moments


def _mixed(one: Any, two: Any, share: float) -> av.VideoFrame:
    """A picture of two of one kind, so much of it of the second."""
    weight = round(share * 256)
    first, second = (frame.to_ndarray().astype(np.uint32) for frame in (one, two))
    mixed = (first * (256 - weight) + second * weight + 128) >> 8
    depth = np.uint8 if max(part.bits for part in two.format.components) == 8 else np.uint16
    picture = av.VideoFrame.from_ndarray(mixed.astype(depth), format=two.format.name)
    picture.colorspace, picture.color_range = two.colorspace, two.color_range
    return picture


def _cross_faded(one: Array | None, two: Array | None, number: int, frames: int) -> Array | None:
    """Sound that goes from one to the other, at equal power; `number`: of this frame, of so many."""
    if two is None:
        return None
    way = (number + np.arange(two.shape[1], dtype=np.float32) / max(two.shape[1], 1)) / frames * (math.pi / 2)
    return two * np.sin(way) + (0 if one is None else one * np.cos(way))


__all__ = ["Moment", "Player"]
