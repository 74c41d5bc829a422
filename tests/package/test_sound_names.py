"""Names of sounds: what of a film is heard, what speaks for a name, and when one is given."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from films import film_with_sound, make_film
from results import result_of

from modeling_davihd import sound_names
from modeling_davihd.conversion import EncoderChoice, load_encoder
from modeling_davihd.highlights import Highlight, Sound
from modeling_davihd.media import probe, stream_segments
from modeling_davihd.sound_names import NameTable, SoundNamer, Surroundings, hear

ROWS = [
    ("dog", [0, 1], [], -1.0, None),
    ("animal", [0, 1, 2], ["dog"], -1.0, None),
    ("speech", [3], [], -1.0, 0.8),
]
QUIET = np.full((6, 5), -9.0)


@pytest.fixture(scope="module")
def table() -> NameTable:
    names = ("name", "classes", "special", "offset", "alone")
    return NameTable({"weights": [0.4, 0.1], "names": [dict(zip(names, row, strict=True)) for row in ROWS]})


def logits(**classes: float) -> np.ndarray:
    """Three seconds (3, 5) in which nothing is heard but the classes named: c1=0 is the logit of class 1."""
    heard = QUIET[:3].copy()
    for name, value in classes.items():
        heard[:, int(name[1:])] = value
    return heard


def names(sounds: tuple[Sound, ...]) -> list[str]:
    return [sound.name for sound in sounds]


def test_the_most_special_of_sure_names_is_given(table):
    assert names(table.sounds(logits(c1=0), QUIET)) == ["dog"]
    assert names(table.sounds(logits(c2=0), QUIET)) == ["animal"]
    assert names(table.sounds(logits(c1=0, c3=1), QUIET)) == ["speech", "dog"]
    assert table.sounds(logits(c4=5), QUIET) == table.sounds(logits(c1=-7), QUIET) == ()


def test_what_is_heard_anyway_is_named_only_where_nothing_else_is(table):
    def within_itself(seconds: np.ndarray) -> tuple[Sound, ...]:
        return table.sounds(seconds, seconds)

    assert within_itself(logits(c3=5)) == (Sound("speech", 0.8),)
    assert within_itself(logits(c3=3)) == ()  # so that there may be something else
    assert within_itself(logits(c2=5)) == ()  # an animal may not
    assert names(table.sounds(logits(c3=5, c2=1), logits(c3=5))) == ["animal"]
    assert names(table.sounds(logits(c3=5), np.empty((0, 5)))) == ["speech"]  # no background at all


def test_surroundings_leave_out_all_highlights():
    where = Surroundings.of([(10.5, 12), (17, 19.2)], duration=29.4)
    assert where.inside == [[10, 11], [17, 18, 19]]
    assert where.around == [[5, 6, 7, 8, 13, 14, 15, 16], [12, 13, 14, 15, 21, 22, 23, 24]]
    assert {0, 29} <= set(where.film) and not set(where.film) & {10, 11, 17, 18, 19}


def test_parts_are_heard_as_in_the_whole_film(tmp_path):
    rng = np.random.default_rng(0)
    noise = (rng.standard_normal(16000 * 37) * np.repeat(rng.uniform(0, 0.2, 37), 16000)).astype(np.float32)
    noise[16000 * 33 : 16000 * 34] = 0
    film = probe(make_film(tmp_path / "film.wav", sounds=[(0, noise)], rate=16000))
    encoder = load_encoder("semantic", EncoderChoice("yamnet"))
    wanted = {0, 2, 3, 33, 36}
    heard = dict(hear(encoder, film, wanted))
    assert set(heard) == wanted and heard[33].max() == sound_names.NOTHING
    whole = torch.cat([torch.from_numpy(chunk.waveform) for chunk in stream_segments(film)])
    seconds = sorted(wanted - {33})
    expected = encoder.class_logits(encoder(encoder.in_context(whole)[seconds]))
    np.testing.assert_allclose(np.stack([heard[s] for s in seconds]), expected, atol=1e-3)


def test_films_are_named_and_nothing_is_heard_twice(tmp_path, monkeypatch):
    film = film_with_sound(tmp_path / "film.mp4", np.random.default_rng(0).uniform(-0.2, 0.2, 16000 * 12), 12)
    asked = []

    def fake(encoder, film, seconds, limits):
        asked.append(seconds)
        return ((second, np.full(521, -9.0) + 12 * (second == 5) * np.eye(521)[0]) for second in seconds)

    monkeypatch.setattr(sound_names, "hear", fake)
    result = replace(result_of([(5, 7), (9, 10)], duration=12), source=film)
    heard: sound_names.Logits = {}
    named = SoundNamer().name(result, heard)
    assert [names(one.sounds) for one in named.highlights] == [["speech"], []] and named.listened
    again = SoundNamer().name(result, heard)
    assert again.highlights == named.highlights and asked == [set(heard), set()]


@pytest.mark.parametrize("silent", [True, False], ids=["silent", "without sound"])
def test_films_without_sound_have_no_names(tmp_path, silent):
    if silent:
        film = film_with_sound(tmp_path / "film.mp4", np.zeros(16000 * 4, np.float32), 4)
    else:
        film = make_film(tmp_path / "film.mp4", times=np.arange(4) / 1.0, fps=1)
    result = replace(result_of([(1, 3)], duration=4), source=film)
    assert [one.sounds for one in SoundNamer().name(result).highlights] == [()]


def test_the_packaged_table_fits_the_network():
    table = NameTable.load()
    assert len(set(table.names)) == len(table.names) >= 40
    assert (
        Highlight(0, 1, 0, 0, sounds=table.sounds(np.full((1, 521), -20.0), np.empty((0, 521)))).sounds == ()
    )
