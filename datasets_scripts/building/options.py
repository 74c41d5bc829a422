"""Options that the command lines of this folder share; apart, since what they stand for is slow to import."""

import argparse
from pathlib import Path


def add_extraction_arguments(parser: argparse.ArgumentParser) -> None:
    """Options that say which features to compute; `builder.settings_from` reads them.

    --visual-backbone --semantic-backbone --visual-weights --semantic-weights --visual-pca --log-mel-rate
    --device
    """
    group = parser.add_argument_group("features")
    sources = {
        "visual": "the picture: none, inception_v3, resnet3d_34 or statistics, which needs no weights",
        "semantic": "the sound: none, panns_cnn14_16k or statistics, which needs no weights",
    }
    for kind, source in sources.items():
        group.add_argument(
            f"--{kind}-backbone", default="none", metavar="NAME", help=f"encoder of {source} (default none)"
        )
        group.add_argument(
            f"--{kind}-weights",
            type=Path,
            metavar="FILE",
            help="its published checkpoint, .pth or .safetensors",
        )
    group.add_argument("--visual-pca", type=Path, metavar="FILE", help="PCA of inception_v3, .npz or .npy")
    group.add_argument(
        "--log-mel-rate",
        choices=("62.5", "1", "none"),
        default="62.5",
        help="log-Mel frames a second (default 62.5)",
    )
    group.add_argument("--device", help="where encoders run (default cuda if there is one, else cpu)")
