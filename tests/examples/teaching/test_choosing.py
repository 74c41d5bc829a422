import numpy as np
import pytest

from examples.teaching.choosing import GATED, UNTAUGHT, WAYS, best_way, folds_of, gain_over
from examples.teaching.tuning import Studied

TRUTH = [np.array(chosen, bool) for chosen in ((0, 1, 0, 0), (0, 0, 0, 1), (0, 0, 0, 0), (1, 0, 0, 0))]
RIGHT = [truth + 0.0 for truth in TRUTH]
FLAT = [np.array([0.4, 0.3, 0.2, 0.1])] * 4


def film(chosen: np.ndarray) -> Studied:
    return Studied(None, 1.0, None, chosen, chosen)


@pytest.mark.parametrize(("count", "folds"), [(3, 3), (8, 8), (20, 8)])
def test_folds_leave_highlights_to_learn_from(count, folds):
    films = [film(np.array([number in (0, count - 1)])) for number in range(count)]
    found = folds_of(films)
    assert len(found) == folds
    assert sorted(sum(found, [])) == list(range(count))
    for held_out in found:
        assert any(one.chosen.any() for number, one in enumerate(films) if number not in held_out)


def test_a_gain_is_real_only_beyond_the_spread():
    assert gain_over(FLAT, RIGHT, TRUTH).is_real
    assert gain_over(FLAT, RIGHT, TRUTH).films == 3
    once = [RIGHT[0], *FLAT[1:]]
    assert gain_over(FLAT, once, TRUTH).mean > 0
    assert not gain_over(FLAT, once, TRUTH).is_real
    assert not gain_over(FLAT, FLAT, TRUTH).is_real


def test_of_equal_ways_the_simplest_is_best():
    assert best_way(dict.fromkeys(WAYS, FLAT), TRUTH)[0] == UNTAUGHT
    assert best_way({UNTAUGHT: FLAT, GATED: RIGHT}, TRUTH)[0] == GATED


def test_a_simpler_way_is_taken_unless_another_is_better_beyond_the_spread():
    nearly = [RIGHT[0], np.array([0.4, 0.3, 0.1, 0.2]), *RIGHT[2:]]  # one film of three is worse
    tuned = WAYS[2]
    assert best_way({UNTAUGHT: FLAT, GATED: nearly, tuned: RIGHT}, TRUTH)[0] == GATED
    assert best_way({UNTAUGHT: FLAT, GATED: [one[::-1] for one in RIGHT], tuned: RIGHT}, TRUTH)[0] == tuned
    assert best_way({UNTAUGHT: nearly, tuned: RIGHT}, TRUTH)[0] == tuned  # to be untaught is no way to teach
