"""Score models on a dataset, or on soundtracks made for it, alongside rules that need no network.

python examples/evaluate.py --model DIR_OR_HUB_ID --dataset DIR --split test
python examples/evaluate.py --sounds DIR    # the embedded model, on films mixed of recorded sounds
python examples/evaluate.py --sounds DIR --world single    # on single sounds over one background
python examples/evaluate.py --model DIR --dataset DIR --folds    # fold-0, fold-1, ..., each on its own
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm
from transformers import PreTrainedModel, logging

if __package__ in (None, ""):  # from examples/, "evaluate" would be this script
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from datasets_scripts.building.console import run_command
from datasets_scripts.building.splits import SPLITS
from examples.training import rules
from examples.training.data import HighlightDataset, Rows, read_dataset
from examples.training.folds import fold_models, listed_folds, own_folds
from examples.training.machine import processes
from examples.training.recipe import SYNTHETIC, TEST_CLIPS, WORLDS
from examples.training.runs import log_mel_settings
from examples.training.scoring import PROTOCOL, WithoutStreams, measure, open_model, scores_of
from examples.training.tables import headings, markdown, measured
from modeling_davihd import DEFAULT_CHECKPOINT, DAViHDFeatureExtractor
from modeling_davihd.files import write_json
from modeling_davihd.metrics.highlight_detection import PROTOCOLS
from modeling_davihd.streams_davihd import STREAMS

if TYPE_CHECKING:
    from examples.training.generated import SyntheticClips

DATASETS_OWN = Path()  # --folds without a file


def evaluate_rules(
    rows: Rows, training: Rows | None, protocol: str = PROTOCOL
) -> dict[str, dict[str, float]]:
    """The metrics of the rules, by name; those of sound only if the rows have log-Mel, or their loudness.

    The position profile is learnt on the labels of `training`.
    """
    profile = None if training is None else rules.position_profile(training.labels)
    scores: dict[str, list[np.ndarray]] = {}
    silent = None if processes().is_main_process else True
    for index in tqdm(range(len(rows)), disable=silent, desc="rules"):
        seconds, row = int(rows.lengths[index]), rows[index]
        found = {"random": rules.random_scores(seconds, index), "centre": rules.centre_scores(seconds)}
        if profile is not None:
            found["position profile"] = rules.stretched(profile, seconds)
        if "log_mel" in row:
            found |= rules.sound_scores(row["log_mel"].numpy(), seconds)
        elif rows.loudness is not None:
            found |= rules.loudness_scores(rows.loudness[index])
        for name, values in found.items():
            scores.setdefault(name, []).append(rules.without_negatives(values))
    return {name: measure(values, rows, protocol) for name, values in scores.items()}


def rule_metrics(
    dataset: HighlightDataset, split: str, protocol: str = PROTOCOL
) -> dict[str, dict[str, float]]:
    """The metrics of those rules on a split for which the dataset has what they read."""
    rate = dataset.extraction["log_mel_rate"]
    modalities = ["dynamics"] if rate else []
    training = None if dataset.streamed else dataset.rows("train", modalities, rate or 1)
    return evaluate_rules(dataset.rows(split, modalities, rate or 1), training, protocol)


def dataset_results(
    models: Mapping[str, PreTrainedModel],
    dataset: HighlightDataset,
    split: str,
    protocol: str,
    without: Sequence[str] = (),
) -> dict[str, dict]:
    """Metrics by row: the rules, then the models, which score the films `without` those streams."""
    found = rule_metrics(dataset, split, protocol)
    for name, model in models.items():
        rows = dataset.rows(split, model.config.modalities, **log_mel_settings(model.config))
        left = WithoutStreams.of(rows, without, model) if without else rows
        found[name] = measure(scores_of(model, left), rows, protocol)
    return found


def fold_results(
    checkpoints: Sequence[Path], dataset: HighlightDataset, folds: np.ndarray, protocol: str
) -> dict[str, list[dict]]:
    """Metrics by row, of every fold: those of rules, and of the model that was not trained on its videos.

    folds: (N,), the fold that each video is tested in. Raises ValueError unless there are as many as models.
    """
    if set(folds) != set(range(len(checkpoints))):
        raise ValueError(
            f"{dataset.source} has {len(set(folds))} folds; there are {len(checkpoints)} models."
        )
    found: dict[str, list[dict]] = {}
    for fold, checkpoint in enumerate(checkpoints):
        tested = folds == fold
        parts = {"train": np.flatnonzero(~tested), "test": np.flatnonzero(tested)}
        splits = {split: dataset.everything.select(indices) for split, indices in parts.items()}
        part = dataclasses.replace(dataset, splits=splits)
        model = {checkpoint.parent.name: open_model(str(checkpoint))}
        for row, metrics in dataset_results(model, part, "test", protocol).items():
            found.setdefault(row, []).append(metrics)
    return found


def soundtracks(world: str, split: str, clips: int, sounds: Path | None, **settings: Any) -> SyntheticClips:
    """The soundtracks of a world that models are scored on, with the recordings in a folder, if any.

    Labels are as narrow as those of plain generated soundtracks there, and rise and fall slowly elsewhere.
    settings: of the log-Mel spectrogram, for the feature extractor.
    """
    from datasets_scripts.synthesis.library import Library
    from datasets_scripts.synthesis.soundtrack import Ramp
    from examples.training.generated import FIRST_SEEDS, SyntheticClips, Worlds

    library = None if sounds is None else Library.open(sounds)
    worlds = Worlds({world: 1.0}, library, None if world == "generated" else Ramp())
    extractor = DAViHDFeatureExtractor(**settings)
    return SyntheticClips(extractor, worlds, split, clips, FIRST_SEEDS[split])


def found_by_kind(predictions: Mapping[str, list[np.ndarray]], clips: SyntheticClips) -> str:
    """A table: of every kind of event, how many there are and the share that each model finds."""
    from modeling_davihd.metrics.highlight_detection import event_scores

    kinds = [[kind for kind, _, _ in events] for events in clips.events]
    counts = Counter(itertools.chain(*kinds))
    shares = {
        name: event_scores(scores, clips.summaries["events"], kinds=kinds)["kinds"]
        for name, scores in predictions.items()
    }
    rows = {}
    for kind, count in counts.most_common():
        found = [f"{100 * share[kind]['event_recall']:.0f}" for share in shares.values()]
        rows[kind.replace("_", " ")] = [str(count), *found]
    return markdown(["events found, by kind", "events", *(f"{name}, %" for name in shares)], rows)


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="evaluate.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--model",
        nargs="+",
        default=[str(DEFAULT_CHECKPOINT)],
        metavar="M",
        help="checkpoint folder or Hub id, or several",
    )
    parser.add_argument(
        "--dataset",
        default=SYNTHETIC,
        metavar="D",
        help="a dataset, folder or HUB_ID[@revision] (default: generated soundtracks)",
    )
    parser.add_argument(
        "--streaming",
        action="store_true",
        help="do not download the training videos, and leave out the rule that learns their position profile",
    )
    add_options_of_scoring(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results to this file")
    options = parser.parse_args(arguments)
    check_options(parser, options)
    return options


def add_options_of_scoring(parser: argparse.ArgumentParser):
    """What is scored, and how."""
    parser.add_argument("--split", choices=SPLITS, default="test")
    parser.add_argument("--clips", type=int, default=TEST_CLIPS, help="number of soundtracks")
    parser.add_argument(
        "--sounds",
        type=Path,
        metavar="DIR",
        help="score on soundtracks made of the recordings in this folder (datasets_scripts/sounds.py)",
    )
    parser.add_argument(
        "--world",
        choices=WORLDS,
        help="kind of soundtrack: plain generated ones (default), films of generated or (default with "
        "--sounds) of recorded sounds, or single sounds over one background",
    )
    parser.add_argument(
        "--protocol",
        choices=PROTOCOLS,
        default=PROTOCOL,
        help="rules of the metrics: ours, or those of TripleSumm's published code (default %(default)s)",
    )
    parser.add_argument(
        "--folds",
        nargs="?",
        type=Path,
        const=DATASETS_OWN,
        metavar="FILE",
        help="score the models fold-0, fold-1, ... in the folder of --model, each on the videos of its fold: "
        "by the dataset's first column of folds, or by a text that lists the videos of every fold",
    )
    parser.add_argument(
        "--without",
        nargs="+",
        choices=tuple(STREAMS),
        default=(),
        metavar="STREAM",
        help="score a dataset's films as if they lacked these streams: left out for models trained with "
        "stream_dropout, silence and zeros for others",
    )


def check_options(parser: argparse.ArgumentParser, options: argparse.Namespace):
    """Exit with status 2 and a sentence if options do not go together."""
    if options.clips < 1:
        parser.error(f"--clips is {options.clips}; it needs to be at least 1")
    if options.dataset == SYNTHETIC and options.split == "train":
        parser.error("--split train needs --dataset; soundtracks are scored on kinds of sound unseen")
    if options.streaming and options.split == "train":
        parser.error("--split train needs the training videos; leave out --streaming")
    if options.folds and (options.dataset == SYNTHETIC or options.streaming or len(options.model) > 1):
        parser.error("--folds needs --dataset, one --model, and all videos: leave out --streaming")
    if options.folds and options.without:
        parser.error("--without goes with a model, not with --folds")
    if options.dataset == SYNTHETIC and options.without:
        parser.error("--without needs --dataset; soundtracks have one stream")
    made = [name for name in ("sounds", "world") if getattr(options, name) is not None]
    if options.dataset != SYNTHETIC and made:
        parser.error(f"--{made[0]} makes soundtracks; leave out --dataset")
    world = world_of(options)
    if options.sounds is None and world == "recorded":
        parser.error("--world recorded needs --sounds")
    if options.sounds is not None and world in ("generated", "wider"):
        parser.error(f"--world {world} has no recorded sounds; leave out --sounds")


def world_of(options: argparse.Namespace) -> str:
    """The kind of soundtrack that is asked for."""
    return options.world or ("generated" if options.sounds is None else "recorded")


def open_models(checkpoints: Sequence[str]) -> dict[str, PreTrainedModel]:
    """Models by the last part of their names. Raises ValueError if two share it, or one cannot be loaded."""
    models = {Path(checkpoint).name: open_model(checkpoint) for checkpoint in checkpoints}
    if len(models) < len(checkpoints):
        raise ValueError(f"--model has {' '.join(checkpoints)}; their last parts need to differ.")
    return models


def evaluate(options: argparse.Namespace):
    """Print the metrics of the rules and of the models, and write them to a file if one is named."""
    if options.folds:
        evaluate_folds(options)
        return
    models = open_models(options.model)
    if options.dataset != SYNTHETIC:
        dataset = read_dataset(options.dataset, options.streaming)
        found = dataset_results(models, dataset, options.split, options.protocol, options.without)
        videos = next(iter(found.values()))["n_videos"]
        report(single(found), f"{options.dataset}, split {options.split}, {videos} videos", options)
        return
    settings, *others = [log_mel_settings(model.config) for model in models.values()]
    if any(other != settings for other in others):
        raise ValueError("The models of --model read log-Mel at different rates; score one after the other.")
    clips = soundtracks(world_of(options), options.split, options.clips, options.sounds, **settings)
    predictions = {name: scores_of(model, clips) for name, model in models.items()}
    found = evaluate_rules(clips, None, options.protocol)
    found |= {name: measure(scores, clips, options.protocol) for name, scores in predictions.items()}
    source = "" if options.sounds is None else f", recordings of {options.sounds}"
    report(single(found), f"{clips.name}{source}", options)
    if processes().is_main_process:
        print(f"\n{found_by_kind(predictions, clips)}")


def evaluate_folds(options: argparse.Namespace):
    """`evaluate`, for the models of a cross-validation."""
    dataset, checkpoints = read_dataset(options.dataset), fold_models(options.model[0])
    ids = dataset.everything.column("video_id")
    folds = own_folds(dataset) if options.folds == DATASETS_OWN else listed_folds(options.folds, ids)
    found = fold_results(checkpoints, dataset, folds, options.protocol)
    source = f"{options.dataset}, mean and deviation over {len(checkpoints)} folds of {len(ids)} videos"
    report(found, source, options)


def single(found: Mapping[str, dict]) -> dict[str, list[dict]]:
    """Metrics that were measured once."""
    return {row: [metrics] for row, metrics in found.items()}


def mean_of(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of every metric, and how many videos there are in all."""
    means = {name: float(np.mean([run[name] for run in runs])) for name in runs[0]}
    return means | {"n_videos": sum(run["n_videos"] for run in runs)}


def report(found: Mapping[str, Sequence[dict]], source: str, options: argparse.Namespace):
    """Print metrics by row, and write them to the file of --json, in the first of several processes."""
    if not processes().is_main_process:
        return
    protocol, first = options.protocol, next(iter(found.values()))[0]
    if options.json:
        content = {row: {"protocol": protocol, **mean_of(runs)} for row, runs in found.items()}
        write_json(options.json, content)
    print(f"{source}, by the protocol {protocol}\n")
    rows = {row: measured(runs) for row, runs in found.items()}
    source = "" if protocol == PROTOCOL else protocol  # a column shows what it does not compare with
    print(markdown(["scores", *headings(source, first)], rows))


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 scored, 1 model or data are not as needed, 2 wrong usage."""
    options = parse_arguments(arguments)
    logging.disable_progress_bar()
    return run_command(lambda: evaluate(options), "evaluate.py")


if __name__ == "__main__":
    sys.exit(main())
