"""What the tests of training and publishing share."""

from pathlib import Path

import pytest
from tiny_data import training_arguments, write_config, write_dataset

from examples import train


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folds = {"folds": lambda number, _: [number % 5, (number + 1) % 5]}
    return write_dataset(tmp_path_factory.mktemp("data") / "films", **folds)


@pytest.fixture
def config(tmp_path) -> Path:
    return write_config(tmp_path / "config")


@pytest.fixture(scope="session")
def dataset(tmp_path_factory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data") / "films")


@pytest.fixture(scope="session")
def trained(dataset, tmp_path_factory) -> Path:
    """What examples/train.py leaves."""
    folder = tmp_path_factory.mktemp("training")
    config = write_config(folder / "config", modalities=["dynamics"])
    assert train.main(training_arguments(config, dataset, folder / "out")) == 0
    return folder / "out"
