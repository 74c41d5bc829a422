"""Published PGL-SUM, UMT and CSTA networks -> our baselines."""

import functools
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from ..baselines.configuration_baselines import CSTAConfig, PGLSumConfig, UMTConfig
from ..baselines.csta import CSTAModel
from ..baselines.pgl_sum import PGLSumModel
from ..baselines.umt import UMTModel
from ..wording import some
from .checkpoints import StateDict, check_shape, expected_state, strict_rename, substitute

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
    expected = expected_state(lambda: PGLSumModel(config))
    for keys, whole in _pgl_sum_heads(config):
        if missing := [key for key in keys if key not in joined]:
            raise ValueError(f"The {source} checkpoint lacks {some(missing)}.")
        rows, width = expected[substitute(whole, _PGL_SUM_NAMES)].shape
        for key in keys:
            check_shape(source, key, joined[key], (rows // len(keys), width))
        joined[whole] = torch.cat([joined.pop(key) for key in keys])
    return strict_rename(joined, expected, functools.partial(substitute, names=_PGL_SUM_NAMES), source)


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
    expected = expected_state(lambda: UMTModel(config))
    rename = functools.partial(substitute, names=_UMT_NAMES)
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
    expected = expected_state(lambda: CSTAModel(config))

    def rename(key: str) -> str | None:
        unused = key == "Positional_encoding_op.pe" or key.startswith("googlenet.fc.")
        return None if unused else substitute(key, _CSTA_NAMES)

    return strict_rename({**state_dict, **tokens}, expected, rename, "CSTA")
