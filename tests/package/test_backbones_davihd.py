"""The frozen encoders: parity with the published networks, freezing, chunking and errors."""

import json
import sys
import zlib

import numpy as np
import pytest
import torch
from films import film_with_sound, tone
from huggingface_hub.errors import StrictDataclassError
from paths import GOLDEN
from safetensors.torch import load_file
from torch import nn
from transformers import AutoModel, PreTrainedConfig, PreTrainedModel

from modeling_davihd import DAViHDConfig, DAViHDModel, VideoHighlightDetectionPipeline, backbones_davihd
from modeling_davihd.backbones_davihd import (
    BACKBONES,
    FrozenBackbone,
    InceptionV3Backbone,
    PANNsCNN14Backbone,
    ResNet3D34Backbone,
    SoundStatistics,
    VisualStatistics,
    build_backbone,
    panns_log_mel,
    panns_mel_filters,
)
from modeling_davihd.feature_extraction_davihd import feature_extractor_for


def golden_case(name):
    return json.loads((GOLDEN / f"{name}.json").read_text()), load_file(GOLDEN / f"{name}.safetensors")


def golden_weight(key, shape, seed):
    """One weight by the recipe in the golden file's JSON."""
    random = np.random.RandomState((zlib.crc32(key.encode()) + seed) % 2**32)
    value = random.standard_normal(int(np.prod(shape))).reshape(shape).astype(np.float32)
    if key.endswith("running_var"):
        value = 1 + 0.5 * np.abs(value)
    elif key.endswith(("running_mean", "bias")):
        value *= 0.1
    elif value.ndim == 1:
        value = 1 + 0.1 * value
    else:
        value *= np.sqrt(2 / np.prod(shape[1:]))
    return torch.from_numpy(value)


def golden_backbone(backbone_class, description):
    """Built on the meta device and then filled, as `from_pretrained` does it."""
    with torch.device("meta"):
        backbone = backbone_class()
    shapes = {key: shape for key, shape in description["state_shapes"].items() if shape}
    state = {key: torch.tensor(0) for key in backbone.state_dict()}
    state |= {
        key: golden_weight(key, shapes[key], description["seed"]) for key in state.keys() & shapes.keys()
    }
    backbone.load_state_dict(state, assign=True)
    return backbone


def relative_error(found, expected):
    return ((found - expected).abs().max() / expected.abs().max()).item()


@pytest.fixture(scope="module")
def panns():
    description, tensors = golden_case("panns_cnn14_16k")
    return golden_backbone(PANNsCNN14Backbone, description), tensors


@pytest.fixture(scope="module")
def inception():
    torch.manual_seed(0)
    backbone = InceptionV3Backbone(dim=8)
    backbone.mean.normal_()
    backbone.scale.uniform_(0.5, 2)
    return backbone


@pytest.fixture
def tiny_inception(monkeypatch):
    """Inception's class and PCA around a network of one layer: for what does not depend on timm."""

    def build():
        pooled = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        return nn.Sequential(nn.Conv2d(3, 2048, 3, stride=40), nn.BatchNorm2d(2048), nn.ReLU(), pooled)

    monkeypatch.setattr(backbones_davihd, "_build_inception_v3", build)
    backbone = InceptionV3Backbone(dim=8)
    backbone.mean.normal_()
    backbone.scale.uniform_(0.5, 2)
    return backbone


class Watched(FrozenBackbone):
    """Records the sizes of its chunks."""

    input_name, input_shape, dim, chunk_size = "waveform", (3,), 3, 4

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)
        self.dropout = nn.Dropout(0.5)
        self.sizes = []
        self.freeze()

    def encode(self, inputs):
        self.sizes.append(len(inputs))
        return self.dropout(self.linear(inputs))


def test_panns_matches_the_published_network(panns):
    backbone, golden = panns
    assert relative_error(backbone(golden["waveform"]), golden["embedding"]) < 1e-4


def test_panns_front_end_matches_the_published_one():
    _, golden = golden_case("panns_cnn14_16k")
    filters = golden["logmel_extractor.melW"]
    assert relative_error(panns_mel_filters(torch.device("cpu")), filters) < 1e-6
    # Compared as power: the decibels of a bin that holds rounding noise alone agree with nothing.
    found, expected = (
        10 ** (mel.double() / 10) for mel in (panns_log_mel(golden["waveform"]), golden["logmel"])
    )
    loudest = expected.amax(dim=(1, 2), keepdim=True)
    torch.testing.assert_close(found / loudest, expected / loudest, rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_panns_hears_waveforms_of_any_precision(panns, dtype):
    backbone, golden = panns
    assert relative_error(backbone(golden["waveform"][:1].to(dtype)), golden["embedding"][:1]) < 1e-2


def test_resnet3d_matches_the_published_network():
    description, golden = golden_case("resnet3d_34")
    pixels = np.random.RandomState(description["seed"]).randint(0, 256, (2, 3, 16, 112, 112)).astype(np.uint8)
    pixels = torch.from_numpy(pixels).float()
    torch.testing.assert_close(pixels.mean(dim=(2, 3, 4)), golden["pixel_checksum"])
    mean, std = (torch.tensor(description[name]).view(3, 1, 1, 1) for name in ("mean", "std"))
    backbone = golden_backbone(ResNet3D34Backbone, description)
    features = backbone(((pixels / 255 - mean) / std).transpose(1, 2))
    assert relative_error(features, golden["features"]) < 1e-4


def test_inception_projects_the_pool_features(inception):
    pixels = torch.randn(2, *inception.input_shape)
    with torch.no_grad():
        pool = inception.network(pixels[:, 0]).double().numpy()
    mean, projection, scale = (
        getattr(inception, name).double().numpy() for name in ("mean", "projection", "scale")
    )
    features = inception(pixels)
    assert pool.shape == (2, 2048) and features.shape == (2, 8)
    expected = ((pool - mean) @ projection.T) * scale
    np.testing.assert_allclose(features.numpy(), expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def test_random_weights_give_features_of_sane_size(inception):
    spread = inception(torch.randn(1, *inception.input_shape)).std()
    assert 1e-2 < spread < 1e2


@pytest.mark.parametrize("count", [1, 4, 9])
def test_chunks_bound_memory_and_change_nothing(count):
    backbone = Watched()
    inputs = torch.randn(count, 3)
    torch.testing.assert_close(backbone(inputs), backbone.linear(inputs))
    assert max(backbone.sizes) <= 4 and sum(backbone.sizes) == count


def test_chunking_does_not_change_panns(panns, monkeypatch):
    backbone, golden = panns
    monkeypatch.setattr(backbone, "chunk_size", 3)
    assert relative_error(backbone(golden["waveform"]), golden["embedding"]) < 1e-4


def test_train_keeps_evaluation_mode():
    model = nn.Sequential(Watched(), nn.Linear(3, 1)).train()
    assert model.training and not any(module.training for module in model[0].modules())
    assert not any(parameter.requires_grad for parameter in model[0].parameters())


def test_no_gradient_reaches_a_backbone_but_its_head_learns(panns):
    backbone, golden = panns
    waveform = golden["waveform"][:1].clone().requires_grad_()
    with torch.inference_mode():
        backbone(waveform)  # what it caches here must not get in the way of autograd
    head = nn.Linear(backbone.dim, 1)
    head(backbone(waveform)).sum().backward()
    assert head.weight.grad.abs().sum() > 0 and waveform.grad is None
    assert all(parameter.grad is None for parameter in backbone.parameters())


class HolderConfig(PreTrainedConfig):
    model_type = "holder"


class Holder(PreTrainedModel):
    config_class = HolderConfig

    def __init__(self, config):
        super().__init__(config)
        self.visual_backbone = build_backbone("visual", "inception_v3", 8)
        self.visual_backbone.scale.fill_(7)  # stands for weights loaded at this point
        self.post_init()

    def _init_weights(self, module):
        super()._init_weights(module)
        if isinstance(module, FrozenBackbone):
            module.reset_parameters()


def test_from_pretrained_gives_back_a_frozen_equal_backbone(tmp_path, tiny_inception):
    model = Holder(HolderConfig())
    model.visual_backbone.load_state_dict(tiny_inception.state_dict())
    model.save_pretrained(tmp_path)
    loaded, report = Holder.from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    for key, value in tiny_inception.state_dict().items():
        assert torch.equal(loaded.visual_backbone.state_dict()[key], value), key
    assert not any(parameter.requires_grad for parameter in loaded.train().parameters())


def assert_kaiming(weight):
    assert weight.std().item() == pytest.approx((2 / weight[0].numel()) ** 0.5, rel=0.1)


def test_post_init_leaves_a_backbone_as_it_was_built(tiny_inception):
    backbone = Holder(HolderConfig()).visual_backbone
    assert (backbone.scale == 7).all()
    assert_kaiming(backbone.network[0].weight)


def test_from_pretrained_initialises_a_backbone_that_the_checkpoint_lacks(tmp_path, tiny_inception):
    mean = {"visual_backbone.mean": torch.full((2048,), 5.0)}
    Holder(HolderConfig()).save_pretrained(tmp_path, state_dict=mean)
    backbone = Holder.from_pretrained(tmp_path).visual_backbone
    assert (backbone.mean == 5).all() and (backbone.scale == 1).all()
    assert (backbone.network[1].running_var == 1).all()
    assert_kaiming(backbone.network[0].weight)


def test_inputs_are_cast_to_the_dtype_of_the_weights(tiny_inception):
    pixels = torch.randn(1, *tiny_inception.input_shape)
    expected = tiny_inception(pixels)
    features = tiny_inception.double()(pixels)
    assert features.dtype == torch.float64
    assert relative_error(features, expected) < 1e-4


@pytest.mark.parametrize("shape", [(2, 4), (3,), (1, 2, 3)])
def test_a_wrong_shape_names_the_argument_and_both_shapes(shape):
    with pytest.raises(ValueError) as error:
        Watched()(torch.zeros(shape))
    assert str(error.value) == f"waveform has shape {shape}, but Watched needs (N, 3)."


def test_unknown_names_and_sizes_are_refused():
    with pytest.raises(
        ValueError, match="no visual backbone 'clip'; the known ones are inception_v3, resnet3d_34"
    ):
        build_backbone("visual", "clip", 512)
    with pytest.raises(ValueError, match="no semantic backbone 'vggish'; the known ones are panns_cnn14_16k"):
        build_backbone("semantic", "vggish", 2048)
    with pytest.raises(ValueError, match="gives 512 features, but dim is 1024"):
        build_backbone("visual", "resnet3d_34", 1024)


def test_registered_names_build_what_they_say():
    with torch.device("meta"):
        built = [
            build_backbone("visual", "inception_v3", 1024),
            build_backbone("visual", "resnet3d_34", 512),
            build_backbone("semantic", "panns_cnn14_16k", 2048),
        ]
    assert [backbone.dim for backbone in built] == [1024, 512, 2048]
    assert [backbone.input_shape for backbone in built] == [(1, 3, 299, 299), (16, 3, 112, 112), (16000,)]


def test_without_timm_inception_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ImportError, match="pip install timm"):
        build_backbone("visual", "inception_v3", 1024)


STATISTICS = [VisualStatistics, SoundStatistics]


def noise(backbone, seconds: int = 3) -> torch.Tensor:
    """Inputs of a statistics backbone: random pixels in [0, 1], or a random waveform."""
    values = torch.rand(seconds, *backbone.input_shape, generator=torch.Generator().manual_seed(0))
    return values if backbone.input_name == "pixel_values" else values - 0.5


@pytest.mark.parametrize("build", STATISTICS)
@pytest.mark.parametrize("level", [0.0, 1.0, None], ids=["nothing", "full", "noise"])
def test_statistics_are_finite_of_unit_scale_and_always_the_same(build, level):
    backbone = build()
    inputs = noise(backbone) if level is None else torch.full((3, *backbone.input_shape), level)
    features = backbone(inputs)
    assert features.shape == (3, backbone.dim) and backbone.dim % 8 == 0
    assert features.isfinite().all() and features.abs().max() < 10
    torch.testing.assert_close(build()(inputs.flip(0)).flip(0), features, rtol=0, atol=1e-6)


def test_motion_changes_the_motion_features_alone():
    still = noise(VisualStatistics(), 1)
    still[:, 1] = still[:, 0]
    moved = still.clone()
    moved[:, 1] = still[:, 0].roll(5, dims=-1)  # the same colours elsewhere
    still, slight, moved = (
        VisualStatistics()(frames)[0] for frames in (still, still.lerp(moved, 0.1), moved)
    )
    motion = slice(42, 52)
    assert (
        (still[motion] == 0).all() and (moved[motion] > slight[motion]).all() and (slight[motion] > 0).all()
    )
    torch.testing.assert_close(moved[:24], still[:24])


def test_visual_statistics_tell_colours_light_and_edges_apart():
    def frames(*colour):
        return torch.tensor(colour, dtype=torch.float).view(1, 1, 3, 1, 1).expand(1, 2, 3, 64, 64).clone()

    describe = VisualStatistics()
    red, grey, white, bars = frames(1, 0, 0), frames(0.3, 0.3, 0.3), frames(1, 1, 1), frames(0, 0, 0)
    bars[..., ::8] = 1
    assert (describe(red)[0, :24] - describe(grey)[0, :24]).abs().max() > 0.9
    assert (describe(white) > describe(grey))[0, 24:33].all()
    assert describe(bars)[0, 52] == pytest.approx(1)  # all edges run one way
    torch.testing.assert_close(describe(bars.mT)[0, 56], describe(bars)[0, 52])
    assert describe(bars)[0, 60] > 1 and describe(grey)[0, 60] == 0


def test_sound_statistics_tell_level_pitch_and_noise_apart():
    def sound(hertz, amplitude=0.5):
        return torch.from_numpy(tone(1, 16000, hertz=hertz, amplitude=amplitude))[None]

    describe = SoundStatistics()
    low, high, quiet = (describe(sound(*what))[0] for what in ((200,), (3000,), (200, 0.05)))
    hiss = describe(noise(describe, 1))[0]
    centroid, flatness, crossings, level = 52, 56, 58, 60
    assert low[centroid] == pytest.approx(4 * 200 / 8000, rel=0.1)
    assert high[centroid] == pytest.approx(4 * 3000 / 8000, rel=0.02)
    assert high[crossings] == pytest.approx(4 * 2 * 3000 / 16000, rel=0.02)
    assert low[level] - quiet[level] == pytest.approx(1, abs=1e-3)  # 20 dB
    assert hiss[flatness] > 10 * low[flatness]


def statistics_config(**changes) -> DAViHDConfig:
    names = {"visual_backbone": "statistics", "semantic_backbone": "statistics"}
    sizes = {"visual_dim": 64, "semantic_dim": 64, "dynamics_dim": 64, "dynamics_channels": [4] * 6}
    return DAViHDConfig(**({"score_hidden_dim": 8} | names | sizes | changes))


def test_a_model_with_statistics_is_saved_and_loaded(tmp_path):
    torch.manual_seed(0)
    model = DAViHDModel(statistics_config()).eval()
    model.save_pretrained(tmp_path)
    loaded, report = AutoModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    pixels, waveform = (noise(backbone())[None] for backbone in STATISTICS)
    inputs = {"pixel_values": pixels, "waveform": waveform, "log_mel": torch.randn(1, 128, 188)}
    torch.testing.assert_close(loaded(**inputs).scores, model(**inputs).scores)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_statistics_follow_the_dtype_and_device_of_their_model(tmp_path, dtype):
    DAViHDModel(statistics_config(modalities=["visual"])).save_pretrained(tmp_path)
    backbone = AutoModel.from_pretrained(tmp_path, dtype=dtype).visual_backbone
    assert backbone.dtype == dtype and backbone.device.type == "cpu"
    pixels = noise(backbone)
    expected = VisualStatistics()(pixels)
    assert backbone(pixels).dtype == dtype and relative_error(backbone(pixels).float(), expected) < 1e-2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"visual_dim": 128}, "`visual_dim` is 128; the statistics backbone gives 64 features a second"),
        (
            {"semantic_dim": 128, "dynamics_dim": 128},
            "`semantic_dim` is 128; the statistics backbone gives 64",
        ),
    ],
)
def test_a_config_needs_the_width_of_its_backbone(changes, said):
    with pytest.raises(StrictDataclassError, match=said):
        statistics_config(**changes)


def test_a_statistics_backbone_of_another_width_is_refused():
    with pytest.raises(ValueError, match="gives 64 features, but dim is 512"):
        build_backbone("visual", "statistics", 512)


def test_the_pipeline_scores_a_film_by_its_statistics(tmp_path):
    film = film_with_sound(tmp_path / "film.mp4", tone(2.5, 16000), 2.5)
    model = DAViHDModel(statistics_config()).eval()
    detect = VideoHighlightDetectionPipeline(
        model, feature_extractor=feature_extractor_for("statistics"), device="cpu"
    )
    scores = detect(str(film))["scores"]
    assert scores.shape == (3,) and np.isfinite(scores).all()


@pytest.mark.parametrize("name", [None, *BACKBONES["visual"]])
def test_the_feature_extractor_fits_the_backbone(name):
    extractor = feature_extractor_for(name, log_mel_rate=1)
    assert extractor.log_mel_rate == 1
    assert ("pixel_values" in extractor.model_input_names) == (name is not None)
    if name is not None:
        frames = np.zeros((extractor.frames_per_segment, 48, 64, 3), np.uint8)
        pixels = extractor(frames=frames).pixel_values
        assert pixels.shape[2:] == BACKBONES["visual"][name].input_shape


def test_no_feature_extractor_fits_an_unknown_backbone():
    with pytest.raises(ValueError, match="no visual backbone 'clip'"):
        feature_extractor_for("clip")
