import io
import json
import os
import runpy
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from film_contents import decode
from films import damage, film_with_sound, make_film, noise_within, tone

from modeling_davihd import DEFAULT_CHECKPOINT, clean_edges, cli, console, sound_names
from modeling_davihd.media import MediaWarning, probe
from modeling_davihd.media_encoders import ENCODERS
from modeling_davihd.writers import WRITERS, HighlightResult, write_outputs


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    return film_with_sound(tmp_path_factory.mktemp("film") / "match.mp4", noise_within(9, 4, 17), 30)


@pytest.fixture
def film(recording, tmp_path):
    return Path(shutil.copy(recording, tmp_path))


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
    assert all(set(one["edges"]) == {"start", "end"} for one in result["highlights"])


def test_nothing_is_decoded_again_for_names_and_edges_that_are_not_wanted(film, tmp_path, monkeypatch):
    monkeypatch.setattr(sound_names, "sound_of", None)  # whoever decodes fails
    monkeypatch.setattr(clean_edges, "sound_of", None)
    options = ["--names", "none", "--snap", "none", "--top-k", 1]
    assert run(film, *options, "--output-dir", tmp_path, "--formats", "json,csv") == 0
    [highlight] = json.loads((tmp_path / "match.highlights.json").read_text())["highlights"]
    assert "sounds" not in highlight and "edges" not in highlight
    assert (tmp_path / "match.highlights.csv").read_text().startswith("start,end,score,peak,confidence\n")


def test_json_may_go_to_standard_output(tmp_path, capsys):
    """A line for each film that is done, be it of the same name as another, in letters that any pipe has."""
    films = [tmp_path / name for name in ("a/café.mp4", "b/café.mp4", "notes.mp4")]
    for film in films:
        film.parent.mkdir(exist_ok=True)
        film.write_text("not a film")
    for film in films[:2]:
        film_with_sound(film, noise_within(1, 1, 1), 3)
    options = ["--snap", "none", "--names", "none", "--top-k", 1, "--output-dir", tmp_path / "out"]
    assert run(films[0], films[2], films[1], "--stdout", *options) == 1
    told = capsys.readouterr()
    assert [json.loads(line)["source"] for line in told.out.splitlines()] == ["café.mp4"] * 2
    assert told.out.isascii() and told.err.splitlines()[0] == "café.mp4  0:00:03  1 highlight"
    assert not (tmp_path / "out").exists()
    assert run(films[0], "--stdout", "--formats", "csv,json", *options) == 0
    assert told.out.startswith(capsys.readouterr().out)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["café.highlights.csv"]


def test_every_format(film, tmp_path):
    out = tmp_path / "out"
    film.with_suffix(".srt").write_text("1\n00:00:10,000 --> 00:00:11,000\nGoal!\n")
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


def test_films_of_one_name_are_written_apart_and_folders_are_walked(tmp_path, capsys):
    film = make_film(tmp_path / "sound.wav", sounds=[(0, noise_within(1, 1, 1))], rate=16000)
    places = ["films/day1/match.mp4", "films/day2/Match.mp4", "films/day2/match.MOV", "films/derby.mp4"]
    for place in (*places, "films/match.highlight-01.mp4", "films/.match.mp4"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(film, tmp_path / place)
    (tmp_path / "films" / "scores.txt").touch()
    films, out = tmp_path / "films", tmp_path / "out"
    assert run(films / "derby.mp4", films, "--output-dir", out, "--formats", "csv", "--names", "none") == 0
    names = ["derby.highlights.csv", "day1/match.highlights.csv", "day2/mp4/Match.highlights.csv"]
    names.append("day2/mov/match.highlights.csv")
    assert [line.split("  ")[-1] for line in capsys.readouterr().out.splitlines()] == names
    assert {str(path.relative_to(out)) for path in out.rglob("*.csv")} == set(names)
    (tmp_path / "em\npty").mkdir()
    with pytest.raises(SystemExit) as stop:
        run(tmp_path / "em\npty")
    assert stop.value.code == 2
    assert "em\N{REPLACEMENT CHARACTER}pty is a folder without any film" in capsys.readouterr().err


def test_one_reel_of_the_best_of_a_folder(tmp_path, capsys):
    films, out = tmp_path / "films", tmp_path / "out"
    for number, before in enumerate((1, 3, 4), start=1):
        (films / f"day{number}").mkdir(parents=True)
        film_with_sound(films / f"day{number}" / "match.mp4", noise_within(before, 2, 7 - before), 9)
    damage(films / "day2" / "match.mp4", "video", -1, 21)  # is scored by its sound, but cannot be shown
    (films / "notes.mp4").write_text("not a film")
    options = ["--names", "none", "--snap", "none", "--jobs", 2, "--duration", 9, "--order", "rank"]
    assert run(films, "--reel", "best.mp4", "--output-dir", out, *options) == 1
    told = capsys.readouterr()
    assert told.out.splitlines()[:3] == ["match.mp4  0:00:09  scored"] * 3
    assert told.out.splitlines()[3:] == ["best.mp4  0:00:06  2 highlights of 2 films  best.mp4  best.json"]
    lines = [line for line in told.err.splitlines() if line.startswith("error:")]
    assert [place in line for place, line in zip(("notes", "day2"), sorted(lines)[::-1], strict=True)]
    found = json.loads((out / "best.json").read_text())["highlights"]
    assert {one["source"] for one in found} == {str(films / f"day{n}" / "match.mp4") for n in (1, 3)}
    assert found[0]["prominence"] >= found[1]["prominence"] and probe(out / "best.mp4").duration > 5


def test_silent_film_gets_a_warning_and_flat_scores(tmp_path, capsys):
    silent = film_with_sound(tmp_path / "silent.mp4", np.zeros(80000, np.float32), 5)
    assert run(silent, "--output-dir", tmp_path, "--formats", "json,mp4") == 0
    errors = capsys.readouterr().err.strip().splitlines()
    assert errors[0].startswith("warning:") and "silent.mp4" in errors[0]
    assert errors[1:] == ["silent.mp4: nothing stands out, as all seconds score alike"]
    result = json.loads((tmp_path / "silent.highlights.json").read_text())
    assert set(result["scores"]) == {0.0} and result["highlights"] == []
    assert not (tmp_path / "silent.highlights.mp4").exists()


def test_who_asks_for_highlights_of_a_silent_film_gets_them(tmp_path, capsys):
    silent = film_with_sound(tmp_path / "silent.mp4", np.zeros(160000, np.float32), 10)
    assert run(silent, "--output-dir", tmp_path, "--top-k", 3, "--formats", "json,mp4") == 0
    assert "silent.mp4: all seconds score alike, so that" in capsys.readouterr().err
    result = json.loads((tmp_path / "silent.highlights.json").read_text())
    assert [one["sounds"] for one in result["highlights"]] == [[], [], []]
    assert probe(tmp_path / "silent.highlights.mp4").duration > 6


def test_films_side_by_side_give_the_same_files_and_messages(tmp_path, capsys):
    names = ["first.mp4", "notes.mp4", "silent.mp4", "last.mp4"]
    films = [tmp_path / name for name in names]
    for film, sound in ((films[0], noise_within(4, 2, 4)), (films[2], np.zeros(80000, np.float32))):
        film_with_sound(film, sound, len(sound) / 16000)
    films[1].write_text("not a film")
    shutil.copy(films[0], films[3])
    told, written = [], []
    for jobs in (1, 2):
        out = tmp_path / f"out{jobs}"
        assert run(*films, "--output-dir", out, "--formats", "json,mp4", "--jobs", jobs) == 1
        told.append(capsys.readouterr())
        written.append({path.name: path.read_bytes() for path in out.iterdir()})
    assert told[0] == told[1] and written[0] == written[1]
    assert [line.split()[0] for line in told[1].out.splitlines()] == ["first.mp4", "silent.mp4", "last.mp4"]
    assert [line.split(":")[0] for line in told[1].err.splitlines()] == ["error", "warning", "silent.mp4"]


@pytest.mark.parametrize(
    ("number", "status", "said"),
    [
        (signal.SIGKILL, 1, "error: b.mp4: its process was killed by SIGKILL\n"),
        (signal.SIGINT, 130, "interrupted\n"),
    ],
)
def test_what_ends_a_film_beside_others(tmp_path, capsys, monkeypatch, number, status, said):
    def highlight(detect, finish, path, options):
        if path.name == "b.mp4":
            os.kill(os.getpid() if number == signal.SIGKILL else os.getppid(), number)
            while True:
                os.sched_yield()
        print(path)

    monkeypatch.setattr(cli, "load_pipeline", lambda *_: None)
    monkeypatch.setattr(cli, "_highlight", highlight)
    assert run("a.mp4", "b.mp4", "c.mp4", "--output-dir", tmp_path, "--jobs", 2, "--device", "cpu") == status
    told = capsys.readouterr()
    assert told.err == said
    assert told.out == "a.mp4\nc.mp4\n" or number == signal.SIGINT


def calibrated(folder, level):
    """The embedded model, as if it had been calibrated."""
    shutil.copytree(DEFAULT_CHECKPOINT, folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"highlight_level": level, "highlight_confidence": [[0.0, 0.25], [0.01, 0.75]]}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_what_is_met_twice_is_said_once(capsys):
    warn = console.warn_once()
    for message in ("a hole", "a hole", "another"):
        warn(MediaWarning(message), MediaWarning, "media.py", 1)
    assert capsys.readouterr().err.splitlines() == ["warning: a hole", "warning: another"]


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
        (["--formats", "csv,mp4", "--stdout"], "--stdout prints JSON; --formats csv,mp4 lacks json"),
        (["--snap", "shots,words"], "'words' is none of shots, pauses, nor none alone"),
        (["--pad-after", "-1"], "--pad-after is -1.0"),
        (["--top-k", "0"], "--top-k is 0"),
        (["--duration", "-3"], "--duration is -3"),
        (["--duration", "nan"], "--duration is nan"),
        (["--min-length", "9", "--max-length", "4"], "--min-length is 9.0"),
        (["--top-k", "2", "--duration", "9"], "not allowed with"),
        (["match.highlights.mp4"], "match.highlights.mp4 would be overwritten"),
        (["--duration", "1"], "--duration is 1.0; it needs to be at least"),
        (["--jobs", "0"], "'0' is neither auto nor a whole number of at least 1"),
        (["--order", "rank"], "--order says how the reel of many films is; it needs --reel"),
        (["--reel", "best.avi"], "--reel is best.avi; it needs to end in .mp4"),
        (["--reel", "match.mp4"], "--reel is match.mp4, which is one of the films"),
        (["--reel", "a.mp4", "--max-share", "2"], "--max-share is 2.0; it needs to be over 0 and at most 1"),
        (["--reel", "a.mp4", "--max-share", ".1", "--duration", "9"], "0.1 of 9 s is 0.9 s; it needs to be"),
        (
            ["--reel", "a.mp4", "--formats", "json,png"],
            "--formats has png; a reel of many films comes as mp4,",
        ),
        (["--fade", "-1"], "--fade is -1.0; it needs to be from 0 to 10 seconds"),
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


def test_the_package_runs_as_the_command(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["modeling_davihd", "--version"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("modeling_davihd", run_name="__main__")
    assert ended.value.code in (None, 0) and capsys.readouterr().out.startswith("davihd ")


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


def test_a_device_that_is_not_there_is_wrong_usage(film, tmp_path, capsys):
    assert run(film, "--output-dir", tmp_path / "out", "--device", "nonsense") == 2
    assert "--device is 'nonsense'" in capsys.readouterr().err


def test_an_impossible_folder_is_told_before_anything_is_scored(film, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(cli, "load_pipeline", None)
    (tmp_path / "file").write_text("")
    assert run(film, "--output-dir", tmp_path / "file" / "out") == 1
    assert "cannot be made a folder" in capsys.readouterr().err


LISTS = "json,csv,edl,otio,mp4,clips"


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """A folder with a film of 5 s and what was written of it, as if it had been scored."""
    folder = tmp_path_factory.mktemp("scored")
    times = np.arange(50) / 10
    film = make_film(folder / "match.mp4", times=times, fps=10, sounds=[(0.0, tone(5, 16000))], rate=16000)
    found = {"duration": 5.0, "scores": np.array([0.1, 0.8, 0.4, 0.2, 0.6], np.float32)}
    result = HighlightResult.of_film(probe(film), found, "davihd-small").recut([(1.1, 1.8), (3.3, 4)])
    write_outputs(result, folder, LISTS.split(","))
    return folder


def cut(folder, list_, out, *arguments) -> int:
    given = ["cut", folder / "match.mp4", "--from", list_, "--output-dir", out, *arguments]
    return cli.main([*map(str, given)])


class Left(io.StringIO):
    """The output of a command whose reader has left."""

    def flush(self):
        raise BrokenPipeError


def test_a_reader_who_leaves_stops_nothing(film, scored, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdout", Left())
    shutil.copy(film, tmp_path / "other.mp4")
    options = ["--names", "none", "--snap", "none", "--formats", "json", "--jobs", 1]
    assert run(film, tmp_path / "other.mp4", "--output-dir", tmp_path / "out", *options) == 0
    assert len(list((tmp_path / "out").iterdir())) == 2
    code = "import sys; from modeling_davihd.cli import main; sys.exit(main(sys.argv[1:]))"
    arguments = ["cut", scored / "match.mp4", "--from", scored / "match.highlights.json", "--formats", "csv"]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments), "--output-dir", str(tmp_path / "cut")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.close()
    assert process.wait(timeout=120) == 0 and not process.stderr.read()  # at the end of Python, either
    assert len(list((tmp_path / "cut").iterdir())) == 1


@pytest.mark.parametrize("suffix", ["json", "csv", "edl", "otio"])
def test_a_list_that_nobody_changed_is_cut_to_the_same(scored, tmp_path, capsys, monkeypatch, suffix):
    monkeypatch.setattr(cli, "load_pipeline", None)
    assert cut(scored, scored / f"match.highlights.{suffix}", tmp_path, "--formats", LISTS) == 0
    assert capsys.readouterr().out.startswith("match.mp4  0:00:05  2 highlights  match.highlights.json  ")
    new = list(tmp_path.iterdir())
    same = {path.name for path in new if path.read_bytes() == (scored / path.name).read_bytes()}
    assert same >= {f"match.highlight{name}" for name in ("s.mp4", "-01.mp4", "-02.mp4", "s.edl")}
    assert len(new) == 7 and (len(same) == 7) == (suffix == "json")


def test_an_edited_table_is_cut_and_neither_it_nor_known_scores_are_replaced(scored, tmp_path, capsys):
    for name in ("match.mp4", "match.highlights.json"):
        shutil.copy(scored / name, tmp_path)
    table = "end;start\n0:02,5;1,2\n"
    (tmp_path / "match.highlights.csv").write_text(table, encoding="utf-8-sig")
    edited = tmp_path / "match.highlights.csv"
    assert cut(tmp_path, edited, tmp_path, "--formats", "json,csv,png,edl") == 0
    told = capsys.readouterr()
    assert told.out == "match.mp4  0:00:05  1 highlight  match.highlights.edl\n"
    assert told.err.splitlines() == [
        f"{edited}: is the list and stays as it is; another --output-dir gives csv as well",
        f"{tmp_path}/match.highlights.json: stays as it is, since it holds scores, which the list does not",
        "warning: match.mp4: there are no scores of which to draw the curve.",
    ]
    assert edited.read_text(encoding="utf-8-sig") == table
    kept = (tmp_path / "match.highlights.json").read_bytes()
    assert kept == (scored / "match.highlights.json").read_bytes()
    with pytest.raises(SystemExit) as stop:
        cut(tmp_path, edited, tmp_path, "--formats", "csv")
    assert stop.value.code == 2 and "would be all that is written" in capsys.readouterr().err
    assert cut(tmp_path, edited, tmp_path, "--stdout") == 0
    assert json.loads(capsys.readouterr().out)["highlights"] == [{"start": 1.2, "end": 2.5}]
    assert cut(tmp_path, edited, tmp_path, "--formats", "json,csv") == 1
    assert "error: Nothing is left that could be written" in capsys.readouterr().err
    for _ in range(2):
        assert cut(tmp_path, edited, tmp_path / "out", "--formats", "json,csv") == 0
    assert capsys.readouterr().err == ""
    assert json.loads((tmp_path / "out" / "match.highlights.json").read_text())["scores"] is None
    assert (tmp_path / "out" / "match.highlights.csv").read_text() == "start,end\n1.2,2.5\n"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"highlights": [{"start": 2, "end": 1}]}, "l.json, highlight 1: goes from 2 s to 1 s"),
        ({"source": "derby.mp4"}, "l.json: holds no highlight of match.mp4, but of derby.mp4."),
        ({"duration": 7.0, "scores": [0.5] * 7}, "l.json: is of a film of 7 s, but match.mp4 has 5 s."),
    ],
)
def test_of_nonsense_nothing_is_cut(scored, tmp_path, capsys, change, said):
    content = json.loads((scored / "match.highlights.json").read_text()) | change
    (tmp_path / "l.json").write_text(json.dumps(content))
    assert cut(scored, tmp_path / "l.json", tmp_path / "out") == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {tmp_path}/{said}") and not (tmp_path / "out").exists()


def test_options_of_the_reel_reach_it_and_wrong_ones_are_wrong_usage(scored, tmp_path, capsys, monkeypatch):
    options = ["--formats", "mp4", "--height", "24", "--loudness", "-30"]
    assert cut(scored, scored / "match.highlights.json", tmp_path, *options) == 0
    assert probe(tmp_path / "match.highlights.mp4").height == 24
    assert np.abs(decode(tmp_path / "match.highlights.mp4")[0]).max() < 0.1  # of a tone of 0.5
    with pytest.raises(SystemExit) as stop:
        cut(scored, scored / "match.highlights.json", tmp_path, "--height", "0")
    assert stop.value.code == 2 and "--height is 0; it needs to be from 16 to 4096" in capsys.readouterr().err
    monkeypatch.setitem(ENCODERS, "hevc", ("libnone", {}))
    with pytest.raises(SystemExit) as stop:
        cut(scored, scored / "match.highlights.json", tmp_path, "--codec", "hevc")
    assert stop.value.code == 2 and "--codec is hevc; PyAV as it is installed" in capsys.readouterr().err
