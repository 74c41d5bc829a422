"""Files behind URLs: their fingerprints, their copies, and what cannot be read."""

from pathlib import Path

import fsspec
import pytest
from stores import Broken

from modeling_davihd.engines.sources import UNREACHABLE, file_print, local_copy, missing_package, place_of


@pytest.fixture
def memory():
    files = fsspec.filesystem("memory")
    files.pipe("/films/a.mp4", bytes(range(256)) * 1000)
    yield files
    files.rm("/films", recursive=True)


@pytest.fixture
def broken():
    fsspec.register_implementation("broken", Broken, clobber=True)
    return "broken://bucket/a.mp4"


def test_a_fingerprint_is_of_the_content_wherever_it_is(memory, tmp_path):
    copy = tmp_path / "other name.mp4"
    copy.write_bytes(memory.cat("/films/a.mp4"))
    assert file_print("memory://films/a.mp4") == file_print(copy)
    copy.write_bytes(copy.read_bytes()[:-1] + b"!")
    assert file_print("memory://films/a.mp4") != file_print(copy)


def test_what_is_not_there_differs_from_what_cannot_be_reached(memory, broken, tmp_path):
    assert file_print("memory://films/b.mp4") == file_print(tmp_path / "b.mp4") == "absent"
    assert file_print(broken) == UNREACHABLE


def test_a_copy_lasts_as_long_as_it_is_used(memory, tmp_path):
    with local_copy("memory://films/a.mp4") as path:
        assert path.name == "a.mp4" and path.read_bytes() == memory.cat("/films/a.mp4")
    assert not path.exists()
    with local_copy(tmp_path) as path:
        assert path == tmp_path


@pytest.mark.parametrize("url", ["memory://films/b.mp4", "broken://bucket/a.mp4"])
def test_whatever_goes_wrong_with_a_url_is_an_error_of_the_system(memory, broken, url):
    with pytest.raises(OSError), local_copy(url):
        raise AssertionError("there is no such copy")


def test_what_goes_wrong_with_the_copy_stays_as_it_is(memory):
    with pytest.raises(KeyError), local_copy("memory://films/a.mp4"):
        raise KeyError("a fault of the caller")


def test_places_are_urls_or_paths(tmp_path):
    assert place_of("a/b.mp4", tmp_path) == tmp_path / "a" / "b.mp4"
    assert place_of("/a/b.mp4", tmp_path) == Path("/a/b.mp4")
    assert place_of("file:///a/b.mp4", tmp_path) == Path("/a/b.mp4")
    assert place_of("s3://a/b.mp4", tmp_path) == "s3://a/b.mp4"


def test_known_addresses_need_nothing_more():
    assert missing_package(["memory://a", "hf://datasets/a/b", "file:///a"]) is None
