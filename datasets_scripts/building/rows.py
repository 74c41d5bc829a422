"""One row of a dataset: a video, its labels and its features, checked and cut to one length."""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Literal

import numpy as np

from datasets_scripts.building.extraction import Arrays, Extractor, Film, Settings
from datasets_scripts.building.preview import PREVIEW, preview_of
from datasets_scripts.building.videos import PER_SECOND, Video, check_labels
from modeling_davihd.engines.errors import DatasetError, UnusableVideo
from modeling_davihd.engines.sources import local_copy

Mismatched = Literal["refuse", "leave out"]


@dataclass(frozen=True)
class DecodedVideo:
    """A video whose decoding is over, though its features may still be at an encoder; labels (T,) or None."""

    film: Film
    labels: np.ndarray | None


def decode_video(video: Video, extractor: Extractor) -> DecodedVideo:
    """Decode a video. Raises UnusableVideo, or OSError if its file cannot be fetched."""
    film = _film(video, extractor)
    labels = video.labels(film.duration) if callable(video.labels) else video.labels
    return DecodedVideo(film, None if labels is None else np.asarray(labels))


def row_of(
    video: Video, decoded: DecodedVideo, extractor: Extractor, mismatched: Mismatched
) -> dict[str, object]:
    """The columns of one video, all of T seconds. Raises UnusableVideo, or DatasetError naming the video."""
    film, labels, log_mel = decoded.film, decoded.labels, extractor.settings.log_mel
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
    facts[PREVIEW] = {"bytes": preview_of(facts.get("labels"), arrays.get("log_mel")), "path": None}
    return facts | arrays | extras


def _film(video: Video, extractor: Extractor) -> Film:
    """The features to compute, and the duration: that of the media, or as given, or that of the labels."""
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
    given = video.given()
    if set(given) != set(settings.given):
        raise DatasetError(
            f"{video.video_id}: was given {sorted(given)}, but {sorted(settings.given)} is needed."
        )
    kinds = {name: column.dtype for name, column in settings.given.items()}
    return {name: np.asarray(array).astype(kinds[name], copy=False) for name, array in given.items()}


def _check_array(video_id: str, name: str, array: np.ndarray, width: int) -> None:
    if array.ndim != 2 or array.shape[1] != width:
        raise DatasetError(f"{video_id}: its {name} have shape {array.shape}; (n, {width}) is needed.")
    if not np.isfinite(array).all():
        raise DatasetError(
            f"{video_id}: its {name} hold values that are not finite in {8 * array.itemsize} bits."
        )


def _common_seconds(
    video_id: str, lengths: dict[str, int], damage: str | None, mismatched: Mismatched
) -> int:
    """The shortest length. Raises DatasetError or UnusableVideo for lengths more than a second apart."""
    least, most = min(lengths, key=lengths.get), max(lengths, key=lengths.get)
    if lengths[most] - lengths[least] <= 1:
        return lengths[least]
    difference = f"its {most} last {lengths[most]} s and its {least} {lengths[least]} s"
    if damage:
        raise UnusableVideo(f"{damage} So {difference}.")
    if mismatched == "leave out":
        raise UnusableVideo(f"{difference}; they may differ by one.")
    raise DatasetError(f"{video_id}: {difference}; they may differ by one.")


def _cut_extra(name: str, value: object, seconds: int) -> np.ndarray:
    array = np.asarray(value)
    if name == "change_points":
        shots = np.minimum(array, seconds)
        return shots[shots[:, 0] < shots[:, 1]]
    return array[:seconds] if name in PER_SECOND else array
