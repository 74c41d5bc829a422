"""The films of a folder and its subfolders."""

from __future__ import annotations

from pathlib import Path

from datasets_scripts.building.media_folders import find_videos
from modeling_davihd import readers


class Films(readers.Films):
    """The films in a folder and its subfolders; `names` are sorted.

    Raises DatasetError if there is no such folder.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, find_videos(folder))
