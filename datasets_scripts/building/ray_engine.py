"""Extraction on a Ray cluster: the only file that imports ray.

Ray Data deals out blocks of the manifest to a pool of actors, one processor core each. An actor decodes the
videos of a shard, makes their log-Mel spectrograms and writes the shard. If there are GPUs, batches for the
backbones go to other actors that run there, at most two at a time for each column: a worker that gets ahead
of its encoders waits. Without a GPU, the backbones run in the workers.

One actor builds a shard from end to end, because a shard is written whole and in order: if the encoders were
an operator of the data stream, reuniting the rows of a shard would take a shuffle, which waits for all rows.
"""

from __future__ import annotations

import functools
import itertools
import json
import logging
import math
import os
import socket
import time
import uuid
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa
import torch

import modeling_davihd
from datasets_scripts.building.batches import Result
from datasets_scripts.building.builder import Job, ShardBuilder, ShardReport
from datasets_scripts.building.extraction import Encoders, Settings
from datasets_scripts.building.manifest import shards_of
from modeling_davihd.engines.errors import DatasetError, UsageError
from modeling_davihd.media import MediaWarning

ENCODER_RETRIES = 300  # of sending a batch again, a second apart, because its encoder is gone
CONNECT_SECONDS = 30  # to wait for a cluster's address to answer
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


@dataclass(frozen=True)
class Cluster:
    """Where to run.

    address: of a running cluster; None starts one on this machine.
    workers: how many actors decode; None for one for each core.
    encoders: how many actors run backbones; None for one for each GPU.
    device: of the encoders, "cpu" or "cuda"; None for "cuda" if the cluster has a GPU.
    """

    address: str | None = None
    workers: int | None = None
    encoders: int | None = None
    device: str | None = None


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


def reports_of(blocks: Iterable[pa.Table], data: Path, job: Job, cluster: Cluster) -> Iterator[ShardReport]:
    """Build all shards of the blocks in the folder `data`, and yield a report of each when it is done.

    Raises DatasetError if the cluster does not answer or gives up, and for whatever fails in a worker.
    """
    ray = import_ray()
    _connect(ray, cluster)
    try:
        job = replace(job, settings=_everywhere(ray, job.settings, cluster), run=uuid.uuid4().hex)
        encoders = _encoders(ray, job.settings, cluster.encoders)
        for row in _dataset(ray, list(blocks), data, job, encoders, cluster.workers).iter_rows():
            report = _report(json.loads(row["answer"]))
            _check_shared(data / report.name, report.worker)
            yield report
    except ray.exceptions.RayError as error:
        last = str(error).strip().splitlines()[-1]
        raise DatasetError(f"Ray gave up ({last}); the same command goes on from here.") from error
    finally:
        ray.shutdown()


def _connect(ray: ModuleType, cluster: Cluster) -> None:
    code = [Path(__file__).parent.parent, Path(modeling_davihd.__file__).parent]
    options = {"runtime_env": {"py_modules": [str(folder) for folder in code]}}
    if cluster.address is None:
        options |= {"num_cpus": cluster.workers or os.cpu_count(), "include_dashboard": False}
    try:
        _check_answers(cluster.address or "")
        ray.init(cluster.address or "local", **options, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, ValueError, RuntimeError) as error:
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


def _everywhere(ray: ModuleType, settings: Settings, cluster: Cluster) -> Settings:
    """The settings for every machine of the cluster: with its device, and absolute paths of weights."""
    gpus = ray.cluster_resources().get("GPU", 0)
    if cluster.device == "cuda" and not gpus:
        raise UsageError("--device is cuda, but the cluster has no GPU.")
    encoders = {
        name: replace(one, weights=one.weights and one.weights.resolve(), pca=one.pca and one.pca.resolve())
        for name, one in settings.encoders.items()
    }
    return replace(settings, device=cluster.device or ("cuda" if gpus else "cpu"), encoders=encoders)


def _dataset(
    ray: ModuleType,
    blocks: list[pa.Table],
    data: Path,
    job: Job,
    encoders: RemoteEncoders | None,
    workers: int | None,
):
    """The stream of the workers' answers. Each has one block at a time: none queues up work for later."""
    size = min(len(blocks), workers or max(1, int(ray.cluster_resources().get("CPU", 1))))
    return ray.data.from_arrow(blocks).map_batches(
        ShardWorker,
        fn_constructor_kwargs={"data": data, "job": job, "encoders": encoders},
        compute=ray.data.ActorPoolStrategy(
            min_size=1, max_size=size, initial_size=size, max_tasks_in_flight_per_actor=1
        ),
        batch_size=None,
        batch_format="pyarrow",
        num_cpus=1,
    )


def _check_shared(shard: Path, worker: str) -> None:
    if not shard.exists():
        raise DatasetError(
            f"{shard}: was written by worker {worker}, but to a folder that this machine does not share."
        )


def _report(answer: dict) -> ShardReport:
    for message in answer["warnings"]:
        warnings.warn(message, MediaWarning, stacklevel=2)
    if "error" in answer:
        raise DatasetError(answer["error"])
    return ShardReport(**answer["report"])


class ShardWorker:
    """The actor that decodes and writes shards: it takes blocks of the manifest and answers with reports."""

    def __init__(self, data: Path, job: Job, encoders: RemoteEncoders | None):
        torch.set_num_threads(1)
        self._data, self._job, self._encoders = data, job, encoders
        self._build = None

    def __call__(self, block: pa.Table) -> Iterator[dict[str, list[str]]]:
        for shard in shards_of(block, self._data):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", MediaWarning)
                try:
                    self._build = self._build or ShardBuilder(self._job, self._encoders)
                    answer = {"report": asdict(self._build(shard))}
                except DatasetError as error:
                    answer = {"error": str(error)}
            messages = [
                str(warning.message) for warning in caught if issubclass(warning.category, MediaWarning)
            ]
            yield {"answer": [json.dumps(answer | {"warnings": messages})]}
            if "error" in answer:
                return


class EncoderActor:
    """The backbones in a process of their own, with a GPU or a share of one."""

    def __init__(self, settings: Settings):
        torch.set_num_threads(1)
        self._settings, self._loaded = settings, None

    def widths(self) -> dict[str, int]:
        """Of the streams it encodes. Loads the weights; raises DatasetError for wrong ones."""
        self._loaded = self._loaded or Encoders(self._settings)
        return self._loaded.widths

    def encode(self, stream: str, segments: np.ndarray) -> np.ndarray:
        self.widths()
        return self._loaded.encode(stream, torch.tensor(segments)).numpy()


class RemoteEncoders:
    """Stands in for `Encoders` in a worker: sends batches to actors in turn, or to others if one is gone."""

    def __init__(self, actors: list, widths: dict[str, int]):
        self._actors, self.widths = itertools.cycle(actors), widths

    def submit(self, stream: str, segments: torch.Tensor) -> Result:
        batch = segments.numpy()
        return functools.partial(self._wait, self._send(stream, batch), stream, batch)

    def _send(self, stream: str, batch: np.ndarray):
        return next(self._actors).encode.remote(stream, batch)

    def _wait(self, call, stream: str, batch: np.ndarray) -> torch.Tensor:
        ray = import_ray()
        for _ in range(ENCODER_RETRIES):
            try:
                return torch.tensor(ray.get(call))
            except ray.exceptions.RayActorError:
                time.sleep(1)
                call = self._send(stream, batch)
            except DatasetError as error:
                raise _plain(error) from error
        raise DatasetError(
            f"No encoder has answered for {ENCODER_RETRIES} s; the same command goes on from here."
        )


def _encoders(ray: ModuleType, settings: Settings, count: int | None) -> RemoteEncoders | None:
    """The encoder actors, each with its share of a GPU; None if the backbones run in the workers."""
    gpus = int(ray.cluster_resources().get("GPU", 0)) if settings.device == "cuda" else 0
    count = count or gpus
    if count == 0 or not settings.encoded:
        return None
    share = 1 / math.ceil(count / gpus) if gpus else 0
    kind = ray.remote(num_cpus=0, num_gpus=share, max_restarts=-1)(EncoderActor)
    actors = [kind.remote(settings) for _ in range(count)]
    try:
        return RemoteEncoders(actors, ray.get(actors[0].widths.remote()))
    except DatasetError as error:
        raise _plain(error) from error


def _plain(error: DatasetError) -> DatasetError:
    """The error as it was raised in the other process, without what Ray adds."""
    return DatasetError(str(getattr(error, "cause", error)))
