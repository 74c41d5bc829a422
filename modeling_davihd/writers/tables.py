"""What was found, as text for programs and spreadsheets."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from ..highlights import Highlight
from .base import FileWriter, HighlightResult, heard, rounded


def document(result: HighlightResult) -> dict[str, Any]:
    """Everything that a program may want of a film, fit for JSON."""
    return {
        "version": result.version,
        "model": result.model_id or None,
        "source": result.source_name,
        "duration": float(result.duration),
        "scores": [round(float(score), 6) for score in result.scores] if result.scored else None,
        "highlights": [rounded(highlight) for highlight in result.highlights],
    }


class JSONWriter(FileWriter):
    """What `document` gives; one line for each field."""

    name, suffix = "json", ".highlights.json"

    def save(self, result: HighlightResult, path: Path) -> None:
        lines = (f"  {json.dumps(key)}: {_json(value)}" for key, value in document(result).items())
        path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


class CSVWriter(FileWriter):
    """One row for each highlight, for spreadsheets; other columns than start and end where they are known."""

    name, suffix = "csv", ".highlights.csv"

    def save(self, result: HighlightResult, path: Path) -> None:
        with path.open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, _columns(result), extrasaction="ignore", lineterminator="\n")
            table.writeheader()
            table.writerows(_row(highlight) for highlight in result.highlights)


def _columns(result: HighlightResult) -> list[str]:
    known = {name for highlight in result.highlights for name in highlight.as_dict()}
    judged = result.scored or bool(known & {"score", "peak"})
    sure = result.calibration.confidence is not None or "confidence" in known
    return (
        ["start", "end"] + ["score", "peak"] * judged + ["confidence"] * sure + ["sounds"] * result.listened
    )


def _row(highlight: Highlight) -> dict[str, Any]:
    fields = rounded(highlight)
    return fields | {"sounds": heard(highlight)} if "sounds" in fields else fields


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
