"""Which highlights of many films get into one reel."""

from dataclasses import replace

import numpy as np
import pytest
from results import result_of

from modeling_davihd.highlights import Calibration, Highlight
from modeling_davihd.reels import Room, candidates, choose, prominence


def film(name, *highlights, scores=(0.0, 1.0)):
    """A film with highlights of 10 s, each of that score; median and deviation of its scores are 0.5."""
    result = replace(result_of([], duration=len(scores), name=name), scores=np.array(scores))
    found = [Highlight(20.0 * n, 20.0 * n + 10, score, 20.0 * n) for n, score in enumerate(highlights)]
    object.__setattr__(result, "highlights", found)
    return result


def names(picks):
    return [(pick.film.source.stem, pick.highlight.start) for pick in picks]


def test_prominence_is_in_units_of_the_films_own_spread():
    loud = film("loud", scores=[0.8, 0.9, 0.8, 0.9])
    quiet = film("quiet", scores=[0.1, 0.2, 0.1, 0.2])
    assert prominence(loud, Highlight(0, 1, 0.95, 0)) == pytest.approx(2)
    assert prominence(quiet, Highlight(0, 1, 0.25, 0)) == pytest.approx(2)


def test_the_most_prominent_are_taken_but_no_film_has_more_than_its_share():
    films = [film("a", 0.9, 0.8, 0.7), film("b", 0.6), film("c", 0.5, 0.65)]
    assert names(choose(films, Room(60))) == [("a", 0), ("a", 20), ("c", 20), ("b", 0), ("c", 0)]
    assert names(choose(films, Room(30))) == [("a", 0), ("c", 20), ("b", 0)]
    assert names(choose(films, Room(30, share=1))) == [("a", 0), ("a", 20), ("a", 40)]
    assert names(choose(films[:2], Room(40))) == [("a", 0), ("a", 20), ("b", 0)]  # half of it each
    assert names(choose(films[:1], Room(20))) == [("a", 0), ("a", 20)]
    assert names(choose([film("a", 0.6), film("b", 0.6)], Room(10, share=1))) == [("a", 0)]


def test_candidates_are_enough_for_a_reel_and_none_is_longer_than_a_films_share():
    peaks = np.zeros(300)
    peaks[20:36] = 1.0
    peaks[100::20] = 0.5
    result = replace(result_of([], duration=300), scores=peaks, calibration=Calibration(level=0.6))
    found = candidates(result, Room(30), films=5).highlights
    lengths = [one.end - one.start for one in found]
    assert max(lengths) == 10 and found[0].start == pytest.approx(23, abs=3)
    assert 30 <= sum(lengths) < 33 and found == sorted(found, key=lambda one: one.start)
    quiet = replace(result, scores=peaks / 2)
    assert candidates(quiet, Room(30), films=5).highlights == []
