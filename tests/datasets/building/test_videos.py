"""What is wrong with a list of videos."""

from dataclasses import replace

import numpy as np
import pytest
from tone_videos import build, seven

from modeling_davihd.engines.errors import DatasetError


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"labels": np.array([0, np.nan, 1], np.float32)}, "v6: its label of second 1 is nan"),
        ({"labels": np.array([0, 1.5, 1])}, "v6: its label of second 1 is 1.5; it needs to be in"),
        ({"labels": np.zeros((3, 1))}, r"v6: its labels are float64 of shape \(3, 1\)"),
        ({"labels": np.zeros(0)}, r"v6: its labels are float64 of shape \(0,\)"),
        ({"split": "val"}, "v6: its split is 'val'; train, validation, test are known"),
        ({"video_id": "v0"}, "v0: is listed more than once"),
        ({"sound": None}, "v6: there is no file to compute semantic_features of"),
        ({"extras": {"folds": [1]}}, r"v6: has the extra columns \['folds'\]; every video needs the same"),
    ],
)
def test_wrong_videos_are_named_before_anything_is_computed(tmp_path, changes, said):
    with pytest.raises(DatasetError, match=said):
        build(tmp_path / "out", [*seven()[:-1], replace(seven()[-1], **changes)])
    assert not (tmp_path / "out").exists()
