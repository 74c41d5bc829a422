"""A small dataset whose columns are made up, and a small network to train on it."""

import json
from pathlib import Path

import numpy as np

from datasets_scripts.building.builder import GivenColumn, Settings, Video, build_dataset
from modeling_davihd.conversion import EncoderChoice
from modeling_davihd.streams_davihd import N_FFT, LogMel

CONFIG = {
    "model_type": "davihd",
    "visual_dim": 8,
    "semantic_dim": 16,
    "dynamics_dim": 16,
    "projection_dim": 16,
    "dynamics_channels": [4, 4],
    "dynamics_basis_kernels": [1, 2],
    "dynamics_time_pooling": [8, 4],
    "dynamics_frequency_pooling": [8, 4],
    "dynamics_num_layers": 1,
    "score_hidden_dim": 8,
}
RECIPE = "epochs: 2\nbatch_size: 3\nlearning_rate: 1.0e-3\nnum_workers: 0\n"
VISUAL, SEMANTIC = 8, 16
CARD = "---\nlicense: cc0-1.0\ntags: [synthetic]\n---\n# Numbers\n"


def training_arguments(config: Path, data: Path, output: Path | str, *more: str) -> list[str]:
    """The command line of examples/train.py."""
    return ["--config", str(config), "--dataset", str(data), "--output", str(output), *more]


def write_config(folder: Path, recipe: str = RECIPE, **changes) -> Path:
    """A configuration folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG | changes))
    (folder / "preprocessor_config.json").write_text(
        json.dumps({"feature_extractor_type": "DAViHDFeatureExtractor", "log_mel_rate": 62.5})
    )
    (folder / "training.yaml").write_text(recipe)
    return folder


def write_dataset(folder: Path, videos: int = 12, rate: float = 62.5, n_fft: int = N_FFT, **extras) -> Path:
    """A dataset of films of 5 to 9 s whose labels are in their features; 2 each for validation and test."""
    settings = Settings(
        {"visual": EncoderChoice("inception_v3"), "semantic": EncoderChoice("panns_cnn14_16k")},
        LogMel(rate, n_fft=n_fft),
        given={
            "visual_features": GivenColumn(VISUAL, "made up"),
            "semantic_features": GivenColumn(SEMANTIC, "made up"),
            "log_mel": GivenColumn(128, "made up"),
        },
    )
    splits = ["train"] * (videos - 4) + ["validation"] * 2 + ["test"] * 2
    rows = [video(number, split, rate, extras) for number, split in enumerate(splits)]
    build_dataset(folder, rows, settings, card=CARD, rows_per_shard=5)
    return folder


def video(number: int, split: str, rate: float, extras: dict) -> Video:
    seconds = 5 + number % 5
    rng = np.random.default_rng(number)
    labels = rng.random(seconds).astype(np.float32)

    def given() -> dict[str, np.ndarray]:
        frames = int(np.ceil(rate * seconds))
        owner = (np.arange(frames) / rate).astype(int)
        return {
            "visual_features": labels[:, None] + rng.normal(size=(seconds, VISUAL)) / 4,
            "semantic_features": labels[:, None] + rng.normal(size=(seconds, SEMANTIC)) / 4,
            "log_mel": labels[owner, None] - rng.random((frames, 128)),
        }

    return Video(
        f"film{number}",
        split,
        labels,
        duration=float(seconds),
        given=given,
        identity=str(number),
        extras={name: make(number, seconds) for name, make in extras.items()},
    )
