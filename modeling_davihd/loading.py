"""Checkpoint folders, of whatever origin: the only way that commands, examples and the Space load a model.

All that a folder says is checked before memory is taken for its weights; only JSON and safetensors are read,
so that nothing in it can be executed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .baselines import BASELINES
from .precision import resolve_precision, set_precision
from .wording import short, some

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig, PreTrainedModel

    from .feature_extraction_davihd import DAViHDFeatureExtractor
    from .pipeline_davihd import VideoHighlightDetectionPipeline

DEFAULT_MODEL = "davihd-small"  # the name of the model inside this package
CHECKPOINTS = Path(__file__).parent / "checkpoints"  # what comes with this package
DEFAULT_CHECKPOINT = CHECKPOINTS / DEFAULT_MODEL
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
PICKLES = (".bin", ".ckpt", ".pkl", ".pt", ".pth")  # what the files of torch.save are called
LARGEST_JSON = 1 << 20  # bytes; ours have two thousand
LARGEST_HEADER = 1 << 23  # bytes of names and shapes before the weights; 80 a tensor
# Kinds of numbers that a tensor may be stored as, by whether it is of real or of whole numbers.
STORED = {True: ("F64", "F32", "F16", "BF16"), False: ("I64",)}
DTYPES = (None, "float32", "float16", "bfloat16", "float64")
# Of a config, what the caller decides, and how transformers leaves it: an attention may name code on the Hub.
CALLERS_CHOICE = {
    **{"output_attentions": False, "output_hidden_states": False, "return_dict": True},
    **dict.fromkeys(("attn_implementation", "quantization_config")),
}

Shapes = dict[str, tuple[tuple[int, ...], str]]


def checkpoint_folder(model: str) -> Path:
    """The folder of that name, or one with the files of that Hub id, downloaded or from before.

    DEFAULT_MODEL is the one inside this package. Raises ValueError where the name is that of a file or of no
    folder, or of another model.
    """
    if model == DEFAULT_MODEL:
        return DEFAULT_CHECKPOINT
    path = Path(model)
    if not path.is_dir():
        if path.exists():
            raise ValueError("it is a file; a checkpoint folder or a Hub id is needed")
        if path.is_absolute() or model.startswith((".", "~")) or len(path.parts) > 2:
            raise ValueError("there is no such folder")
        _read_fields(hub_folder(model, ["config.json"]))  # before any large file
        path = hub_folder(model, ["*.json", "*.safetensors"])
    _read_fields(path)
    return path


def load_pipeline(
    model: str, device: torch.device, precision: str = "float32"
) -> VideoHighlightDetectionPipeline:
    """The pipeline of a checkpoint folder, a Hub id, or the model inside this package.

    precision: of the frozen encoders, one of `PRECISIONS`.

    Raises ValueError unless all of it fits: see `load_model` and `load_extractor`.
    """
    # Before what is slow to import.
    folder = checkpoint_folder(model)
    from . import VideoHighlightDetectionPipeline

    network, extractor = load_checkpoint(folder)
    set_precision(network, resolve_precision(precision, device))
    return VideoHighlightDetectionPipeline(network, feature_extractor=extractor, device=device)


def load_checkpoint(folder: Path) -> tuple[PreTrainedModel, DAViHDFeatureExtractor]:
    """Model and feature extractor of a checkpoint folder, without a word from transformers.

    Raises ValueError unless all of it fits: see `load_model` and `load_extractor`.
    """
    from transformers import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    extractor = load_extractor(folder)
    return load_model(folder), extractor


def load_model(folder: Path) -> PreTrainedModel:
    """The model of a checkpoint folder, in evaluation mode; any of ours.

    Raises ValueError, in a sentence without the folder's name, unless all of it fits: see `check_checkpoint`;
    and weights that are NaN or infinite, and variances below zero.
    """
    from transformers import AutoModel

    config = check_checkpoint(folder)
    model = AutoModel.from_pretrained(folder, config=config, use_safetensors=True, trust_remote_code=False)
    state = model.state_dict()
    if wrong := not_finite(state):
        raise ValueError(f"its weights are NaN or infinite, as in {some(wrong)}")
    if wrong := below_zero(state):
        raise ValueError(f"its weights hold variances below zero, as in {some(wrong)}")
    return model.eval()


def load_extractor(folder: Path) -> DAViHDFeatureExtractor:
    """The feature extractor of a checkpoint folder. Raises ValueError as `load_model` does."""
    from . import DAViHDFeatureExtractor

    fields = _read_object(folder / "preprocessor_config.json")
    try:  # not from_pretrained: a processor_config.json beside it would be read instead
        return DAViHDFeatureExtractor.from_dict(fields)
    except ValueError as error:
        raise ValueError(f"its preprocessor_config.json does not hold: {error}") from error
    except (TypeError, AttributeError, KeyError) as error:
        raise ValueError(f"its preprocessor_config.json is not one of a DAViHD model ({error})") from error


def check_checkpoint(folder: Path) -> PreTrainedConfig:
    """The config of a folder all of whose weights are there, fit that config, and are stored safely.

    Raises ValueError, in a sentence without the folder's name, for a config with unknown fields or with
    sizes out of range, weights that are missing, left over, misshapen, cut off or pickled, and adapters.
    """
    config = _read_config(folder)
    found = _read_shapes(folder)
    _compare(_expected_shapes(config), found)
    return config


def not_finite(tensors: Mapping[str, torch.Tensor]) -> list[str]:
    """Names of the floating-point tensors that hold NaN or infinite numbers."""
    return [name for name, tensor in tensors.items() if tensor.is_floating_point() and not _is_finite(tensor)]


def _is_finite(tensor: torch.Tensor) -> bool:
    """By its extremes, which takes no memory; NaN counts as both."""
    return (
        tensor.is_meta or tensor.numel() == 0 or bool(sum(extreme * 0 for extreme in tensor.aminmax()) == 0)
    )


def below_zero(tensors: Mapping[str, torch.Tensor]) -> list[str]:
    """Names of the batch norms' variances that hold numbers below zero."""
    variances = {name: one for name, one in tensors.items() if name.endswith("running_var")}
    return [name for name, one in variances.items() if not one.is_meta and bool((one < 0).any())]


# Config


def _read_fields(folder: Path) -> dict:
    """What a folder's config.json holds. Raises ValueError where it is not that of one of our models."""
    try:
        fields = _read_object(folder / "config.json")
    except ValueError as error:
        raise ValueError(f"the folder has no readable config.json: {error}") from error
    known, kind = ("davihd", *BASELINES), fields.get("model_type")
    if kind not in known:
        raise ValueError(
            f"its config.json is that of a {short(kind)} model; one of {', '.join(known)} is needed"
        )
    return fields


def _read_object(path: Path) -> dict:
    """A small JSON file that holds an object. Raises ValueError, naming the file, for any other content."""
    try:
        if path.exists() and not path.is_file():  # a pipe would never end
            raise ValueError(f"{path.name} is no regular file")
        if path.stat().st_size > LARGEST_JSON:
            raise ValueError(f"{path.name} has more than {LARGEST_JSON >> 20} MB")
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ValueError(f"there is no {path.name}") from error
    except OSError as error:
        raise ValueError(f"{path.name} cannot be read ({error.strerror})") from error
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{path.name} is not readable JSON ({error})") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path.name} holds no JSON object")
    return content


def _read_config(folder: Path) -> PreTrainedConfig:
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig

    from . import registration  # noqa: F401  (makes our model types known)

    fields = _read_fields(folder)
    if (dtype := fields.get("dtype", fields.get("torch_dtype"))) not in DTYPES:
        raise ValueError(f"its config.json has the dtype {short(dtype)}; one of {DTYPES[1:]} is needed")
    given = {name: fields[name] for name in CALLERS_CHOICE if fields.get(name) is not None}
    if unfit := sorted(name for name, value in given.items() if value is not CALLERS_CHOICE[name]):
        raise ValueError(f"its config.json has {some(unfit)}, which is not for a file to choose")
    try:
        return AutoConfig.for_model(**fields)
    except StrictDataclassError as error:
        raise ValueError(f"its config.json does not hold: {error.__cause__ or error}") from error
    except (TypeError, AttributeError, KeyError, ValueError) as error:
        raise ValueError(f"its config.json does not hold: {error}") from error


# Weights


def _read_shapes(folder: Path) -> Shapes:
    """Shape and kind of every stored tensor, from the headers of the files alone."""
    if (folder / "adapter_config.json").exists():
        raise ValueError("it holds an adapter_config.json, which would bring in another model")
    if (folder / WEIGHTS).is_file():
        return _read_header(folder / WEIGHTS)
    if not (folder / INDEX).is_file():
        raise ValueError(_no_weights(folder))
    weight_map = _read_object(folder / INDEX).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise ValueError(f"its {INDEX} has no weight_map")
    shapes: Shapes = {}
    for file in sorted(set(map(str, weight_map.values()))):
        if Path(file).name != file or not file.endswith(".safetensors"):
            raise ValueError(f"its {INDEX} names {short(file)}, which is no .safetensors file of the folder")
        if not (folder / file).is_file():
            raise ValueError(f"it lacks {file}, which its {INDEX} names")
        shapes |= _read_header(folder / file)
    return shapes


def _no_weights(folder: Path) -> str:
    pickles = [path.name for path in folder.iterdir() if path.suffix in PICKLES]
    if not pickles:
        return f"it has no {WEIGHTS}"
    return f"its weights are in {min(pickles)}, a pickle, which could run code; {WEIGHTS} is needed"


def _read_header(path: Path) -> Shapes:
    from safetensors import SafetensorError, safe_open

    with path.open("rb") as file:
        if int.from_bytes(file.read(8), "little") > LARGEST_HEADER:
            raise ValueError(
                f"its {path.name} is damaged: it claims a header of over {LARGEST_HEADER >> 20} MB"
            )
    try:
        with safe_open(path, "pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}
            return {name: (tuple(one.get_shape()), one.get_dtype()) for name, one in slices.items()}
    except (SafetensorError, OSError, ValueError) as error:
        raise ValueError(f"its {path.name} is damaged or cut off ({error})") from error


def _expected_shapes(config: PreTrainedConfig) -> Mapping[str, torch.Tensor]:
    """The state dict of the config's model, without memory behind it."""
    import torch
    from transformers import AutoModel

    with torch.device("meta"):
        return AutoModel.from_config(config, trust_remote_code=False).state_dict()


def _compare(expected: Mapping[str, torch.Tensor], found: Shapes) -> None:
    if missing := expected.keys() - found.keys():
        raise ValueError(f"its weights do not fit its config: {some(missing)} missing")
    if extra := found.keys() - expected.keys():
        raise ValueError(f"its weights do not fit its config: {some(extra)} left over")
    for name, tensor in expected.items():
        (shape, kind), needed = found[name], tuple(tensor.shape)
        if shape != needed:
            raise ValueError(
                f"its weights do not fit its config: {name} has shape {shape}, {needed} is needed"
            )
        if kind not in STORED[tensor.is_floating_point()]:
            raise ValueError(f"its weights are stored as {kind} in {name}, which is not read")


def hub_folder(name: str, files: Sequence[str], kind: str = "model", revision: str | None = None) -> Path:
    """The folder that holds those files of a Hub id, by their patterns: downloaded, or from before.

    kind: of its repository, "model" or "dataset". Raises ValueError, in a sentence without the name, if they
    cannot be had.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )
    from huggingface_hub.utils import logging

    logging.set_verbosity_error()
    try:
        return Path(snapshot_download(name, repo_type=kind, revision=revision, allow_patterns=list(files)))
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise ValueError(f"there is no such folder, and no {kind} that you may read on the Hub") from error
    except RevisionNotFoundError as error:
        raise ValueError(f"the {kind} on the Hub has no revision {short(revision)}") from error
    except LocalEntryNotFoundError as error:
        raise ValueError(
            "there is no such folder, the Hub cannot be reached, and no copy of its "
            f"{kind} is on this machine"
        ) from error


__all__ = [
    "CHECKPOINTS",
    "DEFAULT_CHECKPOINT",
    "DEFAULT_MODEL",
    "PICKLES",
    "WEIGHTS",
    "below_zero",
    "check_checkpoint",
    "checkpoint_folder",
    "hub_folder",
    "load_checkpoint",
    "load_extractor",
    "load_model",
    "load_pipeline",
    "not_finite",
]
