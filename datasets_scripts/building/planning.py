"""Which videos go into which shard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from datasets_scripts.building.splits import SPLITS
from datasets_scripts.building.videos import Video

ROWS_PER_SHARD = 16


class PlannedShard(NamedTuple):
    """A shard to be: its file name, its split, and the numbers of its videos in the list of all videos."""

    name: str
    split: str
    videos: list[int]


@dataclass(frozen=True)
class Shard:
    """A planned file, and the videos that it is to hold."""

    path: Path
    split: str
    videos: Sequence[Video]


def plan_shards(splits: Sequence[str], rows_per_shard: int = ROWS_PER_SHARD) -> list[PlannedShard]:
    """Deal out videos, of which the split of each is given in order, to shards of one split each."""
    plan = []
    for split in SPLITS:
        numbers = [number for number, own in enumerate(splits) if own == split]
        parts = [numbers[i : i + rows_per_shard] for i in range(0, len(numbers), rows_per_shard)]
        for index, part in enumerate(parts):
            plan.append(PlannedShard(f"{split}-{index:05d}-of-{len(parts):05d}.parquet", split, part))
    return plan
