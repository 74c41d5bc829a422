"""Videos to make rows of: what a command says about each of them, and what can be wrong with that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from datasets_scripts.building.settings import Arrays, Settings
from datasets_scripts.building.splits import SPLITS
from modeling_davihd.engines.errors import DatasetError
from modeling_davihd.engines.sources import Media, file_print
from modeling_davihd.streams_davihd import STREAMS

EXTRA_DIMENSIONS = {"folds": 1, "user_scores": 2, "change_points": 2, "gt_summary": 1, "loudness": 1}
PER_SECOND = ("user_scores", "gt_summary", "loudness")


@dataclass(frozen=True)
class Video:
    """A video to make a row of.

    labels: (T,) in [0, 1], one a second; or a function that returns them for the video's true duration; or
        None in a dataset without labels.
    duration: seconds, if known without the media.
    media: film or sound file, or its URL, to compute features of. sound: returns (n,) 16 kHz mono samples,
        instead of a file.
    given: returns the arrays of `Settings.given`, (T, width) each ((M, F) for log_mel); called once, when
        the video's shard is built. May raise UnusableVideo.
    identity: what the functions among these depend on besides the video's id (a file's hash, a seed). It goes
        into the fingerprint in their stead.
    extras: further columns, the same for every video of a dataset: "folds" (seeds,) whole numbers,
        "user_scores" (T, n), "change_points" (shots, 2) start and end, "gt_summary" (T,) 0 or 1,
        "loudness" (T,) in dBFS.
    """

    video_id: str
    split: str
    labels: np.ndarray | Callable[[float], np.ndarray] | None
    media: Media | None = None
    duration: float | None = None
    given: Callable[[], Arrays] | None = None
    sound: Callable[[], np.ndarray] | None = None
    identity: str = ""
    extras: Mapping[str, object] = field(default_factory=dict)


def check_videos(videos: Sequence[Video], settings: Settings) -> None:
    """Raise DatasetError, naming the video, for anything wrong that shows before a video is decoded."""
    if not videos:
        raise DatasetError("There are no videos to build a dataset of; at least one is needed.")
    twice = [name for name, times in Counter(video.video_id for video in videos).items() if times > 1]
    if twice:
        raise DatasetError(f"{twice[0]}: is listed more than once.")
    for video in videos:
        _check_sources(video, settings)
        if (video.labels is None) != (videos[0].labels is None):
            raise DatasetError(f"{video.video_id}: either all videos have labels, or none.")
        if not callable(video.labels) and video.labels is not None:
            check_labels(video.video_id, video.labels)
        _check_extras(video, videos[0])


def _check_sources(video: Video, settings: Settings) -> None:
    if video.split not in SPLITS:
        raise DatasetError(f"{video.video_id}: its split is {video.split!r}; {', '.join(SPLITS)} are known.")
    if settings.given and video.given is None:
        raise DatasetError(f"{video.video_id}: nothing brings its {', '.join(settings.given)}.")
    seeing = any(STREAMS[name].sees for name in settings.encoded)
    source = video.media or (None if seeing else video.sound)
    if settings.computed and source is None:
        raise DatasetError(f"{video.video_id}: there is no file to compute {settings.computed[0]} of.")


def check_labels(video_id: str, labels: np.ndarray) -> None:
    """Raise DatasetError, naming the video, unless `labels` are a row of scores from 0 to 1."""
    labels = np.asarray(labels)
    if labels.ndim != 1 or len(labels) == 0 or labels.dtype.kind not in "fiu":
        raise DatasetError(
            f"{video_id}: its labels are {labels.dtype} of shape {labels.shape}; a number a second is needed."
        )
    wrong = np.flatnonzero(~((labels >= 0) & (labels <= 1)))
    if len(wrong):
        found = labels[wrong[0]]
        raise DatasetError(
            f"{video_id}: its label of second {wrong[0]} is {found:g}; it needs to be in [0, 1]."
        )


def _check_extras(video: Video, first: Video) -> None:
    """Raise DatasetError if the extra columns of a video are not like those of the first."""
    if set(video.extras) != set(first.extras) or not set(video.extras) <= set(EXTRA_DIMENSIONS):
        raise DatasetError(
            f"{video.video_id}: has the extra columns {sorted(video.extras)}; every video needs the same "
            f"ones, out of {sorted(EXTRA_DIMENSIONS)}."
        )
    known = video.labels is not None and not callable(video.labels)
    for name, value in video.extras.items():
        shape = np.shape(value)
        if len(shape) != EXTRA_DIMENSIONS[name] or shape[1:] != np.shape(first.extras[name])[1:]:
            raise DatasetError(
                f"{video.video_id}: its {name} of shape {shape} are not like the first video's."
            )
        if name in PER_SECOND and known and shape[0] != len(video.labels):
            raise DatasetError(
                f"{video.video_id}: its {name} last {shape[0]} s and its labels {len(video.labels)} s."
            )


def video_identity(video: Video) -> list:
    """Everything that a row depends on besides the settings, as plain data."""
    known = video.labels is not None and not callable(video.labels)
    labels = np.asarray(video.labels, np.float32).tobytes().hex() if known else None
    extras = {name: np.asarray(value).tolist() for name, value in sorted(video.extras.items())}
    media = video.media and file_print(video.media)
    duration = None if video.duration is None else float(video.duration)
    return [video.video_id, video.split, labels, duration, video.identity, extras, media]
