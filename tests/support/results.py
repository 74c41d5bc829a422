"""What a film was found to hold, made up for the tests of what is written of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from modeling_davihd.highlights import Highlight, Sound
from modeling_davihd.writers import HighlightResult, write_outputs

SEGMENTS = [(12, 20), (40.52, 47), (300, 330.3)]


def result_of(
    segments: Sequence[tuple[float, float]] = SEGMENTS,
    duration: float = 600.0,
    name: str = "match.mp4",
    sounds: Sequence[tuple[Sound, ...] | None] | None = None,
    **fields: object,
) -> HighlightResult:
    """The result of a film of that name, with a highlight for each (start, end), in which that is heard."""
    heard = [None] * len(segments) if sounds is None else sounds
    spans = zip(segments, heard, strict=True)
    seconds = int(np.ceil(duration))
    return HighlightResult(
        source=Path("/films") / name,
        duration=duration,
        scores=np.abs(np.sin(np.arange(seconds) / 7)),
        highlights=[Highlight(float(a), float(b), 0.75, float(a), sounds=names) for (a, b), names in spans],
        model_id="davihd-small",
        version="1.2.3",
        **fields,
    )


def written(result: HighlightResult, folder: Path, name: str) -> Path:
    """The one file of a format."""
    [path] = write_outputs(result, folder, [name])
    return path
