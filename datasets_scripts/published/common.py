"""What all readers of published features have in common: what they return, and where the files are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from datasets_scripts.building.builder import ROWS_PER_SHARD, Settings, Video
from modeling_davihd.engines.errors import DatasetError
from modeling_davihd.loading import hub_folder

SAMPLED = 20  # videos whose widths and kinds of numbers stand for all


@dataclass(frozen=True)
class PublishedSet:
    """A set as it was found: arguments of `build_dataset`, which has their meanings."""

    videos: Sequence[Video]
    settings: Settings
    card: str
    missing: Sequence[tuple[str, str]]
    rows_per_shard: int = ROWS_PER_SHARD


def find_folder(data: str, name: str, marker: str, patterns: Sequence[str]) -> Path:
    """The folder of a set, which holds the file `marker`: `data`, `name` in it, or downloaded.

    patterns: of what to download if `data` is a dataset of the Hub. Raises DatasetError if it is neither.
    """
    root = Path(data)
    if not root.is_dir():
        if root.is_absolute() or data.startswith((".", "~")) or len(root.parts) != 2:
            raise DatasetError(f"There is no folder {data}.")
        try:
            root = hub_folder(data, patterns, "dataset")
        except ValueError as error:
            raise DatasetError(f"{data} cannot be read: {error}.") from error
    folder = root / name if (root / name).is_dir() else root
    if not (folder / marker).is_file():
        raise DatasetError(f"{data} holds no {marker}, neither right away nor in {name}/.")
    return folder


def usable(videos: Sequence[Video], missing: Sequence[tuple[str, str]], folder: Path) -> Sequence[Video]:
    """The videos. Raises DatasetError if there are none, with the reason why the first is missing."""
    if not videos:
        raise DatasetError(f"None of the {len(missing)} videos of {folder} can be used: {missing[0][1]}")
    return videos


def sentence_of(error: Exception) -> str:
    """What a library says, in one line, as part of a sentence."""
    return " ".join(str(error.args[0] if error.args else error).split()).rstrip(".")
