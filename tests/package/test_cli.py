import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from films import damage, film_with_sound, noise_within

from modeling_davihd import DEFAULT_CHECKPOINT, cli, sound_names
from modeling_davihd.writers import WRITERS


@pytest.fixture
def film(tmp_path):
    return film_with_sound(tmp_path / "match.mp4", noise_within(9, 4, 17), 30)


def run(*arguments) -> int:
    return cli.main(["highlight", *map(str, arguments)])


def test_default_files_and_summary_line(film, tmp_path, capsys):
    assert run(film, "--output-dir", tmp_path / "out") == 0
    names = ["match.highlights.json", "match.highlights.png", "match.highlights.mp4"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(names)
    line = capsys.readouterr().out.strip()
    assert line.startswith("match.mp4  0:00:30  ") and line.endswith("  ".join(names))
    result = json.loads((tmp_path / "out" / names[0]).read_text())
    assert set(result) == {"version", "model", "source", "duration", "scores", "highlights"}
    assert len(result["scores"]) == 30
    assert any(one["start"] <= 10 <= one["end"] for one in result["highlights"])
    assert all(isinstance(one["sounds"], list) for one in result["highlights"])


def test_sounds_are_not_listened_for_unless_they_are_named(film, tmp_path, monkeypatch):
    monkeypatch.setattr(sound_names, "load_encoder", None)  # whoever loads YAMNet fails
    assert run(film, "--names", "none", "--output-dir", tmp_path, "--formats", "json,csv", "--top-k", 1) == 0
    [highlight] = json.loads((tmp_path / "match.highlights.json").read_text())["highlights"]
    assert "sounds" not in highlight
    assert (tmp_path / "match.highlights.csv").read_text().startswith("start,end,score,peak,confidence\n")


def test_every_format(film, tmp_path):
    out = tmp_path / "out"
    assert run(film, "--output-dir", out, "--formats", ",".join(WRITERS), "--top-k", 1) == 0
    written = {path.name.removeprefix("match.") for path in out.iterdir()}
    assert written == {writer.suffix.format(1)[1:] for writer in WRITERS.values()}


def test_edit_lists_may_name_the_film_by_its_path_from_them(film, tmp_path):
    options = ["--names", "none", "--formats", "edl", "--top-k", 1, "--list-paths", "relative"]
    assert run(film, "--output-dir", tmp_path / "out", *options) == 0
    edl = tmp_path / "out" / "match.highlights.edl"
    assert f"\n* SOURCE FILE: {os.path.relpath(film, edl.parent)}\n" in edl.read_text()


def test_what_cannot_be_written_keeps_nothing_else_away(tmp_path, capsys):
    film = damage(film_with_sound(tmp_path / "match.mp4", noise_within(9, 4, 7), 20), "video", -1, 21)
    assert run(film, "--output-dir", tmp_path / "out", "--formats", "json,mp4,chapters,edl") == 1
    told = capsys.readouterr()
    assert told.out.startswith("match.mp4  0:00:20  ")
    assert told.out.strip().endswith("highlight  match.highlights.json  match.highlights.edl")
    assert "\nwarning: match.mp4 is 20 s long, but a chapter list needs three chapters" in f"\n{told.err}"
    assert told.err.endswith("match.mp4: nothing of its video can be decoded.\n")
    assert run(film, "--output-dir", tmp_path / "out", "--formats", "chapters") == 1
    assert "error: match.mp4 is 20 s long" in capsys.readouterr().err


def test_bad_files_get_a_line_each_and_the_good_one_is_written(film, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("not a film")
    out = tmp_path / "out"
    status = run(
        tmp_path / "missing.mp4", tmp_path / "notes.txt", film, "--output-dir", out, "--formats", "json"
    )
    assert status == 1
    errors = capsys.readouterr().err.strip().splitlines()
    assert len(errors) == 2
    assert "missing.mp4" in errors[0] and "notes.txt" in errors[1]
    assert [path.name for path in out.iterdir()] == ["match.highlights.json"]


def test_silent_film_gets_a_warning_and_flat_scores(tmp_path, capsys):
    silent = film_with_sound(tmp_path / "silent.mp4", np.zeros(80000, np.float32), 5)
    assert run(silent, "--output-dir", tmp_path, "--formats", "json,mp4") == 0
    errors = capsys.readouterr().err.strip().splitlines()
    assert errors[0].startswith("warning:") and "silent.mp4" in errors[0]
    assert errors[1:] == ["silent.mp4: nothing stands out; --top-k 3 gives the best moments that there are"]
    result = json.loads((tmp_path / "silent.highlights.json").read_text())
    assert set(result["scores"]) == {0.0} and result["highlights"] == []
    assert not (tmp_path / "silent.highlights.mp4").exists()


def calibrated(folder, level):
    """The embedded model, as if it had been calibrated."""
    shutil.copytree(DEFAULT_CHECKPOINT, folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"highlight_level": level, "highlight_confidence": [[0.0, 0.25], [0.01, 0.75]]}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_a_film_in_which_nothing_rises_above_the_level_has_no_highlights(film, tmp_path, capsys):
    model, out = calibrated(tmp_path / "model", level=1.0), tmp_path / "out"
    assert run(film, "--model", model, "--output-dir", out) == 0
    told = capsys.readouterr()
    assert told.out.startswith("match.mp4  0:00:30  0 highlights  ") and "mp4  match" not in told.out
    assert (
        told.err.strip() == "match.mp4: nothing stands out; --top-k 3 gives the best moments that there are"
    )
    assert {path.name for path in out.iterdir()} == {"match.highlights.json", "match.highlights.png"}
    assert json.loads((out / "match.highlights.json").read_text())["highlights"] == []
    assert run(film, "--model", model, "--output-dir", out, "--top-k", 1, "--formats", "json,csv") == 0
    assert capsys.readouterr().err == ""
    [highlight] = json.loads((out / "match.highlights.json").read_text())["highlights"]
    assert highlight["confidence"] == 0.75
    assert (out / "match.highlights.csv").read_text().startswith("start,end,score,peak,confidence,sounds\n")


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--formats", "gif"], "'gif' is none of"),
        (["--top-k", "0"], "--top-k is 0"),
        (["--duration", "-3"], "--duration is -3"),
        (["--duration", "nan"], "--duration is nan"),
        (["--min-length", "9", "--max-length", "4"], "--min-length is 9.0"),
        (["--top-k", "2", "--duration", "9"], "not allowed with"),
        (["other/match.mp4"], "would all write match.highlights"),
        (["match.highlights.mp4"], "match.highlights.mp4 would be overwritten"),
        (["--duration", "1"], "--duration is 1.0; it needs to be at least"),
        (["--limit", "pixel=9"], "'pixel=9' is no limit; NAME=VALUE is needed"),
        (["--limit", "pixels=many"], "a number over 0 for one of pixels, "),
        (["--limit", "pixels=nan"], "'pixels=nan' is no limit"),
    ],
)
def test_wrong_usage_ends_with_status_2(arguments, message, capsys):
    with pytest.raises(SystemExit) as stop:
        run("match.mp4", *arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_model_that_cannot_be_loaded_is_one_line(film, tmp_path, capsys):
    assert run(film, "--model", tmp_path / "nowhere") == 1
    errors = capsys.readouterr().err.strip().splitlines()
    assert len(errors) == 1 and "nowhere" in errors[0]


@pytest.mark.parametrize(
    "files, message",
    [
        ({}, "no readable config.json"),
        ({"config.json": "[]"}, "no readable config.json"),
        ({"config.json": '{"model_type": "bert"}'}, "'bert' model"),
        ({"config.json": None, "preprocessor_config.json": None, "model.safetensors": "cut"}, "damaged"),
    ],
    ids=["empty", "no mapping", "other model", "damaged weights"],
)
def test_broken_checkpoints_are_refused_in_a_line(film, tmp_path, capsys, files, message):
    folder = tmp_path / "model"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text((DEFAULT_CHECKPOINT / name).read_text() if text is None else text)
    assert run(film, "--model", folder) == 1
    errors = capsys.readouterr().err.strip().splitlines()
    assert len(errors) == 1 and message in errors[0]


@pytest.mark.slow
def test_naming_the_default_checkpoint_is_enough_for_the_auto_classes():
    code = "from modeling_davihd import DEFAULT_CHECKPOINT as C; from transformers import AutoConfig; "
    code += "print(AutoConfig.from_pretrained(C).model_type)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "davihd"


def test_a_device_that_is_not_there_is_wrong_usage(film, tmp_path, capsys):
    assert run(film, "--output-dir", tmp_path / "out", "--device", "nonsense") == 2
    assert "--device is 'nonsense'" in capsys.readouterr().err


def test_an_impossible_folder_is_told_before_anything_is_scored(film, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(cli, "load_pipeline", None)
    (tmp_path / "file").write_text("")
    assert run(film, "--output-dir", tmp_path / "file" / "out") == 1
    assert "cannot be made a folder" in capsys.readouterr().err


@pytest.mark.slow
def test_a_reader_who_leaves_stops_nothing(film, tmp_path):
    other = film.with_name("other.mp4")
    other.write_bytes(film.read_bytes())
    code = "import sys; from modeling_davihd.cli import main; sys.exit(main(sys.argv[1:]))"
    out = tmp_path / "out"
    arguments = ["highlight", str(film), str(other), "--output-dir", str(out), "--formats", "json"]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    assert process.wait(timeout=120) == 0 and not process.stderr.read()
    assert len(list(out.iterdir())) == 2
