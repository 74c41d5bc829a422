import pytest
import torch

from examples.training.generated import SyntheticBatches
from modeling_davihd import DAViHDFeatureExtractor


def test_generated_batches_are_repeatable_and_shared_by_processes():
    extractor = DAViHDFeatureExtractor()
    whole = SyntheticBatches(extractor, 0, 30, [5, 10])
    first, again, other = whole[3], whole[3], whole[4]
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert first["labels"].numel() == other["labels"].numel() == 30
    assert not torch.equal(first["log_mel"].flatten()[:1000], other["log_mel"].flatten()[:1000])
    parts = [SyntheticBatches(extractor, 0, 30, [5, 10], rank, 2)[3]["labels"] for rank in (0, 1)]
    assert torch.equal(parts[0], first["labels"][::2]) and torch.equal(parts[1], first["labels"][1::2])
    with pytest.raises(ValueError, match="4 processes need a clip of 10 s each"):
        SyntheticBatches(extractor, 0, 30, [5, 10], 0, 4)
