"""The names of sounds: words and classes, what cases say of them, and the command as a whole."""

import json

import numpy as np
import pytest
from sounds import write_library

from examples import calibrate_names
from examples.naming import films, fitting
from examples.naming.vocabulary import CLASSES, GENERAL, KINDS, WORDS, class_numbers, right_names
from modeling_davihd.sound_names import LEAST_SURE, NameTable


def test_names_share_no_class_unless_one_is_more_general():
    numbers = class_numbers(calibrate_names.CLASS_MAP)
    own = {name: set(classes) for name, classes in numbers.items()}
    for general, special in GENERAL.items():
        own[general] -= set().union(*(own[name] for name in special))
    assert sum(map(len, own.values())) == len(set().union(*own.values()))
    named = set().union(*KINDS.values(), WORDS, GENERAL, *GENERAL.values())
    assert named <= set(CLASSES) and numbers["dog"][0] == 69


def test_names_are_right_by_kind_by_file_and_in_general(tmp_path):
    def of(kind: str, name: str) -> set[str]:
        return right_names(films.Recording("foreground", kind, "", "test", tmp_path / name))

    assert of("siren", "one.wav") == {"siren"}
    assert of("farm", "game-cow-2.wav") == {"animal", "farm animal"}
    assert of("applause", "hall.wav") == {"applause", "cheering", "crowd"}
    assert of("unknown", "hall.wav") == set()


def cases(count: int = 400) -> fitting.Cases:
    """Of two names: the first is right where it rises high, the second is never, however it rises."""
    rng = np.random.default_rng(0)
    evidence = np.stack((rng.uniform(1, 10, (count, 2)), np.zeros((count, 2))), -1)
    right = np.stack((evidence[:, 0, 0] + rng.normal(0, 1, count) > 6, np.zeros(count, bool)), 1)
    sources = rng.integers(0, 20, count).astype(str)
    return fitting.Cases(evidence, np.zeros((count, 2), bool), right, sources, sources)


def test_offsets_are_lowered_until_three_of_four_names_are_right():
    known = cases()
    weights, offsets = fitting.fitted(known)
    odds = fitting.cross_validated(known)
    lowered = odds - fitting.cautions(odds, known.right)
    given = 1 / (1 + np.exp(-lowered)) >= LEAST_SURE
    assert weights[0] > 0.3 and given[:, 0].sum() > 100 and not given[:, 1].any()
    assert known.right[given[:, 0], 0].mean() >= 0.75


def test_the_command_writes_a_table_and_says_what_it_is_worth(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(films, "LEAST", 1)
    sounds = write_library(tmp_path / "sounds", {"foreground": {"explosion": 1.0, "siren": 2.0}})
    table = tmp_path / "names.json"
    assert calibrate_names.main(["--sounds", str(sounds), "--output", str(table)]) == 0
    assert NameTable.load(table).names == list(CLASSES)
    assert len(json.loads(table.read_text())["weights"]) == 2
    told = capsys.readouterr().out
    assert "names in" in told and "| siren | 1 |" in told
    nothing = write_library(tmp_path / "nothing", {"foreground": {"oddity": 1.0}})
    assert calibrate_names.main(["--sounds", str(nothing), "--output", str(table)]) == 1
    assert "nothing: has no recordings of known sounds in test." in capsys.readouterr().err


@pytest.mark.parametrize("split", ["train", "test"])
def test_films_hold_every_recording_where_they_say(tmp_path, monkeypatch, split):
    monkeypatch.setattr(films, "LEAST", 1)
    library = films.Library.open(write_library(tmp_path, {"foreground": {"explosion": 1.0, "siren": 2.0}}))
    [film] = films.labelled_films(library, (split,))
    heard = [one for one in film.heard if one.recording]
    assert {one.recording.kind for one in heard} == {"explosion", "siren"}
    for one in heard:
        loud = np.abs(film.sound[one.start * 16000 : one.end * 16000])
        assert loud.max() > 2 * np.quantile(np.abs(film.sound), 0.9)
