"""Foreign checkpoints to state dicts of our modules. A key too many or too few is an error, never a guess."""

import functools
import os
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ..backbones_davihd import (
    INCEPTION_FEATURES,
    InceptionV3Backbone,
    PANNsCNN14Backbone,
    ResNet3D34Backbone,
    panns_mel_filters,
)
from ..baselines.configuration_baselines import CSTAConfig, PGLSumConfig, UMTConfig
from ..baselines.csta import CSTAModel
from ..baselines.pgl_sum import PGLSumModel
from ..baselines.umt import UMTModel
from ..configuration_davihd import DAViHDConfig
from ..loading import not_finite
from ..modeling_davihd import DAViHDModel

StateDict = dict[str, Tensor]
LARGEST_PCA = 8 * 2 * INCEPTION_FEATURES**2  # bytes: twice those of all components

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
    if (unpacked := _unpacked_size(path)) > path.stat().st_size:
        raise ValueError(f"{path} is not loaded: it would unpack to {unpacked >> 20} MB.")
    try:
        with torch.serialization.safe_globals(_SAFE_GLOBALS):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the restricted reader fails on a damaged file in a dozen ways
        raise ValueError(
            f"{path} is not loaded: it is damaged or holds Python objects, which could run code; "
            "save the weights alone with torch.save(model.state_dict(), ...)."
        ) from error


def _unpacked_size(path: str | os.PathLike) -> int:
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
        raise ValueError(f"{path} is not a state dict of named tensors: it also holds {_some(odd)}.")
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
        raise ValueError(f"The {source} checkpoint lacks {_some(missing)}.")
    left_over = [key for key, ours in names.items() if ours not in expected]
    if left_over:
        raise ValueError(f"The {source} checkpoint has keys that belong nowhere: {_some(left_over)}.")
    twice = [key for key, count in Counter(names.values()).items() if count > 1]
    if twice:
        raise ValueError(f"The {source} checkpoint has two keys for each of {_some(twice)}.")
    for key, ours in names.items():
        _check_shape(source, key, state_dict[key], expected[ours].shape)
        kind = state_dict[key].dtype
        if expected[ours].is_floating_point() and not kind.is_floating_point:
            raise ValueError(f"The {source} checkpoint's {key} is of {kind}; real numbers are needed.")
    if wrong := not_finite({key: state_dict[key] for key in names}):
        raise ValueError(f"The {source} checkpoint is NaN or infinite in {_some(wrong)}.")
    zeros = {key: torch.zeros((), dtype=torch.long) for key in counters}
    return zeros | {ours: state_dict[key] for key, ours in names.items()}


def _check_shape(source: str, key: str, tensor: Tensor, needed: Iterable[int]) -> None:
    if tuple(tensor.shape) != tuple(needed):
        raise ValueError(
            f"The {source} checkpoint's {key} has shape {tuple(tensor.shape)}, but {tuple(needed)} is needed."
        )


def _some(keys: Iterable[str], limit: int = 5) -> str:
    keys = sorted(keys)
    rest = f" and {len(keys) - limit} more" if len(keys) > limit else ""
    return ", ".join(keys[:limit]) + rest


def _expected_state(backbone: Callable[[], nn.Module]) -> StateDict:
    with torch.device("meta"):
        return backbone().state_dict()


def _without(*prefixes: str) -> Callable[[str], str | None]:
    return lambda key: None if key.startswith(prefixes) else key


def convert_panns_state_dict(state_dict: Mapping[str, Tensor]) -> StateDict:
    """The published Cnn14_16k -> `PANNsCNN14Backbone`.

    The tag classifier and the front end are left out; raises ValueError if its mel filters are not ours.
    """
    source, mel_key = "PANNs CNN14 (16 kHz)", "logmel_extractor.melW"
    if mel_key not in state_dict:
        raise ValueError(f"The {source} checkpoint lacks {mel_key}.")
    filters = panns_mel_filters(torch.device("cpu"))
    _check_shape(source, mel_key, state_dict[mel_key], filters.shape)
    difference = (state_dict[mel_key].float() - filters).abs().max() / filters.max()
    if not difference < 1e-4:
        raise ValueError(
            f"The {source} checkpoint's {mel_key} is not the Slaney filter bank from 50 to 8000 Hz."
        )
    rename = _without("spectrogram_extractor.", "logmel_extractor.", "fc_audioset.")
    return strict_rename(state_dict, _expected_state(PANNsCNN14Backbone), rename, source)


def convert_resnet3d_state_dict(state_dict: Mapping[str, Tensor]) -> StateDict:
    """A published 3D ResNet-34 with shortcut type B -> `ResNet3D34Backbone`; its classifier is left out.

    Type A checkpoints (resnet-34-kinetics.pth of 2017) have no downsample weights and are refused for that.
    """
    return strict_rename(state_dict, _expected_state(ResNet3D34Backbone), _without("fc."), "3D ResNet-34")


def convert_inception_state_dict(state_dict: Mapping[str, Tensor]) -> StateDict:
    """torchvision's or timm's inception_v3 -> the `network.` part of `InceptionV3Backbone`.

    Both use the same names. The classifiers fc and AuxLogits are left out; `load_pca` gives the PCA.
    """
    state = _expected_state(InceptionV3Backbone)
    expected = {key: value for key, value in state.items() if key.startswith("network.")}

    def rename(key: str) -> str | None:
        return None if key.startswith(("fc.", "AuxLogits.")) else f"network.{key}"

    return strict_rename(state_dict, expected, rename, "Inception-v3")


def load_pca(path: str | os.PathLike) -> StateDict:
    """The PCA of `InceptionV3Backbone`: `mean` (2048,), `projection` (D, 2048), `scale` (D,), all float32.

    The file is one of:
    - .npz with `mean` (2048,) and `components` (D, 2048), and optionally either `explained_variance` (D,),
      whose inverse root becomes the scale, or `scale` (D,) itself. Without them the scale is 1: no whitening.
    - .npy with the projection alone, (D, 2048) or (2048, D) with D < 2048. The mean is 0 and the scale 1.

    YouTube-8M's whitening adds 1e-4 to the eigenvalues: store 1 / sqrt(eigenvalues + 1e-4) as `scale`.
    Raises ValueError naming the file on any other content. Pickled content is never executed.
    """
    content = _read_numpy(path)
    arrays = content if isinstance(content, dict) else _pca_from_projection(content, path)
    _check_pca_names(arrays, path)
    _check_pca_values(arrays, path)
    components = arrays["components"]
    scale = arrays.get("scale", np.ones(len(components)))
    if "explained_variance" in arrays:
        scale = arrays["explained_variance"] ** -0.5
    pca = {"mean": arrays["mean"], "projection": components, "scale": scale}
    return {name: torch.from_numpy(np.array(array, dtype=np.float32)) for name, array in pca.items()}


def _read_numpy(path: str | os.PathLike) -> np.ndarray | dict[str, np.ndarray]:
    try:
        if (unpacked := _unpacked_size(path)) > LARGEST_PCA:
            raise ValueError(f"it would unpack to {unpacked >> 20} MB")
        content = np.load(path, allow_pickle=False, mmap_mode="r")  # of .npy; its header may lie
        if isinstance(content, np.ndarray):
            return content
        with content:
            return dict(content)
    except (ValueError, EOFError, MemoryError, OverflowError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path} is not a readable .npy or .npz file of plain numbers: {error}.") from error


def _pca_from_projection(projection: np.ndarray, path: str | os.PathLike) -> dict[str, np.ndarray]:
    shape = projection.shape
    if len(shape) != 2 or max(shape) != INCEPTION_FEATURES or min(shape) == INCEPTION_FEATURES:
        needed = "(D, 2048) or (2048, D) with D < 2048"
        raise ValueError(f"{path} holds an array of shape {shape}, but {needed} is needed.")
    components = projection if shape[1] == INCEPTION_FEATURES else projection.T
    return {"mean": np.zeros(INCEPTION_FEATURES), "components": components}


def _check_pca_names(arrays: dict[str, np.ndarray], path: str | os.PathLike) -> None:
    required, scales = {"mean", "components"}, {"explained_variance", "scale"}
    optional = arrays.keys() - required
    if not required <= arrays.keys() or len(optional) > 1 or not optional <= scales:
        raise ValueError(
            f"{path} holds {_some(arrays) or 'nothing'}, but mean and components are needed, "
            "with at most one of explained_variance and scale."
        )


def _check_pca_values(arrays: dict[str, np.ndarray], path: str | os.PathLike) -> None:
    shape = arrays["components"].shape
    if len(shape) != 2 or shape[1] != INCEPTION_FEATURES or shape[0] == 0:
        raise ValueError(f"{path} holds components of shape {shape}, but (D, 2048) is needed.")
    for name, array in arrays.items():
        needed = {"mean": shape[1:], "components": shape}.get(name, shape[:1])
        if array.shape != needed:
            raise ValueError(f"{path} holds {name} of shape {array.shape}, but {needed} is needed.")
        if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
            raise ValueError(f"{path} holds {name} that is not made of finite numbers.")
    if (arrays.get("explained_variance", np.ones(1)) <= 0).any():
        raise ValueError(f"{path} holds explained_variance that is not positive everywhere.")


# In the reference's names, `attention` is the branch on the difference, `attention2` the one on the input
# itself.
_REFERENCE_NAMES = [
    (r"^semantic_audio_encoder\.", "semantic_encoder."),
    (r"^dynamic_audio_encoder\.tfd_conv\.cnn\.batchnorm(\d+)\.", r"dynamics_encoder.blocks.\1.norm."),
    (r"^dynamic_audio_encoder\.tfd_conv\.cnn\.conv(\d+)\.", r"dynamics_encoder.blocks.\1.conv."),
    (r"^dynamic_audio_encoder\.transformer_encoder\.", "dynamics_encoder."),
    (r"^dynamic_audio_encoder\.feature_projection\.", "dynamics_encoder.projection."),
    (r"\.conv\.attention\.conv1d1\.", ".conv.kernel_in."),
    (r"\.conv\.attention\.bn\.", ".conv.kernel_norm."),
    (r"\.conv\.attention\.conv1d2\.", ".conv.kernel_out."),
    (r"\.conv\.attention\.time_pool\.xforward\.", ".conv.pooling.saliency_gate."),
    (r"\.conv\.attention\.time_pool\.attention2\.", ".conv.pooling.time_attention."),
    (r"\.conv\.attention\.time_pool\.attention\.", ".conv.pooling.velocity_attention."),
    (r"(_gate|_attention)\.0\.", r"\1.conv_in."),
    (r"(_gate|_attention)\.1\.", r"\1.norm."),
    (r"(_gate|_attention)\.3\.", r"\1.conv_out."),
    (r"^(cross_\w+)\.q_proj\.", r"\1.query."),
    (r"^(cross_\w+)\.k_proj\.", r"\1.key."),
    (r"^(cross_\w+)\.v_proj\.", r"\1.value."),
    (r"\.(self_attn|attn)\.", ".attention."),
    (r"\.norm1\.", ".attention_norm."),
    (r"\.norm2\.", ".feed_forward_norm."),
    (r"\.ffn\.", ".feed_forward."),
    (r"\.linear1\.", ".feed_forward.0."),
    (r"\.linear2\.", ".feed_forward.3."),
    (r"^fusion_mlp\.", "score_head."),
]


def reference_config(reference: Mapping[str, object]) -> DAViHDConfig:
    """The config of a network of the authors' released code, from its hyper-parameters under its own names.

    Needs audio_dim, visual_dim, hidden_dim, n_heads, n_mels, n_filt, pooling, DY_layers, n_basis_kernels,
    temperature, dropout, dynamics_transformer and cnn_batchnorm; raises ValueError naming those that are
    missing.
    """
    needed = (
        "audio_dim visual_dim hidden_dim n_heads n_mels n_filt pooling DY_layers n_basis_kernels temperature"
    )
    needed += " dropout dynamics_transformer cnn_batchnorm"
    if missing := [name for name in needed.split() if name not in reference]:
        raise ValueError(f"The reference's hyper-parameters lack {_some(missing)}.")
    return DAViHDConfig(
        visual_dim=reference["visual_dim"],
        semantic_dim=reference["audio_dim"],
        dynamics_dim=reference["audio_dim"],
        num_attention_heads=reference["n_heads"],
        dropout=reference["dropout"],
        num_mel_bins=reference["n_mels"],
        log_mel_rate=1,
        dynamics_channels=list(reference["n_filt"]),
        dynamics_basis_kernels=[reference["n_basis_kernels"] if dy else 1 for dy in reference["DY_layers"]],
        dynamics_time_pooling=[time for time, _ in reference["pooling"]],
        dynamics_frequency_pooling=[frequency for _, frequency in reference["pooling"]],
        dynamics_temperature=reference["temperature"],
        dynamics_num_layers=reference["dynamics_transformer"]["layers"],
        dynamics_num_heads=reference["dynamics_transformer"]["heads"],
        batch_norm_momentum=reference["cnn_batchnorm"]["momentum"],
        score_hidden_dim=reference["hidden_dim"],
    )


def convert_reference_state_dict(state_dict: Mapping[str, Tensor], config: DAViHDConfig) -> StateDict:
    """State dict of the authors' released DAViHD network -> `DAViHDModel(config)`.

    The table of positions is dropped: ours has no maximum length. Raises ValueError on a key missing or left
    over.
    """
    with torch.device("meta"):
        expected = DAViHDModel(config).state_dict()
    split = {}
    for key, value in state_dict.items():
        if "in_proj_" not in key:
            split[key] = value
            continue
        for name, part in zip("qkv", value.chunk(3), strict=True):
            split[key.replace("in_proj_", f"{name}_proj.")] = part.clone()
    return strict_rename(split, expected, _reference_name, "reference DAViHD")


def _reference_name(key: str) -> str | None:
    if key == "dynamic_audio_encoder.positional_encoding.pe":
        return None
    return _substitute(key, _REFERENCE_NAMES)


def _substitute(key: str, names: list[tuple[str, str]]) -> str:
    for pattern, ours in names:
        key = re.sub(pattern, ours, key)
    return key


_PGL_SUM_NAMES = [
    (r"^attention\.", "encoder."),
    (r"\.Wq\.", ".query."),
    (r"\.Wk\.", ".key."),
    (r"\.Wv\.", ".value."),
    (r"^norm_y\.", "encoder_norm."),
    (r"^linear_1\.", "hidden."),
    (r"^norm_linear\.", "hidden_norm."),
    (r"^linear_2\.", "head."),
]


def convert_pgl_sum_state_dict(state_dict: Mapping[str, Tensor], config: PGLSumConfig) -> StateDict:
    """State dict of the published PGL-SUM -> `PGLSumModel(config)`, whose maps hold all heads.

    Raises ValueError on a key missing or left over.
    """
    source = "PGL-SUM"
    joined = dict(state_dict)
    expected = _expected_state(lambda: PGLSumModel(config))
    for keys, whole in _pgl_sum_heads(config):
        if missing := [key for key in keys if key not in joined]:
            raise ValueError(f"The {source} checkpoint lacks {_some(missing)}.")
        rows, width = expected[_substitute(whole, _PGL_SUM_NAMES)].shape
        for key in keys:
            _check_shape(source, key, joined[key], (rows // len(keys), width))
        joined[whole] = torch.cat([joined.pop(key) for key in keys])
    return strict_rename(joined, expected, functools.partial(_substitute, names=_PGL_SUM_NAMES), source)


def _pgl_sum_heads(config: PGLSumConfig) -> Iterator[tuple[list[str], str]]:
    """The published keys of each map's heads, and the key of the whole map."""
    heads = {"attention": config.num_attention_heads}
    if config.fusion != "none":
        local = [f"local_attention.{number}" for number in range(config.num_segments)]
        heads |= dict.fromkeys(local, config.num_local_attention_heads)
    for cell, count in heads.items():
        for name in ("Wq", "Wk", "Wv"):
            prefix = f"attention.{cell}.{name}"
            yield [f"{prefix}.{head}.weight" for head in range(count)], f"{prefix}.weight"


_UMT_NAMES = [
    (r"^cross_enc\.encoder\.token$", "cross_encoder.tokens"),
    (r"^cross_enc\.encoder\.encoder\.", "cross_encoder.layers."),
    (r"^cross_enc\.", "cross_encoder."),
    (r"^query_dec\.q_pos_enc\.", "decoder.query_positions."),
    (r"^query_dec\.k_pos_enc\.", "decoder.memory_positions."),
    (r"^query_dec\.decoder\.", "decoder.layers."),
    (r"^query_dec\.", "decoder."),
    (r"^video_enc\.(encoder\.)?", "visual_encoder."),
    (r"^audio_enc\.(encoder\.)?", "semantic_encoder."),
    (r"^pred_head\.0\.saliency_pred\.linear\.", "head."),
    (r"^(cross_encoder\.layers\.\d+)\.att1\.", r"\1.gather_visual."),
    (r"^(cross_encoder\.layers\.\d+)\.att2\.", r"\1.gather_semantic."),
    (r"^(cross_encoder\.layers\.\d+)\.att3\.", r"\1.spread_visual."),
    (r"^(cross_encoder\.layers\.\d+)\.att4\.", r"\1.spread_semantic."),
    (r"^(cross_encoder\.layers\.\d+)\.norm1\.", r"\1.visual_norm."),
    (r"^(cross_encoder\.layers\.\d+)\.norm2\.", r"\1.semantic_norm."),
    (r"^(cross_encoder\.layers\.\d+)\.norm3\.", r"\1.token_norm."),
    (r"^(cross_encoder\.layers\.\d+)\.norm4\.", r"\1.gathered_norm."),
    (r"^(decoder\.layers\.\d+)\.att2\.", r"\1.memory_attention."),
    (r"^(decoder\.layers\.\d+)\.norm2\.", r"\1.memory_norm."),
    (r"\.mapping\.linear\.", ".projection."),
    (r"\.pos_enc\.", ".positions."),
    (r"\.pe$", ".weight"),
    (r"\.att1?\.", ".attention."),
    (r"\.norm1\.", ".attention_norm."),
    (r"\.norm[23]\.", ".feed_forward_norm."),
    (r"\.norm5\.", ".visual_feed_forward_norm."),
    (r"\.norm6\.", ".semantic_feed_forward_norm."),
    (r"\.ffn\.", ".feed_forward."),
    (r"\.ffn1\.", ".visual_feed_forward."),
    (r"\.ffn2\.", ".semantic_feed_forward."),
    (r"_forward\.mapping\.", "_forward."),
    (r"\.([qkv])\.", r".\1_proj."),
    (r"\.m\.", ".out_proj."),
]


def convert_umt_state_dict(state_dict: Mapping[str, Tensor], config: UMTConfig) -> StateDict:
    """State dict of the published UMT without text -> `UMTModel(config)`.

    Raises ValueError on a key missing or left over.
    """
    tables = {key: value.flatten(0, 1) for key, value in state_dict.items() if key.endswith(".pe")}
    expected = _expected_state(lambda: UMTModel(config))
    rename = functools.partial(_substitute, names=_UMT_NAMES)
    return strict_rename({**state_dict, **tables}, expected, rename, "UMT")


_CSTA_NAMES = [
    (r"^CLS$", "token"),
    (r"^googlenet\.", "cnn."),
    (r"^(key|value)_embedding\.", r"\1."),
    (r"^layernorm1\.", "map_norm."),
    (r"^linear1\.0\.", "head.hidden."),
    (r"^linear1\.3\.", "head.norm."),
    (r"^linear2\.0\.", "head.output."),
]


def convert_csta_state_dict(state_dict: Mapping[str, Tensor], config: CSTAConfig) -> StateDict:
    """State dict of the published CSTA -> `CSTAModel(config)`.

    Positions and the CNN's unused classifier are dropped. Raises ValueError on a key missing or left over.
    """
    tokens = {key: value.flatten(0, 1) for key, value in state_dict.items() if key == "CLS"}
    expected = _expected_state(lambda: CSTAModel(config))

    def rename(key: str) -> str | None:
        unused = key == "Positional_encoding_op.pe" or key.startswith("googlenet.fc.")
        return None if unused else _substitute(key, _CSTA_NAMES)

    return strict_rename({**state_dict, **tokens}, expected, rename, "CSTA")
