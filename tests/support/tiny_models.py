"""A small DAViHD network, and made-up inputs for it."""

import math

import torch

from modeling_davihd import DAViHDConfig, DAViHDModel
from modeling_davihd.batch_norm_davihd import DAViHDBatchNorm

SILENCE = math.log(1e-8)  # of log(mel + 1e-8)
TINY = {
    "visual_dim": 16,
    "semantic_dim": 32,
    "dynamics_dim": 32,
    "text_dim": 32,
    "dynamics_channels": [4, 8, 8, 8, 12, 8],
    "score_hidden_dim": 8,
}

# Sound against the background around it and against the whole film's, neither of which is silence.
TWO_VIEWS = {
    "log_mel_baseline_seconds": 5,
    "log_mel_sounding_seconds": 2,
    "log_mel_film_background": True,
}


def tiny_model(**changes) -> DAViHDModel:
    """A small network whose batch norms have seen something, so that padding would show."""
    torch.manual_seed(0)
    if changes.get("log_mel_rate") == 1:
        changes = {"dynamics_time_pooling": [2, 2, 1, 1, 1, 1]} | changes
    model = DAViHDModel(DAViHDConfig(**(TINY | changes))).eval()
    for module in model.modules():
        if isinstance(module, DAViHDBatchNorm):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return model


def random_inputs(config: DAViHDConfig, lengths: list[int], padding: float = float("nan")) -> dict:
    generator = torch.Generator().manual_seed(1)
    batch, segments = len(lengths), max(lengths)
    inputs = {
        "visual_features": torch.randn(batch, segments, config.visual_dim, generator=generator),
        "semantic_features": torch.randn(batch, segments, config.semantic_dim, generator=generator),
        "log_mel": torch.randn(
            batch, config.num_mel_bins, config.log_mel_frames(segments), generator=generator
        ),
        "attention_mask": (torch.arange(segments) < torch.tensor(lengths)[:, None]).long(),
        "labels": torch.rand(batch, segments, generator=generator),
    }
    if "text" in config.modalities:
        inputs["text_features"] = torch.randn(batch, segments, config.text_dim, generator=generator)
    for row, length in enumerate(lengths):
        for name in inputs.keys() - {"log_mel", "attention_mask"}:
            inputs[name][row, length:] = padding
        inputs["log_mel"][row, :, config.log_mel_frames(length) :] = padding
    return inputs


def silence(inputs: dict, config: DAViHDConfig, row: int, *spans: tuple[int, int]):
    """Digital silence in a video of `inputs` between the seconds of each span."""
    for start, end in spans:
        inputs["log_mel"][row, :, config.log_mel_frames(start) : config.log_mel_frames(end)] = SILENCE


def one_video(inputs: dict, config: DAViHDConfig, row: int, length: int) -> dict:
    features = [name for name in inputs if name.endswith("_features")]
    alone = {name: inputs[name][row : row + 1, :length] for name in features}
    return alone | {"log_mel": inputs["log_mel"][row : row + 1, :, : config.log_mel_frames(length)]}
