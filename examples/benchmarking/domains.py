"""Fine-tuning the embedded model against training its network from scratch, on three domains.

    python examples/benchmarking/domains.py --sounds build/sounds [--clips 5 10 100] [--seeds 2]

A domain is what counts in it and what goes on throughout: two of twelve kinds of recorded sound, in music, in
talk or in a place. Of what stands out in its clips about half is of these kinds, and the rest, of the other
ten, does not count; something counts in each clip. Training and validation have recordings of the library's
training split, the test those of its other splits, which the embedded model has not heard either.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

if __package__ in (None, ""):  # from examples/, "evaluate" would be this script
    sys.path[0] = str(Path(__file__).resolve().parent.parent.parent)

from datasets_scripts.building.builder import Video, build_dataset
from datasets_scripts.building.console import run_command
from datasets_scripts.building.label_files.labels import Interval, scores_of_intervals
from datasets_scripts.building.settings import Settings
from datasets_scripts.synthesis.library import Library
from examples.benchmarking.soundtracks import KINDS, soundtrack
from examples.train import FINE_TUNING, train
from examples.training.data import HighlightDataset, read_dataset
from examples.training.runs import Run, log_mel_settings, make_runs
from examples.training.scoring import measure, open_model, scores_of
from examples.training.tables import METRIC_COLUMNS, markdown, measured
from modeling_davihd.loading import DEFAULT_MODEL

DOMAINS = {
    "battle": (("explosion", "gunshot"), "music"),
    "animals": (("bird", "dog"), "place"),
    "ceremony": (("bell", "fanfare"), "talk"),
}
SECONDS, SLOTS = 16, 2  # of a clip; places of highlights in it
HELD_OUT = {"validation": 10, "test": 40}  # clips
RECORDINGS = {"train": ("train",), "validation": ("train",), "test": ("test", "validation")}
FIRST_SEEDS = {"train": 0, "validation": 10_000, "test": 20_000}
METRICS = ("map_15", "spearman")
CONFIGURATION = FINE_TUNING.parent
CARD = "---\nlicense: other\ntags: [video-highlight-detection, synthetic]\n---\n# Clips of a domain\n"


def clips(library: Library, domain: str, split: str, count: int) -> Iterator[Video]:
    """Soundtracks in which something counts."""
    kinds, role = DOMAINS[domain]
    others = [kind for kind in KINDS if kind not in kinds]
    drawn = [*others, *kinds * (len(others) // len(kinds))]
    for seed in itertools.count(FIRST_SEEDS[split]):
        waveform, events = soundtrack(seed, SECONDS, SLOTS, library, RECORDINGS[split], role, drawn)
        counting = [Interval(event.start, event.end) for event in events if event.kind in kinds]
        if not counting:
            continue
        name = f"{domain}-{seed}"
        labels = scores_of_intervals(name, counting, SECONDS)
        yield Video(name, split, labels, sound=lambda sound=waveform: sound, duration=SECONDS, identity=name)
        count -= 1
        if not count:
            return


def build_domain(library: Library, domain: str, most: int, folder: Path) -> HighlightDataset:
    """The dataset of a domain, with at most so many clips to train on."""
    counts = {"train": most, **HELD_OUT}
    videos = [video for split, count in counts.items() for video in clips(library, domain, split, count)]
    build_dataset(folder, videos, Settings(), card=CARD)
    return read_dataset(folder)


def fine_tuning(dataset: HighlightDataset, overrides: dict[str, object], output: Path) -> Run:
    """Training the embedded model on, by its recipe."""
    overrides = {"dataset": dataset.source, **overrides}
    [run] = make_runs(FINE_TUNING, output, overrides, model=DEFAULT_MODEL)
    return run


def from_scratch(dataset: HighlightDataset, overrides: dict[str, object], output: Path) -> Run:
    """Training its network anew: the recipe for datasets, with the rate and the steps of a narrow network."""
    network = json.loads((CONFIGURATION / "davihd-small" / "config.json").read_text(encoding="utf-8"))
    changes = {name: value for name, value in network.items() if name not in ("model_type", "architectures")}
    recipe = {"learning_rate": 5e-4, "batch_size": 4, "least_steps": 8}
    overrides = {"dataset": dataset.source, **recipe, **overrides}
    [run] = make_runs(CONFIGURATION / "davihd-base", output, overrides, changes=changes)
    return run


WAYS = {"from scratch": from_scratch, "fine-tuned": fine_tuning}


def trained_on(count: int, run: Run, dataset: HighlightDataset) -> dict[str, float]:
    """Metrics of the test clips after training on the first so many clips."""
    first = {**dataset.splits, "train": dataset.splits["train"].select(range(count))}
    dataset = dataclasses.replace(dataset, splits=first)
    rows = dataset.rows("train", run.config.modalities, **log_mel_settings(run.config))
    record = train(
        dataclasses.replace(run, rows={**run.rows, "train": rows}, recipe=run.recipe.fitted_to(count))
    )
    epochs = f"best epoch {record.best_epoch} of {record.epochs}, {record.seconds_per_epoch} s each"
    print(f"{run.output.name}: {epochs}", file=sys.stderr, flush=True)
    return record.test


def untrained(dataset: HighlightDataset) -> dict[str, float]:
    """Those of the embedded model as it is."""
    model = open_model(DEFAULT_MODEL)
    rows = dataset.rows("test", model.config.modalities, **log_mel_settings(model.config))
    return measure(scores_of(model, rows), rows)


def cells(found: Sequence[dict[str, float]]) -> list[str]:
    """One for each metric: the mean over seeds, and its spread."""
    return measured([{name: one[name] for name in METRICS} for one in found])


def measure_domain(
    domain: str, dataset: HighlightDataset, options: argparse.Namespace, folder: Path
) -> Iterator[tuple[str, list[str]]]:
    """A row of the table for each number of clips: its name, and its cells."""
    before, overrides = cells([untrained(dataset)]), {"num_workers": 0}
    if options.epochs is not None:
        overrides["epochs"] = options.epochs
    for count in options.clips:
        row = [*before]
        for name, way in WAYS.items():
            found = []
            for seed in range(options.seeds):
                output = folder / f"{domain}, {count} clips, {name}, seed {seed}"
                run = way(dataset, {**overrides, "seed": seed}, output)
                found.append(trained_on(count, run, dataset))
            row += cells(found)
        yield f"{domain}, {count}", row


def measure_all(options: argparse.Namespace) -> None:
    """Print the table as far as it goes after each row."""
    library, rows = Library.open(options.sounds), {}
    columns = [f"{way}, {METRIC_COLUMNS[name][0]}" for way in ("untrained", *WAYS) for name in METRICS]
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        for domain in options.domains:
            dataset = build_domain(library, domain, max(options.clips), folder / domain)
            for name, row in measure_domain(domain, dataset, options, folder):
                rows[name] = row
                print(markdown(["domain, clips", *columns], rows), flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 measured, 1 the library is not as needed, 2 wrong usage."""
    parser = argparse.ArgumentParser(
        prog="domains.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sounds", type=Path, required=True, metavar="DIR", help="a library of recordings")
    parser.add_argument("--domains", nargs="+", choices=DOMAINS, default=list(DOMAINS), help="which of them")
    parser.add_argument(
        "--clips", type=int, nargs="+", default=[5, 10, 100], metavar="N", help="clips to train on"
    )
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="trainings of each kind")
    parser.add_argument("--epochs", type=int, metavar="N", help="of a training, instead of the recipes'")
    options = parser.parse_args(arguments)
    return run_command(lambda: measure_all(options), parser.prog)


if __name__ == "__main__":
    sys.exit(main())
