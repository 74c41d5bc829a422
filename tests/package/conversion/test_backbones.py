"""Published weights of the frozen encoders become theirs; what is not theirs is refused, and nothing run."""

import pickle

import numpy as np
import pytest
import torch
from paths import GOLDEN
from published import Intruder, shapes, zero_state
from safetensors.torch import load_file
from torchvision.models import inception_v3

from modeling_davihd.backbones_davihd import InceptionV3Backbone, PANNsCNN14Backbone, ResNet3D34Backbone
from modeling_davihd.conversion import (
    convert_inception_state_dict,
    convert_panns_state_dict,
    convert_resnet3d_state_dict,
    load_pca,
)


@pytest.fixture
def panns_state():
    filters = load_file(GOLDEN / "panns_cnn14_16k.safetensors")["logmel_extractor.melW"]
    return zero_state("panns_cnn14_16k") | {"logmel_extractor.melW": filters}


def meta_state(backbone_class):
    with torch.device("meta"):
        return backbone_class().state_dict()


# Networks


def test_panns_checkpoint_becomes_the_backbone(panns_state):
    converted = convert_panns_state_dict(panns_state)
    assert shapes(converted) == shapes(meta_state(PANNsCNN14Backbone))
    assert all(value is panns_state[key] for key, value in converted.items())


def test_panns_with_another_front_end_is_refused(panns_state):
    key = "logmel_extractor.melW"
    with pytest.raises(ValueError, match=r"melW has shape \(513, 64\), but \(257, 64\) is needed"):
        convert_panns_state_dict(panns_state | {key: torch.zeros(513, 64)})
    with pytest.raises(ValueError, match="melW is not the Slaney filter bank"):
        convert_panns_state_dict(panns_state | {key: panns_state[key].roll(1, dims=1)})
    with pytest.raises(ValueError, match="lacks logmel_extractor.melW"):
        convert_panns_state_dict({name: value for name, value in panns_state.items() if name != key})


def test_resnet3d_checkpoint_becomes_the_backbone():
    state = zero_state("resnet3d_34") | {"fc.weight": torch.zeros(400, 512), "fc.bias": torch.zeros(400)}
    converted = convert_resnet3d_state_dict(state)
    assert shapes(converted) == shapes(meta_state(ResNet3D34Backbone))
    assert all(value is state[key] for key, value in converted.items())


def test_resnet3d_with_shortcut_type_a_is_refused():
    state = {key: value for key, value in zero_state("resnet3d_34").items() if "downsample" not in key}
    with pytest.raises(ValueError) as error:
        convert_resnet3d_state_dict(state)
    assert str(error.value) == (
        "The 3D ResNet-34 checkpoint lacks layer2.0.downsample.0.weight, layer2.0.downsample.1.bias, "
        "layer2.0.downsample.1.running_mean, layer2.0.downsample.1.running_var, "
        "layer2.0.downsample.1.weight and 10 more."
    )


def test_resnet3d_of_another_depth_or_width_is_refused():
    state = zero_state("resnet3d_34")
    with pytest.raises(ValueError, match="keys that belong nowhere: layer1.3.conv1.weight"):
        convert_resnet3d_state_dict(state | {"layer1.3.conv1.weight": torch.zeros(64, 64, 3, 3, 3)})
    with pytest.raises(
        ValueError, match=r"conv1.weight has shape \(64, 1, 7, 7, 7\), but \(64, 3, 7, 7, 7\)"
    ):
        convert_resnet3d_state_dict(state | {"conv1.weight": torch.zeros(64, 1, 7, 7, 7)})


def randomise_batch_norms(network):
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 1.5)


def test_torchvision_inception_gives_the_same_features():
    torch.manual_seed(0)
    network = inception_v3(weights=None, init_weights=False, transform_input=True).eval()
    randomise_batch_norms(network)
    with torch.device("meta"):
        backbone = InceptionV3Backbone(dim=2048)
    pca = {"mean": torch.zeros(2048), "projection": torch.eye(2048), "scale": torch.ones(2048)}
    backbone.load_state_dict(convert_inception_state_dict(network.state_dict()) | pca, assign=True)
    network.fc = torch.nn.Identity()
    frame = torch.rand(1, 3, 299, 299)  # each network gets the statistics that it asks for
    imagenet_mean, imagenet_std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.no_grad():
        expected = network((frame - imagenet_mean.view(3, 1, 1)) / imagenet_std.view(3, 1, 1))
    own_mean, own_std = torch.tensor(backbone.image_mean), torch.tensor(backbone.image_std)
    features = backbone(((frame - own_mean.view(3, 1, 1)) / own_std.view(3, 1, 1))[None])
    torch.testing.assert_close(features, expected, rtol=0, atol=1e-5 * expected.abs().max().item())


def test_old_torchvision_inception_without_counters_is_accepted():
    expected = {key: value for key, value in meta_state(InceptionV3Backbone).items() if "network." in key}
    old = {key.removeprefix("network."): value for key, value in expected.items() if "num_batches" not in key}
    old |= {"fc.weight": torch.zeros(1000, 2048), "AuxLogits.fc.bias": torch.zeros(1000)}
    converted = convert_inception_state_dict(old)
    assert shapes(converted) == shapes(expected)
    with pytest.raises(ValueError, match="The Inception-v3 checkpoint lacks Mixed_7c.branch1x1.conv.weight"):
        convert_inception_state_dict(
            {key: old[key] for key in old if key != "Mixed_7c.branch1x1.conv.weight"}
        )


# PCA


@pytest.fixture
def pca():
    random = np.random.default_rng(0)
    return {"mean": random.normal(size=2048), "components": random.normal(size=(4, 2048))}


def test_pca_of_an_npz_without_whitening(tmp_path, pca):
    np.savez(tmp_path / "pca.npz", **pca)
    loaded = load_pca(tmp_path / "pca.npz")
    np.testing.assert_allclose(loaded["mean"], pca["mean"], rtol=1e-6)
    np.testing.assert_allclose(loaded["projection"], pca["components"], rtol=1e-6)
    assert loaded["scale"].tolist() == [1, 1, 1, 1]
    assert all(value.dtype == torch.float32 for value in loaded.values())


def test_pca_whitens_by_variance_or_scale(tmp_path, pca):
    np.savez(tmp_path / "variance.npz", **pca, explained_variance=np.array([16, 4, 1, 0.25]))
    np.savez(tmp_path / "scale.npz", **pca, scale=np.array([0.25, 0.5, 1, 2]))
    assert load_pca(tmp_path / "variance.npz")["scale"].tolist() == [0.25, 0.5, 1, 2]
    assert load_pca(tmp_path / "scale.npz")["scale"].tolist() == [0.25, 0.5, 1, 2]


def test_pca_of_a_bare_projection_either_way_round(tmp_path, pca):
    np.save(tmp_path / "rows.npy", pca["components"])
    np.save(tmp_path / "columns.npy", pca["components"].T)
    rows, columns = load_pca(tmp_path / "rows.npy"), load_pca(tmp_path / "columns.npy")
    assert all(torch.equal(rows[name], columns[name]) for name in ("mean", "projection", "scale"))
    assert rows["projection"].shape == (4, 2048) and not rows["mean"].any() and (rows["scale"] == 1).all()


def test_pca_and_network_fill_the_whole_backbone(tmp_path, pca):
    np.savez(tmp_path / "pca.npz", **pca)
    with torch.device("meta"):
        backbone = InceptionV3Backbone(dim=4)
    network = {key: value for key, value in backbone.state_dict().items() if key.startswith("network.")}
    backbone.load_state_dict(network | load_pca(tmp_path / "pca.npz"), assign=True)
    assert backbone.mean.device.type == "cpu"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mean": None}, "holds components, but mean and components are needed"),
        ({"mean": None, "components": None}, "holds nothing, but mean and components are needed"),
        (
            {"scale": np.ones(4), "explained_variance": np.ones(4)},
            "at most one of explained_variance and scale",
        ),
        ({"singular_values": np.ones(4)}, "at most one of explained_variance and scale"),
        ({"mean": np.zeros((2048, 1))}, "holds mean of shape (2048, 1), but (2048,) is needed"),
        ({"components": np.zeros((2048, 4))}, "holds components of shape (2048, 4), but (D, 2048) is needed"),
        ({"components": np.zeros((0, 2048))}, "holds components of shape (0, 2048), but (D, 2048) is needed"),
        ({"scale": np.ones(3)}, "holds scale of shape (3,), but (4,) is needed"),
        (
            {"explained_variance": np.array([1, 1, 0, 1])},
            "explained_variance that is not positive everywhere",
        ),
        ({"mean": np.full(2048, np.nan)}, "holds mean that is not made of finite numbers"),
        ({"mean": np.full(2048, "0")}, "holds mean that is not made of finite numbers"),
    ],
)
def test_a_wrong_npz_is_described(tmp_path, pca, change, message):
    np.savez(
        tmp_path / "pca.npz", **{key: value for key, value in (pca | change).items() if value is not None}
    )
    with pytest.raises(ValueError) as error:
        load_pca(tmp_path / "pca.npz")
    assert "pca.npz" in str(error.value) and message in str(error.value)


@pytest.mark.parametrize("shape", [(2048, 2048), (4, 1024), (2048,), (4096, 2048), (2, 4, 2048)])
def test_a_projection_of_unclear_shape_is_refused(tmp_path, shape):
    np.save(tmp_path / "pca.npy", np.zeros(shape, dtype=np.float16))
    with pytest.raises(ValueError) as error:
        load_pca(tmp_path / "pca.npy")
    assert f"pca.npy holds an array of shape {shape}" in str(error.value)


@pytest.mark.parametrize("name", ["pca.npy", "pca.npz"])
def test_a_pickle_is_no_pca(tmp_path, name):
    path, trace = tmp_path / name, tmp_path / "trace"
    path.write_bytes(pickle.dumps(Intruder(trace)))
    with pytest.raises(ValueError, match=r"pca\.np. is not a readable \.npy or \.npz file"):
        load_pca(path)
    assert not trace.exists()
