import itertools
import json

import pytest
import torch
from accelerate import cpu_offload
from paths import CONFIGURATION, GOLDEN
from published import published_state
from safetensors.torch import load_file
from tiny_models import TINY, TWO_VIEWS, one_video, random_inputs, tiny_model
from torch.nn import functional as F

from modeling_davihd import DAViHDConfig, DAViHDModel, modeling_davihd
from modeling_davihd.absence_davihd import drawn_absences
from modeling_davihd.conversion import convert_reference_state_dict, reference_config
from modeling_davihd.streaming_davihd import FrameSource, HaloedStates

MODALITIES = ("visual", "semantic", "dynamics")
SUBSETS = [list(names) for n in (1, 2, 3) for names in itertools.combinations(MODALITIES, n)]


@pytest.fixture(scope="module")
def golden() -> tuple[dict, dict, DAViHDModel]:
    facts = json.loads((GOLDEN / "reference_model_small.json").read_text())
    tensors = load_file(GOLDEN / "reference_model_small.safetensors")
    config = reference_config(facts["config"])
    model = DAViHDModel(config).eval()
    model.load_state_dict(convert_reference_state_dict(published_state(tensors), config))
    return facts, tensors, model


def golden_inputs(tensors: dict, prefix: str, dtype: torch.dtype) -> dict:
    names = {"visual_features": "visual", "semantic_features": "audio", "log_mel": "mel", "labels": "label"}
    inputs = {ours: tensors[prefix + theirs].to(dtype) for ours, theirs in names.items()}
    return inputs | {"attention_mask": tensors[prefix + "mask"]}


@pytest.mark.parametrize("prefix", ["", "equal.", "short."])
@pytest.mark.parametrize("dtype, suffix, tolerance", [("float32", "", 6e-5), ("float64", "_float64", 1e-9)])
def test_scores_equal_the_reference(golden, prefix, dtype, suffix, tolerance):
    _, tensors, model = golden
    dtype = getattr(torch, dtype)
    output = model.to(dtype)(**golden_inputs(tensors, prefix, dtype))
    real = tensors[prefix + "mask"].bool()
    expected = tensors[f"{prefix}scores{suffix}"]
    assert (output.scores - expected)[real].abs().max() < tolerance
    assert (output.scores[~real] == 0).all()


STAGES = {
    "inter.visual_encoded": "visual_encoder",
    "inter.semantic_encoded": "semantic_encoder",
    "inter.dynamics_encoded": "dynamics_encoder",
    "inter.cross_visual_to_audio_attn": "cross_visual_to_audio",
    "inter.cross_audio_to_visual_attn": "cross_audio_to_visual",
}


def test_stages_equal_the_reference(golden):
    _, tensors, model = golden
    model.float()
    seen = {}
    hooks = [
        model.get_submodule(module).register_forward_hook(
            lambda _, __, output, stage=stage: seen.update({stage: output[0]})
        )
        for stage, module in STAGES.items()
    ]
    model(**golden_inputs(tensors, "", torch.float32))
    for hook in hooks:
        hook.remove()
    real = tensors["mask"].bool()
    for stage, value in seen.items():
        expected = tensors[stage][real]
        assert (value - expected).abs().max() < 3e-5 * expected.abs().max(), stage  # rows of real segments


def test_attention_maps_equal_the_reference(golden):
    _, tensors, model = golden
    output = model.float()(**golden_inputs(tensors, "", torch.float32), output_attentions=True)
    real = tensors["mask"].bool()
    pairs = {
        "visual_attentions": "attn.visual_self_attention",
        "semantic_attentions": "attn.audio_self_attention",
        "visual_to_audio_attentions": "attn.visual_to_audio",
        "audio_to_visual_attentions": "attn.audio_to_visual",
    }
    for ours, theirs in pairs.items():
        difference = (output[ours] - tensors[theirs]).transpose(1, 2)[real]
        # These random weights saturate the cross-attention's softmax, which magnifies float32 rounding.
        assert difference.abs().max() < 2e-4, ours


def test_dynamics_blocks_equal_the_reference(golden):
    _, tensors, model = golden
    blocks = model.float().dynamics_encoder.blocks
    states = tensors["mel"][:1].transpose(1, 2)[:, None]
    for index, block in enumerate(blocks):
        if index:
            haloed = HaloedStates(FrameSource.held(states), None)
            gamma, _ = block.conv.kernel_weights(haloed)
            expected = tensors[f"dyn0.conv{index}_kernel_attention"].squeeze(2, 3)
            assert (gamma - expected).abs().max() < 3e-5
            pooled, _ = block.conv.pooling(haloed)
            expected = tensors[f"dyn0.conv{index}_time_pool"]
            assert (pooled - expected).abs().max() < 3e-5 * expected.abs().max()
        states, _ = block(states, None)
        expected = tensors[f"dyn0.pooling{index}_out"]
        assert (states - expected).abs().max() < 3e-5 * expected.abs().max()


def test_gradients_equal_the_reference(golden):
    facts, tensors, model = golden
    inputs = golden_inputs(tensors, "", torch.float32)
    watched = {"visual_features": "visual", "semantic_features": "audio", "log_mel": "mel"}
    for name in watched:
        inputs[name].requires_grad_()
    model.float().zero_grad()
    loss = model(**inputs).loss
    loss.backward()
    assert loss.item() == pytest.approx(facts["loss"], rel=1e-5)
    for name, theirs in watched.items():
        expected = tensors[f"grad_input.{theirs}"]
        assert (inputs[name].grad - expected).abs().max() < 2e-3 * expected.abs().max(), name
    norms = facts["grad_norm"]
    config = model.config
    ours = {name: parameter.grad for name, parameter in model.named_parameters()}
    named = convert_reference_state_dict(enumerate_reference(tensors), config)
    groups: dict[int, float] = {}
    for name, gradient in ours.items():
        key = int(named[name].flatten()[0])
        groups[key] = groups.get(key, 0.0) + gradient.square().sum().item()
    keys = [name for name in tensors if name.startswith("state.")]
    floor = 1e-6 * sum(value**2 for value in norms.values()) ** 0.5
    for key, square in groups.items():
        reference = keys[key].removeprefix("state.")
        assert square**0.5 == pytest.approx(norms[reference], rel=2e-3, abs=floor), reference


def enumerate_reference(tensors: dict) -> dict:
    """The reference's state dict with every tensor filled with its number, to tell who became whom."""
    keys = [name for name in tensors if name.startswith("state.")]
    shapes = {key.removeprefix("state."): tensors[key].shape for key in keys}
    return {key: torch.full(shape, float(i)) for i, (key, shape) in enumerate(shapes.items())}


@pytest.mark.parametrize("rate", [62.5, 1])
@pytest.mark.parametrize("modalities", [*SUBSETS, ["text"], [*MODALITIES, "text"]], ids="+".join)
def test_padding_never_changes_a_score(modalities, rate):
    lengths = [5, 1, 12, 3]
    model = tiny_model(modalities=modalities, log_mel_rate=rate)
    inputs = random_inputs(model.config, lengths)
    scores = model(**inputs).scores
    for row, length in enumerate(lengths):
        alone = model(**one_video(inputs, model.config, row, length)).scores[0]
        assert (scores[row, :length] - alone).abs().max() < 1e-5
        assert (scores[row, length:] == 0).all()
        assert length == 1 or alone.std() > 1e-3  # a network that says the same always would pass the above


@pytest.mark.parametrize("operation", ["multiply", "concat", "gate"])
@pytest.mark.parametrize(
    "changes",
    [
        {"fusion_placement": "late"},
        {"fusion_placement": "early", "projection_dim": 24},
        {"attention_window_seconds": 3},
        {"dynamics_positions": "convolutional", "log_mel_baseline_seconds": 3},
        {"dynamics_basis_kernels": [4] * 6, **TWO_VIEWS},
    ],
    ids=["late", "projected", "nearby", "baseline", "views"],
)
def test_padding_never_changes_a_score_in_other_architectures(changes, operation):
    lengths = [2, 9, 6]
    model = tiny_model(fusion_operation=operation, **changes).double()
    inputs = random_inputs(model.config, lengths)
    inputs = {name: value.double() if value.is_floating_point() else value for name, value in inputs.items()}
    scores = model(**inputs).scores
    for row, length in enumerate(lengths):
        alone = model(**one_video(inputs, model.config, row, length)).scores[0]
        assert (scores[row, :length] - alone).abs().max() < 1e-9


def test_attention_may_be_to_the_seconds_around_alone():
    model = tiny_model(attention_window_seconds=5)
    inputs = random_inputs(model.config, [70, 33])  # more than are attended to at once
    scores, found = model(**inputs).scores, model(**inputs, output_attentions=True)
    assert torch.allclose(scores, found.scores, atol=1e-6)
    maps = (*found.dynamics_attentions, found.visual_to_audio_attentions)
    place = torch.arange(70)
    far = (place[:, None] - place).abs() > 2
    assert maps and all((each[..., far] == 0).all() and each[0].sum(-1).min() > 0.999 for each in maps)
    inputs["visual_features"][0, 60:] += 1
    changed = model(**inputs).scores[0] != scores[0]
    assert changed[60:].all() and not changed[:56].any()  # by way of self- and cross-attention


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"fusion_operation": "weigh"},
        {"fusion_operation": "gate"},
        {"fusion_placement": "late", "fusion_operation": "concat"},
    ],
    ids=str,
)
def test_streams_may_be_absent_after_a_training_without_them(changes):
    model = tiny_model(stream_dropout=0.5, **changes).train()
    inputs = random_inputs(model.config, [7, 5])
    model(**inputs).loss.backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())
    model.eval()
    sound, picture = ("semantic_features", "log_mel"), ("visual_features",)
    for absent in (sound, picture):
        given = {name: values for name, values in inputs.items() if name not in absent}
        scores = model(**given).scores
        alone = one_video(inputs, model.config, 1, 5)
        alone = model(**{name: values for name, values in alone.items() if name not in absent}).scores
        torch.testing.assert_close(scores[1, :5], alone[0])
        assert scores[0].std() > 0
    with pytest.raises(ValueError, match="`log_mel` is missing; at least one of what the model reads"):
        model(attention_mask=inputs["attention_mask"])
    with pytest.raises(ValueError, match="`visual_features` is missing"):
        tiny_model(**changes)(**given)


def test_a_step_leaves_out_streams_but_never_all():
    names = ["visual", "semantic", "dynamics"]
    drawn = torch.stack([*drawn_absences(names, 4000, 0.5, torch.device("cpu")).values()])
    assert not drawn.all(0).any()
    share = drawn.float().mean(1)  # 1/2, less a third of the 1/8 in which all were drawn
    assert (share - (0.5 - 1 / 24)).abs().max() < 0.04


def test_a_gate_weights_what_the_dynamics_say_by_how_a_second_differs_from_the_minute_around():
    gated = tiny_model(modalities=["semantic", "dynamics"], fusion_operation="gate", semantic_dim=7)
    alone = tiny_model(modalities=["dynamics"])
    assert not alone.load_state_dict(gated.state_dict(), strict=False).missing_keys
    inputs = random_inputs(gated.config, [6, 4], padding=0.0)
    dynamics = alone(log_mel=inputs["log_mel"], attention_mask=inputs["attention_mask"]).scores
    for film, length in enumerate((6, 4)):
        features = inputs["semantic_features"][film, :length]
        means = [features[max(0, second - 1) : second + 2].mean(0) for second in range(length)]
        means = [torch.stack(means[max(0, second - 1) : second + 2]).mean(0) for second in range(length)]
        gate = F.linear(torch.stack(means) - features.mean(0), *gated.semantic_gate.parameters()).sigmoid()
        expected = gate[:, 0] * dynamics[film, :length]
        assert torch.allclose(gated(**inputs).scores[film, :length], expected, atol=1e-6)


def test_video_without_any_segment_gives_zeros_and_finite_gradients():
    model = tiny_model().train()
    inputs = random_inputs(model.config, [6, 4])
    inputs["attention_mask"][1] = 0
    output = model(**inputs)
    output.loss.backward()
    assert (output.scores[1] == 0).all()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())


def test_offloaded_weights_give_the_same_scores(monkeypatch):
    """Also where a block's output is computed after its forward has returned."""
    monkeypatch.setattr(modeling_davihd, "_HELD_ELEMENTS", 3000)
    model = tiny_model(log_mel_baseline_seconds=5)
    inputs = random_inputs(model.config, [20, 7])
    with torch.no_grad():
        expected = model(**inputs).scores
        cpu_offload(model, execution_device=torch.device("cpu"), offload_buffers=True)
        assert torch.equal(model(**inputs).scores, expected)


@pytest.mark.parametrize("changes", [{}, TWO_VIEWS], ids=["sound", "two views"])
@pytest.mark.parametrize("lengths", [[6, 4], [5, 5]], ids=["padded", "equal"])
def test_gradient_checkpointing_changes_nothing(lengths, changes):
    inputs = random_inputs(DAViHDConfig(**TINY), lengths)
    models = [tiny_model(dropout=0.0, **changes).train() for _ in range(2)]
    models[1].activation_checkpointing_enable()
    for model in models:
        model(**inputs).loss.backward()
    for (name, plain), (_, saved) in zip(*(model.named_parameters() for model in models), strict=True):
        assert torch.allclose(plain.grad, saved.grad, atol=1e-6), name
    for (name, plain), (_, saved) in zip(*(model.named_buffers() for model in models), strict=True):
        assert torch.equal(plain, saved), name


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64], ids=str)
@pytest.mark.parametrize("changes", [{}, TWO_VIEWS], ids=["sound", "two views"])
def test_inputs_follow_the_dtype_of_the_weights(changes, dtype):
    model = tiny_model(**changes)
    inputs = random_inputs(model.config, [9, 5], padding=0.0)
    exact = model(**inputs)
    half = model.to(dtype)(**inputs)
    assert half.scores.dtype == dtype and half.loss.dtype in (torch.float32, torch.float64)
    assert (half.scores.float() - exact.scores).abs().max() < 0.05
    assert half.loss.item() == pytest.approx(exact.loss.item(), rel=0.05)
    assert model.get_velocity_attention(inputs["log_mel"]).isfinite().all()
    model.train()(**inputs).loss.backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())


def test_autocast_trains():
    model = tiny_model().train()
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(**random_inputs(model.config, [5, 3])).loss
    loss.backward()
    assert torch.isfinite(loss)


@pytest.mark.parametrize("changes", [{}, TWO_VIEWS], ids=["sound", "two views"])
def test_save_and_load_give_the_same_scores(tmp_path, changes):
    model = tiny_model(**changes)
    model.save_pretrained(tmp_path)
    loaded, report = DAViHDModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    inputs = random_inputs(model.config, [4, 2])
    assert torch.equal(model(**inputs).scores, loaded.eval()(**inputs).scores)


def test_scores_of_a_new_network_are_neither_constant_nor_saturated():
    torch.manual_seed(0)
    config = DAViHDConfig(**(TINY | {"visual_dim": 256, "semantic_dim": 512, "dynamics_dim": 512}))
    scores = DAViHDModel(config).eval()(**random_inputs(config, [40])).scores
    assert scores.std() > 0.01
    assert 0.02 < scores.min() and scores.max() < 0.98


@pytest.mark.parametrize(
    "changes, maps",
    [({}, 5), (TWO_VIEWS, 5), ({"dynamics_basis_kernels": [4] * 6, **TWO_VIEWS}, 6)],
    ids=["sound", "two views", "two views, no ordinary convolution"],
)
def test_attentions_are_recorded_on_demand(changes, maps):
    model = tiny_model(**changes)
    inputs = random_inputs(model.config, [8, 5])
    assert model(**inputs).velocity_attentions is None
    output = model(**inputs, output_attentions=True)
    assert torch.allclose(output.scores, model(**inputs).scores, atol=1e-6)
    assert output.visual_attentions.shape == (2, 4, 8, 8)
    assert len(output.dynamics_attentions) == 2
    assert len(output.velocity_attentions) == len(output.time_attentions) == maps
    for beta in output.velocity_attentions:
        assert torch.allclose(beta.sum(1), torch.ones_like(beta.sum(1)), atol=1e-5)
    first = model.get_velocity_attention(inputs["log_mel"], inputs["attention_mask"])
    assert torch.equal(first, output.velocity_attentions[0])


def test_a_second_view_adds_one_channel_to_the_first_convolution_and_nothing_else():
    one, two = (
        tiny_model(log_mel_baseline_seconds=5, log_mel_film_background=film) for film in (False, True)
    )
    shapes = [{name: value.shape for name, value in model.state_dict().items()} for model in (one, two)]
    assert shapes[0].keys() == shapes[1].keys()
    changed = [name for name in shapes[0] if shapes[0][name] != shapes[1][name]]
    assert changed == ["dynamics_encoder.blocks.0.conv.weight"]
    assert shapes[1][changed[0]] == (4, 2, 3, 3)


def test_tuple_output():
    model = tiny_model(modalities=["visual"])
    loss, scores = model(**random_inputs(model.config, [4]), return_dict=False)
    assert loss.ndim == 0 and scores.shape == (1, 4)


def test_loss_is_the_mean_over_labelled_segments():
    model = tiny_model()
    inputs = random_inputs(model.config, [7, 3])
    inputs["labels"][0, 5:] = -100
    output = model(**inputs)
    real = inputs["attention_mask"].bool() & (inputs["labels"] != -100)
    expected = (output.scores - inputs["labels"])[real].square().mean()
    assert output.loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert model(**inputs | {"labels": torch.full((2, 7), -100)}).loss == 0


def test_modalities_that_are_not_named_are_not_built():
    model = tiny_model(modalities=["semantic"])
    names = {name.split(".")[0] for name, _ in model.named_parameters()}
    assert names == {"semantic_encoder", "score_head"}
    inputs = random_inputs(model.config, [5])
    alone = model(semantic_features=inputs["semantic_features"]).scores
    assert torch.equal(alone, model(**inputs).scores)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"visual_features": None}, "`visual_features` is missing"),
        ({"log_mel": None}, "`log_mel` is missing"),
        ({"visual_features": torch.zeros(2, 5, 17)}, r"`visual_features` has shape \(2, 5, 17\); it needs"),
        ({"semantic_features": torch.zeros(2, 4, 32)}, r"`semantic_features` .* it needs \(2, 5, 32\)"),
        ({"log_mel": torch.zeros(2, 128, 312)}, r"`log_mel` .* it needs \(2, 128, 313\)"),
        ({"log_mel": torch.zeros(2, 64, 313)}, "`log_mel`"),
        ({"attention_mask": torch.ones(2, 6)}, r"`attention_mask` .* it needs \(2, 5\)"),
        ({"attention_mask": torch.tensor([[0, 1, 1, 1, 1]] * 2)}, "padding needs to be at the end"),
        ({"labels": torch.ones(2, 6)}, r"`labels` .* it needs \(2, 5\)"),
        ({"pixel_values": torch.zeros(2, 5, 1, 3, 299, 299)}, "given together with `pixel_values`"),
        (
            {"visual_features": None, "pixel_values": torch.zeros(2, 5, 1, 3, 299, 299)},
            "no `visual_backbone`",
        ),
    ],
)
def test_wrong_inputs_are_named(change, message):
    model = tiny_model()
    with pytest.raises(ValueError, match=message):
        model(**(random_inputs(model.config, [5, 5]) | change))


def test_a_mask_without_a_batch_is_named():
    model = tiny_model(modalities=["dynamics"])
    with pytest.raises(ValueError, match=r"`attention_mask` has shape \(5,\); it needs"):
        model(log_mel=torch.zeros(1, 128, 313), attention_mask=torch.ones(5))


def test_raw_waveform_passes_through_the_backbone():
    model = tiny_model(
        modalities=["semantic"], semantic_dim=2048, dynamics_dim=2048, semantic_backbone="panns_cnn14_16k"
    )
    waveform = torch.randn(1, 2, 16000) * 0.1
    features = model.get_semantic_features(waveform)
    assert features.shape == (1, 2, 2048)
    assert torch.allclose(model(waveform=waveform).scores, model(semantic_features=features).scores)
    with pytest.raises(ValueError, match=r"`waveform` has shape \(1, 2, 8000\)"):
        model(waveform=waveform[..., :8000])


def test_full_size_network_has_the_parameters_of_the_reference():
    shapes = json.loads((GOLDEN / "reference_state_dict_keys.json").read_text())
    config = DAViHDConfig.from_pretrained(CONFIGURATION / "davihd-mrhisum-reference")
    with torch.device("meta"):
        model = DAViHDModel(config)
        state = {key: torch.empty(shape) for key, (shape, _) in shapes.items()}
        convert_reference_state_dict(state, config)  # raises on any key or shape that does not fit
    assert sum(parameter.numel() for parameter in model.parameters()) == 207_527_817
