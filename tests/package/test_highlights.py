import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import find_peaks, peak_widths

from modeling_davihd.highlights import (
    GROWTH,
    Calibration,
    Highlight,
    _extent,
    _peaks,
    clip_highlights,
    find_highlights,
)

CURVES = st.lists(st.integers(0, 1000), min_size=1, max_size=120).map(lambda values: np.array(values) / 1000)
LIMITS = st.tuples(st.integers(1, 12), st.integers(0, 30)).map(lambda pair: (pair[0], pair[0] + pair[1]))
CUTS = st.lists(st.floats(0, 120), max_size=40)


def bumps(length, *events, floor=0.1):
    """A quiet film with (start, end, score) events."""
    scores = np.full(length, floor)
    for start, end, score in events:
        scores[start:end] = score
    return scores


def spans(highlights):
    return [(h.start, h.end) for h in highlights]


def kept_value(scores, highlights):
    return sum((h.score - scores.min()) * (h.end - h.start) for h in highlights)


def test_one_second_spike_becomes_a_shortest_clip_with_lead_in():
    scores = bumps(60, (30, 31, 0.9))
    assert spans(find_highlights(scores)) == [(29, 31)]
    assert spans(find_highlights(scores, min_length=5)) == [(28, 33)]
    assert find_highlights(scores)[0].peak == 30


def test_spike_at_either_end_stays_inside_the_film():
    assert spans(find_highlights(bumps(40, (0, 1, 1)), min_length=4)) == [(0, 4)]
    assert spans(find_highlights(bumps(40, (39, 40, 1)), min_length=4)) == [(36, 40)]


def test_broad_event_becomes_a_clip_of_its_own_length():
    assert spans(find_highlights(bumps(100, (40, 52, 0.8)))) == [(40, 52)]


def test_clip_grows_to_half_the_height_of_its_peak():
    seconds = np.arange(200)
    scores = 0.2 + 0.6 * np.exp(-0.5 * ((seconds - 100) / 5) ** 2)
    [highlight] = find_highlights(scores)
    half_width = 5 * np.sqrt(2 * np.log(2))
    assert highlight.start == pytest.approx(100 - half_width, abs=1.5)
    assert highlight.end == pytest.approx(101 + half_width, abs=1.5)


def test_too_broad_an_event_keeps_its_best_stretch():
    scores = bumps(200, (20, 120, 0.7), (80, 90, 0.9))
    [best] = find_highlights(scores, max_length=20, top_k=1)
    assert best.end - best.start == 20
    assert best.start <= 80 and best.end >= 90


def test_one_silent_start_does_not_widen_the_clips():
    scores = bumps(200, (0, 3, 0.0), (100, 106, 1.0), floor=0.6)
    assert spans(find_highlights(scores)) == [(100, 106)]


def test_only_real_peaks_come_back_however_many_are_asked_for():
    scores = bumps(300, (50, 55, 0.9), (150, 155, 0.8), (250, 255, 0.7))
    assert spans(find_highlights(scores, top_k=5)) == [(50, 55), (150, 155), (250, 255)]
    assert spans(find_highlights(scores, top_k=2)) == [(50, 55), (150, 155)]


def test_lesser_peaks_come_only_on_request():
    scores = bumps(300, (50, 55, 0.9), (150, 155, 0.3))
    assert spans(find_highlights(scores)) == [(50, 55)]
    assert spans(find_highlights(scores, top_k=5)) == [(50, 55), (150, 155)]


def test_events_that_fill_half_a_film_hide_none_of_the_others():
    busy = [(start, start + 10, 0.9) for start in range(4, 150, 18)]
    scores = bumps(176, *busy, (168, 172, 0.5))
    assert spans(find_highlights(scores, top_k=20)) == [*[(start, end) for start, end, _ in busy], (168, 172)]


def test_two_events_three_seconds_apart_are_two():
    scores = bumps(60, (30, 31, 0.9), (33, 34, 0.8))
    assert spans(find_highlights(scores, top_k=2, merge_gap=0)) == [(29, 31), (32, 34)]


def test_automatic_choice_stops_at_its_share_of_the_film_and_at_ten():
    many = bumps(4000, *[(i, i + 5, 0.9) for i in range(20, 4000, 40)])
    assert spans(find_highlights(many)) == [(i, i + 5) for i in range(20, 420, 40)]
    dense = bumps(200, *[(i, i + 5, 0.9) for i in range(5, 200, 20)])
    assert spans(find_highlights(dense)) == [(i, i + 5) for i in range(5, 125, 20)]
    short = bumps(50, *[(i, i + 5, 0.9) for i in range(2, 50, 10)])
    assert spans(find_highlights(short)) == [(2, 7), (12, 17), (22, 27)]


def test_near_neighbours_become_one_clip_only_if_it_fits():
    scores = bumps(100, (40, 45, 0.9), (48, 53, 0.8))
    apart = [(40, 45), (48, 53)]
    assert spans(find_highlights(scores, merge_gap=2)) == apart
    assert spans(find_highlights(scores, merge_gap=3)) == [(40, 53)]
    assert spans(find_highlights(scores, merge_gap=3, max_length=12)) == apart


def test_edges_move_to_boundaries_within_a_second():
    scores = bumps(100, (40, 50, 0.9))
    assert spans(find_highlights(scores, boundaries=[70.0, 50.4, 39.3, 10.0])) == [(39.3, 50.4)]
    assert spans(find_highlights(scores, boundaries=[38.9, 51.1])) == [(40, 50)]
    [highlight] = find_highlights(scores, boundaries=[39.5])
    assert highlight.score == pytest.approx((0.5 * 0.1 + 10 * 0.9) / 10.5)


def test_boundaries_never_break_the_limits():
    scores = bumps(100, (40, 50, 0.9))
    assert spans(find_highlights(scores, max_length=10, boundaries=[39.5, 50.6])) == [(40, 50)]
    assert spans(find_highlights(scores, max_length=10, boundaries=[40.5, 50.4])) == [(40.5, 50.4)]
    assert spans(find_highlights(scores, max_length=10.5, boundaries=[39.6, 50.5])) == [(39.6, 50)]


def test_duration_is_filled_with_the_best_subset():
    scores = bumps(300, (50, 60, 0.9), (150, 157, 0.8), (250, 257, 0.8))
    assert spans(find_highlights(scores, duration=14)) == [(150, 157), (250, 257)]
    assert spans(find_highlights(scores, duration=23)) == [(50, 60), (150, 157)]
    assert len(find_highlights(scores, duration=24)) == 3
    assert spans(find_highlights(scores, duration=24, top_k=2)) == [(50, 60), (150, 157)]


def test_best_clip_is_shortened_when_none_fits():
    scores = bumps(300, (50, 60, 0.9), (150, 162, 0.8))
    [highlight] = find_highlights(scores, duration=6)
    assert highlight.end - highlight.start == 6 and highlight.score == pytest.approx(0.9)
    assert find_highlights(scores, duration=6, min_length=8) == []


def test_ties_go_to_the_earlier_clip():
    scores = bumps(100, (20, 25, 0.9), (60, 65, 0.9))
    assert spans(find_highlights(scores, top_k=1)) == [(20, 25)]
    assert spans(find_highlights(scores, duration=5)) == [(20, 25)]


def test_score_and_peak_describe_the_clip():
    scores = bumps(50, (20, 24, 0.6))
    scores[22] = 0.9
    [highlight] = find_highlights(scores)
    assert highlight.as_dict() == {"start": 20.0, "end": 24.0, "score": pytest.approx(0.675), "peak": 22.0}
    assert {type(value) for value in highlight.as_dict().values()} == {float}


def test_a_film_needs_one_highlight_that_reaches_the_level():
    scores = bumps(300, (50, 55, 0.9), (150, 155, 0.5))
    both = [(50, 55), (150, 155)]
    assert spans(find_highlights(scores)) == spans(find_highlights(scores, level=0.89)) == both
    assert find_highlights(scores, level=0.91) == []


@pytest.mark.parametrize("options", [{"top_k": 1}, {"duration": 5}])
def test_who_asks_for_highlights_gets_them_whatever_the_level(options):
    scores = bumps(300, (50, 55, 0.9))
    assert find_highlights(scores, level=5, **options) == find_highlights(scores, **options) != []


def test_confidence_is_the_share_of_right_picks_of_that_score():
    calibration = Calibration(confidence=[[0.2, 0.5], [0.6, 0.9]])
    for score, confidence in ((0.15, 0.5), (0.3, 0.6), (0.45, 0.75), (0.9, 0.9)):
        [highlight] = calibration.find(bumps(100, (40, 45, score)), top_k=1)
        assert highlight.as_dict()["confidence"] == highlight.confidence == confidence


def test_a_calibration_has_a_level_that_a_search_may_replace():
    scores = bumps(100, (40, 45, 0.5))
    assert Calibration(level=0.6).find(scores) == []
    [highlight] = Calibration(level=0.6).find(scores, level=0.4)
    assert highlight.confidence is None and "confidence" not in highlight.as_dict()


@pytest.mark.parametrize("length", [1, 2, 7, 500])
def test_a_flat_film_has_no_highlights(length):
    assert find_highlights(np.full(length, 0.7)) == []
    noise = np.random.default_rng(0).uniform(-3e-8, 3e-8, length)
    assert find_highlights((0.7 + noise).astype(np.float32), top_k=3) == []


@pytest.mark.parametrize(
    "seconds, asked, found",
    [
        (60, {"top_k": 3}, [(7.5, 12.5), (27.5, 32.5), (47.5, 52.5)]),
        (1000, {"top_k": 2}, [(235, 265), (735, 765)]),
        (6, {"top_k": 3}, [(0, 2), (2, 4), (4, 6)]),
        (5, {"top_k": 3}, [(0, 2.5), (2.5, 5)]),
        (1, {"top_k": 3}, [(0, 1)]),
        (60, {"top_k": 2, "duration": 12, "max_length": 4}, [(13, 17), (43, 47)]),
        (40, {"duration": 20}, [(2 * start + 1, 2 * start + 3) for start in range(0, 20, 2)]),
        (30, {"duration": 1}, []),
    ],
)
def test_highlights_that_are_asked_for_of_a_flat_film_lie_evenly(seconds, asked, found):
    calibration = Calibration(level=0.7, confidence=[[0.2, 0.1], [0.6, 0.9]])
    highlights = calibration.find(np.full(seconds, 0.2), **asked)
    assert spans(highlights) == found
    assert all((one.score, one.confidence) == (pytest.approx(0.2), 0.1) for one in highlights)
    assert calibration.find(np.full(seconds, 0.8)) == []


def test_much_of_a_flat_film_can_be_asked_for():
    found = Calibration().find(np.zeros(1000), duration=600)
    assert sum(one.end - one.start for one in found) == pytest.approx(600)
    assert {one.end - one.start for one in found} == {30}


@pytest.mark.parametrize("top_k", [7, 11, 13])
def test_all_of_a_flat_film_can_be_asked_for(top_k):
    """Where rounding would have the last one end after the film."""
    found = Calibration().find(np.zeros(5), top_k=top_k, min_length=0.3)
    assert len(found) == top_k and 4.999 < found[-1].end <= 5


def test_a_film_shorter_than_the_shortest_clip_is_one_clip():
    assert spans(find_highlights([0.1, 0.9, 0.3], min_length=10)) == [(0, 3)]


def test_a_partial_last_second_ends_with_the_film():
    whole = find_highlights(bumps(10, (7, 10, 0.9)))
    assert spans(whole) == [(7, 10)]
    assert clip_highlights(whole, 9.4) == [replace(whole[0], end=9.4)]


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ({"scores": [0.1, np.nan, 0.2]}, ["scores[1]", "nan"]),
        ({"scores": [0.1, 0.2, -np.inf]}, ["scores[2]", "-inf"]),
        ({"scores": []}, ["scores", "(0,)", "(T,)"]),
        ({"scores": [[0.1, 0.2]]}, ["scores", "(1, 2)", "(T,)"]),
        ({"scores": ["a"]}, ["scores", "numbers"]),
        ({"top_k": 0}, ["top_k", "0"]),
        ({"top_k": 1.5}, ["top_k", "1.5"]),
        ({"duration": -3}, ["duration", "-3"]),
        ({"duration": np.nan}, ["duration", "nan"]),
        ({"min_length": 0}, ["min_length", "0"]),
        ({"min_length": 1e-300, "max_length": 1e-300}, ["min_length", "0.001", "1e-300"]),
        ({"max_length": -1}, ["max_length", "-1"]),
        ({"max_length": 1}, ["max_length", "min_length (2)", "1"]),
        ({"merge_gap": -0.5}, ["merge_gap", "-0.5"]),
        ({"merge_gap": "wide"}, ["merge_gap", "wide"]),
        ({"boundaries": [1.0, np.inf]}, ["boundaries[1]", "inf"]),
        ({"boundaries": 3.0}, ["boundaries", "(N,)"]),
        ({"level": np.nan}, ["level", "nan"]),
        ({"level": "high"}, ["level", "high"]),
    ],
)
def test_unusable_arguments_are_named(arguments, names):
    with pytest.raises(ValueError) as error:
        find_highlights(**{"scores": [0.1, 0.9, 0.2], **arguments})
    assert all(name in str(error.value) for name in names)


@settings(max_examples=200, deadline=None)
@given(CURVES, LIMITS, st.integers(0, 5), CUTS, st.none() | st.integers(1, 6), st.none() | st.floats(0.5, 90))
def test_every_promise_holds(scores, limits, gap, cuts, top_k, duration):
    shortest, longest = limits
    options = {"min_length": shortest, "max_length": longest, "merge_gap": gap, "boundaries": cuts}
    found = find_highlights(scores, top_k=top_k, duration=duration, **options)
    edges = [edge for span in spans(found) for edge in span]
    assert edges == sorted(edges) and all(0 <= edge <= len(scores) for edge in edges)
    for highlight in found:
        length = highlight.end - highlight.start
        assert min(shortest, len(scores)) <= length <= longest
        assert highlight.start <= highlight.peak < highlight.end
        assert scores.min() - 1e-9 <= highlight.score <= scores.max() + 1e-9
    assert top_k is None or len(found) <= top_k
    if duration is not None:
        assert sum(h.end - h.start for h in found) <= duration + 1e-9
    fits = duration is None or duration >= min(shortest, len(scores))
    assert bool(found) == (fits and np.ptp(scores) > 0)


@settings(max_examples=100, deadline=None)
@given(CURVES, CUTS, st.floats(1, 60), st.floats(0, 30), st.none() | st.integers(1, 6))
def test_more_time_never_keeps_less(scores, cuts, duration, more, top_k):
    options = {"boundaries": cuts, "top_k": top_k}
    less = find_highlights(scores, duration=duration, **options)
    longer = find_highlights(scores, duration=duration + more, **options)
    assert kept_value(scores, longer) >= kept_value(scores, less) - 1e-5


@settings(max_examples=100, deadline=None)
@given(CURVES, st.floats(1e-3, 1e3), st.floats(-10, 10), st.sampled_from([{}, {"top_k": 3}, {"duration": 9}]))
def test_scale_and_offset_do_not_matter(scores, scale, offset, options):
    plain = find_highlights(scores, **options)
    moved = find_highlights(scores * scale + offset * scale, **options)
    assert spans(moved) == spans(plain)
    assert [h.peak for h in moved] == [h.peak for h in plain]


@pytest.mark.parametrize(
    ("start", "end", "peak", "middle"),
    [(3, 9, 5, 5.5), (5.4, 9, 5.4, 5.7), (3, 5.2, 5, 5.1), (3, 9, np.nan, 6), (3, 5, 6, 5)],
)
def test_the_middle_is_that_of_what_there_is_of_the_peak(start, end, peak, middle):
    assert Highlight(start, end, 0.5, peak).middle == pytest.approx(middle)


def test_two_hours_take_a_fraction_of_a_second():
    rng = np.random.default_rng(1)
    scores, cuts = rng.random(7200), np.sort(rng.uniform(0, 7200, 1500))
    start = time.process_time()
    assert find_highlights(scores, duration=1080, boundaries=cuts)
    assert time.process_time() - start < 1.0


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=60).map(lambda levels: np.pad(levels, 1)))
def test_peaks_and_their_widths_are_those_of_scipy(curve):
    tops, prominences = _peaks(curve)
    expected, found = find_peaks(curve, prominence=1)
    np.testing.assert_array_equal(tops, expected)
    np.testing.assert_array_equal(prominences, found["prominences"])
    _, heights, left, right = peak_widths(curve, expected, GROWTH)
    extents = [_extent(curve, top, height) for top, height in zip(tops, heights, strict=True)]
    assert extents == list(zip(np.ceil(left) - 1, np.floor(right), strict=True))
