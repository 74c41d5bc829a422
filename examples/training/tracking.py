"""What a training tells a tracker of experiments: hyper-parameters, losses, rates, metrics and curves."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from accelerate import Accelerator
from accelerate.tracking import get_available_trackers
from accelerate.utils import LoggerType

from examples.training.data import Rows
from examples.training.runs import Run

NO_TRACKER = "none"
TRACKERS = (NO_TRACKER, "tensorboard", "trackio", "wandb")
CURVES = 4  # validation films whose scores are drawn


def logger_of(tracker: str) -> LoggerType | None:
    """What Accelerate calls a tracker of TRACKERS. Raises ValueError if it is not installed."""
    if tracker == NO_TRACKER:
        return None
    if LoggerType(tracker) not in get_available_trackers():
        raise ValueError(f"{tracker} is not installed: `pip install {tracker}`, or leave out --report-to.")
    return LoggerType(tracker)


def start_tracking(accelerator: Accelerator, run: Run):
    """Tell the trackers of the recipe and the config; what they keep on this machine is in the output."""
    held = {**dataclasses.asdict(run.recipe), **run.identity()["config"]}
    values = {
        name: value if isinstance(value, bool | int | float | str) else str(value)
        for name, value in held.items()
        if value is not None
    }
    accelerator.init_trackers("davihd", values, {"wandb": {"dir": str(run.output)}})


def track_step(accelerator: Accelerator, step: int, loss: float, learning_rate: float):
    """Tell of a step of training; `step` counts all epochs'."""
    if accelerator.trackers:
        accelerator.log({"train/loss": loss, "train/learning_rate": learning_rate}, step)


def track_validation(
    accelerator: Accelerator,
    step: int,
    report: Mapping[str, float],
    predictions: Sequence[np.ndarray],
    rows: Rows,
):
    """Tell of an epoch's metrics; where the tracker shows pictures, of some films' scores (T,) too."""
    if not accelerator.trackers or not accelerator.is_main_process:
        return
    accelerator.log({f"validation/{name}": value for name, value in report.items()}, step)
    showing = [tracker for tracker in accelerator.trackers if hasattr(tracker, "log_images")]
    if not showing:
        return
    chosen = range(min(CURVES, len(predictions)))
    pictures = np.stack([curves(predictions[index], rows[index]["labels"].numpy()) for index in chosen])
    for tracker in showing:
        options = {"dataformats": "NHWC"} if tracker.name == "tensorboard" else {}
        tracker.log_images({"validation/scores": pictures}, step, **options)


def curves(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Scores and labels (T,) of a film as a picture (H, W, 3) of bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 2.5), dpi=80, layout="constrained")
    canvas, axes = FigureCanvasAgg(figure), figure.add_subplot(xlabel="second", ylim=(0, 1))
    axes.stairs(labels, fill=True, alpha=0.4, label="label")
    axes.stairs(scores, baseline=None, label="score")
    axes.legend(loc="upper right")
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
