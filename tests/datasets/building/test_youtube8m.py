"""YouTube-8M's frame-level files."""

import numpy as np
from tfrecords import sequence_example, write_tfrecord

from datasets_scripts.building.youtube8m import YouTube8M, masked_crc


def test_crc_is_castagnoli():
    """The published check value of CRC-32C, 0xE3069283, masked as TFRecord does."""
    crc = 0xE3069283
    assert masked_crc(b"123456789") == (((crc >> 15) | (crc << 17)) + 0xA282EAD8) % 2**32


def test_dequantisation(tmp_path):
    """175, 84 and 82 are what a published row of the dataset shows as 0.7451, -0.6824 and -0.7137."""
    row = np.zeros((1, 1024), np.uint8)
    row[0, :3] = 175, 84, 82
    write_tfrecord(tmp_path / "a" / "b.tfrecord", [sequence_example("Id1", row)])
    features = YouTube8M(tmp_path / "a", {"Id1"}).rgb("Id1", None)
    np.testing.assert_allclose(features[0, :4], [0.7451, -0.6824, -0.7137, -2], atol=5e-5)
