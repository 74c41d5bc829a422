"""Films and soundtracks whose highlights are known, because they are generated: one film, or a dataset.

python datasets_scripts/synthetic.py --film sample.mp4    # and its highlights in sample.json
python datasets_scripts/synthetic.py --out DIR --videos 24 --render    # a dataset of films
python datasets_scripts/synthetic.py --out DIR --videos 24 --sounds SOUNDS    # mixed of recorded sounds
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from datasets_scripts.building.builder import (
    Report,
    Settings,
    Video,
    build_dataset,
)
from datasets_scripts.building.console import run_dataset_command
from datasets_scripts.building.options import add_extraction_arguments, settings_from
from datasets_scripts.building.splits import SPLITS
from datasets_scripts.synthesis.film import render_film
from datasets_scripts.synthesis.labels import Ramp, Soundtrack
from datasets_scripts.synthesis.library import Library
from datasets_scripts.synthesis.soundtrack import generate_soundtrack
from modeling_davihd.conversion import EncoderChoice
from modeling_davihd.engines.errors import DatasetError, UsageError
from modeling_davihd.engines.shards import writing
from modeling_davihd.files import clear_partials
from modeling_davihd.jobs import Died, in_order
from modeling_davihd.media import MediaError

SECONDS = 60.0  # of each video of a dataset
FILM_SECONDS = 48.0  # of a single film
HELD_OUT_SHARE = 0.15  # of the videos, for validation and again for test
FPS = 10  # of the films of a dataset; encoders look at two frames a second
MOST_VIDEOS = 10**6  # that a dataset can have before it shares soundtracks with that of the next seed

CARD = """---
license: {license}
task_categories: [video-classification]
tags: [video-highlight-detection, synthetic]
---
# {title} whose highlights are known

{count} {kind} of {duration:g} s, made by `datasets_scripts/synthetic.py` from the seed {seed}.

{origin}{picture}, and no person has labelled
anything. The labels are what the generator put in: how far a second stands out from its surroundings, not how
loud it is. A result on this dataset says that a model hears such events; it says nothing about what people
find worth watching.

{splits}
"""
GENERATED = {
    "license": "apache-2.0",
    "title": "Generated soundtracks",
    "origin": "Every sound is generated: there is no recorded sound in here",
    "splits": "The splits share no kind of event and no kind of background: validation and test are kinds of "
    "sound that do\nnot occur in training.",
}
RECORDED = {
    "license": "other",
    "title": "Soundtracks mixed from recordings",
    "origin": "Most sounds are recordings, mixed by a program: no soundtrack of a film is in here",
    "splits": "The splits share no recording. The licences of the recordings hold for the soundtracks too: "
    "see the manifest of\nthe library that they were mixed from.",
}


def build_synthetic(
    out: Path,
    *,
    videos: int,
    duration: float = SECONDS,
    seed: int = 0,
    render: bool = False,
    sounds: Path | None = None,
    settings: Settings | None = None,
) -> Report:
    """Build, or go on building, a dataset of generated soundtracks, or of films, in the folder `out`.

    videos: how many, in all splits together. duration: seconds of each. seed: which dataset.
    render: draw films, which are kept in `out`/videos; otherwise there is sound alone.
    sounds: a library of recordings (datasets_scripts/sounds.py) that most sounds are taken from, if any.
    settings: what to compute of them; if None, the log-Mel spectrogram and plain descriptors.

    Raises UsageError for fewer than 3 or too many videos, less than 4 s, a negative seed, a visual backbone
    without films or a folder that is not a library, and DatasetError where the dataset cannot be written.
    """
    settings = default_settings(render) if settings is None else settings
    if "visual" in settings.encoders and not render:
        raise UsageError("--visual-backbone needs --render: without films there is no picture.")
    if not 3 <= videos <= MOST_VIDEOS:
        raise UsageError(f"--videos is {videos}; three splits need at least 3, and at most {MOST_VIDEOS}.")
    if seed < 0 or not duration >= 4:
        raise UsageError(f"--seed is {seed} and --duration {duration:g}; at least 0 and 4 s are needed.")
    tracks = [Track(own_seed, split, duration, sounds) for own_seed, split in seeds_and_splits(videos, seed)]
    tracks[0].library()  # before anything is written
    rows = rendered(out / "videos", tracks) if render else [sounding(track) for track in tracks]
    kind, picture = ("films", ", no filmed picture") if render else ("soundtracks", "")
    words = (GENERATED if sounds is None else RECORDED) | {"kind": kind, "picture": picture}
    card = CARD.format(count=videos, duration=duration, seed=seed, **words)
    return build_dataset(out, rows, settings, card=card)


@dataclass(frozen=True)
class Track:
    """What makes a soundtrack: seed, split, length in seconds, and the folder of its recordings, if any."""

    seed: int
    split: str
    duration: float
    sounds: Path | None = None

    @property
    def name(self) -> str:
        """That of its video."""
        return f"{self.split}-{self.seed:06d}"

    @property
    def origin(self) -> dict[str, object]:
        """What a film says of where it comes from; equal ones sound alike."""
        library = self.library()
        recordings = {} if library is None else {"sounds": library.fingerprint}
        return {"duration": self.duration, "seed": self.seed, "split": self.split, **recordings}

    def library(self) -> Library | None:
        """Its recordings. Raises UsageError if the folder is not a library."""
        return None if self.sounds is None else _library(self.sounds)

    def make(self) -> Soundtrack:
        """The soundtrack; the one made last is at hand."""
        return _made(self)


@functools.lru_cache(maxsize=1)
def _made(track: Track) -> Soundtrack:
    library = track.library()
    world, ramp = ("generated", None) if library is None else ("recorded", Ramp())
    given = {"duration": track.duration, "split": track.split, "world": world, "ramp": ramp}
    return generate_soundtrack(track.seed, library=library, **given)


@functools.cache
def _library(folder: Path) -> Library:
    try:
        return Library.open(folder)
    except ValueError as error:
        raise UsageError(f"--sounds: {error}") from error


def default_settings(render: bool) -> Settings:
    """The log-Mel spectrogram and plain descriptors of the sound and, if there are films, of the picture."""
    streams = ("visual", "semantic") if render else ("semantic",)
    return Settings({stream: EncoderChoice("statistics") for stream in streams})


def seeds_and_splits(count: int, seed: int) -> list[tuple[int, str]]:
    """Seed and split of each video: 70 % train, 15 % validation, 15 % test, and at least one of each."""
    held_out = max(1, round(HELD_OUT_SHARE * count))
    splits = ["train"] * (count - 2 * held_out) + ["validation"] * held_out + ["test"] * held_out
    return [(seed * MOST_VIDEOS + number, split) for number, split in enumerate(splits)]


def sounding(track: Track) -> Video:
    """A video that is a soundtrack alone, made when it is needed."""
    return Video(
        video_id=track.name,
        split=track.split,
        labels=lambda _: track.make().labels,
        sound=lambda: track.make().waveform,
        duration=track.duration,
        identity=" ".join([track.split, *map(str, track.origin.values())]),
    )


def rendered(folder: Path, tracks: list[Track]) -> list[Video]:
    """Videos with those soundtracks as films in the folder, rendered unless they are there already."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    clear_partials(folder, unchanged_for=0)
    paths = {track: folder / f"{track.name}.mp4" for track in tracks}
    labels = {track: labels_beside(path, track.origin) for track, path in paths.items()}
    missing = [track for track, found in labels.items() if found is None]
    render_all(missing, paths)
    labels |= {track: labels_beside(paths[track], track.origin) for track in missing}
    return [
        Video(path.stem, track.split, labels[track], media=path, duration=track.duration)
        for track, path in paths.items()
    ]


def render_all(tracks: list[Track], paths: dict[Track, Path]) -> None:
    """Render films, as many at a time as there are cores.

    Raises DatasetError or MediaError if one cannot be written.
    """

    def render(track: Track) -> Exception | None:
        try:
            with writing(paths[track]):
                render_film(paths[track], track.make(), track.origin, fps=FPS)
        except (DatasetError, MediaError) as error:
            return error
        return None

    with closing(in_order(render, tracks, len(os.sched_getaffinity(0)))) as results:
        named = zip(tracks, results, strict=True)
        for track, result in tqdm(named, total=len(tracks), unit="film", disable=None, desc="rendering"):
            if isinstance(result, Died):
                raise DatasetError(f"{paths[track]} could not be rendered: {result}.")
            if result is not None:
                raise result


def labels_beside(film: Path, origin: dict[str, object]) -> np.ndarray | None:
    """The labels of a film of that origin, or None if there is no such film.

    They are written after the film, so they stand for a whole one.
    """
    try:
        truth = json.loads(film.with_suffix(".json").read_text(encoding="utf-8"))
        told = {name: value for name, value in truth.items() if name not in ("events", "labels")}
        right = film.is_file() and told == origin
        return np.array(truth["labels"], np.float32) if right else None
    except (FileNotFoundError, json.JSONDecodeError, KeyError, TypeError):
        return None


def main(arguments: list[str] | None = None) -> int:
    """Command line: a film, or a dataset. Exit status 0, 1 for wrong data, 2 for wrong usage."""
    parser = _parser()
    options = parser.parse_args(arguments)
    _check_options(parser, options)
    if options.out is not None:
        return run_dataset_command(lambda: _build(options), parser.prog)
    duration = FILM_SECONDS if options.duration is None else options.duration
    track = Track(options.seed, options.split or "train", duration, options.sounds)
    try:
        render_film(options.film, track.make(), track.origin)
    except (UsageError, ValueError, OSError) as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    print(f"{options.film}  {duration:g} s  {len(track.make().events)} events")
    return 0


def _build(options: argparse.Namespace) -> None:
    report = build_synthetic(
        options.out,
        videos=options.videos,
        duration=SECONDS if options.duration is None else options.duration,
        seed=options.seed,
        render=options.render,
        sounds=options.sounds,
        settings=settings_from(options),
    )
    print(report)


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
    parser.add_argument(
        "--sounds", type=Path, metavar="SOUNDS", help="folder of recordings to mix soundtracks of"
    )
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
