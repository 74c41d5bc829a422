"""Videos over which processes die."""

import json
import os
import platform

import pytest

from modeling_davihd.engines.crash_record import CrashRecord
from modeling_davihd.engines.errors import UnusableVideo


def die_over(shard, video_id, run="one"):
    """What a process leaves that begins with the videos of a shard, and dies over that one."""
    record = CrashRecord(shard, run)
    record.begin("before")
    record.begin(video_id)


def test_the_third_death_over_a_video_is_the_last(tmp_path):
    shard = tmp_path / "shard.parquet"
    for _ in range(3):
        die_over(shard, "poison")
    with CrashRecord(shard, "one") as record:
        record.begin("before")
        with pytest.raises(UnusableVideo, match="3 processes died while decoding it"):
            record.begin("poison")
        record.begin("after")
    assert not list(tmp_path.iterdir())


def test_deaths_over_different_videos_add_up_for_each(tmp_path):
    shard = tmp_path / "shard.parquet"
    for name in ("a", "b", "a", "b"):
        die_over(shard, name)
    CrashRecord(shard, "one").begin("a")
    CrashRecord(shard, "one").begin("b")  # the process before this one died over a
    with pytest.raises(UnusableVideo):
        CrashRecord(shard, "one").begin("a")


def test_another_run_begins_anew(tmp_path):
    for _ in range(3):
        die_over(tmp_path / "shard.parquet", "video", run="one")
    CrashRecord(tmp_path / "shard.parquet", "two").begin("video")


def test_the_record_names_the_process(tmp_path):
    CrashRecord(tmp_path / "shard.parquet", "one").begin("video")
    facts = json.loads((tmp_path / "shard.parquet.begun").read_text())
    assert facts == {
        "run": "one",
        "counts": {},
        "current": "video",
        "worker": f"{platform.node()}:{os.getpid()}",
    }


def test_one_process_alone_keeps_no_record(tmp_path):
    CrashRecord(tmp_path / "shard.parquet", None).begin("video")
    assert not list(tmp_path.iterdir())
