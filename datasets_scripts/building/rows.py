"""One row of a dataset: a video, its labels and its features, checked and cut to one length."""

from __future__ import annotations

import functools
import math
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from datasets_scripts.building.preview import PREVIEW, preview_of
from datasets_scripts.building.settings import Arrays, Settings
from datasets_scripts.building.videos import PER_SECOND, Video, check_labels
from modeling_davihd.engines.errors import DatasetError, UnusableVideo
from modeling_davihd.engines.sources import local_copy
from modeling_davihd.engines.stopwatch import Stopwatch

if TYPE_CHECKING:
    from datasets_scripts.building.extraction import Encoders, Extractor, Film

Mismatched = Literal["refuse", "leave out"]


@dataclass(frozen=True)
class DecodedVideo:
    """A video whose decoding is over, though its features may still be at an encoder.

    duration: seconds. labels: (T,) or None. film: None of a video that did not need decoding.
    """

    duration: float
    labels: np.ndarray | None
    film: Film | None


class Features:
    """Features of videos, by an extractor if any are computed; `widths` of all columns, given ones included.

    encoders: as of `Extractor`. `stages` says where the time went.
    """

    def __init__(self, settings: Settings, encoders: Encoders | None = None):
        self.settings, self.stages, self._encoders = settings, Stopwatch(), encoders
        self.widths = settings.widths
        if settings.computed:
            self.widths |= self.extractor.widths

    @functools.cached_property
    def extractor(self) -> Extractor:
        """Made when there is something to decode, because it loads PyTorch."""
        from datasets_scripts.building.extraction import Extractor

        return Extractor(self.settings, self._encoders, self.stages)

    def are_ready(self, decoded: DecodedVideo) -> bool:
        """Whether all batches that the video is in were full and are under way."""
        return decoded.film is None or self.extractor.is_ready(decoded.film)

    def flush(self) -> None:
        """Make videos ready whose batches are not full: there are no more to come."""
        if self.settings.encoded:
            self.extractor.flush()

    def of(self, decoded: DecodedVideo) -> Arrays:
        """What was computed of a video that is ready, by column; once."""
        return {} if decoded.film is None else self.extractor.features(decoded.film)


def decode_video(video: Video, features: Features) -> DecodedVideo:
    """Decode a video. Raises UnusableVideo, or OSError if its file cannot be fetched."""
    film = _film(video, features)
    duration = _duration(video) if film is None else film.duration
    labels = video.labels(duration) if callable(video.labels) else video.labels
    return DecodedVideo(duration, None if labels is None else np.asarray(labels), film)


def row_of(
    video: Video, decoded: DecodedVideo, features: Features, mismatched: Mismatched
) -> dict[str, object]:
    """The columns of one video, all of T seconds. Raises UnusableVideo, or DatasetError naming the video."""
    labels, log_mel = decoded.labels, features.settings.log_mel
    rate = {"log_mel": log_mel.rate} if log_mel else {}  # rows a second; of features, one
    arrays = features.of(decoded) | _given(video, features.settings)
    for name, array in arrays.items():
        _check_array(video.video_id, name, array, features.widths[name])
    lengths = {"media": math.ceil(decoded.duration)}
    if labels is not None:
        check_labels(video.video_id, labels)
        lengths = {"labels": len(labels)} | lengths
    for name, array in arrays.items():
        lengths[name] = math.floor(len(array) / rate.get(name, 1))
    damage = decoded.film and decoded.film.damage
    seconds = _common_seconds(video.video_id, lengths, damage, mismatched)
    for name, array in arrays.items():
        arrays[name] = array[: math.ceil(rate.get(name, 1) * seconds)]
    extras = {name: _cut_extra(name, value, seconds) for name, value in video.extras.items()}
    facts = {"video_id": video.video_id, "duration": min(decoded.duration, seconds)}
    if labels is not None:
        facts["labels"] = labels[:seconds]
    facts[PREVIEW] = {"bytes": preview_of(facts.get("labels"), arrays.get("log_mel")), "path": None}
    return facts | arrays | extras


def _film(video: Video, features: Features) -> Film | None:
    """The media or the sound, decoded where features are computed of it, or where it alone says how long it
    lasts."""
    measured = callable(video.labels) and video.duration is None
    if video.media and (features.settings.computed or measured):
        with ExitStack() as stack:
            with features.stages("fetching"):
                path = stack.enter_context(local_copy(video.media))
            return features.extractor.film(path)
    if video.sound and features.settings.computed:
        return features.extractor.sound(video.sound())
    return None


def _duration(video: Video) -> float:
    """Seconds, as given, or those of the labels."""
    return float(len(video.labels)) if video.duration is None else video.duration


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
