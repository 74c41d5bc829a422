"""How the command lines here write files."""

from __future__ import annotations

import json
import os
from pathlib import Path


def write_json(path: Path, content: object):
    write_text(path, json.dumps(content, indent=1) + "\n")


def write_text(path: Path, text: str):
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.partial")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
