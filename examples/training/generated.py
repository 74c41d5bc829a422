"""Soundtracks to train and to score models on, made as needed; this alone here imports what makes them."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from datasets_scripts.synthesis.library import Library
from datasets_scripts.synthesis.soundtrack import Event, Ramp, Soundtrack, generate_soundtrack
from examples.training.data import Batch, collate
from examples.training.recipe import SYNTHETIC, WORLDS, Recipe
from examples.training.runs import Run
from modeling_davihd import DAViHDConfig, DAViHDFeatureExtractor

# Far apart, so that no soundtrack is used twice: training counts up from seed * 1e8.
FIRST_SEEDS = {"validation": 800_000_000, "test": 900_000_000}
# Soundtracks without a highlight, on which the level of the automatic mode is found.
EVENTLESS_SEED = 850_000_000
NOTABLE = 0.3  # prominence from which an event is a highlight, and not a small thing of minor interest


@dataclass(frozen=True)
class Worlds:
    """Where soundtracks come from: how often from each world, the recordings, and the labels' slopes.

    shares: by world ("generated", "wider", "recorded", "single"), relative to each other. library: the
    recordings that the last two take, or None. ramp: of the labels; None for those with soft shoulders alone.
    eventless: share of the soundtracks to train on that have no highlight.
    """

    shares: Mapping[str, float]
    library: Library | None = None
    ramp: Ramp | None = None
    eventless: float = 0.0

    @classmethod
    def of_recipe(cls, recipe: Recipe) -> Worlds:
        """Those of a recipe; without a folder of sounds, none are recorded.

        Raises ValueError if nothing is left, or the folder is not a library.
        """
        library = None if recipe.sounds is None else Library.open(Path(recipe.sounds))
        shares = {world: getattr(recipe, f"{world}_share") for world in WORLDS}
        if library is None:
            del shares["recorded"]
        shares = {world: share for world, share in shares.items() if share > 0}
        if not shares:
            raise ValueError("Every share of soundtracks is 0; recorded ones need --sounds, a folder.")
        ramp = None if recipe.label_rise is None else Ramp(recipe.label_rise, recipe.label_fall)
        return cls(shares, library, ramp, recipe.eventless_share)

    @property
    def names(self) -> list[str]:
        """The worlds that occur, in the order of their table."""
        return list(self.shares)

    def draw(self, seed: int, seconds: int) -> Soundtrack:
        """The soundtrack of a seed to train on, from a world drawn by the shares."""
        rng, shares = np.random.default_rng([seed, 1]), np.array(list(self.shares.values()))
        world = self.names[rng.choice(len(shares), p=shares / shares.sum())]
        return self.soundtrack(seed, seconds, "train", world, eventless=rng.random() < self.eventless)

    def soundtrack(
        self, seed: int, seconds: int, split: str, world: str, *, eventless: bool = False
    ) -> Soundtrack:
        """The soundtrack of a seed in that world, with a split's kinds of sound and its recordings."""
        return generate_soundtrack(
            seed,
            duration=seconds,
            split=split,
            world=world,
            library=self.library,
            eventless=eventless,
            ramp=self.ramp,
        )


class SyntheticSource:
    """Runs on soundtracks made as they are needed; the model only listens."""

    def __init__(self, folder: Path, changes: Mapping[str, object], recipe: Recipe):
        self._config = DAViHDConfig.from_pretrained(folder, **changes)
        self._extractor = DAViHDFeatureExtractor.from_pretrained(folder)
        if list(self._config.modalities) != ["dynamics"]:
            raise ValueError(
                f"{folder}/config.json has the modalities {list(self._config.modalities)}; generated "
                "soundtracks train 'dynamics' alone."
            )
        self._worlds = Worlds.of_recipe(recipe)
        self._clips = {"validation": recipe.validation_clips, "test": recipe.test_clips}

    def run(self, recipe: Recipe, output: Path) -> Run:
        """The training of that recipe, whose seed tells its soundtracks from those of other runs."""
        worlds, extractor = self._worlds, self._extractor
        rows = {
            split: SyntheticClips(extractor, worlds, split, clips, FIRST_SEEDS[split])
            for split, clips in self._clips.items()
        }
        rows["eventless"] = SyntheticClips(
            extractor, worlds, "validation", 2 * recipe.validation_clips, EVENTLESS_SEED, eventless=True
        )
        library = worlds.library
        facts = {
            "dataset": SYNTHETIC,
            "selection": "validation",
            "generated": True,
            "sounds": None if library is None else library.fingerprint,
        }
        return Run(self._config, extractor, recipe, rows, output, facts, worlds)


class SyntheticClips(Dataset):
    """Soundtracks as rows like those of `HighlightRows`, made when first asked for, then kept.

    Those of several worlds take turns.
    """

    loudness = None  # it is heard

    def __init__(
        self,
        extractor: DAViHDFeatureExtractor,
        worlds: Worlds,
        split: str,
        clips: int,
        first_seed: int,
        seconds: int = 60,
        *,
        eventless: bool = False,
    ):
        self.name = f"{clips} {' and '.join(worlds.names)} soundtracks of {seconds} s, split {split}"
        self.lengths = np.full(clips, seconds)
        names = worlds.names

        def make(index: int) -> tuple[Batch, list[Event]]:
            world = names[index % len(names)]
            track = worlds.soundtrack(first_seed + index, seconds, split, world, eventless=eventless)
            return row_of(extractor, track), track.events

        self._made = functools.cache(make)

    @property
    def labels(self) -> list[np.ndarray]:
        """Of every soundtrack, which generates all of them."""
        return [self[index]["labels"].numpy() for index in range(len(self))]

    @property
    def events(self) -> list[list[tuple[str, float, float]]]:
        """Kind, start and end of every soundtrack's highlights, which generates all of them."""
        made = (self._made(index)[1] for index in range(len(self)))
        return [[(e.kind, e.start, e.end) for e in events if e.prominence >= NOTABLE] for events in made]

    @property
    def summaries(self) -> dict:
        """What the metric takes besides labels: when the events are."""
        return {"events": [[event[1:] for event in events] for events in self.events]}

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> Batch:
        return self._made(int(index))[0]


def row_of(extractor: DAViHDFeatureExtractor, track: Soundtrack) -> Batch:
    """A soundtrack as `log_mel` (M, F) and its `labels` (T,)."""
    log_mel = extractor(audio=track.waveform, sampling_rate=16000).log_mel[0].T
    return {"log_mel": log_mel, "labels": torch.from_numpy(track.labels)}


class SyntheticBatches(Dataset):
    """The batches of training: clips of one length for each step, of seeds that no other step uses.

    Item i is part i % parts of step i // parts, which has `parts` times `batch_seconds` of sound. With
    several processes, each takes every `processes`-th clip of it, beginning with clip `rank`.
    """

    def __init__(
        self,
        extractor: DAViHDFeatureExtractor,
        worlds: Worlds,
        seed: int,
        batch_seconds: int,
        clip_seconds: Sequence[int],
        rank: int = 0,
        processes: int = 1,
        parts: int = 1,
    ):
        if batch_seconds // max(clip_seconds) < processes:
            raise ValueError(
                f"batch_seconds is {batch_seconds}; {processes} processes need a clip of "
                f"{max(clip_seconds)} s each."
            )
        self._extractor, self._worlds, self._seed = extractor, worlds, seed
        self._step_seconds, self._clip_seconds = batch_seconds * parts, list(clip_seconds)
        self._rank, self._processes, self._parts = rank, processes, parts

    def __getitem__(self, index: int) -> Batch:
        step, part = divmod(index, self._parts)
        choice = np.random.default_rng([self._seed, step]).integers(len(self._clip_seconds))
        seconds = self._clip_seconds[choice]
        first = self._seed * 10**8 + step * 1000
        seeds = range(first, first + max(1, self._step_seconds // seconds))
        seeds = seeds[self._rank :: self._processes][part :: self._parts]
        return collate([row_of(self._extractor, self._worlds.draw(seed, seconds)) for seed in seeds])
