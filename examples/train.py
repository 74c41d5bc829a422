"""Train a model: accelerate launch examples/train.py --config configuration/davihd-small --output DIR"""

import argparse
import json
import math
import sys
import time
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


class SyntheticBatches(Dataset):
    """Item i is the i-th batch: clips of one length, generated from seeds that no other item uses."""

    def __init__(
        self, extractor: DAViHDFeatureExtractor, recipe: dict, split: str, batches: int, clips: int = 0
    ):
        self.extractor, self.recipe, self.split, self.batches, self.clips = (
            extractor,
            recipe,
            split,
            batches,
            clips,
        )

    def __len__(self) -> int:
        return self.batches

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        lengths = self.recipe["clip_seconds"]
        seconds = lengths[int(np.random.default_rng([self.recipe["seed"], index]).integers(len(lengths)))]
        clips = self.clips or max(1, self.recipe["batch_seconds"] // seconds)
        first_seed = self.recipe["seed"] * 10**8 + index * 1000
        tracks = [
            generate_soundtrack(first_seed + i, duration=seconds, split=self.split) for i in range(clips)
        ]
        batch = self.extractor(audio=[track.waveform for track in tracks], sampling_rate=16000)
        return {"log_mel": batch["log_mel"], "labels": torch.stack([torch.tensor(t.labels) for t in tracks])}


@torch.no_grad()
def mean_spearman(model: DAViHDModel, batches: list[dict[str, torch.Tensor]]) -> float:
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


def learning_rate_factor(step: int, warmup: int, total: int) -> float:
    """Linear warm-up, then half a cosine down to 1 %."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))


def parse_arguments() -> tuple[argparse.Namespace, dict]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--config", type=Path, required=True, help="folder with config.json and training.yaml"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder for the trained model")
    parser.add_argument("--steps", type=int, help="instead of the recipe's")
    arguments = parser.parse_args()
    if not (arguments.config / "training.yaml").is_file():
        parser.error(f"--config is {arguments.config}; it needs to be a folder with a training.yaml")
    recipe = yaml.safe_load((arguments.config / "training.yaml").read_text())
    if arguments.steps:
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
    batches = SyntheticBatches(extractor, recipe, "train", recipe["steps"])
    loader = DataLoader(batches, batch_size=None, num_workers=1, prefetch_factor=4)
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    validation_recipe = recipe | {"clip_seconds": [60]}
    validation = SyntheticBatches(
        extractor, validation_recipe, "validation", math.ceil(recipe["validation_clips"] / 8), 8
    )
    validation = [validation[i] for i in range(len(validation))]

    best, losses, started = -1.0, [], time.time()
    progress = tqdm(loader, disable=None, desc="training")
    for step, batch in enumerate(progress):
        factor = learning_rate_factor(step, recipe["warmup_steps"], recipe["steps"])
        for group in optimizer.param_groups:
            group["lr"] = recipe["learning_rate"] * factor
        loss = model(**batch).loss
        optimizer.zero_grad()
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(model.parameters(), recipe["gradient_clip"])
        optimizer.step()
        losses.append(loss.item())
        if (step + 1) % recipe["validate_every"] and step + 1 < recipe["steps"]:
            continue
        spearman = mean_spearman(accelerator.unwrap_model(model), validation)
        report = {
            "step": step + 1,
            "loss": round(float(np.mean(losses)), 5),
            "validation_spearman": round(spearman, 4),
            "seconds": round(time.time() - started),
        }
        losses = []
        if accelerator.is_main_process:
            tqdm.write(json.dumps(report), file=sys.stderr)
            if spearman > best:
                best = spearman
                accelerator.unwrap_model(model).save_pretrained(arguments.output)
                extractor.save_pretrained(arguments.output)
                (arguments.output / "training.json").write_text(json.dumps(recipe | report, indent=2) + "\n")


if __name__ == "__main__":
    main()
