"""Options that say which features to compute."""

import argparse
import json

import numpy as np
import pytest
from tone_videos import PLAIN, build, load, sounding

from datasets_scripts.building.builder import Settings
from datasets_scripts.building.options import add_extraction_arguments, settings_from
from modeling_davihd.backbones_davihd import BACKBONES
from modeling_davihd.engines.errors import UsageError
from modeling_davihd.streams_davihd import LogMel


def test_the_options_name_every_backbone(capsys):
    parser = argparse.ArgumentParser()
    add_extraction_arguments(parser)
    parser.print_help()
    said = " ".join(capsys.readouterr().out.split())
    assert all(name in said for name in (*BACKBONES["visual"], *BACKBONES["semantic"]))
    assert settings_from(parser.parse_args(["--device", "cpu"])) == Settings()
    arguments = ["--visual-backbone", "statistics", "--log-mel-rate", "none", "--device", "cpu"]
    expected = Settings({"visual": PLAIN}, log_mel=None)
    assert settings_from(parser.parse_args(arguments)) == expected
    with pytest.raises(UsageError, match="--device is 'gpu'; this machine does not have such a device"):
        settings_from(parser.parse_args(["--device", "gpu"]))


def parsed(*arguments: str) -> Settings:
    parser = argparse.ArgumentParser()
    add_extraction_arguments(parser)
    return settings_from(parser.parse_args([*arguments, "--device", "cpu"]))


def test_bins_and_window_of_the_spectrogram_can_be_chosen(tmp_path):
    settings = parsed("--num-mel-bins", "64", "--n-fft", "1024")
    assert settings.log_mel == LogMel(62.5, 64, 1024)
    build(tmp_path / "out", [sounding(0), sounding(1)], settings)
    build(tmp_path / "usual", [sounding(0), sounding(1)], parsed("--num-mel-bins", "64"))
    chosen, usual = (load(tmp_path / name, tmp_path)["train"][0]["log_mel"] for name in ("out", "usual"))
    assert np.shape(chosen) == np.shape(usual) == (188, 64) and not np.allclose(chosen, usual, atol=0.1)
    facts = json.loads((tmp_path / "out" / "extraction.json").read_text())
    assert (facts["log_mel_rate"], facts["num_mel_bins"], facts["n_fft"]) == (62.5, 64, 1024)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--n-fft", "4"], "`n_fft` is 4; a whole number from 16 to 16384 is needed"),
        (["--num-mel-bins", "0"], "`num_mel_bins` is 0"),
        (["--semantic-weights", "a.pth"], "--semantic-weights is a.pth, but no --semantic-backbone is named"),
        (["--visual-pca", "a.npz"], "--visual-pca is a.npz, but no --visual-backbone is named"),
    ],
)
def test_options_that_nothing_can_be_made_of_are_refused(arguments, said):
    with pytest.raises(UsageError, match=said):
        parsed(*arguments)


def test_what_encoders_compute_in_is_part_of_what_a_dataset_is_made_of():
    usual, half = parsed(), parsed("--dtype", "bfloat16")
    assert (usual.precision, half.precision) == ("float32", "bfloat16")
    assert usual.identity() != half.identity()
