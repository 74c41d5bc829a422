import numpy as np
import pytest
from tiny_data import write_dataset

from datasets_scripts.building.label_files.labels import Interval, VideoLabels
from examples.teaching.lessons import chosen_of, read_lessons
from examples.training.data import read_dataset
from modeling_davihd.engines.errors import DatasetError


def of_intervals(*intervals: Interval, duration: float = 6.0) -> tuple[list, list[int]]:
    spans, chosen = chosen_of("a.mp4", VideoLabels(intervals=list(intervals)), duration, 0.5)
    return spans, np.flatnonzero(chosen).tolist()


def test_a_highlight_takes_up_seconds_by_halves_but_one_at_least():
    assert of_intervals(Interval(0.6, 2.5)) == ([(0.6, 2.5)], [1, 2])
    assert of_intervals(Interval(3.8, 4.1, 0.2)) == ([(3.8, 4.1)], [3])
    assert of_intervals(Interval(3, 5, 0.0)) == ([], [])


def test_overlapping_highlights_are_one():
    assert of_intervals(Interval(2, 4, kind="goal"), Interval(1, 3)) == ([(1, 4)], [1, 2, 3])


def test_scores_of_seconds_give_highlights():
    labels = VideoLabels(seconds=dict(enumerate((0.1, 0.6, 0.9, 0.0, 0.45, 0.0))))
    spans, chosen = chosen_of("a.mp4", labels, 5.4, 0.45)
    assert spans == [(1, 3), (4, 5)]
    assert np.flatnonzero(chosen).tolist() == [1, 2, 4]


def test_labels_of_another_length_are_refused():
    with pytest.raises(DatasetError, match="ends after the video"):
        of_intervals(Interval(5, 8))
    with pytest.raises(DatasetError, match=r"a.mp4: has 1 scores; it lasts 6 s"):
        chosen_of("a.mp4", VideoLabels(seconds={0: 1.0}), 6, 0.5)


def test_features_of_another_encoder_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"semantic features .* made with panns_cnn14_16k; those of yamnet"):
        read_lessons(read_dataset(write_dataset(tmp_path / "films", videos=6)))
