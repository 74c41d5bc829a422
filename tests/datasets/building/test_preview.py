"""The small picture of each row."""

import io

import numpy as np
import pytest
from PIL import Image

from datasets_scripts.building.preview import CURVE, preview_of


def picture(labels: np.ndarray | None, log_mel: np.ndarray | None) -> np.ndarray:
    """What is drawn, (64, 256, 3)."""
    content = preview_of(labels, log_mel)
    assert content == preview_of(labels, log_mel) and len(content) < 10_000
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def test_a_preview_has_the_labels_over_the_spectrogram():
    """Time goes to the right, frequency and score go up."""
    log_mel = np.full((250, 128), -18, np.float16)
    log_mel[125:, :64] = 0  # low sound in the second half
    labels = np.array([0, 1, 0, 0.5], np.float32)
    drawn = picture(labels, log_mel)
    curve = (drawn == CURVE).all(2)
    assert [int(curve[:, x].nonzero()[0].max()) for x in (32, 96, 160, 224)] == [63, 1, 63, 32]
    bright = np.ma.array(drawn.sum(2), mask=curve)
    assert bright[40:60, 140:].min() > bright[:32, 140:].max() == bright[:, :120].max()


@pytest.mark.parametrize("seconds", [1, 3, 300])
def test_a_preview_shows_what_there_is(seconds):
    labels = np.linspace(0, 1, seconds, dtype=np.float32)
    noise = np.random.default_rng(0).normal(size=(63 * seconds, 128)).astype(np.float16)
    pictures = [picture(*given) for given in ((labels, None), (None, noise), (labels, noise))]
    assert all(one.shape == (64, 256, 3) and one.std() > 0 for one in pictures)
    assert preview_of(None, np.zeros((0, 128), np.float16)) == preview_of(None, np.full((9, 4), -18.0))
