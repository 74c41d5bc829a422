"""The published baselines and ours give the same numbers; checkpoints of theirs can be converted."""

import json
import math
import zlib

import numpy as np
import pytest
import torch
from paths import GOLDEN
from published import published_state
from safetensors.torch import load_file
from torch import nn

from modeling_davihd.baselines import (
    CSTAConfig,
    CSTAModel,
    PGLSumConfig,
    PGLSumModel,
    TripleSummModel,
    UMTConfig,
    UMTModel,
)
from modeling_davihd.conversion import (
    convert_csta_state_dict,
    convert_pgl_sum_state_dict,
    convert_triplesumm_state_dict,
    convert_umt_state_dict,
    triplesumm_config,
)

TOLERANCE = 2e-5


def watch(modules: dict[str, nn.Module]) -> dict[str, torch.Tensor]:
    """What each module gave last, the first of several outputs."""
    seen = {}

    def hook(name):
        def keep(_, __, output):
            seen[name] = output[0] if isinstance(output, tuple) else output

        return keep

    for name, module in modules.items():
        module.register_forward_hook(hook(name))
    return seen


def difference(found: torch.Tensor, expected: torch.Tensor) -> float:
    assert found.shape == expected.shape
    return (found - expected).abs().max().item()


def golden(name: str) -> tuple[dict, dict, dict]:
    """Facts, tensors and the published network's state dict."""
    facts = json.loads((GOLDEN / f"{name}.json").read_text())
    tensors = load_file(GOLDEN / f"{name}.safetensors")
    return facts, tensors, published_state(tensors) or generate_state(facts)


def generate_state(facts: dict) -> dict[str, torch.Tensor]:
    """The weights that a golden file describes by its `weight_recipe`."""
    return {key: generate(key, shape, facts["seed"]) for key, shape in facts["state_shapes"].items()}


def generate(key: str, shape: list[int], seed: int) -> torch.Tensor:
    state = np.random.RandomState((zlib.crc32(key.encode()) + seed) % 2**32)
    values = state.standard_normal(math.prod(shape)).reshape(shape).astype(np.float32)
    norm = ".bn." in key or key.startswith("layernorm1")
    if key.endswith("running_var"):
        values = 1 + 0.5 * abs(values)
    elif key == "linear1.3.weight" or (norm and key.endswith("weight")):
        values = 1 + 0.1 * values
    elif key == "CLS":
        values = 0.5 * values
    elif key.endswith(("bias", "running_mean")):
        values = 0.1 * values
    else:
        values = values * np.sqrt((2 if len(shape) == 4 else 1) / math.prod(shape[1:]))
    return torch.from_numpy(values.astype(np.float32))


def published_pgl_sum() -> tuple[dict, PGLSumModel]:
    _, tensors, state = golden("pgl_sum")
    config = PGLSumConfig(visual_dim=64)
    model = PGLSumModel(config).eval()
    model.load_state_dict(convert_pgl_sum_state_dict(state, config))
    return tensors, model


@pytest.mark.parametrize("output_attentions", [False, True], ids=["sdpa", "eager"])
@torch.no_grad()
def test_pgl_sum_equals_the_published_one(output_attentions):
    tensors, model = published_pgl_sum()
    stages = {
        "global_attn": model.encoder.attention,
        "fused_attn": model.encoder,
        "norm_y": model.encoder_norm,
        "norm_linear": model.hidden_norm,
        "logits": model.head,
    }
    seen = watch(stages | {f"local_attn_{i}": cell for i, cell in enumerate(model.encoder.local_attention)})
    for case in range(3):
        features = tensors[f"case{case}.input.visual"]
        output = model(visual_features=features[None], output_attentions=output_attentions)
        assert difference(output.scores[0], tensors[f"case{case}.output.scores"]) < TOLERANCE
        for stage, value in seen.items():
            expected = tensors[f"case{case}.inter.{stage}"]
            assert difference(value[0, : len(expected)], expected) < TOLERANCE, stage
        if output_attentions:
            expected = tensors[f"case{case}.inter.attn_weights_last_head"]
            assert difference(output.attentions[0, -1], expected) < TOLERANCE


@torch.no_grad()
def test_pgl_sum_equals_the_published_one_in_a_padded_batch():
    tensors, model = published_pgl_sum()
    videos = [tensors[f"case{case}.input.visual"] for case in range(3)]
    features = nn.utils.rnn.pad_sequence(videos, True, padding_value=math.nan)
    mask = nn.utils.rnn.pad_sequence([torch.ones(len(video)) for video in videos], True)
    scores = model(visual_features=features, attention_mask=mask).scores
    for case, video in enumerate(videos):
        expected = tensors[f"case{case}.output.scores"]
        assert difference(scores[case, : len(video)], expected) < TOLERANCE


def published_umt() -> tuple[dict, UMTModel]:
    _, tensors, state = golden("umt_small")
    config = UMTConfig(visual_dim=48, semantic_dim=40, hidden_dim=32, max_positions=64)
    model = UMTModel(config).eval()
    model.load_state_dict(convert_umt_state_dict(state, config))
    return tensors, model


@torch.no_grad()
def test_umt_equals_the_published_one():
    tensors, model = published_umt()
    stages = {
        "video_mapped": model.visual_encoder.projection,
        "video_enc": model.visual_encoder,
        "audio_enc": model.semantic_encoder,
        "bottleneck_layer.0": model.cross_encoder.layers[0],
        "cross_enc": model.cross_encoder,
        "query_dec.0": model.decoder,
        "logits": model.head,
    }
    seen = watch(stages)
    for case in (f"case{number}." for number in range(2)):
        output = model(
            visual_features=tensors[case + "input.visual"][None],
            semantic_features=tensors[case + "input.audio"][None],
            labels=tensors[case + "target.saliency"][None],
        )
        assert difference(output.scores[0], tensors[case + "output.scores"]) < TOLERANCE
        assert difference(output.loss[None], tensors[case + "output.loss"]) < TOLERANCE
        for stage, value in seen.items():
            assert difference(value[0], tensors[f"{case}inter.{stage}"]) < TOLERANCE, stage


@torch.no_grad()
def test_umt_in_a_padded_batch_gives_what_the_published_one_gives_alone():
    tensors, model = published_umt()
    scores = model(
        visual_features=tensors["batch.input.visual"],
        semantic_features=tensors["batch.input.audio"],
        attention_mask=tensors["batch.input.mask"],
    ).scores
    for case in range(2):
        expected = tensors[f"case{case}.output.scores"]
        assert difference(scores[case, : len(expected)], expected) < TOLERANCE
    leaking = tensors["batch.output.scores_original_leaky"][1, : len(expected)]
    assert difference(scores[1, : len(expected)], leaking) > 0.05


@pytest.mark.parametrize("name", ["csta", "csta_fullsize"])
@torch.no_grad()
def test_csta_equals_the_published_one(name):
    facts, tensors, state = golden(name)
    dim = facts["hyper"]["dim"]
    config = CSTAConfig(visual_dim=dim, hidden_dim=dim)
    model = CSTAModel(config).eval()
    model.load_state_dict(convert_csta_state_dict(state, config))
    stages = {
        "key_channel0": model.key,
        "attn_after_skip_bn": model.map_norm,
        "value_embedding": model.value,
        "linear1": model.head.norm,
        "logits": model.head,
    }
    cnn = {f"cnn.{name}": module for name, module in model.cnn.named_children()}
    seen, seen_cnn = watch(stages), watch(cnn)
    for case, facts_of_case in enumerate(facts["cases"]):
        prefix = f"case{case}."
        scores = model(visual_features=tensors[prefix + "input.visual"][None]).scores[0]
        assert difference(scores, tensors[prefix + "output.scores"]) < TOLERANCE
        for stage, value in seen.items():
            expected = tensors.get(f"{prefix}inter.{stage}")
            if expected is not None:
                value = value.flatten()[: expected.numel()].view(expected.shape)
                assert difference(value, expected) < TOLERANCE, stage
        for stage, shape in facts_of_case["cnn_shapes"].items():
            assert list(seen_cnn[f"cnn.{stage}"].shape) == shape
            mean = tensors.get(f"{prefix}inter.cnn.{stage}.absmean")
            if mean is not None:
                assert seen_cnn[f"cnn.{stage}"].abs().mean().item() == pytest.approx(
                    mean.item(), abs=TOLERANCE
                )


def test_csta_maps_equal_the_published_ones():
    _, tensors, state = golden("csta")
    config = CSTAConfig(visual_dim=128, hidden_dim=128)
    model = CSTAModel(config).eval()
    model.load_state_dict(convert_csta_state_dict(state, config))
    features = tensors["case0.input.visual"]
    image = torch.cat((model.token, features.expand(3, -1, -1)), 1)
    logits = tensors["case0.inter.attn_logits_with_pe"]
    over_time, over_features = model.attention_maps(image)
    assert difference(over_time, logits.softmax(0)) < TOLERANCE
    assert difference(over_features, logits.softmax(1)) < TOLERANCE


def published_triplesumm() -> tuple[dict, dict, TripleSummModel]:
    facts, tensors, state = golden("triplesumm_small")
    config = triplesumm_config(facts["hyper"])
    model = TripleSummModel(config).eval()
    model.load_state_dict(convert_triplesumm_state_dict(state, config))
    return facts, tensors, model


def triple(tensors: dict, prefix: str) -> dict[str, torch.Tensor]:
    names = {"visual_features": "visual", "text_features": "text", "semantic_features": "audio"}
    return {ours: tensors[f"{prefix}input.{theirs}"] for ours, theirs in names.items()}


@torch.no_grad()
def test_triplesumm_equals_the_published_one():
    facts, tensors, model = published_triplesumm()
    fusion = {f"fusionblock.{i}.fusion": block for i, block in enumerate(model.fusion_blocks)}
    stages = {"input_ln.audio": model.semantic_norm, "head_norm": model.hidden_norm, "logits": model.head}
    seen = watch(stages | fusion)
    assert model.num_parameters() == facts["parameters"]
    for case in (f"case{number}." for number in range(3)):
        inputs = {name: one[None] for name, one in triple(tensors, case).items()}
        labels = tensors[f"{case}target.gt_score"][None]
        output = model(**inputs, labels=labels, output_attentions=True)
        assert difference(output.scores[0], tensors[f"{case}output.scores"]) < TOLERANCE
        assert difference(output.loss[None], tensors[f"{case}output.loss"]) < TOLERANCE
        for layer, weights in enumerate(output.modality_weights):
            assert difference(weights[0], tensors[f"{case}output.attn_layer_{layer}"]) < TOLERANCE
        for stage, value in seen.items():
            expected = tensors.get(f"{case}inter.{stage}")
            assert expected is None or difference(value[0].view_as(expected), expected) < TOLERANCE, stage
        for missing, theirs in (("visual", "visual"), ("text", "text"), ("semantic", "audio")):
            scores = model(**inputs | {f"{missing}_features": None}).scores[0]
            assert difference(scores, tensors[f"{case}output.scores_zero_{theirs}"]) < TOLERANCE


def test_triplesumm_learns_as_the_published_one():
    """Twelve steps on a padded batch: scores, gradients, and the losses after each of them."""
    facts, tensors, model = published_triplesumm()
    mask, labels = tensors["batch.input.mask"].bool(), tensors["batch.target.gt_score"]
    batch = triple(tensors, "batch.") | {"attention_mask": mask.long(), "labels": labels}
    expected = facts["train"]
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=expected["lr"], weight_decay=expected["weight_decay"], eps=expected["eps"]
    )
    first = model(**batch)
    assert difference(first.scores[mask], tensors["batch.output.scores_raw"][mask]) < TOLERANCE
    losses = []
    for rate in expected["lrs"]:
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad()
        loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    losses.append(model(**batch).loss.item())
    np.testing.assert_allclose(losses, expected["losses"], atol=2e-5)


CONVERSIONS = {
    "pgl_sum": (convert_pgl_sum_state_dict, PGLSumConfig(visual_dim=64)),
    "umt_small": (
        convert_umt_state_dict,
        UMTConfig(visual_dim=48, semantic_dim=40, hidden_dim=32, max_positions=64),
    ),
    "csta": (convert_csta_state_dict, CSTAConfig(visual_dim=128, hidden_dim=128)),
    "triplesumm_small": (
        convert_triplesumm_state_dict,
        triplesumm_config(json.loads((GOLDEN / "triplesumm_small.json").read_text())["hyper"]),
    ),
}


@pytest.mark.parametrize("name", CONVERSIONS)
def test_a_key_missing_left_over_or_misshapen_is_an_error(name):
    convert, config = CONVERSIONS[name]
    state = golden(name)[2]
    needed = [key for key in state if key != "temporal_pe.pe"]
    for key in needed[:: len(needed) // 12]:
        with pytest.raises(ValueError, match="checkpoint lacks"):
            convert({other: value for other, value in state.items() if other != key}, config)
        with pytest.raises(ValueError, match="has shape"):
            convert(state | {key: torch.zeros(2, 1, 1, 1, 5)}, config)
    for extra in ("more.weight", f"{next(iter(state))}.more"):
        with pytest.raises(ValueError, match="belong nowhere"):
            convert(state | {extra: torch.zeros(1)}, config)


def test_a_head_too_many_is_an_error():
    convert, config = CONVERSIONS["pgl_sum"]
    state = golden("pgl_sum")[2] | {"attention.attention.Wq.8.weight": torch.zeros(8, 64)}
    with pytest.raises(ValueError, match="belong nowhere: attention.attention.Wq.8.weight"):
        convert(state, config)
