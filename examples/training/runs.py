"""What examples/train.py trains: a configuration, fitted to a dataset, on the videos of a split or fold."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from transformers import AutoConfig, PreTrainedConfig

from examples.training.data import Rows, read_dataset, split_folds
from examples.training.recipe import CONFIG_FIELDS, EVENTS_AND_RANK, SYNTHETIC, Recipe, recipe_of
from examples.training.record import Record
from examples.training.scoring import find_checkpoint
from examples.training.starting import facts_of
from examples.training.stored import StoredRows
from modeling_davihd import DAViHDConfig, DAViHDFeatureExtractor
from modeling_davihd.backbones_davihd import BACKBONES
from modeling_davihd.feature_extraction_davihd import feature_extractor_for
from modeling_davihd.streams_davihd import FULL_LOG_MEL_RATE, Stream

if TYPE_CHECKING:
    from examples.training.generated import Worlds

FOLDS = 5


@dataclass(frozen=True)
class Run:
    """One training: what is trained, on what, how, and the folder it is written to.

    facts: what the record of the training says of its data, by field.
    worlds: where soundtracks come from that are made as they are needed, instead of rows["train"].
    """

    config: PreTrainedConfig
    extractor: DAViHDFeatureExtractor
    recipe: Recipe
    rows: dict[str, Rows]
    output: Path
    facts: dict = field(default_factory=dict)
    worlds: Worlds | None = None

    def identity(self) -> dict:
        """What a resumed run must have in common with the one that was killed, as its record will say it."""
        recipe = dataclasses.asdict(self.recipe)
        for name in ("dataset", "sounds", "start", "patience", "save_every", "num_workers"):
            recipe.pop(name)
        if (
            self.recipe.schedule != "cosine" and not self.recipe.warmup_steps
        ):  # rates depend on the last epoch
            recipe.pop("epochs")
        videos = {split: len(rows) for split, rows in self.rows.items()}
        config = self.config.to_diff_dict()
        config.pop("transformers_version", None)
        identity = {**self.facts, "config": config, "recipe": recipe, "videos": videos}
        return json.loads(json.dumps(identity))


def make_runs(
    config: Path,
    output: Path,
    overrides: Mapping[str, object],
    *,
    model: str | None = None,
    changes: Mapping[str, object] | None = None,
    runs: int = 1,
    folds: bool = False,
) -> Iterator[Run]:
    """One training, or one for each of `runs` seeds and, with `folds`, for each fold of the dataset.

    config: a configuration folder; `overrides` replace fields of its training.yaml, `changes` of its
    config.json, or of that of `model`: a checkpoint, a folder or Hub id, to train on. Several trainings have
    a folder each in `output`. Raises ValueError, in one sentence, if checkpoint, configuration, recipe and
    dataset do not fit.
    """
    if "batch_size" in overrides:  # whoever chooses it means it
        overrides = {"least_steps": None, **overrides}
    if model is not None:
        overrides = {**overrides, "start": model}
    recipe = recipe_of(config, overrides)
    if recipe.dataset is None:
        raise ValueError(f"{config}/training.yaml names no dataset; --dataset is needed.")
    if folds and recipe.dataset == SYNTHETIC:
        raise ValueError("Generated soundtracks have no folds; --folds needs a dataset that has.")
    changes = {**(changes or {}), **recipe.config_fields()}
    network = Network(config, changes) if model is None else Network.of_checkpoint(model, changes)
    base = {} if recipe.start is None else facts_of(recipe.start)
    for run in _runs(source_of(network, recipe), recipe, output, runs, folds):
        yield dataclasses.replace(run, facts=run.facts | base)


def _runs(source: DatasetSource, recipe: Recipe, output: Path, runs: int, folds: bool) -> Iterator[Run]:
    for number in range(runs):
        seeded = dataclasses.replace(recipe, seed=recipe.seed + number)
        folder = output / f"run-{number}" if runs > 1 else output
        if not folds:
            yield source.run(seeded, folder)
            continue
        for fold in range(FOLDS):
            yield source.fold_run(seeded, folder / f"fold-{fold}", number, fold)


def source_of(network: Network, recipe: Recipe) -> Any:
    """What makes runs of the recipe's dataset, or of soundtracks. Raises ValueError as `make_runs` does."""
    if recipe.dataset == SYNTHETIC:
        from examples.training.generated import SyntheticSource

        return SyntheticSource(network.folder, network.changes, recipe)
    return DatasetSource(network, recipe)


def read_ablation(path: Path) -> dict[str, object]:
    """The fields of a configuration that an ablation changes. Raises ValueError naming the file."""
    try:
        changes = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is not a readable JSON file: {error}") from error
    if not isinstance(changes, dict) or not set(changes) <= {*DAViHDConfig.__annotations__, *CONFIG_FIELDS}:
        raise ValueError(f"{path} needs to hold an object of fields of DAViHDConfig.")
    return changes


@dataclass(frozen=True)
class Network:
    """The network to train: what config.json and preprocessor_config.json of a folder say, with changes.

    encoders: of a checkpoint, the frozen encoders of its features by stream, as far as it says which they
    are: in its config, where it holds them, or in the record of its training.
    """

    folder: Path
    changes: Mapping[str, object]
    encoders: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_checkpoint(cls, model: str, changes: Mapping[str, object]) -> Network:
        """That of a checkpoint. Raises ValueError naming it unless it is whole."""
        folder = find_checkpoint(model)
        record, config = Record.find(folder), AutoConfig.from_pretrained(folder)
        encoders = {}
        for stream in config.feature_streams:
            recorded = ((record and record.extraction) or {}).get(stream.backbone_field)
            if (name := config.stream_backbone(stream) or recorded) is not None:
                encoders[stream.name] = name
        # What stands out, and how surely, was measured on scores that training changes.
        measured = {"highlight_level": None, "highlight_confidence": None}
        return cls(folder, {**measured, **changes}, encoders)

    def config(self, **fields: object) -> PreTrainedConfig:
        """Its configuration, with some more fields replaced."""
        return AutoConfig.from_pretrained(self.folder, **self.changes, **fields)

    def check_encoder(self, stream: Stream, encoder: str):
        """Raise ValueError if a checkpoint was trained on features of another encoder."""
        known = self.encoders.get(stream.name, encoder)
        if known != encoder:
            raise ValueError(
                f"The dataset's {stream.name} features were made with {encoder}, and {self.folder} was "
                f"trained on those of {known}; --fresh {stream.name}_encoder would let that part begin anew."
            )


class DatasetSource:
    """Runs on the videos of a dataset folder, by its splits or by its folds."""

    def __init__(self, network: Network, recipe: Recipe):
        if recipe.metric == EVENTS_AND_RANK:
            raise ValueError(f"metric is {EVENTS_AND_RANK}; videos have labels and no events: take another.")
        self._dataset = read_dataset(recipe.dataset, recipe.streaming)
        self._config = fit_config(network, self._dataset.extraction, recipe.fresh)
        self._extractor = fit_extractor(network.folder, self._config, self._dataset.extraction)

    def run(self, recipe: Recipe, output: Path) -> Run:
        """A training on the dataset's splits. Raises ValueError if it has none to train or to validate on."""
        splits = dict(self._dataset.splits)
        if recipe.selection == "test":
            splits.pop("validation", None)
            if "test" in splits:
                splits["validation"] = splits["test"]
        for split in ("train", "validation"):
            if split not in splits and not (split == "train" and self._dataset.streamed):
                raise ValueError(
                    f"{self._dataset.source} has no {split} split; training needs train and validation."
                )
        return self._run(recipe, output, splits)

    def fold_run(self, recipe: Recipe, output: Path, number: int, fold: int) -> Run:
        """A training tested on one of FOLDS folds, as the dataset divides its videos in run `number`.

        Raises ValueError if the dataset has no folds, or none for that run.
        """
        source = self._dataset.source
        if recipe.streaming:
            raise ValueError("--folds needs all videos in no fixed order; leave out --streaming.")
        everything = self._dataset.everything
        if "folds" not in everything.column_names:
            raise ValueError(f"{source} has no column 'folds'; --folds needs a dataset that has.")
        folds = np.array(everything.column("folds"))
        if number >= folds.shape[1]:
            raise ValueError(f"{source} has folds for {folds.shape[1]} runs; --runs asks for more.")
        indices = split_folds(folds[:, number], number, fold, recipe.selection)
        parts = {split: everything.select(rows) for split, rows in indices.items()}
        return self._run(recipe, output, parts, fold)

    def _run(
        self, recipe: Recipe, output: Path, splits: Mapping[str, StoredRows], fold: int | None = None
    ) -> Run:
        config, sound = self._config, log_mel_settings(self._config)
        dataset, rows = dataclasses.replace(self._dataset, splits=splits), {}
        if dataset.streamed:
            rows["train"] = dataset.stream(config.modalities, recipe.shuffle_buffer, **sound)
        rows |= {split: dataset.rows(split, config.modalities, **sound) for split in splits}
        facts = self._facts() | {"selection": recipe.selection, "fold": fold}
        fitted = recipe.fitted_to(len(rows["train"]))
        return Run(config, self._extractor, fitted, rows, output, facts)

    def _facts(self) -> dict[str, object]:
        """What the record of a run says of the dataset."""
        extraction, card = self._dataset.extraction, self._dataset.card
        kept = [name for name in extraction if name.endswith(("_backbone", "_dim")) or name == "source"]
        return {
            "dataset": self._dataset.name,
            "dataset_fingerprint": extraction["fingerprint"],
            "dataset_revision": self._dataset.revision,
            "dataset_license": card.get("license"),
            "extraction": {name: extraction[name] for name in kept},
            "generated": self._dataset.is_generated,
        }


def log_mel_settings(config: PreTrainedConfig) -> dict[str, Any]:
    """How many log-Mel frames a second a model reads, if it reads them, and how they are averaged."""
    usual = {"log_mel_rate": FULL_LOG_MEL_RATE, "log_mel_grid": "seconds"}
    return {name: getattr(config, name, value) for name, value in usual.items()}


def fit_config(network: Network, extraction: dict, fresh: Sequence[str] = ()) -> PreTrainedConfig:
    """The configuration of a network for features as `extraction` describes them.

    Where streams are projected, and in baselines, widths follow the dataset's. Backbones without weights are
    named, so that the trained model takes films; those with weights are part of it if a checkpoint holds
    them. Raises ValueError where the dataset's features are of another width, or made with another encoder
    than a checkpoint's, unless parts of their stream are among the `fresh`, which begin anew.
    """
    config, folder = network.config(), network.folder
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
        if not any(part.startswith(f"{stream.name}_") for part in fresh):
            network.check_encoder(stream, backbone)
        fitted[stream.dim_field] = width
        if hasattr(config, stream.backbone_field):
            encoder = BACKBONES.get(stream.name, {}).get(backbone)  # none where others have made the features
            weightless = encoder is not None and not encoder.needs_weights
            held = stream.name in network.encoders and config.stream_backbone(stream) == backbone
            fitted[stream.backbone_field] = backbone if weightless or held else None
    return network.config(**fitted)


def fit_extractor(folder: Path, config: PreTrainedConfig, extraction: dict) -> DAViHDFeatureExtractor:
    """The extractor that turns films into inputs like the dataset's, with the folder's spectrogram.

    Raises ValueError where the dataset, or the config, has a spectrogram of other bins or another window.
    """
    wanted = DAViHDFeatureExtractor.from_pretrained(folder)
    settings = {"num_mel_bins": wanted.num_mel_bins, "n_fft": wanted.n_fft}
    if config.reads_spectrogram:
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
    visual = extraction["visual_backbone"]
    visual = visual if visual in BACKBONES["visual"] else None
    return feature_extractor_for(visual, **log_mel_settings(config), **settings)
