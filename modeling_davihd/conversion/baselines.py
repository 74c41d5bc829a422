"""Published PGL-SUM, UMT, CSTA and TripleSumm networks -> our baselines."""

import functools
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from ..baselines.configuration_baselines import CSTAConfig, PGLSumConfig, TripleSummConfig, UMTConfig
from ..baselines.csta import CSTAModel
from ..baselines.pgl_sum import PGLSumModel
from ..baselines.triplesumm import TripleSummModel
from ..baselines.umt import UMTModel
from ..loading import not_finite
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

PGL_SUM = Signature("PGL-SUM", ("attention.attention.Wq.", "norm_y.", "linear_2."))
UMT = Signature("UMT", ("video_enc.", "audio_enc.", "cross_enc.", "query_dec."))
CSTA = Signature("CSTA", ("googlenet.", "key_embedding.", "layernorm1."))
TRIPLESUMM = Signature(
    "TripleSumm", ("visual_proj.", "modality_embedding.", "temporal_block.", "modality_block.")
)

# Our names -> those of the published networks.
_PGL_SUM_NAMES = [
    (r"^encoder\.", "attention."),
    (r"\.query\.weight$", ".Wq.0.weight[heads]"),  # ours holds the maps of all heads
    (r"\.key\.weight$", ".Wk.0.weight[heads]"),
    (r"\.value\.weight$", ".Wv.0.weight[heads]"),
    (r"^encoder_norm\.", "norm_y."),
    (r"^hidden\.", "linear_1."),
    (r"^hidden_norm\.", "norm_linear."),
    (r"^head\.", "linear_2."),
]
_UMT_NAMES = [
    (r"^cross_encoder\.tokens$", "cross_enc.encoder.token"),
    (r"^cross_encoder\.layers\.", "cross_enc.encoder.encoder."),
    (r"^cross_encoder\.", "cross_enc."),
    (r"^decoder\.query_positions\.", "query_dec.q_pos_enc."),
    (r"^decoder\.memory_positions\.", "query_dec.k_pos_enc."),
    (r"^decoder\.layers\.", "query_dec.decoder."),
    (r"^decoder\.", "query_dec."),
    (r"^visual_encoder\.(projection|positions)\.", r"video_enc.\1."),
    (r"^visual_encoder\.", "video_enc.encoder."),
    (r"^semantic_encoder\.(projection|positions)\.", r"audio_enc.\1."),
    (r"^semantic_encoder\.", "audio_enc.encoder."),
    (r"^head\.", "pred_head.0.saliency_pred.linear."),
    (r"\.projection\.", ".mapping.linear."),
    (r"\.positions\.", ".pos_enc."),
    (r"pos_enc\.weight$", "pos_enc.pe"),
    (r"\.gather_visual\.", ".att1."),
    (r"\.gather_semantic\.", ".att2."),
    (r"\.spread_visual\.", ".att3."),
    (r"\.spread_semantic\.", ".att4."),
    (r"\.visual_norm\.", ".norm1."),
    (r"\.semantic_norm\.", ".norm2."),
    (r"\.token_norm\.", ".norm3."),
    (r"\.gathered_norm\.", ".norm4."),
    (r"\.visual_feed_forward_norm\.", ".norm5."),
    (r"\.semantic_feed_forward_norm\.", ".norm6."),
    (r"^(query_dec\.decoder\.\d+)\.attention\.", r"\1.att1."),
    (r"\.memory_attention\.", ".att2."),
    (r"\.attention\.", ".att."),
    (r"\.attention_norm\.", ".norm1."),
    (r"\.memory_norm\.", ".norm2."),
    (r"^(query_dec\.decoder\.\d+)\.feed_forward_norm\.", r"\1.norm3."),
    (r"\.feed_forward_norm\.", ".norm2."),
    (r"\.visual_feed_forward\.", ".ffn1.mapping."),
    (r"\.semantic_feed_forward\.", ".ffn2.mapping."),
    (r"\.feed_forward\.", ".ffn.mapping."),
    (r"\.([qkv])_proj\.", r".\1."),
    (r"\.out_proj\.", ".m."),
]
_CSTA_NAMES = [
    (r"^token$", "CLS"),
    (r"^cnn\.", "googlenet."),
    (r"^(key|value)\.", r"\1_embedding."),
    (r"^map_norm\.", "layernorm1."),
    (r"^head\.hidden\.", "linear1.0."),
    (r"^head\.norm\.", "linear1.3."),
    (r"^head\.output\.", "linear2.0."),
]
_TRIPLESUMM_NAMES = [
    (r"^semantic_", "audio_"),
    (r"^(visual|text|audio)_projection\.", r"\1_proj."),
    (r"^(visual|text|audio)_norm\.", r"\1_ln."),
    (r"^stream_vectors$", "modality_embedding.embedding.weight"),
    (r"^temporal_blocks\.(\d+)\.", r"temporal_block.\1.wsa_layer."),
    (r"^fusion_blocks\.(\d+)\.", r"modality_block.\1.cma_layer."),
    (r"\.attention\.qkv\.", ".wsa.qkv_proj."),
    (r"\.attention\.out\.", ".wsa.out_proj."),
    (r"\.cma_layer\.(\w+_proj)\.", r".cma_layer.cma.\1."),
    (r"\.attention_norm\.", ".norm1."),
    (r"\.query_norm\.", ".norm_q."),
    (r"\.context_norm\.", ".norm_c."),
    (r"\.feed_forward_norm\.", ".norm2."),
    (r"\.feed_forward\.gate\.", ".ffn.w1."),
    (r"\.feed_forward\.value\.", ".ffn.w2."),
    (r"\.feed_forward\.out\.", ".ffn.w3."),
    (r"^hidden\.", "head.0."),
    (r"^hidden_norm\.", "head.3."),
    (r"^head\.(weight|bias)$", r"head.4.\1"),
]


def pgl_sum_sizes(state_dict: Mapping[str, Tensor]) -> dict[str, object]:
    """The fields of a PGLSumConfig that give the weights their shapes. Raises ValueError, naming a key."""
    sizes: dict[str, object] = {
        "visual_dim": stored_shape(PGL_SUM.title, state_dict, "linear_1.weight", 2)[1],
        "num_attention_heads": numbered(state_dict, r"attention\.attention\.Wq\.(\d+)\."),
    }
    if not (segments := numbered(state_dict, r"attention\.local_attention\.(\d+)\.")):
        return sizes | {"fusion": "none"}
    heads = numbered(state_dict, r"attention\.local_attention\.0\.Wq\.(\d+)\.")
    return sizes | {"num_segments": segments, "num_local_attention_heads": heads}


def umt_sizes(state_dict: Mapping[str, Tensor]) -> dict[str, object]:
    """The fields of a UMTConfig that give the weights their shapes. Raises ValueError, naming a key."""
    shape = functools.partial(stored_shape, UMT.title, state_dict)
    hidden, visual = shape("video_enc.mapping.linear.weight")
    return {
        "visual_dim": visual,
        "semantic_dim": shape("audio_enc.mapping.linear.weight")[1],
        "hidden_dim": hidden,
        "intermediate_ratio": shape("video_enc.encoder.ffn.mapping.0.weight")[0] // max(hidden, 1),
        "num_bottleneck_tokens": shape("cross_enc.encoder.token")[0],
        "num_bottleneck_layers": numbered(state_dict, r"cross_enc\.encoder\.encoder\.(\d+)\."),
        "num_decoder_layers": numbered(state_dict, r"query_dec\.decoder\.(\d+)\."),
        "max_positions": shape("video_enc.pos_enc.pe", 3)[1],
    }


def csta_sizes(state_dict: Mapping[str, Tensor]) -> dict[str, object]:
    """The fields of a CSTAConfig that give the weights their shapes. Raises ValueError, naming a key."""
    hidden, visual = stored_shape(CSTA.title, state_dict, "key_embedding.weight", 2)
    return {"visual_dim": visual, "hidden_dim": hidden}


def triplesumm_sizes(state_dict: Mapping[str, Tensor]) -> dict[str, object]:
    """The fields of a TripleSummConfig that give the weights their shapes. Raises ValueError, naming a key.

    Heads and windows give none, and how many layers the blocks are in cannot be told.
    """
    shape = functools.partial(stored_shape, TRIPLESUMM.title, state_dict)
    hidden, visual = shape("visual_proj.weight")
    return {
        "visual_dim": visual,
        "text_dim": shape("text_proj.weight")[1],
        "semantic_dim": shape("audio_proj.weight")[1],
        "hidden_dim": hidden,
        "score_hidden_dim": shape("head.0.weight")[0],
    }


def triplesumm_config(hyper: Mapping[str, Any]) -> TripleSummConfig:
    """The config of a published TripleSumm, from its hyper-parameters under its own names.

    Needs visual_dim, text_dim, audio_dim, input_dim, hidden_dim, num_model_layers, num_mst_layers,
    num_cmf_layers, num_heads, dropout and window_size; raises ValueError naming those that are missing.
    """
    needed = "visual_dim text_dim audio_dim input_dim hidden_dim num_model_layers num_mst_layers"
    needed += " num_cmf_layers num_heads dropout window_size"
    if missing := [name for name in needed.split() if name not in hyper]:
        raise ValueError(f"TripleSumm's hyper-parameters lack {some(missing)}.")
    return TripleSummConfig(
        visual_dim=hyper["visual_dim"],
        text_dim=hyper["text_dim"],
        semantic_dim=hyper["audio_dim"],
        hidden_dim=hyper["input_dim"],
        score_hidden_dim=hyper["hidden_dim"],
        num_layers=hyper["num_model_layers"],
        num_temporal_blocks=hyper["num_mst_layers"],
        num_fusion_blocks=hyper["num_cmf_layers"],
        num_attention_heads=hyper["num_heads"],
        dropout=hyper["dropout"],
        window_seconds=list(hyper["window_size"]),
    )


def convert_pgl_sum_state_dict(state_dict: Mapping[str, Tensor], config: PGLSumConfig) -> StateDict:
    """State dict of the published PGL-SUM -> `PGLSumModel(config)`, whose maps hold all heads.

    Raises ValueError on a key missing or left over.
    """
    expected = expected_state(lambda: PGLSumModel(config))
    published = functools.partial(substitute, names=_PGL_SUM_NAMES)
    needed = {published(key): tensor for key, tensor in expected.items()}
    state = _join_heads(ForeignState.of(state_dict), needed, config)
    return rename_published(state, expected, published, PGL_SUM.title)


def _join_heads(state: ForeignState, needed: Mapping[str, Tensor], config: PGLSumConfig) -> ForeignState:
    """With one map of all heads in place of each group of theirs."""
    joined, parts, source = {}, [], PGL_SUM.title
    for keys, whole in _pgl_sum_heads(config):
        if missing := [key for key in keys if key not in state]:
            raise ValueError(f"The {source} checkpoint lacks {state.some(missing)}.")
        rows, width = needed[whole].shape
        for key in keys:
            check_shape(source, state.own_name(key), state[key], (rows // len(keys), width))
        if wrong := not_finite({key: state[key] for key in keys}):
            raise ValueError(f"The {source} checkpoint is NaN or infinite in {state.some(wrong)}.")
        joined[whole] = torch.cat([state[key] for key in keys])
        parts += keys
    return state.with_tensors(joined, without=parts)


def _pgl_sum_heads(config: PGLSumConfig) -> Iterator[tuple[list[str], str]]:
    """The published keys of each map's heads, and what the map that they make together is called here."""
    heads = {"attention": config.num_attention_heads}
    if config.fusion != "none":
        local = [f"local_attention.{number}" for number in range(config.num_segments)]
        heads |= dict.fromkeys(local, config.num_local_attention_heads)
    for cell, count in heads.items():
        for name in ("Wq", "Wk", "Wv"):
            prefix = f"attention.{cell}.{name}"
            yield [f"{prefix}.{head}.weight" for head in range(count)], f"{prefix}.0.weight[heads]"


def convert_umt_state_dict(state_dict: Mapping[str, Tensor], config: UMTConfig) -> StateDict:
    """State dict of the published UMT without text -> `UMTModel(config)`.

    Raises ValueError on a key missing or left over.
    """
    state = ForeignState.of(state_dict)
    tables = {key: value.squeeze(0) for key, value in state.items() if key.endswith(".pe")}  # (1, L, d)
    expected = expected_state(lambda: UMTModel(config))
    published = functools.partial(substitute, names=_UMT_NAMES)
    return rename_published(state.with_tensors(tables), expected, published, UMT.title)


def convert_csta_state_dict(state_dict: Mapping[str, Tensor], config: CSTAConfig) -> StateDict:
    """State dict of the published CSTA -> `CSTAModel(config)`.

    Positions and the CNN's unused classifier are dropped. Raises ValueError on a key missing or left over.
    """
    state = ForeignState.of(state_dict)
    tokens = {key: value.squeeze(0) for key, value in state.items() if key == "CLS"}  # (1, 3, 1, D)
    expected = expected_state(lambda: CSTAModel(config))
    published = functools.partial(substitute, names=_CSTA_NAMES)
    unused = ("Positional_encoding_op.pe", "googlenet.fc.")
    return rename_published(state.with_tensors(tokens), expected, published, CSTA.title, unused)


def convert_triplesumm_state_dict(state_dict: Mapping[str, Tensor], config: TripleSummConfig) -> StateDict:
    """State dict of a published TripleSumm -> `TripleSummModel(config)`.

    The table of positions is dropped: ours has no maximum length; so are the maps of streams that the config
    has dropped for good. Raises ValueError on a key missing or left over.
    """
    expected = expected_state(lambda: TripleSummModel(config))
    published = functools.partial(substitute, names=_TRIPLESUMM_NAMES)
    streams = {"visual": "visual", "text": "text", "semantic": "audio"}
    dropped = [key for name, key in streams.items() if f"{name}_projection.weight" not in expected]
    unused = ("temporal_pe.pe", *(f"{key}_{part}." for key in dropped for part in ("proj", "ln")))
    return rename_published(ForeignState.of(state_dict), expected, published, TRIPLESUMM.title, unused)
