"""Which videos go into which shard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from .stores import Place


class PlannedShard(NamedTuple):
    """A shard to be: its file name, its split, and the numbers of its videos in the list of all videos."""

    name: str
    split: str
    videos: list[int]


@dataclass(frozen=True)
class Shard:
    """A planned file, and the videos that it is to hold, in whatever form its builder takes them."""

    path: Place
    split: str
    videos: Sequence[Any]


def plan_shards(splits: Sequence[str], order: Sequence[str], rows_per_shard: int) -> list[PlannedShard]:
    """Deal out videos, of which the split of each is given, to shards of one split each.

    order: of the splits, all that there are.
    """
    plan = []
    for split in order:
        numbers = [number for number, own in enumerate(splits) if own == split]
        parts = [numbers[i : i + rows_per_shard] for i in range(0, len(numbers), rows_per_shard)]
        for index, part in enumerate(parts):
            plan.append(PlannedShard(f"{split}-{index:05d}-of-{len(parts):05d}.parquet", split, part))
    return plan
