"""Options that say which features to compute."""

import argparse

import pytest
from tone_videos import PLAIN

from datasets_scripts.building import builder
from datasets_scripts.building.builder import Settings
from datasets_scripts.building.errors import UsageError
from modeling_davihd.backbones_davihd import BACKBONES


def test_the_options_name_every_backbone(capsys):
    parser = argparse.ArgumentParser()
    builder.add_extraction_arguments(parser)
    parser.print_help()
    said = " ".join(capsys.readouterr().out.split())
    assert all(name in said for name in (*BACKBONES["visual"], *BACKBONES["semantic"]))
    assert builder.settings_from(parser.parse_args(["--device", "cpu"])) == Settings()
    arguments = ["--visual-backbone", "statistics", "--log-mel-rate", "none", "--device", "cpu"]
    expected = Settings({"visual": PLAIN}, log_mel=None)
    assert builder.settings_from(parser.parse_args(arguments)) == expected
    with pytest.raises(UsageError, match="--device is 'gpu', which this machine does not have"):
        builder.settings_from(parser.parse_args(["--device", "gpu"]))
