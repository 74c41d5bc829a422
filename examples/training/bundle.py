"""One checkpoint of a trained model and the frozen encoders whose features it was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import torch
from transformers import PreTrainedModel

from datasets_scripts.building.settings import Settings, check_weights
from modeling_davihd import DAViHDConfig, DAViHDFeatureExtractor, DAViHDModel
from modeling_davihd.conversion import EncoderChoice, StateDict, encoder_state
from modeling_davihd.feature_extraction_davihd import feature_extractor_for
from modeling_davihd.streams_davihd import STREAMS

# What an extractor makes of the sound, whatever pictures it makes.
SOUND_SETTINGS = ("log_mel_rate", "log_mel_grid", "num_mel_bins", "n_fft")

Model = TypeVar("Model", bound=PreTrainedModel)


def bundle(model: DAViHDModel, encoders: Mapping[str, EncoderChoice]) -> DAViHDModel:
    """A model that takes films: `model` with the frozen encoders of those streams and their weights.

    Raises ValueError, in one sentence, where files are missing or not those of the encoders, or where the
    encoders' features are of another width than those that the model takes.
    """
    check_weights(Settings(encoders))
    names = {stream: choice.name for stream, choice in encoders.items()}
    return with_encoders(
        model, names, {stream: encoder_state(stream, choice) for stream, choice in encoders.items()}
    )


def with_encoders(model: Model, names: Mapping[str, str], weights: Mapping[str, StateDict]) -> Model:
    """`model` with the encoders of those names and weights, both by stream.

    Raises ValueError where the encoders' features are of another width than those that the model takes.
    """
    state, fields = model.state_dict(), {}
    for stream, name in names.items():
        field = STREAMS[stream].backbone_field
        fields[field] = name
        state |= {f"{field}.{key}": value for key, value in weights[stream].items()}
    config = type(model.config).from_dict(model.config.to_dict() | fields)
    with torch.device("meta"):  # spares drawing weights that are there already
        bundled = type(model)(config)
    for key, tensor in bundled.state_dict().items():
        if key in state and tensor.shape != state[key].shape:
            raise ValueError(
                f"{key} of the encoders has shape {tuple(state[key].shape)}; the model's features need "
                f"{tuple(tensor.shape)}."
            )
    bundled.load_state_dict(state, assign=True)
    return bundled.eval()


def extractor_of(config: DAViHDConfig, extractor: DAViHDFeatureExtractor) -> DAViHDFeatureExtractor:
    """`extractor` with the pictures that the model's visual encoder wants, if it has one."""
    kept = {name: getattr(extractor, name) for name in SOUND_SETTINGS}
    return feature_extractor_for(config.visual_backbone if config.sees else None, **kept)
