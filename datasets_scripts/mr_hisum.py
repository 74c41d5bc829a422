"""Mr.HiSum (Sul et al., NeurIPS 2023): labels, and features of YouTube-8M or of the videos -> a dataset.

    pip install ".[research]"
    python datasets_scripts/mr_hisum.py --annotations mr_hisum.h5 --metadata metadata.csv
        --splits mr_hisum_split.json --out DIR [--youtube8m DIR] [--videos DIR]

Visual features come from the frame-level TFRecord files of YouTube-8M, wherever they lie below --youtube8m;
or from `features` in mr_hisum.h5, where the preparation of the original repository puts the same numbers; or,
with --visual-backbone, from the videos. The videos, named by YouTube id or by video_id, also give the sound.

T is the number of `gtscore`s; the metadata's duration may differ by one second, and the shorter counts. What
is absent (a video, its features, its row of metadata) or differs by more is listed in missing.json.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import functools
import json
import math
import mmap
import struct
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import h5py
import numpy as np
from tqdm import tqdm

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from datasets_scripts.building.builder import (
    Given,
    Settings,
    Video,
    build_dataset,
    file_print,
    run_command,
    settings_from,
)
from datasets_scripts.building.errors import DatasetError, UnusableVideo
from datasets_scripts.building.options import add_extraction_arguments, name_encoders
from datasets_scripts.tvsum import find_media
from modeling_davihd.conversion import EncoderChoice

SPLITS = {"train_keys": "train", "val_keys": "validation", "test_keys": "test"}
RGB_WIDTH = 1024
METADATA_COLUMNS = ("video_id", "youtube_id", "random_id", "duration")
CRC_MASK = 0xA282EAD8

CARD = """---
license: cc-by-4.0
tags: [video-highlight-detection, video-summarization, mr-hisum]
---
# Mr.HiSum

YouTube videos of YouTube-8M with their "most replayed" statistics as highlight scores, one a second (Sul, Han
and Lee, *Mr. HiSum: A Large-scale Dataset for Video Highlight Detection and Summarization*, NeurIPS 2023;
CC BY 4.0). The videos and their titles stay with their owners and are not in here.

- `labels`: `gtscore` of the original file. Where its length and the metadata's duration differ by one second,
  the shorter counts; a video where they differ by more is left out.
- `change_points`, `gt_summary`: the original's shots, and its summary of 15 % of the length.
- The splits are the original's. Whatever could not be used is in `missing.json`, each with its reason.
"""

Metadata = Mapping[str, Mapping[str, str]]


def read_metadata(path: Path) -> dict[str, dict[str, str]]:
    """The rows of metadata.csv by their video_id. Raises DatasetError naming the file and the column."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path} is not a table of text in UTF-8.") from error
    found = reader.fieldnames or []
    if missing := [name for name in METADATA_COLUMNS if name not in found]:
        raise DatasetError(f"{path} lacks the column {missing[0]}; it has {', '.join(found) or 'none'}.")
    for number, row in enumerate(rows, 2):
        if not _is_positive(row["duration"]):
            raise DatasetError(
                f"{path}, line {number}: the duration is {row['duration']!r}; seconds are needed."
            )
    return {row["video_id"]: row for row in rows}


def _is_positive(text: str | None) -> bool:
    try:
        return 0 < float(text or "") < math.inf
    except ValueError:
        return False


def read_splits(path: Path) -> dict[str, str]:
    """The split of every video of mr_hisum_split.json, in its order.

    Raises DatasetError if the file has other keys than train_keys, val_keys and test_keys, or a video twice.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise DatasetError(f"{path} is not a JSON file.") from error
    if not isinstance(content, dict) or set(content) != set(SPLITS):
        found = ", ".join(content) if isinstance(content, dict) else f"a {type(content).__name__}"
        raise DatasetError(f"{path} holds {found or 'nothing'}, but {', '.join(SPLITS)} are needed.")
    splits: dict[str, str] = {}
    for key, split in SPLITS.items():
        if not isinstance(content[key], list) or not all(isinstance(name, str) for name in content[key]):
            raise DatasetError(f"{path}: {key} is not a list of video ids.")
        for name in content[key]:
            if name in splits:
                raise DatasetError(f"{path} holds {name} twice, in {splits[name]} and in {split}.")
            splits[name] = split
    return splits


@dataclasses.dataclass(frozen=True)
class Entry:
    """One video: labels (T,), change_points (shots, 2), gt_summary (T,); whether the file has features."""

    labels: np.ndarray
    change_points: np.ndarray
    gt_summary: np.ndarray
    has_features: bool

    def cut(self, seconds: int) -> Entry:
        """Its first seconds."""
        return dataclasses.replace(self, labels=self.labels[:seconds], gt_summary=self.gt_summary[:seconds])


def read_entry(group: h5py.Group, path: Path) -> Entry:
    """One group of mr_hisum.h5. Raises DatasetError naming file and video if its content is not sound."""
    where = f"{path}, {group.name.lstrip('/')}"
    if not isinstance(group, h5py.Group):
        raise DatasetError(f"{where}: is not a group of arrays for one video.")
    summary = "gt_summary" if "gt_summary" in group else "gtsummary"
    if missing := [name for name in ("gtscore", "change_points", summary) if name not in group]:
        raise DatasetError(f"{where}: lacks {missing[0]}; it has {', '.join(group) or 'nothing'}.")
    labels = group["gtscore"][()].astype(np.float32).ravel()
    shots, chosen = group["change_points"][()], group[summary][()].ravel()
    if len(labels) == 0 or not ((labels >= 0) & (labels <= 1)).all():
        raise DatasetError(f"{where}: gtscore is empty or not made of numbers from 0 to 1 alone.")
    if shots.ndim != 2 or shots.shape[1] != 2:
        raise DatasetError(f"{where}: change_points has the shape {shots.shape}, but (shots, 2) is needed.")
    if len(chosen) != len(labels) or not np.isin(chosen, (0, 1)).all():
        raise DatasetError(f"{where}: {summary} is not one 0 or 1 for each of the {len(labels)} gtscores.")
    return Entry(labels, shots.astype(np.int32), chosen.astype(np.int8), "features" in group)


class YouTube8M:
    """The rgb features of some videos in a folder of YouTube-8M's frame-level TFRecord files.

    A file is indexed when the first of its videos is asked for, by reading the head of each record; only the
    places of the `wanted` ids are kept.
    """

    def __init__(self, folder: Path, wanted: set[str]):
        if not folder.is_dir():
            raise DatasetError(f"There is no folder of YouTube-8M {folder}.")
        self._files = {path.stem: path for path in sorted(folder.rglob("*.tfrecord"))}
        if not self._files:
            raise DatasetError(
                f"{folder} holds no .tfrecord file; YouTube-8M's frame-level files are needed."
            )
        self._folder, self._wanted = folder, wanted
        self._places: dict[str, tuple[Path, int, int]] = {}
        self._indexed: set[Path] = set()

    def rgb(self, random_id: str, file: str | None) -> np.ndarray:
        """(T, 1024) float32 of the video with that id, in the file of that name, or in any if it is None.

        Raises UnusableVideo if it is in none, DatasetError naming the file if that is damaged.
        """
        names = list(self._files) if file is None else [file]
        for name in names:
            if random_id in self._places:
                break
            if name not in self._files:
                raise UnusableVideo(f"{self._folder} has no file {name}.tfrecord.")
            self._index(self._files[name])
        if random_id not in self._places:
            raise UnusableVideo(f"No video {random_id} in {file or 'any'}.tfrecord of YouTube-8M.")
        return _dequantised(*self._places[random_id])

    def _index(self, path: Path) -> None:
        if path in self._indexed:
            return
        content = _mapped(path)
        for start, end in records(content, path):
            identity = _decoded(read_id, content[start:end], path)
            if identity in self._wanted:
                self._places[identity] = (path, start, end)
        self._indexed.add(path)


def _mapped(path: Path) -> memoryview:
    """The bytes of a file, of which only those looked at are read."""
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            return memoryview(b"")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def records(content: memoryview, path: Path) -> Iterator[tuple[int, int]]:
    """Where the records of a TFRecord file begin and end.

    A record is its length (8 bytes, little endian), a checksum of that (4), the data, a checksum of them (4).
    Raises DatasetError naming the file and the byte where it is cut off or damaged.
    """
    place = 0
    while place < len(content):
        head = bytes(content[place : place + 12])
        if len(head) == 12:
            length, checksum = struct.unpack("<QI", head)
            if checksum != masked_crc(head[:8]):
                raise DatasetError(f"{path} is damaged at byte {place}, or is not a TFRecord file.")
        if len(head) < 12 or place + 16 + length > len(content):
            raise DatasetError(
                f"{path} is cut off in the record at byte {place}; it needs to be fetched again."
            )
        yield place + 12, place + 12 + length
        place += 16 + length


def masked_crc(data: bytes) -> int:
    """CRC-32C of some bytes, rotated and shifted as TFRecord files store it."""
    table, crc = _crc_table(), 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + CRC_MASK) & 0xFFFFFFFF


@functools.cache
def _crc_table() -> list[int]:
    table = list(range(256))
    for _ in range(8):
        table = [(value >> 1) ^ (0x82F63B78 if value & 1 else 0) for value in table]
    return table


def _dequantised(path: Path, start: int, end: int) -> np.ndarray:
    content = _mapped(path)
    record = bytes(content[start:end])
    if struct.unpack("<I", content[end : end + 4])[0] != masked_crc(record):
        raise DatasetError(f"{path} is damaged between the bytes {start} and {end}.")
    frames = _decoded(read_rgb, memoryview(record), path)
    if not frames or {len(frame) for frame in frames} != {RGB_WIDTH}:
        raise DatasetError(
            f"{path}: the record at byte {start} has no rgb features of {RGB_WIDTH} bytes a frame."
        )
    quantised = np.frombuffer(b"".join(frames), np.uint8).reshape(-1, RGB_WIDTH)
    return quantised.astype(np.float32) * (4 / 255) - 2


def _decoded(read, record: memoryview, path: Path):
    try:
        return read(record)
    except (IndexError, KeyError, struct.error, UnicodeDecodeError, ValueError) as error:
        raise DatasetError(f"{path} holds records that are not YouTube-8M's frame-level features.") from error


def read_id(record: memoryview) -> str:
    """The id in the context of a tf.SequenceExample; nothing after it is read."""
    return str(_bytes_of(_map(dict(fields(record))[1])[b"id"])[0], "utf-8")


def read_rgb(record: memoryview) -> list[bytes]:
    """The list `rgb` of a tf.SequenceExample, one item for each frame."""
    frames = _map(dict(fields(record))[2])[b"rgb"]
    return [_bytes_of(frame)[0] for _, frame in fields(frames)]


def _bytes_of(feature: memoryview) -> list[bytes]:
    """A tf.Feature whose field 1, a BytesList, holds byte strings in its field 1."""
    return [bytes(value) for number, values in fields(feature) if number == 1 for _, value in fields(values)]


def _map(message: memoryview) -> dict[bytes, memoryview]:
    """A protobuf map from names to messages: entries of a name (field 1) and a message (field 2)."""
    entries = [dict(fields(entry)) for _, entry in fields(message)]
    return {bytes(entry[1]): entry[2] for entry in entries}


def fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """(number, content) of the protobuf fields that have a length; YouTube-8M has others only in its labels.

    Raises ValueError or IndexError where the bytes are no such message.
    """
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        length, place = _varint(message, place)
        if tag & 7 != 2 or place + length > len(message):
            raise ValueError("not a message of fields with lengths")
        yield tag >> 3, message[place : place + length]
        place += length


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place


@dataclasses.dataclass(frozen=True)
class Source:
    """Where features come from: `youtube8m` or, if `stored`, the annotation file; `media`: videos by name."""

    annotations: Path
    stored: bool = False
    youtube8m: YouTube8M | None = None
    media: Mapping[str, Path] | None = None

    @functools.cached_property
    def identity(self) -> str:
        """What stored features depend on."""
        return file_print(self.annotations) if self.stored else ""

    def rgb(self, name: str, row: Mapping[str, str]) -> dict[str, np.ndarray]:
        """The visual features of one video. Raises UnusableVideo if there are none."""
        if self.youtube8m:
            return {"visual_features": self.youtube8m.rgb(row["random_id"], row.get("yt8m_file") or None)}
        with h5py.File(self.annotations, "r") as file:
            return {"visual_features": file[name]["features"][()].astype(np.float32)}

    def film(self, name: str, row: Mapping[str, str]) -> Path | None:
        """The video's file, if videos are used. Raises UnusableVideo if it is not there."""
        if self.media is None:
            return None
        for known in (row["youtube_id"], name):
            if known in self.media:
                return self.media[known]
        raise UnusableVideo(f"The folder of videos has neither {row['youtube_id']} nor {name}.")


def plan_video(name: str, split: str, entry: Entry, row: Mapping[str, str], source: Source) -> Video:
    """One row to build. Raises UnusableVideo, with the reason, if the video cannot be used."""
    seconds = min(len(entry.labels), math.ceil(float(row["duration"])))
    if max(len(entry.labels), math.ceil(float(row["duration"]))) - seconds > 1:
        raise UnusableVideo(f"It has {len(entry.labels)} gtscores, but lasts {row['duration']} s.")
    if source.stored and not entry.has_features:
        raise UnusableVideo(f"{source.annotations.name} has no features of it.")
    entry = entry.cut(seconds)
    given = source.stored or source.youtube8m
    return Video(
        video_id=name,
        split=split,
        labels=entry.labels,
        media=source.film(name, row),
        duration=float(seconds),
        given=functools.partial(source.rgb, name, row) if given else None,
        identity=row["random_id"] if source.youtube8m else source.identity,
        extras={"change_points": entry.change_points, "gt_summary": entry.gt_summary},
    )


def plan(
    entries: Mapping[str, Entry], splits: Mapping[str, str], metadata: Metadata, source: Source
) -> tuple[list[Video], list[tuple[str, str]]]:
    """The rows to build, in the order of the splits, and (video_id, reason) of the rest."""
    videos, missing = [], []
    for name, split in splits.items():
        try:
            if name not in entries:
                raise UnusableVideo(f"{source.annotations.name} has no such video.")
            if name not in metadata:
                raise UnusableVideo("The metadata have no such video.")
            videos.append(plan_video(name, split, entries[name], metadata[name], source))
        except UnusableVideo as error:
            missing.append((name, str(error)))
    unused = (entries.keys() | metadata.keys()) - splits.keys()
    return videos, missing + [(name, "It is in no split.") for name in sorted(unused)]


def read_entries(path: Path) -> dict[str, Entry]:
    """All videos of mr_hisum.h5, without their features. Raises DatasetError naming the file."""
    if not path.is_file():
        raise DatasetError(f"There is no annotation file {path}.")
    try:
        with h5py.File(path, "r") as file:
            names = tqdm(list(file), unit="video", disable=None, desc=path.name)
            return {name: read_entry(file[name], path) for name in names}
    except OSError as error:
        raise DatasetError(f"{path} is not a readable HDF5 file: {error}.") from error


def build(options: argparse.Namespace) -> int:
    """What the command line does."""
    metadata, splits = read_metadata(options.metadata), read_splits(options.splits)
    entries = read_entries(options.annotations)
    settings = settings_from(options) if options.videos else Settings(log_mel=None)
    youtube8m = stored = None
    if options.youtube8m:
        youtube8m = YouTube8M(options.youtube8m, {row["random_id"] for row in metadata.values()})
    elif "visual" not in settings.encoders:
        stored = any(entries[name].has_features for name in splits if name in entries)
    if youtube8m or stored:
        given = {"visual_features": Given(RGB_WIDTH, "YouTube-8M")}
        encoders = {"visual": EncoderChoice("inception_v3"), **settings.encoders}
        settings = dataclasses.replace(settings, encoders=encoders, given=given)
    media = find_media(options.videos) if options.videos else None
    source = Source(options.annotations, bool(stored), youtube8m, media)
    videos, missing = plan(entries, splits, metadata, source)
    if not videos:
        raise DatasetError(
            f"None of the {len(splits)} videos of {options.splits} can be used: {missing[0][1]}"
        )
    print(build_dataset(options.out, videos, settings, card=CARD, missing=missing, mismatched="leave out"))
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Command line: exit status 0, or 1 for bad data, or 2 for wrong usage."""
    parser = argparse.ArgumentParser(description="Mr.HiSum's labels, with features, to a dataset.")
    for name, kind, help_text in (
        ("annotations", "FILE", "mr_hisum.h5"),
        ("metadata", "FILE", "metadata.csv"),
        ("splits", "FILE", "mr_hisum_split.json"),
        ("out", "DIR", "folder of the dataset"),
    ):
        parser.add_argument(f"--{name}", type=Path, required=True, metavar=kind, help=help_text)
    parser.add_argument(
        "--youtube8m", type=Path, metavar="DIR", help="YouTube-8M's frame-level .tfrecord files"
    )
    parser.add_argument("--videos", type=Path, metavar="DIR", help="videos, named by YouTube id or video_id")
    add_extraction_arguments(parser)
    options = parser.parse_args(arguments)
    if not options.videos and name_encoders(options):
        parser.error("features are computed from videos, so a backbone needs --videos DIR")
    if options.youtube8m and options.visual_backbone != "none":
        parser.error("--youtube8m brings the visual features, so --visual-backbone has nothing to do")
    return run_command(lambda: build(options), parser.prog)


if __name__ == "__main__":
    sys.exit(main())
