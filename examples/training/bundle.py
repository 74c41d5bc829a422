"""One checkpoint of a trained model and the frozen encoders whose features it was trained on."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from datasets_scripts.building.extraction import Settings, check_weights
from modeling_davihd import DAViHDConfig, DAViHDFeatureExtractor, DAViHDModel
from modeling_davihd.conversion import EncoderChoice, encoder_state
from modeling_davihd.feature_extraction_davihd import feature_extractor_for
from modeling_davihd.streams_davihd import STREAMS


def bundle(model: DAViHDModel, encoders: Mapping[str, EncoderChoice]) -> DAViHDModel:
    """A model that takes films: `model` with the frozen encoders of those streams and their weights.

    Raises ValueError, in one sentence, where files are missing or not those of the encoders, or where the
    encoders' features are of another width than those that the model takes.
    """
    check_weights(Settings(encoders))
    state, names = model.state_dict(), {}
    for stream, choice in encoders.items():
        field = STREAMS[stream].backbone_field
        names[field] = choice.name
        state |= {f"{field}.{name}": value for name, value in encoder_state(stream, choice).items()}
    config = DAViHDConfig.from_dict(model.config.to_dict() | names)
    with torch.device("meta"):  # spares drawing weights that are there already
        bundled = DAViHDModel(config)
    for name, tensor in bundled.state_dict().items():
        if name in state and tensor.shape != state[name].shape:
            raise ValueError(
                f"{name} of the encoders has shape {tuple(state[name].shape)}; the model's features need "
                f"{tuple(tensor.shape)}."
            )
    bundled.load_state_dict(state, assign=True)
    return bundled.eval()


def extractor_of(config: DAViHDConfig, extractor: DAViHDFeatureExtractor) -> DAViHDFeatureExtractor:
    """`extractor` with the pictures that the model's visual encoder wants, if it has one."""
    kept = {name: getattr(extractor, name) for name in ("log_mel_rate", "num_mel_bins", "n_fft")}
    return feature_extractor_for(config.visual_backbone if config.sees else None, **kept)


__all__ = ["bundle", "extractor_of"]
