"""What extraction costs: seconds of one processor core for each second of video, stage by stage.

    python examples/benchmarking/extraction_costs.py [--film FILE]

Networks have the real shapes and random weights. The film is made here, 720p at 25 frames a second, unless
one of yours is named. Each figure is the processor time of one thread, the median of three runs; fetching is
not in it. A core that needs c seconds for a second of video needs c hours for an hour of it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

if __package__ in (None, ""):  # from examples/, "evaluate" would be this script
    sys.path[0] = str(Path(__file__).resolve().parent.parent.parent)

from datasets_scripts.building.columns import row_features
from datasets_scripts.building.console import run_command
from datasets_scripts.building.preview import PREVIEW, preview_of
from examples.benchmarking.films import film_of
from examples.benchmarking.measuring import machine
from examples.training.tables import markdown
from modeling_davihd.backbones_davihd import BACKBONES
from modeling_davihd.engines.shards import Note, new_shard
from modeling_davihd.feature_extraction_davihd import LogMelStream, feature_extractor_for
from modeling_davihd.media import SAMPLING_RATE, DecodingLimits, FrameSampling, probe, stream_segments
from modeling_davihd.streams_davihd import FULL_LOG_MEL_RATE, NUM_MEL_BINS

SEGMENTS = 16  # given to a network at a time
SECONDS = 200  # of the row that is written
MRHISUM_HOURS = 1790
TEN_MILLION_HOURS = 10_000_000 * MRHISUM_HOURS / 31_892
CORES = 16  # of a machine

Stages = dict[str, float]


def decoding(film: Path, visual: str | None) -> float:
    """Of the sound, and of the frames that a backbone sees."""
    sampling = None
    if visual:
        backbone = BACKBONES["visual"][visual]
        sampling = FrameSampling(backbone.frames_per_segment, backbone.image_size, backbone.image_size)
    limits = DecodingLimits(threads=1)

    def decode() -> None:
        for _ in stream_segments(film, audio=True, frames=sampling, limits=limits):
            pass

    return _seconds(decode) / probe(film).duration


def log_mel() -> float:
    """At 62.5 frames a second."""
    sound = np.random.default_rng(0).standard_normal((30, SAMPLING_RATE), np.float32)
    extractor = feature_extractor_for(None)

    def listen() -> None:
        stream = LogMelStream(extractor)
        stream.add(sound)
        stream.finish()

    return _seconds(listen) / len(sound)


def visual_backbone(name: str) -> float:
    """With turning bytes into normalised pixels."""
    backbone, normalise = BACKBONES["visual"][name](), feature_extractor_for(name).normalise
    shape = (SEGMENTS, backbone.frames_per_segment, backbone.image_size, backbone.image_size, 3)
    frames = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    return _seconds(lambda: backbone(normalise(frames))) / SEGMENTS


def semantic_backbone(name: str) -> float:
    backbone = BACKBONES["semantic"][name]()
    sound = torch.rand(SEGMENTS, *backbone.input_shape) - 0.5
    return _seconds(lambda: backbone(sound)) / SEGMENTS


def writing(folder: Path) -> tuple[float, float]:
    """Of the paper's columns for Mr.HiSum, and how many bytes that makes for each second of video."""
    rng = np.random.default_rng(0)
    widths = {"visual_features": 1024, "semantic_features": 2048, "log_mel": NUM_MEL_BINS}
    lengths = {
        "visual_features": SECONDS,
        "semantic_features": SECONDS,
        "log_mel": round(FULL_LOG_MEL_RATE * SECONDS),
    }
    row = {name: rng.standard_normal((lengths[name], width)) for name, width in widths.items()}
    row = {name: array.astype(np.float16) for name, array in row.items()}
    row |= {"video_id": "v", "duration": float(SECONDS)}
    schema = row_features(widths, {}, labelled=False).arrow_schema
    path = folder / "train-00000-of-00001.parquet"

    def write() -> None:
        with new_shard(path, schema) as shard:
            preview = preview_of(None, row["log_mel"])
            shard.add_row({**row, PREVIEW: {"bytes": preview, "path": None}})
            shard.add_note(Note("", []))

    seconds = _seconds(write)
    return seconds / SECONDS, path.stat().st_size / SECONDS


def _seconds(work: Callable[[], object]) -> float:
    """Median processor time of three runs, after one that does not count."""
    spent = []
    for _ in range(4):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return statistics.median(spent[1:])


def measured(film: Path, folder: Path) -> tuple[Stages, float]:
    """Seconds of each stage, and bytes written, for each second of video."""
    stages = {"decoding the sound alone": decoding(film, None)}
    for name in BACKBONES["visual"]:
        stages[f"decoding for {name}"] = decoding(film, name)
    for name in BACKBONES["visual"]:
        stages[f"visual {name}"] = visual_backbone(name)
    for name in BACKBONES["semantic"]:
        stages[f"semantic {name}"] = semantic_backbone(name)
    stages["log-Mel"] = log_mel()
    stages["writing"], size = writing(folder)
    return stages, size


def recipe(stages: Stages, visual: str | None, semantic: str | None) -> Stages:
    """The stages of a dataset with the log-Mel spectrogram and those features."""
    names = [f"decoding for {visual}", f"visual {visual}"] if visual else ["decoding the sound alone"]
    names += [f"semantic {semantic}"] if semantic else []
    return {name: stages[name] for name in (*names, "log-Mel", "writing")}


RECIPES = {
    "the paper's for Mr.HiSum": ("inception_v3", "panns_cnn14_16k"),
    "the paper's for TVSum": ("resnet3d_34", "panns_cnn14_16k"),
    "statistics": ("statistics", "statistics"),
    "log-Mel alone": (None, None),
}


def run(film: Path | None) -> None:
    """Measure and print, on a film that is made here unless one is named."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        film = film or film_of(Path(folder), minutes=0.5)
        info = probe(film)
        stages, size = measured(film, Path(folder))
    print(f"{machine(torch.device('cpu'))}; film of {info.width} x {info.height}, {info.fps:g} frames/s\n")
    print(
        markdown(("stage", "core seconds"), {stage: [f"{cost:.4f}"] for stage, cost in stages.items()}) + "\n"
    )
    rows = {}
    for name, backbones in RECIPES.items():
        parts = recipe(stages, *backbones)
        cost, slowest = sum(parts.values()), max(parts, key=parts.get)
        share = f"{slowest}, {parts[slowest] / cost:.0%}"
        machines = [f"{cost * hours / CORES:,.0f}" for hours in (MRHISUM_HOURS, TEN_MILLION_HOURS)]
        rows[name] = [f"{cost:.3f}", share, *machines]
    columns = ("features", "core hours an hour", "bottleneck", "Mr.HiSum", "ten million videos")
    print(f"Hours of one machine with {CORES} cores:\n\n{markdown(columns, rows)}\n")
    print(f"Written for the paper's features of Mr.HiSum: {size:.0f} bytes for each second of video.")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--film", type=Path, metavar="FILE", help="measure decoding on this film")
    options = parser.parse_args(arguments)
    return run_command(partial(run, options.film), parser.prog)


if __name__ == "__main__":
    sys.exit(main())
