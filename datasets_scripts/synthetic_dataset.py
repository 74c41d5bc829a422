"""Generated soundtracks, and films of them, as a dataset; `synthetic.py --out` is its command line."""

from __future__ import annotations

import argparse
import functools
import json
from pathlib import Path

import numpy as np
from tqdm import tqdm

from datasets_scripts.builder import UsageError, Video, build_dataset, settings_from
from datasets_scripts.shards import writing
from datasets_scripts.synthetic import Soundtrack, generate_soundtrack, render_film

SECONDS = 60.0
SHARE = 0.15  # of the videos, for validation and for test
FPS = 10  # of the films: two frames a second are looked at
SEEDS = 10**6  # videos that one --seed is good for

CARD = """---
license: apache-2.0
task_categories: [video-classification]
tags: [video-highlight-detection, synthetic]
---
# Generated soundtracks whose highlights are known

{count} {kind} of {duration:g} s, made by `datasets_scripts/synthetic.py` from the seed {seed}.

Every sound is generated: there is no recorded sound in here{picture}, and no person has labelled
anything. The labels are what the generator put in: how far a second stands out from its surroundings, not how
loud it is. A result on this dataset says that a model hears such events; it says nothing about what people
find worth watching.

The splits share no kind of event and no kind of background: validation and test are kinds of sound that do
not occur in training.
"""


def build(options: argparse.Namespace) -> int:
    """What `synthetic.py --out` does."""
    settings = settings_from(options)
    duration = SECONDS if options.duration is None else options.duration
    if settings.visual_backbone and not options.render:
        raise UsageError("--visual-backbone needs --render: without films there is no picture.")
    if not 3 <= options.videos <= SEEDS:
        raise UsageError(f"--videos is {options.videos}; three splits need at least 3, and at most {SEEDS}.")
    if options.seed < 0 or not duration >= 4:
        raise UsageError(
            f"--seed is {options.seed} and --duration {duration:g}; at least 0 and 4 s are needed."
        )
    names = plan(options.videos, options.seed)
    if options.render:
        videos = rendered(options.out / "videos", names, duration)
    else:
        videos = [sounding(seed, split, duration) for seed, split in names]
    kind, picture = ("films", ", no filmed picture") if options.render else ("soundtracks", "")
    card = CARD.format(count=options.videos, kind=kind, duration=duration, seed=options.seed, picture=picture)
    print(build_dataset(options.out, videos, settings, card=card))
    return 0


def plan(count: int, seed: int) -> list[tuple[int, str]]:
    """Seed and split of each video: 70 % train, 15 % validation, 15 % test, and at least one of each."""
    held_out = max(1, round(SHARE * count))
    splits = ["train"] * (count - 2 * held_out) + ["validation"] * held_out + ["test"] * held_out
    return [(seed * SEEDS + number, split) for number, split in enumerate(splits)]


def video_name(seed: int, split: str) -> str:
    return f"{split}-{seed:06d}"


def sounding(seed: int, split: str, duration: float) -> Video:
    """The row of a soundtrack that is generated when it is needed."""
    make = functools.partial(soundtrack, seed, split, duration)
    return Video(
        video_id=video_name(seed, split),
        split=split,
        labels=lambda _: make().labels,
        sound=lambda: make().waveform,
        duration=duration,
        identity=f"{split} {seed} {duration}",
    )


@functools.lru_cache(maxsize=1)
def soundtrack(seed: int, split: str, duration: float) -> Soundtrack:
    return generate_soundtrack(seed, duration=duration, split=split)


def rendered(folder: Path, names: list[tuple[int, str]], duration: float) -> list[Video]:
    """The rows of films, which are rendered unless they are there already."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    videos = []
    for seed, split in tqdm(names, unit="film", disable=None, desc="rendering"):
        path = folder / f"{video_name(seed, split)}.mp4"
        labels = labels_beside(path, seed, duration)
        if labels is None:
            with writing(path):
                for left in folder.glob(f".{path.name}.*.tmp"):  # by a run that was killed
                    left.unlink()
                render_film(path, seed, duration, split, fps=FPS)
            labels = labels_beside(path, seed, duration)
        videos.append(Video(path.stem, split, labels, media=path, duration=duration))
    return videos


def labels_beside(film: Path, seed: int, duration: float) -> np.ndarray | None:
    """The labels of a film of that seed and duration, which are written after it; None if it is not there."""
    try:
        truth = json.loads(film.with_suffix(".json").read_text(encoding="utf-8"))
        right = film.is_file() and (truth["seed"], truth["duration"]) == (seed, duration)
        return np.array(truth["labels"], np.float32) if right else None
    except (FileNotFoundError, json.JSONDecodeError, KeyError, TypeError):
        return None
