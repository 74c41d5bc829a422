"""CSV: scores of seconds, or highlights."""

from __future__ import annotations

from pathlib import Path

from datasets_scripts.building.label_files.labels import LabelFile, VideoLabels
from modeling_davihd.engines.errors import DatasetError
from modeling_davihd.readers import Films
from modeling_davihd.readers.base import number_of
from modeling_davihd.readers.tables import read_table

PER_SECOND, INTERVALS = {"video", "second", "score"}, {"video", "start", "end"}
KIND_COLUMNS = {"kind", "label"}
LABEL_COLUMNS = "video,second,score or video,start,end[,score][,kind], and split if you like"


def read_csv(path: Path, films: Films) -> LabelFile:
    """Read either form of CSV. Raises DatasetError and ListError naming the line."""
    columns, rows = read_table(path)
    per_second = _form(path, columns)
    videos: dict[str, VideoLabels] = {}
    for where, row in rows:
        if len(row) < len(columns):
            raise DatasetError(f"{where}: needs {len(columns)} values, one for each column.")
        _add_row(where, videos.setdefault(row["video"], VideoLabels()), row, per_second)
    return LabelFile(str(path), videos, per_second)


def _form(path: Path, columns: list[str]) -> bool:
    """Whether the columns are those of scores a second; otherwise they are those of highlights."""
    known = PER_SECOND | INTERVALS | KIND_COLUMNS | {"split"}
    if unknown := [name for name in columns if name not in known]:
        raise DatasetError(f"{path}: has the unknown column {unknown[0]!r}; known are {LABEL_COLUMNS}.")
    per_second = "second" in columns
    needed = PER_SECOND if per_second else INTERVALS
    optional = {"split"} if per_second else {"score", "split", *KIND_COLUMNS}
    twice = len(set(columns)) < len(columns) or KIND_COLUMNS <= set(columns)
    if twice or not needed <= set(columns) <= needed | optional:
        raise DatasetError(f"{path}: has the columns {','.join(columns)!r}; needed are {LABEL_COLUMNS}.")
    return per_second


def _add_row(where: str, labels: VideoLabels, row: dict[str, str], per_second: bool) -> None:
    if "split" in row:
        labels.set_split(where, row["split"])
    if per_second:
        second = number_of(where, "second", row["second"])
        if second != int(second) or second < 0:
            raise DatasetError(f"{where}: second is {row['second']!r}; a whole number from 0 on is needed.")
        labels.add_second(where, int(second), row["score"])
    else:
        kind = row.get("kind", row.get("label", ""))
        labels.add_interval(where, row["start"], row["end"], row.get("score", 1), kind)
