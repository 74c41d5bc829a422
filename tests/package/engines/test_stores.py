"""Folders of stores, by the methods of paths, and what is written to them."""

import fsspec
import pytest
from stores import Broken

from modeling_davihd.engines.shards import read_note
from modeling_davihd.engines.stores import Stored, whole_at, whole_files_at


@pytest.fixture
def folder():
    yield Stored("memory://bucket/out")
    fsspec.filesystem("memory").rm("/bucket", recursive=True)


def test_a_file_is_there_once_it_is_whole(folder):
    target = folder / "sub" / "a b.json"
    with pytest.raises(KeyError), whole_at(target) as partial:
        partial.write_text("{")
        raise KeyError
    assert not target.exists()
    with whole_at(target) as partial:
        partial.write_text("{}")
    assert target.read_bytes() == b"{}" and (target.name, target.parent) == ("a b.json", folder / "sub")


def test_files_are_found_moved_and_removed(folder):
    with whole_files_at(folder, ".") as here:
        for name in ("b.parquet", "a.parquet", "a.begun"):
            (here / name).write_text(name)
    assert [path.name for path in folder.glob("*.parquet")] == ["a.parquet", "b.parquet"]
    (folder / "a.parquet").replace(folder / "c.parquet")
    (folder / "b.parquet").unlink()
    (folder / "b.parquet").unlink(missing_ok=True)
    assert list(folder.glob("*.parquet")) == [folder / "c.parquet"]
    assert not list((folder / "nowhere").glob("*"))
    with pytest.raises(FileNotFoundError):
        (folder / "b.parquet").unlink()


def test_a_store_that_refuses_is_an_error_of_the_system():
    fsspec.register_implementation("broken", Broken, clobber=True)
    with pytest.raises(OSError, match="503 Slow down"):
        Stored("broken://bucket/a").read_bytes()
    assert read_note(Stored("broken://bucket/a.parquet")) is None
