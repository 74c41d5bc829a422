"""Which pictures of a film are decoded where a few a second are wanted."""

import math
from contextlib import closing

import numpy as np
import pytest
from film_contents import decode, numbers, shown
from films import damage, make_film

from modeling_davihd.media import FrameSampling, probe
from modeling_davihd.media_thinning import Nearest
from modeling_davihd.media_tracks import Track

EVEN = np.arange(200) / 25
UNEVEN = np.cumsum(np.random.default_rng(0).geometric(0.4, 200)) / 25


def sampled(path, rate: int) -> list[int]:
    """The numbers of the frames taken, `rate` a second."""
    _, frames, _ = decode(path, audio=False, frames=FrameSampling(rate, 60, 80))
    return [number for segment in numbers(frames) for number in segment]


def decoded(path, rate: int) -> int:
    """How many pictures are decoded for that."""
    with closing(Track(probe(path), "video")) as track:
        return sum(1 for _ in track.frames_nearest(rate))


@pytest.mark.parametrize("times", [EVEN, UNEVEN], ids=["even", "uneven"])
@pytest.mark.parametrize(
    ("name", "codec", "pixels", "most"),
    [
        ("film.mp4", "libx264", "yuv420p", 0.75),
        ("film.ts", "libx264", "yuv420p", 0.75),
        ("film.mov", "jpeg2000", "yuv420p", 0.15),
        ("film.mkv", "ffv1", "yuv420p", 1.0),
    ],
)
def test_frames_taken_of_a_film_are_those_of_it_decoded_whole(tmp_path, name, codec, pixels, most, times):
    path = make_film(tmp_path / name, times=times, video_codec=codec, pixel_format=pixels)
    frames, _ = shown(path)
    for rate in (1, 3):
        found = sampled(path, rate)
        wanted = (np.arange(len(found)) + 0.5) / rate + frames[0][0]
        away = np.abs(wanted[:, None] - [time for time, _ in frames])
        assert found == [frames[place][1] for place in (away.round(6)).argmin(1)]
    assert decoded(path, 1) <= most * len(times)


def test_beside_a_damaged_picture_the_nearest_that_is_left_is_taken(tmp_path):
    path = make_film(tmp_path / "film.mov", times=EVEN, video_codec="jpeg2000")
    whole = sampled(path, 1)
    damage(path, "video", 2.47, 2.53)  # frames 62 and 63
    assert sampled(path, 1) == [*whole[:2], 61, *whole[3:]]


def test_a_picture_counts_as_long_as_none_that_is_known_is_nearer():
    rng = np.random.default_rng(0)
    for rate in (1, 7):
        times = np.sort(rng.uniform(0, 9, 60))
        targets = (np.arange(math.floor(8 * rate)) + 0.5) / rate
        nearest = set(np.abs(targets[:, None] - times).argmin(1))
        pictures = Nearest(rate)
        for number in rng.permutation(60):
            pictures.know(times[number])
            assert number not in nearest or pictures.may_be(times[number])
        left = {number for number in range(60) if pictures.may_be(times[number])}
        assert nearest <= left
        assert all(times[number] > 7.5 for number in left - nearest)  # they may be nearest to what follows
