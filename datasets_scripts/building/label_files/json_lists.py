"""JSON: scores of seconds or highlights of several films, or what `davihd highlight` wrote of one."""

from __future__ import annotations

from pathlib import Path

from datasets_scripts.building.label_files.collecting import label_file_of
from datasets_scripts.building.label_files.labels import LabelFile, VideoLabels, score_of
from modeling_davihd.engines.errors import DatasetError
from modeling_davihd.readers import Films
from modeling_davihd.readers.json_lists import (
    fields_of,
    highlights_of,
    is_of_highlights,
    json_of,
    kind_of,
)

FIELDS = ("start", "end", "score", "kind")


def read_json(path: Path, films: Films) -> LabelFile:
    """Read any form of JSON. Raises ListError and DatasetError naming the video and the highlight."""
    content = json_of(path)
    if is_of_highlights(content):
        return label_file_of(highlights_of(path, content, films))
    if not isinstance(content, dict) or not all(isinstance(items, list) for items in content.values()):
        raise DatasetError(f'{path}: needs to be {{"video.mp4": [...], ...}}, a list for every video.')
    every_item = [item for items in content.values() for item in items]
    per_second = bool(every_item) and not any(isinstance(item, dict) for item in every_item)
    read = _seconds if per_second else _intervals
    videos = {video: read(f"{path}, {video}", items) for video, items in content.items()}
    return LabelFile(str(path), videos, per_second)


def _seconds(where: str, scores: list) -> VideoLabels:
    return VideoLabels(
        seconds={second: score_of(f"{where}, second {second}", score) for second, score in enumerate(scores)}
    )


def _intervals(where: str, items: list) -> VideoLabels:
    labels = VideoLabels()
    for number, item in enumerate(items, start=1):
        here = f"{where}, highlight {number}"
        fields = fields_of(here, item)
        if unknown := sorted(set(fields) - set(FIELDS)):
            known = ", ".join(FIELDS)
            raise DatasetError(f"{here}: has the unknown field {unknown[0]!r}; known are {known}.")
        labels.add_interval(
            here, item.get("start"), item.get("end"), item.get("score", 1), kind_of(here, item)
        )
    return labels
