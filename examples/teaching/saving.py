"""A taste as an ordinary checkpoint."""

from __future__ import annotations

from pathlib import Path

import torch

from examples.teaching.lessons import SEMANTIC
from examples.teaching.tuning import Taste
from examples.training.bundle import bundle, extractor_of
from modeling_davihd import DAViHDConfig, DAViHDFeatureExtractor, DAViHDModel

Knots = list[list[float]]


def taught_model(taste: Taste, confidence: Knots | None) -> DAViHDModel:
    """The network and, with a gate, the encoder of the features that it reads, as one model.

    confidence: see `HighlightConfig`. A level that holds for the untaught scores does not hold for these.
    """
    fields = {"highlight_level": None, "highlight_confidence": confidence}
    state = dict(taste.network.state_dict())
    if taste.gate is not None:
        gate = taste.scale.folded(taste.gate)
        width = gate.in_features
        fields |= {"modalities": ["semantic", "dynamics"], "semantic_dim": width, "fusion_operation": "gate"}
        state |= {f"semantic_gate.{name}": tensor for name, tensor in gate.state_dict().items()}
    config = DAViHDConfig.from_dict(taste.network.config.to_dict() | fields)
    with torch.device("meta"):  # spares drawing weights that are there already
        model = DAViHDModel(config)
    model.load_state_dict(state, assign=True)
    return model.eval() if taste.gate is None else bundle(model, {"semantic": SEMANTIC})


def save_checkpoint(folder: Path, model: DAViHDModel, extractor: DAViHDFeatureExtractor) -> None:
    """Write a model and its feature extractor."""
    model.save_pretrained(folder)
    extractor_of(model.config, extractor).save_pretrained(folder)
