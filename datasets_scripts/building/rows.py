"""One row of a dataset: a video, its labels and its features, checked and cut to one length."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from datasets_scripts.building.errors import DatasetError, UnusableVideo
from datasets_scripts.building.extraction import Arrays, Extractor, Film, Settings
from datasets_scripts.building.sources import Media, file_print, local_copy
from datasets_scripts.building.splits import SPLITS
from modeling_davihd.streams_davihd import STREAMS

EXTRA_DIMENSIONS = {"folds": 1, "user_scores": 2, "change_points": 2, "gt_summary": 1}
PER_SECOND = ("user_scores", "gt_summary")

Mismatched = Literal["refuse", "leave out"]


@dataclass(frozen=True)
class Video:
    """One row to be.

    labels: (T,) in [0, 1], one a second; or a function of the video's true duration that gives them; or None
        for a dataset without labels.
    duration: seconds, where known without the media.
    media: film or sound file, or its URL, to compute features of. sound: makes (n,) 16 kHz mono samples
        instead.
    given: brings the arrays of `Settings.given`, (T, width) each ((M, F) for log_mel); called once, when
        the video's shard is built. May raise UnusableVideo.
    identity: what functions among these depend on besides the video's id (a file's hash, a seed); part of the
        fingerprint, as a function has none.
    extras: further columns, the same for every video of a dataset: "folds" (seeds,) whole numbers,
        "user_scores" (T, n), "change_points" (shots, 2) start and end, "gt_summary" (T,) 0 or 1.
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
    """Raise DatasetError, naming the video, for what can be seen to be wrong before anything is decoded."""
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
    """Raise DatasetError, naming the video, for what is no score a second."""
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
    """All that decides a row, as plain data."""
    known = video.labels is not None and not callable(video.labels)
    labels = np.asarray(video.labels, np.float32).tobytes().hex() if known else None
    extras = {name: np.asarray(value).tolist() for name, value in sorted(video.extras.items())}
    media = video.media and file_print(video.media)
    duration = None if video.duration is None else float(video.duration)
    return [video.video_id, video.split, labels, duration, video.identity, extras, media]


@dataclass(frozen=True)
class Decoded:
    """A video of which all that takes decoding is done or under way; labels (T,) or None."""

    film: Film
    labels: np.ndarray | None


def decoded(video: Video, extractor: Extractor) -> Decoded:
    """Decode a video. Raises UnusableVideo, or OSError where its file cannot be fetched."""
    film = _film(video, extractor)
    labels = video.labels(film.duration) if callable(video.labels) else video.labels
    return Decoded(film, None if labels is None else np.asarray(labels))


def row_of(video: Video, parts: Decoded, extractor: Extractor, mismatched: Mismatched) -> dict[str, object]:
    """The columns of one video, all of T seconds. Raises UnusableVideo, or DatasetError naming the video."""
    film, labels, log_mel = parts.film, parts.labels, extractor.settings.log_mel
    rate = {"log_mel": log_mel.rate} if log_mel else {}  # rows a second; of features, one
    arrays = extractor.features(film) | _given(video, extractor.settings)
    for name, array in arrays.items():
        _check_array(video.video_id, name, array, extractor.widths[name])
    lengths = {"media": math.ceil(film.duration)}
    if labels is not None:
        check_labels(video.video_id, labels)
        lengths = {"labels": len(labels)} | lengths
    for name, array in arrays.items():
        lengths[name] = math.floor(len(array) / rate.get(name, 1))
    seconds = _common_seconds(video.video_id, lengths, film.damage, mismatched)
    for name, array in arrays.items():
        arrays[name] = array[: math.ceil(rate.get(name, 1) * seconds)]
    extras = {name: _cut_extra(name, value, seconds) for name, value in video.extras.items()}
    facts = {"video_id": video.video_id, "duration": min(film.duration, seconds)}
    if labels is not None:
        facts["labels"] = labels[:seconds]
    return facts | arrays | extras


def _film(video: Video, extractor: Extractor) -> Film:
    """What is computed, and the duration: the film's own, or as given, or that of the labels."""
    measured = callable(video.labels) and video.duration is None
    if video.media and (extractor.settings.computed or measured):
        with ExitStack() as stack:
            with extractor.stages("fetching"):
                path = stack.enter_context(local_copy(video.media))
            return extractor.film(path)
    if video.sound and extractor.settings.computed:
        return extractor.sound(video.sound())
    return Film(None, {}, float(len(video.labels)) if video.duration is None else video.duration)


def _given(video: Video, settings: Settings) -> Arrays:
    if not settings.given:
        return {}
    brought = video.given()
    if set(brought) != set(settings.given):
        raise DatasetError(
            f"{video.video_id}: was given {sorted(brought)}, but {sorted(settings.given)} is needed."
        )
    return {name: np.asarray(array).astype(np.float16) for name, array in brought.items()}


def _check_array(video_id: str, name: str, array: np.ndarray, width: int) -> None:
    if array.ndim != 2 or array.shape[1] != width:
        raise DatasetError(f"{video_id}: its {name} have shape {array.shape}; (n, {width}) is needed.")
    if not np.isfinite(array).all():
        raise DatasetError(f"{video_id}: its {name} hold values that are not finite in 16 bits.")


def _common_seconds(
    video_id: str, lengths: dict[str, int], damage: str | None, mismatched: Mismatched
) -> int:
    """The shortest length. Lengths more than a second apart are refused, or make the video unusable."""
    least, most = min(lengths, key=lengths.get), max(lengths, key=lengths.get)
    if lengths[most] - lengths[least] <= 1:
        return lengths[least]
    said = f"its {most} last {lengths[most]} s and its {least} {lengths[least]} s"
    if damage:
        raise UnusableVideo(f"{damage} So {said}.")
    if mismatched == "leave out":
        raise UnusableVideo(f"{said}; they may differ by one.")
    raise DatasetError(f"{video_id}: {said}; they may differ by one.")


def _cut_extra(name: str, value: object, seconds: int) -> np.ndarray:
    array = np.asarray(value)
    if name == "change_points":
        shots = np.minimum(array, seconds)
        return shots[shots[:, 0] < shots[:, 1]]
    return array[:seconds] if name in PER_SECOND else array
