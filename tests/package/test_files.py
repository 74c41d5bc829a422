"""Files and folders that appear whole or not at all."""

import json
import os
import subprocess
import sys
import time

import pytest

from modeling_davihd.files import (
    all_whole,
    clear_partials,
    whole,
    whole_files,
    whole_folder,
    write_json,
    write_text,
)


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def hidden(folder, number=1, age=0.0):
    """What a killed process left so many seconds ago."""
    partial = folder / f".{number:012x}.partial"
    partial.mkdir(parents=True)
    (partial / "0").write_text("half")
    for path in (partial / "0", partial):
        os.utime(path, (time.time() - age,) * 2)
    return partial


def test_a_file_takes_its_place_when_it_is_complete(tmp_path):
    target = tmp_path / "file"
    target.write_text("old")
    with whole(target) as partial:
        partial.write_text("new")
        assert target.read_text() == "old" and partial.parent.parent == tmp_path
        assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == ["file"]
    assert target.read_text() == "new" and names(tmp_path) == ["file"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, GeneratorExit])
def test_a_failure_leaves_everything_as_it_was(tmp_path, error):
    (tmp_path / "file").write_text("old")
    (tmp_path / "folder").mkdir()
    for writing in (
        whole(tmp_path / "file"),
        all_whole([tmp_path / "file", tmp_path / "other"]),
        whole_folder(tmp_path / "new"),
        whole_files(tmp_path / "folder"),
    ):
        with pytest.raises(error), writing as place:
            for path in place if isinstance(place, list) else [place]:
                (path / "file" if path.is_dir() else path).write_text("new")
            raise error
        assert names(tmp_path) == ["file", "folder"] and (tmp_path / "file").read_text() == "old"


def test_a_body_that_writes_nothing_is_an_error(tmp_path):
    (tmp_path / "file").write_text("old")
    with pytest.raises(FileNotFoundError), whole(tmp_path / "file"):
        pass
    assert (tmp_path / "file").read_text() == "old" and names(tmp_path) == ["file"]


def test_files_that_belong_together_may_be_in_several_folders(tmp_path):
    targets = [tmp_path / "a" / "one", tmp_path / "b" / "two", tmp_path / "a" / "three"]
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    with all_whole(targets) as partials:
        for number, partial in enumerate(partials):
            partial.write_text(str(number))
            assert not any(target.exists() for target in targets)
    assert [target.read_text() for target in targets] == ["0", "1", "2"]
    assert names(tmp_path) == ["a", "a/one", "a/three", "b", "b/two"]
    with all_whole([]) as partials:
        assert partials == []


def test_a_folder_appears_with_all_that_is_in_it(tmp_path):
    target = tmp_path / "above" / "new"
    with whole_folder(target) as partial:
        (partial / "file").write_text("1")
        assert not target.exists()
    assert names(tmp_path) == ["above", "above/new", "above/new/file"]
    with pytest.raises(OSError), whole_folder(target) as partial:
        (partial / "other").write_text("2")
    assert names(tmp_path) == ["above", "above/new", "above/new/file"]


def test_files_move_into_a_folder_that_holds_more(tmp_path):
    folder = tmp_path / "above" / "folder"
    for content in ("1", "2"):
        with whole_files(folder) as partial:
            (partial / "file").write_text(content)
        (folder / "more").write_text("kept")
    assert names(folder) == ["file", "more"]
    assert (folder / "file").read_text() == "2" and (folder / "more").read_text() == "kept"


def test_names_may_be_as_long_as_they_can_be(tmp_path):
    write_text(tmp_path / ("n" * 255), "text")
    write_json(tmp_path / ("é" * 127), {})
    with pytest.raises(OSError, match="too long"), whole(tmp_path / ("n" * 256)):
        pytest.fail("told before the work, not after it")
    assert len(names(tmp_path)) == 2


def test_text_and_json(tmp_path):
    write_text(tmp_path / "new" / "file.txt", "Finále\n")
    assert (tmp_path / "new" / "file.txt").read_bytes() == "Finále\n".encode()
    content = {"name": "Finále", "not UTF-8": os.fsdecode(b"\xff"), "numbers": [1, 0.5]}
    write_json(tmp_path / "newer" / "file.json", content)
    text = (tmp_path / "newer" / "file.json").read_text(encoding="utf-8")
    assert json.loads(text) == content and "Finále" in text and text.endswith("]\n}\n")
    write_json(tmp_path / "plain.json", {"a": [1, None], "b": "c"})
    assert (tmp_path / "plain.json").read_text() == json.dumps({"a": [1, None], "b": "c"}, indent=1) + "\n"


def test_what_killed_processes_left_goes_and_nothing_else(tmp_path):
    old, fresh = hidden(tmp_path, 1, 3700), hidden(tmp_path, 2, 60)
    growing = hidden(tmp_path, 3, 3700)
    (growing / "0").write_text("still written to, in a folder that has not changed")
    os.utime(growing, (time.time() - 3700,) * 2)
    for name in (".hidden", ".notes.partial", "0123456789ab.partial", ".0123456789ab.partial.txt"):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (0, 0))
    before = {path.name for path in tmp_path.iterdir()}
    clear_partials(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == before - {old.name}
    os.utime(fresh, (time.time() + 60,) * 2)  # by the clock of another machine
    clear_partials(tmp_path, unchanged_for=0)
    assert {path.name for path in tmp_path.iterdir()} == before - {old.name, fresh.name, growing.name}
    clear_partials(tmp_path / "nowhere")


KILLED = """
import os, signal, sys
from pathlib import Path
from modeling_davihd.files import whole
with whole(Path(sys.argv[1])) as partial:
    partial.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_kill_leaves_is_known(tmp_path):
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "file")])
    [left] = tmp_path.iterdir()
    assert left.name.startswith(".")
    clear_partials(tmp_path, unchanged_for=0)
    assert not names(tmp_path)
