"""SVHighlights (Lee et al., KDD 2026): hours of sport, as features of clips of two seconds.

What of its layout is published, and what users of the release report, is told in feature_set.py.
"""

from __future__ import annotations

import dataclasses
import functools
import io
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from datasets_scripts.building.annotations import read_json, read_splits
from datasets_scripts.building.builder import GivenColumn, Settings, Video, file_print
from datasets_scripts.published.common import SAMPLED, PublishedSet, find_folder, sentence_of, usable
from modeling_davihd.conversion import EncoderChoice
from modeling_davihd.engines.errors import DatasetError, UnusableVideo
from modeling_davihd.streams_davihd import STREAMS

TITLE = "SVHighlights"
CLIP = 2  # seconds
SILENCE = -100.0  # dBFS, of clips without any sound, whose loudness is minus infinity
# By stream, the folders of features that it is made of, side by side.
KINDS = {"visual": ("vid_clip", "vid_slowfast"), "semantic": ("aud_pann",)}
ENCODERS = {"visual": "clip+slowfast", "semantic": "panns"}
FOLDERS = [kind for kinds in KINDS.values() for kind in kinds]
LABELS, VOLUME, FEATURES = "annotations/label.json", "annotations/volume.json", "features"
SPLITS = "svhighlights_split.json"
NAME = re.compile(r"(?P<sport>[a-z_]+)_(?P<number>\d+)")
SPLIT_OF_FIVE = ("test", "validation", "train", "train", "train")
GAMES_PER_SHARD = 2  # a game of two hours has 140 MB
CARD = """---
license: cc-by-nc-4.0
tags: [video-highlight-detection, video-summarization, svhighlights]
---
# SVHighlights

Features, labels and loudness of SVHighlights (Lee et al., KDD 2026, arXiv 2606.06926) as its authors publish
them, made into rows by `datasets_scripts/feature_set.py` of the package `davihd`. The broadcasts stay with
their owners and are not in here.

- `labels`: 1 where the official highlights show it. Clips of two seconds are two rows each, both alike.
- `loudness` (T,): of each second's clip, in dBFS; -100 is silence.
- {splits} Whatever could not be used is in `missing.json`, each with its reason.
"""


@dataclass(frozen=True)
class StoredArray:
    """An array of NumPy's in a file of its own, or in `size` bytes of an archive from `offset` on."""

    path: Path
    name: str
    offset: int = 0
    size: int = -1

    def read(self) -> np.ndarray:
        """Raises UnusableVideo, naming the file, if it does not hold one array of numbers (clips, width)."""
        try:
            with self.path.open("rb") as file:
                file.seek(self.offset)
                array = sole_array(np.load(io.BytesIO(file.read(self.size)), allow_pickle=False))
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise UnusableVideo(f"{self.name} is no readable array ({sentence_of(error)}).") from error
        if array.ndim != 2 or array.dtype.kind != "f":
            raise UnusableVideo(f"{self.name} is {array.dtype} of shape {array.shape}; (clips, D) is needed.")
        if not np.isfinite(array).all():
            raise UnusableVideo(f"{self.name} holds NaN or infinite numbers.")
        return array

    @property
    def identity(self) -> str:
        """What tells it from another."""
        return f"{print_of(self.path)} {self.offset} {self.size}"


print_of = functools.lru_cache(maxsize=16)(file_print)  # an archive is that of many


def sole_array(content: Any) -> np.ndarray:
    """What a file holds: the array, that called `features`, or its only one. Raises ValueError otherwise."""
    if isinstance(content, np.ndarray):
        return content
    names = ["features"] if "features" in content.files else content.files
    if len(names) != 1:
        raise ValueError(f"it holds {', '.join(names) or 'nothing'} instead of features")
    return content[names[0]]


def stored_features(folder: Path, sport: str) -> dict[tuple[str, str], StoredArray]:
    """The arrays of a sport, by folder and by video: in its folder or its archive, which is not unpacked.

    Raises DatasetError naming an archive that cannot be read.
    """
    names = [(path, path.relative_to(folder)) for path in sorted((folder / sport).glob("*/*.np[yz]"))]
    found = [(name, StoredArray(path, name.as_posix())) for path, name in names]
    archive = folder / f"{sport}.tar"
    if archive.is_file():
        try:
            with tarfile.open(archive, "r:") as tar:
                found += [
                    (PurePosixPath(one.name), StoredArray(archive, one.name, one.offset_data, one.size))
                    for one in tar
                    if one.isfile() and one.name.endswith((".npy", ".npz"))
                ]
        except (tarfile.TarError, OSError) as error:
            raise DatasetError(f"{archive} is no readable archive: {sentence_of(error)}.") from error
    return {
        (name.parent.name, f"{sport}_{name.stem.removeprefix(f'{sport}_')}"): stored for name, stored in found
    }


def read_annotations(path: Path, kind: type) -> Any:
    """A file of annotations. Raises DatasetError naming it unless it is JSON with a `kind` at its top."""
    content = read_json(path)
    if not isinstance(content, kind):
        raise DatasetError(f"{path} holds a {type(content).__name__}; a {kind.__name__} is needed.")
    return content


def read_labels(path: Path) -> dict[str, Any]:
    """The labels of each video, as they are. Raises DatasetError naming the file."""
    found: dict[str, Any] = {}
    for entry in read_annotations(path, list):
        if not isinstance(entry, dict) or not {"vid", "saliency_scores"} <= set(entry):
            raise DatasetError(f"{path}: an entry lacks vid or saliency_scores.")
        if str(entry["vid"]) in found:
            raise DatasetError(f"{path} holds {entry['vid']} twice.")
        found[str(entry["vid"])] = entry["saliency_scores"]
    return found


def row_of_numbers(values: object, what: str) -> np.ndarray:
    """A list as (clips,) float32. Raises UnusableVideo, saying what it is, if it is none of numbers."""
    try:
        row = np.asarray(values, np.float32)
    except (TypeError, ValueError):
        row = np.zeros((0, 0))
    if row.ndim != 1 or len(row) == 0:
        raise UnusableVideo(f"Its {what} is not a list of numbers, one for each clip.")
    return row


def to_clips(array: np.ndarray, clips: int, what: str) -> np.ndarray:
    """An array of that many clips, or of one more, at its end. Raises UnusableVideo for another length."""
    if not clips <= len(array) <= clips + 1:
        raise UnusableVideo(f"It has {clips} labels and {len(array)} clips of {what}; as many are needed.")
    return array[:clips]


def to_seconds(array: np.ndarray) -> np.ndarray:
    """(clips, ...) -> (T, ...)."""
    return np.repeat(array, CLIP, axis=0)


def read_features(stored: Mapping[str, Sequence[StoredArray]], clips: int) -> dict[str, np.ndarray]:
    """A game's arrays (T, D), by column. Raises UnusableVideo, naming the file."""
    found = {}
    for stream, parts in stored.items():
        arrays = [to_clips(part.read(), clips, part.name) for part in parts]
        found[STREAMS[stream].column] = to_seconds(np.concatenate(arrays, axis=1))
    return found


class Games:
    """The videos of a folder: `videos`, and `missing` (video_id, reason) for those that cannot be used."""

    def __init__(self, folder: Path):
        self._labels = read_labels(folder / LABELS)
        self._volume = read_annotations(folder / VOLUME, dict)
        sports = {found["sport"] for name in self._labels if (found := NAME.fullmatch(name))}
        self._stored: dict[tuple[str, str], StoredArray] = {}
        for sport in sorted(sports):
            self._stored |= stored_features(folder / FEATURES, sport)
        given = folder / SPLITS
        self.splits = read_splits(given) if given.is_file() else own_splits(self._labels)
        self.videos: list[Video] = []
        self.missing: list[tuple[str, str]] = []
        for video_id, split in self.splits.items():
            try:
                self.videos.append(self._video(video_id, split))
            except UnusableVideo as error:
                self.missing.append((video_id, str(error)))

    def _video(self, video_id: str, split: str) -> Video:
        if video_id not in self._labels or video_id not in self._volume:
            lacking = LABELS if video_id not in self._labels else VOLUME
            raise UnusableVideo(f"{lacking} has nothing of it.")
        if lacking := [kind for kind in FOLDERS if (kind, video_id) not in self._stored]:
            raise UnusableVideo(f"{FEATURES} has no {lacking[0]} of it.")
        labels = row_of_numbers(self._labels[video_id], "saliency_scores")
        if not np.isin(labels, (0, 1)).all():
            raise UnusableVideo("Its saliency_scores are not 0 and 1 alone.")
        loudness = to_clips(row_of_numbers(self._volume[video_id], "volume"), len(labels), VOLUME)
        stored = {stream: [self._stored[kind, video_id] for kind in kinds] for stream, kinds in KINDS.items()}
        return Video(
            video_id,
            split,
            to_seconds(labels),
            duration=float(CLIP * len(labels)),
            given=functools.partial(read_features, stored, len(labels)),
            identity=" ".join(one.identity for parts in stored.values() for one in parts),
            extras={"loudness": to_seconds(np.where(np.isfinite(loudness), loudness, SILENCE))},
        )


def own_splits(video_ids: Mapping[str, object]) -> dict[str, str]:
    """A split for each video, the same whichever others there are; ours, for none is published."""
    found = {name: NAME.fullmatch(name) for name in video_ids}
    return {name: SPLIT_OF_FIVE[int(one["number"]) % 5 if one else 0] for name, one in found.items()}


def given_columns(videos: Sequence[Video]) -> dict[str, GivenColumn]:
    """The columns that the first videos bring, as wide as those of the first that can be read.

    Raises DatasetError if none of them can.
    """
    reasons = []
    for video in videos[:SAMPLED]:
        try:
            arrays = video.given()
        except UnusableVideo as error:
            reasons.append(str(error))
            continue
        kinds = {name: "float16" if one.dtype == np.float16 else "float32" for name, one in arrays.items()}
        return {name: GivenColumn(one.shape[1], TITLE, kinds[name]) for name, one in arrays.items()}
    raise DatasetError(f"None of the first {len(reasons)} videos can be read: {reasons[0]}")


def checked(read: Callable[[], dict[str, np.ndarray]], columns: Mapping[str, GivenColumn]) -> dict:
    """The arrays of a video. Raises UnusableVideo if they are not as wide as others'."""
    arrays = read()
    for name, array in arrays.items():
        if array.shape[1] != columns[name].width:
            raise UnusableVideo(
                f"Its {name} are {array.shape[1]} wide, those of others {columns[name].width}."
            )
    return arrays


def with_checks(videos: Sequence[Video], columns: Mapping[str, GivenColumn]) -> Iterator[Video]:
    for video in videos:
        yield dataclasses.replace(video, given=functools.partial(checked, video.given, columns))


def read_svhighlights(data: str, name: str) -> PublishedSet:
    """The set in a folder or a dataset of the Hub. Raises DatasetError naming the file that is wrong."""
    folder = find_folder(data, name, LABELS, [LABELS, VOLUME, f"{FEATURES}/*"])
    games = Games(folder)
    columns = given_columns(usable(games.videos, games.missing, folder))
    videos = list(with_checks(games.videos, columns))
    settings = Settings({stream: EncoderChoice(one) for stream, one in ENCODERS.items()}, None, given=columns)
    ours = "The splits are ours: of five games of a sport one each is for validation and for test."
    card = CARD.format(splits=f"The splits are those of {SPLITS}." if (folder / SPLITS).is_file() else ours)
    return PublishedSet(videos, settings, card, games.missing, GAMES_PER_SHARD)
