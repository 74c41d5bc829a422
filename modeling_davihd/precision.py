"""What networks run on, and what the frozen encoders compute in: the numbers of their weights, or 16 bits."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

PRECISIONS = ("auto", "float32", "bfloat16")


def resolve_device(name: str) -> torch.device:
    """The device of that name; for "auto", a GPU if there is one. Raises ValueError if it is not there."""
    import torch

    if name != "auto":
        try:
            return torch.zeros(0, device=name).device
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            raise ValueError(f"--device is {name!r}; this machine does not have such a device") from error
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def resolve_precision(name: str, device: torch.device) -> str:
    """One of `PRECISIONS`, with "auto" as what it stands for on this machine.

    That is bfloat16 on processors that multiply it by instructions of their own, AVX-512 BF16 or AMX, where
    products take a half to a quarter of the time. Others, AVX-512 alone among them, are slower with it than
    with float32. So is nothing assumed of GPUs.
    """
    from torch import cpu

    if name != "auto":
        return name
    has_instructions = cpu._is_avx512_bf16_supported() or cpu._is_amx_tile_supported()
    return "bfloat16" if device.type == "cpu" and has_instructions else "float32"


def set_precision(model: torch.nn.Module, precision: str) -> None:
    """Have all frozen encoders of a model, or the one that it is, compute in a resolved precision.

    Those that do not bear 16 bits go on as they are: YAMNet, small as it is, and plain statistics. Weights
    stay as they are, and features come in the dtype of the weights.
    """
    import torch

    from .backbones_davihd import FrozenBackbone

    for module in model.modules():
        if isinstance(module, FrozenBackbone) and module.bears_16_bits:
            module.autocast_dtype = None if precision == "float32" else getattr(torch, precision)


__all__ = ["PRECISIONS", "resolve_device", "resolve_precision", "set_precision"]
