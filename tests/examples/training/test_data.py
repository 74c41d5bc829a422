import dataclasses
import json
from pathlib import Path

import datasets
import numpy as np
import pyarrow.parquet
import pytest
import torch
from tiny_data import write_dataset

from examples.training.data import (
    HighlightRows,
    collate,
    plan_batches,
    read_dataset,
    split_folds,
)
from examples.training.reading import mean_over_seconds
from modeling_davihd import DAViHDFeatureExtractor

ALL = ("visual", "semantic", "dynamics")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data") / "films")


def rows_of(data: Path, split: str = "train", modalities=ALL, rate: float = 62.5) -> HighlightRows:
    dataset = read_dataset(data)
    return HighlightRows(dataset.splits[split], modalities, rate, dataset.extraction["log_mel_rate"], "films")


def test_rows_have_what_the_model_needs_and_no_more(data):
    row = rows_of(data)[2]
    assert {name: tuple(values.shape) for name, values in row.items()} == {
        "visual_features": (7, 8),
        "semantic_features": (7, 16),
        "log_mel": (438, 128),
        "labels": (7,),
    }
    assert rows_of(data, modalities=["semantic"])[0].keys() == {"semantic_features", "labels"}
    assert rows_of(data, modalities=[])[3].keys() == {"labels"}


def test_full_rate_rows_serve_a_model_of_one_frame_a_second(data):
    row = rows_of(data, rate=1)[3]
    assert row["log_mel"].shape == (8, 128)
    full = rows_of(data)[3]["log_mel"].float()
    torch.testing.assert_close(row["log_mel"][0], (full[:62].sum(0) + full[62] / 2) / 62.5)


def test_seconds_are_averaged_as_the_extractor_does():
    sound = np.random.default_rng(0).normal(size=16000 * 5).astype(np.float32)
    full, pooled = (
        DAViHDFeatureExtractor(log_mel_rate=rate)(audio=sound, sampling_rate=16000).log_mel[0].T
        for rate in (62.5, 1)
    )
    torch.testing.assert_close(mean_over_seconds(full, 5), pooled)


def test_a_batch_is_padded_and_masked(data):
    rows = rows_of(data)
    batch = collate([rows[0], rows[4]])
    assert batch["log_mel"].shape == (2, 128, 563) and batch["log_mel"].dtype == torch.float32
    assert batch["attention_mask"].sum(1).tolist() == [5, 9]
    assert (batch["labels"][0, 5:] == -100).all()


def test_batches_hold_every_video_once_in_similar_lengths():
    lengths = np.random.default_rng(1).integers(10, 300, 1000)
    batches = plan_batches(lengths, 16, seed=0, epoch=0)
    assert sorted(np.concatenate(batches)) == list(range(1000))
    padded = sum(lengths[batch].max() * len(batch) for batch in batches)
    assert padded < 1.1 * lengths.sum()
    again, later = plan_batches(lengths, 16, 0, 0), plan_batches(lengths, 16, 0, 1)
    assert all(np.array_equal(one, other) for one, other in zip(batches, again, strict=True))
    assert not all(np.array_equal(one, other) for one, other in zip(batches, later, strict=True))


@pytest.mark.parametrize("videos", [4, 5, 17, 33])
def test_every_process_gets_a_part_of_every_batch(videos):
    batches = plan_batches(np.full(videos, 9), 4, seed=3, epoch=0, processes=4)
    assert sorted(np.concatenate(batches)) == list(range(videos))
    assert min(len(batch) for batch in batches) >= 4


def test_too_few_videos_for_the_processes():
    with pytest.raises(ValueError, match="2 training videos cannot be shared by 3"):
        plan_batches(np.array([5, 6]), 16, 0, 0, processes=3)


@pytest.mark.parametrize("selection", ["validation", "test"])
def test_folds_do_not_overlap(selection):
    folds = np.arange(50) % 5
    for fold in range(5):
        parts = split_folds(folds, run=0, fold=fold, selection=selection)
        assert sorted(parts["test"]) == list(range(fold, 50, 5))
        assert not set(parts["test"]) & set(parts["train"])
        if selection == "test":
            assert len(parts["train"]) == 40 and list(parts["validation"]) == list(parts["test"])
        else:
            assert (len(parts["train"]), len(parts["validation"])) == (32, 8)
            assert len(set(np.concatenate(list(parts.values())))) == 50


# ------------------------------------------------------------------------------------------ wrong rows


def rewrite(data: Path, tmp_path: Path, change) -> Path:
    """A copy of the training shard with some row changed, as the whole dataset."""
    folder = tmp_path / "copy"
    (folder / "data").mkdir(parents=True)
    for name in ("README.md", "extraction.json"):
        (folder / name).write_bytes((data / name).read_bytes())
    for shard in (data / "data").glob("*.parquet"):
        rows = datasets.Dataset(pyarrow.parquet.read_table(shard))
        rows.map(change, writer_batch_size=2).to_parquet(folder / "data" / shard.name)
    return folder


def with_labels(labels) -> dict:
    return lambda row: row | {"labels": labels(row["labels"])} if row["video_id"] == "film1" else row


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (lambda labels: [*labels, 0.5], "film1 has 7 labels and 6 rows of visual_features; 7 are needed"),
        (lambda labels: [float("nan"), *labels[1:]], "film1 has labels that are NaN or outside 0 to 1"),
        (lambda labels: [1.5, *labels[1:]], "film1 has labels that are NaN or outside 0 to 1"),
        (lambda labels: [], "film1 has no labels"),
    ],
)
def test_wrong_labels_name_the_video(data, tmp_path, labels, told):
    folder = rewrite(data, tmp_path, with_labels(labels))
    with pytest.raises(ValueError, match=told):
        rows_of(folder)[1]


def test_an_unknown_column_is_named(data, tmp_path):
    folder = rewrite(data, tmp_path, lambda row: row | {"visual_feature": 0})
    with pytest.raises(ValueError, match="unknown column 'visual_feature'"):
        read_dataset(folder)


def test_a_missing_column_is_named(data, tmp_path):
    splits = read_dataset(data).splits
    deaf = dataclasses.replace(splits["train"], column_names=["video_id", "labels"])
    with pytest.raises(ValueError, match="films has no column 'log_mel', which the model needs"):
        HighlightRows(deaf, ["dynamics"], 62.5, 62.5, "films")


def test_an_empty_split_is_named(data):
    splits = read_dataset(data).splits
    with pytest.raises(ValueError, match="films, split test is empty"):
        HighlightRows(splits["test"].select([]), ALL, 62.5, 62.5, "films, split test")


def test_a_slow_dataset_cannot_serve_a_full_rate_model(tmp_path):
    data = write_dataset(tmp_path / "slow", rate=1)
    with pytest.raises(ValueError, match="has 1 log-Mel frames a second; the model needs 62.5"):
        rows_of(data)


@pytest.mark.parametrize("damage", ["cut", "garbled"])
def test_a_corrupt_shard_is_named(data, tmp_path, damage):
    folder = rewrite(data, tmp_path, lambda row: row)
    shard = sorted((folder / "data").glob("train*"))[0]
    content = bytearray(shard.read_bytes())
    if damage == "cut":
        content = content[: len(content) // 2]
    else:
        content[1000 : len(content) // 2] = bytes(len(content) // 2 - 1000)
    shard.write_bytes(content)
    with pytest.raises(ValueError, match=shard.name):
        rows = rows_of(folder)
        [rows[index] for index in range(len(rows))]


def test_an_unfinished_folder_is_told(tmp_path):
    with pytest.raises(ValueError, match="has no extraction.json"):
        read_dataset(tmp_path)
    (tmp_path / "extraction.json").write_text("{")
    with pytest.raises(ValueError, match="is not JSON"):
        read_dataset(tmp_path)
    (tmp_path / "extraction.json").write_text(json.dumps({}))
    with pytest.raises(ValueError, match="no Parquet files"):
        read_dataset(tmp_path)


@pytest.mark.parametrize(
    ("card", "told"),
    [
        (b"# Films\n", "README.md does not begin with metadata"),
        (b"---\n- films\n---\n", "README.md does not begin with metadata"),
        (b"---\ntags: [\n---\n", "README.md begins with metadata that are not YAML"),
        (b"---\n\xff\n---\n", "README.md begins with metadata that are not YAML"),
        (None, "There is no file .*README.md"),
    ],
)
def test_a_card_without_metadata_is_named(data, card, told):
    dataset = read_dataset(data)
    assert dataset.is_generated and dataset.card["license"] == "cc0-1.0"
    path = data / "README.md"
    content = path.read_bytes()
    path.unlink() if card is None else path.write_bytes(card)
    try:
        with pytest.raises(ValueError, match=told):
            dataset.card  # noqa: B018
    finally:
        path.write_bytes(content)
