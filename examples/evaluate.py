"""Score a model on generated soundtracks beside simple rules: python examples/evaluate.py --model DIR"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import uniform_filter1d
from scipy.stats import spearmanr
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from datasets_scripts.synthetic import SPLITS, generate_soundtrack
from modeling_davihd import DEFAULT_CHECKPOINT, DAViHDFeatureExtractor, DAViHDModel

SMOOTHING = 5  # seconds
FIRST_SEED = 900_000_000  # far from the seeds that training uses


def rules(log_mel: np.ndarray, seconds: int, seed: int) -> dict[str, np.ndarray]:
    """Scores (T,) that need no training, from log-Mel (128, M); flux is the rise of the bands' energy."""
    energy = np.exp(log_mel)
    owner = (np.arange(energy.shape[1]) / (energy.shape[1] / seconds)).astype(int)

    def per_second(values: np.ndarray) -> np.ndarray:
        return np.bincount(owner, values, seconds) / np.bincount(owner, minlength=seconds)

    loudness = np.log(per_second(energy.sum(0)) + 1e-6)
    flux = per_second(np.maximum(np.diff(energy, prepend=energy[:, :1]), 0).sum(0))
    return {
        "random": np.random.default_rng(seed).random(seconds),
        "centre": -np.abs(np.arange(seconds) / seconds - 0.5),
        "loudness": loudness,
        f"loudness, {SMOOTHING} s mean": uniform_filter1d(loudness, SMOOTHING),
        f"spectral flux, {SMOOTHING} s mean": uniform_filter1d(flux, SMOOTHING),
    }


@torch.inference_mode()
def evaluate(checkpoint: Path, split: str, clips: int) -> dict[str, float]:
    """Mean Spearman correlation with the labels over 60-second soundtracks; a constant score counts 0."""
    model = DAViHDModel.from_pretrained(checkpoint).eval()
    extractor = DAViHDFeatureExtractor.from_pretrained(checkpoint)
    values: dict[str, list[float]] = {}
    for seed in tqdm(range(FIRST_SEED, FIRST_SEED + clips), disable=None, desc=split):
        track = generate_soundtrack(seed, split=split)
        log_mel = extractor(audio=track.waveform, sampling_rate=16000).log_mel
        scores = rules(log_mel[0].numpy(), len(track.labels), seed)
        scores["model"] = model(log_mel=log_mel).scores[0].numpy()
        for name, score in scores.items():
            values.setdefault(name, []).append(spearmanr(score, track.labels).statistic)
    return {name: float(np.nan_to_num(correlations).mean()) for name, correlations in values.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=DEFAULT_CHECKPOINT, help="checkpoint folder")
    parser.add_argument("--split", choices=SPLITS, default="test")
    parser.add_argument("--clips", type=int, default=200, help="number of soundtracks")
    parser.add_argument("--output", type=Path, help="also write the results to this JSON file")
    arguments = parser.parse_args()
    results = evaluate(arguments.model, arguments.split, arguments.clips)
    print(f"Generated soundtracks, split {arguments.split}, {arguments.clips} of 60 s\n")
    print("| scores | Spearman |\n|---|---|")
    for name, value in results.items():
        print(f"| {name} | {value:.3f} |")
    if arguments.output:
        arguments.output.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
