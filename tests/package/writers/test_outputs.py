import dataclasses
import os
import time

import pytest
from films import film_with_sound, tone
from results import result_of

from modeling_davihd.writers import WRITERS, WriterError, write_outputs


def test_file_names_are_the_contract(tmp_path):
    text = {"json": "json", "csv": "csv", "edl": "edl", "otio": "otio", "fcpxml": "fcpxml", "xmeml": "xml"}
    text |= {"markers": "markers.edl", "vtt": "vtt", "chapters": "chapters.txt", "ffmetadata": "ffmetadata"}
    paths = write_outputs(result_of(), tmp_path / "new", text)
    assert [path.name for path in paths] == [f"match.highlights.{name}" for name in text.values()]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(path.name for path in paths)
    assert set(WRITERS) == {*text, "png", "sheet", "mp4", "srt", "clips"}


def test_unwritable_places_and_unknown_formats_are_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(WriterError, match="file"):
        write_outputs(result_of(), tmp_path / "file", ["json"])
    with pytest.raises(WriterError, match="missing.*match.highlights.json.*No such file"):
        WRITERS["json"]().write(result_of(), tmp_path / "missing")
    with pytest.raises(WriterError, match="'gif'.*json, csv"):
        write_outputs(result_of(), tmp_path / "other", ["json", "gif"])
    assert not (tmp_path / "other").exists()


def test_a_format_that_fails_in_its_own_way_is_named(tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError("no room")

    monkeypatch.setattr(WRITERS["csv"], "save", fail)
    with pytest.raises(
        WriterError, match=r"match.mp4: the format csv cannot be written \(no room\)."
    ) as error:
        write_outputs(result_of(), tmp_path, ["csv", "json"])
    assert error.value.written == list(tmp_path.iterdir()) == [tmp_path / "match.highlights.json"]


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """A film, with subtitles beside it."""
    path = film_with_sound(tmp_path_factory.mktemp("film") / "film.mp4", tone(31, 16000), 31)
    path.with_suffix(".srt").write_text("1\n00:00:02,000 --> 00:00:04,000\nGoal\n")
    return path


def named(film, length, name):
    """The film's result with one highlight, whose output in that format has a name of that many bytes."""
    stem = "n" * (length - len(WRITERS[name].suffix.format(1)))
    source = film.with_name(f"{stem}.mp4")
    if not source.exists():
        source.hardlink_to(film)
        source.with_suffix(".srt").hardlink_to(film.with_suffix(".srt"))
    return dataclasses.replace(result_of([(2, 4)], 31.0), source=source)


@pytest.mark.parametrize("name", WRITERS)
def test_outputs_may_have_the_longest_names_that_there_are(film, tmp_path, name):
    [path] = write_outputs(named(film, 255, name), tmp_path, [name])
    assert len(path.name) == 255 and list(tmp_path.iterdir()) == [path]
    with pytest.raises(ValueError, match=r"nn\.highlight.*: cannot be written \(File name too long\)"):
        write_outputs(named(film, 256, name), tmp_path, [name])
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", WRITERS)
def test_a_folder_in_the_way_is_named_before_anything_is_made(film, tmp_path, name):
    result = dataclasses.replace(result_of([(2, 4)], 31.0), source=film)
    place = tmp_path / f"film{WRITERS[name].suffix.format(1)}"
    place.mkdir()
    with pytest.raises(ValueError) as error:
        write_outputs(result, tmp_path, [name])
    assert str(error.value) == f"{place}: cannot be written (Is a directory)."
    assert list(tmp_path.iterdir()) == [place] and not any(place.iterdir())


def test_what_killed_runs_left_goes_after_an_hour(tmp_path):
    for number, age in ((1, 3700), (2, 60)):
        folder = tmp_path / f".{number:012x}.partial"
        folder.mkdir()
        os.utime(folder, (time.time() - age,) * 2)
    write_outputs(result_of(), tmp_path, ["json"])
    assert {path.name for path in tmp_path.iterdir()} == {".000000000002.partial", "match.highlights.json"}
