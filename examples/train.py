"""Train a model: accelerate launch examples/train.py --config configuration/davihd-small --output DIR"""

import argparse
import json
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import yaml
from accelerate import Accelerator
from accelerate.utils import set_seed
from scipy.stats import spearmanr
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from datasets_scripts.synthetic import generate_soundtrack
from modeling_davihd import DAViHDConfig, DAViHDFeatureExtractor, DAViHDModel

Batch = dict[str, torch.Tensor]


@dataclass(frozen=True)
class SyntheticBatches(Dataset):
    """Item i is the i-th batch: clips of one length, generated from seeds that no other item uses."""

    extractor: DAViHDFeatureExtractor
    split: str
    batches: int
    seed: int
    batch_seconds: int
    clip_seconds: list[int]

    def __len__(self) -> int:
        return self.batches

    def __getitem__(self, index: int) -> Batch:
        choice = np.random.default_rng([self.seed, index]).integers(len(self.clip_seconds))
        seconds = self.clip_seconds[choice]
        first = self.seed * 10**8 + index * 1000
        seeds = range(first, first + max(1, self.batch_seconds // seconds))
        tracks = [generate_soundtrack(seed, duration=seconds, split=self.split) for seed in seeds]
        inputs = self.extractor(audio=[track.waveform for track in tracks], sampling_rate=16000)
        return {**inputs, "labels": torch.stack([torch.tensor(track.labels) for track in tracks])}


@torch.no_grad()
def mean_spearman(model: DAViHDModel, batches: list[Batch]) -> float:
    """Spearman correlation of scores with labels, clip by clip, then averaged; a constant score counts 0."""
    model.eval()
    values = []
    for batch in batches:
        scores = model(log_mel=batch["log_mel"].to(model.device)).scores.cpu()
        values += [
            spearmanr(score, label).statistic for score, label in zip(scores, batch["labels"], strict=True)
        ]
    model.train()
    return float(np.nan_to_num(values).mean())


def learning_rate(step: int, recipe: dict) -> float:
    """Linear warm-up, then half a cosine down to 1 %."""
    warmup, total = recipe["warmup_steps"], recipe["steps"]
    if step < warmup:
        return recipe["learning_rate"] * (step + 1) / warmup
    cosine = 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))
    return recipe["learning_rate"] * (0.01 + 0.99 * cosine)


def parse_arguments() -> tuple[argparse.Namespace, dict]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--config", type=Path, required=True, help="folder with config.json and training.yaml"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder for the trained model")
    parser.add_argument("--steps", type=int, help="instead of the recipe's")
    arguments = parser.parse_args()
    recipe_file = arguments.config / "training.yaml"
    if not recipe_file.is_file():
        parser.error(f"--config is {arguments.config}; it needs to be a folder with a training.yaml")
    recipe = yaml.safe_load(recipe_file.read_text())
    if recipe["dataset"] != "synthetic":
        parser.error(f"{recipe_file} names the dataset {recipe['dataset']!r}; it needs to be 'synthetic'")
    if arguments.steps is not None:
        if arguments.steps < 1:
            parser.error(f"--steps is {arguments.steps}; it needs to be at least 1")
        recipe["steps"] = arguments.steps
    return arguments, recipe


def main():
    arguments, recipe = parse_arguments()
    accelerator = Accelerator()
    set_seed(recipe["seed"])
    extractor = DAViHDFeatureExtractor.from_pretrained(arguments.config)
    model = DAViHDModel(DAViHDConfig.from_pretrained(arguments.config))
    optimizer = torch.optim.Adam(
        model.parameters(), lr=recipe["learning_rate"], weight_decay=recipe["weight_decay"]
    )
    training = SyntheticBatches(
        extractor, "train", recipe["steps"], recipe["seed"], recipe["batch_seconds"], recipe["clip_seconds"]
    )
    loader = DataLoader(training, batch_size=None, num_workers=1, prefetch_factor=4)
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    clips = SyntheticBatches(
        extractor, "validation", math.ceil(recipe["validation_clips"] / 8), recipe["seed"], 480, [60]
    )
    validation = [clips[i] for i in range(len(clips))]

    def validate_and_save(step: int, loss: float, best: float) -> float:
        network = accelerator.unwrap_model(model)
        spearman = mean_spearman(network, validation)
        report = {"step": step, "loss": round(loss, 5), "validation_spearman": round(spearman, 4)}
        report["seconds"] = round(time.time() - started)
        if accelerator.is_main_process:
            tqdm.write(json.dumps(report), file=sys.stderr)
            if spearman > best:
                network.save_pretrained(arguments.output)
                extractor.save_pretrained(arguments.output)
                (arguments.output / "training.json").write_text(json.dumps(recipe | report, indent=2) + "\n")
        return max(spearman, best)

    best, losses, started = -math.inf, [], time.time()
    for step, batch in enumerate(tqdm(loader, disable=None, desc="training")):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, recipe)
        loss = model(**batch).loss
        optimizer.zero_grad()
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(model.parameters(), recipe["gradient_clip"])
        optimizer.step()
        losses.append(loss.item())
        if (step + 1) % recipe["validate_every"] == 0 or step + 1 == recipe["steps"]:
            best = validate_and_save(step + 1, float(np.mean(losses)), best)
            losses = []


if __name__ == "__main__":
    main()
