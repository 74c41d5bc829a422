"""Highlights as films have them: long, layered, near and far. Same conventions as `events`."""

from __future__ import annotations

from datasets_scripts.synthesis.tools import Kind

EVENTS: dict[str, Kind] = {}
