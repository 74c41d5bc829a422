"""Checkpoint files of other people's code. A key too many or too few is an error, never a guess."""

import os
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ..loading import not_finite
from ..wording import some

StateDict = dict[str, Tensor]

# Published checkpoints hold NumPy arrays beside their weights (CNN14's sampler indices, best scores so far):
# plain data, whose rebuilding runs no foreign code.
_NUMPY_BUILDERS = {"_reconstruct": np.zeros(0).__reduce__()[0], "scalar": np.int64(0).__reduce__()[0]}
_SAFE_GLOBALS = [
    *((build, f"numpy.core.multiarray.{name}") for name, build in _NUMPY_BUILDERS.items()),
    *((build, f"numpy._core.multiarray.{name}") for name, build in _NUMPY_BUILDERS.items()),
    *(np.ndarray, np.dtype, np.dtypes.Int64DType, np.dtypes.Float32DType, np.dtypes.Float64DType),
]


def load_foreign_checkpoint(path: str | os.PathLike) -> StateDict:
    """The tensors of a .safetensors, .pth, .pt or .bin file, without executing anything stored in it.

    {"state_dict": ...} and {"model": ...} are unwrapped, and a `module.` that starts every key is removed.
    Raises FileNotFoundError, or ValueError naming the file when it is of another kind, is damaged, would
    unpack to more than it has, holds Python objects or holds no state dict of plain tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no checkpoint file {path}.")
    if path.suffix == ".safetensors":
        content = _read_safetensors(path)
    elif path.suffix in (".pth", ".pt", ".bin"):
        content = _read_pickle(path)
    else:
        raise ValueError(f"{path} is not a checkpoint: its name must end in .safetensors, .pth, .pt or .bin.")
    return _strip_module_prefix(_unwrap(content, path))


def _read_safetensors(path: Path) -> StateDict:
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} is not a readable safetensors file: {error}.") from error


def _read_pickle(path: Path) -> object:
    if (unpacked := unpacked_size(path)) > path.stat().st_size:
        raise ValueError(f"{path} is not loaded: it would unpack to {unpacked >> 20} MB.")
    try:
        with torch.serialization.safe_globals(_SAFE_GLOBALS):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the restricted reader fails on a damaged file in a dozen ways
        raise ValueError(
            f"{path} is not loaded: it is damaged or holds Python objects, which could run code; "
            "save the weights alone with torch.save(model.state_dict(), ...)."
        ) from error


def unpacked_size(path: str | os.PathLike) -> int:
    """Bytes of all that a zip archive holds; 0 for any other file, and for a damaged one."""
    try:
        with zipfile.ZipFile(path) as archive:
            return sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return 0


def _unwrap(content: object, path: Path) -> StateDict:
    for wrapper in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, Mapping) or not content:
        raise ValueError(f"{path} holds {_describe(content)}, not a state dict of named tensors.")
    odd = [str(key) for key, value in content.items() if not (isinstance(key, str) and _is_plain(value))]
    if odd:
        raise ValueError(f"{path} is not a state dict of named tensors: it also holds {some(odd)}.")
    return dict(content)


def _is_plain(value: object) -> bool:
    """Whether it is a tensor with numbers of its own, neither packed nor sparse."""
    if not isinstance(value, Tensor) or value.layout != torch.strided or value.device.type != "cpu":
        return False
    return not value.is_quantized


def _describe(content: object) -> str:
    return "nothing" if isinstance(content, Mapping) else f"a {type(content).__name__}"


def _strip_module_prefix(state_dict: StateDict) -> StateDict:
    if not all(key.startswith("module.") for key in state_dict):
        return state_dict
    return {key.removeprefix("module."): value for key, value in state_dict.items()}


def strict_rename(
    state_dict: Mapping[str, Tensor],
    expected: Mapping[str, Tensor],
    rename: Callable[[str], str | None],
    source: str,
) -> StateDict:
    """`state_dict` under our names; `rename` maps one foreign key to ours, or to None to leave it out.

    `expected` is the state dict to fill (values may be on the meta device). Batch-norm step counters, which
    files from before PyTorch 0.4.1 lack and evaluation never reads, start at zero. Raises ValueError naming
    `source` and up to five keys when keys are missing, left over or meet under one name, when a shape or the
    kind of number differs, and for numbers that are NaN or infinite.
    """
    names = {key: ours for key in state_dict if (ours := rename(key)) is not None}
    counters = {key for key in expected if key.endswith(".num_batches_tracked")}
    missing = expected.keys() - names.values() - counters
    if missing:
        raise ValueError(f"The {source} checkpoint lacks {some(missing)}.")
    left_over = [key for key, ours in names.items() if ours not in expected]
    if left_over:
        raise ValueError(f"The {source} checkpoint has keys that belong nowhere: {some(left_over)}.")
    twice = [key for key, count in Counter(names.values()).items() if count > 1]
    if twice:
        raise ValueError(f"The {source} checkpoint has two keys for each of {some(twice)}.")
    for key, ours in names.items():
        check_shape(source, key, state_dict[key], expected[ours].shape)
        kind = state_dict[key].dtype
        if expected[ours].is_floating_point() and not kind.is_floating_point:
            raise ValueError(f"The {source} checkpoint's {key} is of {kind}; real numbers are needed.")
    if wrong := not_finite({key: state_dict[key] for key in names}):
        raise ValueError(f"The {source} checkpoint is NaN or infinite in {some(wrong)}.")
    zeros = {key: torch.zeros((), dtype=torch.long) for key in counters}
    return zeros | {ours: state_dict[key] for key, ours in names.items()}


def check_shape(source: str, key: str, tensor: Tensor, needed: Iterable[int]) -> None:
    if tuple(tensor.shape) != tuple(needed):
        raise ValueError(
            f"The {source} checkpoint's {key} has shape {tuple(tensor.shape)}, but {tuple(needed)} is needed."
        )


def expected_state(backbone: Callable[[], nn.Module]) -> StateDict:
    with torch.device("meta"):
        return backbone().state_dict()


def substitute(key: str, names: list[tuple[str, str]]) -> str:
    for pattern, ours in names:
        key = re.sub(pattern, ours, key)
    return key
