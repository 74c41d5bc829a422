"""A training recipe: `training.yaml` of a configuration folder, with overrides from the command line."""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import yaml

from examples.training.tables import METRIC_COLUMNS
from modeling_davihd.configuration_davihd import LOSSES

SYNTHETIC = "synthetic"  # instead of a dataset's folder
TEST_CLIPS = 200  # soundtracks that a model trained on generated ones is tested on
OPTIMIZERS = ("adam", "adamw")
SCHEDULES = ("constant", "exponential", "cosine")
METRICS = tuple(METRIC_COLUMNS)
# The mean of rank correlation, events found and picks right, where the rows have events.
EVENTS_AND_RANK = "events_and_rank"
CRITERIA = (*METRICS, EVENTS_AND_RANK)
SELECTIONS = ("validation", "test")
# What a recipe says of a config: how a model is trained, and what it can do without in use.
CONFIG_FIELDS = ("loss", "correlation_weight", "ranking_weight", "stream_dropout")
WORLDS = ("generated", "wider", "recorded", "single")  # kinds of soundtrack
SHARES = tuple(f"{world}_share" for world in WORLDS)


def option(default: object, document: str) -> dataclasses.Field:
    """A field of the recipe and what --help says of it."""
    return dataclasses.field(default=default, metadata={"help": document})


@dataclass(frozen=True)
class Recipe:
    """How a model is trained. Each field is a key of training.yaml and an option of examples/train.py."""

    dataset: str | None = option(
        None, "a dataset, folder or HUB_ID[@revision]; 'synthetic': soundtracks generated as they are needed"
    )
    streaming: bool = option(
        False, "read the training videos where they are, one after the other, instead of storing them"
    )
    shuffle_buffer: int = option(128, "for streaming: videos in memory, out of which the next is drawn")
    epochs: int = option(1, "passes over the training videos")
    batch_size: int = option(16, "videos computed at once, over all processes")
    gradient_accumulation: int = option(
        1, "batches that make one step, as if they were one so many times as large"
    )
    least_steps: int | None = option(
        None, "steps of an epoch at least: where videos are few, batches become smaller than batch_size"
    )
    batch_seconds: int | None = option(
        None, "for 'synthetic': seconds of sound computed at once, instead of batch_size"
    )
    clip_seconds: tuple[int, ...] = option(
        (60,), "for 'synthetic': lengths of the soundtracks, one of them for each step"
    )
    steps_per_epoch: int | None = option(None, "for 'synthetic': steps between two validations")
    validation_clips: int = option(48, "for 'synthetic': soundtracks of 60 s to validate on")
    test_clips: int = option(TEST_CLIPS, "for 'synthetic': soundtracks of 60 s to test on")
    generated_share: float = option(1.0, "for 'synthetic': share of soundtracks of the plain generated world")
    wider_share: float = option(0.0, "for 'synthetic': share of those of the wider generated world")
    recorded_share: float = option(0.0, "for 'synthetic': share of those with recordings, if there are any")
    single_share: float = option(0.0, "for 'synthetic': share of those of single sounds over one background")
    eventless_share: float = option(0.0, "for 'synthetic': share of soundtracks without a highlight, of all")
    sounds: str | None = option(None, "for 'synthetic': folder of recordings (datasets_scripts/sounds.py)")
    label_rise: float | None = option(
        None, "for 'synthetic': seconds over which labels rise to an event; without it they hardly do"
    )
    label_fall: float = option(3.0, "for 'synthetic': seconds over which labels fall after it")
    start: str | None = option(None, "checkpoint, a folder or Hub id, whose weights the training starts from")
    optimizer: str = option("adam", "adam; or adamw, whose weight decay does not pass through its averages")
    fresh: tuple[str, ...] = option(
        (), "parts of the model, as score_head, that begin anew instead of with the checkpoint's weights"
    )
    freeze: tuple[str, ...] = option((), "parts of the model, as dynamics_encoder, that stay as they start")
    freeze_norms: bool = option(
        False, "batch norms normalise by the statistics that they start with, and keep them"
    )
    loss: str | None = option(
        None,
        f"{' or '.join(LOSSES)}, as modeling_davihd/objectives_davihd.py defines it; "
        "without it, what config.json says: mse if it says nothing",
    )
    correlation_weight: float | None = option(None, "of that term of the loss (0.1)")
    ranking_weight: float | None = option(None, "of that term of the loss (0.1)")
    stream_dropout: float | None = option(
        None, "probability that a video lacks a stream in training, so that the model can do without (0)"
    )
    learning_rate: float = option(1e-4, "at its highest")
    schedule: str = option(
        "constant", "constant; exponential: times 0.99 an epoch; cosine: down to 1 % after the warm-up"
    )
    warmup_steps: int = option(
        0, "steps over which the learning rate rises, but at most a fifth of all steps"
    )
    weight_decay: float = option(0.0, "of the optimizer, on every weight")
    weight_averaging: float | None = option(
        None, "share of its moving average of the weights that a step keeps; the average is the model then"
    )
    gradient_clip: float = option(0.5, "largest L2 norm of the gradient")
    gradient_checkpointing: bool = option(False, "compute activations twice to keep fewer of them")
    metric: str = option(
        "spearman",
        "whose mean over the selection videos decides what model is kept: " + ", ".join(CRITERIA),
    )
    selection: str = option(
        "validation",
        "validation; or test: choose the epoch on test videos, as the paper's released code does for TVSum",
    )
    patience: int | None = option(
        None, "stop after that many epochs without a better model, counted from the end of the warm-up"
    )
    save_every: int = option(200, "steps between two states to resume from, besides the end of each epoch")
    num_workers: int = option(2, "processes that read data")
    seed: int = option(0, "of the weights, the order of videos and dropout")

    def __post_init__(self):
        """Raise ValueError naming the field, what it holds and what it needs."""
        for field in dataclasses.fields(self):
            check_type(field.name, getattr(self, field.name))
        counts = ("epochs", "batch_size", "gradient_accumulation", "save_every", "shuffle_buffer")
        for name in (*counts, "validation_clips", "test_clips"):
            self._require(name, getattr(self, name) >= 1, "at least 1")
        for name in ("least_steps", "batch_seconds", "steps_per_epoch", "patience"):
            self._require(name, (getattr(self, name) or 1) >= 1, "at least 1")
        for name in ("learning_rate", "gradient_clip"):
            self._require(name, 0 < getattr(self, name) < math.inf, "positive and finite")
        for name in ("warmup_steps", "weight_decay", "num_workers", "seed", *SHARES):
            self._require(name, 0 <= getattr(self, name) < math.inf, "0 or more")
        self._require("weight_averaging", 0 <= (self.weight_averaging or 0) < 1, "0 or more, and less than 1")
        self._require("eventless_share", 0 <= self.eventless_share < 1, "0 or more, and less than 1")
        for name in ("label_rise", "label_fall"):
            self._require(name, 0 < (getattr(self, name) or 1) <= 30, "over 0 and at most 30 seconds")
        for name in ("correlation_weight", "ranking_weight"):
            self._require(name, 0 <= (getattr(self, name) or 0) < math.inf, "0 or more")
        self._require("stream_dropout", 0 <= (self.stream_dropout or 0) <= 0.9, "0 to 0.9")
        self._require("loss", self.loss in (None, *LOSSES), f"one of {', '.join(LOSSES)}")
        chosen = {"optimizer": OPTIMIZERS, "schedule": SCHEDULES, "metric": CRITERIA, "selection": SELECTIONS}
        for name, choices in chosen.items():
            self._require(name, getattr(self, name) in choices, f"one of {', '.join(choices)}")
        lengths = self.clip_seconds
        self._require("clip_seconds", lengths and min(lengths) >= 4, "whole seconds, 4 or more each")
        if self.fresh and self.start is None:
            raise ValueError("fresh names parts that a checkpoint does not give; it needs start, or --model.")
        if self.dataset == SYNTHETIC and not (self.batch_seconds and self.steps_per_epoch):
            raise ValueError("The dataset 'synthetic' needs batch_seconds and steps_per_epoch.")

    def _require(self, name: str, good: object, needed: str):
        if not good:
            raise ValueError(f"{name} is {getattr(self, name)!r}; it needs to be {needed}.")

    def config_fields(self) -> dict[str, object]:
        """The fields of config.json that the recipe gives."""
        given = {name: getattr(self, name) for name in CONFIG_FIELDS}
        return {name: value for name, value in given.items() if value is not None}

    def fitted_to(self, videos: int) -> Recipe:
        """The recipe whose batches are small enough for so many videos to make `least_steps`."""
        if self.least_steps is None:
            return self
        largest = videos // (self.least_steps * self.gradient_accumulation)
        return dataclasses.replace(self, batch_size=max(1, min(self.batch_size, largest)))

    def warmup(self, steps_per_epoch: int) -> int:
        """Over how many steps the learning rate rises."""
        return min(self.warmup_steps, self.epochs * steps_per_epoch // 5)

    def learning_rate_at(self, step: int, steps_per_epoch: int) -> float:
        """The learning rate of a step (0 for the first)."""
        warmup = self.warmup(steps_per_epoch)
        if step < warmup:
            return self.learning_rate * (step + 1) / warmup
        if self.schedule == "exponential":
            return self.learning_rate * 0.99 ** (step // steps_per_epoch)
        if self.schedule == "cosine":
            total = self.epochs * steps_per_epoch
            done = (step - warmup) / max(1, total - warmup)
            return self.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))
        return self.learning_rate


@cache
def _hints() -> dict[str, Any]:
    return get_type_hints(Recipe)


def check_type(name: str, value: object):
    """Raise ValueError unless a field of a recipe may hold such a value, whatever the others hold."""
    hint = _hints()[name]
    if get_origin(hint) is tuple:
        kind = get_args(hint)[0]
        good = isinstance(value, tuple) and all(type(each) is kind for each in value)
        needed = f"a list, of {kind.__name__}"
    else:
        allowed = get_args(hint) or (hint,)
        good = type(value) in allowed or (float in allowed and type(value) is int)
        needed = " or ".join("nothing" if kind is type(None) else kind.__name__ for kind in allowed)
    if not good:
        raise ValueError(f"{name} is {value!r}; it needs to be {needed}.")


def read_recipe(folder: Path) -> dict:
    """The keys of `folder`/training.yaml; a checkpoint to start from may lie in the folder.

    Raises ValueError naming the file and what is wrong with it.
    """
    path = folder / "training.yaml"
    if not path.is_file():
        raise ValueError(f"{folder} has no training.yaml; --config needs a folder of configuration/.")
    try:
        keys = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(keys, dict):
        raise ValueError(f"{path} holds no `key: value` lines.")
    names = [field.name for field in dataclasses.fields(Recipe)]
    for key in keys:
        if key not in names:
            similar = difflib.get_close_matches(str(key), names, n=1)
            hint = f"did you mean {similar[0]!r}?" if similar else f"the known ones are {', '.join(names)}."
            raise ValueError(f"{path} has the unknown key {key!r}; {hint}")
    keys = {key: tuple(value) if isinstance(value, list) else value for key, value in keys.items()}
    if (folder / str(keys.get("start"))).is_dir():
        keys["start"] = str(folder / keys["start"])
    return keys


def add_recipe_options(parser: argparse.ArgumentParser):
    """One option for each field of a recipe; what is not given stays as training.yaml has it."""
    group = parser.add_argument_group("recipe, instead of what training.yaml says")
    for field in dataclasses.fields(Recipe):
        hint = _hints()[field.name]
        kinds = [kind for kind in get_args(hint) or (hint,) if kind is not type(None)]
        keywords = {"default": argparse.SUPPRESS, "help": field.metadata["help"].replace("%", "%%")}
        if kinds[0] is bool:
            keywords["action"] = argparse.BooleanOptionalAction
        elif get_origin(hint) is tuple:
            keywords |= {"type": kinds[0], "nargs": "*", "metavar": "S" if kinds[0] is int else "PART"}
        else:
            keywords |= {"type": kinds[0], "metavar": kinds[0].__name__.upper()}
        group.add_argument(f"--{field.name.replace('_', '-')}", **keywords)


def given_fields(options: argparse.Namespace) -> dict[str, object]:
    """The fields of a recipe that the command line gave."""
    names = {field.name for field in dataclasses.fields(Recipe)}
    given = {name: value for name, value in vars(options).items() if name in names}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}


def recipe_of(folder: Path, overrides: Mapping[str, object]) -> Recipe:
    """The recipe of a configuration folder with some fields replaced.

    Raises ValueError naming training.yaml if it is not one, or the field that holds something impossible.
    """
    return Recipe(**(read_recipe(folder) | overrides))
