"""A gate and a dynamics network, tuned together on a few films.

Only the upper half of the network is tuned: what the lower half, which costs twenty times as much, gives of a
film is computed once. Batch norms keep their statistics.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from examples.teaching.gate import Scale, class_weights, fit_gate
from examples.teaching.lessons import Lesson
from examples.training.data import padded
from modeling_davihd import DAViHDModel
from modeling_davihd.batch_norm_davihd import DAViHDBatchNorm
from modeling_davihd.gate_davihd import above_surroundings
from modeling_davihd.streaming_davihd import FrameSource, SegmentRows, Spectrogram

PIECE = 64  # seconds that are learnt from at once; the states of so many fill whole frames
BATCH = 3  # pieces
LEARNING_RATE = 5e-4
GATE_RATE = 1e-4  # of the gate, whose features are many
STEPS = (10, 20, 40)  # after which a tuning may stop

Gate = nn.Linear | None


@dataclass(frozen=True)
class Studied:
    """A film, or a piece of one, as it is learnt from.

    states: (L, C, F), what the lower half of the network gives, `rate` of them a second. features: (T, D),
    how what each second sounds like differs from what is around it. chosen: (T,) of bool. standing_out: (T,),
    the scores of the untaught network.
    """

    states: torch.Tensor
    rate: float
    features: torch.Tensor
    chosen: np.ndarray
    standing_out: np.ndarray

    @property
    def seconds(self) -> int:
        return len(self.chosen)

    def pieces(self) -> list[Studied]:
        """Parts of PIECE seconds, the last one shorter."""
        return [self._piece(start, start + PIECE) for start in range(0, self.seconds, PIECE)]

    def _piece(self, start: int, end: int) -> Studied:
        parts = (part[start:end] for part in (self.features, self.chosen, self.standing_out))
        return Studied(self.states[round(start * self.rate) : round(end * self.rate)], self.rate, *parts)


@dataclass(frozen=True)
class Taste:
    """What is taught: a dynamics network and, unless it is to be tuned alone, a gate on scaled features."""

    network: DAViHDModel
    gate: Gate
    scale: Scale

    @torch.no_grad()
    def scores(self, film: Studied) -> np.ndarray:
        """(T,) of a film."""
        self.network.eval()
        scores = network_logits(self.network, [film])[0].sigmoid()
        if self.gate is not None:
            scores = scores * self.gate(self.scale(film.features))[:, 0].sigmoid()
        return scores.numpy()

    def parameters(self) -> list[dict]:
        """What is tuned, in groups for an optimiser."""
        encoder = self.network.dynamics_encoder
        blocks = encoder.blocks[lower_half(self.network) :]
        upper = [blocks, encoder.projection, encoder.layers, self.network.score_head]
        if hasattr(encoder, "position_conv"):
            upper.append(encoder.position_conv)
        groups = [{"params": [one for part in upper for one in part.parameters()], "lr": LEARNING_RATE}]
        if self.gate is not None:
            groups.append({"params": list(self.gate.parameters()), "lr": GATE_RATE})
        return groups


def lower_half(network: DAViHDModel) -> int:
    """How many of the dynamics network's blocks stay as they are."""
    return len(network.dynamics_encoder.blocks) // 2


@torch.no_grad()
def study(network: DAViHDModel, lesson: Lesson) -> Studied:
    """What is learnt from of a film; `network` is the untaught one."""
    encoder, config, half = network.dynamics_encoder, network.config, lower_half(network)
    segments = SegmentRows.of_batch(1, len(lesson.chosen))
    sound = Spectrogram.prepare(
        lesson.log_mel.float().T[None], segments, config, min_frames=encoder.time_pooling
    )
    source = FrameSource.above_background(sound.log_mel, sound.background, sound.second_of_frame)
    for block in encoder.blocks[:half]:
        source, _ = block.stream(source, None)
    rate = config.log_mel_rate / math.prod(config.dynamics_time_pooling[:half])
    states = source.all()[0].transpose(0, 1)
    features = above_surroundings(lesson.features.T).T
    studied = Studied(states, rate, features, lesson.chosen, np.empty(0))
    return replace(studied, standing_out=network_logits(network, [studied])[0].sigmoid().numpy())


def network_logits(network: DAViHDModel, films: Sequence[Studied]) -> torch.Tensor:
    """Logits (B, T) of the scores that the network gives films; 0 where they are padded."""
    encoder, states = network.dynamics_encoder, padded([film.states for film in films]).transpose(1, 2)
    seconds = [film.seconds for film in films]
    segments = SegmentRows.of_batch(len(films), max(seconds), padded([torch.ones(n) for n in seconds]))
    lengths = None if segments.mask is None else torch.tensor([len(film.states) for film in films])
    for block in encoder.blocks[lower_half(network) :]:
        states, _ = block(states, lengths)
        lengths = None if lengths is None else lengths // block.pooling[0]
    frames = torch.tensor([network.config.log_mel_frames(n) for n in seconds])
    rows, _ = encoder.contextualise(states, frames, segments)
    return segments.scatter(network.score_head(rows))[..., 0]


def begin(network: DAViHDModel, films: Sequence[Studied]) -> Taste:
    """The untaught network and the gate that the films give."""
    features = torch.cat([film.features for film in films])
    chosen = np.concatenate([film.chosen for film in films])
    standing_out = np.concatenate([film.standing_out for film in films])
    scale = Scale.of(features)
    return Taste(network, fit_gate(scale(features), chosen, class_weights(chosen, standing_out)), scale)


def tuned(start: Taste, films: Sequence[Studied], steps: Sequence[int], seed: int) -> Iterator[Taste]:
    """The taste after each of so many steps of tuning; the same object, changed, from one to the next."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)  # of dropout
    taste = Taste(copy.deepcopy(start.network), copy.deepcopy(start.gate), start.scale)
    pieces = [piece for film in films for piece in film.pieces()]
    chosen, standing_out = (
        np.concatenate([getattr(piece, name) for piece in pieces]) for name in ("chosen", "standing_out")
    )
    ends = np.cumsum([piece.seconds for piece in pieces])
    weights = np.split(class_weights(chosen, standing_out), ends[:-1])
    rich = np.array([piece.chosen.any() for piece in pieces])
    odds = 0.5 / len(pieces) + 0.5 * rich / rich.sum()
    optimizer = torch.optim.Adam(taste.parameters())
    for step in range(1, max(steps) + 1):
        drawn = rng.choice(len(pieces), BATCH, p=odds)
        loss = taste_loss(taste, [pieces[i] for i in drawn], [weights[i] for i in drawn])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([one for group in taste.parameters() for one in group["params"]], 0.5)
        optimizer.step()
        if step in steps:
            yield taste


def taste_loss(taste: Taste, pieces: Sequence[Studied], weights: Sequence[np.ndarray]) -> torch.Tensor:
    """Weighted cross-entropy of the scores of pieces against what was chosen."""
    train_but_norms(taste.network)
    logs = F.logsigmoid(network_logits(taste.network, pieces))
    if taste.gate is not None:
        features = padded([piece.features for piece in pieces])
        logs = logs + F.logsigmoid(taste.gate(taste.scale(features))[..., 0])
    chosen = padded([torch.from_numpy(piece.chosen) for piece in pieces])
    weight = padded([torch.from_numpy(each) for each in weights])
    against = torch.log1p(-logs.exp().clamp(max=1 - 1e-6))
    return -(weight * torch.where(chosen > 0, logs, against)).sum() / weight.sum()


def train_but_norms(network: DAViHDModel) -> None:
    """Training mode, but batch norms keep their statistics: those of a few films would be worse."""
    network.train()
    for module in network.modules():
        if isinstance(module, DAViHDBatchNorm):
            module.eval()
