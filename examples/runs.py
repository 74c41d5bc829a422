"""What examples/train.py trains: a configuration, fitted to a dataset, on the videos of a split or fold."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from datasets import Dataset, concatenate_datasets
from huggingface_hub import DatasetCard
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig, PreTrainedConfig

from examples.highlight_data import FULL_RATE, HighlightRows, SyntheticClips, read_dataset, split_folds
from examples.recipe import SYNTHETIC, Recipe, recipe_of
from modeling_davihd import DAViHDConfig, DAViHDFeatureExtractor
from modeling_davihd.pipeline_davihd import feature_extractor_for

WEIGHTLESS = "statistics"
FOLDS = 5
# Far apart, so that no soundtrack is used twice: training counts up from seed * 1e8.
FIRST_SEEDS = {"validation": 800_000_000, "test": 900_000_000}
TEST_CLIPS = 200
Rows = HighlightRows | SyntheticClips


@dataclass(frozen=True)
class Run:
    """One training: what is trained, on what, how, and the folder it is written to."""

    config: PreTrainedConfig
    extractor: DAViHDFeatureExtractor
    recipe: Recipe
    rows: dict[str, Rows]
    output: Path
    facts: dict = field(default_factory=dict)

    def identity(self) -> dict:
        """What a resumed run must share with the one that was killed."""
        recipe = dataclasses.asdict(self.recipe)
        for name in ("dataset", "patience", "save_every", "num_workers"):
            recipe.pop(name)
        if self.recipe.schedule != "cosine":  # whose rates depend on the last epoch
            recipe.pop("epochs")
        videos = {split: len(rows) for split, rows in self.rows.items()}
        config = self.config.to_diff_dict()
        config.pop("transformers_version", None)
        identity = {**self.facts, "config": config, "recipe": recipe, "videos": videos}
        return json.loads(json.dumps(identity))


def write_json(path: Path, content: object):
    write_text(path, json.dumps(content, indent=1) + "\n")


def write_text(path: Path, text: str):
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.partial")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def sentence(error: Exception) -> str:
    """What an error says, in one line; of a wrong configuration, what is wrong with it."""
    cause = error.__cause__ if isinstance(error, StrictDataclassError) and error.__cause__ else error
    return " ".join(str(cause).split())


def add_run_options(parser: argparse.ArgumentParser):
    parser.add_argument(
        "--config", type=Path, required=True, metavar="DIR", help="folder with config.json and training.yaml"
    )
    parser.add_argument(
        "--ablation",
        dest="changes",
        type=read_ablation,
        default={},
        metavar="FILE",
        help="JSON of the fields of config.json that differ",
    )


def make_runs(options: argparse.Namespace) -> Iterator[Run]:
    """What the command line asks for: one training, or one for each seed and fold.

    Raises ValueError, in one sentence, if configuration, recipe and dataset do not fit.
    """
    recipe = recipe_of(options.config, options)
    if recipe.dataset is None:
        raise ValueError(f"{options.config}/training.yaml names no dataset; --dataset is needed.")
    source = SyntheticSource if recipe.dataset == SYNTHETIC else DatasetSource
    source = source(options.config, options.changes, recipe)
    for number in range(options.runs):
        one = dataclasses.replace(recipe, seed=recipe.seed + number)
        output = options.output / f"run-{number}" if options.runs > 1 else options.output
        for fold in range(FOLDS) if options.folds else [None]:
            folder = output if fold is None else output / f"fold-{fold}"
            yield source.run(one, folder, number, fold)


def read_ablation(path: str | Path) -> dict:
    """The fields of a configuration that an ablation changes."""
    try:
        changes = json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{path} is not a readable JSON file: {error}") from error
    if not isinstance(changes, dict) or not set(changes) <= set(DAViHDConfig.__annotations__):
        raise argparse.ArgumentTypeError(f"{path} needs to hold an object of fields of DAViHDConfig.")
    return changes


class SyntheticSource:
    """Soundtracks generated as they are needed; the model listens only."""

    def __init__(self, folder: Path, changes: dict, recipe: Recipe):
        self._config = DAViHDConfig.from_pretrained(folder, **changes)
        self._extractor = DAViHDFeatureExtractor.from_pretrained(folder)
        if list(self._config.modalities) != ["dynamics"]:
            raise ValueError(
                f"{folder}/config.json has the modalities {list(self._config.modalities)}; generated "
                "soundtracks train 'dynamics' alone."
            )
        self._clips = {"validation": recipe.validation_clips, "test": TEST_CLIPS}

    def run(self, recipe: Recipe, output: Path, number: int, fold: int | None) -> Run:
        if fold is not None:
            raise ValueError("Generated soundtracks have no folds; --folds needs a dataset that has.")
        rows = {
            split: SyntheticClips(self._extractor, split, clips, FIRST_SEEDS[split])
            for split, clips in self._clips.items()
        }
        facts = {"dataset": SYNTHETIC, "selection": "validation", "generated": True}
        return Run(self._config, self._extractor, recipe, rows, output, facts)


class DatasetSource:
    """The videos of a dataset folder, by its splits or by its folds."""

    def __init__(self, folder: Path, changes: dict, recipe: Recipe):
        self._folder = Path(recipe.dataset)
        self._splits, self._extraction = read_dataset(self._folder)
        self._config = fit_config(folder, changes, self._extraction)
        self._extractor = feature_extractor_for(
            self._extraction["visual_backbone"],
            log_mel_rate=log_mel_rate(self._config),
        )

    def run(self, recipe: Recipe, output: Path, number: int, fold: int | None) -> Run:
        parts = dict(self._splits) if fold is None else self._fold(recipe, number, fold)
        if recipe.selection == "test" and fold is None:
            parts["validation"] = parts.get("test")
        for split in ("train", "validation"):
            if parts.get(split) is None:
                raise ValueError(f"{self._folder} has no {split} split; training needs train and validation.")
        rows = {split: self._rows(part, split) for split, part in parts.items()}
        facts = {
            "dataset": self._folder.absolute().name,
            "dataset_fingerprint": self._extraction["fingerprint"],
            "selection": recipe.selection,
            "dataset_license": DatasetCard.load(self._folder / "README.md").data.license,
            "extraction": {
                name: value
                for name, value in self._extraction.items()
                if name.endswith(("_backbone", "_dim")) or name == "source"
            },
            "generated": is_generated(self._folder),
            "fold": fold,
        }
        return Run(self._config, self._extractor, recipe, rows, output, facts)

    def _rows(self, part: Dataset, split: str) -> HighlightRows:
        config, stored_rate = self._config, self._extraction["log_mel_rate"]
        name = f"{self._folder}, split {split}"
        return HighlightRows(part, config.modalities, log_mel_rate(config), stored_rate, name)

    def _fold(self, recipe: Recipe, number: int, fold: int) -> dict[str, Dataset]:
        everything = concatenate_datasets([self._splits[name] for name in sorted(self._splits)])
        if "folds" not in everything.column_names:
            raise ValueError(f"{self._folder} has no column 'folds'; --folds needs a dataset that has.")
        folds = np.array(everything["folds"][:])
        if number >= folds.shape[1]:
            raise ValueError(f"{self._folder} has folds for {folds.shape[1]} runs; --runs asks for more.")
        indices = split_folds(folds[:, number], number, fold, recipe.selection)
        return {split: everything.select(rows) for split, rows in indices.items()}


def is_generated(folder: Path) -> bool:
    """Whether a dataset's card says that its films were generated."""
    return "synthetic" in (DatasetCard.load(folder / "README.md").data.tags or [])


def log_mel_rate(config: PreTrainedConfig) -> float:
    """Log-Mel frames a second that a model reads, if it reads any."""
    return getattr(config, "log_mel_rate", FULL_RATE)


def fit_config(folder: Path, changes: dict, extraction: dict) -> PreTrainedConfig:
    """The configuration in a folder, with `changes`, for features as `extraction` describes them.

    Where streams are projected, and in baselines, widths follow the dataset's. Backbones without weights are
    named, so that the trained model takes films; those with weights are not part of it. Raises ValueError
    where the dataset's features are of another width.
    """
    config = AutoConfig.from_pretrained(folder, **changes)
    fixed = getattr(config, "projection_dim", 0) is None
    fitted = {}
    for modality in [one for one in ("visual", "semantic") if one in config.modalities]:
        width, backbone = extraction[f"{modality}_dim"], extraction[f"{modality}_backbone"]
        if width is None:
            raise ValueError(f"The dataset has no {modality} features, which {folder}/config.json asks for.")
        if fixed and width != getattr(config, f"{modality}_dim"):
            raise ValueError(
                f"The dataset's {modality} features ({backbone}) are {width} wide; {folder}/config.json "
                f"needs {getattr(config, f'{modality}_dim')}."
            )
        fitted[f"{modality}_dim"] = width
        fitted[f"{modality}_backbone"] = backbone if backbone == WEIGHTLESS else None
    return AutoConfig.from_pretrained(folder, **changes, **fitted)
