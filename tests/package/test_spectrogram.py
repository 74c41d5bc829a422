import numpy as np
import pytest

from modeling_davihd.writers.spectrogram import abrupt_changes, averaged, brightness


def test_pictures_mark_rare_changes_fully_and_even_attention_not_at_all():
    attention = np.full((1000, 40), 1e-3, np.float32)
    assert not abrupt_changes(attention + np.float32(1e-10)).any()
    assert not abrupt_changes(0 * attention).any()
    attention[500:503, :8] = 0.1
    marks = abrupt_changes(attention)
    assert marks.shape == (32, 350) and marks[0, 175] == 1 and (marks > 0).mean() < 0.002
    assert abrupt_changes(attention[:100]).shape == (32, 100)
    attention = np.linspace(0, 1, 350 * 32).reshape(350, 32)
    assert (abrupt_changes(attention) > 0).mean() == pytest.approx(0.05, abs=1e-3)
    assert (abrupt_changes(attention) == 1).mean() == pytest.approx(0.015, abs=1e-3)


def test_averages_are_those_of_the_columns_that_a_column_covers():
    picture = np.arange(20.0).reshape(2, 10)
    np.testing.assert_allclose(averaged(picture, 3), [[1, 4, 7.5], [11, 14, 17.5]])
    np.testing.assert_array_equal(averaged(picture, 99), picture)


def test_brightness_goes_from_the_background_to_the_loudest():
    sound = np.random.default_rng(0).normal(-8, 2, (128, 500))
    shown = brightness(sound)
    assert shown.min() == 0 and shown.max() == 1 and 0.3 < np.median(shown) < 0.5
    assert not brightness(np.full((8, 8), -18.4)).any()
