"""Trainings that start from a checkpoint: its weights, and what of them stays as it is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
from torch import nn

from examples.training.digests import sha256
from examples.training.recipe import Recipe
from examples.training.scoring import find_checkpoint, open_model
from modeling_davihd.batch_norm_davihd import DAViHDBatchNorm

BATCH_NORMS = (DAViHDBatchNorm, nn.modules.batchnorm._BatchNorm)


@torch.no_grad()
def start_from(model: nn.Module, checkpoint: str, fresh: Sequence[str] = ()):
    """Give a model the weights of a checkpoint.

    Of a convolution that has more input channels than the checkpoint's, as with another view of the sound,
    every second filter reads the last channels with its weights, the others the first. Channels that begin at
    zero hardly move from there: filters that find what they need in the first have little use for more.

    fresh: parts that are not taken from it: they begin anew, or the model has none. Raises ValueError naming
    the checkpoint unless all else fits.
    """
    source = open_model(checkpoint)
    check_parts("fresh", fresh, model, source)
    own, stored = model.state_dict(), source.state_dict()
    taken = [name for name in own if not _is_in(name, fresh)]
    unfit = [name for name in taken if not _fits(stored.get(name), own[name])]
    unfit += [name for name in stored if name not in own and not _is_in(name, fresh)]
    if unfit:
        raise ValueError(
            f"{checkpoint} cannot be started from: {_misfit(unfit[0], own, stored)}; with --fresh "
            f"{' '.join(dict.fromkeys(name.partition('.')[0] for name in unfit))}, nothing of the checkpoint "
            "is taken for these parts."
        )
    for name in taken:
        given, tensor = stored[name], own[name]
        if given.shape == tensor.shape:
            tensor.copy_(given)
        else:
            tensor.zero_()
            tensor[::2, : given.shape[1]] = given[::2]
            tensor[1::2, -given.shape[1] :] = given[1::2]


def _fits(stored: torch.Tensor | None, own: torch.Tensor) -> bool:
    """Whether shapes are equal, or those of a convolution's weights with fewer input channels."""
    if stored is None:
        return False
    given, needed = stored.shape, own.shape
    fewer = len(given) == len(needed) == 4 and given[1] <= needed[1] and given[0] == needed[0]
    return given == needed or (fewer and given[2:] == needed[2:])


def _misfit(name: str, own: Mapping[str, torch.Tensor], stored: Mapping[str, torch.Tensor]) -> str:
    if name not in own:
        return f"the model has no {name}"
    found = f"has shape {tuple(stored[name].shape)}" if name in stored else "lacks it"
    return f"{name} needs shape {tuple(own[name].shape)}, and the checkpoint {found}"


def freeze(model: nn.Module, parts: Sequence[str]):
    """Take parts of a model out of its training. Raises ValueError if one is unknown, or all is frozen."""
    check_parts("freeze", parts, model)
    for part in parts:
        model.get_submodule(part).requires_grad_(False)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ValueError(f"freeze is {', '.join(parts)}: nothing is left to train.")


def keep_still(model: nn.Module, recipe: Recipe):
    """Put what a recipe freezes into evaluation mode, which `model.train()` ends.

    Frozen parts have no dropout, and their batch norms neither take in statistics nor use those of the batch.
    """
    for part in recipe.freeze:
        model.get_submodule(part).eval()
    if recipe.freeze_norms:
        for module in model.modules():
            if isinstance(module, BATCH_NORMS):
                module.eval()


def check_parts(field: str, parts: Iterable[str], *models: nn.Module):
    """Raise ValueError, listing what there is, for a part that is a submodule of none of the models."""
    known = {name for model in models for name, _ in model.named_modules() if name}
    for part in parts:
        if part not in known:
            largest = sorted(name for name in known if "." not in name)
            raise ValueError(
                f"{field} names {part!r}, which the model does not have; there are {', '.join(largest)}, and "
                "their parts."
            )


def facts_of(checkpoint: str) -> dict[str, str]:
    """What a record says of the checkpoint that a training started from: its name and its weights' digest."""
    folder = find_checkpoint(checkpoint)
    digests = [sha256(file) for file in sorted(folder.glob("*.safetensors"))]
    whole = digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
    path = Path(checkpoint)
    return {"base_model": path.absolute().name if path.is_dir() else checkpoint, "base_digest": whole}


def _is_in(name: str, parts: Iterable[str]) -> bool:
    return any(name == part or name.startswith(f"{part}.") for part in parts)
