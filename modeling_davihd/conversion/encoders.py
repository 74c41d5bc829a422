"""Frozen encoders with their published weights, whichever class and file these are."""

import importlib
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ..backbones_davihd import FrozenBackbone, backbone_class, build_backbone
from ..loading import CHECKPOINTS, WEIGHTS
from .backbones import load_pca
from .checkpoints import StateDict, load_foreign_checkpoint
from .choice import EncoderChoice


def weights_file(stream: str, choice: EncoderChoice) -> Path | None:
    """The file that the encoder's weights are in: that of the choice, or the package's own, if there is one.

    Raises ValueError for an unknown encoder.
    """
    embedded = backbone_class(stream, choice.name).embedded
    return choice.weights or (CHECKPOINTS / embedded / WEIGHTS if embedded else None)


def encoder_state(stream: str, choice: EncoderChoice) -> StateDict:
    """The weights under the names of the encoder's class; empty for one without any.

    Raises ValueError for an unknown encoder and for files that are not those of the encoder.
    """
    kind = backbone_class(stream, choice.name)
    if not kind.needs_weights:
        return {}
    # An encoder that needs files has been chosen with them.
    state = converted(kind, load_foreign_checkpoint(weights_file(stream, choice)))  # type: ignore[arg-type]
    return state | load_pca(choice.pca) if kind.needs_pca else state  # type: ignore[arg-type]


def load_encoder(stream: str, choice: EncoderChoice) -> FrozenBackbone:
    """The encoder itself. Raises ValueError as `encoder_state` does."""
    kind, state = backbone_class(stream, choice.name), encoder_state(stream, choice)
    if not kind.needs_weights:
        return kind()
    with torch.device("meta"):  # spares drawing weights that the file replaces
        encoder = build_backbone(stream, choice.name, kind.dim_of(state))
    encoder.load_state_dict(state, assign=True)
    return encoder


def converted(kind: type[FrozenBackbone], published: Mapping[str, Tensor]) -> StateDict:
    """A published state dict under the names of the encoder's class. ValueError unless all of it fits."""
    module, _, function = kind.converter.rpartition(".")
    return getattr(importlib.import_module(module), function)(published)
