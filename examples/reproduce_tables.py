"""Train and score what Table 1, 2 or 3 of the paper compares, and print ours beside the paper's figures.

    python examples/reproduce_tables.py --table 2 --dataset DIR --seeds 5
    python examples/reproduce_tables.py --table 3 --quick

Every training is a folder of --output; started again, the command goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from accelerate import PartialState
from huggingface_hub.errors import StrictDataclassError
from transformers import logging

if __package__ in (None, ""):  # from examples/, "evaluate" would be the script beside this one
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from examples.evaluate import evaluate_rules, rule_rows
from examples.highlight_data import read_dataset
from examples.recipe import add_recipe_options
from examples.runs import make_runs, write_json
from examples.tables import COLUMNS, markdown, measured
from examples.train import train

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
RULES = ("random", "centre", "position profile", "loudness")
# What --quick is content with, and the dataset that it generates.
QUICK = {"epochs": 4, "batch_size": 4, "warmup_steps": 4, "learning_rate": 1e-3}
QUICK_VIDEOS, QUICK_SECONDS, QUICK_SEEDS = 18, 20, 2


@dataclass(frozen=True)
class Row:
    """A row of a table: what is trained, or None where this project does not build the model."""

    name: str
    config: Path | None
    ablation: Path | None = None


def table_rows(table: str, preset: str) -> list[Row]:
    """What a table compares, for the paper's preset of a dataset, or for davihd-base."""
    if table != "1":
        names = {
            name: f"table{table}-{name.replace(' + ', '-').replace(', ', '-')}" for name in ABLATIONS[table]
        }
        folder = CONFIGURATION / "ablations"
        return [Row(name, CONFIGURATION / preset, folder / f"{file}.json") for name, file in names.items()]
    baselines = [Row(name, None) for name in json.loads(PAPER.read_text())["1"] if name != "DAViHD"]
    slow = CONFIGURATION / "ablations" / "one-frame-a-second.json"
    base = [
        Row("DAViHD, base, 1 log-Mel frame a second", CONFIGURATION / BASE, slow),
        Row("DAViHD, base", CONFIGURATION / BASE),
    ]
    if preset == BASE:
        return [*baselines, *base]
    paper = [
        Row("DAViHD", CONFIGURATION / preset),
        Row("DAViHD, reference", CONFIGURATION / f"{preset}-reference"),
    ]
    return [*baselines, *paper, *base]


def train_row(row: Row, options: argparse.Namespace) -> list[dict[str, float]]:
    """The test metrics of a row's trainings, one for each seed (and the mean over folds, if there are)."""
    folder = options.output / f"table-{options.table}" / row.name.replace(" ", "")
    changed = {"config": row.config, "ablation": row.ablation, "output": folder, "runs": options.seeds}
    runs = argparse.Namespace(**{**vars(options), **changed})
    tests: dict[int, list[dict]] = {}
    for run in make_runs(runs):
        tests.setdefault(run.recipe.seed, []).append(train(run, resume=True)["test"])
    return [
        {metric: float(np.mean([fold[metric] for fold in folds])) for metric in COLUMNS}
        for folds in tests.values()
    ]


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
    """The table as Markdown; a row without results is one that this project does not train."""
    rows = {}
    for name, runs in results.items():
        ours = measured(runs) if runs else ["—"] * len(COLUMNS)
        rows[name] = [*ours, *paper_cells(table, name)]
    sources = ["ours", *(f"paper, {dataset}," for dataset in paper_datasets(table))]
    return markdown([f"Table {table}"], rows, sources=sources)


def caption(options: argparse.Namespace, extraction: dict, preset: str) -> str:
    generated = (
        " The data is generated: it shows that the code works, not which model is better." * options.quick
    )
    selection = {
        "validation": "Epochs were chosen on validation videos.",
        "test": "Epochs were chosen on the test videos, as in the paper's released code, which flatters.",
    }
    videos = ", ".join(f"{part['videos']} {split}" for split, part in extraction["splits"].items())
    return (
        f"Ours: {preset} on {options.dataset} ({videos} videos; visual features: "
        f"{extraction['visual_backbone']}, semantic: {extraction['semantic_backbone']}), mean ± standard "
        f"deviation over {options.seeds} seeds. {selection[options.selection]}{generated} The paper's "
        "figures are the paper's, on its datasets and features."
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
    return PartialState(cpu=not torch.accelerator.is_available())


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="reproduce_tables.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", choices=("1", "2", "3"), required=True, help="which table of the paper")
    parser.add_argument("--seeds", type=int, metavar="N", help="trainings of each row (default 5)")
    parser.add_argument(
        "--folds", action="store_true", help="cross-validate over the dataset's folds (TVSum)"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("build/tables"), metavar="DIR", help="for the trainings"
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


def reproduce(options: argparse.Namespace) -> tuple[dict, str]:
    """The metrics of every run by row, and the table in Markdown."""
    set_defaults(options)
    dataset = Path(options.dataset)
    _, extraction = read_dataset(dataset)
    preset = BASE if options.quick else PRESETS.get(extraction["visual_dim"], BASE)
    found = evaluate_rules(rule_rows(dataset, "test"), rule_rows(dataset, "train"))
    results = {name: [found[name]] for name in RULES if name in found}
    for row in table_rows(options.table, preset):
        results[row.name] = train_row(row, options) if row.config else []
    return results, f"{render(options.table, results)}\n\n{caption(options, extraction, preset)}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 the table is printed, 1 something is not as needed, 2 wrong usage."""
    options = parse_arguments(arguments)
    logging.disable_progress_bar()
    try:
        results, text = reproduce(options)
        if processes().is_main_process:
            write_json(options.output / f"table-{options.table}.json", results)
            print(text)
    except KeyboardInterrupt:
        print("reproduce_tables.py: interrupted; the same command goes on", file=sys.stderr)
        return 130
    except (ValueError, OSError, StrictDataclassError) as error:
        print(f"reproduce_tables.py: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
