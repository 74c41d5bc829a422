"""The network that the authors of DAViHD released -> `DAViHDModel`."""

from collections.abc import Mapping

import torch
from torch import Tensor

from ..configuration_davihd import DAViHDConfig
from ..modeling_davihd import DAViHDModel
from ..wording import some
from .checkpoints import StateDict, strict_rename, substitute

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
        raise ValueError(f"The reference's hyper-parameters lack {some(missing)}.")
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
    return substitute(key, _REFERENCE_NAMES)
