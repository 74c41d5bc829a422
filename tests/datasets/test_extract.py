"""Extraction from a manifest: the same bytes by every engine, whatever is wrong with the videos or dies."""

import ast
import functools
import io
import signal
import sys
from pathlib import Path

import datasets
import fsspec
import pyarrow.parquet as pq
import pytest
import torch
from films import film_with_sound, tone, truncate
from paths import ROOT
from stores import Broken, contents
from tqdm import tqdm

from datasets_scripts import extract
from datasets_scripts.building import builder
from modeling_davihd.engines import running

FEATURES = ["--visual-backbone", "statistics", "--semantic-backbone", "statistics", "--rows-per-shard", "3"]
REASONS = {
    "text": "text.mp4: not a film or sound file that can be read",
    "silent": "silent.mp4: has no sound, which its features are made of.",
    "cut": "its labels last 9 s and its media",
    "gone": "gone.mp4: there is no such file",
}


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> Path:
    """Five films and three that are none, with a manifest that lists one more."""
    folder = tmp_path_factory.mktemp("films")
    for number in range(5):
        film_with_sound(folder / f"film{number}.mp4", tone(2, 16000, hertz=300 + 40 * number), 2)
    (folder / "text.mp4").write_text("not a film")
    film_with_sound(folder / "silent.mp4", None, 2)
    truncate(film_with_sound(folder / "cut.mp4", tone(9, 16000), 9), 0.5)
    names = ["film0", "text", "film1", "silent", "film2", "cut", "gone", "film3", "film4"]
    rows = [
        f"{name},{name}.mp4,{'test' if name == 'film4' else 'train'},{seconds},{'0.5 ' * seconds}"
        for name in names
        for seconds in [9 if name == "cut" else 2]
    ]
    (folder / "videos.csv").write_text("\n".join(["video_id,path,split,duration,labels", *rows]) + "\n")
    return folder


@pytest.fixture(autouse=True)
def threads():
    """Extraction takes one core; the tests after it shall have theirs."""
    count = torch.get_num_threads()
    yield
    torch.set_num_threads(count)


def run(manifest: Path, out: Path, *options: str) -> int:
    return extract.main(["--manifest", str(manifest), "--out", str(out), *FEATURES, *options])


@pytest.fixture(scope="module")
def undisturbed(films, tmp_path_factory) -> dict[str, str]:
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    assert run(films / "videos.csv", out) == 0
    return contents(out)


def some(folder: Path, names: str, places: str = "{}.mp4") -> Path:
    """A manifest without labels of films named by their numbers."""
    rows = [f"film{name},{places.format(f'film{name}')}" for name in names]
    (folder / "some.csv").write_text("\n".join(["video_id,path", *rows]) + "\n")
    return folder / "some.csv"


def test_every_video_is_a_row_or_a_failure(films, tmp_path, capsys, recwarn):
    out = tmp_path / "out"
    assert run(films / "videos.csv", out) == 0
    said = capsys.readouterr().out
    assert "9 videos in the manifest = 5 rows + 4 failures (failures.parquet)" in said
    assert ": 5 videos, 0.003 h in" in said and "slowest stage: " in said
    data = datasets.load_dataset(str(out), cache_dir=str(tmp_path / "cache"))
    assert data["train"]["video_id"][:] == ["film0", "film1", "film2", "film3"]
    assert data["test"][0]["labels"] == [0.5, 0.5]
    failures = pq.read_table(out / "failures.parquet").to_pylist()
    assert [(one["video_id"], one["split"]) for one in failures] == [(name, "train") for name in REASONS]
    for one in failures:
        assert REASONS[one["video_id"]] in one["reason"] and one["path"].startswith(str(films))


def test_a_poison_video_is_tried_three_times(films, tmp_path, monkeypatch):
    tried, decode = [], builder.decode_video

    def decode_video(video, extractor):
        tried.append(video.video_id)
        return decode(video, extractor)

    monkeypatch.setattr(builder, "decode_video", decode_video)
    assert run(films / "videos.csv", tmp_path / "out") == 0
    assert {name: tried.count(name) for name in ("film0", "text", "silent", "gone")} == {
        "film0": 1,
        "text": 3,
        "silent": 3,
        "gone": 3,
    }


def test_a_video_that_can_be_read_the_second_time_is_a_row(films, tmp_path, monkeypatch):
    decode, refused = builder.decode_video, []

    def decode_video(video, extractor):
        if video.video_id == "film1" and not refused:
            refused.append(video)
            raise builder.UnusableVideo("once")
        return decode(video, extractor)

    manifest = some(films, "01")
    assert run(manifest, tmp_path / "calm") == 0
    monkeypatch.setattr(builder, "decode_video", decode_video)
    assert run(manifest, tmp_path / "out") == 0
    assert refused and contents(tmp_path / "out") == contents(tmp_path / "calm")


KILLED = """
import os, signal, sys
from datasets_scripts import extract
from datasets_scripts.building import builder
decode = builder.decode_video
def decode_video(video, extractor):
    if video.video_id == "film3":
        os.kill(os.getpid(), signal.SIGKILL)
    return decode(video, extractor)
builder.decode_video = decode_video
extract.main(sys.argv[1:])
"""


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_bytes(films, tmp_path, undisturbed, nursery, monkeypatch, capsys):
    manifest, out = films / "videos.csv", tmp_path / "out"
    arguments = ["--manifest", str(manifest), "--out", str(out), *FEATURES]
    assert nursery.run(KILLED, arguments).status == -signal.SIGKILL
    assert not (out / "extraction.json").exists()
    assert run(manifest, out) == 0
    assert "2 built, 2 kept" in capsys.readouterr().out and contents(out) == undisturbed
    monkeypatch.setattr(builder, "decode_video", None)  # a third run has nothing to decode
    assert run(manifest, out) == 0 and contents(out) == undisturbed


def test_a_shard_is_known_by_its_content_not_by_its_name(films, tmp_path, undisturbed, capsys):
    assert run(films / "videos.csv", tmp_path / "out") == 0
    data = tmp_path / "out" / "data"
    shards = [data / f"train-{number:05d}-of-00003.parquet" for number in range(3)]
    shards[0].write_bytes(shards[1].read_bytes())
    shards[2].write_bytes(b"half a shard")
    capsys.readouterr()
    assert run(films / "videos.csv", tmp_path / "out") == 0
    assert "2 built, 2 kept" in capsys.readouterr().out and contents(tmp_path / "out") == undisturbed


def test_films_behind_urls_give_the_same_bytes_as_files(films, tmp_path):
    memory = fsspec.filesystem("memory")
    for number in range(3):
        memory.put_file(str(films / f"film{number}.mp4"), f"/films/film{number}.mp4")
    assert run(some(films, "012"), tmp_path / "files") == 0
    assert run(some(tmp_path, "012", "memory://films/{}.mp4"), tmp_path / "out") == 0
    assert run(some(tmp_path, "012", f"file://{films}/{{}}.mp4"), tmp_path / "urls") == 0
    for out in ("out", "urls"):
        found, expected = contents(tmp_path / out), contents(tmp_path / "files")
        assert found == expected


def test_what_could_not_be_fetched_is_tried_again_by_the_next_run(films, tmp_path, capsys):
    memory, manifest = fsspec.filesystem("memory"), some(tmp_path, "01", "memory://late/{}.mp4")
    memory.put_file(str(films / "film0.mp4"), "/late/film0.mp4")
    assert run(manifest, tmp_path / "out") == 0
    (failure,) = pq.read_table(tmp_path / "out" / "failures.parquet").to_pylist()
    assert failure["reason"].startswith("memory://late/film1.mp4: cannot be fetched")
    memory.put_file(str(films / "film1.mp4"), "/late/film1.mp4")
    assert run(manifest, tmp_path / "out") == 0
    assert "2 videos in the manifest = 2 rows + 0 failures" in capsys.readouterr().out
    assert run(some(films, "01"), tmp_path / "files") == 0
    assert contents(tmp_path / "out/data") == contents(tmp_path / "files/data")


def test_a_store_that_does_not_answer_costs_no_finished_shard(films, tmp_path, capsys, monkeypatch):
    fsspec.register_implementation("broken", Broken, clobber=True)
    manifest = some(tmp_path, "0", "memory://steady/{}.mp4")
    fsspec.filesystem("memory").put_file(str(films / "film0.mp4"), "/steady/film0.mp4")
    assert run(manifest, tmp_path / "out") == 0
    before = contents(tmp_path / "out")
    monkeypatch.setattr("fsspec.core.url_to_fs", lambda url: (Broken(), url))
    assert run(manifest, tmp_path / "out") == 1
    assert "memory://steady/film0.mp4: is out of reach" in capsys.readouterr().err
    assert contents(tmp_path / "out") == before


def test_progress_is_in_hours_of_video(films, tmp_path, monkeypatch):
    shown = io.StringIO()
    bar = functools.partial(tqdm, disable=False, file=shown, mininterval=0)
    monkeypatch.setattr(running, "tqdm", lambda **given: bar(**given | {"disable": False}))
    assert run(some(films, "0123"), tmp_path / "out") == 0
    assert "h of video [" in shown.getvalue() and "4 of 4 videos" in shown.getvalue()


WRONG = [
    (["--workers", "2"], 2, "--workers is for --engine ray; local is one process."),
    (["--ray-address", "auto"], 2, "--ray-address is for --engine ray; local is one process."),
    (["--encoders", "1"], 2, "--encoders is for --engine ray; local is one process."),
    (["--engine", "ray", "--workers", "0"], 2, "--workers is 0; at least 1 is needed."),
    (["--engine", "ray", "--device", "cuda:1"], 2, "--device is 'cuda:1'; with --engine ray it is cpu or"),
    (["--rows-per-shard", "-1"], 2, "--rows-per-shard is -1; at least 1 is needed."),
    (["--semantic-backbone", "panns_cnn14_16k"], 2, "needs its published weights, --semantic-weights FILE"),
    (["--manifest", "none.csv"], 1, "none.csv: cannot be read as a manifest"),
    (
        ["--visual-backbone", "none", "--semantic-backbone", "none", "--log-mel-rate", "none"],
        2,
        "There is nothing to compute: name a backbone, or a --log-mel-rate.",
    ),
]


@pytest.mark.parametrize(("options", "status", "said"), WRONG, ids=lambda value: str(value)[:30])
def test_wrong_usage_is_one_line(films, tmp_path, capsys, options, status, said):
    assert run(films / "videos.csv", tmp_path / "out", *options) == status
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and not (tmp_path / "out").exists()


def test_without_one_usable_video_there_is_no_dataset(films, tmp_path, capsys):
    (tmp_path / "none.csv").write_text(f"video_id,path\na,{films}/text.mp4\n")
    assert run(tmp_path / "none.csv", tmp_path / "out") == 1
    assert "no video could be used" in capsys.readouterr().err
    assert not (tmp_path / "out" / "extraction.json").exists()


def test_without_ray_one_line_says_how_to_get_it(films, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert run(films / "videos.csv", tmp_path / "out", "--engine", "ray") == 2
    error = capsys.readouterr().err
    assert 'needs Ray: pip install ".[ray]"' in error and error.count("\n") == 1
    assert run(some(films, "0"), tmp_path / "out") == 0  # nothing else needs it


def test_only_the_engine_imports_ray():
    importing = set()
    for folder in ("modeling_davihd", "datasets_scripts", "examples", "spaces_demo"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                if any(name.split(".")[0] == "ray" for name in names):
                    importing.add(path.name)
    assert importing == {"ray_engine.py"}


@pytest.mark.cluster
def test_ray_writes_the_same_bytes(films, tmp_path, undisturbed, capfd, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_worker_niceness", "0")  # or workers would starve beside anything else
    options = ["--engine", "ray", "--workers", "2", "--encoders", "1", "--device", "cpu"]
    assert run(films / "videos.csv", tmp_path / "out", *options) == 0
    said = capfd.readouterr()
    assert "9 videos in the manifest = 5 rows + 4 failures" in said.out and "Traceback" not in said.err
    assert contents(tmp_path / "out") == undisturbed
