"""Shards built on a Ray cluster: the only file that imports ray.

Ray Data deals out blocks of the manifest to a pool of actors, one processor core each, and maybe a share of a
GPU. One actor builds a shard from end to end, because a shard is written whole and in order: were parts of
the work operators of the data stream, reuniting the rows of a shard would take a shuffle, which waits for all
rows.
"""

from __future__ import annotations

import logging
import math
import os
import socket
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa

from ..jobs import without_collection
from .building import ShardBuilder, ShardReport
from .errors import DatasetError, UsageError
from .local_engine import answer_of, refusal_of, report_of
from .manifest import shards_of
from .stores import Place

CONNECT_SECONDS = 30  # to wait for a cluster's address to answer
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


@dataclass(frozen=True)
class Cluster:
    """Where to run.

    address: of a running cluster; None starts one on this machine. workers: how many actors build shards;
    None for one for each core. device: what networks run on, "cpu" or "cuda"; None for "cuda" if the cluster
    has a GPU.
    """

    address: str | None = None
    workers: int | None = None
    device: str | None = None


@dataclass(frozen=True)
class Machines:
    """The cluster that has answered: the module ray, the run's name, and what there is.

    workers: how many actors build shards. gpus: on all machines together; 0 where networks run on "cpu".
    """

    ray: ModuleType
    run: str
    workers: int
    gpus: int
    device: str

    def share(self, count: int) -> float:
        """Of a GPU, for each of so many actors that use one."""
        return 1 / math.ceil(count / self.gpus) if self.gpus else 0


@dataclass(frozen=True)
class Deployed:
    """What makes a worker's builder, once it is there, and the share of a GPU that it takes."""

    make: Callable[[], ShardBuilder]
    gpus: float = 0


def import_ray() -> ModuleType:
    """The module ray. Raises UsageError if it is not installed."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise UsageError(f'--engine ray needs Ray: pip install ".[ray]" ({error}).') from error
    return ray


def reports_of(
    blocks: Iterable[pa.Table],
    folder: Place,
    deploy: Callable[[Machines], Deployed],
    cluster: Cluster,
    code: Sequence[Path] = (),
) -> Iterator[ShardReport]:
    """Build all shards of the blocks in a folder, and yield a report of each when it is done.

    deploy: gives what makes the workers' builders. code: folders of modules that they import, besides this
    package. Raises DatasetError if the cluster does not answer or gives up, and for whatever fails in a
    worker.
    """
    ray = import_ray()
    _connect(ray, cluster, code)
    try:
        dealt = list(blocks)
        machines = _machines(ray, cluster, len(dealt))
        for row in _dataset(dealt, folder, machines, deploy(machines)).iter_rows():
            report = report_of(row["answer"])
            _check_shared(folder / report.name, report.worker)
            yield report
    except ray.exceptions.RayError as error:
        last = str(error).strip().splitlines()[-1]
        raise DatasetError(f"Ray gave up ({last}); the same command goes on from here.") from error
    finally:
        ray.shutdown()


def _connect(ray: ModuleType, cluster: Cluster, code: Sequence[Path]) -> None:
    modules = [str(folder) for folder in (*code, Path(__file__).parent.parent)]
    options: dict[str, Any] = {"runtime_env": {"py_modules": modules}}
    if cluster.address is None:
        options |= {"num_cpus": cluster.workers or os.cpu_count(), "include_dashboard": False}
    try:
        _check_answers(cluster.address or "")
        ray.init(cluster.address or "local", **options, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # as Ray raises it if a part of it takes too long to start
        where = f"answer at {cluster.address}" if cluster.address else "start on this machine"
        raise DatasetError(f"Ray does not {where} ({error}).") from error
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)


def _check_answers(address: str) -> None:
    """Raise OSError at once if nothing listens at host:port; Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()


def _machines(ray: ModuleType, cluster: Cluster, blocks: int) -> Machines:
    there = ray.cluster_resources()
    gpus = int(there.get("GPU", 0))
    if cluster.device == "cuda" and not gpus:
        raise UsageError("--device is cuda, but the cluster has no GPU.")
    device = cluster.device or ("cuda" if gpus else "cpu")
    workers = min(blocks, cluster.workers or max(1, int(there.get("CPU", 1))))
    return Machines(ray, uuid.uuid4().hex, workers, gpus if device == "cuda" else 0, device)


def _dataset(blocks: list[pa.Table], folder: Place, machines: Machines, deployed: Deployed) -> Any:
    """The stream of the workers' answers. Each has a block at hand for when it has done one, and no more."""
    data = machines.ray.data
    return data.from_arrow(blocks).map_batches(
        ShardWorker,
        fn_constructor_kwargs={"folder": folder, "make": deployed.make},
        compute=data.ActorPoolStrategy(
            min_size=1,
            max_size=machines.workers,
            initial_size=machines.workers,
            max_tasks_in_flight_per_actor=2,
        ),
        batch_size=None,
        batch_format="pyarrow",
        num_cpus=1,
        num_gpus=deployed.gpus or None,
    )


def _check_shared(shard: Place, worker: str) -> None:
    if not shard.exists():
        raise DatasetError(
            f"{shard}: was written by worker {worker}, but to a folder that this machine does not share."
        )


class ShardWorker:
    """The actor that builds shards: it takes blocks of the manifest and answers with reports."""

    def __init__(self, folder: Place, make: Callable[[], ShardBuilder]):
        import torch

        torch.set_num_threads(1)
        self._folder, self._make = folder, make
        self._build: ShardBuilder | None = None

    def __call__(self, block: pa.Table) -> Iterator[dict[str, list[str]]]:
        try:
            build = self._build = self._build or self._made()
        except DatasetError as error:
            yield {"answer": [refusal_of(error)]}
            return
        for shard in shards_of(block, self._folder, build.video):
            yield {"answer": [answer_of(build, shard)]}

    def _made(self) -> ShardBuilder:
        with without_collection():
            return self._make()


__all__ = ["Cluster", "Deployed", "Machines", "import_ray", "reports_of"]
