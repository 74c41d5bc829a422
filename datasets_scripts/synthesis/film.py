"""A synthetic film: a soundtrack, and a picture of what is heard."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from datasets_scripts.synthesis.labels import Soundtrack
from datasets_scripts.synthesis.picture import pictures
from datasets_scripts.synthesis.tools import RATE
from modeling_davihd.files import write_json
from modeling_davihd.media import write_film


def render_film(path: Path, soundtrack: Soundtrack, origin: dict[str, object], fps: int = 25):
    """Write a film with that soundtrack and, beside it as .json, its highlights and its `origin`."""
    duration = len(soundtrack.waveform) / RATE
    moments = [(event.start, event.end, event.prominence) for event in soundtrack.events]
    write_film(path, pictures(moments, duration, fps), soundtrack.waveform, fps=fps, sampling_rate=RATE)
    truth = {
        **origin,
        "events": [asdict(event) for event in soundtrack.events],
        "labels": [round(float(label), 4) for label in soundtrack.labels],
    }
    write_json(path.with_suffix(".json"), truth)
