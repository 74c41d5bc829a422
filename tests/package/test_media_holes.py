"""Films of which a part in the middle is lost."""

import numpy as np
import pytest
from film_contents import SMALL, decode, numbers, shown
from films import click_times, clicks, make_film

from modeling_davihd.media import MediaWarning, cut_reel


@pytest.mark.parametrize("codec", ["mp2", "pcm_s16le"])
def test_after_a_hole_picture_and_sound_are_in_step(tmp_path, codec):
    path = make_film(
        tmp_path / "film.avi",
        times=np.arange(200) / 25,
        video_codec="mpeg4",
        sounds=[(0, clicks(8, 16000, np.arange(8) + 0.5))],
        rate=16000,
        audio_codec=codec,
    )
    whole_sound, whole_picture, whole_end = decode(path, frames=SMALL)
    content = bytearray(path.read_bytes())
    content[2 * len(content) // 5 : len(content) // 2] = bytes(len(content) // 2 - 2 * len(content) // 5)
    path.write_bytes(content)
    sound, picture, end = decode(path, frames=SMALL)
    assert end == whole_end and numbers(picture)[4:] == numbers(whole_picture)[4:]
    after = click_times(whole_sound, 16000)[4:]
    assert click_times(sound, 16000)[-4:] == pytest.approx(after, abs=0.002)
    with pytest.warns(MediaWarning, match="hole: of what was there from 3.. s to [34].. s, nothing is left"):
        cut_reel(path, [(2.5, 5), (6, 7)], tmp_path / "reel.mp4")
    frames, _ = shown(tmp_path / "reel.mp4")
    # From the first key frame after it on; the piece begins in the middle of frame 62, and so with the next.
    assert [(time, number) for time, number in frames if 1.91 < time < 2.47] == [
        (pytest.approx((number - 63) / 25, abs=1e-3), number) for number in range(111, 125)
    ]
    later = click_times(decode(tmp_path / "reel.mp4")[0], 16000)[-2:]
    assert later == pytest.approx([after[0] - 2.52, after[2] - 3.52], abs=0.004)
