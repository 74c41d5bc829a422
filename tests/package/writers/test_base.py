import numpy as np
import pytest
from results import result_of, written

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


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = written(result_of(), tmp_path, "json")
    before = path.read_bytes()
    broken = result_of()
    broken.scores[3] = np.nan
    with pytest.raises(ValueError):
        write_outputs(broken, tmp_path, ["json"])
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
