"""The list of recordings that make a library: where each comes from, and where it goes."""

from __future__ import annotations

import csv
from dataclasses import dataclass, fields
from pathlib import Path

from datasets_scripts.building.splits import SPLITS
from modeling_davihd.engines.errors import DatasetError


@dataclass(frozen=True)
class Row:
    """A recording. file: its place in the library. member: its place in the package, see `archives`.

    sha256: of the member's content.
    """

    file: str
    role: str
    kind: str
    split: str
    package: str
    version: str
    member: str
    sha256: str
    author: str
    licence: str


COLUMNS = tuple(field.name for field in fields(Row))


def read_manifest(path: Path) -> list[Row]:
    """The rows of a manifest. Raises DatasetError naming the file, and the line where one is wrong."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            if lacking := [name for name in COLUMNS if name not in (reader.fieldnames or ())]:
                raise DatasetError(f"{path}: has no column {lacking[0]!r}.")
            rows = []
            for entry in reader:
                if wrong := _wrong(entry):
                    raise DatasetError(f"{path}: line {reader.line_num}: {wrong}.")
                rows.append(Row(**{name: entry[name] for name in COLUMNS}))
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read as a manifest ({error}).") from error
    return rows


def _wrong(entry: dict[str, str | None]) -> str | None:
    """What is wrong with a row, if anything is."""
    if empty := [name for name in COLUMNS if not entry[name]]:
        return f"{empty[0]} is empty"
    if entry["split"] not in SPLITS:
        return f"split is {entry['split']!r}, not one of {', '.join(SPLITS)}"
    parts = str(entry["file"]).split("/")
    if len(parts) != 3 or parts[:2] != [entry["role"], entry["kind"]] or parts[2].startswith("."):
        return f"file is {entry['file']!r}, not {entry['role']}/{entry['kind']}/NAME.wav"
    return None
