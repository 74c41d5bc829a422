import numpy as np
import pytest
from PIL import Image
from results import result_of, written


def pixels(result, folder):
    path = written(result, folder, "png")
    assert path.name == f"{result.source.stem}.highlights.png"
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB")).astype(int)


def with_sound(duration=60.0, segments=((20, 35),), name="match.mp4"):
    seconds = int(np.ceil(duration))
    rng = np.random.default_rng(0)
    attention = np.full((seconds * 8, 16), 1e-4)
    attention[seconds * 4 : seconds * 4 + 6] = 1e-2
    sound = rng.normal(-8, 2, (128, min(62 * seconds, 5000)))
    return result_of(segments, duration, name, log_mel=sound, velocity_attention=attention)


def share(picture, rows, columns, wanted):
    """Share of the pixels of a part of the picture (in fractions of its size) that `wanted` accepts."""
    height, width = picture.shape[:2]
    part = picture[int(rows[0] * height) : int(rows[1] * height)]
    part = part[:, int(columns[0] * width) : int(columns[1] * width)]
    return wanted(*np.moveaxis(part, -1, 0)).mean()


def orange(red, green, blue):
    return (red > 150) & (red - blue > 40) & (red - green > 20)


def yellow(red, green, blue):
    return (red > 150) & (green > 130) & (red - blue > 90)


def test_picture_marks_the_highlights_and_the_abrupt_changes(tmp_path):
    picture = pixels(with_sound(), tmp_path)
    assert picture.shape == (700, 1400, 3)
    assert share(picture, (0.06, 0.4), (0.40, 0.55), orange) > 0.8  # 0:20 to 0:35
    assert share(picture, (0.06, 0.4), (0.65, 0.95), orange) < 0.05
    assert share(picture, (0.5, 0.92), (0.52, 0.54), yellow) > 0.3  # 0:30
    assert share(picture, (0.5, 0.92), (0.60, 0.95), yellow) < 0.01


def test_picture_without_sound_is_the_curve_alone(tmp_path):
    picture = pixels(result_of([(20, 35)], 60), tmp_path)
    assert picture.shape == (420, 1400, 3)
    assert share(picture, (0.1, 0.7), (0.40, 0.55), orange) > 0.8


@pytest.mark.parametrize(
    ("duration", "segments", "name"), [(0.4, [], "a$b_{^c.mp4"), (7199.5, [(10, 40)], "決勝.mp4")]
)
@pytest.mark.filterwarnings("error")
def test_picture_of_films_of_any_length_and_name(tmp_path, duration, segments, name):
    picture = pixels(with_sound(duration, segments, name), tmp_path)
    assert picture.shape == (700, 1400, 3) and picture.std() > 10
