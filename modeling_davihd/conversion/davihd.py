"""The network that the authors of DAViHD released -> `DAViHDModel`."""

import functools
import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ..configuration_davihd import DAViHDConfig
from ..modeling_davihd import DAViHDModel
from ..wording import some
from .checkpoints import (
    ForeignState,
    Signature,
    StateDict,
    check_shape,
    expected_state,
    numbered,
    rename_published,
    stored_shape,
    substitute,
)

REFERENCE = Signature(
    "reference DAViHD",
    ("visual_encoder.", "semantic_audio_encoder.", "dynamic_audio_encoder.", "fusion_mlp."),
)

# Our names -> the reference's. It calls `attention` the branch on the difference, `attention2` the one on the
# input itself, and has one tensor for the maps to queries, keys and values.
_REFERENCE_NAMES = [
    (r"^(dynamics_encoder\.layers\.\d+)\.attention\.", r"\1.self_attn."),
    (r"\.attention\.", ".attn."),
    (r"attn\.([qkv])_proj\.(\w+)$", r"attn.in_proj_\2[\1]"),
    (r"^(cross_\w+)\.query\.", r"\1.q_proj."),
    (r"^(cross_\w+)\.key\.", r"\1.k_proj."),
    (r"^(cross_\w+)\.value\.", r"\1.v_proj."),
    (r"\.attention_norm\.", ".norm1."),
    (r"\.feed_forward_norm\.", ".norm2."),
    (r"^(dynamics_encoder\.layers\.\d+)\.feed_forward\.0\.", r"\1.linear1."),
    (r"^(dynamics_encoder\.layers\.\d+)\.feed_forward\.3\.", r"\1.linear2."),
    (r"\.feed_forward\.", ".ffn."),
    (r"(_gate|_attention)\.conv_in\.", r"\1.0."),
    (r"(_gate|_attention)\.norm\.", r"\1.1."),
    (r"(_gate|_attention)\.conv_out\.", r"\1.3."),
    (r"\.pooling\.saliency_gate\.", ".attention.time_pool.xforward."),
    (r"\.pooling\.time_attention\.", ".attention.time_pool.attention2."),
    (r"\.pooling\.velocity_attention\.", ".attention.time_pool.attention."),
    (r"\.kernel_in\.", ".attention.conv1d1."),
    (r"\.kernel_norm\.", ".attention.bn."),
    (r"\.kernel_out\.", ".attention.conv1d2."),
    (r"^dynamics_encoder\.blocks\.(\d+)\.norm\.", r"dynamic_audio_encoder.tfd_conv.cnn.batchnorm\1."),
    (r"^dynamics_encoder\.blocks\.(\d+)\.conv\.", r"dynamic_audio_encoder.tfd_conv.cnn.conv\1."),
    (r"^dynamics_encoder\.layers\.", "dynamic_audio_encoder.transformer_encoder.layers."),
    (r"^dynamics_encoder\.projection\.", "dynamic_audio_encoder.feature_projection."),
    (r"^semantic_encoder\.", "semantic_audio_encoder."),
    (r"^score_head\.", "fusion_mlp."),
]
_POSITIONS = "dynamic_audio_encoder.positional_encoding.pe"


def reference_config(reference: Mapping[str, Any]) -> DAViHDConfig:
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
        raise ValueError(f"The reference's hyper-parameters lack {some(missing)}.")
    return DAViHDConfig(
        visual_dim=reference["visual_dim"],
        semantic_dim=reference["audio_dim"],
        dynamics_dim=reference["audio_dim"],
        num_attention_heads=reference["n_heads"],
        dropout=reference["dropout"],
        num_mel_bins=reference["n_mels"],
        log_mel_rate=1,
        log_mel_grid="released",
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


def reference_sizes(state_dict: Mapping[str, Tensor]) -> dict[str, object]:
    """The fields of a DAViHDConfig that give the weights of the released network their shapes.

    Heads, time pooling, temperature and dropout give none. Raises ValueError, naming a key.
    """
    cnn, layer = "dynamic_audio_encoder.tfd_conv.cnn", r"dynamic_audio_encoder\.transformer_encoder\.layers"
    shape = functools.partial(stored_shape, REFERENCE.title, state_dict)

    def basis_kernels(block: int) -> int:
        static = f"{cnn}.conv{block}.attention.conv1d2.weight" not in state_dict
        return 1 if static else shape(f"{cnn}.conv{block}.attention.conv1d2.weight", 3)[0]

    blocks = range(numbered(state_dict, rf"{re.escape(cnn)}\.batchnorm(\d+)\."))
    hidden, visual = shape("visual_encoder.ffn.0.weight")
    return {
        "visual_dim": visual,
        "semantic_dim": shape("semantic_audio_encoder.attn.out_proj.weight")[0],
        "dynamics_dim": shape("dynamic_audio_encoder.feature_projection.weight")[0],
        "intermediate_ratio": hidden // max(visual, 1),
        "dynamics_channels": [shape(f"{cnn}.batchnorm{block}.weight", 1)[0] for block in blocks],
        "dynamics_basis_kernels": [basis_kernels(block) for block in blocks],
        "dynamics_num_layers": numbered(state_dict, rf"{layer}\.(\d+)\."),
        "score_hidden_dim": shape("fusion_mlp.4.weight")[0],
    }


def convert_reference_state_dict(state_dict: Mapping[str, Tensor], config: DAViHDConfig) -> StateDict:
    """State dict of the authors' released DAViHD network -> `DAViHDModel(config)`.

    The table of positions is dropped: ours has no maximum length. Raises ValueError on a key missing or left
    over.
    """
    expected = expected_state(lambda: DAViHDModel(config))
    published = functools.partial(substitute, names=_REFERENCE_NAMES)
    needed = {published(key): tensor for key, tensor in expected.items()}
    state = _split_attention_maps(ForeignState.of(state_dict), needed)
    return rename_published(state, expected, published, REFERENCE.title, unused=(_POSITIONS,))


def _split_attention_maps(state: ForeignState, needed: Mapping[str, Tensor]) -> ForeignState:
    """With three parts in place of each `in_proj_` of the file, (3 d, ...)."""
    wholes = {key.removesuffix("[q]"): tensor for key, tensor in needed.items() if key.endswith("[q]")}
    parts: StateDict = {}
    for key in wholes.keys() & state.keys():
        rows, *others = wholes[key].shape
        check_shape(REFERENCE.title, state.own_name(key), state[key], (3 * rows, *others))
        for name, part in zip("qkv", state[key].chunk(3), strict=True):
            parts[f"{key}[{name}]"] = part.clone()
    return state.with_tensors(parts, without=wholes)
