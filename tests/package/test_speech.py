"""Silero's network: parity with the published one, and the stretches of speech that it hears."""

import numpy as np
import pytest
import torch
from paths import GOLDEN
from safetensors.torch import load_file

from modeling_davihd.speech import LATE, STEP_SECONDS, SileroNetwork, parted, stretches


@pytest.fixture(scope="module")
def network() -> SileroNetwork:
    return SileroNetwork.load()


def test_output_equals_that_of_the_published_network(network):
    golden = load_file(GOLDEN / "silero.safetensors")
    samples = golden["samples"].float() / 32768
    found = network(samples)
    # The published file was made in float32, which rounds differently on every processor; float64 does not.
    exact = SileroNetwork.load().double()(samples.double())
    torch.testing.assert_close(exact, golden["probabilities"].double(), atol=1e-5, rtol=0)
    torch.testing.assert_close(found.double(), exact, atol=1e-5, rtol=0)
    assert (found > 0.9).sum() > 40 and (found < 0.1).sum() > 3
    assert len(network(samples[:513])) == 2


def test_stretches_of_speech_leave_out_pauses_and_clicks():
    heard = np.zeros(60)
    heard[10:20] = heard[24:40] = 0.9
    heard[50] = 1.0  # too short for a word
    found = stretches(heard, start=100.0)
    np.testing.assert_allclose(found, 100 + STEP_SECONDS * np.array([[10, 20], [24, 40]]) - [0, LATE])
    assert stretches(np.zeros(5), 0.0) == stretches(np.zeros(0), 0.0) == []


def test_short_pauses_are_where_it_is_quietest():
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, 3 * 16000)
    sound[16000:16400] = sound[33000:34000] = 0  # from 1 s and from 2.06 s on
    [(_, end), (again, _), (later, last)] = parted(
        [(10.2, 10.95), (11.05, 12.0), (12.4, 12.9)], sound, start=10
    )
    assert (end + again) / 2 == pytest.approx(11.0125, abs=0.005) and again - end == pytest.approx(0.1)
    assert (later, last) == (12.4, 12.9)  # after a longer one
