"""Finding films and sounds in folders and lists."""

from pathlib import Path

import pytest

from datasets_scripts.building.media_folders import find_media, find_videos, list_files
from modeling_davihd.engines.errors import DatasetError


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder of empty files: videos and sounds at two depths, one of them hidden, and a text."""
    (tmp_path / "more").mkdir()
    for name in ("b.mp4", "a.MP4", "more/c.mkv", "more/d.wav", ".hidden.mp4", "notes.txt"):
        (tmp_path / name).touch()
    return tmp_path


def test_only_videos_are_found(folder):
    assert find_videos(folder) == ["a.MP4", "b.mp4", "more/c.mkv"]
    with pytest.raises(DatasetError, match="nowhere: there is no such folder of videos"):
        find_videos(folder / "nowhere")


def test_media_are_videos_and_sounds_by_name(folder):
    assert find_media(folder) == {
        "a": folder / "a.MP4",
        "b": folder / "b.mp4",
        "c": folder / "more" / "c.mkv",
        "d": folder / "more" / "d.wav",
    }
    with pytest.raises(DatasetError, match="There is no folder of videos .*nowhere"):
        find_media(folder / "nowhere")


def test_two_media_of_one_name_are_refused(folder):
    (folder / "more" / "a.wav").touch()
    with pytest.raises(DatasetError, match="two files for a: a.MP4 and a.wav"):
        find_media(folder)


def test_a_list_is_a_folder_or_a_text_file(folder):
    names = ["a.MP4", "b.mp4", "notes.txt"]
    assert list_files(folder) == [folder / name for name in (".hidden.mp4", *names)]
    (folder / "more" / "list.txt").write_text("../b.mp4\n\n  c.mkv\n")
    assert list_files(folder / "more" / "list.txt") == [
        folder / "more" / "../b.mp4",
        folder / "more" / "c.mkv",
    ]


def test_a_list_that_names_nothing_is_refused(folder):
    (folder / "empty").mkdir()
    with pytest.raises(DatasetError, match="empty holds no video"):
        list_files(folder / "empty")
    with pytest.raises(DatasetError, match="no such folder or list"):
        list_files(folder / "nowhere")
