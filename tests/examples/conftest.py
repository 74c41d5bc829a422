"""What the tests of training share."""

from pathlib import Path

import pytest
from tiny_data import write_config, write_dataset


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folds = {"folds": lambda number, _: [number % 5, (number + 1) % 5]}
    return write_dataset(tmp_path_factory.mktemp("data") / "films", **folds)


@pytest.fixture
def config(tmp_path) -> Path:
    return write_config(tmp_path / "config")
