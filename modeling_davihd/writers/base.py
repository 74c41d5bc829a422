"""What all output formats share: the result to write, and the classes that they derive from."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .. import __version__
from ..files import clear_partials, whole
from ..highlights import Calibration, Highlight, Span, check_spans, clip_highlights, highlight_of
from ..media_options import AS_THE_FILM, ReelOptions
from ..wording import printable

if TYPE_CHECKING:
    from ..media import DecodingLimits, MediaInfo


DIGITS = 6  # of times in seconds
MADE_OF = 0.5  # of what two highlights cover; with so much in common, one is made of the other


class WriterError(ValueError):
    """An output cannot be written; the message is one sentence that says why. `written`: what was."""

    def __init__(self, message: str, written: Sequence[Path] = ()) -> None:
        super().__init__(message)
        self.written = list(written)


class UnsuitableError(WriterError):
    """A format is of no use for such a film, be it written or not."""


@dataclass(frozen=True, eq=False)
class HighlightResult:
    """What is known about one film, enough for every output format.

    source: the film's path. duration: its length in seconds. scores: (T,), one a second, T = ceil(duration);
        NaN, all of them, where nobody has scored it.
    highlights: as found; on construction each is cut off at `duration`, its times to the microsecond, as they
        are written: what is read again and cut is the same.
    model_id: which model made the scores, or "". version: of this package.
    log_mel: (128, M) and velocity_attention: (L, F), both spanning the T seconds, bins from low to high up to
        8 kHz; for the picture only. fps: picture frames a second, None without a picture.
    limits: of decoding the film again for a reel; None: the usual ones.
    calibration: of the model, by which highlights are chosen and judged.
    film: what the headers say of the film; None: not known.
    listened: whether somebody has listened for what is heard in them; so it is where any has `sounds`.
    relative_to: the folder of the edit lists, if they are to name the film by its path from there; None: by
        its whole path.
    reel: how reel and clips are to be encoded.
    name: what the outputs are called by; None: the film's own name.
    address: the film's URL, where it is no file of this machine and `source` only a copy.
    """

    source: Path
    duration: float
    scores: np.ndarray
    highlights: list[Highlight]
    model_id: str
    version: str
    log_mel: np.ndarray | None = field(default=None, repr=False)
    velocity_attention: np.ndarray | None = field(default=None, repr=False)
    fps: float | None = None
    limits: DecodingLimits | None = None
    calibration: Calibration = Calibration()
    film: MediaInfo | None = field(default=None, repr=False)
    listened: bool = False
    relative_to: Path | None = None
    reel: ReelOptions = AS_THE_FILM
    name: str | None = None
    address: str | None = None

    def __post_init__(self) -> None:
        if np.ndim(self.scores) != 1 or len(self.scores) == 0:
            raise ValueError(f"scores has shape {np.shape(self.scores)}, but (T,) is needed, T at least 1.")
        if not (math.isfinite(self.duration) and self.duration > 0):
            raise ValueError(f"duration must be more than zero seconds, but is {self.duration}.")
        if self.fps is not None and not (math.isfinite(self.fps) and self.fps >= 1):
            raise ValueError(f"fps must be None or at least 1 frame a second, but is {self.fps}.")
        for name in ("log_mel", "velocity_attention"):
            array = getattr(self, name)
            if array is not None and (np.ndim(array) != 2 or np.size(array) == 0):
                raise ValueError(f"{name} has shape {np.shape(array)}, but two dimensions are needed.")
        object.__setattr__(self, "source", Path(self.source))
        within = clip_highlights(self.highlights, self.duration)
        object.__setattr__(self, "highlights", [_rounded_times(one) for one in within])
        named = any(one.sounds is not None for one in within)
        object.__setattr__(self, "listened", self.listened or named)

    @classmethod
    def of_film(
        cls,
        info: MediaInfo,
        found: dict,
        model_id: str,
        limits: DecodingLimits | None = None,
        calibration: Calibration | None = None,
    ) -> HighlightResult:
        """A film that a pipeline has scored, before any highlights are chosen.

        found: what the pipeline returned for it; `log_mel` and `velocity_attention` may be missing.
        calibration: the pipeline's.
        """
        return cls(
            source=info.path,
            duration=found["duration"],
            scores=found["scores"],
            highlights=[],
            model_id=model_id,
            version=__version__,
            log_mel=found.get("log_mel"),
            velocity_attention=found.get("velocity_attention"),
            fps=info.fps if info.fps and info.fps >= 1 else None,
            limits=limits,
            calibration=calibration or Calibration(),
            film=info,
        )

    def probed(self) -> tuple[MediaInfo, DecodingLimits]:
        """What the film's headers say, and the limits of decoding it again. Raises MediaError."""
        from ..media import DEFAULT_LIMITS, probe

        limits = self.limits or DEFAULT_LIMITS
        return self.film or probe(self.source, limits), limits

    def with_highlights(self, **search: Any) -> HighlightResult:
        """The same film with the highlights that `find_highlights` chooses; `search`: its arguments.

        The level is the calibration's unless another is given.
        """
        return replace(self, highlights=self.calibration.find(self.scores, **search))

    def recut(self, spans: Sequence[Span], places: Sequence[str] | None = None) -> HighlightResult:
        """The same film with these highlights instead, (start, end) in seconds, in any order.

        Edges stay where they are. A highlight that was there stays as it was; of others, score, peak and
        confidence follow from the film's scores, and what is heard from the highlight that it was made of:
        the one with which it shares at least MADE_OF of what both cover.
        places: what messages call each; by default highlight 1, 2 and so on. Raises ValueError, in one
        sentence, for a span that is none, is beyond the film or overlaps another, and if there is none.
        """
        check_spans(spans, self.duration, places, self.source_name)
        return replace(self, highlights=[self._recut(start, end) for start, end in sorted(spans)])

    def _recut(self, start: float, end: float) -> Highlight:
        new = self.judged(start, end)
        origin = max(self.highlights, key=lambda one: _share(one, new), default=None)
        if origin is None or _share(origin, new) < MADE_OF:
            return new
        return origin if _share(origin, new) == 1 else replace(new, sounds=origin.sounds)

    def judged(self, start: float, end: float) -> Highlight:
        """A highlight of the film, with what its scores say of it: NaN where there are none.

        The film's last second counts as a whole, as it does for those that are found.
        """
        start, end = round(start, DIGITS), round(min(end, self.duration), DIGITS)
        reached = len(self.scores) if end >= round(self.duration, DIGITS) else end
        found = highlight_of(np.asarray(self.scores, np.float64), start, reached)
        return self.calibration.judged(replace(found, end=end))

    @property
    def scored(self) -> bool:
        """Whether there are scores."""
        return not np.isnan(self.scores).all()

    @property
    def segments(self) -> list[tuple[float, float]]:
        """(start, end) of each highlight in seconds."""
        return [(highlight.start, highlight.end) for highlight in self.highlights]

    @property
    def stem(self) -> str:
        """What the names of its outputs begin with."""
        return self.source.stem if self.name is None else self.name

    @property
    def source_name(self) -> str:
        """The film's file name as printable text."""
        return printable(self.source.name)


class Writer(ABC):
    """One output format; `suffix` follows the film's name."""

    name: ClassVar[str]
    suffix: ClassVar[str]

    @abstractmethod
    def write(self, result: HighlightResult, directory: Path) -> list[Path]:
        """Write into an existing folder; return the files made. Raises WriterError if that cannot be done."""


class FileWriter(Writer):
    """A format that is one file."""

    def write(self, result: HighlightResult, directory: Path) -> list[Path]:
        target = directory / f"{result.stem}{self.suffix}"
        with writing(target), whole(target) as partial:
            self.save(result, partial)
        return [target]

    @abstractmethod
    def save(self, result: HighlightResult, path: Path) -> None:
        """Write the whole file to exactly `path`."""


def prepare(folder: Path) -> None:
    """Make a folder to write to, and clear it of what killed processes left. Raises WriterError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriterError(f"{folder}: cannot be made a folder ({error.strerror or error}).") from error
    clear_partials(folder)


@contextmanager
def writing(target: Path) -> Iterator[None]:
    """Turn the system's refusal to write a file into one sentence that names it."""
    try:
        yield
    except OSError as error:
        raise WriterError(f"{target}: cannot be written ({error.strerror or error}).") from error


@contextmanager
def decoding(result: HighlightResult) -> Iterator[tuple[MediaInfo, DecodingLimits]]:
    """Yield what `HighlightResult.probed` gives; a film that cannot be decoded raises WriterError."""
    from ..media import MediaError

    try:
        yield result.probed()
    except MediaError as error:
        raise WriterError(str(error)) from error


def _rounded_times(highlight: Highlight) -> Highlight:
    start, end, peak = (round(time, DIGITS) for time in (highlight.start, highlight.end, highlight.peak))
    return replace(highlight, start=start, end=end, peak=peak)


def _share(one: Highlight, other: Highlight) -> float:
    """How much of what two highlights cover both do."""
    both = min(one.end, other.end) - max(one.start, other.start)
    return max(both, 0.0) / (max(one.end, other.end) - min(one.start, other.start))


def rounded(highlight: Highlight) -> dict[str, Any]:
    """A highlight's fields, numbers to six digits."""
    return _rounded(highlight.as_dict())


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    return round(value, DIGITS) if isinstance(value, float) else value


def heard(*highlights: Highlight) -> str:
    """The names of what is heard in highlights, each once, the surest of each first, or ""."""
    return printable(", ".join(dict.fromkeys(sound.name for one in highlights for sound in one.sounds or ())))


def clock(seconds: float) -> str:
    """65 -> 1:05, 3665 -> 1:01:05."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"


__all__ = [
    "FileWriter",
    "HighlightResult",
    "UnsuitableError",
    "Writer",
    "WriterError",
    "clock",
    "decoding",
    "heard",
    "rounded",
    "writing",
]
