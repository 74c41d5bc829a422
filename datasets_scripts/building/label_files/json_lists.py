"""JSON: scores of seconds or highlights of several films, or what `davihd highlight` wrote of one."""

from __future__ import annotations

import json
from pathlib import Path

from datasets_scripts.building.errors import DatasetError
from datasets_scripts.building.label_files.collecting import Collector
from datasets_scripts.building.label_files.films import Films
from datasets_scripts.building.label_files.labels import LabelFile, VideoLabels, interval_of, score_of

FIELDS = ("start", "end", "score", "kind")


def read_json(path: Path, films: Films) -> LabelFile:
    """Read any form of JSON. Raises DatasetError naming the video and the highlight."""
    content = _content(path)
    if isinstance(content, dict) and isinstance(content.get("source"), str) and "highlights" in content:
        return _of_highlights(path, content["source"], content["highlights"], films)
    if not isinstance(content, dict) or not all(isinstance(items, list) for items in content.values()):
        raise DatasetError(f'{path}: needs to be {{"video.mp4": [...], ...}}, a list for every video.')
    every_item = [item for items in content.values() for item in items]
    per_second = bool(every_item) and not any(isinstance(item, dict) for item in every_item)
    read = _seconds if per_second else _intervals
    videos = {video: read(f"{path}, {video}", items) for video, items in content.items()}
    return LabelFile(str(path), videos, per_second)


def _content(path: Path) -> object:
    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        content = dict(pairs)
        if len(content) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for number, name in enumerate(names) if name in names[:number])
            raise DatasetError(f"{path}: has {twice!r} twice.")
        return content

    try:
        return json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise DatasetError(f"{path}, line {error.lineno}: is not JSON ({error.msg}).") from error
    except RecursionError as error:
        raise DatasetError(f"{path}: its lists are nested too deeply.") from error


def _seconds(where: str, scores: list) -> VideoLabels:
    return VideoLabels(
        seconds={second: score_of(f"{where}, second {second}", score) for second, score in enumerate(scores)}
    )


def _intervals(where: str, items: list) -> VideoLabels:
    labels = VideoLabels()
    for number, item in enumerate(items, start=1):
        here = f"{where}, highlight {number}"
        _check_highlight(here, item)
        if unknown := sorted(set(item) - set(FIELDS)):
            known = ", ".join(FIELDS)
            raise DatasetError(f"{here}: has the unknown field {unknown[0]!r}; known are {known}.")
        labels.add_interval(here, item.get("start"), item.get("end"), item.get("score", 1), _kind(here, item))
    return labels


def _of_highlights(path: Path, source: str, items: object, films: Films) -> LabelFile:
    """The highlights of `davihd highlight`, which may have been edited; their other fields mean nothing."""
    if not isinstance(items, list):
        raise DatasetError(f"{path}: its highlights are no list.")
    collector = Collector(path, films)
    film = collector.film(source)
    for number, item in enumerate(items, start=1):
        here = f"{path}, highlight {number}"
        _check_highlight(here, item)
        interval = interval_of(
            here, item.get("start"), item.get("end"), item.get("score", 1), _kind(here, item)
        )
        if film:
            collector.add(here, film, interval)
    return collector.labels()


def _check_highlight(where: str, item: object) -> None:
    if not isinstance(item, dict):
        raise DatasetError(f'{where}: is {item!r}; {{"start": ..., "end": ...}} is needed, as elsewhere.')


def _kind(where: str, item: dict) -> str:
    kind = item.get("kind", "")
    if not isinstance(kind, str):
        raise DatasetError(f"{where}: kind is {kind!r}; a text is needed.")
    return kind
