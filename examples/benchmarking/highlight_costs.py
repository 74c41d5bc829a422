"""What highlights cost: hours of one processor core for each hour of film, stage by stage.

    python examples/benchmarking/highlight_costs.py [--film FILE] [--minutes N]

The model is davihd-small, everything else as `davihd highlight --manifest` does it. The film is made here,
720p at 25 frames a second, unless one of yours is named. Each figure is the processor time of one thread,
measured once; fetching is not in it. Edges, names and the reel cost what they do for each highlight, of which
one is asked for in three minutes of film, so their share depends on that.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch

if __package__ in (None, ""):  # from examples/, "evaluate" would be this script
    sys.path[0] = str(Path(__file__).resolve().parent.parent.parent)

from datasets_scripts.building.console import run_command
from examples.benchmarking.films import film_of, small_pipeline
from examples.benchmarking.measuring import machine
from examples.training.tables import markdown
from modeling_davihd.clean_edges import Cutting, EdgeCleaner
from modeling_davihd.edges import KINDS
from modeling_davihd.loading import DEFAULT_MODEL
from modeling_davihd.media import DecodingLimits, MediaInfo, probe
from modeling_davihd.sound_names import SoundNamer
from modeling_davihd.writers import WRITERS, HighlightResult

FORMATS = ("json", "png", "mp4", "srt", "edl")
DEFAULT = ("json", "png", "mp4", "srt")
APART = 180  # seconds of film for each highlight
MILLION_HOURS = 1_000_000
CORES = 16  # of a machine
LIMITS = DecodingLimits(threads=1)
Found = TypeVar("Found")


def measured(film: MediaInfo, folder: Path) -> tuple[dict[str, float], HighlightResult]:
    """Seconds of each stage, and what was found."""
    detect, cleaner, namer = small_pipeline(), EdgeCleaner(), SoundNamer(torch.device("cpu"))
    cutting, stages = Cutting(KINDS, 0, 0, shortest=2, longest=30, total=None), {}
    found, stages["scores"] = _timed(lambda: detect(film, return_features=True, limits=LIMITS))
    result = HighlightResult.of_film(film, found, DEFAULT_MODEL, LIMITS, detect.calibration)
    result = result.with_highlights(min_length=2, max_length=30, top_k=math.ceil(result.duration / APART))
    result, stages["edges"] = _timed(lambda: cleaner.clean(result, cutting))
    result, stages["names"] = _timed(lambda: namer.name(result))
    for name in FORMATS:
        writer = WRITERS[name]()
        _, stages[name] = _timed(partial(writer.write, result, folder))
    return stages, result


def _timed(work: Callable[[], Found]) -> tuple[Found, float]:
    start = time.process_time()
    done = work()
    return done, time.process_time() - start


def run(path: Path | None, minutes: float) -> None:
    """Measure and print, on a film that is made here unless one is named."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        measured(probe(film_of(Path(folder), minutes=0.1)), Path(folder))  # loads what is loaded when used
        film = probe(path or film_of(Path(folder), minutes))
        stages, result = measured(film, Path(folder))
    cut = sum(end - start for start, end in result.segments)
    print(
        f"{machine(torch.device('cpu'))}; film of {film.width} x {film.height}, {film.fps:g} frames/s, "
        f"{result.duration / 60:g} minutes, {len(result.highlights)} highlights of {cut:.0f} s\n"
    )
    per_hour = {name: seconds / result.duration for name, seconds in stages.items()}
    columns = ("stage", "core hours an hour")
    print(markdown(columns, {name: [f"{cost:.5f}"] for name, cost in per_hour.items()}) + "\n")
    rows = {}
    for title, formats in (("json alone", ("json",)), ("the default", DEFAULT)):
        parts = {name: per_hour[name] for name in ("scores", "edges", "names", *formats)}
        cost, slowest = sum(parts.values()), max(parts, key=lambda name: parts[name])
        days = cost * MILLION_HOURS / CORES / 24
        rows[title] = [f"{cost:.4f}", f"{slowest}, {parts[slowest] / cost:.0%}", f"{days:.0f}"]
    columns = ("formats", "core hours an hour", "bottleneck", f"days of {CORES} cores for a million hours")
    print(markdown(columns, rows))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--film", type=Path, metavar="FILE", help="measure on this film")
    parser.add_argument("--minutes", type=float, default=10, metavar="N", help="of the film that is made")
    options = parser.parse_args(arguments)
    return run_command(partial(run, options.film, options.minutes), parser.prog)


if __name__ == "__main__":
    sys.exit(main())
