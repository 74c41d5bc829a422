"""Training videos read one after the other; those of the Hub are in test_publish.py."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tiny_data import training_arguments

from examples.train import main
from examples.training import batches
from examples.training.data import collate, read_dataset
from examples.training.runs import make_runs
from examples.training.streaming import step_sizes

ALL = ("visual", "semantic", "dynamics")


def test_a_stream_has_all_rows_in_an_order_of_its_own(data):
    stored = read_dataset(data).rows("train", ALL, 62.5)
    rows = read_dataset(data, streaming=True).stream(ALL, 4, 62.5)
    orders = [
        [tuple(row["labels"].tolist()) for row in rows.read(seed, epoch)]
        for seed, epoch in ((0, 0), (0, 0), (0, 1), (1, 0))
    ]
    assert orders[0] == orders[1] and len(set(map(tuple, orders))) == 3
    ours = [tuple(labels.tolist()) for labels in stored.labels]
    assert sorted(orders[0]) == sorted(ours) and len(rows) == len(ours)
    order = [ours.index(labels) for labels in orders[0]]
    streamed, again = collate(list(rows.read(0, 0))), collate([stored[index] for index in order])
    assert streamed.keys() == again.keys()
    assert all(torch.equal(streamed[name], again[name]) for name in streamed)


def test_a_streamed_run_equals_one_of_stored_videos_in_that_order(config, data, tmp_path, monkeypatch):
    """A dataset that is cut short is told."""
    streamed = training_arguments(config, data, tmp_path / "streamed", "--streaming")
    rows = read_dataset(data, streaming=True).stream(ALL, 128, 62.5)
    labels = [tuple(each.tolist()) for each in read_dataset(data).rows("train", ALL, 62.5).labels]

    def plan(lengths, size, seed, epoch, processes):
        order = [labels.index(tuple(row["labels"].tolist())) for row in rows.read(seed, epoch)]
        return np.split(np.array(order), np.cumsum(step_sizes(len(order), size, processes))[:-1])

    assert main(streamed) == 0
    with monkeypatch.context() as patch:
        patch.setattr(batches, "plan_batches", plan)
        assert main(training_arguments(config, data, tmp_path / "stored")) == 0
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("streamed", "stored")]
    assert weights[0] == weights[1]
    short = dataclasses.replace(rows, videos=9)
    with pytest.raises(ValueError, match="has 8 videos; its extraction.json says 9"):
        list(short.read(0, 0))


def test_a_stream_is_resumed_in_an_epoch_and_shared_by_processes(config, data, tmp_path):
    [run] = make_runs(config, tmp_path, {"dataset": str(data), "streaming": True})

    def labels(first: int, rank: int = 0, processes: int = 1) -> list[list[float]]:
        accelerator = SimpleNamespace(process_index=rank, num_processes=processes)
        steps, _ = batches.training_batches(run, 1, first, accelerator)
        return [[row.tolist() for batch in step for row in batch["labels"]] for step in steps]

    whole, halves = labels(0), [labels(0, rank, 2) for rank in range(2)]
    assert [len(step) for step in whole] == [3, 3, 2] and labels(1) == whole[1:]
    assert [len(one) + len(two) for one, two in zip(*halves, strict=True)] == [3, 3, 2]


def test_steps_of_a_stream():
    assert step_sizes(10, 4, 1) == [4, 4, 2] and step_sizes(9, 4, 2) == [4, 5]
    assert step_sizes(8, 4, 2) == [4, 4] and step_sizes(3, 2, 3) == [3]
    with pytest.raises(ValueError, match="2 training videos cannot be shared by 3"):
        step_sizes(2, 4, 3)
