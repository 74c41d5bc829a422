"""Highlights of a film without PyTorch: NumPy, PyAV, ONNX Runtime, and what of this package needs no more.

    python examples/without_torch.py build/davihd-small match.mp4

The folder is one that examples/export.py has written, of a model that reads nothing but the sound's log-Mel
spectrogram. Prints what the pipeline returns, as JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime

if __package__ in (None, ""):
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from modeling_davihd.highlights import Calibration, clip_highlights
from modeling_davihd.log_mel import log_mel
from modeling_davihd.media import MediaError, stream_segments
from modeling_davihd.streams_davihd import AUDIBLE


def score(folder: Path, film: Path) -> tuple[np.ndarray, float]:
    """The score of each second (T,), and how many seconds the film lasts."""
    chunks = list(stream_segments(film))
    sound = np.concatenate([chunk.waveform for chunk in chunks])
    if np.abs(sound).max() <= AUDIBLE:
        return np.zeros(len(sound), np.float32), chunks[-1].end
    inputs = {
        "log_mel": log_mel(sound, np.load(folder / "mel_filters.npy"))[None],
        "attention_mask": np.ones((1, len(sound)), np.int64),
    }
    session = onnxruntime.InferenceSession((folder / "model.onnx").read_bytes())
    return session.run(["scores"], inputs)[0][0], chunks[-1].end


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 the film or the model cannot be read."""
    parser = argparse.ArgumentParser(description="Highlights of a film, without PyTorch.")
    parser.add_argument("model", type=Path, help="folder that examples/export.py has written")
    parser.add_argument("film", type=Path)
    options = parser.parse_args(arguments)
    try:
        scores, duration = score(options.model, options.film)
    except (MediaError, OSError, ValueError) as error:
        print(f"without_torch.py: {error}", file=sys.stderr)
        return 1
    config = json.loads((options.model / "config.json").read_text())
    found = Calibration(config["highlight_level"], config["highlight_confidence"]).find(scores)
    highlights = [highlight.as_dict() for highlight in clip_highlights(found, duration)]
    print(json.dumps({"duration": duration, "scores": scores.tolist(), "highlights": highlights}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
