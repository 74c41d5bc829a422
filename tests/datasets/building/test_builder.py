"""Building datasets: what is in them, what survives a kill, and what is built again."""

import os
import re
import signal
from dataclasses import replace

import datasets
import numpy as np
import pyarrow.parquet
import pytest
import torch
from films import film_with_sound, tone
from paths import ROOT
from stores import contents
from tone_videos import HEARING, STATISTICS, build, changed, facts, labels, load, seven, sounding

from datasets_scripts.building import builder
from datasets_scripts.building.builder import Video
from modeling_davihd.engines.errors import DatasetError
from modeling_davihd.streams_davihd import LogMel


def test_load_dataset_gives_the_columns_in_their_types_and_lengths(films, tmp_path):
    out = tmp_path / "out"
    videos = [
        Video("long", "train", labels(4), films / "long.mp4", extras={"folds": [0, 4]}),
        Video("short", "test", labels(2), films / "short.mp4", extras={"folds": [3, 1]}),
    ]
    report = build(out, videos, STATISTICS)
    assert report.videos == {"train": 1, "test": 1} and report.seconds == {"train": 3.5, "test": 2.0}
    dataset = load(out, tmp_path)
    value, matrix = datasets.Value, datasets.Array2D
    assert dataset["train"].features == datasets.Features(
        {
            "video_id": value("string"),
            "duration": value("float32"),
            "labels": datasets.Sequence(value("float32")),
            "preview": datasets.Image(),
            "visual_features": matrix((None, 64), "float16"),
            "semantic_features": matrix((None, 64), "float16"),
            "log_mel": matrix((None, 128), "float16"),
            "folds": datasets.Sequence(value("int8")),
        }
    )
    row = dataset["train"].with_format("torch", dtype=torch.float16)[0]
    assert row["video_id"] == "long" and row["duration"] == 3.5 and row["folds"].tolist() == [0, 4]
    assert row["visual_features"].shape == row["semantic_features"].shape == (4, 64)
    assert row["log_mel"].shape == (250, 128) and row["log_mel"].dtype == torch.float16
    np.testing.assert_allclose(dataset["train"][0]["labels"], labels(4))
    assert dataset["train"][0]["preview"].size == (256, 64)
    [shard] = (out / "data").glob("train-*")
    rows = pyarrow.parquet.read_table(shard)
    edited = rows.set_column(rows.column_names.index("video_id"), "video_id", [["edited by hand"]])
    pyarrow.parquet.write_table(edited, shard)
    assert load(out, tmp_path)["train"]["video_id"][0] == "edited by hand"
    assert facts(out) == {
        "davihd": builder.__version__,
        "visual_backbone": "statistics",
        "visual_dim": 64,
        "semantic_backbone": "statistics",
        "semantic_dim": 64,
        "text_backbone": None,
        "text_dim": None,
        "log_mel_rate": 62.5,
        "num_mel_bins": 128,
        "n_fft": 2048,
        "encoder_dtype": "float32",
        "splits": {"train": {"videos": 1, "seconds": 3.5}, "test": {"videos": 1, "seconds": 2.0}},
        "fingerprint": facts(out)["fingerprint"],
    }


@pytest.mark.parametrize("film", [0, 3, 6])
def test_an_interrupted_build_goes_on_to_the_same_bytes(tmp_path, monkeypatch, film):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no film" * 100)
    videos = [*seven(), sounding(8, "test", media=broken, sound=None)]
    build(tmp_path / "undisturbed", videos)
    make = builder.row_of

    def interrupted(video, *rest):
        if video is videos[film]:
            raise KeyboardInterrupt
        return make(video, *rest)

    monkeypatch.setattr(builder, "row_of", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "out", videos)
    assert not (tmp_path / "out" / "extraction.json").exists()
    monkeypatch.setattr(builder, "row_of", make)
    report = build(tmp_path / "out", videos)
    assert report.kept == film // 2 and sum(report.videos.values()) == 7
    assert contents(tmp_path / "out") == contents(tmp_path / "undisturbed")


KILLED = """
import os, signal, sys
sys.path[:0] = sys.argv[1:3]
from pathlib import Path
from datasets_scripts.building import builder
from tone_videos import build, seven
make = builder.row_of
def row_of(video, *rest):
    if video.video_id == "v3":
        os.kill(os.getpid(), signal.SIGKILL)
    return make(video, *rest)
builder.row_of = row_of
build(Path(sys.argv[3]), seven())
"""


@pytest.mark.slow
def test_a_killed_build_goes_on_to_the_same_bytes(nursery, tmp_path):
    build(tmp_path / "undisturbed", seven())
    out = tmp_path / "out"
    folders = [str(ROOT), str(ROOT / "tests" / "support")]
    killed = nursery.run(KILLED, [*folders, out])
    assert killed.status == -signal.SIGKILL, killed.text
    partial, whole = sorted(path.name for path in (out / "data").iterdir())
    assert whole == "train-00000-of-00002.parquet"
    assert re.fullmatch(r"\.[0-9a-f]{12}\.partial", partial)
    report = build(out, seven())
    assert (report.built, report.kept) == (3, 1)
    assert contents(out) == contents(tmp_path / "undisturbed")
    rows = load(out, tmp_path)
    assert [row for split in rows.values() for row in split["video_id"]] == [f"v{i}" for i in range(7)]


def test_a_second_run_computes_nothing(tmp_path, monkeypatch):
    build(tmp_path / "out", seven())
    before = contents(tmp_path / "out")
    monkeypatch.setattr(builder, "row_of", None)
    report = build(tmp_path / "out", seven())
    assert (report.built, report.kept) == (0, 4) and contents(tmp_path / "out") == before


@pytest.mark.parametrize(
    "videos", [changed(2, labels=labels(3, 1)), changed(2, identity="other")], ids=["labels", "source"]
)
def test_a_change_rebuilds_only_the_shard_it_is_in(tmp_path, videos):
    build(tmp_path / "out", seven())
    before = contents(tmp_path / "out")
    assert build(tmp_path / "out", videos).built == 1
    after = contents(tmp_path / "out")
    different = {name for name in before if before[name] != after[name]}
    assert different == {"data/train-00001-of-00002.parquet", "extraction.json"}
    build(tmp_path / "fresh", videos)
    assert contents(tmp_path / "fresh") == after


def test_a_changed_film_is_read_again_and_an_equal_copy_is_not(films, tmp_path):
    film = tmp_path / "film.mp4"
    film.write_bytes((films / "short.mp4").read_bytes())
    video = Video("film", "train", labels(2), film)
    build(tmp_path / "out", [video])
    os.utime(film, (0, 0))
    assert build(tmp_path / "out", [video]).built == 0
    film_with_sound(film, tone(2, 16000, hertz=300), 2)
    assert build(tmp_path / "out", [video]).built == 1


def test_other_settings_rebuild_everything(tmp_path):
    build(tmp_path / "out", seven())
    assert build(tmp_path / "out", seven(), replace(HEARING, log_mel=LogMel())).built == 4
    assert build(tmp_path / "out", seven(), replace(HEARING, log_mel=None)).built == 4
    assert "log_mel" not in load(tmp_path / "out", tmp_path)["train"].column_names


def test_load_dataset_does_not_serve_an_older_build_or_a_folder_of_the_same_name(tmp_path):
    for number, out in enumerate([tmp_path / "out", tmp_path / "out", tmp_path / "elsewhere" / "out"]):
        build(out, [sounding(number)])
        assert load(out, tmp_path)["train"]["video_id"][:] == [f"v{number}"]


def test_more_videos_reuse_the_shards_of_fewer(tmp_path):
    build(tmp_path / "out", seven())
    more = [*seven(), sounding(8), sounding(9)]
    report = build(tmp_path / "out", more)
    assert (report.built, report.kept) == (1, 4)
    build(tmp_path / "fresh", more)
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")


def test_unreadable_videos_are_listed_and_the_rest_goes_on(films, tmp_path):
    names = ["long", "broken", "silent", "absent"]
    videos = [Video(name, "train", labels(4), films / f"{name}.mp4") for name in names]
    videos += [Video("v2", "test", labels(2), films / "broken.mp4")]
    report = build(tmp_path / "out", videos, STATISTICS)
    assert report.videos == {"train": 1, "test": 0}
    reasons = {one["video_id"]: one["reason"] for one in facts(tmp_path / "out", "missing.json")}
    assert reasons.keys() == {"broken", "silent", "absent", "v2"}
    assert reasons["broken"].startswith("broken.mp4: not a film or sound file that can be read")
    assert reasons["silent"] == "silent.mp4: has no sound, which its features are made of."
    assert "there is no such file" in reasons["absent"] and str(films) not in reasons["absent"]
    dataset = load(tmp_path / "out", tmp_path)
    assert list(dataset) == ["train"] and dataset["train"]["video_id"][:] == ["long"]
    assert build(tmp_path / "out", videos, STATISTICS).missing == report.missing


def test_without_any_usable_video_there_is_no_dataset(films, tmp_path):
    with pytest.raises(DatasetError, match="no video could be used; the first is missing because broken.mp4"):
        build(tmp_path / "out", [Video("a", "train", labels(2), films / "broken.mp4")])
    assert not (tmp_path / "out" / "extraction.json").exists()
