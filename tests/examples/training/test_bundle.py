"""A model and the frozen encoders that made its features, as one checkpoint."""

import numpy as np
import pytest
import torch
from films import film_with_sound, tone
from interpreters import scores_elsewhere
from tiny_checkpoint import tiny_record, write_heads

from examples import publish
from examples.training.record import RECORD_FILE
from modeling_davihd import DAViHDConfig, DAViHDFeatureExtractor, DAViHDModel
from modeling_davihd.backbones_davihd import InceptionV3Backbone, PANNsCNN14Backbone, panns_mel_filters
from modeling_davihd.conversion import EncoderChoice, load_encoder
from modeling_davihd.media import FrameSampling, stream_segments


@pytest.fixture(scope="module")
def encoders(tmp_path_factory):
    """Random encoders as their owners publish them: the modules, and the options that name their files."""
    folder = tmp_path_factory.mktemp("encoders")
    torch.manual_seed(0)
    visual, semantic = InceptionV3Backbone(8), PANNsCNN14Backbone()
    visual.mean.zero_(), visual.scale.fill_(1)
    np.savez(folder / "pca.npz", mean=visual.mean, components=visual.projection)
    torch.save(visual.network.state_dict() | {"fc.weight": torch.zeros(1)}, folder / "inception.pth")
    filters = {"logmel_extractor.melW": panns_mel_filters(torch.device("cpu"))}
    torch.save({"model": semantic.state_dict() | filters}, folder / "cnn14.pth")
    names = {"visual-weights": "inception.pth", "visual-pca": "pca.npz", "semantic-weights": "cnn14.pth"}
    return visual, semantic, [f"--{name}={folder / file}" for name, file in names.items()]


def test_a_model_with_yamnet_needs_no_file_and_keeps_its_terms(outsider, tmp_path):
    torch.manual_seed(0)
    sizes = {"semantic_dim": 1024, "projection_dim": 16, "score_hidden_dim": 8}
    config = DAViHDConfig(modalities=["semantic"], **sizes)
    heads = tmp_path / "heads"
    DAViHDModel(config).eval().save_pretrained(heads)
    DAViHDFeatureExtractor().save_pretrained(heads)
    names = {"visual_backbone": None, "semantic_backbone": "yamnet"}
    tiny_record(extraction=names, config=config.to_diff_dict()).write(heads / RECORD_FILE)
    options = publish.parse_arguments(["model", str(heads), "alice/films", "--with-backbones"])
    whole = tmp_path / "with_yamnet"
    publish.pack(options, whole)
    said = " ".join((whole / "README.md").read_text().split())
    assert (
        "YAMNet, whose weights are in this checkpoint too, is by The TensorFlow Authors, Apache-2.0" in said
    )
    assert "keep the terms of their publishers" not in said
    film = film_with_sound(tmp_path / "film.mp4", tone(2.5, 16000), 2.5)
    sound = torch.from_numpy(np.concatenate([chunk.waveform for chunk in stream_segments(film)]))
    yamnet = load_encoder("semantic", EncoderChoice("yamnet"))
    with torch.no_grad():
        features = yamnet(yamnet.in_context(sound))[None]
        expected = DAViHDModel.from_pretrained(heads)(semantic_features=features).scores[0]
    np.testing.assert_allclose(scores_elsewhere(outsider, whole, film), expected, atol=1e-5)


def test_a_model_with_its_encoders_takes_films(outsider, encoders, tmp_path):
    heads = write_heads(tmp_path / "heads")
    visual, semantic, files = encoders
    options = publish.parse_arguments(["model", str(heads), "alice/films", "--with-backbones", *files])
    publish.pack(options, tmp_path / "whole")
    film = film_with_sound(tmp_path / "film.mp4", tone(2, 16000), 2)
    chunks = list(stream_segments(film, frames=FrameSampling(1, 299, 299)))
    pixels = DAViHDFeatureExtractor().normalise(np.concatenate([chunk.frames for chunk in chunks]))
    sound = torch.from_numpy(np.concatenate([chunk.waveform for chunk in chunks]))
    log_mel = DAViHDFeatureExtractor().log_mel(sound)
    with torch.no_grad():
        features = {"visual_features": visual(pixels)[None], "semantic_features": semantic(sound)[None]}
        expected = DAViHDModel.from_pretrained(heads)(**features, log_mel=log_mel[None]).scores[0]
    found = scores_elsewhere(outsider, tmp_path / "whole", film)
    np.testing.assert_allclose(found, expected, atol=1e-5)
