"""The baselines: blind to padding, usable and trainable like DAViHDModel."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from films import film_with_sound, tone
from huggingface_hub.errors import StrictDataclassError
from paths import CONFIGURATION
from torch import nn
from transformers import AutoConfig, AutoFeatureExtractor, AutoModel, pipeline

from examples.training import rules
from examples.training.recipe import Recipe, read_recipe
from modeling_davihd import (
    DAViHDConfig,
    DAViHDFeatureExtractor,
    DAViHDModel,
    VideoHighlightDetectionPipeline,
    baselines,
    cli,
)
from modeling_davihd.baselines import (
    CSTAConfig,
    CSTAModel,
    JointVAConfig,
    JointVAModel,
    LoudnessConfig,
    LoudnessModel,
    PGLSumConfig,
    PGLSumModel,
    PositionConfig,
    PositionModel,
    TripleSummConfig,
    TripleSummModel,
    UMTConfig,
    UMTModel,
)
from modeling_davihd.baselines.joint_va import SentinelAttention
from modeling_davihd.baselines.pgl_sum import relative_positions
from modeling_davihd.baselines.umt import UMTPositions
from modeling_davihd.feature_extraction_davihd import feature_extractor_for
from modeling_davihd.streaming_davihd import SegmentRows
from modeling_davihd.streams_davihd import STREAMS

BASELINES = CONFIGURATION / "baselines"
TRIPLE_SIZES = {
    **{"visual_dim": 16, "semantic_dim": 24, "text_dim": 12},
    **{"hidden_dim": 16, "score_hidden_dim": 8, "num_attention_heads": 2},
}
TRIPLE_SETS = [("visual",), ("semantic", "text"), ("visual", "text")]
TINY = {
    "pgl_sum": PGLSumConfig(visual_dim=32),
    "csta": CSTAConfig(visual_dim=24, hidden_dim=128),
    "joint_va": JointVAConfig(visual_dim=16, semantic_dim=24, score_hidden_dim=8),
    "umt": UMTConfig(visual_dim=16, semantic_dim=24, hidden_dim=16, num_attention_heads=4, max_positions=9),
    "triplesumm": TripleSummConfig(**TRIPLE_SIZES, window_seconds=[3, 7, 11, 0]),
    "position": PositionConfig(),
    "loudness": LoudnessConfig(),
}
VARIANTS = {
    "pgl_sum, relative, mult": PGLSumConfig(visual_dim=32, positions="relative", fusion="mult"),
    "pgl_sum, 3 parts, max": PGLSumConfig(visual_dim=24, num_segments=3, positions="none", fusion="max"),
    "pgl_sum, avg": PGLSumConfig(visual_dim=32, fusion="avg"),
    "pgl_sum, global": PGLSumConfig(visual_dim=32, fusion="none"),
    "joint_va, no sentinel": JointVAConfig(
        visual_dim=16, semantic_dim=24, score_hidden_dim=8, noise_sentinel=False
    ),
    "umt, deeper": UMTConfig(
        **{"visual_dim": 16, "semantic_dim": 24, "hidden_dim": 16, "num_attention_heads": 4},
        num_bottleneck_layers=2,
        num_decoder_layers=3,
    ),
    "loudness, 1 a second": LoudnessConfig(log_mel_rate=1),
    **{
        f"triplesumm, {' and '.join(names)}, {'dropped' if drop else 'zeros'}": TripleSummConfig(
            **TRIPLE_SIZES, modalities=list(names), drop_missing=drop
        )
        for names in TRIPLE_SETS
        for drop in (False, True)
    },
}
FEATURES = ("visual_features", "semantic_features", "text_features")
LENGTHS = [5, 1, 33, 14, 2, 13, 7, 9]


def build(config) -> torch.nn.Module:
    """A small network whose batch norms have seen something, so that padding would show."""
    torch.manual_seed(0)
    model = AutoModel.from_config(config).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 2)
    return model


def frames(config, seconds: int) -> int:
    return math.ceil(getattr(config, "log_mel_rate", 62.5) * seconds)


def random_inputs(
    config, lengths: list[int], extra: int = 1, padding: float = math.nan, dtype=torch.float32
) -> dict:
    """All inputs that a training loop has, read or not, with at least `extra` columns of padding."""
    generator = torch.Generator().manual_seed(1)
    batch, count = len(lengths), max(lengths) + extra
    sizes = {
        "visual_features": (batch, count, getattr(config, "visual_dim", 3)),
        "semantic_features": (batch, count, getattr(config, "semantic_dim", 3)),
        "text_features": (batch, count, getattr(config, "text_dim", 3)),
        "log_mel": (batch, 128, frames(config, count)),
        "labels": (batch, count),
    }
    inputs = {name: torch.rand(size, generator=generator).to(dtype) for name, size in sizes.items()}
    for row, length in enumerate(lengths):
        for name in (*FEATURES, "labels"):
            inputs[name][row, length:] = padding
        inputs["log_mel"][row, :, frames(config, length) :] = padding
    mask = torch.arange(count) < torch.tensor(lengths)[:, None]
    return inputs | {"attention_mask": mask.long()}


def one_video(config, inputs: dict, row: int, length: int) -> dict:
    alone = {name: inputs[name][row : row + 1, :length] for name in FEATURES}
    alone["log_mel"] = inputs["log_mel"][row : row + 1, :, : frames(config, length)]
    return alone | {"attention_mask": torch.ones(1, length)}


def difference(found: torch.Tensor, expected: torch.Tensor) -> float:
    assert found.shape == expected.shape
    return (found - expected).abs().max().item()


# --------------------------------------------------------------------------------------------- all models


@pytest.mark.parametrize("dtype, tolerance", [(torch.float32, 1e-5), (torch.float64, 1e-9)], ids=str)
@pytest.mark.parametrize("name", TINY | VARIANTS)
@torch.no_grad()
def test_padding_never_changes_a_score(name, dtype, tolerance):
    config = (TINY | VARIANTS)[name]
    model = build(config).to(dtype)
    inputs = random_inputs(config, LENGTHS, dtype=dtype)
    scores = model(**inputs).scores
    for row, length in enumerate(LENGTHS):
        alone = model(**one_video(config, inputs, row, length)).scores[0]
        assert difference(scores[row, :length], alone) < tolerance
        assert (scores[row, length:] == 0).all()
        assert length < 5 or alone.std() > 1e-4  # a network that says the same always would pass the above


@pytest.mark.parametrize("name", TINY)
def test_video_without_any_segment_gives_zeros_and_finite_gradients(name):
    model = build(TINY[name]).train()
    for lengths in ([6, 0, 17], [0, 0]):
        model.zero_grad()
        output = model(**random_inputs(TINY[name], lengths))
        output.loss.backward()
        assert output.loss.isfinite()
        assert (output.scores[1] == 0).all()
        assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())


@pytest.mark.parametrize("name", TINY)
def test_labels_change_nothing_but_the_loss(name):
    model = build(TINY[name])
    inputs = random_inputs(TINY[name], [9, 4])
    with_labels = model(**inputs)
    del inputs["labels"]
    without = model(**inputs)
    assert without.loss is None
    assert torch.equal(without.scores, with_labels.scores)


@pytest.mark.parametrize("name", TINY)
def test_loss_is_the_mean_over_labelled_segments(name):
    model = build(TINY[name])
    inputs = random_inputs(TINY[name], [17, 4])
    inputs["labels"][0, 15:] = -100
    output = model(**inputs)
    real = inputs["attention_mask"].bool() & (inputs["labels"] != -100)
    scores, labels = output.scores[real], inputs["labels"][real]
    expected = (scores - labels).square().mean()
    if name == "umt":
        expected = nn.functional.binary_cross_entropy(scores, labels)
    assert output.loss.item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("name", TINY)
def test_one_loop_trains_them_all(name):
    model = build(TINY[name])
    inputs = random_inputs(TINY[name], [17, 15], padding=0.0)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(12):  # without dropout, which would hide so little progress
        loss = model(**inputs).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("name", TINY)
def test_autocast_and_half_precision(name):
    model = build(TINY[name])
    inputs = random_inputs(TINY[name], [17, 4], padding=0.0)
    exact = model(**inputs).scores
    with torch.autocast("cpu", torch.bfloat16):
        model(**inputs).loss.backward()
    scores = model.bfloat16()(**inputs).scores
    assert scores.dtype == torch.bfloat16
    assert difference(scores.float(), exact) < 0.1


@pytest.mark.parametrize("name", TINY | VARIANTS)
@torch.no_grad()
def test_save_and_load(name, tmp_path):
    config = (TINY | VARIANTS)[name]
    model = build(config)
    model.save_pretrained(tmp_path)
    loaded, report = AutoModel.from_pretrained(tmp_path, output_loading_info=True)
    assert type(loaded) is type(model)
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    for (key, ours), (other, theirs) in zip(
        model.state_dict().items(), loaded.state_dict().items(), strict=True
    ):
        assert key == other and torch.equal(ours, theirs)
    inputs = random_inputs(config, [6, 2])
    assert difference(loaded(**inputs).scores, model(**inputs).scores) < 1e-6


@pytest.mark.parametrize("name", TINY)
def test_what_is_not_read_is_ignored_and_what_is_read_is_needed(name):
    config = TINY[name]
    model = build(config)
    inputs = random_inputs(config, [6, 4])
    streams = {name: stream.column for name, stream in STREAMS.items()}
    read = {streams[modality] for modality in config.modalities}
    expected = model(**inputs).scores
    assert torch.equal(model(**(inputs | dict.fromkeys(set(streams.values()) - read))).scores, expected)
    for stream in read:
        missing = read if name == "triplesumm" else {stream}  # it needs one of them
        with pytest.raises(ValueError, match=f"`{stream}`.* is missing"):
            model(**(inputs | dict.fromkeys(missing)))
        with pytest.raises(ValueError, match=rf"`{stream}` has shape \(2, 3, 1\); it needs \("):
            model(**(inputs | {stream: torch.zeros(2, 3, 1)}))
    with pytest.raises(ValueError, match="padding needs to be at the end"):
        model(**(inputs | {"attention_mask": inputs["attention_mask"].flip(1)}))
    with pytest.raises(ValueError, match=r"`labels` has shape \(2, 5\)"):
        model(**(inputs | {"labels": torch.zeros(2, 5)}))


def test_tuple_output():
    model = build(TINY["position"])
    scores = model(attention_mask=torch.ones(1, 4), return_dict=False)[0]
    assert scores.shape == (1, 4)


@pytest.mark.parametrize("name", [name for name in TINY if name not in ("position", "loudness")])
def test_scores_of_a_new_network_are_neither_constant_nor_saturated(name):
    config = AutoConfig.from_pretrained(BASELINES / name.replace("_", "-"))
    torch.manual_seed(0)
    small = {"csta": {"hidden_dim": 256}, "joint_va": {"semantic_dim": 256}}.get(name, {})
    config = type(config)(**({"visual_dim": 256} | small))
    scores = build(config)(**random_inputs(config, [40], extra=0)).scores
    assert scores.std() > 1e-3
    assert 0.001 < scores.min() and scores.max() < 0.999


# ------------------------------------------------------------------------------------------- each on its own


def test_relative_positions_follow_their_formula():
    config, length = PGLSumConfig(positions="relative"), 7
    expected = torch.zeros(length, length)
    for i in range(length):
        for j in range(length - length % 2):
            angle = (j - i + length - 1) / config.position_base ** ((i + j) / (2 * length))
            expected[i, j] = math.cos(angle) if j % 2 else math.sin(angle)
    found = relative_positions(torch.tensor([length]), torch.arange(9.0), config)
    assert difference(found[0, :length, :length], expected) < 1e-6


@pytest.mark.parametrize("width, parameters", [(1024, 9_443_329), (512, 2_362_369)])
def test_pgl_sum_has_the_parameters_of_the_published_one(width, parameters):
    with torch.device("meta"):
        model = PGLSumModel(PGLSumConfig(visual_dim=width))
    assert model.num_parameters() == parameters


def test_pgl_sum_starts_as_the_published_one():
    model = build(PGLSumConfig(visual_dim=64))
    biases = [value for name, value in model.named_parameters() if name.endswith("bias")]
    assert len(biases) == 4 and all((bias == 0.1).all() for bias in biases)
    query = model.encoder.attention.query.weight  # 8 heads of 8 rows
    assert query.abs().max().item() == pytest.approx(2**0.5 * (6 / (64 + 8)) ** 0.5, rel=0.01)


def test_umt_stretches_its_positions_over_longer_videos():
    table = UMTPositions(UMTConfig(max_positions=5, hidden_dim=8)).eval()
    nn.init.normal_(table.weight)
    found = table(SegmentRows(torch.tensor([9, 4]), 9))
    assert torch.equal(found[1, :4], table.weight[:4])
    assert torch.equal(found[0, ::2], table.weight)
    assert torch.allclose(found[0, 1], (table.weight[0] + table.weight[1]) / 2)


def test_umt_has_the_parameters_of_the_published_one():
    with torch.device("meta"):
        model = UMTModel(UMTConfig())
    assert round(model.num_parameters() / 1e6, 1) == 11.9


def test_triplesumm_has_the_parameters_of_the_published_ones():
    with torch.device("meta"):
        sizes = [
            TripleSummModel(TripleSummConfig(visual_dim=width)).num_parameters() for width in (1024, 768)
        ]
    assert sizes == [1_406_337, 1_373_569]


@pytest.mark.parametrize("seconds", [90, 32, 7])
@torch.no_grad()
def test_triplesumm_attends_within_its_window_alone(seconds):
    torch.manual_seed(0)
    block = build(TINY["triplesumm"]).temporal_blocks[2].attention  # 11 seconds
    states, mask = torch.randn(4, 2, seconds, 16), torch.arange(seconds) < torch.tensor([[seconds], [5]])
    query, key, value = block.qkv(states).unflatten(-1, (3, 2, 8)).movedim(-3, 0).transpose(-2, -3)
    place = torch.arange(seconds)
    allowed = ((place - place[:, None]).abs() <= 5) & mask[:, None, None]
    weights = (query @ key.transpose(-1, -2) / 8**0.5).masked_fill(~allowed, -1e9).softmax(-1)
    expected = block.out((weights @ value).transpose(-2, -3).flatten(-2))
    assert torch.allclose(block(states, mask)[:, mask], expected[:, mask], atol=1e-6)
    assert torch.allclose(block(states[:, :1], None), expected[:, :1], atol=1e-6)


@torch.no_grad()
def test_triplesumm_drops_what_is_missing_or_takes_zeros_for_it():
    model = build(TINY["triplesumm"])
    inputs = random_inputs(model.config, [9, 4], padding=0.0)
    without = inputs | {"text_features": None}
    zeros = inputs | {"text_features": torch.zeros_like(inputs["text_features"])}
    output = model(**without, output_attentions=True)
    assert difference(output.scores, model(**zeros).scores) < 1e-6
    assert (output.modality_weights[1][0, :9, :, 1] > 0).all()
    model.config.drop_missing = True
    honest = model(**without, output_attentions=True)
    assert difference(honest.scores, output.scores) > 1e-4
    assert [weights.shape for weights in honest.modality_weights] == [(2, 10, 2, 3)] * 2
    total = honest.modality_weights[1].sum(-1)
    assert torch.allclose(total, inputs["attention_mask"][..., None].expand(-1, -1, 2).float())
    assert (honest.modality_weights[1][..., 1] == 0).all()


def test_joint_va_without_its_sentinel_is_davihd_without_dynamics():
    model = build(VARIANTS["joint_va, no sentinel"])
    sizes = {"visual_dim": 16, "semantic_dim": 24, "dynamics_dim": 24, "score_hidden_dim": 8}
    davihd = DAViHDModel(DAViHDConfig(modalities=["visual", "semantic"], **sizes)).eval()
    davihd.load_state_dict(model.state_dict())
    inputs = random_inputs(model.config, [8, 5])
    assert torch.equal(model(**inputs).scores, davihd(**inputs).scores)


def test_the_sentinel_is_that_of_multihead_attention():
    torch.manual_seed(0)
    theirs = nn.MultiheadAttention(16, 4, add_bias_kv=True, batch_first=True)
    config = JointVAConfig(visual_dim=16, semantic_dim=16)
    config._attn_implementation = "sdpa"
    ours = SentinelAttention(config, 16, 4)
    with torch.no_grad():
        for name, weight, bias in zip(
            "qkv", theirs.in_proj_weight.chunk(3), theirs.in_proj_bias.normal_().chunk(3), strict=True
        ):
            projection = ours.get_submodule(f"{name}_proj")
            projection.weight.copy_(weight)
            projection.bias.copy_(bias)
        ours.out_proj.load_state_dict(theirs.out_proj.state_dict())
        ours.sentinel_key.copy_(theirs.bias_k[0, 0])
        ours.sentinel_value.copy_(theirs.bias_v[0, 0])
    query, key, value = torch.randn(3, 2, 6, 16)
    mask = torch.arange(6) < torch.tensor([[6], [4]])
    expected, weights = theirs(query, key, value, key_padding_mask=~mask, average_attn_weights=False)
    segments = SegmentRows.of_batch(2, 6, mask)
    rows = [segments.gather(states) for states in (query, key, value)]
    assert torch.allclose(ours(*rows, segments)[0], expected[mask], atol=1e-6)
    found = ours(*rows, segments, True)[1]
    assert torch.allclose(found.transpose(1, 2)[mask], weights.transpose(1, 2)[mask], atol=1e-6)


def test_joint_va_tells_how_noisy_each_modality_is():
    config = TINY["joint_va"]
    model = build(config)
    inputs = random_inputs(config, [8, 5])
    assert model(**inputs).audio_noise is None
    with torch.no_grad():
        model.cross_visual_to_audio.attention.sentinel_key.fill_(9.0)
        model.cross_visual_to_audio.attention.q_proj.bias.fill_(9.0)
    output = model(**inputs, output_attentions=True)
    real = inputs["attention_mask"].bool()
    assert (output.audio_noise[real] > 0.9).all()
    assert ((0 < output.visual_noise[real]) & (output.visual_noise[real] < 0.5)).all()
    assert (output.audio_noise[~real] == 0).all()


def test_a_new_position_model_is_the_centre_rule():
    model = build(TINY["position"])
    for seconds in (2, 7, 600):
        scores = model(attention_mask=torch.ones(1, seconds)).scores[0].detach().double().numpy()
        logits = np.log(scores / (1 - scores))
        np.testing.assert_allclose(logits, 1 + 2 * rules.centre_scores(seconds) / (seconds - 1), atol=1e-5)


def test_a_trained_position_model_is_the_profile_of_the_labels():
    model = build(TINY["position"])
    lengths = [40, 57, 64, 90]
    mask = (torch.arange(90) < torch.tensor(lengths)[:, None]).long()
    labels = [torch.linspace(0, 1, length) ** 2 for length in lengths]
    labels = nn.utils.rnn.pad_sequence(labels, True)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    for _ in range(150):
        optimizer.zero_grad()
        model(attention_mask=mask, labels=labels).loss.backward()
        optimizer.step()
    found = model(attention_mask=torch.ones(1, 50)).scores[0].detach().numpy()
    np.testing.assert_allclose(found, np.linspace(0, 1, 50) ** 2, atol=0.05)


def test_a_position_model_needs_to_know_how_long_videos_are():
    with pytest.raises(ValueError, match="`attention_mask` is missing"):
        build(TINY["position"])(visual_features=torch.zeros(1, 3, 4))


@pytest.mark.parametrize("rate", [62.5, 1])
def test_the_louder_the_better(rate):
    seconds = 20
    log_mel = np.random.default_rng(0).normal(-4, 3, (math.ceil(rate * seconds), 128)).astype(np.float32)
    model = build(LoudnessConfig(log_mel_rate=rate))
    scores = model(log_mel=torch.from_numpy(log_mel.T)[None]).scores[0].detach().numpy()
    expected = rules.sound_scores(log_mel, seconds)["loudness"]
    logits = np.log(scores / (1 - scores))  # the rule counts a frame between two seconds in one of them
    np.testing.assert_allclose(4 * logits, expected, atol=1e-3 if rate == 1 else 0.05)


# ------------------------------------------------------------------------------------------- configurations

PRESETS = {
    "pgl-sum": PGLSumModel,
    "csta": CSTAModel,
    "joint-va": JointVAModel,
    "umt": UMTModel,
    "triplesumm": TripleSummModel,
    "position": PositionModel,
    "loudness": LoudnessModel,
}


def test_all_presets_are_there():
    assert {path.name for path in BASELINES.iterdir()} == set(PRESETS)
    types = {AutoConfig.from_pretrained(BASELINES / name).model_type for name in PRESETS}
    assert types == set(baselines.BASELINES)


@pytest.mark.parametrize("name", PRESETS)
def test_preset_gives_a_model_an_extractor_and_a_recipe(name):
    folder = BASELINES / name
    config = AutoConfig.from_pretrained(folder)
    assert config.to_diff_dict() == type(config)(architectures=[PRESETS[name].__name__]).to_diff_dict()
    with torch.device("meta"):
        assert type(AutoModel.from_config(config)) is PRESETS[name]
    extractor = AutoFeatureExtractor.from_pretrained(folder)
    assert isinstance(extractor, DAViHDFeatureExtractor)
    inputs = {"visual": "pixel_values", "semantic": "waveform", "dynamics": "log_mel"}
    names = [inputs[modality] for modality in config.modalities if modality in inputs]
    assert extractor.model_input_names == [*names, "attention_mask"]
    assert Recipe(**read_recipe(folder)).epochs > 1


@pytest.mark.parametrize(
    "config, wrong, message",
    [
        (PGLSumConfig, {"visual_dim": 1000}, "`visual_dim` is 1000; the heads of all segments share it"),
        (PGLSumConfig, {"visual_dim": 1001}, "needs to be a multiple of 8"),
        (PGLSumConfig, {"fusion": "sum"}, "`fusion` is 'sum'"),
        (PGLSumConfig, {"positions": "learnt"}, "`positions` is 'learnt'"),
        (PGLSumConfig, {"dropout": 2}, "`dropout` is 2"),
        (PGLSumConfig, {"num_segment": 3}, "did you mean `num_segments`"),
        (PGLSumConfig, {"modalities": ["semantic"]}, r"that of PGLSumConfig is \['visual'\]"),
        (CSTAConfig, {"hidden_dim": 1000}, "`hidden_dim` is 1000; it needs one of"),
        (CSTAConfig, {"visual_backbone": "vgg"}, "`visual_backbone` is 'vgg'"),
        (JointVAConfig, {"semantic_dim": 30}, "`semantic_dim` is 30"),
        (JointVAConfig, {"semantic_backbone": "statistics"}, "`semantic_dim` is 2048; the statistics"),
        (UMTConfig, {"hidden_dim": 30}, "`hidden_dim` is 30"),
        (UMTConfig, {"num_decoder_layers": 0}, "`num_decoder_layers` is 0"),
        (TripleSummConfig, {"hidden_dim": 130}, "`hidden_dim` is 130; attention heads share it"),
        (TripleSummConfig, {"window_seconds": [5, 15, 44, 0]}, "needs 4 numbers, one a block, each odd or 0"),
        (TripleSummConfig, {"num_layers": 3}, "`window_seconds` is .* it needs 6 numbers"),
        (TripleSummConfig, {"modalities": ["dynamics"]}, r"`modalities` is \['dynamics'\]"),
        (PositionConfig, {"num_positions": 100}, "needs to be odd"),
        (LoudnessConfig, {"log_mel_rate": 50}, "`log_mel_rate` is 50"),
    ],
)
def test_wrong_fields_are_named(config, wrong, message):
    with pytest.raises((ValueError, StrictDataclassError), match=message):
        config(**wrong)


# ---------------------------------------------------------------------------------------------- on films

STATISTICS = {"visual_dim": 64, "visual_backbone": "statistics"}
BOTH = STATISTICS | {"semantic_dim": 64, "semantic_backbone": "statistics"}
ON_FILMS = {
    "pgl_sum": PGLSumConfig(**STATISTICS),
    "csta": CSTAConfig(hidden_dim=128, **STATISTICS),
    "joint_va": JointVAConfig(score_hidden_dim=8, **BOTH),
    "umt": UMTConfig(hidden_dim=16, **BOTH),
    "triplesumm": TripleSummConfig(modalities=["visual", "semantic"], drop_missing=True, **BOTH),
    "position": PositionConfig(),
    "loudness": LoudnessConfig(),
}


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    sound = np.concatenate([tone(s, 16000, amplitude=a) for s, a in ((3, 0.01), (1, 0.6), (2.5, 0.01))])
    return film_with_sound(tmp_path_factory.mktemp("films") / "match.mp4", sound, 6.5)


def highlight(film: Path, config, folder: Path) -> int:
    build(config).save_pretrained(folder)
    feature_extractor_for(getattr(config, "visual_backbone", None)).save_pretrained(folder)
    formats = ["--formats", "json,png", "--output-dir", str(folder)]
    return cli.main(["highlight", str(film), "--model", str(folder), *formats])


@pytest.mark.parametrize("name", ON_FILMS)
def test_the_command_takes_any_of_them(film, name, tmp_path, capsys):
    assert highlight(film, ON_FILMS[name], tmp_path) == 0, capsys.readouterr().err
    scores = json.loads((tmp_path / "match.highlights.json").read_text())["scores"]
    assert len(scores) == 7 and (tmp_path / "match.highlights.png").is_file()
    if name in ("position", "loudness"):  # the middle, and the loud second
        assert int(np.argmax(scores)) == 3
    else:
        assert np.std(scores) > 1e-5


def test_a_saved_pipeline_can_be_loaded(film, tmp_path):
    extractor = feature_extractor_for("statistics")
    detect = VideoHighlightDetectionPipeline(
        build(ON_FILMS["umt"]), feature_extractor=extractor, device="cpu"
    )
    detect.save_pretrained(tmp_path)
    loaded = pipeline("video-highlight-detection", model=str(tmp_path), device="cpu")
    np.testing.assert_allclose(loaded(str(film))["scores"], detect(str(film))["scores"], atol=1e-6)


def test_features_that_cannot_be_computed_are_one_sentence(film, tmp_path, capsys):
    assert highlight(film, PGLSumConfig(visual_dim=32), tmp_path) == 1
    errors = capsys.readouterr().err.strip().splitlines()
    assert len(errors) == 1 and "no `visual_backbone`" in errors[0]
