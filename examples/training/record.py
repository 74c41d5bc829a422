"""The record of a training: `training.json`, beside the model that the training made."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from examples.training.recipe import METRICS, Recipe, check_type
from modeling_davihd.files import write_json

RECORD_FILE = "training.json"
# By these, a record is told from another program's file of that name.
HALLMARKS = {"recipe", "config", "videos", "history"}
# What a model card says of the recipe.
RECIPE = ("learning_rate", "schedule", "weight_decay", "gradient_clip", "metric", "seed")
# Written of every dataset, even as null; without one they are left out, as any other field that is None.
OF_DATASETS = ("dataset_fingerprint", "dataset_license", "extraction", "fold")
# What its calibration holds, if it has one.
CALIBRATION = {
    **{"level": float, "share": float, "films": int},
    **{"confidence": list[list[float]], "reliability": list[dict[str, float]]},
}
KINDS = {
    **{str: "text", int: "a whole number", float: "a number", bool: "true or false"},
    **{dict: "an object", list: "a list", type(None): "null"},
}


@dataclass(frozen=True, kw_only=True)
class Record:
    """What was trained, on what and how, and how good it became. Its fields are the keys of the file.

    dataset: its Hub id, the name of its folder, or "synthetic". dataset_revision: the commit of one of the
        Hub. dataset_fingerprint, dataset_license, extraction, fold: of the dataset, if there is one;
        extraction names the encoders of its features, their widths and whatever they were taken from; fold is
        the one that was left out to test on.
    selection: the videos on which the best epoch was chosen, "validation" or "test".
    generated: whether a program made the films, or the soundtracks. sounds: of soundtracks, the fingerprint
        of the library of recordings in them, if there are any.
    base_model, base_digest: of the checkpoint that training started from, if it did: its Hub id or the name
        of its folder, and the SHA-256 of its weights.
    config, recipe: their fields, less those that may change when a training is resumed.
    precision: that of mixed-precision training, "no" where there was none. processes: how many trained.
    videos: how many each split has. davihd: the version of the package. parameters: how many the model has.
    epochs: how many there were. stopped_early: whether the recipe's patience ended them.
    seconds_per_epoch: of training, without validation. seconds_per_video: of scoring a test video.
    history: loss and metrics of each epoch. best_epoch: counted from 1. validation: what history says of it.
    test: the metrics of the best model on the test videos, if there are any.
    calibration: see `calibration.calibrate`, where it was measured.
    """

    dataset: str
    dataset_fingerprint: str | None = None
    dataset_revision: str | None = None
    selection: str
    dataset_license: str | list[str] | None = None
    extraction: dict[str, Any] | None = None
    generated: bool
    sounds: str | None = None
    base_model: str | None = None
    base_digest: str | None = None
    fold: int | None = None
    config: dict[str, Any]
    recipe: dict[str, Any]
    precision: str | None = None
    processes: int | None = None
    videos: dict[str, int]
    davihd: str
    parameters: int
    epochs: int
    stopped_early: bool
    seconds_per_epoch: float
    best_epoch: int
    validation: dict[str, float]
    history: list[dict[str, float]]
    test: dict[str, float] | None = None
    seconds_per_video: float | None = None
    calibration: dict[str, Any] | None = None

    @classmethod
    def read(cls, path: Path) -> Record:
        """The record in a file. Raises ValueError, a sentence naming the file and the field that is wrong."""
        return _record(path, _json(path))

    @classmethod
    def find(cls, folder: Path) -> Record | None:
        """The record in a folder; None if there is none, or only another program's file of that name.

        Raises ValueError as `read` does.
        """
        path = folder / RECORD_FILE
        content = _json(path) if path.is_file() else None
        if not isinstance(content, dict) or not content.keys() >= HALLMARKS:
            return None
        return _record(path, content)

    def write(self, path: Path):
        """Write the file, whole or not at all."""
        write_json(path, self.content())

    def content(self) -> dict[str, Any]:
        """What the file holds."""
        kept = OF_DATASETS if self.extraction is not None else ()
        held = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: value for name, value in held.items() if value is not None or name in kept}


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON: {error}") from error


def _record(path: Path, content: Any) -> Record:
    try:
        _check(content)
    except ValueError as error:
        raise ValueError(f"{path} is not as examples/train.py writes it: {error}") from error
    names = [field.name for field in dataclasses.fields(Record)]
    return Record(**{name: content[name] for name in names if name in content})


def _check(content: Any) -> None:
    """Raise ValueError naming the first field that is missing or wrong."""
    if not isinstance(content, dict):
        raise ValueError(f"it is {content!r:.40}, and needs to be an object.")
    hints = get_type_hints(Record)
    needed = [field.name for field in dataclasses.fields(Record) if field.default is dataclasses.MISSING]
    _check_names("it", content, needed)
    for name in [name for name in hints if name in content]:
        _check_value(name, content[name], hints[name])
    _check_recipe(content["recipe"])
    for split in ("validation", "test"):
        if content.get(split) is not None:
            _check_names(split, content[split], METRICS)
    if content.get("calibration") is not None:
        _check_calibration(content["calibration"])


def _check_calibration(calibration: dict[str, Any]) -> None:
    _check_names("calibration", calibration, CALIBRATION)
    for name, hint in CALIBRATION.items():
        _check_value(f"calibration.{name}", calibration[name], hint)
    for index, row in enumerate(calibration["reliability"]):
        _check_names(f"calibration.reliability[{index}]", row, ("score", "picks", "right"))


def _check_recipe(recipe: dict[str, Any]) -> None:
    _check_names("recipe", recipe, RECIPE)
    for field in dataclasses.fields(Recipe):
        if field.name in recipe:
            value = recipe[field.name]
            check_type(field.name, tuple(value) if isinstance(value, list) else value)


def _check_names(where: str, content: dict[str, Any], names: Iterable[str]) -> None:
    for name in names:
        if name not in content:
            raise ValueError(f"{where} has no {name}.")


def _check_value(name: str, value: Any, hint: Any) -> None:
    """Raise ValueError unless a value read from JSON is of a type that `Record` names, and all in it too."""
    hints = get_args(hint) if get_origin(hint) is UnionType else (hint,)
    kinds = {get_origin(each) or each: each for each in hints}
    fitting = next((kind for kind in kinds if _is_a(kind, value)), None)
    if fitting is None:
        needed = " or ".join(KINDS[kind] for kind in kinds)
        raise ValueError(f"{name} is {value!r:.40}; it needs to be {needed}.")
    inside = get_args(kinds[fitting])
    if fitting is dict:
        for key, each in value.items():
            _check_value(f"{name}.{key}", each, inside[1])
    if fitting is list:
        for index, each in enumerate(value):
            _check_value(f"{name}[{index}]", each, inside[0])


def _is_a(kind: Any, value: Any) -> bool:
    return kind is Any or type(value) is kind or (kind is float and type(value) is int)
