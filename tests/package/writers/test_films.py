import dataclasses

import av
import numpy as np
import pytest
from films import film_with_sound, tone
from results import result_of

from modeling_davihd import media
from modeling_davihd.writers import WriterError, write_outputs


def test_without_highlights_no_film_is_made(tmp_path):
    assert write_outputs(result_of([]), tmp_path, ["mp4", "clips"]) == []
    assert not any(tmp_path.iterdir())


def test_clips_appear_all_or_not_at_all_and_hold_up_no_other_format(tmp_path):
    source, out = film_with_sound(tmp_path / "match.mp4", tone(5, 16000), 5), tmp_path / "out"
    result = dataclasses.replace(result_of([(1, 2), (300, 310)]), source=source)  # the second is not in it
    with pytest.raises(WriterError, match="after the film's end"):
        write_outputs(result, out, ["clips", "csv"])
    assert [path.suffix for path in out.iterdir()] == [".csv"]


def test_reel_and_clips_play_for_as_long_as_the_highlights(tmp_path):
    source = tmp_path / "match.mp4"
    gray = (np.full((64, 96, 3), 20 * second, dtype=np.uint8) for second in range(12) for _ in range(10))
    sound = 0.3 * np.sin(2 * np.pi * 440 * np.arange(12 * 16000) / 16000).astype(np.float32)
    media.write_film(source, gray, sound, fps=10, sampling_rate=16000)
    segments = [(2, 4), (7, 10)]
    result = dataclasses.replace(result_of(segments, duration=12.0, fps=10.0), source=source)
    paths = write_outputs(result, tmp_path / "out", ["mp4", "clips"])
    names = ["match.highlights.mp4", "match.highlight-01.mp4", "match.highlight-02.mp4"]
    assert [path.name for path in paths] == names
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(names)
    for path, seconds, shades in zip(
        paths, (5, 2, 3), ([40, 60, 140, 160, 180], [40, 60], [140, 160, 180]), strict=True
    ):
        with av.open(str(path)) as film:
            assert film.duration / av.time_base == pytest.approx(seconds, abs=0.15)
            assert len(film.streams.audio) == 1
            frames = [frame.to_ndarray(format="gray").mean() for frame in film.decode(video=0)]
        assert np.reshape(frames, (-1, 10)).mean(1) == pytest.approx(shades, abs=6)
