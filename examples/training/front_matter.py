"""The metadata at the head of a card, README.md, which the Hub shows and searches by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import metadata_load


def front_matter(card: Path) -> dict[str, Any]:
    """The metadata of a card. Raises ValueError naming the file if it has none."""
    if not card.is_file():
        raise ValueError(f"There is no file {card}; a card with metadata is needed.")
    try:
        header = metadata_load(card)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{card} begins with metadata that are not YAML: {error}") from error
    except ValueError:  # YAML, but not of names and values
        header = None
    if header is None:
        raise ValueError(f"{card} does not begin with metadata between two lines of ---.")
    return header
