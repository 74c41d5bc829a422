"""The labels of one or more files, whatever they are."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from datasets_scripts.building.label_files.collecting import label_file_of, merged
from datasets_scripts.building.label_files.json_lists import read_json
from datasets_scripts.building.label_files.labels import LabelFile, VideoLabels
from datasets_scripts.building.label_files.reels import read_reels
from datasets_scripts.building.label_files.tables import read_csv
from modeling_davihd import readers
from modeling_davihd.engines.errors import DatasetError, UsageError
from modeling_davihd.readers import Films, ListError, read_list
from modeling_davihd.wording import some


def _labels(path: Path, films: Films) -> LabelFile:
    """What any list that is read elsewhere as well says."""
    return label_file_of(readers.READERS[path.suffix.lower()](path, films))


READERS: dict[str, Callable[[Path, Films], LabelFile]] = {
    ".csv": read_csv,
    ".json": read_json,
    ".txt": _labels,
    ".edl": _labels,
    ".otio": _labels,
    ".fcpxml": _labels,
    ".xml": _labels,
}


def read_labels(
    paths: Sequence[Path], films: Films, only: Collection[str] = (), reels: Sequence[Path] = ()
) -> LabelFile:
    """Read files of labels and reels, and folders of them, as one.

    only: kinds of highlights to keep, in any case; all by default. reels: as `read_reels` takes them. What
    cannot be used is said in a ListWarning, a line each. Raises DatasetError saying where something is wrong
    and what is needed, MediaError for a reel that cannot be read, and UsageError for a kind that there is not
    and where nothing is given.
    """
    if not (paths or reels):
        raise UsageError("Neither --labels nor --reels is given; one of them is needed.")
    files = [file for path in paths for file in _files(path)]
    read = (*(_read(file, films) for file in files), *read_reels(reels, films))
    labels = _joined([merged(one) for one in read])
    return _only(labels, only) if only else labels


def _files(path: Path) -> list[Path]:
    """A file, or those in a folder and its subfolders whose names end as READERS say."""
    if not path.is_dir():
        return [path]
    found = sorted(one for one in path.rglob("*") if one.suffix.lower() in READERS and one.is_file())
    if visible := [one for one in found if not one.name.startswith(".")]:
        return visible
    raise DatasetError(f"{path}: holds no file of labels; their names end in {', '.join(READERS)}.")


def _read(path: Path, films: Films) -> LabelFile:
    try:
        labels = read_list(path, films, READERS)
    except ListError as error:
        raise DatasetError(str(error)) from error
    if not labels.videos:
        raise DatasetError(f"{path}: holds no labels.")
    return labels


def _joined(files: Sequence[LabelFile]) -> LabelFile:
    """Several files as one; highlights of a video in any of them are its highlights."""
    if len(files) == 1:
        return files[0]
    videos: dict[str, VideoLabels] = {}
    for file in files:
        if file.per_second != files[0].per_second:
            raise DatasetError(
                f"{file.source}: has scores of seconds or highlights, {files[0].source} the other."
            )
        for name, labels in file.videos.items():
            _join(f"{file.source}, {name}", videos.setdefault(name, VideoLabels()), labels)
    source = some([file.source for file in files], limit=2)
    return LabelFile(source, videos, files[0].per_second)


def _join(where: str, all_labels: VideoLabels, labels: VideoLabels) -> None:
    if labels.split is not None:
        all_labels.set_split(where, labels.split)
    for second, score in labels.seconds.items():
        all_labels.add_second(where, second, score)
    all_labels.intervals += [one for one in labels.intervals if one not in all_labels.intervals]


def _only(labels: LabelFile, only: Iterable[str]) -> LabelFile:
    """The highlights of some kinds. Raises UsageError for a kind that there is not."""
    kinds = {kind.casefold() for kind in labels.kinds}
    for kind in only:
        if kind.casefold() not in kinds:
            known = f"the kinds are {', '.join(labels.kinds)}" if kinds else "they have no kinds"
            raise UsageError(f"--only is {kind!r}, which no highlight of {labels.source} is; {known}.")
    wanted = {kind.casefold() for kind in only}
    videos = {
        name: replace(video, intervals=[one for one in video.intervals if one.kind.casefold() in wanted])
        for name, video in labels.videos.items()
    }
    return replace(labels, videos=videos)
