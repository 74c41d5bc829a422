"""Short videos that are tones, and the datasets they make."""

import json
from dataclasses import replace
from pathlib import Path

import datasets
import numpy as np
from films import tone

from datasets_scripts.building.builder import Report, Settings, Video, build_dataset
from modeling_davihd.conversion import EncoderChoice
from modeling_davihd.streams_davihd import LogMel

PLAIN = EncoderChoice("statistics")
STATISTICS = Settings({"visual": PLAIN, "semantic": PLAIN})
HEARING = Settings({"semantic": PLAIN}, LogMel(rate=1))
CARD = "---\nlicense: cc-by-4.0\n---\n# Films\n\nCite their makers.\n"


def labels(seconds: int, number: int = 0) -> np.ndarray:
    return (np.arange(number, number + seconds) % 5 / 5).astype(np.float32)


def sounding(number: int, split: str = "train", seconds: float = 3, **changes) -> Video:
    """A video that is a tone without a file."""
    fields = {
        "labels": labels(round(seconds), number),
        "sound": lambda: tone(seconds, 16000, hertz=200 + 50 * number),
        "identity": str(number),
    }
    return Video(video_id=f"v{number}", split=split, **(fields | changes))


def seven() -> list[Video]:
    """Four videos for training, one for validation and two for test."""
    splits = ["train"] * 4 + ["validation"] + ["test"] * 2
    return [sounding(number, split) for number, split in enumerate(splits)]


def changed(number: int, **changes) -> list[Video]:
    """The seven, one of them with other fields."""
    return [replace(video, **changes) if i == number else video for i, video in enumerate(seven())]


def build(out: Path, videos: list[Video], settings: Settings = HEARING, **changes) -> Report:
    """A dataset of shards of two videos."""
    return build_dataset(out, videos, settings, **({"card": CARD, "rows_per_shard": 2} | changes))


def load(out: Path, tmp_path: Path) -> datasets.DatasetDict:
    return datasets.load_dataset(str(out), cache_dir=str(tmp_path / "cache"))


def facts(out: Path, name: str = "extraction.json") -> dict | list:
    return json.loads((out / name).read_text())
