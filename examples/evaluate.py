"""Score a model on a dataset, or on generated soundtracks, alongside rules that need no network.

python examples/evaluate.py --model DIR_OR_HUB_ID --dataset DIR --split test
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from tqdm import tqdm
from transformers import PreTrainedModel, logging

if __package__ in (None, ""):  # from examples/, "evaluate" would be this script
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from datasets_scripts.building.console import run_command
from datasets_scripts.building.splits import SPLITS
from examples.training import rules
from examples.training.data import HighlightDataset, Rows, read_dataset
from examples.training.machine import on_cpu
from examples.training.recipe import SYNTHETIC, TEST_CLIPS
from examples.training.runs import log_mel_rate
from examples.training.scoring import measure, predict
from examples.training.tables import headings, markdown, measured
from modeling_davihd import DEFAULT_CHECKPOINT, DAViHDFeatureExtractor
from modeling_davihd.files import write_json
from modeling_davihd.loading import checkpoint_folder, load_model

BATCH = 8


def evaluate_model(model: PreTrainedModel, rows: Rows) -> dict[str, float]:
    """The metrics of a model's scores, computed in float32 whatever its weights are stored as."""
    accelerator = Accelerator(cpu=on_cpu())
    model = model.to(accelerator.device, torch.float32)
    return measure(predict(accelerator, model, rows, BATCH), rows)


def evaluate_rules(rows: Rows, training: Rows | None, seed: int = 0) -> dict[str, dict[str, float]]:
    """The metrics of the rules, by name; those of sound only if the rows have a log-Mel spectrogram.

    The position profile is learnt on the labels of `training`.
    """
    profile = None if training is None else rules.position_profile(training.labels)
    scores: dict[str, list[np.ndarray]] = {}
    for index in tqdm(range(len(rows)), disable=None, desc="rules"):
        seconds, row = int(rows.lengths[index]), rows[index]
        found = {"random": rules.random_scores(seconds, seed + index), "centre": rules.centre_scores(seconds)}
        if profile is not None:
            found["position profile"] = rules.stretched(profile, seconds)
        if "log_mel" in row:
            found |= rules.sound_scores(row["log_mel"].numpy(), seconds)
        for name, values in found.items():
            scores.setdefault(name, []).append(rules.without_negatives(values))
    return {name: measure(values, rows) for name, values in scores.items()}


def rule_metrics(dataset: HighlightDataset, split: str) -> dict[str, dict[str, float]]:
    """The metrics of those rules on a split for which the dataset has what they read."""
    rate = dataset.extraction["log_mel_rate"]
    modalities = ["dynamics"] if rate else []
    rows, training = (dataset.rows(name, modalities, rate or 1) for name in (split, "train"))
    return evaluate_rules(rows, training)


def results(model: PreTrainedModel, name: str, dataset: str, split: str, clips: int) -> dict[str, dict]:
    """Metrics by row: the rules, then the model."""
    if dataset == SYNTHETIC:
        from examples.training.generated import FIRST_SEEDS, SyntheticClips

        extractor = DAViHDFeatureExtractor(log_mel_rate=log_mel_rate(model.config))
        rows = SyntheticClips(extractor, split, clips, FIRST_SEEDS[split])
        found = evaluate_rules(rows, None)
    else:
        opened = read_dataset(Path(dataset))
        rows = opened.rows(split, model.config.modalities, log_mel_rate(model.config))
        found = rule_metrics(opened, split)
    return {**found, name: evaluate_model(model, rows)}


def open_model(model: str) -> PreTrainedModel:
    """The model of a checkpoint folder or Hub id. Raises ValueError naming it, unless all of it fits."""
    try:
        return load_model(checkpoint_folder(model))
    except ValueError as error:
        raise ValueError(f"The model {model} cannot be loaded: {error}") from error


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="evaluate.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default=str(DEFAULT_CHECKPOINT), help="checkpoint folder or Hub id")
    parser.add_argument(
        "--dataset", default=SYNTHETIC, help="dataset folder (default: generated soundtracks)"
    )
    parser.add_argument("--split", choices=SPLITS, default="test")
    parser.add_argument("--clips", type=int, default=TEST_CLIPS, help="number of generated soundtracks")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results to this file")
    options = parser.parse_args(arguments)
    if options.clips < 1:
        parser.error(f"--clips is {options.clips}; it needs to be at least 1")
    if options.dataset == SYNTHETIC and options.split == "train":
        parser.error(
            "--split train needs --dataset; generated soundtracks are scored on kinds of sound unseen"
        )
    return options


def evaluate(checkpoint: str, dataset: str, split: str, clips: int, json_file: Path | None):
    """Print the metrics of the rules and of a model, and write them to `json_file` if it is given."""
    model, name = open_model(checkpoint), Path(checkpoint).name
    found = results(model, name, dataset, split, clips)
    if json_file:
        write_json(json_file, found)
    videos = found[name]["n_videos"]
    source = "generated soundtracks of 60 s" if dataset == SYNTHETIC else dataset
    print(f"{source}, split {split}, {videos} videos\n")
    print(markdown(["scores", *headings()], {row: measured([values]) for row, values in found.items()}))


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 scored, 1 model or data are not as needed, 2 wrong usage."""
    options = parse_arguments(arguments)
    logging.disable_progress_bar()
    wanted = options.model, options.dataset, options.split, options.clips, options.json
    return run_command(lambda: evaluate(*wanted), "evaluate.py")


if __name__ == "__main__":
    sys.exit(main())
