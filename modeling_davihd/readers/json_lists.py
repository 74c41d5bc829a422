"""JSON that `davihd highlight` wrote, and somebody may have changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .base import Entry, Listed, ListError, entry_of, number_of, small_text
from .films import Films


def read_highlights(path: Path, films: Films) -> Listed:
    """Read the highlights of one film. Raises ListError naming the highlight."""
    return highlights_of(path, json_of(path), films)


def is_of_highlights(content: Any) -> bool:
    """Whether it is what `davihd highlight` writes."""
    return isinstance(content, dict) and isinstance(content.get("source"), str) and "highlights" in content


def highlights_of(path: Path, content: Any, films: Films) -> Listed:
    """As `read_highlights`, of what `json_of` gave."""
    if not is_of_highlights(content):
        raise ListError(f'{path}: needs to be {{"source": ..., "highlights": [...]}}, as davihd writes it.')
    listed = Listed(path, films)
    film = listed.film(content["source"])
    if not isinstance(content["highlights"], list):
        raise ListError(f"{path}: its highlights are no list.")
    for number, item in enumerate(content["highlights"], start=1):
        entry = _entry(f"{path}, highlight {number}", item)
        if film:
            listed.add(film, entry)
    return listed


def json_of(path: Path) -> Any:
    """What a file of JSON holds. Raises ListError if it is none, or has a field twice."""

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        content = dict(pairs)
        if len(content) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for number, name in enumerate(names) if name in names[:number])
            raise ListError(f"{path}: has {twice!r} twice.")
        return content

    try:
        return json.loads(small_text(path), object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise ListError(f"{path}, line {error.lineno}: is not JSON ({error.msg}).") from error
    except RecursionError as error:
        raise ListError(f"{path}: its lists are nested too deeply.") from error


def highlight_of(where: str, item: object) -> dict:
    """A highlight's fields. Raises ListError, beginning with `where`, for what is none."""
    if not isinstance(item, dict):
        raise ListError(f'{where}: is {item!r}; {{"start": ..., "end": ...}} is needed, as elsewhere.')
    return item


def kind_of(where: str, item: dict) -> str:
    """The kind of a highlight, or "". Raises ListError, beginning with `where`, if it is no text."""
    kind = item.get("kind", "")
    if not isinstance(kind, str):
        raise ListError(f"{where}: kind is {kind!r}; a text is needed.")
    return kind


def _entry(where: str, item: object) -> Entry:
    fields = highlight_of(where, item)
    score = number_of(where, "score", fields["score"]) if "score" in fields else None
    return entry_of(where, fields.get("start"), fields.get("end"), kind_of(where, fields), score)


__all__ = ["highlight_of", "highlights_of", "is_of_highlights", "json_of", "kind_of", "read_highlights"]
