"""The main job on a Ray cluster of two nodes, on this machine: what dies and what is broken.

`pytest tests/package/engines/test_ray_engine.py -m soak -s` runs it and prints its figures.
"""

import re
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from clusters import PATIENCE, cluster_of, most_memory, processor_times, until, watch
from films import film_with_sound, tone
from stores import contents

from examples.benchmarking.films import film_of

FILMS, SECONDS = 60, 4
OPTIONS = ["--formats", "json,mp4", "--top-k", "1", "--names", "none", "--snap", "none"]

LINUX = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")

pytestmark = pytest.mark.soak


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> Path:
    """A manifest of so many films, two of which are none."""
    folder = tmp_path_factory.mktemp("films")
    for number in range(FILMS):
        film_with_sound(folder / f"{number}.mp4", tone(SECONDS, 16000, hertz=200 + 10 * number), SECONDS)
    (folder / "7.mp4").write_text("not a film")
    (folder / "41.mp4").unlink()
    return listed(folder, [f"{number}.mp4" for number in range(FILMS)])


def listed(folder: Path, paths: list[str]) -> Path:
    rows = [f"film {number:04d},{path}" for number, path in enumerate(paths)]
    (folder / "films.csv").write_text("\n".join(["video_id,path", *rows]) + "\n")
    return folder / "films.csv"


@contextmanager
def started(manifest: Path, out: Path, *options: str) -> Iterator[subprocess.Popen]:
    code = "import sys; from modeling_davihd.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "highlight", "--manifest", str(manifest), *OPTIONS]
    command += ["--output-dir", str(out), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def said_by(process: subprocess.Popen, status: int) -> str:
    said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == status, said
    return said


def on(cluster) -> list[str]:
    return ["--engine", "ray", "--ray-address", cluster.address]


@contextmanager
def machines(engine: str, workers: int = 2) -> Iterator[tuple[list[str], list[int]]]:
    """The options for an engine, and the processes of Ray's head and nodes, of one core each."""
    jobs = ["--jobs", str(workers)]
    if engine == "local":
        yield jobs, []
        return
    with cluster_of(*[1] * workers) as cluster:
        parts = cluster.head_node.all_processes.values()
        parts = [*parts, *(part for node in cluster.worker_nodes for part in node.all_processes.values())]
        yield [*on(cluster), *jobs], [one.process.pid for part in parts for one in part]


def shards(out: Path) -> list[Path]:
    return list((out / "shards").glob("*.parquet"))


def test_the_command_and_then_a_node_die_in_the_middle(films, tmp_path):
    with started(films, tmp_path / "local", "--jobs", "2") as process:
        said_by(process, 1)
    out = tmp_path / "out"
    with cluster_of(1, 1) as cluster:
        with started(films, out, *on(cluster)) as process:
            until(lambda: len(shards(out)) >= 3, process)
            process.send_signal(signal.SIGKILL)
            process.wait()
        before = len(shards(out))
        with started(films, out, *on(cluster)) as process:
            until(lambda: len(shards(out)) >= before + 2, process)
            cluster.remove_node(cluster.list_all_nodes()[-1], allow_graceful=False)
            at = len(shards(out))
            said = said_by(process, 1)
    kept = int(re.search(r"(\d+) kept", said)[1])
    assert "60 videos in the manifest = 58 rows + 2 failures" in said and 3 <= kept < 15
    table = pq.read_table(out / "highlights.parquet")
    assert table["video_id"].to_pylist() == [f"film {number:04d}" for number in range(FILMS)]
    failed = pq.read_table(out / "failures.parquet").to_pylist()
    assert [one["video_id"] for one in failed] == ["film 0007", "film 0041"]
    assert "not a film" in failed[0]["reason"] and "no such file" in failed[1]["reason"]
    assert contents(out) == contents(tmp_path / "local")
    print(f"\nkilled with {before} of 15 shards, {kept} kept; a node killed at {at}; bytes equal to local")
    print(said)


@LINUX
@pytest.mark.parametrize("engine", ["local", "ray"])
def test_memory_of_the_head_does_not_grow_with_the_manifest(tmp_path, engine):
    clip = tmp_path / "clip.wav"
    with wave.open(str(clip), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes((tone(2, 16000) * 30000).astype(np.int16).tobytes())
    found = {}
    for count in (60, 600, 6000):
        manifest, out, most = listed(tmp_path, [str(clip)] * count), tmp_path / str(count), {}
        with machines(engine) as (options, head):
            with started(manifest, out, *options, "--formats", "json") as process:

                def look(head=head, most=most, process=process):
                    own, others = most_memory(process.pid), sum(map(most_memory, head))
                    most["command"] = max(own, most.get("command", 0))
                    most["head"] = max(others, most.get("head", 0))

                watch(process, look)
        found[count] = most
    for count, most in found.items():
        print(f"\n{count} rows, {engine}: command {most['command']:.0f} MB, Ray {most['head']:.0f} MB")
    few, *more = (sum(most.values()) for most in found.values())
    assert max(more) < 1.1 * few


def pace(manifest: Path, out: Path, engine: str, workers: int) -> tuple[float, float]:
    """Films a second, and processor seconds a film, of the last three quarters: starting is not in it."""
    count = len(manifest.read_text().splitlines()) - 1
    seen: dict[int, tuple[float, float]] = {}  # films done: when, and processor seconds by then
    with machines(engine, workers) as (options, roots):
        with started(manifest, out, *options, "--rows-per-shard", "1") as process:
            spent: dict[int, float] = {}

            def look():
                done = len(shards(out))
                spent.update(processor_times([process.pid, *roots]))
                seen.setdefault(done, (time.monotonic(), sum(spent.values())))

            watch(process, look)
    first = min(done for done in seen if done >= count // 4)
    (began, before), (ended, after) = seen[first], seen[count]
    return (count - first) / (ended - began), (after - before) / (count - first)


@LINUX
def test_two_workers_against_one_and_a_cluster_against_this_machine(tmp_path):
    """On films of a minute in 720p; it takes a core for each worker that nothing else uses."""
    manifest = listed(tmp_path, [str(film_of(tmp_path, minutes=1))] * 24)
    kinds = (("ray", 1), ("ray", 2), ("local", 1), ("local", 2))
    (one, _), (two, ray), (alone, _), (here, local) = (
        pace(manifest, tmp_path / f"{engine}{workers}", engine, workers) for engine, workers in kinds
    )
    assert contents(tmp_path / "ray1") == contents(tmp_path / "ray2") == contents(tmp_path / "local2")
    print(f"\nfilms a second: one worker {one:.3f}, two {two:.3f}, ratio {two / one:.2f} (target 1.7)")
    print(f"--engine local: one fork {alone:.3f}, two {here:.3f}, ratio {here / alone:.2f}")
    print(f"processor seconds a film: {local:.2f} local, {ray:.2f} on Ray, ratio {ray / local:.2f} (1.15)")
