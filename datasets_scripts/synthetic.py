"""Films and soundtracks whose highlights are known, because they are generated: one film, or a dataset.

python datasets_scripts/synthetic.py --film sample.mp4    # and its highlights in sample.json
python datasets_scripts/synthetic.py --out DIR --videos 24 --render    # a dataset of films
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from datasets_scripts.building.builder import Video, build_dataset, run_command, settings_from
from datasets_scripts.building.errors import UsageError
from datasets_scripts.building.options import add_extraction_arguments
from datasets_scripts.building.shards import writing
from datasets_scripts.building.splits import SPLITS
from datasets_scripts.synthesis.film import render_film
from datasets_scripts.synthesis.soundtrack import Soundtrack, generate_soundtrack
from modeling_davihd.files import clear_partials

SECONDS = 60.0
FILM_SECONDS = 48.0
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
    """What `--out` does."""
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
    clear_partials(folder, unchanged_for=0)
    videos = []
    for seed, split in tqdm(names, unit="film", disable=None, desc="rendering"):
        path = folder / f"{video_name(seed, split)}.mp4"
        labels = labels_beside(path, seed, duration)
        if labels is None:
            with writing(path):
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


def main(arguments: list[str] | None = None) -> int:
    """Command line: renders one film, or builds a dataset."""
    parser = _parser()
    options = parser.parse_args(arguments)
    _check_options(parser, options)
    if options.out is not None:
        return run_command(lambda: build(options), parser.prog)
    duration = FILM_SECONDS if options.duration is None else options.duration
    try:
        soundtrack = render_film(options.film, options.seed, duration, options.split or "train")
    except (ValueError, OSError) as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    print(f"{options.film}  {duration:g} s  {len(soundtrack.events)} events")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Synthetic films whose highlights are known: one, or a dataset."
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--film", type=Path, metavar="OUT.mp4", help="film to write; OUT.json beside it")
    what.add_argument("--out", type=Path, metavar="DIR", help="dataset to build; needs --videos")
    parser.add_argument("--seed", type=int, default=0, help="which film, or which dataset (default 0)")
    parser.add_argument("--duration", type=float, help="seconds (default 48 for a film, 60 for a dataset's)")
    parser.add_argument("--split", choices=SPLITS, help="kinds of sound of the --film (default train)")
    parser.add_argument("--videos", type=int, metavar="N", help="how many videos the dataset has")
    parser.add_argument("--render", action="store_true", help="make films, and features of their picture too")
    add_extraction_arguments(parser)
    parser.set_defaults(visual_backbone=None, semantic_backbone="statistics")
    return parser


def _check_options(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Refuse what does not belong together; a dataset's picture is described if there is one."""
    if options.film and (options.videos is not None or options.render):
        parser.error("--videos and --render belong to --out DIR")
    if options.out and (options.videos is None or options.split):
        parser.error("--out needs --videos N, and has all splits, so that --split belongs to --film")
    if options.visual_backbone is None:
        options.visual_backbone = "statistics" if options.render else "none"


if __name__ == "__main__":
    sys.exit(main())
