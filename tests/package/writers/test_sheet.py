import dataclasses

import av
import numpy as np
import pytest
from films import make_film, tone
from results import result_of, written

from modeling_davihd.media import write_film
from modeling_davihd.writers import WriterError, write_outputs
from modeling_davihd.writers.sheet import CELL, HEADING, THUMBNAIL

COLOURS = np.array([[200, 30, 30], [30, 160, 30], [30, 30, 200], [220, 220, 40], [20, 200, 200], [240] * 3])


def read(path) -> np.ndarray:
    """A picture as int (H, W, 3)."""
    with av.open(str(path)) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24").astype(int)


def test_the_sheet_shows_each_highlight_at_its_peak(tmp_path):
    """Upright pictures twice as high as wide, of one colour in each second."""
    pictures = (np.full((160, 80, 3), COLOURS[second], np.uint8) for second in range(6) for _ in range(5))
    write_film(tmp_path / "match.mp4", pictures, None, fps=5, sampling_rate=16000)
    result = result_of([(second, second + 1) for second in range(6)], duration=6.0, name="$match_1$.mp4")
    result = dataclasses.replace(result, source=tmp_path / "match.mp4")
    path = written(result, tmp_path, "sheet")
    assert path.name == "match.highlights.sheet.jpg"
    sheet = read(path)
    assert sheet.shape == (2 * CELL[1] + HEADING, 4 * CELL[0], 3)
    for place, colour in enumerate(COLOURS):
        top, left = HEADING + place // 4 * CELL[1] + 6, place % 4 * CELL[0] + 6
        inside = sheet[top + 10 : top + THUMBNAIL[1] - 10, left + 10 : left + 80]
        assert np.abs(inside - colour).max() < 30
        assert sheet[top + THUMBNAIL[1] + 4 : top + THUMBNAIL[1] + 16, left : left + 200].min() < 80  # words


def test_a_film_without_picture_has_no_sheet_and_one_without_highlights_neither(tmp_path):
    tape = make_film(tmp_path / "match.wav", sounds=[(0.0, tone(2, 16000))], rate=16000)
    result = dataclasses.replace(result_of([(0, 1)], duration=2.0), source=tape)
    with pytest.raises(WriterError, match="match.wav: has no picture"):
        write_outputs(result, tmp_path, ["sheet"])
    assert write_outputs(dataclasses.replace(result, highlights=[]), tmp_path, ["sheet"]) == []
    assert [path.name for path in tmp_path.iterdir()] == ["match.wav"]
