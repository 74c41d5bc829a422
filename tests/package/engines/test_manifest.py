"""How a manifest is dealt out."""

from pathlib import Path

import pyarrow as pa

from modeling_davihd.engines import manifest
from modeling_davihd.engines.manifest import blocks_of, shards_of
from modeling_davihd.engines.planning import plan_shards


def test_blocks_hold_whole_shards_and_every_video_once(monkeypatch):
    monkeypatch.setattr(manifest, "BLOCKS", 2)
    splits = ["train", "test", "train", "train", "train", "train"]
    rows = {"video_id": list("abcdef")}
    blocks = list(blocks_of(pa.table(rows), plan_shards(splits, ["train", "test"], 2)))
    shards = [shard for block in blocks for shard in shards_of(block, Path("/data"), dict)]
    found = [(shard.path.name, "".join(video["video_id"] for video in shard.videos)) for shard in shards]
    assert len(blocks) == 2 and found == [
        ("train-00000-of-00003.parquet", "ac"),
        ("train-00001-of-00003.parquet", "de"),
        ("train-00002-of-00003.parquet", "f"),
        ("test-00000-of-00001.parquet", "b"),
    ]
