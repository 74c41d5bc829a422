"""Turn published checkpoints into folders that `from_pretrained` and `davihd highlight --model` load.

    python examples/convert_checkpoint.py --checkpoint best.pth --output build/davihd
    python examples/convert_checkpoint.py --checkpoint Cnn14_16k.pth --into build/davihd --output build/hears
    python examples/convert_checkpoint.py --checkpoint folds/ --output build/tvsum

The kind is recognised by the keys: the authors' DAViHD, PGL-SUM, UMT, CSTA and TripleSumm, which score the
seconds of a film by features, and the frozen encoders CNN14, YAMNet, Inception-v3 and 3D ResNet-34, which
make the features.
--into puts an encoder into a model that scores; once that has all that it needs, it takes films. Without
--into, the folder holds the encoder alone: it is for `get_visual_features`, `get_semantic_features`, and
--visual-weights and --semantic-weights of datasets_scripts/, and as a model it gives every second the same
score.

Several checkpoints, or a folder of them, become fold-0, fold-1 and so on. Nothing in a file is executed.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from huggingface_hub.errors import StrictDataclassError
from transformers import PreTrainedModel, logging

if __package__ in (None, ""):  # from examples/, "evaluate" would be the script beside this one
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from datasets_scripts.building.console import run_command, sentence
from examples.training.bundle import extractor_of, with_encoders
from examples.training.conversion_card import write_conversion_card
from examples.training.record import RECORD_FILE, Record
from modeling_davihd import DAViHDFeatureExtractor
from modeling_davihd.conversion.checkpoints import SUFFIXES, ForeignState
from modeling_davihd.conversion.kinds import (
    KINDS,
    EncoderKind,
    ScoringKind,
    blank_model,
    config_of,
    encoder_weights,
    extractor_for,
    open_checkpoint,
    preset,
    scoring_model,
)
from modeling_davihd.files import whole_folder
from modeling_davihd.loading import load_extractor, load_model
from modeling_davihd.streams_davihd import STREAMS

PRESETS = Path(__file__).resolve().parent.parent / "configuration"
Part = TypeVar("Part")
Loaded = tuple[PreTrainedModel, DAViHDFeatureExtractor]


def scoring(kind: ScoringKind, state: ForeignState, config: Path | None) -> Loaded:
    """The model of a checkpoint that scores, and the extractor of what it reads."""
    if config is None and (name := preset(kind, state)):
        config = PRESETS / name
    model = scoring_model(kind, state, config_of(kind, state, config))
    if config is None or not (config / "preprocessor_config.json").is_file():
        return model, extractor_for(model.config)
    return model, named(config, load_extractor)


def encoding(kind: EncoderKind, state: ForeignState, pca: Path | None, into: Path | None) -> Loaded:
    """A model with the encoder: that of the folder `into`, or one that gives every second the same score."""
    weights = encoder_weights(kind, state, pca)
    if into is None:
        model = blank_model(kind, weights)
        extractor = extractor_for(model.config)
    else:
        model, extractor = named(into, load_model), named(into, load_extractor)
        check_place(kind, into, model)
    model = with_encoders(model, {kind.stream: kind.backbone}, {kind.stream: weights})
    return model, extractor_of(model.config, extractor)


def check_place(kind: EncoderKind, folder: Path, model: PreTrainedModel):
    """Raise ValueError unless the model of a folder lacks this encoder, and was trained on its features."""
    stream, config = STREAMS[kind.stream], model.config
    if stream.name not in config.modalities:
        raise ValueError(f"{folder} does not read {stream.name} features, which {kind.title} makes.")
    if (there := config.stream_backbone(stream)) is not None:
        raise ValueError(f"{folder} has an encoder for its {stream.name} features already, {there}.")
    record = Record.find(folder)
    trained = ((record and record.extraction) or {}).get(stream.backbone_field)
    if trained not in (None, kind.backbone):
        raise ValueError(f"{folder} was trained on {stream.name} features of {trained}, not {kind.backbone}.")


def named(folder: Path, load: Callable[[Path], Part]) -> Part:
    """What `load` gives of a folder, whose name it leaves out of its errors."""
    try:
        return load(folder)
    except ValueError as error:
        raise ValueError(f"{folder} does not load: {error}") from error


def convert(path: Path, folder: Path, name: str, options: argparse.Namespace):
    """Write the model of one checkpoint to `folder`, which will be called `name`. Raises ValueError."""
    kind, state = open_checkpoint(path, options.kind, options.entry)
    unused = ("pca", "into") if isinstance(kind, ScoringKind) else ("config",)
    if given := [f"--{option}" for option in unused if getattr(options, option) is not None]:
        raise ValueError(f"{path} is a checkpoint of {kind.title}, which has no use for {given[0]}.")
    try:
        if isinstance(kind, ScoringKind):
            model, extractor = scoring(kind, state, options.config)
        else:
            model, extractor = encoding(kind, state, options.pca, options.into)
        model.save_pretrained(folder)
        extractor.save_pretrained(folder)
        load_model(folder), load_extractor(folder)  # as others will
    except (ValueError, ImportError, StrictDataclassError) as error:
        raise ValueError(f"{path}: {sentence(error)}") from error
    write_conversion_card(folder, name, path, kind, model.config, options.into)
    if options.into is not None and Record.find(options.into):
        shutil.copyfile(options.into / RECORD_FILE, folder / RECORD_FILE)
    alone = isinstance(kind, EncoderKind) and options.into is None
    print(f"{name}  {kind.title}{', an encoder alone' if alone else ''}  from {path}")


def checkpoint_files(given: Sequence[Path]) -> list[Path]:
    """The given files, and those in a given folder, in the order of the numbers in their names."""
    if len(given) > 1 or not given[0].is_dir():
        return list(given)
    found = [path for path in given[0].iterdir() if path.suffix in SUFFIXES]
    if not found:
        raise ValueError(f"{given[0]} has no checkpoint files ({', '.join(SUFFIXES)}).")
    return sorted(found, key=natural_order)


def natural_order(path: Path) -> list[str | int]:
    """The name in pieces, its numbers as numbers: fold10 comes after fold9."""
    pieces = re.split(r"(\d+)", path.name)
    return [int(piece) if index % 2 else piece for index, piece in enumerate(pieces)]


def convert_all(options: argparse.Namespace):
    """Convert what the command line asks for, all or nothing. Raises ValueError or OSError."""
    output = options.output
    if output.exists() and not (output.is_dir() and not any(output.iterdir())):
        raise ValueError(
            f"--output is {output}, which is there already; it needs to be a new or empty folder."
        )
    paths = checkpoint_files(options.checkpoint)
    if len(paths) > 1 and options.into is not None:
        raise ValueError(f"--into takes one checkpoint, not {len(paths)}.")
    with whole_folder(output) as folder:
        if len(paths) == 1:
            convert(paths[0], folder, output.absolute().name, options)
            return
        for number, path in enumerate(paths):
            convert(path, folder / f"fold-{number}", f"{output.absolute().name}/fold-{number}", options)


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="convert_checkpoint.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--checkpoint",
        type=Path,
        nargs="+",
        required=True,
        metavar="FILE",
        help="published checkpoint; or folder",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder to make")
    parser.add_argument("--kind", choices=KINDS, help="what it has to be (default: what its keys say)")
    parser.add_argument(
        "--entry", metavar="NAME", help="where in the file to look, if it has several state dicts: ema"
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="config.json, its folder, or hyper-parameters of the authors' code",
    )
    parser.add_argument(
        "--pca", type=Path, metavar="FILE", help="PCA of Inception-v3's features, .npz or .npy"
    )
    parser.add_argument(
        "--into", type=Path, metavar="DIR", help="checkpoint folder that is to get the encoder"
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 converted, 1 a file is not as needed, 2 wrong usage."""
    options = parse_arguments(arguments)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    return run_command(lambda: convert_all(options), "convert_checkpoint.py")


if __name__ == "__main__":
    sys.exit(main())
