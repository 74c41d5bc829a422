"""What is seen of a film in a reel, and what its pictures become there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

from .media_encoders import Encoding, Light
from .media_limits import DecodingLimits, MediaError
from .media_options import ReelOptions
from .media_pictures import FULL, SDR, Colours, Fitter, progressive
from .media_plans import SHORTEST, Part, Plan
from .media_tracks import AnyPath, Track


class FilmError(MediaError):
    """One of the films of a reel cannot be used; `path`: which."""

    def __init__(self, message: str, path: Path) -> None:
        super().__init__(message, path)  # both, so that the error can be pickled
        self.path = path

    def __str__(self) -> str:
        return self.args[0]


@contextmanager
def of_film(path: Path) -> Iterator[None]:
    """Say of which film a MediaError is."""
    try:
        yield
    except FilmError:
        raise
    except MediaError as error:
        raise FilmError(str(error), path) from error


def shown(
    track: Track, start: float, end: float
) -> Generator[tuple[float, float, av.VideoFrame], None, None]:
    """Yield (begin, until, frame) for what is seen from `start` to `end`; the last frame stays on."""
    held, since = None, start
    for item in progressive(track.frames(start), track.budget.limits.thread_count):
        if held is not None and item.time - since >= SHORTEST:
            until = item.time if item.time <= end - SHORTEST else end
            yield from spans(since, until, held)
            if until == end:
                return
            since = item.time
        held = item.frame
    if held is not None:
        own_end = min(max(track.end, since), end)
        yield from chain(spans(since, own_end, held), spans(own_end, end, held))


def spans(begin: float, end: float, frame: av.VideoFrame | None = None) -> Iterator[tuple]:
    """Cut [begin, end) into spans of ten seconds at most, to bound the sound that goes with each."""
    while end - begin > SHORTEST / 10:
        yield begin, min(begin + 10.0, end), frame
        begin += 10.0


class _Look(NamedTuple):
    """What a film looks like in a reel: its size, its colours, if of more than 8 bits, and HDR10's light."""

    width: int
    height: int
    colours: Colours
    deep: bool
    light: Light | None

    @property
    def shape(self) -> float:
        return round(self.width / self.height, 1)


@dataclass(frozen=True)
class Canvas:
    """What all pictures of a reel become: of this size, of these colours, encoded so."""

    width: int
    height: int
    colours: Colours
    encoding: Encoding

    @classmethod
    def of(cls, plan: Plan, options: ReelOptions, limits: DecodingLimits) -> Canvas | None:
        """That which the beginnings of the films in the plan call for; None where they have no picture.

        Of several films it has the shape that most seconds of the reel have, and size and colours of the
        largest film of that shape; more than 8 bits if all films have them. HDR stays if all have the same,
        else the reel is SDR of 8 bits. Raises FilmError.
        """
        looks: dict[Path, _Look] = {}
        seconds: Counter[float] = Counter()
        for part in plan.parts:
            film, start, end = part.shot
            if film.has_video:
                if film.path not in looks:
                    with of_film(film.path):
                        looks[film.path] = _look(part, options, limits)
                seconds[looks[film.path].shape] += end - start  # type: ignore[assignment]
        if not looks:
            return None
        [(usual, _)] = seconds.most_common(1)
        model = max((one for one in looks.values() if one.shape == usual), key=lambda one: one.height)
        colours = _colours(model, list(looks.values()))
        deep = all(one.deep for one in looks.values()) and colours is model.colours
        light = model.light if all(one.light == model.light for one in looks.values()) else None
        size, hardware = (model.width, model.height), options.encoder == "hardware"
        encoding = Encoding.of(options.codec, size, deep, light, hardware)
        return cls(model.width, model.height, colours, encoding)

    def fitter(self, path: AnyPath, stream: av.VideoStream, threads: int | None) -> Fitter:
        """One that makes such pictures of a film's; stream: as `Fitter` has it."""
        fitter = Fitter(path, stream, threads=threads)
        fitter.width, fitter.height, fitter.colours = self.width, self.height, self.colours
        fitter.pixel_format = self.encoding.drawn
        return fitter

    def blank(self) -> av.VideoFrame:
        """A black picture."""
        scale = 4 if self.encoding.drawn.endswith("10le") else 1
        planes = np.full(
            (self.height * 3 // 2, self.width), 128 * scale, np.uint16 if scale > 1 else np.uint8
        )
        planes[: self.height] = 0 if self.colours.range == FULL else 16 * scale
        return av.VideoFrame.from_ndarray(planes, format=self.encoding.drawn)


def _colours(model: _Look, looks: Sequence[_Look]) -> Colours:
    """The model's, unless there is HDR, and not the same of all films."""
    mixed = any(one.colours.transfer != model.colours.transfer for one in looks)
    return SDR if mixed and any(one.colours.is_hdr for one in looks) else model.colours


def _look(part: Part, options: ReelOptions, limits: DecodingLimits) -> _Look:
    film, start, end = part.shot
    with closing(Track(film, "video", limits, quiet=True)) as track:
        fitter = Fitter(film.path, track.stream, height=options.height, threads=limits.thread_count)
        with closing(shown(track, start, end)) as steps:
            first = next((frame for _, _, frame in steps), None)
        if first is None:
            raise MediaError(f"{film.path}: nothing of its video can be decoded.")
        fitter.begin(first)
        deep = max(component.bits for component in first.format.components) > 8
        return _Look(fitter.width, fitter.height, fitter.colours, deep, Light.of(first))


__all__ = ["Canvas", "FilmError", "of_film", "shown", "spans"]
