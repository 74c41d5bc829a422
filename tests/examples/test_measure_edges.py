"""How clean edges are: what is counted, and the command as a whole with a speaker of noise."""

import re

import numpy as np
import pytest
from films import make_film

from examples import measure_edges
from examples.measure_edges import AT_ANY, AT_CUT, IN_WORD, KnownFilm


def test_edges_are_counted_by_words_and_changes_of_shots(tmp_path):
    film = KnownFilm(tmp_path, [(1.0, 2.0), (2.5, 3.0), (3.01, 9.0)], [2.28, 8.0], fps=25)
    counts = measure_edges.count(film, [1.9, 3.2, 7.5], [2.24, 2.8, 8.0])
    assert {name: (one.true, one.all) for name, one in counts.items()} == {
        IN_WORD: (1, 2),  # around 7.5 there is no pause
        AT_CUT: (1, 2),  # of 2.28, which is in a pause
        AT_ANY: (2, 3),
    }


def test_the_command_needs_a_speaker_and_prints_a_table(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(measure_edges, "which", lambda _: None)
    assert measure_edges.main(["--films", "1"]) == 1
    assert capsys.readouterr().err.startswith("measure_edges.py: error: espeak-ng is not installed")
    monkeypatch.setattr(measure_edges, "SECONDS", 12)
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 4000).astype(np.float32)
    silence = np.zeros(2000, np.float32)
    make_film(tmp_path / "word.wav", sounds=[(0, np.concatenate([silence, noise, silence]))], rate=16000)
    assert len(measure_edges.recording("word.wav", str(tmp_path))) == pytest.approx(4000, abs=9)
    assert measure_edges.main(["--films", "1", "--sounds", str(tmp_path)]) == 0
    table = capsys.readouterr().out
    assert re.search(r"\| the same, where any is \| \d+ of \d+ \(.* %\) \| ", table)
