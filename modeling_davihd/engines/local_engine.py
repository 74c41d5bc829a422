"""Shards built on this machine: in this process, or side by side in forks of it."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Iterable, Iterator
from contextlib import closing, redirect_stderr
from dataclasses import asdict
from functools import partial

import pyarrow as pa

from ..jobs import Died, in_order
from .building import ShardBuilder, ShardReport
from .crash_record import MOST_CRASHES
from .errors import DatasetError
from .manifest import shards_of
from .planning import Shard
from .stores import Place


def local_reports(blocks: Iterable[pa.Table], folder: Place, build: ShardBuilder) -> Iterator[ShardReport]:
    """Build all shards of the blocks in this process, on one core, as the workers of a cluster do."""
    import torch

    torch.set_num_threads(1)
    for block in blocks:
        for shard in shards_of(block, folder, build.video):
            yield build(shard)


def forked_reports(
    blocks: Iterable[pa.Table], folder: Place, build: ShardBuilder, jobs: int
) -> Iterator[ShardReport]:
    """Build all shards of the blocks in so many forks of this process, on one core each.

    build: ready, with a `run`, so that a shard over which a fork died is begun again by another. Raises
    DatasetError for whatever fails in a fork, and if forks die over and over without a video to blame.
    """
    import torch

    torch.set_num_threads(1)
    shards = [shard for block in blocks for shard in shards_of(block, folder, build.video)]
    for _ in range(MOST_CRASHES * max(len(shard.videos) for shard in shards) + 1):
        died = []
        with closing(in_order(partial(_quietly, build), shards, min(jobs, len(shards)))) as answers:
            for shard, answer in zip(shards, answers, strict=True):
                if isinstance(answer, Died):
                    died.append(shard)
                else:
                    yield report_of(answer)
        if not died:
            return
        shards = died
    raise DatasetError(f"{shards[0].path}: every process that builds it dies.")


def _quietly(build: ShardBuilder, shard: Shard) -> str:
    """An answer without what is shown of each film on a terminal."""
    with redirect_stderr(io.StringIO()):
        return answer_of(build, shard)


def answer_of(build: ShardBuilder, shard: Shard) -> str:
    """What a worker answers, for `report_of` elsewhere: JSON of a report or an error, and warnings."""
    from ..media import MediaWarning

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", MediaWarning)
        try:
            answer: dict = {"report": asdict(build(shard))}
        except (DatasetError, OSError) as error:  # the latter of a store that refuses
            answer = {"error": str(error)}
    messages = [str(warning.message) for warning in caught if issubclass(warning.category, MediaWarning)]
    return json.dumps(answer | {"warnings": messages})


def refusal_of(error: DatasetError) -> str:
    """The answer of a worker that cannot even begin."""
    return json.dumps({"error": str(error), "warnings": []})


def report_of(answer: str) -> ShardReport:
    """The report of a worker's answer, whose warnings are given here. Raises DatasetError if it tells one."""
    from ..media import MediaWarning

    facts = json.loads(answer)
    for message in facts["warnings"]:
        warnings.warn(message, MediaWarning, stacklevel=2)
    if "error" in facts:
        raise DatasetError(facts["error"])
    return ShardReport(**facts["report"])


__all__ = ["answer_of", "forked_reports", "local_reports", "refusal_of", "report_of"]
