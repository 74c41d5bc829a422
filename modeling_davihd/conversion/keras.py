"""Weights of Keras in HDF5 files, read as plain numbers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

SUFFIX = ".h5"


def read_keras(path: Path) -> dict[str, Tensor]:
    """All arrays of an HDF5 file by the names that Keras gives weights, dots for slashes: "dense.kernel".

    Raises ValueError naming the file if it is damaged, holds anything but numbers, would read other files or
    unpack to more than it has, and where h5py is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise ValueError(f"{path} needs h5py to be read: install it with `pip install h5py`.") from error
    try:
        with h5py.File(path, "r") as file:
            found = dict(_datasets(file, h5py.Dataset))
            _check(found, path)
            return {_name(place): _tensor(one) for place, one in found.items()}
    except (OSError, RuntimeError, KeyError) as error:  # h5py's own for a damaged file
        raise ValueError(f"{path} is not a readable HDF5 file: {error}.") from error


def _datasets(file: Any, kind: type) -> Iterator[tuple[str, Any]]:
    """Every array of the file itself and its place; links to other places and files are not followed."""
    found: dict[str, Any] = {}

    def visit(place: str, item: Any) -> None:
        if isinstance(item, kind):
            found[place] = item

    file.visititems(visit)
    yield from found.items()


def _check(found: dict[str, Any], path: Path) -> None:
    for place, one in found.items():
        if one.dtype.kind not in "fiu":
            raise ValueError(f"{path} holds {place}, which is not made of numbers.")
        if one.is_virtual or one.external:
            raise ValueError(f"{path} holds {place}, whose numbers are in another file.")
    if (size := sum(one.nbytes for one in found.values())) > path.stat().st_size:
        raise ValueError(f"{path} is not loaded: it would unpack to {size >> 20} MB.")


def _name(place: str) -> str:
    """Of `dense/dense/kernel:0`, the layer's place and the weight's own name: `dense.kernel`."""
    *parts, last = place.split("/")
    for half in range(len(parts) // 2, 0, -1):
        if parts[-half:] == parts[-2 * half : -half]:
            parts = parts[-half:]
            break
    return ".".join([*parts, last.removesuffix(":0")])


def _tensor(array: Any) -> Tensor:
    values = np.asarray(array[()])
    return torch.from_numpy(values.astype(values.dtype.newbyteorder("=")))
