"""Train and score what Table 1, 2 or 3 of the paper compares, and print ours beside the paper's figures.

    python examples/reproduce_tables.py --table 2 --dataset DIR --seeds 5
    python examples/reproduce_tables.py --table 1 2 3 --quick --report docs/results.md

Every training is a folder of --output, shared by the rows that are the same network; started again, the
command goes on where it was.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import numpy as np
from transformers import AutoConfig, logging

if __package__ in (None, ""):  # from examples/, "evaluate" would be the script beside this one
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from datasets_scripts.building.console import run_command
from datasets_scripts.synthetic import build_synthetic
from examples.evaluate import rule_metrics
from examples.train import train
from examples.training.data import HighlightDataset, read_dataset
from examples.training.machine import processes
from examples.training.recipe import add_recipe_options, given_fields
from examples.training.record import Record
from examples.training.runs import make_runs, read_ablation
from examples.training.scoring import PROTOCOL
from examples.training.tables import METRIC_COLUMNS, headings, markdown, measured
from modeling_davihd import __version__
from modeling_davihd.files import write_json, write_text

ROOT = Path(__file__).resolve().parent.parent
CONFIGURATION = ROOT / "configuration"
PAPER = Path(__file__).with_name("paper_tables.json")
# The paper's preset for a dataset whose visual features are that wide.
PRESETS = {1024: "davihd-mrhisum", 512: "davihd-tvsum"}
BASE = "davihd-base"
ABLATIONS = {
    "2": (
        *("visual", "semantic", "dynamics", "visual + semantic", "semantic + dynamics", "visual + dynamics"),
        "visual + semantic + dynamics",
    ),
    "3": ("late, concat", "late, multiply", "early, concat", "early, multiply"),
}
# Not in the paper: the same network with one log-Mel frame a second, as in the released code.
SLOW = "1 log-Mel frame a second"
NEURAL = {"PGL-SUM": "pgl-sum", "CSTA": "csta", "Joint-VA": "joint-va", "UMT": "umt"}
RULES = ("random", "centre", "position profile", "loudness")
COSTS = {"parameters": "parameters", "seconds_per_epoch": "s/epoch", "seconds_per_video": "s/video"}
GENERATED_DATA = (
    "The data is generated: what stands out was put there by a program, in kinds of sound that differ "
    "between training and test. It shows that the code works and what these networks learn from such films, "
    "not which is better on recorded ones."
)
RANDOM_CSTA = " CSTA starts from random weights here, not from those of ImageNet."
# The recipe of --quick, and the dataset that it generates.
QUICK = {"epochs": 4, "batch_size": 4, "warmup_steps": 4, "learning_rate": 1e-3}
QUICK_VIDEOS, QUICK_SECONDS, QUICK_SEEDS = 18, 20, 2


@dataclass(frozen=True)
class TableRow:
    """A row of a table: the configuration folder, and the fields of it that differ."""

    name: str
    config: Path
    changes: dict = field(default_factory=dict)


def table_rows(table: str, preset: str) -> list[TableRow]:
    """What a table compares, for the paper's preset of a dataset, or for davihd-base."""
    if table == "1":
        return [*baseline_rows(), *davihd_rows(preset)]
    config = CONFIGURATION / preset
    rows = [
        TableRow(name, config, ablation(f"table{table}-{name.replace(' + ', '-').replace(', ', '-')}"))
        for name in ABLATIONS[table]
    ]
    if table == "2":
        slow = ablation("table2-dynamics") | ablation("one-frame-a-second")
        rows.insert(3, TableRow(f"dynamics, {SLOW}", config, slow))
    return rows


def ablation(name: str) -> dict:
    return read_ablation(CONFIGURATION / "ablations" / f"{name}.json")


def baseline_rows() -> list[TableRow]:
    return [TableRow(name, CONFIGURATION / "baselines" / folder) for name, folder in NEURAL.items()]


def davihd_rows(preset: str) -> list[TableRow]:
    base = CONFIGURATION / BASE
    rows = [
        TableRow(f"DAViHD, base, {SLOW}", base, ablation("one-frame-a-second")),
        TableRow("DAViHD, base", base),
    ]
    if preset == BASE:
        return rows
    reference = CONFIGURATION / f"{preset}-reference"
    return [TableRow("DAViHD", CONFIGURATION / preset), TableRow("DAViHD, reference", reference), *rows]


def train_row(
    row: TableRow, output: Path, overrides: Mapping[str, object], *, seeds: int, folds: bool
) -> list[dict[str, float]]:
    """Test metrics and costs of a row's trainings, one for each seed: the mean over folds, if there are.

    overrides: fields of the recipe that replace those of the row's configuration.
    """
    network = json.dumps([row.config.name, fields_of(row)], sort_keys=True)
    folder = output / f"{row.config.name}-{hashlib.sha256(network.encode()).hexdigest()[:8]}"
    records: dict[int, list[Record]] = {}
    for run in make_runs(row.config, folder, overrides, changes=row.changes, runs=seeds, folds=folds):
        records.setdefault(run.recipe.seed, []).append(train(run, resume=True))
    return [
        {metric: float(np.mean([record.test[metric] for record in parts])) for metric in METRIC_COLUMNS}
        | {cost: float(np.mean([getattr(record, cost) for record in parts])) for cost in COSTS}
        for parts in records.values()
    ]


def fields_of(row: TableRow) -> dict:
    """The fields of a row's configuration that are not the defaults."""
    return AutoConfig.from_pretrained(row.config, **row.changes).to_diff_dict()


def paper_cells(table: str, name: str) -> Iterator[str]:
    """The paper's figures for a row, dataset by dataset; dashes where it has none."""
    figures = json.loads(PAPER.read_text())[table].get(name, {})
    for dataset in paper_datasets(table):
        values = figures.get(dataset)
        for index, (_, _, decimals) in enumerate(METRIC_COLUMNS.values()):
            yield "—" if values is None else f"{values[index]:.{decimals}f}"


def paper_datasets(table: str) -> list[str]:
    return ["Mr.HiSum", "TVSum"] if table == "1" else ["Mr.HiSum"]


def render(table: str, results: dict[str, list[dict]]) -> str:
    """The table as Markdown."""
    rows = {}
    for name, runs in results.items():
        cells = [*measured(runs), *paper_cells(table, name)]
        rows[name] = [*cells, *costs(runs)] if table == "1" else cells
    columns = headings("ours")
    for dataset in paper_datasets(table):
        columns += headings(f"paper, {dataset},")
    return markdown([f"Table {table}", *columns, *(COSTS.values() if table == "1" else [])], rows)


def costs(runs: Sequence[dict]) -> list[str]:
    """Parameters, seconds per epoch and per video as means over trainings; dashes for rules."""
    if COSTS.keys() - runs[0].keys():
        return ["—"] * len(COSTS)
    means = {cost: np.mean([run[cost] for run in runs]) for cost in COSTS}
    return [f"{means['parameters']:,.0f}", *(f"{means[cost]:.3g}" for cost in list(COSTS)[1:])]


def caption(name: str, dataset: HighlightDataset, preset: str, seeds: int, selection: str) -> str:
    """What a table's figures are of: `name` is what the reader knows the dataset by."""
    chosen = {
        "validation": "Epochs were chosen on validation videos.",
        "test": "Epochs were chosen on the test videos, as in the paper's released code, which flatters.",
    }
    extraction = dataset.extraction
    videos = ", ".join(f"{part['videos']} {split}" for split, part in extraction["splits"].items())
    text = (
        f"Ours: {preset} on {name} ({videos} videos; visual features: {extraction['visual_backbone']}, "
        f"semantic: {extraction['semantic_backbone']}), mean ± standard deviation over {seeds} seeds, by the "
        f"protocol {PROTOCOL} of the metric. "
        f"{chosen[selection]} The paper's figures are the paper's, on its datasets and features."
    )
    return f"{text} {GENERATED_DATA}" if dataset.is_generated else text


def report(texts: Sequence[str], extraction: dict, arguments: Sequence[str]) -> str:
    """The tables, with everything that it takes to repeat them."""
    packages = ("torch", "transformers", "datasets", "accelerate", "numpy", "scipy")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in packages)
    return "\n\n".join(
        [
            "# Results",
            "    python examples/reproduce_tables.py " + shlex.join(arguments),
            f"Dataset {extraction['fingerprint'][:16]}, davihd {__version__}, Python "
            f"{platform.python_version()}, {versions}. F1 and mAP in percent.",
            *texts,
        ]
    )


def generate_dataset(folder: Path):
    """The small dataset of --quick, with films; kept if it is there."""
    try:
        made = build_synthetic(folder, videos=QUICK_VIDEOS, duration=QUICK_SECONDS, render=True)
    except ValueError as error:
        raise ValueError(f"The dataset of --quick could not be generated in {folder}: {error}") from error
    print(made, file=sys.stderr)


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="reproduce_tables.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--table", choices=("1", "2", "3"), nargs="+", required=True, help="which tables of the paper"
    )
    parser.add_argument("--seeds", type=int, metavar="N", help="trainings of each row (default 5)")
    parser.add_argument(
        "--folds", action="store_true", help="cross-validate over the dataset's folds (TVSum)"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("build/tables"), metavar="DIR", help="for the trainings"
    )
    parser.add_argument(
        "--report", type=Path, metavar="FILE", help="also write the tables to this Markdown file"
    )
    parser.add_argument(
        "--quick", action="store_true", help="minutes: narrow models, few epochs, a generated dataset"
    )
    add_recipe_options(parser)
    options = parser.parse_args(arguments)
    if options.seeds is not None and options.seeds < 1:
        parser.error(f"--seeds is {options.seeds}; it needs to be at least 1")
    if not options.quick and getattr(options, "dataset", None) is None:
        parser.error("--dataset is needed, a folder made by datasets_scripts/ or a Hub id; or --quick")
    return options


def reproduce(
    tables: Sequence[str],
    output: Path,
    overrides: Mapping[str, object],
    *,
    seeds: int,
    folds: bool = False,
    quick: bool = False,
) -> tuple[HighlightDataset, list[str]]:
    """Train what is missing, and return the dataset and each table as text; metrics go to `output`.

    overrides: fields of the recipe, the dataset's folder among them; without one, a dataset is generated in
    `output`. quick: with davihd-base, whatever the dataset.
    """
    overrides = {"selection": "validation", **overrides}  # for all rows, whatever their presets say
    if overrides.get("dataset") is None:
        overrides["dataset"] = str(output / "data")
        with processes().main_process_first():
            generate_dataset(output / "data")
    dataset = read_dataset(overrides["dataset"], bool(overrides.get("streaming")))
    preset = BASE if quick else PRESETS.get(dataset.extraction["visual_dim"], BASE)
    found = rule_metrics(dataset, "test")
    rules = {name: [found[name]] for name in RULES if name in found}
    text = caption(overrides["dataset"], dataset, preset, seeds, overrides["selection"])
    results, texts = {}, []
    for table in tables:
        rows = table_rows(table, preset)
        trained = {row.name: train_row(row, output, overrides, seeds=seeds, folds=folds) for row in rows}
        results[table] = rules | trained
        texts.append(f"{render(table, results[table])}\n\n{text}{RANDOM_CSTA if table == '1' else ''}")
    if processes().is_main_process:
        write_json(output / "results.json", results)
    return dataset, texts


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 the tables are printed, 1 something is not as needed, 2 wrong usage."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parse_arguments(arguments)
    overrides = (QUICK if options.quick else {}) | given_fields(options)
    seeds = options.seeds or (QUICK_SEEDS if options.quick else 5)

    def command():
        dataset, texts = reproduce(
            *(options.table, options.output, overrides), seeds=seeds, folds=options.folds, quick=options.quick
        )
        if processes().is_main_process:
            print("\n\n".join(texts))
            if options.report:
                write_text(options.report, report(texts, dataset.extraction, arguments) + "\n")

    logging.disable_progress_bar()
    return run_command(command, "reproduce_tables.py", "interrupted; the same command goes on")


if __name__ == "__main__":
    sys.exit(main())
