"""`davihd highlight --manifest FILE`: a long list of films, on this machine or on a Ray cluster."""

from __future__ import annotations

import argparse
import os
import uuid
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from ..console import one_line, say, tell
from ..jobs import without_collection
from ..loading import DEFAULT_MODEL, check_checkpoint, checkpoint_folder
from ..precision import resolve_precision
from .building import ShardReport, remove_unplanned, spare_shards
from .errors import DatasetError, UsageError
from .highlighting import SHARDS, Find, HighlightBuilder, HighlightJob, read_films, write_table
from .local_engine import forked_reports, local_reports
from .manifest import blocks_of
from .planning import plan_shards
from .ray_engine import Cluster, Deployed, Machines, import_ray, reports_of
from .running import FAILURES, gathered, summary, write_failures
from .sources import file_print, missing_package
from .stores import Place, Stored

if TYPE_CHECKING:
    import torch

Prepare = Callable[[argparse.Namespace, str], Find]

PLAN = "highlights"  # what the shards' names begin with
# Options that decide where and how the work is done, not what comes of it.
NOT_DECISIVE = {
    *("command", "check", "files", "manifest", "engine", "ray_address", "rows_per_shard", "jobs"),
    *("device", "output_dir", "model"),
}


def run_manifest(options: argparse.Namespace, prepare: Prepare, device: torch.device | None) -> int:
    """Highlight the films of options.manifest; gives the exit status, 0 only if no film failed.

    prepare: see `HighlightJob`. device: where to compute; None for what a Ray cluster has.
    """
    try:
        reports, told = _run(options, prepare, device)
    except (DatasetError, OSError) as error:  # the latter of a store that refuses
        say(f"error: {one_line(error)}")
        return 2 if isinstance(error, UsageError) else 1
    for line in told:
        tell(line)
    return int(any(report.missing for report in reports))


def _run(
    options: argparse.Namespace, prepare: Prepare, device: torch.device | None
) -> tuple[list[ShardReport], list[str]]:
    if device is None:
        import_ray()  # or say at once that it is missing
    table, ignored = read_films(options.manifest)
    if ignored:
        say(f"{options.manifest}: ignored columns: {', '.join(ignored)}")
    folder, out = _checkpoint(options), _output(options)
    options.limit = [("threads", 1), *options.limit]  # whatever a worker has, the bytes are the same
    plan = plan_shards([PLAN] * len(table), [PLAN], options.rows_per_shard)
    names = [shard.name for shard in plan]
    spare = spare_shards(out / SHARDS, names)

    def job_on(device: str) -> HighlightJob:
        options.dtype = _precision(options.dtype, device)
        return HighlightJob(options, prepare, _identity(options, folder, out), out, spare)

    blocks = blocks_of(table, plan)
    if device is None:
        cluster = Cluster(options.ray_address, _workers(options), _cluster_device(options))
        arriving = reports_of(blocks, out / SHARDS, partial(_deployed, job_on), cluster)
    else:
        arriving = _local_reports(blocks, job_on(str(device)), device)
    reports = gathered(arriving, plan, table, str(options.manifest))
    kept = sum(report.kept for report in reports)
    counts, *times = summary(reports, len(table)).splitlines()
    remove_unplanned(out / SHARDS, names)
    write_failures(out / FAILURES, table, reports)
    write_table(out, names)
    return reports, [f"{counts}; shards: {len(reports) - kept} built, {kept} kept", *times]


def _checkpoint(options: argparse.Namespace) -> Path:
    """The folder of the model, which every machine finds by the name that options.model then is."""
    try:
        folder = checkpoint_folder(options.model)
        check_checkpoint(folder)
    except (OSError, ValueError) as error:
        raise DatasetError(f"the model {options.model} cannot be loaded: {one_line(error)}") from error
    if options.model != DEFAULT_MODEL and Path(options.model).is_dir():
        options.model = str(folder.resolve())
    return folder


def _output(options: argparse.Namespace) -> Place:
    if isinstance(options.output_dir, Path):
        return options.output_dir.resolve()
    if problem := missing_package([options.output_dir]):
        raise UsageError(f"--output-dir is {problem}")
    return Stored(options.output_dir)


def _identity(options: argparse.Namespace, folder: Path, out: Place) -> object:
    """All that outputs and rows depend on besides the film: weights, options, and where lists lie from it."""
    files = sorted(path for path in folder.iterdir() if path.suffix in (".json", ".safetensors"))
    decisive = {name: value for name, value in vars(options).items() if name not in NOT_DECISIVE}
    decisive |= {"model": options.model, "from": str(out) if options.list_paths == "relative" else None}
    return [[file_print(path) for path in files], {name: str(value) for name, value in decisive.items()}]


def _precision(name: str, device: str) -> str:
    import torch

    return resolve_precision(name, torch.device(device))


def _workers(options: argparse.Namespace) -> int | None:
    return None if options.jobs == "auto" else options.jobs


def _cluster_device(options: argparse.Namespace) -> str | None:
    return None if options.device == "auto" else options.device


def _deployed(job_on: Callable[[str], HighlightJob], machines: Machines) -> Deployed:
    """Builders for the workers of a cluster, which share its GPUs evenly."""
    job = job_on(machines.device)
    make = partial(HighlightBuilder, job, machines.device, machines.run)
    return Deployed(make, machines.share(machines.workers))


def _local_reports(
    blocks: Iterable[pa.Table], job: HighlightJob, device: torch.device
) -> Iterator[ShardReport]:
    """In forks, so that a film over which one dies is listed; on a GPU, which forks cannot share, in here."""
    with without_collection():
        build = HighlightBuilder(job, str(device), uuid.uuid4().hex)
    if device.type != "cpu":
        return local_reports(blocks, job.out / SHARDS, build)
    jobs = _workers(job.options) or len(os.sched_getaffinity(0))
    return forked_reports(blocks, job.out / SHARDS, build, jobs)


__all__ = ["run_manifest"]
