"""The log-Mel spectrogram without PyTorch."""

import numpy as np
import pytest
import torch

from modeling_davihd import DAViHDFeatureExtractor
from modeling_davihd.feature_extraction_davihd import mel_spectrogram
from modeling_davihd.log_mel import log_mel


@pytest.mark.parametrize("seconds, n_fft, bins", [(1, 2048, 128), (10, 512, 40)])
def test_it_is_that_of_the_feature_extractor(seconds, n_fft, bins):
    waveform = np.random.default_rng(0).normal(0, 0.1, (seconds, 16000)).astype(np.float32)
    waveform[-1, 8000:] = 0
    extractor = DAViHDFeatureExtractor(n_fft=n_fft, num_mel_bins=bins)
    expected = extractor.log_mel(torch.from_numpy(waveform))
    found = log_mel(waveform, mel_spectrogram(n_fft, bins).mel_scale.fb.numpy())
    assert found.dtype == np.float32 and found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-4)
