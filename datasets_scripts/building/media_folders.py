"""Which films and sounds a folder, or a list in a text file, holds."""

from __future__ import annotations

from pathlib import Path

from modeling_davihd.engines.errors import DatasetError
from modeling_davihd.film_files import SOUND_SUFFIXES, VIDEO_SUFFIXES, visible_files


def find_videos(folder: Path) -> list[str]:
    """The videos in a folder and its subfolders, as sorted paths relative to it, with forward slashes.

    Raises DatasetError if there is no such folder.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder}: there is no such folder of videos.")
    return sorted(path.relative_to(folder).as_posix() for path in visible_files(folder, VIDEO_SUFFIXES))


def find_media(folder: Path) -> dict[str, Path]:
    """The videos and sounds in a folder and its subfolders, by their names without suffix.

    Raises DatasetError if there is no such folder, or if two files have the same name.
    """
    if not folder.is_dir():
        raise DatasetError(f"There is no folder of videos {folder}.")
    media: dict[str, Path] = {}
    for path in sorted(visible_files(folder, (*VIDEO_SUFFIXES, *SOUND_SUFFIXES))):
        if other := media.get(path.stem):
            raise DatasetError(f"{folder} has two files for {path.stem}: {other.name} and {path.name}.")
        media[path.stem] = path
    return media


def list_files(source: Path) -> list[Path]:
    """All files of a folder, whatever their suffix, or those that a text file names, one a line.

    The lines are paths relative to the folder of that text file. Raises DatasetError if `source` is neither,
    if it holds nothing, or if a file that it names is not there.
    """
    if source.is_dir():
        paths = sorted(path for path in source.iterdir() if path.is_file())
    elif source.is_file():
        lines = source.read_text(encoding="utf-8", errors="replace").splitlines()
        paths = [source.parent / line.strip() for line in lines if line.strip()]
    else:
        raise DatasetError(f"--videos is {source}, but there is no such folder or list.")
    if not paths:
        raise DatasetError(f"{source} holds no video.")
    if absent := [path for path in paths if not path.is_file()]:
        raise DatasetError(f"{source} names {absent[0]}, but there is no such file.")
    return paths
