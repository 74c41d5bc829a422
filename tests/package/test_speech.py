"""Silero's network: parity with the published one, and the stretches of speech that it hears."""

import numpy as np
import pytest
import torch
from paths import GOLDEN
from safetensors.torch import load_file

from modeling_davihd.speech import STEP_SECONDS, SileroNetwork, stretches


@pytest.fixture(scope="module")
def network() -> SileroNetwork:
    return SileroNetwork.load()


def test_output_equals_that_of_the_published_network(network):
    golden = load_file(GOLDEN / "silero.safetensors")
    samples = golden["samples"].float() / 32768
    found = network(samples)
    assert torch.allclose(found, golden["probabilities"], atol=1e-5, rtol=0)
    assert (found > 0.9).sum() > 40 and (found < 0.1).sum() > 3
    assert len(network(samples[:513])) == 2


def test_stretches_of_speech_leave_out_pauses_and_clicks():
    heard = np.zeros(60)
    heard[10:20] = heard[24:40] = 0.9
    heard[50] = 1.0  # too short for a word
    [(start, end), (again, last)] = stretches(heard, start=100.0)
    assert start == pytest.approx(100 + 10 * STEP_SECONDS) and again == pytest.approx(100 + 24 * STEP_SECONDS)
    assert end < 100 + 20 * STEP_SECONDS and last < 100 + 40 * STEP_SECONDS  # the network falls late
    assert stretches(np.zeros(5), 0.0) == stretches(np.zeros(0), 0.0) == []
