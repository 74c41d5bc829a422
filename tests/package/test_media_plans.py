"""What a reel shows, and when."""

from fractions import Fraction
from pathlib import Path

import pytest

from modeling_davihd.media import MediaInfo, Plan, Shot, pieces_in_reel


def film(name: str, fps: float | None = 25.0, nominal: float | None = None) -> MediaInfo:
    return MediaInfo(Path(name), 60.0, fps is not None, True, fps=fps, nominal_fps=nominal or fps)


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ([(24, 24), (25, 25)], 25),
        ([(30000 / 1001, 30000 / 1001), (25, 25)], Fraction(30000, 1001)),
        ([(25, 25), (120, 120)], 60),
        ([(27.3, 90000), (24, 24)], 27),
        ([(None, None), (12, 12)], 12),
        ([(None, None), (None, None)], 25),
    ],
)
def test_films_get_the_highest_of_their_rates(rates, expected):
    shots = [Shot(film(f"{number}.mp4", *rate), 1.0, 2.0) for number, rate in enumerate(rates)]
    assert Plan.of(shots).rate == expected


def test_a_film_alone_keeps_its_own_times_unless_it_dissolves():
    shots = [Shot(film("a.mp4"), 1.01, 2.0), Shot(film("a.mp4"), 5, 8)]
    assert Plan.of(shots).rate is None and Plan.of(shots[:1], fade=1).rate is None
    assert Plan.of(shots, fade=1).rate == 25


def test_pieces_that_dissolve_count_to_the_middle_of_that():
    segments = [(10, 14), (20, 24), (24, 25), (40, 40.4)]
    pieces = pieces_in_reel(film("a.mp4"), segments, fade=1)
    lengths = [end - start for start, end in pieces]
    # The third goes on where the second ended. Of the last, which is short, half may dissolve: five frames.
    expected = [(10, 13.48), (20.48, 24), (24, 24.88), (40.08, 40.4)]
    assert [edge for piece in pieces for edge in piece] == pytest.approx(
        [edge for piece in expected for edge in piece]
    )
    parts = Plan.of([Shot(film("a.mp4"), *one) for one in segments], fade=1).parts
    assert [part.over for part in parts] == [0, 25, 0, 5]
    assert sum(lengths) == pytest.approx(sum(part.frames - part.over for part in parts) / 25)
    assert pieces_in_reel(film("a.mp4"), []) == []
