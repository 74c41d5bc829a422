"""How messages quote what a file holds: in one line, readable and short."""

import os
import unicodedata
from collections.abc import Iterable

LONGEST_NAME = 160  # characters; the longest key of a published network, wrapped twice, has 111
LONGEST_VALUE = 80


def some(names: Iterable[str], limit: int = 5) -> str:
    """The first names in alphabetical order, and how many more there are."""
    names = sorted(map(quoted, names))
    rest = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + rest


def quoted(name: str) -> str:
    """A name without what would move a terminal's cursor, its end cut off if it is long."""
    shown = _cut(name, LONGEST_NAME)
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in shown)


def printable(name: str) -> str:
    """A name, as of a file, without bytes that are no text, control characters and ends of lines."""
    text = os.fsencode(name).decode("utf-8", errors="replace")
    bad = {character for character in text if unicodedata.category(character) in ("Cc", "Zl", "Zp")}
    return "".join("\N{REPLACEMENT CHARACTER}" if character in bad else character for character in text)


def short(value: object) -> str:
    """A value as Python writes it, its end cut off if it is long."""
    return _cut(repr(value), LONGEST_VALUE)


def _cut(text: str, longest: int) -> str:
    return text if len(text) < longest else f"{text[: longest - 3]}..."


__all__ = ["printable", "quoted", "short", "some"]
