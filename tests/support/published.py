"""Checkpoints as others publish them."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from paths import GOLDEN

# The files of the package that a model takes along.
CODE = {
    *(
        "absence_davihd.py",
        "attention_davihd.py",
        "backbones_davihd.py",
        "batch_norm_davihd.py",
        "configuration_davihd.py",
        "convolution_davihd.py",
        "feature_extraction_davihd.py",
    ),
    *(
        "feature_stream_davihd.py",
        "files.py",
        "gate_davihd.py",
        "graph_davihd.py",
        "highlights.py",
        "media.py",
        "media_filters.py",
    ),
    *("media_canvas.py", "media_encoders.py", "media_holes.py", "media_joins.py", "media_limits.py"),
    *("media_options.py", "media_pictures.py", "media_plans.py", "media_playing.py", "media_reading.py"),
    *("media_resampling.py", "media_sounds.py"),
    *("media_subtitles.py", "media_thinning.py", "media_times.py", "media_tones.py", "media_tracks.py"),
    "media_writing.py",
    *("modeling_davihd.py", "normed_convolution_davihd.py", "objectives_davihd.py", "pipeline_davihd.py"),
    *("streaming_davihd.py", "streams_davihd.py"),
}


class Intruder:
    """Unpickled, it leaves a file behind."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def shapes(state: Mapping[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in state.items()}


def zero_state(name: str) -> dict[str, torch.Tensor]:
    """A published checkpoint's keys and shapes, all zero and without memory behind them."""
    found = json.loads((GOLDEN / f"{name}.json").read_text())["state_shapes"]
    return {key: torch.zeros(()).expand(shape) for key, shape in found.items()}


def published_state(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The published network's state dict among the tensors of a golden file."""
    return {key.removeprefix("state."): value for key, value in tensors.items() if key.startswith("state.")}
