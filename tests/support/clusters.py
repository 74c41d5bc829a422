"""Ray's cluster for tests, commands that run on it, and what they take."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

os.environ.setdefault("RAY_worker_niceness", "0")  # or workers would starve beside anything else
PATIENCE = 900  # seconds


@contextmanager
def cluster_of(*cores: int) -> Iterator:
    """Ray's cluster for tests: one node for each number of cores, the first of them its head."""
    cluster_utils = pytest.importorskip("ray.cluster_utils")
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": cores[0]})
    try:
        for count in cores[1:]:
            cluster.add_node(num_cpus=count)
        cluster.wait_for_nodes()
        yield cluster
    finally:
        cluster.shutdown()


def until(condition: Callable[[], bool], process: subprocess.Popen) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.002)


def watch(process: subprocess.Popen, look: Callable[[], object]) -> str:
    """What a process says in the end; meanwhile looks five times a second."""
    while process.poll() is None:
        look()
        time.sleep(0.2)
    said = process.stdout.read()
    assert process.returncode == 0, said
    return said


def most_memory(process_id: int) -> float:
    """The most that a process has had so far, in MB."""
    try:
        status = Path(f"/proc/{process_id}/status").read_text()
    except FileNotFoundError:
        return 0.0
    return next(
        (int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0.0
    )


def processor_times(roots: list[int]) -> dict[int, float]:
    """Process id -> processor seconds so far, of these processes and all that come from them."""
    times, parents = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # gone meanwhile
            continue
        process_id = int(path.parent.name)
        parents[process_id] = int(fields[1])
        times[process_id] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    found = {one for one in roots if one in times}
    while more := {one for one, parent in parents.items() if parent in found} - found:
        found |= more
    return {one: times[one] for one in found}
