"""Teach the embedded model what counts, with films of yours and what was chosen of them.

    python examples/teach.py --videos films --labels past_edits --output build/my-model
    davihd highlight --model build/my-model match.mp4

--dataset takes, instead of films and labels, a dataset that has both: a folder or HUB_ID[@revision].
Ten films are a good beginning, three the least (docs/teaching.md). The model is tried on films that it was
not taught with; if it is not better than the embedded one beyond chance, the output says so and holds the
embedded one. Started again, the same command goes on where it was.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import ModelCard, ModelCardData
from transformers import logging

if __package__ in (None, ""):  # from examples/, "evaluate" would be the script beside this one
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from datasets_scripts.building.console import run_dataset_command
from datasets_scripts.building.label_files.films import Films
from datasets_scripts.building.label_files.reading import read_labels
from examples.teaching.learning import learn
from examples.teaching.lessons import labels_of, make_lessons, read_lessons
from examples.teaching.report import Outcome, overview, tables, verdict
from examples.teaching.saving import save_checkpoint
from examples.training.data import HighlightDataset, read_dataset
from examples.training.model_card import PIPELINE_TAG, licence, usage
from modeling_davihd import DEFAULT_CHECKPOINT, DAViHDModel
from modeling_davihd.files import clear_partials, whole_files, write_json, write_text
from modeling_davihd.loading import DEFAULT_MODEL, load_extractor

WORK = ".teaching"  # in the output, what is kept from one run to the next
RECORD = "teaching.json"
CARD = """\
# {name}

DAViHD ([arXiv 2602.03891](https://arxiv.org/abs/2602.03891)), the model {base} of the `davihd` package taught
what counts with {films} films and their {highlights} highlights, by `examples/teach.py`.

{verdict}

{overview}

A highlight is what whoever chose these takes for one. The model hears and does not see. What may be done with
it may depend on the terms of the films.

## Use

{usage}

## Licence and citation

{licence}
"""


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="teach.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--videos", type=Path, metavar="DIR", help="folder of the films")
    source.add_argument(
        "--dataset",
        metavar="D",
        help="or rows with labels, log-Mel and features of YAMNet: a folder or HUB_ID[@revision]",
    )
    parser.add_argument(
        "--labels",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="what was chosen of them: files or folders, as docs/labels.md has them",
    )
    parser.add_argument(
        "--reels", type=Path, nargs="+", default=[], metavar="FILE", help="or what was cut from them"
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="KIND", help="highlights to keep; may be repeated"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder of the model")
    options = parser.parse_args(arguments)
    if options.dataset is not None and (options.labels or options.reels or options.only):
        parser.error("--dataset has labels of its own; --labels, --reels and --only belong to --videos")
    return options


def teach(options: argparse.Namespace) -> None:
    """Write the model, its card and teaching.json, and print how good it is."""
    work, dataset = options.output / WORK, None
    if options.dataset is not None:
        dataset = read_dataset(options.dataset)
        lessons = read_lessons(dataset)
    else:
        films = Films(options.videos)
        labels = labels_of(films, read_labels(options.labels, films, options.only, options.reels))
        lessons = make_lessons(films, labels, work / "features")
    outcome, model = learn(lessons, work / "folds")
    write(options.output, outcome, model, dataset)
    shutil.rmtree(work / "folds")
    print(f"{tables(outcome)}\n\n{verdict(outcome)}\n\ndavihd highlight --model {options.output} FILM")


def write(output: Path, outcome: Outcome, model: DAViHDModel, dataset: HighlightDataset | None) -> None:
    """All files of the output, each whole."""
    with whole_files(output) as partial:
        save_checkpoint(partial, model, load_extractor(DEFAULT_CHECKPOINT))
        write_json(partial / RECORD, outcome.content())
        write_text(partial / "README.md", card(output.absolute().name, outcome, model, dataset))
    clear_partials(output)


def card(name: str, outcome: Outcome, model: DAViHDModel, dataset: HighlightDataset | None) -> str:
    """The model's card. It names no film: it may be published. Of datasets it names those of the Hub."""
    tags = ["video-highlight-detection", "audio", "video", "arxiv:2602.03891"]
    data = ModelCardData(
        model_name=name,
        library_name="transformers",
        license="apache-2.0",
        pipeline_tag=PIPELINE_TAG,
        datasets=None if dataset is None or dataset.revision is None else [dataset.name],
        base_model=DEFAULT_MODEL,
        tags=tags,
    )
    text = CARD.format(
        name=name,
        base=DEFAULT_MODEL,
        films=len(outcome.films),
        highlights=sum(film["highlights"] for film in outcome.films),
        verdict=verdict(outcome),
        overview=overview(outcome),
        usage=usage(name, model.config),
        licence=licence(model.config),
    )
    return str(ModelCard(f"---\n{data.to_yaml()}\n---\n\n{text}"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 taught, 1 films or labels are not as needed, 2 wrong usage, 130 interrupted."""
    options = parse_arguments(arguments)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    return run_dataset_command(lambda: teach(options), "teach.py")


if __name__ == "__main__":
    sys.exit(main())
