"""Mr.HiSum, MoSu and KoSum as TripleSumm's authors publish them: HDF5 files of features and of labels.

NAME_split.json says which videos there are; each is looked up by its name, for the list of names that an
HDF5 file keeps may be damaged where its arrays are not.
"""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
from tqdm import tqdm

from datasets_scripts.building.annotations import Annotation, read_annotation, read_splits
from datasets_scripts.building.builder import GivenColumn, Settings, Video, file_print
from datasets_scripts.published.common import SAMPLED, PublishedSet, find_folder, sentence_of, usable
from modeling_davihd.conversion import EncoderChoice
from modeling_davihd.engines.errors import DatasetError, UnusableVideo
from modeling_davihd.streams_davihd import STREAMS

# By stream, what the files call it.
KINDS = {"visual": "visual", "semantic": "audio", "text": "text"}


@dataclass(frozen=True)
class FeatureSet:
    """title: of the dataset. widths: of its features by stream, as published, if they are known."""

    title: str
    widths: Mapping[str, int] = field(default_factory=dict)


SETS = {
    "mrhisum": FeatureSet("Mr.HiSum", {"visual": 1024, "semantic": 768, "text": 768}),
    "mosu": FeatureSet("MoSu", dict.fromkeys(KINDS, 768)),
    "kosum": FeatureSet("KoSum"),
}
CARD = """---
license: other
tags: [video-highlight-detection, video-summarization, {name}]
---
# {title}

Features and labels of {title} as published for TripleSumm (Kim et al., ICLR 2026, arXiv 2603.01169), one row
a second, made into rows by `datasets_scripts/feature_set.py` of the package `davihd`. No licence is stated
for these files; the videos stay with their owners and are not in here.

- `labels`: `gt_score` of the original file. `change_points`, `gt_summary`: its shots, and its summary.
- The splits are the original's. Whatever could not be used is in `missing.json`, each with its reason.
"""


class Store:
    """An HDF5 file, which each process opens for itself when it first reads: no handle outlives a fork."""

    def __init__(self, path: Path):
        self.path = path
        self._file: h5py.File | None = None
        self._process = 0

    @property
    def file(self) -> h5py.File:
        """Raises DatasetError, naming the file, if it is not to be read as a whole."""
        if self._file is None or self._process != os.getpid():
            try:
                self._file, self._process = h5py.File(self.path, "r"), os.getpid()
            except OSError as error:
                raise DatasetError(f"{self.path} is not a readable HDF5 file: {error}.") from error
        return self._file

    @contextmanager
    def entry(self, name: str) -> Iterator[h5py.Group | h5py.Dataset]:
        """What the file has of a video. Raises UnusableVideo, also for whatever fails inside the context."""
        file = self.file
        try:  # listing the file first would stop at the first damaged name
            yield file[name]
        except KeyError as error:
            lacks = "doesn't exist" in str(error)
            what = "has nothing of it" if lacks else f"is damaged there ({sentence_of(error)})"
            raise UnusableVideo(f"{self.path.name} {what}.") from error
        except (UnusableVideo, DatasetError):
            raise
        except (OSError, RuntimeError, ValueError) as error:
            raise UnusableVideo(f"{self.path.name} is damaged there ({sentence_of(error)}).") from error

    def __reduce__(self) -> tuple:
        return Store, (self.path,)


class Features:
    """The files of features of a set, by stream; `columns`, what they bring, by the names of the columns."""

    def __init__(self, folder: Path, name: str, video_ids: list[str]):
        self._stores = {stream: Store(feature_file(folder, name, kind)) for stream, kind in KINDS.items()}
        self.encoders = {
            stream: store.path.stem.removeprefix(f"{name}_feat_{KINDS[stream]}_")
            for stream, store in self._stores.items()
        }
        widths, title = SETS[name].widths, SETS[name].title
        self.columns = {
            STREAMS[stream].column: given_column(store, video_ids, widths.get(stream), title)
            for stream, store in self._stores.items()
        }
        self.identity = " ".join(file_print(store.path) for store in self._stores.values())

    def read(self, video_id: str, seconds: int) -> dict[str, np.ndarray]:
        """A video's arrays (T, width), by column. Raises UnusableVideo unless all are whole and as long."""
        arrays = {STREAMS[stream].column: self._array(stream, video_id) for stream in self._stores}
        if any(len(array) != seconds for array in arrays.values()):
            found = ", ".join(f"{len(array)} rows of {column}" for column, array in arrays.items())
            raise UnusableVideo(f"It has {seconds} labels, {found}; they need to be equally many.")
        return arrays

    def _array(self, stream: str, video_id: str) -> np.ndarray:
        store, width = self._stores[stream], self.columns[STREAMS[stream].column].width
        with store.entry(video_id) as stored:
            shape = getattr(stored, "shape", None)
            if shape is None or len(shape) != 2 or shape[1] != width:
                found = "a group" if shape is None else f"of shape {shape}"
                raise UnusableVideo(f"{store.path.name}: it is {found} there; (T, {width}) is needed.")
            array = stored[()]
        if not np.isfinite(array).all():
            raise UnusableVideo(f"{store.path.name} holds NaN or infinite numbers of it.")
        return array


def feature_file(folder: Path, name: str, kind: str) -> Path:
    """The one file of that kind of features. Raises DatasetError if there is none, or more than one."""
    pattern = f"{name}_feat_{kind}_*.h5"
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        names = " and ".join(path.name for path in found) or "none"
        raise DatasetError(f"{folder} needs one file {pattern}; it has {names}.")
    return found[0]


def given_column(store: Store, video_ids: list[str], width: int | None, title: str) -> GivenColumn:
    """The column that a file brings, with the width that is known or that most of its first videos have.

    Raises DatasetError naming the file if none of those videos can be read, or all have another width.
    """
    widths, wide = Counter[int](), False
    for video_id in video_ids[:SAMPLED]:
        try:
            with store.entry(video_id) as stored:
                widths[stored.shape[1]] += 1
                wide = wide or stored.dtype != np.float16
        except (UnusableVideo, AttributeError, IndexError):  # told of when its turn comes
            continue
    if not widths:
        raise DatasetError(
            f"{store.path}: none of the first {SAMPLED} videos of the splits can be read in it."
        )
    if width not in (None, *widths):
        raise DatasetError(f"{store.path}: its features are {max(widths)} wide; {title}'s are {width}.")
    return GivenColumn(width or widths.most_common(1)[0][0], title, "float32" if wide else "float16")


def read_annotations(store: Store, video_ids: list[str]) -> dict[str, Annotation | str]:
    """What the file of labels says of each video; of one that cannot be used, the reason.

    Raises DatasetError, naming the file, if it is not to be read as a whole.
    """
    found: dict[str, Annotation | str] = {}
    store.file  # noqa: B018  (what is wrong with all of it is no reason for one video)
    for video_id in tqdm(video_ids, unit="video", disable=None, desc=store.path.name):
        try:
            with store.entry(video_id) as group:
                found[video_id] = read_annotation(group, store.path, "gt_score")
        except (UnusableVideo, DatasetError) as error:
            found[video_id] = str(error)
    return found


def read_hdf5_set(data: str, name: str) -> PublishedSet:
    """A set in a folder or a dataset of the Hub; name: one of SETS. Raises DatasetError naming the file."""
    wanted = [
        f"{place}{name}_{kind}" for place in ("", "*/") for kind in ("split.json", "gt.h5", "feat_*.h5")
    ]
    folder = find_folder(data, name, f"{name}_split.json", wanted)
    splits = read_splits(folder / f"{name}_split.json")
    annotations = read_annotations(Store(folder / f"{name}_gt.h5"), list(splits))
    features = Features(folder, name, list(splits))
    videos, missing = [], []
    for video_id, found in annotations.items():
        if isinstance(found, str):
            missing.append((video_id, found))
        else:
            videos.append(video_of(video_id, splits[video_id], found, features))
    encoders = {stream: EncoderChoice(encoder) for stream, encoder in features.encoders.items()}
    settings = Settings(encoders, None, given=features.columns)
    card = CARD.format(name=name, title=SETS[name].title)
    return PublishedSet(usable(videos, missing, folder), settings, card, missing)


def video_of(video_id: str, split: str, found: Annotation, features: Features) -> Video:
    """A video of which the annotation is known, and whose features are read when its turn comes."""
    seconds = len(found.labels)
    return Video(
        video_id,
        split,
        found.labels,
        duration=float(seconds),
        given=functools.partial(features.read, video_id, seconds),
        identity=features.identity,
        extras={"change_points": found.change_points, "gt_summary": found.gt_summary},
    )
