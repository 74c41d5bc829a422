"""What examples/train.py trains: a configuration, fitted to a dataset, on the videos of a split or fold."""

from __future__ import annotations

import argparse
import ctypes
import dataclasses
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from datasets import DatasetDict, concatenate_datasets
from transformers import AutoConfig, PreTrainedConfig

from examples.training.data import (
    HighlightDataset,
    HighlightRows,
    SyntheticClips,
    read_dataset,
    split_folds,
)
from examples.training.recipe import SYNTHETIC, Recipe, recipe_of
from modeling_davihd import DAViHDConfig, DAViHDFeatureExtractor
from modeling_davihd.backbones_davihd import backbone_class
from modeling_davihd.feature_extraction_davihd import feature_extractor_for
from modeling_davihd.streams_davihd import FULL_LOG_MEL_RATE

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of malloc.h
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
        self._dataset = read_dataset(Path(recipe.dataset))
        self._config = fit_config(folder, changes, self._dataset.extraction)
        self._extractor = fit_extractor(folder, self._config, self._dataset.extraction)

    def run(self, recipe: Recipe, output: Path, number: int, fold: int | None) -> Run:
        dataset, extraction = self._dataset, self._dataset.extraction
        if fold is not None:
            dataset = self._fold(recipe, number, fold)
        elif recipe.selection == "test":
            splits = {name: part for name, part in dataset.splits.items() if name != "validation"}
            if "test" in splits:
                splits["validation"] = splits["test"]
            dataset = dataclasses.replace(dataset, splits=DatasetDict(splits))
        for split in ("train", "validation"):
            if split not in dataset.splits:
                raise ValueError(
                    f"{dataset.folder} has no {split} split; training needs train and validation."
                )
        config = self._config
        rows = {
            split: dataset.rows(split, config.modalities, log_mel_rate(config)) for split in dataset.splits
        }
        facts = {
            "dataset": dataset.folder.absolute().name,
            "dataset_fingerprint": extraction["fingerprint"],
            "selection": recipe.selection,
            "dataset_license": dataset.card.license,
            "extraction": {
                name: value
                for name, value in extraction.items()
                if name.endswith(("_backbone", "_dim")) or name == "source"
            },
            "generated": dataset.is_generated,
            "fold": fold,
        }
        return Run(config, self._extractor, recipe, rows, output, facts)

    def _fold(self, recipe: Recipe, number: int, fold: int) -> HighlightDataset:
        splits, folder = self._dataset.splits, self._dataset.folder
        everything = concatenate_datasets([splits[name] for name in sorted(splits)])
        if "folds" not in everything.column_names:
            raise ValueError(f"{folder} has no column 'folds'; --folds needs a dataset that has.")
        folds = np.array(everything["folds"][:])
        if number >= folds.shape[1]:
            raise ValueError(f"{folder} has folds for {folds.shape[1]} runs; --runs asks for more.")
        indices = split_folds(folds[:, number], number, fold, recipe.selection)
        parts = DatasetDict({split: everything.select(rows) for split, rows in indices.items()})
        return dataclasses.replace(self._dataset, splits=parts)


def on_cpu() -> bool:
    """Whether there is nothing else: processes that share CPUs see each other only if Accelerate is told."""
    return not torch.accelerator.is_available()


def keep_freed_memory():
    """Have glibc keep what a training step frees for the next one, which else fetches it page by page."""
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    if hasattr(library, "mallopt"):
        library.mallopt(M_MMAP_MAX, 0)
        library.mallopt(M_TRIM_THRESHOLD, -1)


def log_mel_rate(config: PreTrainedConfig) -> float:
    """Log-Mel frames a second that a model reads, if it reads any."""
    return getattr(config, "log_mel_rate", FULL_LOG_MEL_RATE)


def fit_config(folder: Path, changes: dict, extraction: dict) -> PreTrainedConfig:
    """The configuration in a folder, with `changes`, for features as `extraction` describes them.

    Where streams are projected, and in baselines, widths follow the dataset's. Backbones without weights are
    named, so that the trained model takes films; those with weights are not part of it. Raises ValueError
    where the dataset's features are of another width.
    """
    config = AutoConfig.from_pretrained(folder, **changes)
    fixed = getattr(config, "projection_dim", 0) is None
    fitted = {}
    for stream in config.feature_streams:
        width, backbone = extraction.get(stream.dim_field), extraction.get(stream.backbone_field)
        if width is None:
            raise ValueError(
                f"The dataset has no {stream.name} features, which {folder}/config.json asks for."
            )
        if fixed and width != config.stream_dim(stream):
            raise ValueError(
                f"The dataset's {stream.name} features ({backbone}) are {width} wide; {folder}/config.json "
                f"needs {config.stream_dim(stream)}."
            )
        weightless = not backbone_class(stream.name, backbone).needs_weights
        fitted[stream.dim_field] = width
        fitted[stream.backbone_field] = backbone if weightless else None
    return AutoConfig.from_pretrained(folder, **changes, **fitted)


def fit_extractor(folder: Path, config: PreTrainedConfig, extraction: dict) -> DAViHDFeatureExtractor:
    """What makes a film into inputs like the dataset's, with the spectrogram that the folder asks for.

    Raises ValueError where the dataset, or the config, has a spectrogram of other bins or another window.
    """
    wanted = DAViHDFeatureExtractor.from_pretrained(folder)
    settings = {"num_mel_bins": wanted.num_mel_bins, "n_fft": wanted.n_fft}
    if any(stream.spectrogram for stream in config.streams):
        if config.num_mel_bins != wanted.num_mel_bins:
            raise ValueError(
                f"{folder}/config.json has the num_mel_bins {config.num_mel_bins}, but its "
                f"preprocessor_config.json {wanted.num_mel_bins}; they need to be the same."
            )
        for name, needed in settings.items():
            if extraction["log_mel_rate"] and extraction[name] != needed:
                raise ValueError(
                    f"The dataset's log-Mel spectrogram has the {name} {extraction[name]}; {folder} needs "
                    f"{needed}."
                )
    return feature_extractor_for(extraction["visual_backbone"], log_mel_rate=log_mel_rate(config), **settings)
