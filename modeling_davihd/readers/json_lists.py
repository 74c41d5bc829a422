"""JSON that `davihd highlight` wrote, and somebody may have changed."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from ..highlights import Edge, Sound
from ..wording import short
from .base import (
    Entry,
    Listed,
    ListError,
    Scored,
    entry_of,
    number_of,
    parsed_json,
    seconds_of,
    small_text,
)
from .films import Films


def read_highlights(path: Path, films: Films) -> Listed:
    """Read the highlights of one film. Raises ListError naming the highlight."""
    return highlights_of(path, json_of(path), films)


def is_of_highlights(content: Any) -> bool:
    """Whether it is what `davihd highlight` writes."""
    return isinstance(content, dict) and isinstance(content.get("source"), str) and "highlights" in content


def holds_scores(path: Path) -> bool:
    """Whether a file is there that davihd wrote, with scores."""
    try:
        content = json_of(path)
    except (ListError, OSError, UnicodeDecodeError):
        return False
    return is_of_highlights(content) and content.get("scores") is not None


def highlights_of(path: Path, content: Any, films: Films) -> Listed:
    """As `read_highlights`, of what `json_of` gave."""
    if not is_of_highlights(content):
        raise ListError(f'{path}: needs to be {{"source": ..., "highlights": [...]}}, as davihd writes it.')
    listed = Listed(path, films)
    film, listed.scored = listed.film([content["source"]]), _scored(path, content)
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

    return parsed_json(path, small_text(path), object_pairs_hook=unique)


def fields_of(where: str, item: object) -> dict:
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
    fields = {name: value for name, value in fields_of(where, item).items() if value is not None}
    readers = {"score": number_of, "peak": seconds_of, "confidence": number_of}
    known: dict[str, Any] = {
        name: read(where, name, fields[name]) for name, read in readers.items() if name in fields
    }
    if "sounds" in fields:
        known["sounds"] = _sounds(where, fields["sounds"])
    if "edges" in fields:
        known["edges"] = _edges(where, fields["edges"])
    return entry_of(where, fields.get("start"), fields.get("end"), kind_of(where, fields), **known)


def _sounds(where: str, items: object) -> tuple[Sound, ...]:
    if not isinstance(items, list):
        raise ListError(f'{where}: sounds is {short(items)}; [{{"name": ...}}, ...] is needed.')
    return tuple(_sound(where, item) for item in items)


def _sound(where: str, item: object) -> Sound:
    name = item.get("name") if isinstance(item, dict) else None
    if not (isinstance(item, dict) and isinstance(name, str)):
        raise ListError(f'{where}: has the sound {short(item)}; {{"name": ...}} is needed.')
    sure = item.get("confidence")
    return Sound(name, None if sure is None else number_of(where, "confidence of a sound", sure))


def _edges(where: str, item: object) -> tuple[Edge, Edge]:
    if not isinstance(item, dict):
        raise ListError(f'{where}: edges is {short(item)}; {{"start": {{...}}, "end": {{...}}}} is needed.')
    return _edge(where, "start", item), _edge(where, "end", item)


def _edge(where: str, side: str, edges: dict) -> Edge:
    edge = edges.get(side)
    if not isinstance(edge, dict) or not isinstance(edge.get("at"), str | None):
        needed = '{"from": ..., "to": ..., "at": ...}, "at" a text or null, is needed'
        raise ListError(f"{where}: the edge {side} is {short(edge)}; {needed}.")
    origin, to = (seconds_of(where, f"{name} of its {side}", edge.get(name)) for name in ("from", "to"))
    return Edge(origin, to, edge["at"])


def _scored(path: Path, content: dict) -> Scored | None:
    """The scores a second, where there are any. Raises ListError for what makes no sense."""
    scores, model = content.get("scores"), content.get("model", "")
    if scores is None:
        return None
    if not isinstance(scores, list) or not isinstance(model, str):
        raise ListError(f"{path}: its scores are no list, or its model is no text.")
    known = [number_of(f"{path}, second {second}", "score", score) for second, score in enumerate(scores)]
    duration = number_of(str(path), "duration", content.get("duration"))
    if not known or len(known) != math.ceil(duration):
        raise ListError(f"{path}: has {len(known)} scores for {duration:g} s; one for each second is needed.")
    return Scored(known, duration, model)


__all__ = [
    "fields_of",
    "highlights_of",
    "holds_scores",
    "is_of_highlights",
    "json_of",
    "kind_of",
    "read_highlights",
]
