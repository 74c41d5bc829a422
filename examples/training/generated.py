"""Generated soundtracks to train and to score models on; this alone here imports what generates them."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from datasets_scripts.synthesis.soundtrack import generate_soundtrack
from examples.training.data import Batch, collate
from examples.training.recipe import SYNTHETIC, TEST_CLIPS, Recipe
from examples.training.runs import Run
from modeling_davihd import DAViHDConfig, DAViHDFeatureExtractor

# Far apart, so that no soundtrack is used twice: training counts up from seed * 1e8.
FIRST_SEEDS = {"validation": 800_000_000, "test": 900_000_000}


class SyntheticSource:
    """Runs on soundtracks generated as they are needed; the model only listens."""

    def __init__(self, folder: Path, changes: Mapping[str, object], recipe: Recipe):
        self._config = DAViHDConfig.from_pretrained(folder, **changes)
        self._extractor = DAViHDFeatureExtractor.from_pretrained(folder)
        if list(self._config.modalities) != ["dynamics"]:
            raise ValueError(
                f"{folder}/config.json has the modalities {list(self._config.modalities)}; generated "
                "soundtracks train 'dynamics' alone."
            )
        self._clips = {"validation": recipe.validation_clips, "test": TEST_CLIPS}

    def run(self, recipe: Recipe, output: Path) -> Run:
        """The training of that recipe, whose seed tells its soundtracks from those of other runs."""
        rows = {
            split: SyntheticClips(self._extractor, split, clips, FIRST_SEEDS[split])
            for split, clips in self._clips.items()
        }
        facts = {"dataset": SYNTHETIC, "selection": "validation", "generated": True}
        return Run(self._config, self._extractor, recipe, rows, output, facts)


class SyntheticClips(Dataset):
    """Generated soundtracks as rows like those of `HighlightRows`, made when first asked for, then kept."""

    summaries: dict = {}

    def __init__(
        self, extractor: DAViHDFeatureExtractor, split: str, clips: int, first_seed: int, seconds: int = 60
    ):
        self.name = f"{clips} generated soundtracks of {seconds} s, split {split}"
        self.lengths = np.full(clips, seconds)
        make = functools.partial(synthetic_row, extractor, seconds=seconds, split=split)
        self._row = functools.cache(lambda index: make(first_seed + index))

    @property
    def labels(self) -> list[np.ndarray]:
        """Of every soundtrack, which generates all of them."""
        return [self[index]["labels"].numpy() for index in range(len(self))]

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> Batch:
        return self._row(int(index))


def synthetic_row(extractor: DAViHDFeatureExtractor, seed: int, seconds: int, split: str) -> Batch:
    """The soundtrack of a seed as `log_mel` (M, F) and its `labels` (T,), with a split's kinds of sound."""
    track = generate_soundtrack(seed, duration=seconds, split=split)
    log_mel = extractor(audio=track.waveform, sampling_rate=16000).log_mel[0].T
    return {"log_mel": log_mel, "labels": torch.from_numpy(track.labels)}


class SyntheticBatches(Dataset):
    """Item i is the i-th training batch: clips of one length, of seeds that no other item uses.

    With several processes, each takes every `processes`-th clip, beginning with clip `rank`.
    """

    def __init__(
        self,
        extractor: DAViHDFeatureExtractor,
        seed: int,
        batch_seconds: int,
        clip_seconds: Sequence[int],
        rank: int = 0,
        processes: int = 1,
    ):
        if batch_seconds // max(clip_seconds) < processes:
            raise ValueError(
                f"batch_seconds is {batch_seconds}; {processes} processes need a clip of "
                f"{max(clip_seconds)} s each."
            )
        self._extractor, self._seed = extractor, seed
        self._batch_seconds, self._clip_seconds = batch_seconds, list(clip_seconds)
        self._rank, self._processes = rank, processes

    def __getitem__(self, index: int) -> Batch:
        choice = np.random.default_rng([self._seed, index]).integers(len(self._clip_seconds))
        seconds = self._clip_seconds[choice]
        first = self._seed * 10**8 + index * 1000
        seeds = range(first, first + max(1, self._batch_seconds // seconds))[self._rank :: self._processes]
        return collate([synthetic_row(self._extractor, seed, seconds, "train") for seed in seeds])
