"""Features and labels of Mr.HiSum, MoSu or KoSum, as TripleSumm's authors publish them -> a dataset.

    pip install ".[research]"
    python datasets_scripts/feature_set.py --data DIR --name mrhisum --out DIR
    python datasets_scripts/feature_set.py --data USER/NAME --name mosu --out DIR    # a dataset of the Hub

--data holds, in a folder of the set's name or right away,

    NAME_split.json          train_keys, val_keys, test_keys: the ids, by which everything else is looked up
    NAME_gt.h5               of each id gt_score (T,), gt_summary (T,) and change_points (shots, 2)
    NAME_feat_visual_*.h5    of each id an array (T, width), one row a second; so, too, for text and audio

and what * stands for names the encoder. The columns are visual_features, text_features and, of the audio,
semantic_features; numbers stay float16 or float32. The videos themselves are not needed, so that there is no
log-Mel spectrogram. The splits are those of the files.

A video whose arrays are not all as long as its labels, that cannot be read or that a file lacks is listed in
missing.json, with the reason. What is known of KoSum is that its layout is the same: its widths are taken
from its files. Started again, the command goes on where it was.
"""

from __future__ import annotations

import argparse
import functools
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
from tqdm import tqdm

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from datasets_scripts.building.annotations import Annotation, read_annotation, read_splits
from datasets_scripts.building.builder import (
    GivenColumn,
    Report,
    Settings,
    Video,
    build_dataset,
    file_print,
)
from datasets_scripts.building.console import run_dataset_command
from modeling_davihd.conversion import EncoderChoice
from modeling_davihd.engines.errors import DatasetError, UnusableVideo, UsageError
from modeling_davihd.loading import hub_folder
from modeling_davihd.streams_davihd import STREAMS

# By stream, what the files call it.
KINDS = {"visual": "visual", "semantic": "audio", "text": "text"}
THREADS = 2
SAMPLED = 20  # videos whose widths and kinds of numbers stand for all


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


def sentence_of(error: Exception) -> str:
    """What a library says, in one line, as part of a sentence."""
    return " ".join(str(error.args[0] if error.args else error).split()).rstrip(".")


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
        if not np.isfinite(array.sum(dtype=np.float64)):  # many times faster than looking at each
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


def find_folder(data: str, name: str) -> Path:
    """The folder with the files of a set: in a folder, or downloaded from a dataset of the Hub.

    Raises DatasetError if it is neither.
    """
    root = Path(data)
    if not root.is_dir():
        if root.is_absolute() or data.startswith((".", "~")) or len(root.parts) != 2:
            raise DatasetError(f"There is no folder {data}.")
        root = from_hub(data, name)
    folder = root / name if (root / name).is_dir() else root
    if not (folder / f"{name}_split.json").is_file():
        raise DatasetError(f"{data} holds no {name}_split.json, neither right away nor in {name}/.")
    return folder


def from_hub(repo_id: str, name: str) -> Path:
    """The files of a set in a dataset of the Hub, downloaded or from before. Raises DatasetError."""
    patterns = [
        f"{place}{name}_{kind}" for place in ("", "*/") for kind in ("split.json", "gt.h5", "feat_*.h5")
    ]
    try:
        return hub_folder(repo_id, patterns, "dataset")
    except ValueError as error:
        raise DatasetError(f"{repo_id} cannot be read: {error}.") from error


def build_feature_set(data: str, name: str, out: Path) -> Report:
    """Build, or go on building, the dataset of a set in the folder `out`.

    data: a folder, or a dataset of the Hub. name: one of SETS. Videos that cannot be used are listed in
    missing.json. Raises DatasetError naming the file that is wrong, UsageError for an unknown name.
    """
    if name not in SETS:
        raise UsageError(f"The name is {name!r}; it needs to be one of {', '.join(SETS)}.")
    folder = find_folder(data, name)
    splits = read_splits(folder / f"{name}_split.json")
    annotations = read_annotations(Store(folder / f"{name}_gt.h5"), list(splits))
    features = Features(folder, name, list(splits))
    videos, missing = [], []
    for video_id, found in annotations.items():
        if isinstance(found, str):
            missing.append((video_id, found))
        else:
            videos.append(video_of(video_id, splits[video_id], found, features))
    if not videos:
        raise DatasetError(f"None of the {len(splits)} videos of {folder} can be used: {missing[0][1]}")
    encoders = {stream: EncoderChoice(encoder) for stream, encoder in features.encoders.items()}
    settings = Settings(encoders, None, given=features.columns)
    card = CARD.format(name=name, title=SETS[name].title)
    return build_dataset(out, videos, settings, card=card, missing=missing, threads=THREADS)


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


def main(arguments: list[str] | None = None) -> int:
    """Command line. Exit status 0, 1 for wrong data, 2 for wrong usage."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="feature_set.py"
    )
    parser.add_argument(
        "--data", required=True, metavar="DIR", help="folder of the files, or id of a Hub dataset"
    )
    parser.add_argument("--name", required=True, choices=SETS, help="which set it is")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the dataset")
    options = parser.parse_args(arguments)
    return run_dataset_command(
        lambda: print(build_feature_set(options.data, options.name, options.out)), parser.prog
    )


if __name__ == "__main__":
    sys.exit(main())
