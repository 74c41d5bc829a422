"""Features of films, and the weights that make them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tone_videos import STATISTICS, build, labels, load, seven

from datasets_scripts.building import extraction
from datasets_scripts.building.builder import Video
from datasets_scripts.building.settings import Settings, check_weights
from modeling_davihd import DAViHDFeatureExtractor
from modeling_davihd.backbones_davihd import ResNet3D34Backbone, SoundStatistics, VisualStatistics
from modeling_davihd.conversion import EncoderChoice, load_encoder
from modeling_davihd.engines.errors import DatasetError
from modeling_davihd.media import FrameSampling, stream_segments


def test_features_are_those_of_the_whole_film_at_once(films, tmp_path, monkeypatch):
    monkeypatch.setattr(extraction, "CHUNK_SECONDS", 2)
    build(tmp_path / "out", [Video("long", "train", labels(4), films / "long.mp4")], STATISTICS)
    row = load(tmp_path / "out", tmp_path)["train"].with_format("numpy")[0]
    (chunk,) = stream_segments(films / "long.mp4", frames=FrameSampling(2, 64, 64))
    pixels = torch.from_numpy(chunk.frames).movedim(-1, 2) / 255
    expected = {
        "visual_features": VisualStatistics()(pixels),
        "semantic_features": SoundStatistics()(torch.from_numpy(chunk.waveform)),
        "log_mel": DAViHDFeatureExtractor().log_mel(chunk.waveform).T,
    }
    for name, values in expected.items():
        np.testing.assert_allclose(row[name], values, atol=2e-3, rtol=2e-3)


def test_an_encoder_that_hears_beyond_the_second_hears_its_own_film_alone(films, tmp_path, monkeypatch):
    monkeypatch.setattr(extraction, "CHUNK_SECONDS", 2)
    settings = Settings({"semantic": EncoderChoice("yamnet")}, log_mel=None)
    names = {"long": 4, "short": 2}
    videos = [Video(name, "train", labels(seconds), films / f"{name}.mp4") for name, seconds in names.items()]
    build(tmp_path / "out", videos, settings)
    yamnet = load_encoder("semantic", EncoderChoice("yamnet"))
    for row in load(tmp_path / "out", tmp_path)["train"].with_format("numpy"):
        (chunk,) = stream_segments(films / f"{row['video_id']}.mp4")
        expected = yamnet(yamnet.in_context(torch.from_numpy(chunk.waveform)))
        assert row["semantic_features"].shape == (names[row["video_id"]], 1024)
        np.testing.assert_allclose(row["semantic_features"], expected, atol=2e-3, rtol=2e-3)


def test_weights_inside_the_package_count_and_others_may_take_their_place(tmp_path):
    embedded = Settings({"semantic": EncoderChoice("yamnet")})
    others = Settings({"semantic": EncoderChoice("yamnet", zeros(tmp_path / "other.pth"))})
    plain = Settings({"semantic": EncoderChoice("statistics")})
    assert embedded.identity()["encoders"]["semantic"][1] is not None
    assert embedded.identity() != others.identity()
    assert plain.identity()["encoders"]["semantic"] == ["statistics", None, None]
    for settings in (embedded, others):
        check_weights(settings)


def zeros(path: Path) -> Path:
    """A checkpoint of a 3D ResNet-34 whose weights are all zero, in a small file."""
    with torch.device("meta"):
        shapes = {name: value.shape for name, value in ResNet3D34Backbone().state_dict().items()}
    torch.save({name: torch.zeros(()).expand(shape) for name, shape in shapes.items()}, path)
    return path


def test_weights_are_loaded_never_drawn(films, tmp_path):
    weights = zeros(tmp_path / "resnet.pth")
    settings = Settings({"visual": EncoderChoice("resnet3d_34", weights)}, log_mel=None)
    build(tmp_path / "out", [Video("short", "train", labels(2), films / "short.mp4")], settings)
    row = load(tmp_path / "out", tmp_path)["train"].with_format("numpy")[0]
    assert row["visual_features"].shape == (2, 512) and not row["visual_features"].any()


@pytest.mark.parametrize(
    ("encoders", "said"),
    [
        (
            {"visual": EncoderChoice("inception_v3")},
            "inception_v3 needs its published weights, --visual-weights FILE",
        ),
        (
            {"semantic": EncoderChoice("panns_cnn14_16k")},
            "panns_cnn14_16k needs its published weights, --semantic-w",
        ),
        (
            {"semantic": EncoderChoice("vggish")},
            "no semantic backbone 'vggish'; the known ones are panns_cnn14_16k",
        ),
        (
            {"visual": EncoderChoice("statistics", Path("a.pth"))},
            "--visual-weights is a.pth, but the visual backbone statistics does not read it",
        ),
        (
            {"semantic": EncoderChoice("panns_cnn14_16k", Path("a.pth"))},
            "--semantic-weights is a.pth, and there is no such file",
        ),
    ],
)
def test_backbones_without_their_weights_are_refused(tmp_path, encoders, said):
    with pytest.raises(DatasetError, match=said):
        build(tmp_path / "out", seven(), Settings(encoders))


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    settings = Settings({"semantic": EncoderChoice("panns_cnn14_16k", zeros(tmp_path / "resnet.pth"))})
    with pytest.raises(DatasetError, match="The PANNs CNN14 .16 kHz. checkpoint lacks"):
        build(tmp_path / "out", seven(), settings)
