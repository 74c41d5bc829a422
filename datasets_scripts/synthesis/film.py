"""A synthetic film: a soundtrack, and a picture of what is heard."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from datasets_scripts.synthesis.picture import pictures
from datasets_scripts.synthesis.soundtrack import Soundtrack, generate_soundtrack
from datasets_scripts.synthesis.tools import RATE
from modeling_davihd.files import write_json
from modeling_davihd.media import write_film


def render_film(path: Path, seed: int, duration: float, split: str, fps: int = 25) -> Soundtrack:
    """Writes a film and, beside it as .json, its highlights. Gives the soundtrack."""
    soundtrack = generate_soundtrack(seed, duration=duration, split=split)
    moments = [(event.start, event.end, event.prominence) for event in soundtrack.events]
    write_film(path, pictures(moments, duration, fps), soundtrack.waveform, fps=fps, sampling_rate=RATE)
    truth = {
        "duration": duration,
        "seed": seed,
        "events": [asdict(event) for event in soundtrack.events],
        "labels": [round(float(label), 4) for label in soundtrack.labels],
    }
    write_json(path.with_suffix(".json"), truth)
    return soundtrack
