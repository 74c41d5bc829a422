"""One checkpoint of a trained model and the frozen encoders whose features it was trained on."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import torch
from transformers import PreTrainedModel

from datasets_scripts.building.extraction import Settings, check_weights, semantic_state, visual_state
from modeling_davihd import DAViHDConfig, DAViHDFeatureExtractor, DAViHDModel
from modeling_davihd.conversion import StateDict
from modeling_davihd.pipeline_davihd import feature_extractor_for

Model = TypeVar("Model", bound=PreTrainedModel)


def bundle(
    model: DAViHDModel,
    visual_backbone: str | None = None,
    semantic_backbone: str | None = None,
    **files: Path | None,
) -> DAViHDModel:
    """A model that takes films: `model` with the named encoders and their published weights.

    files: `visual_weights`, `visual_pca` and `semantic_weights`, those that the encoders need. Raises
    ValueError, in one sentence, where they are missing or not those of the encoders, or where the encoders'
    features are of another width than those that the model takes.
    """
    settings = Settings(visual_backbone, semantic_backbone, **files)
    check_weights(settings)
    names = {"visual_backbone": visual_backbone, "semantic_backbone": semantic_backbone}
    return with_encoders(
        model, {field: name for field, name in names.items() if name}, encoder_state(settings)
    )


def with_encoders(model: Model, names: dict[str, str], weights: StateDict) -> Model:
    """`model` with the encoders that `names` puts into its config and their weights, under a model's names.

    Raises ValueError where the encoders' features are of another width than those that the model takes.
    """
    config = type(model.config).from_dict(model.config.to_dict() | names)
    state = model.state_dict() | weights
    with torch.device("meta"):  # spares drawing weights that are there already
        bundled = type(model)(config)
    for name, tensor in bundled.state_dict().items():
        if name in state and tensor.shape != state[name].shape:
            raise ValueError(
                f"{name} of the encoders has shape {tuple(state[name].shape)}; the model's features need "
                f"{tuple(tensor.shape)}."
            )
    bundled.load_state_dict(state, assign=True)
    return bundled.eval()


def encoder_state(settings: Settings) -> StateDict:
    """The weights of the encoders, under their names in a `DAViHDModel`."""
    parts: dict[str, StateDict] = {}
    if settings.visual_backbone is not None:
        parts["visual"] = visual_state(settings)
    if settings.semantic_backbone is not None:
        parts["semantic"] = semantic_state(settings)
    return {f"{kind}_backbone.{name}": value for kind, part in parts.items() for name, value in part.items()}


def extractor_of(config: DAViHDConfig, extractor: DAViHDFeatureExtractor) -> DAViHDFeatureExtractor:
    """`extractor` with the pictures that the model's visual encoder wants, if it has one."""
    names = ("log_mel_rate", "num_mel_bins", "n_fft", "hop_length")
    kept = {name: getattr(extractor, name) for name in names}
    return feature_extractor_for(config.visual_backbone if "visual" in config.modalities else None, **kept)


__all__ = ["bundle", "extractor_of", "with_encoders"]
