"""Lists of highlights that people have or make: what davihd wrote, edit lists, label tracks, time stamps.

`READERS` has a reader for each suffix: it takes a file and the films that may be meant, and gives the entries
of each film. `read_list` picks the reader.
"""

from __future__ import annotations

from ..lazy import LazyTable, lazy_exports

_PLACES = {
    ".csv": "tables.read_csv",
    ".json": "json_lists.read_highlights",
    ".txt": "texts.read_text",
    ".edl": "edit_lists.read_edit_list",
    ".otio": "edit_lists.read_edit_list",
    ".fcpxml": "edit_lists.read_edit_list",
    ".xml": "edit_lists.read_edit_list",
}
READERS = LazyTable(__name__, _PLACES)  # each reader by the suffix of its files

# Loaded when first named.
_EXPORTS = {
    "Entry": "base",
    "Films": "films",
    "ListError": "base",
    "ListWarning": "base",
    "Listed": "base",
    "OneFilm": "films",
    "holds_scores": "json_lists",
    "read_list": "reading",
    "read_result": "results",
}
_EXPORTS |= {name: module for module, name in (place.split(".") for place in _PLACES.values())}

__all__ = ["READERS", *_EXPORTS]
__getattr__, __dir__ = lazy_exports(globals(), _EXPORTS)
