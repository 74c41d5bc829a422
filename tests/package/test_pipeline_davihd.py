import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from films import film_with_sound, tone
from paths import ROOT
from sounds import write_wav
from transformers import pipeline

from modeling_davihd import (
    DEFAULT_CHECKPOINT,
    DAViHDConfig,
    DAViHDFeatureExtractor,
    DAViHDModel,
    VideoHighlightDetectionPipeline,
    media,
    media_tracks,
)
from modeling_davihd.media import MediaError, MediaWarning
from modeling_davihd.writers import HighlightResult

SOUND = np.concatenate([tone(4, 16000, amplitude=0.01), tone(1, 16000), tone(2.5, 16000, amplitude=0.01)])


def small_config(**changes) -> DAViHDConfig:
    fields = {"dynamics_channels": [4] * 6, "score_hidden_dim": 8, "projection_dim": 16, "dynamics_dim": 16}
    return DAViHDConfig(**(fields | changes))


def detector(extractor: dict | None = None, **changes) -> VideoHighlightDetectionPipeline:
    torch.manual_seed(0)
    model = DAViHDModel(small_config(**changes)).eval()
    return VideoHighlightDetectionPipeline(
        model, feature_extractor=DAViHDFeatureExtractor(**(extractor or {})), device="cpu"
    )


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return film_with_sound(tmp_path_factory.mktemp("films") / "film.mp4", SOUND, 7.5)


@pytest.fixture(scope="module")
def short_film(tmp_path_factory):
    return film_with_sound(tmp_path_factory.mktemp("films") / "short.mp4", tone(1.5, 16000), 1.5)


def test_scores_are_those_of_the_model_on_the_whole_sound(film):
    detect = detector(modalities=["dynamics"])
    found = detect(str(film))
    waveform = np.concatenate([chunk.waveform for chunk in media.stream_segments(film)])
    inputs = detect.feature_extractor(audio=waveform.ravel(), sampling_rate=16000)
    expected = detect.model(**inputs).scores[0].detach().numpy()
    assert found["duration"] == pytest.approx(7.5, abs=0.05)
    assert found["scores"].shape == (8,)
    np.testing.assert_allclose(found["scores"], expected, atol=1e-5)


def test_visual_and_semantic_features_come_from_the_backbones(short_film):
    sizes = {"visual_dim": 512, "visual_backbone": "resnet3d_34", "semantic_backbone": "panns_cnn14_16k"}
    names = ["pixel_values", "waveform", "log_mel", "attention_mask"]
    detect = detector({"model_input_names": names, "frames_per_segment": 16, "image_size": 112}, **sizes)
    found = detect(str(short_film))
    sampling = media.FrameSampling(16, 112, 112)
    chunks = list(media.stream_segments(short_film, frames=sampling))
    frames = np.concatenate([chunk.frames for chunk in chunks])
    waveform = np.concatenate([chunk.waveform for chunk in chunks]).ravel()
    with torch.no_grad():
        expected = detect.model(**detect.feature_extractor(frames, waveform, 16000)).scores[0]
    np.testing.assert_allclose(found["scores"], expected, atol=1e-5)


@pytest.mark.parametrize(
    "modalities, decoded",
    [(["dynamics"], {"audio"}), (["visual"], {"video"}), (["visual", "dynamics"], {"audio", "video"})],
)
def test_only_the_streams_of_the_modalities_are_decoded(short_film, monkeypatch, modalities, decoded):
    asked = {}
    stream = media.stream_segments

    def spy(path, *, audio, frames, limits):
        asked.update(audio=audio, video=frames is not None)
        return stream(path, audio=audio, frames=frames, limits=limits)

    monkeypatch.setattr("modeling_davihd.pipeline_davihd.stream_segments", spy)
    extractor = {
        "frames_per_segment": 16,
        "image_size": 112,
        "model_input_names": ["pixel_values", "log_mel"],
    }
    detector(extractor, modalities=modalities, visual_dim=512, visual_backbone="resnet3d_34")(str(short_film))
    assert {name for name, wanted in asked.items() if wanted} == decoded


def test_scores_do_not_depend_on_the_chunks(film, monkeypatch):
    detect = detector(modalities=["dynamics"])
    expected = detect(str(film))["scores"]
    stream = media.stream_segments
    for seconds in (1, 3):
        monkeypatch.setattr(
            "modeling_davihd.pipeline_davihd.stream_segments",
            lambda path, seconds=seconds, **wanted: stream(path, chunk_seconds=seconds, **wanted),
        )
        np.testing.assert_allclose(detect(str(film))["scores"], expected, atol=1e-5)


def test_a_model_in_training_is_evaluated_and_learns_nothing(film):
    detect = detector(modalities=["dynamics"], dropout=0.5)
    expected = detect(str(film))["scores"]
    state = {name: tensor.clone() for name, tensor in detect.model.state_dict().items()}
    again = VideoHighlightDetectionPipeline(
        detect.model.train(), feature_extractor=detect.feature_extractor, device="cpu"
    )
    assert not again.model.training
    for _ in range(2):
        detect.model.train()
        np.testing.assert_array_equal(again(str(film))["scores"], expected)
    assert all(torch.equal(state[name], tensor) for name, tensor in detect.model.state_dict().items())


def test_many_files_and_search_options(film):
    detect = detector(modalities=["dynamics"])
    found = detect([str(film), str(film)], top_k=1, min_length=3)
    assert len(found) == 2
    np.testing.assert_array_equal(found[0]["scores"], found[1]["scores"])
    for one in found:
        assert len(one["highlights"]) <= 1
        assert all(set(highlight) == {"start", "end", "score", "peak"} for highlight in one["highlights"])


def test_no_files_and_files_at_once(film):
    detect = detector(modalities=["dynamics"])
    assert detect([]) == []
    for found in detect([str(film)] * 2, batch_size=2):
        np.testing.assert_array_equal(found["scores"], detect(str(film))["scores"])


def test_an_extractor_of_another_kind_is_refused():
    with pytest.raises(ValueError, match="`log_mel_rate` is 1; the model's config needs 62.5"):
        detector({"log_mel_rate": 1}, modalities=["dynamics"])
    with pytest.raises(ValueError, match="`num_mel_bins` is 64; the model's config needs 128"):
        detector({"num_mel_bins": 64}, modalities=["dynamics"])


def test_wrong_search_options_are_told_before_anything_is_decoded(film, monkeypatch):
    monkeypatch.setattr("modeling_davihd.pipeline_davihd.probe", None)
    with pytest.raises(ValueError, match="top_k must be a whole number of at least 1"):
        detector(modalities=["dynamics"])(str(film), top_k=0)


@pytest.mark.parametrize("sound", [np.zeros(48000, np.float32), None], ids=["silent", "no sound track"])
def test_without_audible_sound_nothing_stands_out(tmp_path, sound):
    quiet = film_with_sound(tmp_path / "quiet.mp4", sound, 3)
    with pytest.warns(MediaWarning, match="quiet.mp4"):
        found = detector(modalities=["dynamics"])(str(quiet))
    assert (found["scores"] == 0).all() and found["highlights"] == []


def test_the_config_says_what_stands_out_and_how_surely(film):
    knots = [[0.0, 0.5], [1e-9, 0.875]]
    detect = detector(modalities=["dynamics"], highlight_level=1.0, highlight_confidence=knots)
    assert detect(str(film))["highlights"] == []
    assert detect(str(film), level=0.0)["highlights"] != []
    [highlight] = detect(str(film), top_k=1)["highlights"]
    assert list(highlight) == ["start", "end", "score", "peak", "confidence"]
    assert highlight["confidence"] == 0.88
    plain = detector(modalities=["dynamics"])(str(film), top_k=1)["highlights"][0]
    assert plain == {name: value for name, value in highlight.items() if name != "confidence"}


def test_features_for_a_picture_are_returned_on_demand(film):
    found = detector(modalities=["dynamics"])(str(film), return_features=True)
    assert found["log_mel"].shape == (128, 500)
    assert found["velocity_attention"].shape == (125, 64)
    np.testing.assert_allclose(found["velocity_attention"].sum(0), 1, atol=1e-4)


def test_a_film_that_has_been_probed_is_not_probed_again(film, monkeypatch):
    detect, info = detector(modalities=["dynamics"]), media.probe(film)
    expected, opened, open_media = detect(str(film)), [], media_tracks.open_media
    monkeypatch.setattr(media_tracks, "open_media", lambda *one: opened.append(one) or open_media(*one))
    np.testing.assert_array_equal(detect(info)["scores"], expected["scores"])
    assert len(opened) == 2  # the picture, for its length, and the sound
    assert detect([info, str(film)])[0]["highlights"] == expected["highlights"]


def test_a_result_of_a_film_is_cut_as_the_pipeline_cuts_it(film):
    detect, info, limits = (
        detector(modalities=["dynamics"]),
        media.probe(film),
        media.DecodingLimits(pixels=9e6),
    )
    found = detect(info, return_features=True, top_k=1, max_length=3, limits=limits)
    result = HighlightResult.of_film(info, found, "some/model", limits)
    assert (result.source, result.duration, result.fps) == (film, found["duration"], info.fps)
    assert (result.model_id, result.limits, result.highlights) == ("some/model", limits, [])
    assert result.log_mel is found["log_mel"]
    cut = result.with_highlights(top_k=1, max_length=3)
    assert [highlight.as_dict() for highlight in cut.highlights] == found["highlights"] != []
    slow = HighlightResult.of_film(replace(info, fps=0.5), detect(info), "some/model")
    assert slow.fps is None and slow.log_mel is None and slow.limits is None


def test_unreadable_files_raise_one_sentence(tmp_path):
    (tmp_path / "notes.txt").write_text("not a film")
    detect = detector(modalities=["dynamics"])
    for path, name in ((tmp_path / "missing.mp4", "missing.mp4"), (tmp_path / "notes.txt", "notes.txt")):
        with pytest.raises(MediaError, match=name):
            detect(str(path))
    with pytest.raises(ValueError, match="needs the path"):
        detect(42)


def test_embedded_default_finds_the_events_of_the_sample():
    import json

    examples = ROOT / "examples"
    truth = json.loads((examples / "sample.json").read_text())
    detect = pipeline("video-highlight-detection", model=str(DEFAULT_CHECKPOINT), device="cpu")
    found = detect(str(examples / "sample.mp4"))["highlights"]
    hit = {
        event["start"]
        for event, highlight in itertools.product(truth["events"], found)
        if highlight["start"] < event["end"] and event["start"] < highlight["end"]
    }
    assert len(hit) >= len(truth["events"]) - 1
    for highlight in found:
        assert any(
            highlight["start"] < event["end"] and event["start"] < highlight["end"]
            for event in truth["events"]
        )


def test_a_film_without_sound_is_not_listened_to(tmp_path, monkeypatch):
    """Hours of silence took minutes; of such a film only the length matters to a model that hears."""
    film = film_with_sound(tmp_path / "mute.mp4", None, 3)
    monkeypatch.setattr("modeling_davihd.feature_stream_davihd.LogMelStream", None)
    with pytest.warns(MediaWarning, match="no sound"):
        found = detector(modalities=["dynamics"])(str(film), return_features=True)
    assert list(found["scores"]) == [0, 0, 0] and found["log_mel"] is None


SMALL = {
    "model_input_names": ["pixel_values", "log_mel", "attention_mask"],
    "frames_per_segment": 2,
    "image_size": 64,
}
BOTH = {"modalities": ["visual", "dynamics"], "visual_dim": 64, "visual_backbone": "statistics"}


@pytest.fixture(scope="module")
def lacking(tmp_path_factory):
    """A film without picture, one without sound, and one whose sound is silent."""
    folder = tmp_path_factory.mktemp("lacking")
    write_wav(folder / "dark.wav", tone(2, 16000))
    film_with_sound(folder / "mute.mp4", None, 2)
    film_with_sound(folder / "silent.mp4", np.zeros(32000, np.float32), 2)
    return folder


@pytest.mark.parametrize(
    ("film", "what"), [("dark.wav", "picture"), ("mute.mp4", "sound"), ("silent.mp4", "audible sound")]
)
def test_a_model_trained_for_it_does_without_a_stream(lacking, film, what):
    with pytest.warns(MediaWarning, match=f"{film}: has no {what}; the model scores it without") as told:
        found = detector(SMALL, **BOTH, stream_dropout=0.2)(str(lacking / film), return_features=True)
    assert len(told) == 1 and (found["scores"] > 0).all()
    assert (found["log_mel"] is None) == (what != "picture")


def test_other_models_refuse_a_film_without_picture(lacking):
    with pytest.raises(MediaError, match="dark.wav: has sound but no moving picture"):
        detector(**BOTH)(str(lacking / "dark.wav"))


def test_a_model_that_reads_what_no_film_has_is_refused_at_once(film):
    reads = {"modalities": ["text", "dynamics"], "text_dim": 32}
    with pytest.raises(ValueError, match="reads `text_features`, which a film does not have by itself"):
        detector(**reads)
    with pytest.warns(MediaWarning, match="has no `text_features`; the model scores it without"):
        assert detector(**reads, stream_dropout=0.2)(str(film))["scores"].std() > 0
