"""Models as graphs, and films scored without PyTorch."""

import json
import subprocess
import sys

import numpy as np
import onnxruntime
import pytest
import torch
from films import film_with_sound, noise_within
from paths import ROOT
from tiny_models import TWO_VIEWS, random_inputs, silence, tiny_model

from examples import export
from modeling_davihd import DAViHDConfig, DAViHDFeatureExtractor
from modeling_davihd.loading import load_model, load_pipeline

# A Python that has none of what takes gigabytes.
WITHOUT = """
import sys
for name in ("torch", "torchaudio", "transformers", "scipy"):
    sys.modules[name] = None
from examples.without_torch import main
sys.exit(main(sys.argv[1:]))
"""
# One block of each kind and one layer: to make a graph takes long for each operation in it.
SMALLEST = {
    "dynamics_channels": [4, 8],
    "dynamics_basis_kernels": [1, 2],
    "dynamics_time_pooling": [4, 16],
    "dynamics_frequency_pooling": [4, 4],
    "dynamics_num_layers": 1,
}


def write_model(folder, **changes):
    model = tiny_model(**(SMALLEST | changes))
    model.save_pretrained(folder)
    names = ["waveform", "log_mel", "attention_mask"]
    DAViHDFeatureExtractor(names, log_mel_rate=model.config.log_mel_rate).save_pretrained(folder)
    return folder


def export_model(folder):
    assert export.main(["--model", str(folder / "model"), "--output", str(folder / "graphs")]) == 0
    return folder


@pytest.fixture(scope="module")
def hears(tmp_path_factory):
    """A model that only hears, against two backgrounds, and beside it what was exported."""
    folder = tmp_path_factory.mktemp("hears")
    write_model(folder / "model", modalities=["dynamics"], highlight_level=0.1, **TWO_VIEWS)
    return export_model(folder)


def differences(folder, lengths: list[int]) -> list[float]:
    """By how much the scores of both graphs differ from the model's in one padded batch."""
    model = load_model(folder / "model")
    inputs = random_inputs(model.config, lengths)
    silence(inputs, model.config, 0, (2, 5))
    inputs = {name: inputs[name] for name in [*columns(model.config), "attention_mask"]}
    session = onnxruntime.InferenceSession(folder / "graphs" / "model.onnx")
    program = torch.export.load(folder / "graphs" / "model.pt2").module()
    with torch.no_grad():
        expected, exported = model(**inputs).scores, program(inputs)
    (found,) = session.run(["scores"], {name: values.numpy() for name, values in inputs.items()})
    return [float(np.abs(scores - expected.numpy()).max()) for scores in (exported.numpy(), found)]


def columns(config: DAViHDConfig) -> list[str]:
    return [stream.column for stream in config.streams]


@pytest.mark.soak  # PyTorch takes half a minute to make a graph; tests/package/test_graph_davihd.py does not
def test_graphs_score_padded_batches_of_any_length_like_the_model(hears):
    for lengths in ([9, 1, 4, 0], [1], [23]):
        assert max(differences(hears, lengths)) < 1e-5
    session = onnxruntime.InferenceSession(hears / "graphs" / "model.onnx")
    shapes = {one.name: one.shape for one in [*session.get_inputs(), *session.get_outputs()]}
    assert shapes["log_mel"] == ["batch", 128, "frames"]
    assert shapes["attention_mask"] == shapes["scores"] == ["batch", "seconds"]
    assert str(ROOT).encode() not in (hears / "graphs" / "model.onnx").read_bytes()


@pytest.mark.soak
def test_a_film_is_scored_without_torch_as_by_the_pipeline(hears, tmp_path):
    film = film_with_sound(tmp_path / "film.mp4", noise_within(4, 2, 6), 12)
    expected = load_pipeline(str(hears / "model"), torch.device("cpu"))(str(film))
    command = [sys.executable, "-c", WITHOUT, str(hears / "graphs"), str(film)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    found = json.loads(run.stdout)
    np.testing.assert_allclose(found["scores"], expected["scores"], atol=1e-4)
    assert found["duration"] == expected["duration"]
    assert [one["start"] for one in found["highlights"]] == [one["start"] for one in expected["highlights"]]


@pytest.mark.soak
@pytest.mark.parametrize(
    "changes",
    [
        {"modalities": ["visual", "semantic", "dynamics", "text"], "log_mel_baseline_seconds": 5},
        {"log_mel_rate": 1, "fusion_placement": "late", "dynamics_time_pooling": [2, 2]},
        {"modalities": ["visual", "semantic"], "attention_window_seconds": 5},
    ],
    ids=["all streams", "one frame a second", "features alone"],
)
def test_models_of_every_kind_can_be_exported(tmp_path, changes):
    write_model(tmp_path / "model", **changes)
    assert max(differences(export_model(tmp_path), [9, 1, 4])) < 1e-5


def test_what_cannot_be_exported_is_refused_in_a_sentence(tmp_path, capsys):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    (tmp_path / "empty").mkdir()
    new = str(tmp_path / "new")
    assert export.main(["--output", str(tmp_path / "taken")]) == 1
    assert "is there already" in capsys.readouterr().err
    assert export.main(["--model", str(tmp_path / "empty"), "--output", new]) == 1
    position = ROOT / "configuration" / "baselines" / "position"
    assert export.main(["--model", str(position), "--output", new]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2 and "config.json" in errors[0] and str(position) in errors[1]
    assert not (tmp_path / "new").exists()
