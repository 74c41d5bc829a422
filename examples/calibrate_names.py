"""Measure how often the names of sounds are right, and write the table of names that the package reads.

python examples/calibrate_names.py --sounds build/sounds    # writes the table, prints what it is worth

Films are mixed of the recordings of a library, each in music, talk or a place and 5 to 14 dB above it. Those
of the training and the validation split say how sure names are, those of the test split how often they are
right.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

if __package__ in (None, ""):  # from examples/, "naming" would not be found
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from datasets_scripts.building.console import run_command
from datasets_scripts.synthesis.library import Library
from examples.naming.films import LabelledFilm, labelled_films
from examples.naming.fitting import LEAST_RIGHT, Cases, cases_of, cautions, cross_validated, fitted, logits_of
from examples.naming.vocabulary import GENERAL, class_numbers
from modeling_davihd.backbones_davihd import YAMNetBackbone
from modeling_davihd.conversion import EncoderChoice, load_encoder
from modeling_davihd.files import write_text
from modeling_davihd.sound_names import TABLE, NameTable

CLASS_MAP = TABLE.parent / "class_map.csv"
STEADY = ("speech", "music")  # may be named although they do not rise, where nothing else is heard


def calibrate(options: argparse.Namespace) -> None:
    """Write the table, and print what it is worth. Raises ValueError for a library without some split."""
    library = Library.open(options.sounds)
    known, unknown = (labelled_films(library, splits) for splits in (("train", "validation"), ("test",)))
    encoder = load_encoder("semantic", EncoderChoice("yamnet"))
    plain = NameTable({"weights": [1, 0], "names": _rows(np.zeros(len(class_numbers(CLASS_MAP))))})
    fields = table_of(cases_of(plain, _heard(encoder, known)))
    table, tested = NameTable(fields), cases_of(plain, _heard(encoder, unknown))
    write_text(options.output, as_text(fields))
    print(report(table, tested))


def table_of(cases: Cases) -> dict:
    """The fields of the table of names by what was heard in films: see `NameTable`."""
    weights, offsets = fitted(cases)
    offsets = offsets - cautions(cross_validated(cases), cases.right)
    table = NameTable({"weights": weights, "names": _rows(offsets)})
    silent = ~table.given(table.confidences(cases.evidence)).any(1)
    alone = [cases.right[silent & cases.alone[:, i], i] for i in range(len(table.names))]
    rows = _rows(offsets)
    for row, right in zip(rows, alone, strict=True):
        share = (right.sum() + 1) / (right.size + 2)  # few cases do not make a certainty
        if row["name"] in STEADY and share >= LEAST_RIGHT:
            row["alone"] = round(float(share), 2)
    return {"weights": [round(float(weight), 4) for weight in weights], "names": rows}


def _rows(offsets: np.ndarray) -> list[dict]:
    named = zip(class_numbers(CLASS_MAP).items(), offsets, strict=True)
    return [
        {
            "name": name,
            "offset": round(float(offset), 4),
            "alone": None,
            "special": list(GENERAL.get(name, ())),
            "classes": classes,
        }
        for (name, classes), offset in named
    ]


def as_text(fields: dict) -> str:
    """The table as JSON, one line for each name."""
    rows = ",\n  ".join(json.dumps(row) for row in fields["names"])
    return f'{{\n "weights": {fields["weights"]},\n "names": [\n  {rows}\n ]\n}}\n'


def report(table: NameTable, cases: Cases) -> str:
    """Markdown: how often each name was given, and right; how often each kind of recording was named."""
    rising = table.given(table.confidences(cases.evidence))
    given = rising | (cases.alone & table.may_be_alone & ~rising.any(1, keepdims=True))
    right = given & cases.right
    lines = ["| name | given | right | could be |", "|---|---|---|---|"]
    for i in np.flatnonzero(given.any(0) | cases.right.any(0)):
        lines.append(_line(table.names[i], given[:, i], right[:, i], cases.right[:, i]))
    lines += ["", "| kind | cases | named | a name is right |", "|---|---|---|---|"]
    for kind in np.unique(cases.kinds):
        own = cases.kinds == kind
        lines.append(_line(kind or "(nothing)", np.ones(own.sum()), given[own].any(1), right[own].any(1)))
    named = f"{given.any(1).sum()} of {len(given)} highlights"
    total = f"{given.sum()} names in {named}, {right.sum()} of them right."
    return "\n".join([total, "", *lines])


def _line(name: str, *counted: np.ndarray) -> str:
    return f"| {name} | {' | '.join(str(int(one.sum())) for one in counted)} |"


def _heard(
    encoder: YAMNetBackbone, films: Iterator[LabelledFilm]
) -> Iterator[tuple[LabelledFilm, np.ndarray]]:
    for film in tqdm(films, unit=" films", disable=None):
        yield film, logits_of(encoder, film)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 the library is not as needed, 2 wrong usage."""
    options = _parser().parse_args(arguments)
    return run_command(lambda: calibrate(options), "calibrate_names.py")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Measure how often names of sounds are right, and write the table of names.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--sounds", type=Path, required=True, metavar="DIR", help="a library of recordings")
    parser.add_argument("--output", type=Path, default=TABLE, metavar="FILE", help="where to write the table")
    return parser


if __name__ == "__main__":
    sys.exit(main())
