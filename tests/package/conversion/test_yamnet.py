"""Google's yamnet.h5 -> our encoder: names, axes, folded batch norms, and files that are something else."""

import sys

import h5py
import numpy as np
import pytest
import torch
from paths import GOLDEN
from safetensors.torch import save_file
from torch.nn import functional as F

from examples.convert_checkpoint import main as convert
from modeling_davihd.backbones_davihd import YAMNetBackbone
from modeling_davihd.conversion import EncoderChoice, convert_yamnet_state_dict, encoder_state, load_encoder
from modeling_davihd.conversion.checkpoints import load_foreign_checkpoint
from modeling_davihd.conversion.kinds import open_checkpoint
from modeling_davihd.loading import load_model

KERAS = {"conv": "kernel", "depthwise_conv": "depthwise_kernel", "pointwise_conv": "kernel"}


def layer_shapes() -> dict[str, tuple[int, ...]]:
    """Keras' name of each convolution, and the shape of its kernel there."""
    shapes, before = {"layer1/conv": (3, 3, 1, 32)}, 32
    for number, (width, _) in enumerate(YAMNetBackbone.layers, 2):
        shapes[f"layer{number}/depthwise_conv"] = (3, 3, before, 1)
        shapes[f"layer{number}/pointwise_conv"] = (1, 1, before, width)
        before = width
    return shapes


@pytest.fixture(scope="module")
def weights() -> dict[str, np.ndarray]:
    """A network made up, by the names of Keras."""
    rng, made = np.random.default_rng(0), {}
    for layer, shape in layer_shapes().items():
        kernel = KERAS[layer.partition("/")[2]]
        width = shape[2] if kernel == "depthwise_kernel" else shape[3]
        fan = 9 if kernel == "depthwise_kernel" else np.prod(shape[:3])
        made[f"{layer}/{kernel}:0"] = rng.standard_normal(shape) * np.sqrt(2 / fan)
        made[f"{layer}/bn/beta:0"] = rng.normal(0, 0.1, width)
        made[f"{layer}/bn/moving_mean:0"] = rng.normal(0, 0.1, width)
        made[f"{layer}/bn/moving_variance:0"] = rng.uniform(0.5, 2, width)
    made["dense/kernel:0"] = rng.normal(0, 0.03, (1024, 521))
    made["dense/bias:0"] = rng.normal(0, 0.1, 521)
    return {name: value.astype(np.float32) for name, value in made.items()}


def write(path, weights, **others):
    """As Keras does: each weight under its layer's name, in the group of that layer."""
    with h5py.File(path, "w") as file:
        for name, value in weights.items():
            file[f"{name.rpartition('/')[0]}/{name}"] = value
        for name, value in others.items():
            file[name] = value
    return path


@pytest.fixture(scope="module")
def published(weights, tmp_path_factory):
    return write(tmp_path_factory.mktemp("keras") / "yamnet.h5", weights)


def keras_embedding(weights, patches):
    """The network with its batch norms, as Keras computes it: (N, 96, 64) -> (N, 1024)."""
    hidden = patches[:, None].double()
    strides = {"layer1": 2} | {f"layer{i}": one for i, (_, one) in enumerate(YAMNetBackbone.layers, 2)}
    for layer in layer_shapes():
        kernel = torch.from_numpy(weights[f"{layer}/{KERAS[layer.partition('/')[2]]}:0"]).double()
        norm = [
            torch.from_numpy(weights[f"{layer}/bn/{name}:0"]).double()
            for name in ("moving_mean", "moving_variance", "beta")
        ]
        if layer.endswith("pointwise_conv"):
            hidden = F.conv2d(hidden, kernel.permute(3, 2, 0, 1))
        else:
            stride = strides[layer.partition("/")[0]]
            groups = hidden.shape[1] if layer.endswith("depthwise_conv") else 1
            kernel = kernel.permute(2, 3, 0, 1) if groups > 1 else kernel.permute(3, 2, 0, 1)
            padded = F.pad(hidden, (0, 1, 0, 1) if stride == 2 else (1, 1, 1, 1))
            hidden = F.conv2d(padded, kernel, stride=stride, groups=groups)
        hidden = F.relu(F.batch_norm(hidden, norm[0], norm[1], None, norm[2], eps=1e-4))
    return hidden.mean((2, 3))


def test_the_published_file_becomes_the_encoder(weights, published):
    encoder = load_encoder("semantic", EncoderChoice("yamnet", published))
    patches = torch.randn(2, 96, 64, generator=torch.Generator().manual_seed(0))
    expected = keras_embedding(weights, patches)
    found = encoder.embed(patches)
    assert (found - expected).abs().max() / expected.abs().max() < 1e-5
    kernel, bias = (torch.from_numpy(weights[f"dense/{name}:0"]).double() for name in ("kernel", "bias"))
    logits = expected @ kernel + bias
    assert (encoder.class_logits(found) - logits).abs().max() / logits.abs().max() < 1e-5


def test_the_classifier_may_be_called_logits(weights, published, tmp_path):
    renamed = {name.replace("dense/", "logits/"): value for name, value in weights.items()}
    found = encoder_state("semantic", EncoderChoice("yamnet", write(tmp_path / "yamnet.h5", renamed)))
    expected = encoder_state("semantic", EncoderChoice("yamnet", published))
    assert found.keys() == expected.keys() and all(torch.equal(found[key], expected[key]) for key in found)


def test_the_command_recognises_it(published, tmp_path, capsys):
    assert convert(["--checkpoint", str(published), "--output", str(tmp_path / "out")]) == 0
    assert "YAMNet, an encoder alone" in capsys.readouterr().out
    assert "Apache-2.0" in (tmp_path / "out" / "README.md").read_text()
    ours = load_model(tmp_path / "out").semantic_backbone.state_dict()
    again = encoder_state("semantic", EncoderChoice("yamnet", tmp_path / "out" / "model.safetensors"))
    expected = convert_yamnet_state_dict(load_foreign_checkpoint(published))
    for state in (ours, again):
        assert state.keys() == expected.keys()
        assert all(torch.equal(state[name], expected[name]) for name in expected)


def test_weights_of_ours_are_known_too_and_become_float32(tmp_path):
    with torch.device("meta"):
        shapes = {name: value.shape for name, value in YAMNetBackbone().state_dict().items()}
    half = {name: torch.full(shape, 0.5, dtype=torch.float16) for name, shape in shapes.items()}
    save_file(half, tmp_path / "ours.safetensors")
    kind, state = open_checkpoint(tmp_path / "ours.safetensors")
    assert kind.name == "yamnet"
    assert {value.dtype for value in convert_yamnet_state_dict(state).values()} == {torch.float32}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"layer7/pointwise_conv/kernel:0": None}, "checkpoint lacks layer7.pointwise_conv.kernel"),
        ({"layer15/conv/kernel:0": np.zeros(3, np.float32)}, "keys that belong nowhere: layer15.conv.kernel"),
        ({"dense/bias:0": np.zeros(520, np.float32)}, r"dense.bias has shape \(520,\), but \(521,\)"),
        ({"dense/bias:0": np.full(521, np.nan, np.float32)}, "NaN or infinite in dense.bias"),
        (
            {"layer1/conv/bn/moving_variance:0": np.full(32, -1, np.float32)},
            "variances below zero in layer1.conv.bn.moving_variance",
        ),
    ],
)
def test_weights_that_do_not_fit_are_named(weights, tmp_path, change, said):
    wrong = {name: value for name, value in (weights | change).items() if value is not None}
    with pytest.raises(ValueError, match=said):
        encoder_state("semantic", EncoderChoice("yamnet", write(tmp_path / "wrong.h5", wrong)))


def huge(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("dense/dense/kernel:0", (10**6, 10**6), "f4", chunks=(1024, 1024))


def elsewhere(path):
    (path.parent / "secret.bin").write_bytes(bytes(64))
    with h5py.File(path, "w") as file:
        file.create_dataset("dense/bias:0", (16,), "f4", external=[(str(path.parent / "secret.bin"), 0, 64)])


def words(path):
    with h5py.File(path, "w") as file:
        file["dense/bias:0"] = ["a", "b"]


def link(path):
    with h5py.File(path, "w") as file:
        file["dense"] = h5py.ExternalLink(str(GOLDEN / "none.h5"), "/dense")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.write_bytes(b"no HDF5"), "is not a readable HDF5 file"),
        (huge, "is not loaded: it would unpack to 38"),
        (elsewhere, "holds dense/bias:0, whose numbers are in another file"),
        (words, "holds dense/bias:0, which is not made of numbers"),
        (link, "not a state dict"),
    ],
)
def test_files_that_hold_something_else_are_refused(tmp_path, make, said):
    path = tmp_path / "file.h5"
    make(path)
    with pytest.raises(ValueError, match=said) as refused:
        load_foreign_checkpoint(path)
    assert str(path) in str(refused.value)


def test_without_h5py_one_sentence_says_what_is_missing(published, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "h5py", None)
    assert convert(["--checkpoint", str(published), "--output", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert "needs h5py to be read: install it with `pip install h5py`" in said and "Traceback" not in said
