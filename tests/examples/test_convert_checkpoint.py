"""Published checkpoints, however wrapped, become folders that load and give the published scores."""

import argparse
import hashlib
import json
import shutil
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from films import film_with_sound, tone
from huggingface_hub import ModelCard
from paths import CONFIGURATION, GOLDEN, ROOT
from published import Intruder, published_state, zero_state
from safetensors.torch import load_file, save_file
from tiny_checkpoint import tiny_record
from transformers import AutoFeatureExtractor, AutoModel

from examples.convert_checkpoint import main, natural_order
from examples.training.record import RECORD_FILE
from modeling_davihd import DAViHDConfig, DAViHDFeatureExtractor, DAViHDModel, cli
from modeling_davihd.backbones_davihd import InceptionV3Backbone, PANNsCNN14Backbone, ResNet3D34Backbone
from modeling_davihd.backbones_davihd import panns_mel_filters as mel_filters
from modeling_davihd.baselines import PGLSumConfig, PGLSumModel
from modeling_davihd.conversion import (
    convert_inception_state_dict,
    convert_panns_state_dict,
    convert_resnet3d_state_dict,
    load_foreign_checkpoint,
)
from modeling_davihd.conversion.kinds import KINDS
from modeling_davihd.loading import load_extractor, load_model
from modeling_davihd.media import stream_segments

TRIPLE = {"visual": "visual", "text": "text", "semantic": "audio"}
# kind -> golden file, tolerance, prefixes of its cases, and the names of scores and inputs in them.
BASELINE = ("output.scores", {"visual_features": "input.visual"})
SCORING = {
    "davihd": (
        *("reference_model_small", 6e-5, ["equal.", "short."]),
        *("scores", {"visual_features": "visual", "semantic_features": "audio", "log_mel": "mel"}),
    ),
    "pgl-sum": ("pgl_sum", 2e-5, ["case0.", "case1."], *BASELINE),
    "umt": (
        *("umt_small", 2e-5, ["case0.", "case1."]),
        *("output.scores", {"visual_features": "input.visual", "semantic_features": "input.audio"}),
    ),
    "csta": ("csta", 2e-5, ["case0.", "case1."], *BASELINE),
    "triplesumm": (
        *("triplesumm_small", 2e-5, ["case0.", "case1.", "case2."], "output.scores"),
        {f"{ours}_features": f"input.{theirs}" for ours, theirs in TRIPLE.items()},
    ),
}
# Where the authors' hyper-parameters are in the golden file, if weights do not tell all.
HYPER = {"davihd": "config", "triplesumm": "hyper"}
BESIDE = {
    "epoch": 3,
    "best": 0.4,
    "optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}, "param_groups": []},
}


def prefixed(prefix: str, state: dict) -> dict:
    return {prefix + key: value for key, value in state.items()}


# suffix, and what is saved of a state dict.
WRAPPINGS = {
    "safetensors": (".safetensors", dict),
    "bare": (".pth", dict),
    "data parallel": (".pth", lambda state: {"model_state_dict": prefixed("module.", state), **BESIDE}),
    "lightning": (
        ".ckpt",
        lambda state: {
            "state_dict": OrderedDict(prefixed("model.", state)),
            "hyper_parameters": {"lr": 1e-3},
            "callbacks": {"best": {"best_model_score": torch.tensor(0.4)}},
        },
    ),
    "average of compiled": (
        ".pt",
        lambda state: {"trainer": {"ema": {"shadow": prefixed("_orig_mod.module.", state)}}, **BESIDE},
    ),
    "generator": (
        ".tar",
        lambda state: {
            "generator": prefixed("generator._fsdp_wrapped_module.", state),
            "discriminator": {"layer.weight": torch.ones(2, 2)},
        },
    ),
}


def golden(kind: str) -> tuple[dict, dict]:
    """Tensors of a golden file, and the published state dict among them."""
    tensors = load_file(GOLDEN / f"{SCORING[kind][0]}.safetensors")
    return tensors, published_state(tensors)


def write_wrapped(path: Path, wrapping: str, state: dict) -> Path:
    suffix, wrap = WRAPPINGS[wrapping]
    save = save_file if suffix == ".safetensors" else torch.save
    save(wrap(state), path.with_suffix(suffix))
    return path.with_suffix(suffix)


def convert(checkpoint: Path, output: Path, *options: object) -> int:
    return main(["--checkpoint", str(checkpoint), "--output", str(output), *map(str, options)])


@pytest.fixture(scope="module")
def options_of(tmp_path_factory) -> dict[str, list]:
    """Options with the hyper-parameters of small golden networks, under the names of the authors' code."""
    options: dict[str, list] = {kind: [] for kind in SCORING}
    for kind, entry in HYPER.items():
        facts = json.loads((GOLDEN / f"{SCORING[kind][0]}.json").read_text())
        path = tmp_path_factory.mktemp("config") / "hyper_parameters.json"
        path.write_text(json.dumps(facts[entry]))
        options[kind] = ["--config", path]
    return options


@pytest.fixture
def room(tmp_path):
    """A folder for what is large."""
    yield tmp_path
    shutil.rmtree(tmp_path)


@torch.no_grad()
def assert_golden_scores(model: torch.nn.Module, kind: str):
    tensors, (_, tolerance, prefixes, scores, inputs) = golden(kind)[0], SCORING[kind]
    for prefix in prefixes:
        given = {name: tensors[prefix + theirs] for name, theirs in inputs.items()}
        expected, mask = tensors[prefix + scores], tensors.get(f"{prefix}mask")
        if expected.ndim == 1:
            given = {name: value[None] for name, value in given.items()}
        found = model(**given, attention_mask=mask).scores.view_as(expected)
        real = torch.ones_like(expected) if mask is None else mask
        torch.testing.assert_close(found * real, expected * real, rtol=0, atol=tolerance)


# ------------------------------------------------------------------------------------- models that score


# Every kind in two wrappings, which do not depend on the kind, and every wrapping.
PAIRS = [(kind, each) for number, kind in enumerate(SCORING) for each in [*WRAPPINGS][number : number + 2]]


@pytest.mark.parametrize(("kind", "wrapping"), PAIRS)
def test_scores_are_the_published_ones(kind, wrapping, options_of, tmp_path):
    file = write_wrapped(tmp_path / "best", wrapping, golden(kind)[1])
    assert convert(file, tmp_path / "out", *options_of[kind]) == 0
    assert_golden_scores(AutoModel.from_pretrained(tmp_path / "out").eval(), kind)
    assert_golden_scores(load_model(tmp_path / "out"), kind)


@pytest.mark.parametrize("kind", SCORING)
def test_the_folder_is_whole(kind, options_of, tmp_path, capsys):
    file = write_wrapped(tmp_path / "best", "bare", golden(kind)[1])
    assert convert(file, tmp_path / "out", "--kind", kind, *options_of[kind]) == 0
    assert capsys.readouterr().out.startswith("out  ")
    model, extractor = load_model(tmp_path / "out"), load_extractor(tmp_path / "out")
    inputs = {"semantic": "waveform", "dynamics": "log_mel"}
    made = {inputs[modality] for modality in model.config.modalities if modality in inputs}
    assert set(extractor.model_input_names) == made | {"attention_mask"}
    if kind == "davihd":
        assert (extractor.log_mel_rate, extractor.num_mel_bins) == (1, model.config.num_mel_bins)
    card = ModelCard.load(tmp_path / "out" / "README.md")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert "best.pth" in card.text and digest in card.text and KINDS[kind].terms in card.text
    assert card.data.license == "other" and card.data.eval_results is None
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_model_without_encoders_says_so_of_films(tmp_path, capsys):
    assert convert(write_wrapped(tmp_path / "best", "bare", golden("csta")[1]), tmp_path / "out") == 0
    arguments = ["highlight", "--model", str(tmp_path / "out"), "--output-dir", str(tmp_path)]
    assert cli.main([*arguments, str(ROOT / "examples" / "sample.mp4")]) == 1
    error = capsys.readouterr().err
    assert "`pixel_values` needs a frozen encoder" in error and error.count("\n") == 1


def test_what_weights_do_not_tell_comes_from_a_config(options_of, tmp_path):
    state = golden("davihd")[1]
    file = write_wrapped(tmp_path / "best", "bare", state)
    assert convert(file, tmp_path / "theirs", *options_of["davihd"]) == 0
    assert convert(file, tmp_path / "ours", "--config", tmp_path / "theirs") == 0
    assert convert(file, tmp_path / "file", "--config", tmp_path / "theirs" / "config.json") == 0
    configs = {(tmp_path / name / "config.json").read_text() for name in ("theirs", "ours", "file")}
    assert len(configs) == 1 and json.loads(configs.pop())["batch_norm_momentum"] == 0.99


def test_an_average_of_models_is_converted(tmp_path):
    """Averaging makes real numbers of step counters, and adds a counter of its own."""
    state = golden("csta")[1]
    counters = {
        key.replace("running_var", "num_batches_tracked"): torch.tensor(2.5) for key in state if "_var" in key
    }
    averaged = prefixed("module.", state | counters) | {"n_averaged": torch.tensor(4)}
    torch.save({"ema": averaged}, tmp_path / "best.pth")
    assert convert(tmp_path / "best.pth", tmp_path / "out") == 0
    assert_golden_scores(load_model(tmp_path / "out"), "csta")


def test_a_preset_brings_its_feature_extractor(tmp_path):
    folder = tmp_path / "preset"
    folder.mkdir()
    shutil.copy(CONFIGURATION / "davihd-tvsum-reference" / "preprocessor_config.json", folder)
    (folder / "config.json").write_text(json.dumps({"model_type": "baseline_pgl_sum", "visual_dim": 64}))
    file = write_wrapped(tmp_path / "best", "bare", golden("pgl-sum")[1])
    assert convert(file, tmp_path / "out", "--config", folder) == 0
    assert load_extractor(tmp_path / "out").image_size == 112


def test_folds_become_folders(tmp_path, capsys):
    state = golden("pgl-sum")[1]
    (tmp_path / "folds").mkdir()
    for number in range(5):
        changed = state | {"linear_2.bias": torch.tensor([float(number)])}
        torch.save(prefixed("module.", changed), tmp_path / "folds" / f"fold{8 + number}.pth")
    (tmp_path / "folds" / "log.txt").write_text("f1 0.6\n")
    assert convert(tmp_path / "folds", tmp_path / "out") == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"fold-{n}" for n in range(5)]
    for number in range(5):
        model = load_model(tmp_path / "out" / f"fold-{number}")
        assert model.head.bias.item() == number
    assert "out/fold-4  PGL-SUM  from" in capsys.readouterr().out
    files = [str(tmp_path / "folds" / f"fold{number}.pth") for number in (9, 8)]
    assert main(["--checkpoint", *files, "--output", str(tmp_path / "two")]) == 0
    assert load_model(tmp_path / "two" / "fold-1").head.bias.item() == 0


def test_numbers_in_names_are_numbers():
    names = ["fold10.pth", "fold9.pth", "best.pth", "²fold.pth"]
    assert sorted(names, key=lambda name: natural_order(Path(name)))[:3] == [
        *("best.pth", "fold9.pth", "fold10.pth")
    ]


# ----------------------------------------------------------------------------------------------- encoders

ENCODERS = {
    "cnn14": (PANNsCNN14Backbone, convert_panns_state_dict, "semantic", {}),
    "inception-v3": (lambda: InceptionV3Backbone(8), convert_inception_state_dict, "visual", {}),
    "resnet3d-34": (ResNet3D34Backbone, convert_resnet3d_state_dict, "visual", {}),
}


def published_encoder(kind: str, folder: Path) -> tuple[torch.nn.Module, Path, list[str]]:
    """A random encoder, the file of its weights as they are published, and the options that it needs."""
    torch.manual_seed(0)
    backbone, options = ENCODERS[kind][0](), []
    for name, buffer in backbone.named_buffers():
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)
    state = backbone.state_dict()
    if kind == "cnn14":
        state["logmel_extractor.melW"] = mel_filters(torch.device("cpu"))
    if kind == "inception-v3":
        state = backbone.network.state_dict()
        backbone.scale.fill_(1)
        np.savez(folder / "pca.npz", mean=backbone.mean, components=backbone.projection)
        options = ["--pca", folder / "pca.npz"]
    torch.save({"state_dict": prefixed("module.", state), "epoch": 200}, folder / "encoder.pth")
    return backbone, folder / "encoder.pth", options


@pytest.mark.parametrize("kind", ENCODERS)
def test_an_encoder_alone_loads_and_claims_nothing(kind, room, capsys):
    backbone, file, options = published_encoder(kind, room)
    assert convert(file, room / "out", *options) == 0
    assert "an encoder alone" in capsys.readouterr().out
    modality, weights = ENCODERS[kind][2], backbone.state_dict()
    model = AutoModel.from_pretrained(room / "out").eval()
    stored = getattr(model, f"{modality}_backbone").state_dict()
    assert stored.keys() == weights.keys() and all(torch.equal(stored[key], weights[key]) for key in stored)
    card = (room / "out" / "README.md").read_text()
    assert f"get_{modality}_features" in card and "the score 0.5" in card
    again = ENCODERS[kind][1](load_foreign_checkpoint(room / "out" / "model.safetensors"))
    assert again and all(torch.equal(again[key], weights[key]) for key in again)  # as --visual-weights
    film = film_with_sound(room / "film.mp4", tone(2, 16000), 2)
    arguments = ["highlight", "--model", str(room / "out"), "--output-dir", str(room), "--formats", "json"]
    assert cli.main([*arguments, str(film)]) == 0
    result = json.loads((room / "film.highlights.json").read_text())
    assert result["scores"] == [0.5, 0.5] and result["highlights"] == []


@pytest.fixture
def heads(room) -> Path:
    """A model that takes CNN14's features."""
    torch.manual_seed(0)
    config = DAViHDConfig(modalities=["semantic"], semantic_dim=2048, projection_dim=16, score_hidden_dim=8)
    DAViHDModel(config).save_pretrained(room / "heads")
    DAViHDFeatureExtractor().save_pretrained(room / "heads")
    return room / "heads"


def write_record(folder: Path, encoder: str):
    """Note in a checkpoint that it was trained on semantic features of that encoder."""
    tiny_record(extraction={"semantic_backbone": encoder}).write(folder / RECORD_FILE)


@torch.no_grad()
def test_a_model_with_its_encoder_takes_films(heads, room):
    backbone, file, _ = published_encoder("cnn14", room)
    write_record(heads, "panns_cnn14_16k")
    assert convert(file, room / "out", "--into", heads) == 0
    film = film_with_sound(room / "film.mp4", tone(3, 16000, amplitude=0.1), 3)
    arguments = ["highlight", "--model", str(room / "out"), "--output-dir", str(room), "--formats", "json"]
    assert cli.main([*arguments, "--dtype", "float32", str(film)]) == 0
    sound = torch.from_numpy(np.concatenate([chunk.waveform for chunk in stream_segments(film)]))
    expected = load_model(heads)(semantic_features=backbone(sound)[None]).scores[0]
    found = json.loads((room / "film.highlights.json").read_text())["scores"]
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert "davihd highlight film.mp4 --model out" in (room / "out" / "README.md").read_text()
    assert (room / "out" / "training.json").read_text() == (heads / "training.json").read_text()
    assert "waveform" in AutoFeatureExtractor.from_pretrained(room / "out").model_input_names


def zero_encoder(golden_file: str, path: Path, **more) -> Path:
    """A published checkpoint of zeros, which take no room in the file."""
    state = zero_state(golden_file)
    state |= {key: torch.tensor(0) for key in state if key.endswith("num_batches_tracked")}
    torch.save(state | more, path)
    return path


def test_an_encoder_goes_only_where_it_belongs(heads, room, capsys):
    filters = {"logmel_extractor.melW": mel_filters(torch.device("cpu"))}
    cnn14 = zero_encoder("panns_cnn14_16k", room / "cnn14.pth", **filters)
    resnet = zero_encoder("resnet3d_34", room / "resnet.pth")
    write_record(heads, "statistics")
    assert convert(cnn14, room / "out", "--into", heads) == 1
    assert "was trained on semantic features of statistics, not panns_cnn14_16k" in told(capsys)
    (heads / "training.json").unlink()
    assert convert(resnet, room / "out", "--into", heads) == 1
    assert "does not read visual features, which 3D ResNet-34 makes" in told(capsys)
    DAViHDModel(DAViHDConfig(modalities=["visual"], projection_dim=8)).save_pretrained(room / "wide")
    DAViHDFeatureExtractor().save_pretrained(room / "wide")
    assert convert(resnet, room / "out", "--into", room / "wide") == 1
    assert "`visual_dim` is 1024; the resnet3d_34 backbone gives 512 features a second" in told(capsys)
    assert convert(resnet, room / "out", "--into", room / "nowhere") == 1
    assert "nowhere does not load: the folder has no readable config.json" in told(capsys)
    assert not (room / "out").exists()


def test_a_baseline_takes_films_too(room):
    PGLSumModel(PGLSumConfig(visual_dim=512)).save_pretrained(room / "heads")
    DAViHDFeatureExtractor().save_pretrained(room / "heads")
    resnet = zero_encoder("resnet3d_34", room / "resnet.pth")
    assert convert(resnet, room / "out", "--into", room / "heads") == 0
    extractor = load_extractor(room / "out")
    assert (extractor.image_size, extractor.frames_per_segment) == (112, 16)
    pixels = extractor.normalise(np.zeros((1, 16, 112, 112, 3), np.uint8))[None]
    assert load_model(room / "out")(pixel_values=pixels).scores.shape == (1, 1)


def test_an_encoder_has_its_options(tmp_path, capsys):
    torch.save(
        {f"{name}.weight": torch.ones(1) for name in ("Conv2d_1a_3x3", "Mixed_7c")}, tmp_path / "i.pth"
    )
    assert convert(tmp_path / "i.pth", tmp_path / "out") == 1
    assert "Inception-v3 needs the PCA of its features" in told(capsys)
    resnet = zero_encoder("resnet3d_34", tmp_path / "resnet.pth")
    for option, message in (("--pca", "reads no PCA, but"), ("--config", "has no use for --config")):
        assert convert(resnet, tmp_path / "out", option, tmp_path / "file") == 1
        assert message in told(capsys)


# -------------------------------------------------------------------------------------- what is refused


def told(capsys) -> str:
    error = capsys.readouterr().err
    assert error.startswith("convert_checkpoint.py: error: ") and error.count("\n") == 1
    return error


@pytest.mark.parametrize("beside", [{"args": argparse.Namespace(lr=1e-3)}, {"model": Intruder("executed")}])
def test_python_objects_are_refused(beside, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": golden("csta")[1], **beside}, "best.pth")
    assert convert(Path("best.pth"), Path("out")) == 1
    assert "best.pth is not loaded: it is damaged or holds Python objects" in told(capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["best.pth"]


def test_the_wrong_kind_is_told_by_keys(tmp_path, capsys):
    file = write_wrapped(tmp_path / "best", "data parallel", golden("umt")[1])
    assert convert(file, tmp_path / "out", "--kind", "csta") == 1
    error = told(capsys)
    assert "not a checkpoint of CSTA, whose keys start with googlenet., key_embedding., layernorm1.:" in error
    assert "the file has module.audio_enc.encoder.att.k.bias" in error


def test_an_unknown_file_is_told_by_keys(tmp_path, capsys):
    torch.save({"net": {"module.layer.weight": torch.ones(2, 2)}}, tmp_path / "other.pth")
    assert convert(tmp_path / "other.pth", tmp_path / "out") == 1
    error = told(capsys)
    assert "the file has module.layer.weight" in error
    assert all(kind.title in error for kind in KINDS.values())


def test_keys_and_shapes_that_do_not_fit_are_the_files_own(tmp_path, capsys):
    state = golden("umt")[1]
    lacking = {key: value for key, value in state.items() if key != "query_dec.norm.bias"}
    misshapen = state | {"query_dec.norm.bias": torch.ones(3)}
    for changed, message in (
        (lacking, "lacks module.query_dec.norm.bias"),
        (misshapen, "module.query_dec.norm.bias has shape (3,), but (32,) is needed"),
        (state | {"more.weight": torch.ones(3)}, "belong nowhere: module.more.weight"),
    ):
        file = write_wrapped(tmp_path / "best", "data parallel", changed)
        assert convert(file, tmp_path / "out") == 1
        error = told(capsys)
        assert message in error and str(file) in error
    assert not (tmp_path / "out").exists()


def test_two_state_dicts_of_one_kind_are_named(tmp_path, capsys):
    state = golden("pgl-sum")[1]
    average = state | {"linear_2.bias": torch.tensor([9.0])}
    torch.save({"model": state, "ema": average}, tmp_path / "best.pth")
    assert convert(tmp_path / "best.pth", tmp_path / "out") == 1
    assert "several state dicts that fit: ema, model; `entry` says which" in told(capsys)
    assert convert(tmp_path / "best.pth", tmp_path / "out", "--entry", "ema") == 0
    assert load_model(tmp_path / "out").head.bias.item() == 9


def test_configs_that_do_not_fit_are_told(tmp_path, options_of, capsys):
    davihd = write_wrapped(tmp_path / "davihd", "bare", golden("davihd")[1])
    pgl_sum = write_wrapped(tmp_path / "pgl_sum", "bare", golden("pgl-sum")[1])
    (tmp_path / "bert.json").write_text('{"model_type": "bert"}')
    (tmp_path / "list.json").write_text("[1]")
    for file, config, message in (
        (davihd, None, "visual features are 16 wide, and there are presets for 1024 and 512"),
        (davihd, CONFIGURATION / "davihd-tvsum-reference", "the weights have visual_dim 16 and not 512, "),
        (
            pgl_sum,
            options_of["davihd"][1],
            "is the config of a davihd model; that of a baseline_pgl_sum is needed",
        ),
        (pgl_sum, CONFIGURATION / "baselines" / "pgl-sum", "the weights have visual_dim 64 and not 1024."),
        (pgl_sum, tmp_path / "bert.json", "is the config of a 'bert' model"),
        (pgl_sum, tmp_path / "list.json", "holds no JSON object"),
        (pgl_sum, tmp_path / "nowhere.json", "There is no config file"),
        (pgl_sum, davihd, "is not a readable JSON file"),
    ):
        options = [] if config is None else ["--config", config]
        assert convert(file, tmp_path / "out", *options) == 1
        assert message in told(capsys)


def test_options_without_use_are_told(tmp_path, capsys):
    file = write_wrapped(tmp_path / "best", "bare", golden("pgl-sum")[1])
    for option in ("--pca", "--into"):
        assert convert(file, tmp_path / "out", option, tmp_path) == 1
        assert f"which has no use for {option}" in told(capsys)
    with pytest.raises(SystemExit) as exit:
        convert(file, tmp_path / "out", "--kind", "resnet")
    assert exit.value.code == 2


def test_the_output_is_whole_or_not_there(tmp_path, capsys):
    (tmp_path / "folds").mkdir()
    assert convert(tmp_path / "folds", tmp_path / "out") == 1
    assert "folds has no checkpoint files" in told(capsys)
    good = write_wrapped(tmp_path / "folds" / "1", "bare", golden("pgl-sum")[1])
    (tmp_path / "folds" / "2.pth").write_bytes(good.read_bytes()[:5000])
    assert convert(tmp_path / "folds", tmp_path / "out") == 1
    assert "2.pth is not loaded" in told(capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["folds"]
    (tmp_path / "out").mkdir()
    assert convert(good, tmp_path / "out") == 0
    assert convert(good, tmp_path / "out") == 1
    assert "is there already" in told(capsys)
    assert convert(tmp_path / "nowhere.pth", tmp_path / "other") == 1
    assert "There is no checkpoint file" in told(capsys)
