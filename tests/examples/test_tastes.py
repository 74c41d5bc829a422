"""The table of tastes says which of them cannot be taught with so few soundtracks."""

import numpy as np
import pytest
import torch

from datasets_scripts.synthesis.labels import Event
from examples.benchmarking.tastes import COLUMNS, SECONDS, World, cells_of, mean_of
from examples.teaching.tuning import Studied


@pytest.fixture
def world(monkeypatch):
    """Three soundtracks of which one has a bell and all have a door."""

    def studied(self, library, seeds, splits):
        nothing = np.zeros(SECONDS)
        film = Studied(torch.empty(0), 1.0, torch.empty(SECONDS, 0), nothing > 0, nothing)
        doors = [Event("door", 2.0, 4.0, 1.0)]
        return [(film, doors), (film, [*doors, Event("bell", 8.0, 9.5, 1.0)]), (film, doors)]

    monkeypatch.setattr(World, "_studied", studied)
    return World(None, None, 3)


def test_a_taste_of_which_one_soundtrack_has_a_highlight_is_not_taught(world):
    assert world.measure(3, ["bell"]) is None


def test_a_row_without_figures_says_why_and_is_not_in_the_mean():
    row = dict.fromkeys(COLUMNS, 0.25)
    rows = {"bells": None, "doors": row, "mean of tastes": mean_of([row])}
    refused, *others = cells_of(rows).values()
    assert refused[0] == "too few"
    assert others == [["0.25"] * len(COLUMNS)] * 2


def test_there_is_no_mean_where_no_taste_can_be_taught():
    assert mean_of([]) is None
