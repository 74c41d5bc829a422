import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from datasets import load_dataset
from films import make_film, tone
from tfrecords import message, sequence_example, write_tfrecord

from datasets_scripts.building.builder import Settings
from datasets_scripts.mr_hisum import build_mr_hisum, main, read_entries, read_metadata, read_splits
from modeling_davihd.conversion import EncoderChoice
from modeling_davihd.engines.errors import UsageError

KEYS = {"train": "train_keys", "validation": "val_keys", "test": "test_keys"}
SECONDS = {"video_1": 12, "video_2": 9, "video_3": 10, "video_4": 11}


def quantised(name):
    return np.random.default_rng(int(name[-1])).integers(0, 256, (SECONDS[name], 1024), np.uint8)


@pytest.fixture
def original(tmp_path, monkeypatch):
    """The original's three files with four videos, and the options that name them."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    with h5py.File(tmp_path / "mr_hisum.h5", "w") as file:
        for name, seconds in SECONDS.items():
            group = file.create_group(name)
            group["gtscore"] = np.linspace(0, 1, seconds)
            group["change_points"] = np.array([[0, 4], [4, seconds - 1]])
            group["gt_summary"] = (np.arange(seconds) < 4).astype(float)
    rows = [
        f'{name},train000{name[-1]},Id{name[-1]},tube{name[-1]},{seconds},50000,"[8, 11]"\n'
        for name, seconds in SECONDS.items()
    ]
    header = "video_id,yt8m_file,random_id,youtube_id,duration,views,labels\n"
    (tmp_path / "metadata.csv").write_text(header + "".join(rows))
    splits = {"train_keys": ["video_2", "video_1"], "val_keys": ["video_3"], "test_keys": ["video_4"]}
    (tmp_path / "split.json").write_text(json.dumps(splits))
    return tmp_path


def run(folder, *more):
    options = {"annotations": "mr_hisum.h5", "metadata": "metadata.csv", "splits": "split.json", "out": "out"}
    return main(
        [text for name, file in options.items() for text in (f"--{name}", str(folder / file))] + [*more]
    )


def youtube8m(folder, names=tuple(SECONDS)):
    """A folder of shards, each with a record that nobody asks for before the one in question."""
    for name in names:
        other = sequence_example("Zz", np.zeros((3, 1024), np.uint8))
        own = sequence_example(f"Id{name[-1]}", quantised(name))
        write_tfrecord(folder / "yt8m" / "frame" / f"train000{name[-1]}.tfrecord", [other, own])
    return ["--youtube8m", str(folder / "yt8m")]


def rows_of(folder):
    splits = load_dataset(str(folder / "out")).with_format("numpy")
    return {row["video_id"]: row | {"split": name} for name, split in splits.items() for row in split}


def missing_of(folder):
    return {one["video_id"]: one["reason"] for one in json.loads((folder / "out/missing.json").read_text())}


def test_features_of_youtube8m(original):
    assert run(original, *youtube8m(original)) == 0
    rows = rows_of(original)
    assert [(name, row["split"]) for name, row in rows.items()] == [
        ("video_2", "train"),
        ("video_1", "train"),
        ("video_3", "validation"),
        ("video_4", "test"),
    ]
    for name, row in rows.items():
        expected = quantised(name) * (4 / 255) - 2
        np.testing.assert_allclose(row["visual_features"], expected, atol=1e-3)
        np.testing.assert_allclose(row["labels"], np.linspace(0, 1, SECONDS[name]), atol=1e-6)
        assert [list(shot) for shot in row["change_points"]] == [[0, 4], [4, SECONDS[name] - 1]]
        assert row["gt_summary"].tolist() == [1] * 4 + [0] * (SECONDS[name] - 4)
        assert row["duration"] == SECONDS[name]
    facts = json.loads((original / "out/extraction.json").read_text())
    assert (facts["visual_backbone"], facts["visual_dim"]) == ("inception_v3", 1024)
    assert facts["source"] == {"visual_features": "YouTube-8M"} and missing_of(original) == {}


def test_shards_are_found_without_their_names(original):
    edit_metadata(original, "yt8m_file", "other")
    assert run(original, *youtube8m(original)) == 0
    assert len(rows_of(original)) == 4


def test_features_that_the_original_preparation_stored(original):
    with h5py.File(original / "mr_hisum.h5", "a") as file:
        for name in ("video_1", "video_2", "video_3"):
            file[name]["features"] = quantised(name) * (4 / 255) - 2
    assert run(original) == 0
    rows = rows_of(original)
    np.testing.assert_allclose(
        rows["video_2"]["visual_features"], quantised("video_2") * (4 / 255) - 2, atol=1e-3
    )
    assert rows.keys() == {"video_1", "video_2", "video_3"}
    assert "no features" in missing_of(original)["video_4"]


def test_labels_alone(original):
    assert run(original) == 0
    assert "visual_features" not in rows_of(original)["video_1"]


def test_features_of_the_videos(original):
    folder = original / "videos"
    folder.mkdir()
    for file, seconds in (("tube1", 12), ("video_2", 9.4), ("tube3", 14)):
        make_film(folder / f"{file}.wav", sounds=[(0.0, tone(seconds, 16000))], rate=16000)
    more = ["--videos", str(folder), "--semantic-backbone", "statistics", "--log-mel-rate", "1"]
    assert run(original, *youtube8m(original), *more) == 0
    rows = rows_of(original)
    assert rows.keys() == {"video_1", "video_2"}
    for name, row in rows.items():
        for column in ("visual_features", "semantic_features", "log_mel", "labels", "gt_summary"):
            assert len(row[column]) == SECONDS[name], column
    missing = missing_of(original)
    assert "14 s" in missing["video_3"] and "neither tube4 nor video_4" in missing["video_4"]


def test_what_cannot_be_used_is_listed(original, capsys):
    splits = {"train_keys": ["video_1", "video_9"], "val_keys": ["video_2", "video_3"], "test_keys": []}
    (original / "split.json").write_text(json.dumps(splits))
    edit_metadata(original, "tube2,9", "tube2,8")
    edit_metadata(original, "tube3,10", "tube3,14")
    assert run(original) == 0
    rows, missing = rows_of(original), missing_of(original)
    assert {name: len(row["labels"]) for name, row in rows.items()} == {"video_1": 12, "video_2": 8}
    assert len(rows["video_2"]["gt_summary"]) == 8
    assert missing.keys() == {"video_9", "video_3", "video_4"}
    assert "no such video" in missing["video_9"] and "no split" in missing["video_4"]
    assert "10 gtscores, but lasts 14 s" in missing["video_3"]
    assert "3 missing" in capsys.readouterr().out


def test_videos_that_youtube8m_lacks_are_listed(original):
    more = youtube8m(original, ["video_1", "video_2", "video_3"])
    other = sequence_example("Id7", quantised("video_3"))
    write_tfrecord(original / "yt8m/frame/train0003.tfrecord", [other])
    assert run(original, *more) == 0
    missing = missing_of(original)
    assert rows_of(original).keys() == {"video_1", "video_2"}
    assert "No video Id3 in train0003" in missing["video_3"] and "no file train0004" in missing["video_4"]


def cut(content):
    return content[:-300]


def flip(content):
    return content[:-300] + bytes([content[-300] ^ 1]) + content[-299:]


def flip_length(content):
    return bytes([content[0] ^ 1]) + content[1:]


@pytest.mark.parametrize(
    "change, message_part",
    [(cut, "cut off"), (lambda content: content[:5], "cut off"), (flip, "damaged"), (flip_length, "damaged")],
)
def test_a_damaged_shard_is_named(original, capsys, change, message_part):
    more = youtube8m(original)
    path = original / "yt8m/frame/train0003.tfrecord"
    path.write_bytes(change(path.read_bytes()))
    assert run(original, *more) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert str(path) in error and message_part in error


@pytest.mark.parametrize("record", [b"no protobuf", message((1, message((1, message((1, b"id")))))), b""])
def test_other_records_are_refused(original, capsys, record):
    more = youtube8m(original)
    path = write_tfrecord(original / "yt8m/frame/train0003.tfrecord", [record])
    assert run(original, *more) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert str(path) in error and "not YouTube-8M's frame-level features" in error


def set_gtscore(folder, values):
    with h5py.File(folder / "mr_hisum.h5", "a") as file:
        del file["video_3/gtscore"]
        file["video_3/gtscore"] = values


def remove(folder, name):
    with h5py.File(folder / "mr_hisum.h5", "a") as file:
        del file[f"video_3/{name}"]


def edit_metadata(folder, old, new):
    path = folder / "metadata.csv"
    path.write_text(path.read_text().replace(old, new, 1))


def write_splits(folder, content):
    (folder / "split.json").write_text(json.dumps(content))


ALL = dict.fromkeys(KEYS.values(), [])


@pytest.mark.parametrize(
    "change, parts",
    [
        (lambda d: set_gtscore(d, np.full(10, np.nan)), ("mr_hisum.h5, video_3", "from 0 to 1")),
        (lambda d: set_gtscore(d, np.full(10, 1.5)), ("mr_hisum.h5, video_3", "from 0 to 1")),
        (lambda d: set_gtscore(d, np.zeros(7)), ("mr_hisum.h5, video_3", "each of the 7 gtscores")),
        (lambda d: remove(d, "change_points"), ("mr_hisum.h5, video_3", "lacks change_points")),
        (lambda d: (d / "mr_hisum.h5").write_bytes(b"x"), ("mr_hisum.h5", "not a readable HDF5 file")),
        (lambda d: (d / "mr_hisum.h5").unlink(), ("mr_hisum.h5", "no annotation file")),
        (lambda d: edit_metadata(d, "duration", "seconds"), ("metadata.csv", "lacks the column duration")),
        (lambda d: edit_metadata(d, ",12,", ",long,"), ("metadata.csv, line 2", "the duration is 'long'")),
        (lambda d: write_splits(d, ALL | {"dev_keys": []}), ("split.json", "dev_keys")),
        (lambda d: write_splits(d, {"train_keys": []}), ("split.json", "val_keys")),
        (lambda d: write_splits(d, ALL | {"val_keys": ["a", "a"]}), ("split.json", "holds a twice")),
        (lambda d: write_splits(d, ALL | {"val_keys": [1]}), ("split.json", "val_keys is not a list")),
        (lambda d: write_splits(d, ALL | {"val_keys": ["a"]}), ("split.json", "None of the 1 videos")),
        (lambda d: (d / "split.json").write_text("{"), ("split.json", "not a JSON file")),
    ],
)
def test_bad_files_are_named(original, capsys, change, parts):
    change(original)
    assert run(original) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert all(part in error for part in parts), error
    assert not (original / "out").exists()


def test_wrong_usage(original):
    for more in (
        ["--visual-backbone", "statistics"],
        [*youtube8m(original), "--visual-backbone", "statistics"],
    ):
        with pytest.raises(SystemExit) as stop:
            run(original, *more)
        assert stop.value.code == 2


def test_one_source_of_visual_features_is_enough(original):
    files = [original / name for name in ("mr_hisum.h5", "metadata.csv", "split.json", "out")]
    _, youtube8m_folder = youtube8m(original)
    settings = Settings({"visual": EncoderChoice("statistics")})
    with pytest.raises(UsageError, match="YouTube-8M brings the visual features"):
        build_mr_hisum(*files, youtube8m=Path(youtube8m_folder), videos=original, settings=settings)


def test_readers_keep_order_and_values(original):
    assert list(read_splits(original / "split.json")) == ["video_2", "video_1", "video_3", "video_4"]
    assert read_metadata(original / "metadata.csv")["video_4"]["youtube_id"] == "tube4"
    entry = read_entries(original / "mr_hisum.h5")["video_4"]
    assert (
        entry.labels.dtype == np.float32 and entry.change_points.dtype == np.int32 and not entry.has_features
    )
