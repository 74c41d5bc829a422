import math

import numpy as np

from examples.training import rules


def test_sound_rules_follow_the_sound():
    log_mel = np.full((math.ceil(62.5 * 20), 128), -10.0)
    log_mel[625:750] = 0.0  # seconds 10 and 11
    scores = rules.sound_scores(log_mel, 20)
    assert scores["loudness"].argmax() in (10, 11)
    assert scores["loudness, 5 s mean"].argmax() in range(9, 13)
    assert scores["spectral flux, 5 s mean"].argmax() in range(8, 13)
    assert all(np.isfinite(score).all() and score.shape == (20,) for score in scores.values())


def test_one_frame_a_second_will_do():
    log_mel = np.full((7, 128), -10.0)
    log_mel[4] = 0.0
    assert rules.sound_scores(log_mel, 7)["loudness"].argmax() == 4


def test_centre():
    scores = rules.centre_scores(5)
    assert scores.argmax() == 2
    np.testing.assert_array_equal(scores, scores[::-1])


def test_scores_without_negatives_keep_their_order_and_ties():
    scores = rules.without_negatives(rules.centre_scores(6))
    assert scores.tolist() == [0, 2, 4, 4, 2, 0]
    assert rules.without_negatives(np.array([0.5, 0.25])).tolist() == [0.5, 0.25]


def test_the_profile_is_the_mean_over_places():
    rising = [np.linspace(0, 1, length) for length in (7, 120, 333)]
    profile = rules.position_profile(rising)
    np.testing.assert_allclose(rules.stretched(profile, 50), np.linspace(0, 1, 50), atol=1e-12)
    np.testing.assert_allclose(rules.position_profile([np.full(3, 0.4)]), 0.4)


def test_in_the_profile_every_video_counts_once():
    long, short = np.zeros(300), np.ones(3)
    np.testing.assert_allclose(rules.position_profile([long, short]), 0.5)


def test_random_scores_are_those_of_the_seed():
    assert np.array_equal(rules.random_scores(9, 4), rules.random_scores(9, 4))
    assert not np.array_equal(rules.random_scores(9, 4), rules.random_scores(9, 5))
