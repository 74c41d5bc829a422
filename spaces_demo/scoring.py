"""From a film to what the page shows of it; knows nothing of Gradio."""

from __future__ import annotations

import os
import warnings
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path

from limits import Limits
from strip import strip_picture
from tqdm import tqdm

from modeling_davihd import VideoHighlightDetectionPipeline, __version__, find_highlights
from modeling_davihd.media import (
    DecodingLimits,
    MediaError,
    MediaWarning,
    cut_reel,
    probe,
    stream_segments,
)
from modeling_davihd.writers import HighlightResult, WriterError, write_outputs


@dataclass(frozen=True)
class Wishes:
    """What the sliders say. count: of highlights, 0 for what stands out; shortest, longest: in seconds."""

    count: int = 0
    shortest: float = 2
    longest: float = 30


@dataclass(frozen=True)
class Scored:
    """
    A film's scores, not cut yet. strip: see `strip_picture`; None if the model has no use for it.
    damages: sentences about parts of the film that could not be used.
    """

    result: HighlightResult
    strip: str | None
    has_picture: bool
    damages: tuple[str, ...]


_damages: ContextVar[list[str]] = ContextVar("damages")


def listen_for_damage() -> None:
    """Keep media warnings for `score_film`; those of films that are scored at the same time stay apart."""
    usual = warnings.showwarning
    warnings.simplefilter("always", MediaWarning)

    def show(message, category, *where, **more):
        if issubclass(category, MediaWarning) and _damages.get(None) is not None:
            _damages.get().append(str(message))
        else:
            usual(message, category, *where, **more)

    warnings.showwarning = show


def check_film(path: Path, limits: Limits) -> None:
    """Raise MediaError for what is no film or over a limit; its length is measured, not believed."""
    if path.stat().st_size > limits.film_bytes:
        raise MediaError(f"{path}: is too big; a film may have {limits.megabytes:g} MB here.")
    too_long = MediaError(f"{path}: is too long; a film may last {limits.minutes:g} minutes here.")
    info = probe(path)
    if (info.duration or 0) > limits.minutes * 60:
        raise too_long
    _damages.set([])  # `score_film` will find the same
    with tqdm(
        total=info.duration and round(info.duration), unit="s", disable=None, desc="measuring"
    ) as progress:
        for chunk in stream_segments(path, limits=DecodingLimits(pixels=limits.pixels)):
            if chunk.end > limits.minutes * 60:
                raise too_long
            progress.update(round(chunk.end) - chunk.first_segment)


def score_film(detect: VideoHighlightDetectionPipeline, path: Path, model_id: str) -> Scored:
    """Score a checked film. Raises MediaError where it holds nothing that the model could go by."""
    info, damages = probe(path), []
    _damages.set(damages)
    found = detect(str(path), return_features=True)
    if not found["scores"].any():
        raise MediaError(f"{path}: has no audible sound, and {model_id} only listens.")
    log_mel = found["log_mel"]
    result = HighlightResult(
        source=path,
        duration=found["duration"],
        scores=found["scores"],
        highlights=[],
        model_id=model_id,
        version=__version__,
        fps=info.fps if info.fps and info.fps >= 1 else None,
    )
    strip = None if log_mel is None else strip_picture(log_mel, found["velocity_attention"])
    told = (damage.replace(f"{path.parent}{os.sep}", "") for damage in dict.fromkeys(damages))
    return Scored(result, strip, info.has_video, tuple(told))


def with_highlights(result: HighlightResult, wishes: Wishes) -> HighlightResult:
    """Cut the same scores anew."""
    found = find_highlights(
        result.scores,
        top_k=wishes.count or None,
        min_length=min(wishes.shortest, wishes.longest),
        max_length=wishes.longest,
    )
    return replace(result, highlights=found)


def write(result: HighlightResult, folder: Path, kind: str) -> Path:
    """Write one format of `modeling_davihd.writers`."""
    written = write_outputs(result, folder, [kind])
    if not written:
        raise WriterError(f"{result.source}: nothing stands out, so that there is nothing to cut.")
    return written[0]


def playable_copy(result: HighlightResult, folder: Path) -> Path:
    """The whole film as an mp4 that every browser plays."""
    copy = folder / f"{result.source.stem}.playable.mp4"
    cut_reel(result.source, [(0, result.duration)], copy)
    return copy
