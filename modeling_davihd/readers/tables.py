"""CSV, as programs and spreadsheets write it: with commas, semicolons or tabs, decimal points or commas."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from .base import Entry, Listed, ListError, entry_of, names_in, number_of, seconds_of, small_text
from .films import Films

DELIMITERS = ";\t,"
SEPARATOR_LINE = "sep="  # some spreadsheets write, and heed, such a line above all others
NEEDED = {"start", "end"}
FILM_COLUMNS, NAME_COLUMNS = ("video", "film", "source"), ("sounds", "kind", "label")


class Row(NamedTuple):
    """A row of a table: its place, such as "goals.csv, line 3", and its values by column."""

    where: str
    values: dict[str, str]


def read_table(path: Path) -> tuple[list[str], list[Row]]:
    """The names of the columns, in lower case, and the rows, without empty ones. Raises ListError."""
    lines = io.StringIO(small_text(path), newline="").readlines()
    skipped = bool(lines) and lines[0].lower().lstrip('"').startswith(SEPARATOR_LINE)
    head = next((line for line in lines[skipped:] if line.strip()), "")
    delimiter = max(DELIMITERS, key=head.count)
    reader = csv.reader(lines[skipped:], delimiter=delimiter, skipinitialspace=True, strict=True)
    columns: list[str] = []
    rows: list[Row] = []
    try:
        for record in reader:
            where, cells = f"{path}, line {reader.line_num + skipped}", [cell.strip() for cell in record]
            if not columns:
                columns = [name.casefold() for name in _without_empty_end(cells, 0)]
            elif any(cells):
                rows.append(Row(where, _values(where, columns, cells)))
    except csv.Error as error:
        raise ListError(f"{path}, line {reader.line_num + skipped}: is not CSV ({error}).") from error
    return columns, rows


def read_csv(path: Path, films: Films) -> Listed:
    """The highlights of a table with the columns start and end. Raises ListError naming the line.

    Also read are score, peak, confidence, sounds (or kind, or label) and video (or film, or source), for
    lists of several films; all other columns are somebody's notes.
    """
    columns, rows = read_table(path)
    if not set(columns) >= NEEDED:
        found = f"the columns {','.join(columns)!r}" if columns else "no columns"
        raise ListError(f"{path}: has {found}; start and end are needed.")
    if twice := [name for number, name in enumerate(columns) if name and name in columns[:number]]:
        raise ListError(f"{path}: has the column {twice[0]!r} twice.")
    listed = Listed(path, films)
    of_film = next((name for name in FILM_COLUMNS if name in columns), None)
    names = next((name for name in NAME_COLUMNS if name in columns), None)
    for where, values in rows:
        entry = _entry(where, values, names)
        film = listed.film([values.get(of_film, "")]) if of_film else listed.film_of_file()
        if film:
            listed.add(film, entry)
    return listed


def _without_empty_end(cells: list[str], least: int) -> list[str]:
    while len(cells) > least and not cells[-1]:
        cells = cells[:-1]
    return cells


def _values(where: str, columns: list[str], cells: list[str]) -> dict[str, str]:
    """The cells of a row by column, less those that its end lacks, as some spreadsheets leave them out."""
    cells = _without_empty_end(cells, len(columns))
    if len(cells) > len(columns):
        raise ListError(f"{where}: needs {len(columns)} values, one for each column.")
    return dict(zip(columns, cells, strict=False))


def _entry(where: str, values: dict[str, str], names: str | None) -> Entry:
    def given(name: str, read: Callable[[str, str, object], float]) -> float | None:
        return read(where, name, values[name]) if values.get(name) else None

    return entry_of(
        where,
        values.get("start", ""),
        values.get("end", ""),
        score=given("score", number_of),
        peak=given("peak", seconds_of),
        confidence=given("confidence", number_of),
        sounds=None if names is None else names_in(values.get(names, "")),
    )


__all__ = ["Row", "read_csv", "read_table"]
