"""Train and score what Table 1, 2 or 3 of the paper compares, and print ours beside the paper's figures.

    python examples/reproduce_tables.py --table 2 --dataset DIR --seeds 5
    python examples/reproduce_tables.py --table 1 2 3 --quick --report docs/results.md
    python examples/reproduce_tables.py --table benchmark --datasets DIR DIR

The benchmark is a leaderboard for each dataset and protocol, with what each model costs. Every training is a
folder of --output, shared by the rows that are the same network; started again, the command goes on where it
was.
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
from examples.training.leaderboard import EXPLAINED, leaderboard, test_of
from examples.training.machine import processes
from examples.training.recipe import add_recipe_options, given_fields
from examples.training.record import Record
from examples.training.runs import Run, make_runs, read_ablation
from examples.training.scoring import PROTOCOL
from examples.training.tables import METRIC_COLUMNS, cost_cells, headings, markdown, measured
from modeling_davihd import __version__
from modeling_davihd.files import write_json, write_text
from modeling_davihd.metrics.highlight_detection import PROTOCOLS
from modeling_davihd.streams_davihd import feature_streams

ROOT = Path(__file__).resolve().parent.parent
CONFIGURATION = ROOT / "configuration"
PAPER = Path(__file__).with_name("paper_tables.json")
# The paper's preset for a dataset whose visual features are that wide.
PRESETS = {1024: "davihd-mrhisum", 512: "davihd-tvsum"}
BASE = "davihd-base"
BENCHMARK = "benchmark"
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
TRIPLESUMM = "TripleSumm"  # published after the paper
RULES = ("random", "centre", "position profile", "loudness")
COSTS = {"parameters": "parameters", "seconds_per_epoch": "s/epoch", "seconds_per_video": "s/video"}
GENERATED_DATA = (
    "The data is generated: what stands out was put there by a program, in kinds of sound that differ "
    "between training and test. It shows that the code works and what these networks learn from such films, "
    "not which is better on recorded ones."
)
WITHOUT_TEXT = " TripleSumm has no text here, and zeros in its place, as published."
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


def table_rows(table: str, preset: str, extraction: Mapping[str, object]) -> list[TableRow]:
    """What a table compares, for the paper's preset of a dataset, or for davihd-base, on features that were
    made as `extraction` says."""
    if table in ("1", BENCHMARK):
        return [*baseline_rows(extraction), *davihd_rows(preset, extraction)]
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


def baseline_rows(extraction: Mapping[str, object]) -> list[TableRow]:
    """The paper's, and TripleSumm on what there is of its streams."""
    folder = CONFIGURATION / "baselines"
    rows = [TableRow(name, folder / baseline) for name, baseline in NEURAL.items()]
    changes = {"modalities": features_of(extraction)}
    return [*rows, TableRow(TRIPLESUMM, folder / "triplesumm", changes)]


def features_of(extraction: Mapping[str, object]) -> list[str]:
    """The streams of features that a dataset has."""
    return [stream.name for stream in feature_streams() if extraction.get(stream.dim_field) is not None]


def missing_of(row: TableRow, extraction: Mapping[str, object]) -> list[str]:
    """The columns that a row's network reads and a dataset does not have."""
    config, there = AutoConfig.from_pretrained(row.config, **row.changes), features_of(extraction)
    return [
        stream.column
        for stream in config.streams
        if not (extraction["log_mel_rate"] if stream.spectrogram else stream.name in there)
    ]


def davihd_rows(preset: str, extraction: Mapping[str, object]) -> list[TableRow]:
    """Ours; where there is no log-Mel, what is left of them as well."""
    base = CONFIGURATION / BASE
    rows = [
        TableRow(f"DAViHD, base, {SLOW}", base, ablation("one-frame-a-second")),
        TableRow("DAViHD, base", base),
        TableRow("DAViHD, plus", CONFIGURATION / "davihd-plus"),
    ]
    if not extraction["log_mel_rate"]:
        left = {"modalities": features_of(extraction)}
        rows.append(TableRow("DAViHD, base, no dynamics", base, left))
    if preset == BASE:
        return rows
    reference = CONFIGURATION / f"{preset}-reference"
    return [TableRow("DAViHD", CONFIGURATION / preset), TableRow("DAViHD, reference", reference), *rows]


def trained_row(
    row: TableRow, output: Path, overrides: Mapping[str, object], *, seeds: int, folds: bool
) -> list[list[tuple[Run, Record]]]:
    """A row's trainings and their records, for each seed those of all folds, if there are.

    overrides: fields of the recipe that replace those of the row's configuration.
    """
    network = json.dumps([row.config.name, fields_of(row)], sort_keys=True)
    folder = output / f"{row.config.name}-{hashlib.sha256(network.encode()).hexdigest()[:8]}"
    trained: dict[int, list[tuple[Run, Record]]] = {}
    for run in make_runs(row.config, folder, overrides, changes=row.changes, runs=seeds, folds=folds):
        trained.setdefault(run.recipe.seed, []).append((run, train(run, resume=True)))
    return list(trained.values())


def results_of(trained: Sequence[Sequence[tuple[Run, Record]]]) -> list[dict[str, float]]:
    """Test metrics and costs of a row's trainings, one for each seed: the mean over folds, if there are."""
    return [
        {metric: float(np.mean([record.test[metric] for _, record in parts])) for metric in METRIC_COLUMNS}
        | {cost: float(np.mean([getattr(record, cost) for _, record in parts])) for cost in COSTS}
        for parts in trained
    ]


def boards_of(trained: Sequence[Sequence[tuple[Run, Record]]]) -> dict[str, list[dict[str, float]]]:
    """The same by protocol, with what the leaderboard counts besides."""
    boards: dict[str, list[dict[str, float]]] = {protocol: [] for protocol in PROTOCOLS}
    for parts in trained:
        tests = [test_of(run, record) for run, record in parts]
        for protocol, board in boards.items():
            found = [test[protocol] for test in tests]
            board.append({name: float(np.mean([one[name] for one in found])) for name in found[0]})
    return boards


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


def render(table: str, results: Mapping[str, list[dict]], unmeasured: Mapping[str, str]) -> str:
    """The table as Markdown; `unmeasured` says of rows without results what they would have needed."""
    rows = {}
    for name, runs in results.items():
        ours = measured(runs) if runs else [unmeasured[name], *["—"] * (len(METRIC_COLUMNS) - 1)]
        cells = [*ours, *paper_cells(table, name)]
        rows[name] = [*cells, *cost_cells(runs, COSTS)] if table == "1" else cells
    columns = headings("ours")
    for dataset in paper_datasets(table):
        columns += headings(f"paper, {dataset},")
    return markdown([f"Table {table}", *columns, *(COSTS.values() if table == "1" else [])], rows)


def caption(dataset: HighlightDataset, preset: str, seeds: int, selection: str, protocol: str) -> str:
    """What a table's figures are of."""
    chosen = {
        "validation": "Epochs were chosen on validation videos.",
        "test": "Epochs were chosen on the test videos, as in the paper's released code, which flatters.",
    }
    extraction = dataset.extraction
    videos = ", ".join(f"{part['videos']} {split}" for split, part in extraction["splits"].items())
    made = f"visual features: {extraction['visual_backbone']}, semantic: {extraction['semantic_backbone']}"
    text = (
        f"Ours: {preset} on {dataset.source} ({videos} videos; {made}), mean ± standard "
        f"deviation over {seeds} seeds, by the protocol {protocol} of the metric. "
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
        "--table",
        choices=("1", "2", "3", BENCHMARK),
        nargs="+",
        required=True,
        help="which tables of the paper; or a leaderboard of all that Table 1 compares",
    )
    parser.add_argument(
        "--datasets", nargs="+", metavar="D", help=f"for {BENCHMARK}: several, instead of --dataset"
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
    if options.datasets and options.table != [BENCHMARK]:
        parser.error(f"--datasets is for --table {BENCHMARK} alone; the others take one --dataset")
    if not options.quick and (options.datasets or getattr(options, "dataset", None)) is None:
        parser.error("--dataset is needed, a folder made by datasets_scripts/ or a Hub id; or --quick")
    return options


@dataclass(frozen=True)
class Comparison:
    """How rows are trained and measured on a dataset.

    overrides: fields of the recipe, the dataset among them. output: a folder for the trainings.
    """

    dataset: HighlightDataset
    output: Path
    overrides: Mapping[str, object]
    seeds: int
    folds: bool = False
    quick: bool = False

    @property
    def preset(self) -> str:
        """The paper's for these features, or davihd-base; that whatever they are if it has to be quick."""
        extraction = self.dataset.extraction
        return BASE if self.quick else PRESETS.get(extraction.get("visual_dim"), BASE)

    def rows(self, table: str) -> tuple[dict[str, list], dict[str, str]]:
        """By the names of a table's rows their trainings, none of those that lack an input, and of these what
        they need."""
        extraction, trained, unmeasured = self.dataset.extraction, {}, {}
        for row in table_rows(table, self.preset, extraction):
            if missing := missing_of(row, extraction):
                trained[row.name], unmeasured[row.name] = [], f"needs {' and '.join(missing)}"
            else:
                options = {"seeds": self.seeds, "folds": self.folds}
                trained[row.name] = trained_row(row, self.output, self.overrides, **options)
        return trained, unmeasured

    def rules(self, protocol: str) -> tuple[dict[str, list[dict]], dict[str, str]]:
        """Results of the rules by their names, none of those that lack something, and of these what."""
        found = rule_metrics(self.dataset, "test", protocol)
        needs = {"loudness": "needs log_mel", "position profile": "needs stored training videos"}
        results = {name: [found[name]] if name in found else [] for name in RULES}
        return results, {name: needs[name] for name in RULES if name not in found}

    def table(self, table: str) -> tuple[dict[str, list[dict]], str]:
        """A table of the paper: results by row, and the text of it."""
        results, unmeasured = self.rules(PROTOCOL)
        trained, lacking = self.rows(table)
        results |= {name: results_of(runs) for name, runs in trained.items()}
        return results, f"{render(table, results, unmeasured | lacking)}\n\n{self.note(table, PROTOCOL)}"

    def boards(self) -> tuple[dict[str, dict[str, list[dict]]], list[str]]:
        """The leaderboards: results by protocol and row, and the texts of them."""
        results, texts = {}, []
        trained, lacking = self.rows(BENCHMARK)
        boards = {name: boards_of(runs) for name, runs in trained.items() if runs}
        for protocol in PROTOCOLS:
            rules, unmeasured = self.rules(protocol)
            found = {name: runs for name, runs in rules.items() if runs}
            found |= {name: board[protocol] for name, board in boards.items()}
            results[protocol] = found
            board = leaderboard(found, unmeasured | lacking, protocol)
            texts.append(f"{board}\n\n{EXPLAINED} {self.note(BENCHMARK, protocol)}")
        return results, texts

    def note(self, table: str, protocol: str) -> str:
        """What stands below a table."""
        text = caption(self.dataset, self.preset, self.seeds, str(self.overrides["selection"]), protocol)
        if table not in ("1", BENCHMARK):
            return text
        without_text = WITHOUT_TEXT if "text" not in features_of(self.dataset.extraction) else ""
        return text + RANDOM_CSTA + without_text


def reproduce(
    tables: Sequence[str],
    output: Path,
    overrides: Mapping[str, object],
    *,
    seeds: int,
    folds: bool = False,
    quick: bool = False,
    datasets: Sequence[str] | None = None,
) -> tuple[HighlightDataset, list[str]]:
    """Train what is missing, and return the dataset and each table as text; metrics go to `output`.

    overrides: fields of the recipe, the dataset's folder among them; without one, a dataset is generated in
    `output`. quick: with davihd-base, whatever the dataset. datasets: several, for the leaderboards; the
    first is returned.
    """
    overrides = {"selection": "validation", **overrides}  # for all rows, whatever their presets say
    if datasets is None and overrides.get("dataset") is None:
        overrides["dataset"] = str(output / "data")
        with processes().main_process_first():
            generate_dataset(output / "data")
    sources = datasets or [overrides["dataset"]]
    opened = [read_dataset(source, bool(overrides.get("streaming"))) for source in sources]
    results, texts = {}, []
    for number, dataset in enumerate(opened):
        folder = output if len(opened) == 1 else output / f"{number}-{dataset.name.replace('/', '--')}"
        given = {**overrides, "dataset": sources[number]}
        comparison = Comparison(dataset, folder, given, seeds, folds, quick)
        for table in tables:
            if table == BENCHMARK:
                results[f"{BENCHMARK} {dataset.source}"], boards = comparison.boards()
                texts += boards
            else:
                results[table], text = comparison.table(table)
                texts.append(text)
    if processes().is_main_process:
        write_json(output / "results.json", results)
    return opened[0], texts


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 the tables are printed, 1 something is not as needed, 2 wrong usage."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parse_arguments(arguments)
    overrides = (QUICK if options.quick else {}) | given_fields(options)
    seeds = options.seeds or (QUICK_SEEDS if options.quick else 5)

    def command():
        chosen = {"folds": options.folds, "quick": options.quick, "datasets": options.datasets}
        dataset, texts = reproduce(options.table, options.output, overrides, seeds=seeds, **chosen)
        if processes().is_main_process:
            print("\n\n".join(texts))
            if options.report:
                write_text(options.report, report(texts, dataset.extraction, arguments) + "\n")

    logging.disable_progress_bar()
    return run_command(command, "reproduce_tables.py", "interrupted; the same command goes on")


if __name__ == "__main__":
    sys.exit(main())
