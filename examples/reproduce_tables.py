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
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import numpy as np
from accelerate import PartialState
from transformers import AutoConfig, logging

if __package__ in (None, ""):  # from examples/, "evaluate" would be the script beside this one
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from examples.evaluate import rule_metrics
from examples.train import train
from examples.training.console import run_command
from examples.training.data import read_dataset
from examples.training.recipe import add_recipe_options
from examples.training.runs import make_runs, on_cpu, read_ablation
from examples.training.tables import COLUMNS, headings, markdown, measured
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
# Rows that the paper has not: the same network, given one log-Mel frame a second as the released code does.
SLOW = "1 log-Mel frame a second"
NEURAL = {"PGL-SUM": "pgl-sum", "CSTA": "csta", "Joint-VA": "joint-va", "UMT": "umt"}
RULES = ("random", "centre", "position profile", "loudness")
COSTS = {"parameters": "parameters", "seconds_per_epoch": "s/epoch", "seconds_per_video": "s/video"}
GENERATED = (
    "The data is generated: what stands out was put there by a program, in kinds of sound that differ "
    "between training and test. It shows that the code works and what these networks learn from such films, "
    "not which is better on recorded ones."
)
UNTRAINED = " CSTA starts from random weights here, not from those of ImageNet."
# What --quick is content with, and the dataset that it generates.
QUICK = {"epochs": 4, "batch_size": 4, "warmup_steps": 4, "learning_rate": 1e-3}
QUICK_VIDEOS, QUICK_SECONDS, QUICK_SEEDS = 18, 20, 2


@dataclass(frozen=True)
class Row:
    """A row of a table: the configuration folder, and the fields of it that differ."""

    name: str
    config: Path
    changes: dict = field(default_factory=dict)


def table_rows(table: str, preset: str) -> list[Row]:
    """What a table compares, for the paper's preset of a dataset, or for davihd-base."""
    if table == "1":
        return [*baseline_rows(), *davihd_rows(preset)]
    config = CONFIGURATION / preset
    rows = [
        Row(name, config, ablation(f"table{table}-{name.replace(' + ', '-').replace(', ', '-')}"))
        for name in ABLATIONS[table]
    ]
    if table == "2":
        slow = ablation("table2-dynamics") | ablation("one-frame-a-second")
        rows.insert(3, Row(f"dynamics, {SLOW}", config, slow))
    return rows


def ablation(name: str) -> dict:
    return read_ablation(CONFIGURATION / "ablations" / f"{name}.json")


def baseline_rows() -> list[Row]:
    return [Row(name, CONFIGURATION / "baselines" / folder) for name, folder in NEURAL.items()]


def davihd_rows(preset: str) -> list[Row]:
    base = CONFIGURATION / BASE
    rows = [Row(f"DAViHD, base, {SLOW}", base, ablation("one-frame-a-second")), Row("DAViHD, base", base)]
    if preset == BASE:
        return rows
    reference = CONFIGURATION / f"{preset}-reference"
    return [Row("DAViHD", CONFIGURATION / preset), Row("DAViHD, reference", reference), *rows]


def train_row(row: Row, options: argparse.Namespace) -> list[dict[str, float]]:
    """Test metrics and costs of a row's trainings, one for each seed: the mean over folds, if there are."""
    network = json.dumps([row.config.name, fields_of(row)], sort_keys=True)
    folder = options.output / f"{row.config.name}-{hashlib.sha256(network.encode()).hexdigest()[:8]}"
    wanted = {"config": row.config, "changes": row.changes, "output": folder, "runs": options.seeds}
    records: dict[int, list[dict]] = {}
    for run in make_runs(argparse.Namespace(**{**vars(options), **wanted})):
        records.setdefault(run.recipe.seed, []).append(train(run, resume=True))
    return [
        {metric: float(np.mean([fold["test"][metric] for fold in folds])) for metric in COLUMNS}
        | {cost: float(np.mean([fold[cost] for fold in folds])) for cost in COSTS}
        for folds in records.values()
    ]


def fields_of(row: Row) -> dict:
    """The configuration of a row, all fields that are not the defaults."""
    return AutoConfig.from_pretrained(row.config, **row.changes).to_diff_dict()


def paper_cells(table: str, name: str) -> Iterator[str]:
    """The paper's figures of a row, dataset by dataset; dashes where it has none."""
    figures = json.loads(PAPER.read_text())[table].get(name, {})
    for dataset in paper_datasets(table):
        values = figures.get(dataset)
        for index, (_, _, decimals) in enumerate(COLUMNS.values()):
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
    """Parameters, seconds an epoch and seconds a video, means over trainings; dashes for rules."""
    if COSTS.keys() - runs[0].keys():
        return ["—"] * len(COSTS)
    means = {cost: np.mean([run[cost] for run in runs]) for cost in COSTS}
    return [f"{means['parameters']:,.0f}", *(f"{means[cost]:.3g}" for cost in list(COSTS)[1:])]


def caption(options: argparse.Namespace, extraction: dict, preset: str, generated: bool) -> str:
    selection = {
        "validation": "Epochs were chosen on validation videos.",
        "test": "Epochs were chosen on the test videos, as in the paper's released code, which flatters.",
    }
    videos = ", ".join(f"{part['videos']} {split}" for split, part in extraction["splits"].items())
    text = (
        f"Ours: {preset} on {options.dataset} ({videos} videos; visual features: "
        f"{extraction['visual_backbone']}, semantic: {extraction['semantic_backbone']}), mean ± standard "
        f"deviation over {options.seeds} seeds. {selection[options.selection]} The paper's figures are the "
        "paper's, on its datasets and features."
    )
    return f"{text} {GENERATED}" if generated else text


def report(texts: Sequence[str], extraction: dict, arguments: Sequence[str]) -> str:
    """The tables with all that repeating them takes."""
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
    script = ROOT / "datasets_scripts" / "synthetic.py"
    size = ["--videos", str(QUICK_VIDEOS), "--duration", str(QUICK_SECONDS), "--render"]
    command = [sys.executable, str(script), "--out", str(folder), *size]
    if subprocess.run(command, stdout=sys.stderr).returncode:
        raise ValueError(f"The dataset of --quick could not be generated in {folder}.")


def processes() -> PartialState:
    """Those that `accelerate launch` started."""
    return PartialState(cpu=on_cpu())


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
        parser.error("--dataset is needed, a folder made by datasets_scripts/; or --quick")
    return options


def set_defaults(options: argparse.Namespace):
    """What was not given: the number of seeds, and with --quick everything that makes it so."""
    options.seeds = options.seeds or (QUICK_SEEDS if options.quick else 5)
    options.selection = getattr(options, "selection", "validation")
    if not options.quick:
        return
    for name, value in QUICK.items():
        setattr(options, name, getattr(options, name, value))
    if getattr(options, "dataset", None) is None:
        options.dataset = str(options.output / "data")
        with processes().main_process_first():
            generate_dataset(Path(options.dataset))


def reproduce(options: argparse.Namespace, arguments: Sequence[str]):
    """Train what is missing, print the tables, and write them and the metrics of every run."""
    set_defaults(options)
    dataset = read_dataset(Path(options.dataset))
    extraction = dataset.extraction
    preset = BASE if options.quick else PRESETS.get(extraction["visual_dim"], BASE)
    found = rule_metrics(dataset, "test")
    rules = {name: [found[name]] for name in RULES if name in found}
    text = caption(options, extraction, preset, dataset.is_generated)
    results, texts = {}, []
    for table in options.table:
        results[table] = rules | {row.name: train_row(row, options) for row in table_rows(table, preset)}
        texts.append(f"{render(table, results[table])}\n\n{text}{UNTRAINED if table == '1' else ''}")
    if processes().is_main_process:
        write_json(options.output / "results.json", results)
        print("\n\n".join(texts))
        if options.report:
            write_text(options.report, report(texts, extraction, arguments) + "\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 the tables are printed, 1 something is not as needed, 2 wrong usage."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parse_arguments(arguments)
    logging.disable_progress_bar()
    interrupted = "interrupted; the same command goes on"
    return run_command(lambda: reproduce(options, arguments), "reproduce_tables.py", interrupted)


if __name__ == "__main__":
    sys.exit(main())
