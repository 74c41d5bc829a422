"""Trainings that start from the weights of a checkpoint."""

from __future__ import annotations

import torch

from examples.training.scoring import open_model


@torch.no_grad()
def start_from(model: torch.nn.Module, checkpoint: str):
    """Give a model the weights of a checkpoint; input channels that the checkpoint lacks begin at zero.

    Raises ValueError naming the checkpoint unless all else fits.
    """
    stored = open_model(checkpoint).state_dict()
    own = model.state_dict()
    for name, tensor in own.items():
        given = stored.get(name)
        if given is None or not fits_channels(given.shape, tensor.shape):
            found = "lacks it" if given is None else f"has shape {tuple(given.shape)}"
            raise ValueError(
                f"{checkpoint} cannot be started from: {name} needs shape {tuple(tensor.shape)}, and the "
                f"checkpoint {found}."
            )
    if unknown := sorted(stored.keys() - own.keys()):
        raise ValueError(f"{checkpoint} cannot be started from: the model has no {unknown[0]}.")
    for name, tensor in own.items():
        given = stored[name]
        if given.shape != tensor.shape:
            tensor.zero_()
            tensor = tensor[:, : given.shape[1]]
        tensor.copy_(given)


def fits_channels(given: torch.Size, needed: torch.Size) -> bool:
    """Whether shapes are equal, or those of a convolution's weights with fewer input channels."""
    fewer = len(given) == len(needed) == 4 and given[1] <= needed[1] and given[0] == needed[0]
    return given == needed or (fewer and given[2:] == needed[2:])
