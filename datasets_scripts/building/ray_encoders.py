"""Extraction on a Ray cluster: what its workers build shards with.

A worker decodes the videos of a shard, makes their log-Mel spectrograms and writes the shard. If there are
GPUs, batches for the backbones go to other actors that run there, at most two at a time for each column: a
worker that gets ahead of its encoders waits. Without a GPU, the backbones run in the workers.
"""

from __future__ import annotations

import functools
import itertools
import time
from dataclasses import replace

import numpy as np
import torch

from datasets_scripts.building.batches import Result
from datasets_scripts.building.builder import DatasetBuilder, Job
from datasets_scripts.building.extraction import Encoders
from datasets_scripts.building.settings import Settings
from modeling_davihd.engines.errors import DatasetError
from modeling_davihd.engines.ray_engine import Deployed, Machines, import_ray

ENCODER_RETRIES = 300  # of sending a batch again, a second apart, because its encoder is gone


def deployed(machines: Machines, job: Job, encoders: int | None) -> Deployed:
    """Builders of the job's shards on a cluster; `encoders`: how many share its GPUs, by default one each."""
    job = replace(job, settings=_everywhere(job.settings, machines), run=machines.run)
    return Deployed(functools.partial(DatasetBuilder, job, _encoders(job.settings, machines, encoders)))


def _everywhere(settings: Settings, machines: Machines) -> Settings:
    """The settings for every machine of the cluster: with its device, and absolute paths of weights."""
    encoders = {
        name: replace(one, weights=one.weights and one.weights.resolve(), pca=one.pca and one.pca.resolve())
        for name, one in settings.encoders.items()
    }
    return replace(settings, device=machines.device, encoders=encoders)


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


def _encoders(settings: Settings, machines: Machines, count: int | None) -> RemoteEncoders | None:
    """The encoder actors, each with its share of a GPU; None if the backbones run in the workers."""
    count = count or machines.gpus
    if count == 0 or not settings.encoded:
        return None
    options = {"num_cpus": 0, "num_gpus": machines.share(count), "max_restarts": -1}
    kind = machines.ray.remote(**options)(EncoderActor)
    actors = [kind.remote(settings) for _ in range(count)]
    try:
        return RemoteEncoders(actors, machines.ray.get(actors[0].widths.remote()))
    except DatasetError as error:
        raise _plain(error) from error


def _plain(error: DatasetError) -> DatasetError:
    """The error as it was raised in the other process, without what Ray adds."""
    return DatasetError(str(getattr(error, "cause", error)))
