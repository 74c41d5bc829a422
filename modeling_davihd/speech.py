"""Where somebody speaks: Silero's network, 31 times a second, and the stretches of speech that it hears."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from numpy.lib.stride_tricks import sliding_window_view
from safetensors.torch import load_file
from torch import Tensor, nn

from .edges import INEXACT, Span
from .loading import CHECKPOINTS, WEIGHTS
from .streams_davihd import SAMPLING_RATE

FOLDER = CHECKPOINTS / "silero"
STEP = 512  # samples that one probability is for
CONTEXT = 64  # samples before these, which the network sees too
STEP_SECONDS = STEP / SAMPLING_RATE
SPEECH = 0.5  # from this probability on, somebody speaks
BRIEFEST_WORD = 3  # steps
LATE = 0.06  # seconds that the network takes at least to notice that a word is over
SHORT = 0.3  # seconds; where a shorter pause is, is told by how quiet it is
QUIET, HOP = 320, 80  # samples for which it has to be quiet, and from one try to the next


class SileroNetwork(nn.Module):
    """Silero VAD for 16 kHz: an STFT as a convolution, four convolutions, an LSTM over the steps.

    Its output is that of silero-vad 6.2.3 (`checkpoints/silero`), which hears one step after the other.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stft_conv = nn.Conv1d(1, 258, 256, stride=128, bias=False)  # real parts, then imaginary ones
        self.conv1 = nn.Conv1d(129, 128, 3, padding=1)
        self.conv2 = nn.Conv1d(128, 64, 3, stride=2, padding=1)
        self.conv3 = nn.Conv1d(64, 64, 3, stride=2, padding=1)
        self.conv4 = nn.Conv1d(64, 128, 3, padding=1)
        self.lstm = nn.LSTM(128, 128)
        self.final_conv = nn.Conv1d(128, 1, 1)

    @classmethod
    def load(cls) -> SileroNetwork:
        """With the weights that come with this package."""
        with torch.device("meta"):  # spares drawing weights that the file replaces
            network = cls()
        network.load_state_dict(load_file(FOLDER / WEIGHTS), assign=True)
        return network.eval()

    @torch.inference_mode()
    def forward(self, samples: Tensor) -> Tensor:
        """Sound (n,) at 16 kHz, n > 0 -> how probable speech is in each 512 samples, (ceil(n / 512),)."""
        steps = -(-len(samples) // STEP)
        padded = F.pad(samples, (CONTEXT, steps * STEP - len(samples)))
        windows = padded.unfold(0, CONTEXT + STEP, STEP)[:, None]
        real, imaginary = self.stft_conv(F.pad(windows, (0, CONTEXT), mode="reflect")).chunk(2, dim=1)
        hidden = (real.square() + imaginary.square()).sqrt()
        for layer in (self.conv1, self.conv2, self.conv3, self.conv4):
            hidden = layer(hidden).relu()
        states, _ = self.lstm(hidden[:, :, 0])
        return self.final_conv(states.relu()[:, :, None])[:, 0, 0].sigmoid()


def stretches(probabilities: np.ndarray, start: float) -> list[Span]:
    """Where somebody speaks, in seconds: the words between two pauses count as one stretch.

    probabilities: (n,), one for each STEP of sound from `start` seconds on.
    """
    speaks = np.pad(probabilities >= SPEECH, 1).astype(np.int8)
    begins, ends = (np.flatnonzero(np.diff(speaks) == step) for step in (1, -1))
    words = ends - begins >= BRIEFEST_WORD
    times = start + STEP_SECONDS * np.stack((begins, ends), 1)[words] - (0.0, LATE)
    return [(float(begin), float(end)) for begin, end in times]


def parted(words: list[Span], samples: np.ndarray, start: float) -> list[Span]:
    """The same stretches of speech, the short pauses between them moved to where it is quietest.

    samples: (n,) from `start` seconds on, in which all the stretches lie.
    """
    for number, ((first, end), (again, last)) in enumerate(pairwise(words)):
        if again - end < SHORT:
            middle = start + _quietest(samples, end - INEXACT - start, again + INEXACT - start)
            half = (again - end) / 2
            words = [*words[:number], (first, middle - half), (middle + half, last), *words[number + 2 :]]
    return words


def _quietest(samples: np.ndarray, low: float, high: float) -> float:
    """Where it is quietest between two times, all in seconds from the first sample on."""
    first = max(round(low * SAMPLING_RATE), 0)
    piece = samples[first : round(high * SAMPLING_RATE)]
    power = np.square(sliding_window_view(piece, QUIET)[::HOP]).sum(1)
    return (first + HOP * int(np.argmin(power)) + QUIET / 2) / SAMPLING_RATE
