"""From a film to what the page shows of it; knows nothing of Gradio."""

from __future__ import annotations

import json
import os
import warnings
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from limits import Limits
from pictures import Seen
from strip import strip_picture

from modeling_davihd import VideoHighlightDetectionPipeline
from modeling_davihd.clean_edges import Cutting, EdgeCleaner, Known
from modeling_davihd.highlights import Span
from modeling_davihd.media import (
    LimitError,
    MediaError,
    MediaInfo,
    MediaWarning,
    ReelOptions,
    cut_reel,
    probe,
)
from modeling_davihd.sound_names import Logits
from modeling_davihd.writers import HighlightResult, WriterError, write_outputs

LARGEST_TIME = 1e9  # seconds


@dataclass(frozen=True)
class CutOptions:
    """What the sliders say. count: of highlights, 0 for what stands out; shortest, longest: in seconds.

    spans: highlights chosen by hand instead, from `as_spans`.
    """

    count: int = 0
    shortest: float = 2
    longest: float = 30
    spans: tuple[Span, ...] | None = None

    @property
    def name(self) -> str:
        """Another for each cut; fit for a folder."""
        sliders = f"{self.count}-{self.shortest:g}-{self.longest:g}"
        return sliders if self.spans is None else f"{sliders}-{sha256(repr(self.spans).encode()).hexdigest()}"

    @property
    def cutting(self) -> Cutting:
        """How edges are to be: clean, within these lengths."""
        return Cutting(shortest=min(self.shortest, self.longest), longest=self.longest)


@dataclass(frozen=True)
class Scored:
    """A film's scores, with no highlights chosen yet.

    strip: see `strip_picture`; None if the model does not look at a spectrogram.
    damages: sentences about parts of the film that could not be used.
    heard, known, seen: what `SoundNamer` has heard, `EdgeCleaner` has found and the page shows of it, to do
        nothing twice.
    """

    result: HighlightResult
    strip: str | None
    has_picture: bool
    damages: tuple[str, ...]
    heard: Logits = field(default_factory=dict, repr=False)
    known: Known = field(default_factory=dict, repr=False)
    seen: Seen = field(default_factory=dict, repr=False)


_damages: ContextVar[list[str]] = ContextVar("damages")


def collect_media_warnings() -> None:
    """Let `score_film` have the warnings about its own film, while other films are scored beside it."""
    usual = warnings.showwarning
    warnings.simplefilter("always", MediaWarning)

    def show(message, category, *where, **more):
        if issubclass(category, MediaWarning) and _damages.get(None) is not None:
            _damages.get().append(str(message))
        else:
            usual(message, category, *where, **more)

    warnings.showwarning = show


def check_film(path: Path, limits: Limits) -> MediaInfo:
    """Refuse what can be refused before anything is decoded; return what the headers say of the rest.

    Raises MediaError for a file that is too big, is not a film, or claims to be too long.
    """
    if path.stat().st_size > limits.film_bytes:
        raise MediaError(f"{path}: is too big; a film may have {limits.megabytes:g} MB here.")
    info = probe(path, limits.decoding)
    if (info.duration or 0) > limits.decoding.duration:
        raise too_long(path, limits)
    return info


def too_long(path: Path, limits: Limits) -> MediaError:
    """The error of a film whose headers say that it is too long, and of one that turns out to be."""
    return MediaError(f"{path}: is too long; a film may last {limits.minutes:g} minutes here.")


def score_film(
    detect: VideoHighlightDetectionPipeline, info: MediaInfo, model_id: str, limits: Limits
) -> Scored:
    """Score a film from `check_film` in one pass, whatever length its headers claim.

    Raises MediaError for a film that is over a limit or holds nothing that the model could go by.
    """
    damages: list[str] = []
    _damages.set(damages)
    try:
        found = detect(info, return_features=True, limits=limits.decoding)
    except LimitError as error:
        if error.limit == "duration":
            raise too_long(info.path, limits) from error
        raise
    if not found["scores"].any():
        raise MediaError(f"{info.path}: has no audible sound, and {model_id} only listens.")
    log_mel, attention = found.pop("log_mel"), found.pop("velocity_attention")  # too large to be kept
    strip = None if log_mel is None else strip_picture(log_mel, attention)
    result = HighlightResult.of_film(info, found, model_id, limits.decoding, detect.calibration)
    result = replace(result, relative_to=info.path.parent)  # a path of the server is of no use to a visitor
    sentences = (damage.replace(f"{info.path.parent}{os.sep}", "") for damage in dict.fromkeys(damages))
    return Scored(result, strip, info.has_video, tuple(sentences))


def as_spans(sent: Any, limits: Limits) -> tuple[Span, ...] | None:
    """What the page or a program sent as highlights chosen by hand: [start, end] in seconds of each, or None.

    Raises ValueError for what has another form or is too much; whether it fits the film is not looked at.
    """
    if sent is None:
        return None
    if not isinstance(sent, list):
        raise ValueError(f"spans: a list of [start, end] in seconds is needed, not {_shown(sent)}.")
    if len(sent) > limits.clips:
        raise ValueError(f"spans: has {len(sent)} highlights; {limits.clips} are allowed here.")
    for number, span in enumerate(sent, 1):
        if not (isinstance(span, list) and len(span) == 2 and all(map(_is_time, span))):
            raise ValueError(f"highlight {number}: [start, end] in seconds is needed, not {_shown(span)}.")
    return tuple((float(start), float(end)) for start, end in sent)


def _is_time(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < LARGEST_TIME


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:40]}..."


def choose_highlights(scored: Scored, options: CutOptions, cleaner: EdgeCleaner) -> HighlightResult:
    """The highlights that are asked for; nothing is scored again.

    Those that the sliders find get clean edges; spans chosen by hand stay where they are. Raises ValueError
    for spans that do not fit the film; see `HighlightResult.recut`.
    """
    lengths = options.cutting
    found = scored.result.with_highlights(
        top_k=options.count or None, min_length=lengths.shortest, max_length=lengths.longest
    )
    found = cleaner.clean(found, lengths, scored.known)
    return found if options.spans is None else found.recut(options.spans)


def write(result: HighlightResult, folder: Path, kind: str) -> Path:
    """Write one format of `modeling_davihd.writers`."""
    written = write_outputs(result, folder, [kind])
    if not written:
        raise WriterError(f"{result.source}: nothing stands out, so there is nothing to cut.")
    return written[0]


def playable_copy(result: HighlightResult, folder: Path) -> Path:
    """The whole film as an mp4 that every browser plays."""
    copy = folder / f"{result.source.stem}.playable.mp4"
    options = ReelOptions(height=1080, codec="h264")
    cut_reel(result.source, [(0, result.duration)], copy, options=options, limits=result.limits)
    return copy
