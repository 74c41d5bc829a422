"""Extraction on a Ray cluster of two nodes, on this machine: what dies, what is broken, speed and memory.

`pytest tests/datasets/building/test_ray_engine.py -m soak -s` runs it and prints its figures.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from clusters import PATIENCE, cluster_of, most_memory, until, watch
from films import film_with_sound, make_film, tone, truncate
from paths import ROOT
from stores import contents

from examples.benchmarking.films import film_of

COMMAND = [sys.executable, str(ROOT / "datasets_scripts" / "extract.py")]
FEATURES = ["--visual-backbone", "statistics", "--semantic-backbone", "statistics", "--rows-per-shard", "3"]
VIDEOS, SECONDS = 60, 10

pytestmark = pytest.mark.soak


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> Path:
    """So many films, each with a tone of its own, and one that takes a while."""
    folder = tmp_path_factory.mktemp("films")
    for number in range(VIDEOS):
        film_with_sound(folder / f"{number}.mp4", tone(SECONDS, 16000, hertz=200 + 10 * number), SECONDS)
    times = [number / 10 for number in range(10 * SECONDS)]
    make_film(
        folder / "slow.mp4",
        times=times,
        fps=10,
        size=(1280, 720),
        sounds=[(0.0, tone(SECONDS, 16000))],
        rate=16000,
    )
    return folder


def manifest(folder: Path, films: list[Path], seconds: int = SECONDS) -> Path:
    """A row for each, with labels; a film that comes twice is two videos."""
    labels = " ".join(["0.5"] * seconds)
    rows = [f"v{number:03d},{film},{seconds},{labels}" for number, film in enumerate(films)]
    (folder / "videos.csv").write_text("\n".join(["video_id,path,duration,labels", *rows]) + "\n")
    return folder / "videos.csv"


def sixty(films: Path) -> list[Path]:
    return [films / f"{number}.mp4" for number in range(VIDEOS)]


@contextmanager
def started(listed: Path, out: Path, *options: str) -> Iterator[subprocess.Popen]:
    command = [*COMMAND, "--manifest", str(listed), "--out", str(out), *FEATURES, *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def run(listed: Path, out: Path, *options: str) -> str:
    """What the command says."""
    with started(listed, out, *options) as process:
        said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, said
    return said


def on(cluster, workers: int) -> list[str]:
    return ["--engine", "ray", "--ray-address", cluster.address, "--workers", str(workers)]


def shards(out: Path) -> list[Path]:
    return sorted((out / "data").glob("*.parquet"))


def workers_at(out: Path) -> dict[int, str]:
    """Process id -> shard of the workers that are building one."""
    found = {}
    for path in (out / "data").glob("*.begun"):
        with suppress(FileNotFoundError):  # built meanwhile
            worker = json.loads(path.read_text())["worker"]
            found[int(worker.rpartition(":")[2])] = path.name.removesuffix(".begun")
    return found


def rows(out: Path) -> list[str]:
    return sorted(name for path in shards(out) for name in pq.read_table(path)["video_id"].to_pylist())


def test_a_node_dies_in_the_middle(films, tmp_path):
    listed = manifest(tmp_path, sixty(films))
    run(listed, tmp_path / "local")
    out = tmp_path / "out"
    with cluster_of(1, 1) as cluster, started(listed, out, *on(cluster, 2)) as process:
        until(lambda: len(shards(out)) >= 5 and len(workers_at(out)) == 2, process)
        cluster.remove_node(cluster.list_all_nodes()[-1], allow_graceful=False)
        before = len(shards(out))
        said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0 and f"{VIDEOS} rows + 0 failures" in said, said
    assert rows(out) == [f"v{number:03d}" for number in range(VIDEOS)]
    assert contents(out) == contents(tmp_path / "local")
    print(
        f"\none of two nodes killed with {before} of 20 shards written: {VIDEOS} rows, bytes equal to local"
    )


def test_the_command_itself_dies_in_the_middle(films, tmp_path):
    listed, out = manifest(tmp_path, sixty(films)), tmp_path / "out"
    run(listed, tmp_path / "local")
    options = ["--engine", "ray", "--workers", "2"]
    with started(listed, out, *options) as process:
        until(lambda: len(shards(out)) >= 5, process)
        process.send_signal(signal.SIGKILL)
        process.wait()
    said = run(listed, out, *options)
    kept = int(re.search(r"(\d+) kept", said)[1])
    assert 5 <= kept < 20 and contents(out) == contents(tmp_path / "local")
    print(f"\ncommand killed, run again: {kept} of 20 shards kept, bytes equal to local")


def test_a_video_over_which_three_workers_die(films, tmp_path):
    """Whoever decodes the slow film is killed, whenever it is."""
    listed, out = manifest(tmp_path, [*sixty(films)[:8], films / "slow.mp4"]), tmp_path / "out"
    killed: list[int] = []

    def over() -> bool:
        for process_id, shard in workers_at(out).items():
            begun = out / "data" / f"{shard}.begun"
            try:
                if '"current": "v008"' in begun.read_text() and process_id not in killed:
                    killed.append(process_id)
                    os.kill(process_id, signal.SIGKILL)
            except (FileNotFoundError, ProcessLookupError):
                pass
        return process.poll() is not None

    with started(listed, out, "--engine", "ray", "--workers", "2") as process:
        deadline = time.monotonic() + PATIENCE
        while not over() and time.monotonic() < deadline:
            time.sleep(0.002)
        said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0 and "9 videos in the manifest = 8 rows + 1 failures" in said, said
    (failure,) = pq.read_table(out / "failures.parquet").to_pylist()
    assert failure["video_id"] == "v008" and len(killed) >= 3  # or more, before they began
    assert failure["reason"] == "3 processes died while decoding it."
    print(f"\nworkers killed over one video: {len(killed)}; then listed: {failure['reason']}")


def test_broken_files_are_listed(films, tmp_path):
    (tmp_path / "text.mp4").write_text("not a film")
    (tmp_path / "cut.mp4").write_bytes((films / "7.mp4").read_bytes())
    truncate(tmp_path / "cut.mp4", 0.5)
    film_with_sound(tmp_path / "silent.mp4", None, SECONDS)
    listed = sixty(films)
    listed[3], listed[30], listed[59] = (tmp_path / f"{name}.mp4" for name in ("text", "cut", "silent"))
    listed = manifest(tmp_path, listed)
    run(listed, tmp_path / "local")
    with cluster_of(1, 1) as cluster:
        said = run(listed, tmp_path / "out", *on(cluster, 2))
    assert "60 videos in the manifest = 57 rows + 3 failures (failures.parquet)" in said
    failures = pq.read_table(tmp_path / "out" / "failures.parquet").to_pylist()
    assert [one["video_id"] for one in failures] == ["v003", "v030", "v059"]
    for one, reason in zip(failures, ("not a film", "is damaged", "has no sound"), strict=True):
        assert reason in one["reason"]
    assert contents(tmp_path / "out") == contents(tmp_path / "local")
    print("\n" + "\n".join(f"{one['video_id']}: {one['reason']}" for one in failures))


def builders(process: subprocess.Popen, out: Path) -> dict[str, int]:
    """Shard -> process that built it, as seen while the command works."""
    found: dict[str, int] = {}
    watch(process, lambda: found.update({shard: one for one, shard in workers_at(out).items()}))
    return found


def rate(out: Path, workers: dict[str, int]) -> float:
    """Videos a second from when every worker had built its first shard: starting does not count.

    workers: shard -> process that built it.
    """
    times = {path.name: path.stat().st_mtime for path in shards(out)}
    first = max(min(times[name] for name in times if workers[name] == one) for one in set(workers.values()))
    later = [path for path in shards(out) if times[path.name] > first]
    return sum(pq.read_metadata(path).num_rows for path in later) / (max(times.values()) - first)


def test_two_workers_against_one(tmp_path):
    """On films of a minute in 720p, so that Ray's own work is small beside that of the workers."""
    listed, rates = manifest(tmp_path, [film_of(tmp_path, minutes=1)] * 48, seconds=60), {}
    for count in (1, 2):
        out = tmp_path / str(count)
        with cluster_of(*[1] * count) as cluster, started(listed, out, *on(cluster, count)) as process:
            workers = builders(process, out)
        assert len(set(workers.values())) == count
        rates[count] = rate(out, workers)
    assert contents(tmp_path / "1") == contents(tmp_path / "2")
    ratio = rates[2] / rates[1]
    print(f"\nvideos a second: one worker {rates[1]:.2f}, two {rates[2]:.2f}, ratio {ratio:.2f} (target 1.7)")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_memory_of_the_head_does_not_grow_with_the_manifest(tmp_path):
    clips = [
        film_with_sound(tmp_path / f"{number}.mp4", tone(3, 16000, hertz=200 + 10 * number), 3)
        for number in range(VIDEOS)
    ]
    found = {}
    for times in (1, 10):
        listed, most = manifest(tmp_path, clips * times, seconds=3), {}
        with cluster_of(1, 1) as cluster, started(listed, tmp_path / str(times), *on(cluster, 2)) as process:
            parts = cluster.head_node.all_processes.values()
            head = [one.process.pid for part in parts for one in part]

            def look(head=head, most=most, process=process):
                own, others = most_memory(process.pid), sum(map(most_memory, head))
                most["command"] = max(own, most.get("command", 0))
                most["head"] = max(others, most.get("head", 0))

            watch(process, look)
        found[VIDEOS * times] = most
    for count, most in found.items():
        print(f"\n{count} rows: command {most['command']:.0f} MB, Ray's head {most['head']:.0f} MB")
    few, many = (sum(most.values()) for most in found.values())
    assert many < 1.1 * few


def test_the_cluster_launcher_takes_its_recipe():
    autoscaler = pytest.importorskip("ray.autoscaler._private.util")
    config = yaml.safe_load((ROOT / "configuration/ray/cluster.yaml").read_text())
    config = autoscaler.prepare_config(config)
    autoscaler.validate_config(config)
    assert config["max_workers"] == len(config["provider"]["worker_ips"])


# What the script for Slurm calls, for a job of one machine. Ray's own symmetric-run ends with `ray stop`, for
# all of Ray on this machine; here a cluster is there already.
COMMANDS = {
    "scontrol": 'test "$1 $2 $3" = "show hostnames me" && echo first',
    "srun": 'exec "$@"',
    "ray": 'test "$1 $2 $3 $4 $5" = "symmetric-run --address first:6379 --min-nodes 1"\n'
    'test "$6 $7 $8" = "--num-cpus 2 --"\nshift 8; exec "$@"',
}


def test_the_script_for_slurm_runs_the_command(films, tmp_path):
    for name, script in COMMANDS.items():
        (tmp_path / name).write_text(f"#!/bin/sh\nset -e\n{script}\n")
        (tmp_path / name).chmod(0o755)
    listed = manifest(tmp_path, sixty(films)[:9])
    run(listed, tmp_path / "local")
    paths = os.pathsep.join([str(tmp_path), str(Path(sys.executable).parent), os.environ["PATH"]])
    job = {"SLURM_JOB_NODELIST": "me", "SLURM_JOB_NUM_NODES": "1", "SLURM_CPUS_ON_NODE": "2", "PATH": paths}
    command = [
        "configuration/ray/slurm.sh",
        *COMMAND,
        "--manifest",
        str(listed),
        "--out",
        str(tmp_path / "out"),
        *FEATURES,
    ]
    with cluster_of(2) as cluster:
        environment = os.environ | job | {"RAY_ADDRESS": cluster.address}
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "9 rows + 0 failures" in done.stdout and contents(tmp_path / "out") == contents(tmp_path / "local")
