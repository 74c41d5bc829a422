"""Highlights of a list of films: each once, with the same bytes, whatever is broken, dies or is far away."""

import json
import os
import signal
import sys
from pathlib import Path

import fsspec
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from films import film_with_sound, tone
from stores import contents

from modeling_davihd import cli, pipeline_davihd, writers
from modeling_davihd.engines import command
from modeling_davihd.engines.ray_engine import Machines

OPTIONS = ["--formats", "json,otio", "--top-k", "1", "--names", "none", "--snap", "none", "--jobs", "1"]
NAMES = ["one", "text", "two words", "gone", "three"]


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> Path:
    """Three films and a file that is none, with a manifest that lists one more."""
    folder = tmp_path_factory.mktemp("films")
    for number, name in enumerate(("one", "two words", "three")):
        film_with_sound(folder / f"{name}.mp4", tone(3, 16000, hertz=300 + 40 * number), 3)
    (folder / "text.mp4").write_text("not a film")
    return listed(folder, NAMES)


def listed(folder: Path, names: list[str], places: str = "{}.mp4") -> Path:
    rows = [f"the {name},{places.format(name)},3" for name in names]
    (folder / "films.csv").write_text("\n".join(["video_id,path,duration", *rows]) + "\n")
    return folder / "films.csv"


@pytest.fixture(autouse=True)
def threads():
    """Workers take one core; the tests after these shall have theirs."""
    count = torch.get_num_threads()
    yield
    torch.set_num_threads(count)


def run(manifest: Path, out: Path | str, *options: str) -> int:
    arguments = ["highlight", "--manifest", manifest, "--output-dir", out, *OPTIONS, "--rows-per-shard", 2]
    return cli.main([*map(str, arguments), *options])


@pytest.fixture(scope="module")
def undisturbed(films, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    assert run(films, out) == 1
    return out


def test_every_film_is_a_row_of_one_table_and_has_its_files(films, undisturbed, tmp_path, capsys):
    table = pq.read_table(undisturbed / "highlights.parquet").to_pylist()
    assert [row["video_id"] for row in table] == [f"the {name}" for name in NAMES]
    assert [row["status"] for row in table] == ["done", "failed", "done", "failed", "done"]
    assert "not a film" in table[1]["reason"] and "there is no such file" in table[3]["reason"]
    failures = pq.read_table(undisturbed / "failures.parquet").to_pylist()
    assert [one["reason"] for one in failures] == [table[1]["reason"], table[3]["reason"]]
    alone = [films.parent / "one.mp4", "--output-dir", tmp_path, *OPTIONS, "--limit", "threads=1"]
    assert cli.main(["highlight", *map(str, alone)]) == 0
    for suffix in ("json", "otio"):
        written = undisturbed / f"the one.highlights.{suffix}"
        assert written.read_bytes() == (tmp_path / f"one.highlights.{suffix}").read_bytes()
        assert written.name in table[0]["files"]
    told = json.loads((undisturbed / "the one.highlights.json").read_text())
    np.testing.assert_allclose(table[0]["scores"], told["scores"], atol=1e-6)
    (highlight,) = table[0]["highlights"]
    assert highlight["start"] == told["highlights"][0]["start"] and table[0]["duration"] == 3


def test_a_run_goes_on_from_what_is_right(films, undisturbed, tmp_path, capsys, monkeypatch):
    out = tmp_path / "out"
    assert run(films, out) == 1
    said = capsys.readouterr().out
    assert (
        "5 videos in the manifest = 3 rows + 2 failures (failures.parquet); shards: 3 built, 0 kept" in said
    )
    assert contents(out) == contents(undisturbed)
    (out / "highlights.parquet").unlink()
    (out / "shards" / "highlights-00000-of-00003.parquet").write_bytes(b"half a shard")
    (out / "the three.highlights.json").write_text("{}")
    assert run(films, out) == 1 and "shards: 2 built, 1 kept" in capsys.readouterr().out
    monkeypatch.setattr(pipeline_davihd, "stream_segments", None)  # a third run has nothing to decode
    assert run(films, out) == 1 and contents(out) == contents(undisturbed)


def test_a_film_over_which_processes_die_is_listed_and_the_others_are_not_touched(
    films, undisturbed, tmp_path, monkeypatch
):
    write = writers.write_outputs

    def deadly(result, folder, formats):
        paths = write(result, folder, formats)
        if result.name == "the two words":
            os.kill(os.getpid(), signal.SIGKILL)
        return paths

    monkeypatch.setattr(writers, "write_outputs", deadly)
    assert run(films, tmp_path / "out") == 1
    table = pq.read_table(tmp_path / "out" / "highlights.parquet").to_pylist()
    assert table[2]["reason"] == "3 processes died while decoding it."
    assert [row["status"] for row in table] == ["done", "failed", "failed", "failed", "done"]
    assert not list((tmp_path / "out").rglob("*.begun")) and not list((tmp_path / "out").rglob(".*"))


def test_films_and_results_may_be_in_stores(films, undisturbed, tmp_path):
    memory = fsspec.filesystem("memory")
    for name in ("one", "three"):
        memory.put_file(str(films.parent / f"{name}.mp4"), f"/listed/{name}.mp4")
    manifest = listed(tmp_path, ["one", "three"], "memory://listed/{}.mp4")
    out = tmp_path / "out"
    assert run(manifest, f"local://{out}") == 0
    before = contents(out)
    assert run(manifest, f"local://{out}") == 0 and contents(out) == before
    assert run(manifest, tmp_path / "here") == 0 and contents(tmp_path / "here") == before
    written = out / "the one.highlights.json"
    assert written.read_bytes() == (undisturbed / written.name).read_bytes()
    assert '"memory://listed/one.mp4"' in (out / "the one.highlights.otio").read_text()


WRONG = [
    ([], "either FILE or --manifest LIST is needed, and not both"),
    (["a.mp4", "--manifest", "m.csv"], "either FILE or --manifest LIST is needed, and not both"),
    (["a.mp4", "--engine", "ray"], "--engine ray needs --manifest LIST"),
    (["--manifest", "m.csv", "--ray-address", "auto"], "--ray-address is for --engine ray"),
    (["--manifest", "m.csv", "--engine", "ray", "--device", "cuda:1"], "it is auto, cpu or cuda"),
    (["--manifest", "m.csv", "--rows-per-shard", "0"], "--rows-per-shard is 0; at least 1 is needed"),
    (["a.mp4", "--output-dir", "s3://b/c"], "--output-dir is s3://b/c; a URL needs --manifest LIST"),
    (
        ["--manifest", "m.csv", "--output-dir", "s3://b", "--list-paths", "relative"],
        "no path leads to a film",
    ),
]


@pytest.mark.parametrize(("arguments", "said"), WRONG, ids=lambda value: str(value)[:30])
def test_wrong_usage_ends_with_status_2(arguments, said, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["highlight", *arguments])
    assert end.value.code == 2 and said in capsys.readouterr().err


def test_workers_share_the_gpus_of_a_cluster_evenly():
    machines = [Machines(None, "run", 12, gpus, "cuda") for gpus in (0, 1, 5)]
    shares = [command._deployed(lambda device: device, one).gpus for one in machines]
    assert shares == [0, 1 / 12, 1 / 3]


def test_what_cannot_begin_is_told_in_a_line_and_leaves_nothing(films, tmp_path, capsys, monkeypatch):
    out, slash = tmp_path / "out", listed(tmp_path, ["a/b"])
    monkeypatch.setitem(sys.modules, "ray", None)
    for manifest, options, status, said in (
        (tmp_path / "none.csv", [], 1, "none.csv: cannot be read as a manifest"),
        (slash, [], 1, "films.csv, the a/b: names files here, so it may not hold /"),
        (films, ["--model", "./none"], 1, "the model ./none cannot be loaded: there is no such folder"),
        (films, ["--engine", "ray"], 2, 'needs Ray: pip install ".[ray]"'),
    ):
        assert run(manifest, out, *options) == status
        error = capsys.readouterr().err
        assert said in error and error.count("\n") == 1 and not out.exists()
