from dataclasses import replace

import numpy as np
import pytest
from results import result_of, written

from modeling_davihd.highlights import Calibration, Highlight, Sound
from modeling_davihd.writers import HighlightResult, write_outputs


def test_a_partial_last_second_is_cut_off():
    assert result_of([(5, 10)], duration=9.5).segments == [(5.0, 9.5)]


@pytest.mark.parametrize(
    ("fields", "named"),
    [({"fps": 0.0}, "fps"), ({"log_mel": np.zeros(5)}, "log_mel"), ({"duration": np.nan}, "duration")],
)
def test_results_that_make_no_sense_are_refused(fields, named):
    good = {"source": "a.mp4", "duration": 1.0, "scores": np.ones(1), "highlights": [], "version": "1"}
    with pytest.raises(ValueError, match=named):
        HighlightResult(**{**good, "model_id": "m", **fields})


def test_highlights_are_replaced_by_spans_and_judged_by_the_curve():
    cheer = (Sound("cheering", 0.9),)
    result = result_of([(0, 2), (4, 8)], 9.5, sounds=[(), cheer], calibration=Calibration(None, [[0, 0.6]]))
    result = replace(result, scores=np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.9, 0.8, 0.6, 0.2, 0.7]))
    kept, moved, new = result.recut([(8.5, 9.52), (4.5, 8), (0, 2)]).highlights
    assert kept == result.highlights[0]
    assert moved == Highlight(4.5, 8, pytest.approx(2.55 / 3.5), 5, 0.6, cheer)
    assert new == Highlight(8.5, 9.5, pytest.approx(0.8 / 1.5), 9, 0.6, None)
    halves = result.recut([(4, 5), (5, 5.04)])
    assert [one.sounds for one in halves.highlights] == [None, None]


@pytest.mark.parametrize(
    ("spans", "said"),
    [
        ([], "There is no highlight; at least one is needed."),
        ([(1, 2), (5, 4)], "highlight 2: goes from 5 s to 4 s; 0 <= start < end is needed."),
        ([(-1, 2)], "highlight 1: goes from -1 s to 2 s; 0 <= start"),
        ([(1, float("nan"))], "highlight 1: goes from 1 s to nan s; 0 <= start"),
        ([(1, 9.7)], "highlight 1: goes from 1 s to 9.7 s, but match.mp4 ends at 9.5 s."),
        ([(9.5, 9.55)], "highlight 1: goes from 9.5 s to 9.55 s, but match.mp4 ends at 9.5 s."),
        ([(3, 6), (1, 3.5)], "highlight 1: overlaps highlight 2 (from 1 s to 3.5 s and 3 s to 6 s); highl"),
        ([(1, 1.0001)], "highlight 1: lasts 0.0001 s; at least 0.001 s is needed."),
    ],
)
def test_spans_that_are_no_highlights_of_the_film_are_refused_in_a_sentence(spans, said):
    with pytest.raises(ValueError) as error:
        result_of([(1, 2)], 9.5).recut(spans)
    assert str(error.value).startswith(said)


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = written(result_of(), tmp_path, "json")
    before = path.read_bytes()
    broken = result_of()
    broken.scores[3] = np.nan
    with pytest.raises(ValueError):
        write_outputs(broken, tmp_path, ["json"])
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
