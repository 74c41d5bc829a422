"""Where edges go, by numbers alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modeling_davihd.edges import TINY, Around, Found, Rules, chosen, sights, with_room

FILM = 60.0
EDGE = 20.0


def start_of(around: Around, rules: Rules | None = None, middle: float = 25.0) -> tuple[float, str | None]:
    """Where the start of a highlight from 20 s to 30 s goes, and to what."""
    found = Found(EDGE, 30.0, middle)
    [(start, end)] = chosen([found], [(around, Around())], rules or Rules(FILM, 2, 30))
    assert (end.time, end.at) == (30.0, None)
    return start.time, start.at


def shots(*times: float) -> tuple[tuple[float, float], ...]:
    return tuple((time, time) for time in times)


@pytest.mark.parametrize(
    ("around", "time", "at"),
    [
        (Around(), EDGE, None),
        (Around(shots(18.9, 19.6, 20.5, 21.1)), 19.6, "shot"),
        (Around(shots(18.9, 21.1)), EDGE, None),
        (Around(words=((18, 20.6), (21, 25))), 20.8, "pause"),  # the middle of it
        (Around(words=((18, 19.5), (20.1, 25))), 19.8, "pause"),  # also for an edge that is in it
        (Around(shots(20.9), ((18, 20.6), (21, 25))), 20.9, "shot"),
        (Around(shots(19.9), ((18, 20.6), (21, 25))), 20.8, "pause"),  # the shot change is in a word
        (Around(shots(19.9, 20.7), ((18, 20.6), (21, 25))), 20.7, "shot"),
        (Around(words=((10, 20.6),)), 20.85, "pause"),  # a pause without an end: clear of the word
        (Around(words=((10, 15), (21.5, 30))), EDGE, None),  # so long that it is clear of words already
        (Around(words=((10, 19.9),)), 20.15, "pause"),
        (Around(words=((10, 23),)), 23.25, "pause"),  # farther than usual, to be out of a word
        (Around(shots(20.3), ((10, 24.5),)), 20.3, "shot"),  # no way out of the word
        (Around(words=((10, 26),)), EDGE, None),
        (
            Around(words=((18, 20.1), (20.2, 21), (21.3, 25))),
            21.15,
            "pause",
        ),  # rather than hardly between words
        (Around(words=((10, 20.1), (20.2, 22), (22.3, 25))), 20.15, "pause"),
        (Around(((19.4, 19.7),)), 19.7, "shot"),  # a flash: the start is after it
        (Around(shots(21.2), ((18, 21), (21.4, 25))), 21.2, "shot"),  # none of the shot before in a pause
    ],
)
def test_where_a_start_goes(around, time, at):
    assert start_of(around) == (pytest.approx(time), at)


def test_changes_of_shots_are_looked_for_where_an_edge_may_go():
    assert sights(EDGE, Around()) == [(18.75, 21.25)]
    words = ((10, 18.4), (18.6, 21.3), (21.5, 25), (26, 30))  # the last pause is too far away
    assert sights(EDGE, Around(words=words)) == [pytest.approx((18.25, 21.65))]


def test_limits_keep_edges_from_going_there():
    around = Around(shots(19.5), ((18, 19.4), (19.6, 20.2), (20.4, 25)))
    assert start_of(around) == (19.5, "shot")
    assert start_of(around, Rules(FILM, 2, 10)) == (pytest.approx(20.3), "pause")
    assert start_of(around, Rules(FILM, 2, 30, total=10)) == (pytest.approx(20.3), "pause")
    assert start_of(Around(shots(20.6)), Rules(FILM, 10, 30)) == (EDGE, None)
    assert start_of(Around(shots(20.6)), middle=20.5) == (EDGE, None)  # the peak would be lost


def test_ends_go_to_where_the_old_shot_is_over():
    flash = Around(((29.8, 30.1),))
    [(_, end)] = chosen([Found(20, 30, 25)], [(Around(), flash)], Rules(FILM, 2, 30))
    assert (end.time, end.at) == (29.8, "shot")


def test_neighbours_share_a_change_of_shots():
    at = Around(shots(30.4))
    pairs = chosen(
        [Found(20, 30, 25), Found(30, 40, 35)], [(Around(), at), (at, Around())], Rules(FILM, 2, 30)
    )
    assert [(start.time, end.time) for start, end in pairs] == [(20, 30.4), (30.4, 40)]


def test_room_is_shared_and_ends_with_the_film():
    spans = [(0.5, 3.0), (4.0, 6.0), (6.0, 9.5)]
    assert with_room(spans, 1, 3, 10) == [(0, 3.75), (3.75, 6), (6, 10)]
    assert with_room(spans, 0.25, 0.25, 10) == [(0.25, 3.25), (3.75, 6), (6, 9.75)]
    assert with_room(spans, 0, 0, 10) == spans and with_room([], 1, 1, 10) == []


tenths = st.integers(0, 600).map(lambda n: n / 10)


@st.composite
def films(draw):
    """Disjoint highlights in order, with what is around their edges, and rules."""
    times = sorted(draw(st.lists(tenths, min_size=2, max_size=8, unique=True)))
    pairs = list(zip(times[::2], times[1::2], strict=False))
    found = [Found(a, b, a + (b - a) * draw(st.floats(0, 1))) for a, b in pairs]
    changes = draw(st.lists(tenths, max_size=30, unique=True))
    borders = sorted(draw(st.lists(tenths, max_size=60, unique=True)))
    around = Around(shots(*sorted(changes)), tuple(zip(borders[::2], borders[1::2], strict=False)))
    shortest = draw(st.floats(0.1, 10))  # of those that are found, some are shorter, some longer than allowed
    longest = draw(st.floats(shortest, 20))
    total = draw(st.none() | st.floats(0, 10).map(lambda more: more + sum(one.length for one in found)))
    return found, around, Rules(FILM, shortest, longest, total)


@given(films(), st.floats(0, 5), st.floats(0, 5))
def test_rules_hold_for_any_film(film, before, after):
    found, around, rules = film
    pairs = chosen(found, [(around, around)] * len(found), rules)
    spans = [(start.time, end.time) for start, end in pairs]
    for one, (start, end) in zip(found, spans, strict=True):
        assert 0 <= start <= one.middle <= end <= FILM
        assert end - start >= min(rules.shortest, one.length) - TINY
        assert end - start <= max(rules.longest, one.length) + TINY
        for edge, place in ((one.start, start), (one.end, end)):
            assert around.in_word(edge) or not around.in_word(place)
    assert rules.total is None or sum(end - start for start, end in spans) <= rules.total + 1e-6
    roomy = with_room(spans, before, after, FILM)
    for limits in (spans, roomy):
        times = [time for span in limits for time in span]
        assert all(a <= b + TINY for a, b in zip(times, times[1:], strict=False)) and times[0] >= 0
        assert times[-1] <= FILM + TINY
