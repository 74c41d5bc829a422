"""What was found, as text for programs and spreadsheets."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from ..highlights import Highlight
from .base import FileWriter, HighlightResult, heard, rounded


class JSONWriter(FileWriter):
    """Everything that a program may want; one line for each field."""

    name, suffix = "json", ".highlights.json"

    def save(self, result: HighlightResult, path: Path) -> None:
        fields = {
            "version": result.version,
            "model": result.model_id,
            "source": result.source_name,
            "duration": float(result.duration),
            "scores": [round(float(score), 6) for score in result.scores],
            "highlights": [rounded(highlight) for highlight in result.highlights],
        }
        lines = (f"  {json.dumps(key)}: {_json(value)}" for key, value in fields.items())
        path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


class CSVWriter(FileWriter):
    """One row for each highlight, for spreadsheets; columns of confidences and sounds where there are any."""

    name, suffix = "csv", ".highlights.csv"

    def save(self, result: HighlightResult, path: Path) -> None:
        with path.open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, _columns(result), lineterminator="\n")
            table.writeheader()
            table.writerows(_row(highlight) for highlight in result.highlights)


def _columns(result: HighlightResult) -> list[str]:
    known = result.calibration.confidence is not None
    known |= any(highlight.confidence is not None for highlight in result.highlights)
    named = result.listened or any(highlight.sounds is not None for highlight in result.highlights)
    return ["start", "end", "score", "peak"] + ["confidence"] * known + ["sounds"] * named


def _row(highlight: Highlight) -> dict[str, Any]:
    fields = rounded(highlight)
    return fields | {"sounds": heard(highlight)} if "sounds" in fields else fields


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
