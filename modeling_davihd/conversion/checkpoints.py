"""Checkpoint files of other people's code: their tensors, whatever training code has wrapped around them.

Nothing in a file is executed. A key too many or too few is an error, never a guess, and errors name keys as
the file has them.
"""

import os
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ..loading import PICKLES, below_zero, not_finite
from ..wording import quoted, short, some
from . import keras

StateDict = dict[str, Tensor]

# Published checkpoints hold NumPy arrays beside their weights (CNN14's sampler indices, best scores so far):
# plain data, whose rebuilding runs no foreign code.
_NUMPY_BUILDERS = {"_reconstruct": np.zeros(0).__reduce__()[0], "scalar": np.int64(0).__reduce__()[0]}
_SAFE_GLOBALS: list[Any] = [
    *((build, f"numpy.core.multiarray.{name}") for name, build in _NUMPY_BUILDERS.items()),
    *((build, f"numpy._core.multiarray.{name}") for name, build in _NUMPY_BUILDERS.items()),
    *(np.ndarray, np.dtype, np.dtypes.Int64DType, np.dtypes.Float32DType, np.dtypes.Float64DType),
]

# Of pickles the content decides what they are; every one of them is read as data alone.
SUFFIXES = (".safetensors", *PICKLES, ".tar", keras.SUFFIX)
# Modules that PyTorch puts between a network and its parts; no module of a published network is called so.
_BETWEEN = re.compile(r"(?<![^.])(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
_HOLDERS = {"module", "model", "net", "network"}  # what training code calls the whole network
_COUNTER = "n_averaged"  # of torch.optim.swa_utils.AveragedModel, beside the averaged network
_REALS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
_DEEPEST = 16  # wrappings around one state dict, of dicts or of names


@dataclass(frozen=True)
class Signature:
    """What the state dict of a published network is known by.

    starts: starts of keys; for each of them there is a key.
    place: where a checkpoint of ours holds the network, if it can be part of one: "semantic_backbone.".
    """

    title: str
    starts: tuple[str, ...]
    place: str = ""

    def fits(self, keys: Collection[str]) -> bool:
        return all(any(key.startswith((start, self.place + start)) for key in keys) for start in self.starts)


class ForeignState(dict[str, Tensor]):
    """A state dict that knows what its file calls each key, wrappings included, for errors to say.

    A key may name a part of one of the file's tensors: "attn.in_proj_weight[q]" is part of
    "attn.in_proj_weight".
    """

    def __init__(
        self, tensors: Mapping[str, Tensor], own_names: Mapping[str, str] | None = None, prefix: str = ""
    ):
        super().__init__(tensors)
        self._own_names, self._prefix = own_names or {}, prefix

    @classmethod
    def of(cls, state_dict: Mapping[str, Tensor]) -> "ForeignState":
        """`state_dict` itself if it knows its file's names; else, as it is, those of the file."""
        return state_dict if isinstance(state_dict, cls) else cls(state_dict)

    def with_tensors(self, tensors: Mapping[str, Tensor], without: Collection[str] = ()) -> "ForeignState":
        """With these tensors too, or instead, and without some keys."""
        kept = {key: value for key, value in self.items() if key not in without}
        return ForeignState(kept | dict(tensors), self._own_names, self._prefix)

    def part(self, place: str) -> "ForeignState":
        """The keys that start with `place`, without it."""
        keys = {key.removeprefix(place): key for key in self if key.startswith(place)}
        own_names = {name: self._own_names.get(key, key) for name, key in keys.items()}
        return ForeignState({name: self[key] for name, key in keys.items()}, own_names, self._prefix + place)

    def own_name(self, key: str) -> str:
        """What the file calls a key; of a key that it lacks, what it would call it."""
        whole = key if key in self._own_names else key.partition("[")[0]
        return quoted(self._own_names.get(whole, self._prefix + whole))

    def some(self, keys: Iterable[str]) -> str:
        """A few of the keys, as the file calls them."""
        return some({self.own_name(key) for key in keys})


def load_foreign_checkpoint(
    path: str | os.PathLike, networks: Sequence[Signature] = (), entry: str | None = None
) -> ForeignState:
    """The tensors of a file of safetensors, torch.save or Keras, without executing anything stored in it.

    What training code wraps around them is taken off: dicts around the state dict, at any depth and beside
    anything else that is plain data; `_orig_mod.`, `_fsdp_wrapped_module.` and `_checkpoint_wrapped_module.`
    anywhere in a key; and names that start every key. Without `networks`, these are `module`, `model`, `net`
    and `network`.

    networks: those that the file may hold, one of which its keys need to fit. A name of whatever kind is then
        taken off where that makes them fit, and of several state dicts the one that fits is taken.
    entry: where in the file to look, for one with several: "ema", or "generator.state_dict".

    Raises FileNotFoundError, or ValueError naming the file when it is of another kind, is damaged, would
    unpack to more than it has, holds Python objects, or does not hold exactly one such state dict.
    """
    path = Path(path)
    found = _state_dicts(_read(path), path)
    if entry is not None:
        if entry not in found:
            there = some(filter(None, found)) or "one without a name"
            raise ValueError(f"{path} has no state dict {short(entry)}; it has {there}.")
        found = {entry: found[entry]}
    states = {place: _unwrapped(tensors, networks, path) for place, tensors in found.items()}
    fitting = {
        place: state
        for place, state in states.items()
        if not networks or any(network.fits(state) for network in networks)
    }
    if not fitting:
        raise ValueError(_unknown(states, networks, path))
    if len(fitting) > 1:
        raise ValueError(f"{path} holds several state dicts that fit: {some(fitting)}; `entry` says which.")
    return next(iter(fitting.values()))


def _unknown(states: Mapping[str, ForeignState], networks: Sequence[Signature], path: Path) -> str:
    largest = max(states.values(), key=len)
    has = f"the file has {largest.some(largest)}"
    if len(networks) > 1:
        known = ", ".join(network.title for network in networks)
        return f"{path} is none of the known checkpoints ({known}): {has}."
    starts = ", ".join(networks[0].starts)
    return f"{path} is not a checkpoint of {networks[0].title}, whose keys start with {starts}: {has}."


def _read(path: Path) -> object:
    if not path.is_file():
        raise FileNotFoundError(f"There is no checkpoint file {path}.")
    if path.suffix not in SUFFIXES:
        names = f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
        raise ValueError(f"{path} is not a checkpoint: its name must end in {names}.")
    readers = {".safetensors": _read_safetensors, keras.SUFFIX: keras.read_keras}
    return readers.get(path.suffix, _read_pickle)(path)


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


def _state_dicts(content: object, path: Path) -> dict[str, Mapping[str, Tensor]]:
    """All mappings of names to plain tensors in what a file holds, by where they are. Raises ValueError."""
    if not isinstance(content, Mapping) or not content:
        raise ValueError(f"{path} holds {_describe(content)}, not a state dict of named tensors.")
    found, closest, seen = {}, content, set()
    pending: list[tuple[tuple[str, ...], Mapping]] = [((), content)]
    while pending:
        place, mapping = pending.pop()
        if id(mapping) in seen:  # a file may hold one mapping in many places, and within itself
            continue
        seen.add(id(mapping))
        if not (others := _others(mapping)):
            if any(tensor.ndim for tensor in mapping.values()):  # else they are measurements
                found[".".join(place)] = mapping
            continue
        closest = max(closest, mapping, key=_count_tensors)
        inner = ((key, mapping[key]) for key in others if isinstance(key, str) and len(place) < _DEEPEST)
        pending += [((*place, key), one) for key, one in inner if isinstance(one, Mapping) and one]
    if not found:
        others = _others(closest)
        holds = f"also holds {some(map(str, others))}" if others else "holds single numbers"
        raise ValueError(f"{path} is not a state dict of named tensors: it {holds}.")
    return found


def _others(mapping: Mapping) -> list:
    """The keys of what is not a plain tensor under a name."""
    return [key for key, value in mapping.items() if not (isinstance(key, str) and _is_plain(value))]


def _count_tensors(mapping: Mapping) -> int:
    return sum(isinstance(value, Tensor) for value in mapping.values())


def _is_plain(value: object) -> bool:
    """Whether it is a tensor with numbers of its own, neither packed nor sparse."""
    if not isinstance(value, Tensor) or value.layout != torch.strided or value.device.type != "cpu":
        return False
    return not value.is_quantized


def _describe(content: object) -> str:
    return "nothing" if isinstance(content, Mapping) else f"a {type(content).__name__}"


def _unwrapped(tensors: Mapping[str, Tensor], networks: Sequence[Signature], path: Path) -> ForeignState:
    keys = [key for key in tensors if key.rpartition(".")[2] != _COUNTER] or list(tensors)
    names = _bare_names(keys, networks)
    own_names = {name: key for key, name in names.items()}
    if twice := names.keys() - own_names.values():
        one = min(twice)
        raise ValueError(f"{path} has two keys for one tensor: {some([one, own_names[names[one]]])}.")
    return ForeignState({name: tensors[key] for key, name in names.items()}, own_names, _prefix(names))


def _bare_names(keys: Iterable[str], networks: Sequence[Signature]) -> dict[str, str]:
    """Each key without the names of modules that training code has put around and into the network."""
    names = {key: _BETWEEN.sub("", key) for key in keys}
    for _ in range(_DEEPEST):
        parts = [name.partition(".") for name in names.values()]
        outermost = {first for first, _, _ in parts}
        shared = len(outermost) == 1 and all(rest for _, _, rest in parts)
        if not shared or any(network.fits(names.values()) for network in networks):
            break
        if not networks and not outermost <= _HOLDERS:
            break
        names = {key: rest for key, (_, _, rest) in zip(names, parts, strict=True)}
    return names


def _prefix(names: Mapping[str, str]) -> str:
    """What most keys begin with before their names."""
    prefixes = Counter(key.removesuffix(name) for key, name in names.items() if key.endswith(name))
    return prefixes.most_common(1)[0][0] if prefixes else ""


def strict_rename(
    state_dict: Mapping[str, Tensor],
    expected: Mapping[str, Tensor],
    rename: Callable[[str], str | None],
    source: str,
    published: Callable[[str], str] = str,
) -> StateDict:
    """`state_dict` under our names; `rename` maps one foreign key to ours, or to None to leave it out.

    `expected` is the state dict to fill (values may be on the meta device), and `published` maps one of our
    keys to the foreign one, for errors. Batch-norm step counters, which files from before PyTorch 0.4.1 lack
    and evaluation never reads, start at zero. Raises ValueError naming `source` and up to five keys when keys
    are missing, left over or meet under one name, when a shape or the kind of number differs, and for numbers
    that are NaN or infinite and variances below zero.
    """
    state = ForeignState.of(state_dict)
    names = {key: ours for key in state if (ours := rename(key)) is not None}
    counters = {key for key in expected if key.endswith(".num_batches_tracked")}
    if missing := expected.keys() - names.values() - counters:
        raise ValueError(f"The {source} checkpoint lacks {state.some(map(published, missing))}.")
    if left_over := [key for key, ours in names.items() if ours not in expected]:
        raise ValueError(f"The {source} checkpoint has keys that belong nowhere: {state.some(left_over)}.")
    if twice := {ours for ours, count in Counter(names.values()).items() if count > 1}:
        same = state.some(key for key, ours in names.items() if ours in twice)
        raise ValueError(f"The {source} checkpoint has two keys for each of {some(twice)}: {same}.")
    for key, ours in names.items():
        own_name, kind = state.own_name(key), state[key].dtype
        check_shape(source, own_name, state[key], expected[ours].shape)
        if expected[ours].is_floating_point() and kind not in _REALS:
            raise ValueError(f"The {source} checkpoint's {own_name} is of {kind}; real numbers are needed.")
    taken = {key: state[key] for key in names}
    if wrong := not_finite(taken):
        raise ValueError(f"The {source} checkpoint is NaN or infinite in {state.some(wrong)}.")
    if wrong := below_zero(taken):
        raise ValueError(f"The {source} checkpoint has variances below zero in {state.some(wrong)}.")
    zeros = {key: torch.zeros((), dtype=torch.long) for key in counters}
    return zeros | {ours: state[key] for key, ours in names.items()}


def rename_published(
    state_dict: Mapping[str, Tensor],
    expected: Mapping[str, Tensor],
    published: Callable[[str], str],
    source: str,
    unused: tuple[str, ...] = (),
) -> StateDict:
    """`strict_rename` by what the published network calls each of our keys.

    Keys that start with one of `unused` are left out.
    """
    ours = {published(name): name for name in expected}

    def rename(key: str) -> str | None:
        return None if key.startswith(unused) else ours.get(key, key)

    return strict_rename(state_dict, expected, rename, source, published)


def check_shape(source: str, key: str, tensor: Tensor, needed: Iterable[int]) -> None:
    """Raise ValueError unless the tensor that the file calls `key` has the shape that is needed."""
    if tuple(tensor.shape) != tuple(needed):
        raise ValueError(
            f"The {source} checkpoint's {key} has shape {tuple(tensor.shape)}, but {tuple(needed)} is needed."
        )


def stored_shape(source: str, state: Mapping[str, Tensor], key: str, axes: int = 2) -> tuple[int, ...]:
    """Shape of a tensor that the checkpoint needs to have, with so many axes. Raises ValueError."""
    own_name = ForeignState.of(state).own_name(key)
    if key not in state:
        raise ValueError(f"The {source} checkpoint lacks {own_name}.")
    shape = tuple(state[key].shape)
    if len(shape) != axes:
        raise ValueError(
            f"The {source} checkpoint's {own_name} has shape {shape}, but {axes} axes are needed."
        )
    return shape


def numbered(keys: Iterable[str], pattern: str) -> int:
    """How many different numbers keys have where the pattern, for their start, has its group."""
    return len({match[1] for key in keys if (match := re.match(pattern, key))})


def expected_state(build: Callable[[], nn.Module]) -> StateDict:
    """The state dict of a module, without memory behind it."""
    with torch.device("meta"):
        return build().state_dict()


def substitute(key: str, names: Sequence[tuple[str, str]]) -> str:
    """The key after each of the substitutions (pattern, replacement), in order."""
    for pattern, replacement in names:
        key = re.sub(pattern, replacement, key)
    return key
