"""YAMNet: parity with Google's network, the seconds around a second, and its weights inside the package."""

import csv

import numpy as np
import pytest
import torch
from films import film_with_sound, tone
from numpy.lib.stride_tricks import sliding_window_view
from paths import GOLDEN
from safetensors.torch import load_file
from transformers import AutoModel

from modeling_davihd import DAViHDConfig, DAViHDFeatureExtractor, DAViHDModel, VideoHighlightDetectionPipeline
from modeling_davihd.backbones_davihd import YAMNetBackbone, yamnet_log_mel
from modeling_davihd.conversion import EncoderChoice, encoder_state, load_encoder
from modeling_davihd.feature_stream_davihd import Encoder, FeatureStream
from modeling_davihd.loading import CHECKPOINTS
from modeling_davihd.media import MediaChunk, stream_segments

SIGNALS = ("chirp", "clicks", "noise", "quiet", "sine440")


@pytest.fixture(scope="module")
def yamnet() -> YAMNetBackbone:
    return load_encoder("semantic", EncoderChoice("yamnet"))


@pytest.fixture(scope="module")
def golden() -> dict[str, torch.Tensor]:
    return load_file(GOLDEN / "yamnet.safetensors")


@pytest.fixture(scope="module")
def model() -> DAViHDModel:
    torch.manual_seed(0)
    sizes = {"semantic_dim": 1024, "projection_dim": 16, "score_hidden_dim": 4}
    config = DAViHDConfig(modalities=["semantic"], semantic_backbone="yamnet", **sizes)
    model = DAViHDModel(config).eval()
    model.semantic_backbone.load_state_dict(encoder_state("semantic", EncoderChoice("yamnet")))
    return model


def sound(seconds: float, seed: int = 0) -> np.ndarray:
    """Noise whose loudness and colour change from moment to moment."""
    rng = np.random.default_rng(seed)
    samples = rng.standard_normal(round(16000 * seconds)).cumsum() * np.sin(np.arange(16000 * seconds) / 3000)
    return (0.5 * samples / np.abs(samples).max()).astype(np.float32)


def relative_error(found, expected) -> float:
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    return np.abs(found - expected).max() / np.abs(expected).max()


# ------------------------------------------------------------------------ the network, once more, in float64


def mel_matrix() -> np.ndarray:
    def mel(hertz):
        return 1127 * np.log1p(hertz / 700)

    edges = np.linspace(mel(125), mel(7500), 66)
    bins = mel(np.arange(257) * 16000 / 512)[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return np.maximum(0, np.minimum(rising, falling))


def reference_log_mel(samples: np.ndarray) -> np.ndarray:
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    frames = sliding_window_view(samples.astype(np.float64), 400)[::160] * window
    return np.log(np.abs(np.fft.rfft(frames, 512)) @ mel_matrix() + 0.001)


def shifted(hidden: np.ndarray, stride: int):
    """The nine views of (C, H, W) that a 3x3 kernel of padding SAME multiplies."""
    size = np.array(hidden.shape[1:])
    total = (np.ceil(size / stride).astype(int) - 1) * stride + 3 - size
    before = total // 2
    padded = np.pad(hidden, [(0, 0), *zip(before, total - before, strict=True)])
    height, width = -(-size // stride)
    for row in range(3):
        for column in range(3):
            view = padded[:, row::stride, column::stride][:, :height, :width]
            yield (row, column), view


def reference_embedding(patch: np.ndarray, state: dict[str, np.ndarray]) -> np.ndarray:
    """Log-Mel (96, 64) -> (1024,)."""
    weight, bias = state["layer1.conv.weight"], state["layer1.conv.bias"]
    hidden = sum(weight[:, 0, i, j, None, None] * view for (i, j), view in shifted(patch[None], 2))
    hidden = np.maximum(0, hidden + bias[:, None, None])
    for number, stride in enumerate((1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1), 2):
        for kind in ("depthwise_conv", "pointwise_conv"):
            weight, bias = (state[f"layer{number}.{kind}.{name}"] for name in ("weight", "bias"))
            if kind == "depthwise_conv":
                views = shifted(hidden, stride)
                hidden = sum(weight[:, 0, i, j, None, None] * view for (i, j), view in views)
            else:
                hidden = np.tensordot(weight[:, :, 0, 0], hidden, 1)
            hidden = np.maximum(0, hidden + bias[:, None, None])
    return hidden.mean((1, 2))


@pytest.fixture(scope="module")
def state(yamnet) -> dict[str, np.ndarray]:
    return {name: value.double().numpy() for name, value in yamnet.state_dict().items()}


@pytest.mark.parametrize("name", SIGNALS)
def test_it_matches_an_independent_formulation(yamnet, golden, state, name):
    samples = golden[f"{name}.waveform"].numpy()
    expected = reference_embedding(reference_log_mel(samples), state)
    found = yamnet.embed(yamnet_log_mel(torch.from_numpy(samples)[None]))
    assert relative_error(found[0], expected) < 1e-4
    logits = expected @ state["dense.weight"].T + state["dense.bias"]
    assert relative_error(yamnet.class_logits(found)[0], logits) < 1e-4


@pytest.mark.parametrize("name", SIGNALS)
def test_it_matches_the_published_network_but_for_the_rounding_of_its_weights(yamnet, golden, name):
    log_mel = yamnet_log_mel(golden[f"{name}.waveform"][None])
    # As magnitudes: in a band that holds rounding noise alone, logarithms agree with nothing.
    assert relative_error(log_mel[0].exp(), golden[f"{name}.log_mel"].exp()) < 1e-5
    embedding = yamnet.embed(log_mel)
    assert relative_error(embedding[0], golden[f"{name}.embedding"]) < 5e-3
    assert relative_error(yamnet.class_logits(embedding)[0], golden[f"{name}.logits"]) < 5e-3


def test_it_tells_sounds_apart(yamnet, golden):
    with (CHECKPOINTS / "yamnet" / "class_map.csv").open(newline="") as file:
        names = [row["display_name"] for row in csv.DictReader(file)]
    assert len(names) == 521

    def heard(name):
        embedding = yamnet.embed(yamnet_log_mel(golden[f"{name}.waveform"][None]))
        return [names[number] for number in yamnet.class_logits(embedding)[0].topk(3).indices]

    assert "Dial tone" in heard("sine440") and "White noise" in heard("noise")


# ----------------------------------------------------------------------------------- a second and its context


def test_the_features_of_a_second_are_the_mean_of_two_patches_around_it(model, state):
    film = sound(3)
    found = model.get_semantic_features(torch.from_numpy(film).view(1, 3, 16000))[0]
    around = np.concatenate([np.zeros(16000), film, np.zeros(16000)])
    for second in range(3):
        starts = [round(16000 * (1 + second + offset)) for offset in (-0.23, 0.27)]
        patches = [reference_log_mel(around[start : start + 15600]) for start in starts]
        expected = np.mean([reference_embedding(patch, state) for patch in patches], 0)
        assert relative_error(found[second], expected) < 1e-4


def chunks_of(film: np.ndarray, *lengths: int):
    rows, first = film.reshape(-1, 16000), 0
    for length in lengths:
        yield MediaChunk(first, rows[first : first + length], None, float(first + length))
        first += length


@pytest.mark.parametrize("lengths", [(9,), (1,) * 9, (2, 3, 4), (8, 1)])
def test_a_film_in_chunks_is_heard_as_it_is_at_once(model, lengths):
    film = sound(9)
    encoder = Encoder(YAMNetBackbone, model.semantic_backbone)
    stream = FeatureStream(DAViHDFeatureExtractor(), {"semantic": encoder})
    for chunk in chunks_of(film, *lengths):
        stream.add(chunk)
    expected = model.get_semantic_features(torch.from_numpy(film).view(1, 9, 16000))[0]
    found = stream.result()["semantic_features"]
    assert found.shape == (9, 1024) and relative_error(found, expected) < 1e-5


@pytest.mark.parametrize("filling", [0.0, 0.5, float("nan")])
def test_padding_is_not_heard(model, filling):
    films = [torch.from_numpy(sound(seconds, seconds)).view(seconds, 16000) for seconds in (4, 2)]
    waveform = torch.full((2, 4, 16000), filling)
    for row, film in zip(waveform, films, strict=True):
        row[: len(film)] = film
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    with torch.no_grad():
        together = model(waveform=waveform, attention_mask=mask).scores
        for row, film in zip(together, films, strict=True):
            alone = model(waveform=film[None]).scores[0]
            torch.testing.assert_close(row[: len(film)], alone, atol=1e-5, rtol=0)


def test_a_mask_that_does_not_fit_is_refused(model):
    with pytest.raises(ValueError, match=r"`attention_mask` has shape \(1, 3\); it needs \(1, 2\)"):
        model(waveform=torch.zeros(1, 2, 16000), attention_mask=torch.ones(1, 3))
    with pytest.raises(ValueError, match=r"`waveform` has shape .*; it needs \(any, any, 16000\)"):
        model(waveform=torch.zeros(1, 2, 23600))


def test_a_film_is_scored_by_the_pipeline_as_its_sound_by_the_model(model, tmp_path):
    extractor = DAViHDFeatureExtractor(model_input_names=["waveform", "attention_mask"])
    detect = VideoHighlightDetectionPipeline(model, feature_extractor=extractor, device="cpu")
    for seconds in (0.4, 4.5):
        film = film_with_sound(tmp_path / f"{seconds}.mp4", sound(seconds), seconds)
        samples = np.concatenate([chunk.waveform for chunk in stream_segments(film)]).ravel()
        with torch.no_grad():
            expected = model(**extractor(audio=samples, sampling_rate=16000)).scores[0]
        np.testing.assert_allclose(detect(str(film))["scores"], expected, atol=1e-5)
        assert len(expected) == np.ceil(seconds)


# --------------------------------------------------------------------------------------------- its weights


def test_a_model_that_is_saved_holds_the_weights(model, tmp_path):
    model.save_pretrained(tmp_path)
    loaded = AutoModel.from_pretrained(tmp_path).eval()
    waveform = torch.from_numpy(tone(2, 16000).astype(np.float32)).view(1, 2, 16000)
    expected = model.get_semantic_features(waveform)
    torch.testing.assert_close(loaded.get_semantic_features(waveform), expected, atol=0, rtol=0)


def test_the_package_holds_it_in_little_space_and_with_its_licence():
    folder = CHECKPOINTS / "yamnet"
    assert (folder / "model.safetensors").stat().st_size < 8e6
    assert "TensorFlow Authors" in (folder / "NOTICE").read_text()
    assert "Apache License" in (folder / "LICENSE").read_text()
