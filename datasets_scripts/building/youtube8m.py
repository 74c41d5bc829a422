"""YouTube-8M's frame-level features: TFRecord files of tf.SequenceExample messages, read without TensorFlow.

A TFRecord file is a row of records, each of them its length (8 bytes, little endian), a checksum of that (4),
the data, and a checksum of the data (4). Of protobuf, only what these messages use is read.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

import google_crc32c
import numpy as np

from modeling_davihd.engines.errors import DatasetError, UnusableVideo

RGB_WIDTH = 1024
CRC_MASK = 0xA282EAD8

Content = TypeVar("Content")


class RecordSpan(NamedTuple):
    """Where the data of a record lies: bytes `start` to `end` of a file."""

    path: Path
    start: int
    end: int


class YouTube8M:
    """The rgb features of some videos in a folder of YouTube-8M's frame-level TFRecord files.

    A file is indexed when the first of its videos is asked for, by reading the head of each record; only the
    positions of the `wanted` ids are kept. Raises DatasetError for a folder without such files.
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
        self._spans: dict[str, RecordSpan] = {}
        self._indexed: set[Path] = set()

    def rgb(self, random_id: str, file: str | None) -> np.ndarray:
        """(T, 1024) float32 of the video with that id, in the file of that name, or in any if `file` is None.

        Raises UnusableVideo if the video is not there, and DatasetError naming the file if that is damaged.
        """
        names = list(self._files) if file is None else [file]
        for name in names:
            if random_id in self._spans:
                break
            if name not in self._files:
                raise UnusableVideo(f"{self._folder} has no file {name}.tfrecord.")
            self._index(self._files[name])
        if random_id not in self._spans:
            raise UnusableVideo(f"No video {random_id} in {file or 'any'}.tfrecord of YouTube-8M.")
        return _dequantised(self._spans[random_id])

    def _index(self, path: Path) -> None:
        if path in self._indexed:
            return
        content = _mapped(path)
        for span in record_spans(content, path):
            identity = _parsed(read_id, content[span.start : span.end], path)
            if identity in self._wanted:
                self._spans[identity] = span
        self._indexed.add(path)


def _mapped(path: Path) -> memoryview:
    """The bytes of a file; only those that are looked at are read."""
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            return memoryview(b"")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def record_spans(content: memoryview, path: Path) -> Iterator[RecordSpan]:
    """The records of a TFRecord file. The checksum of the data is not looked at, that of each length is.

    Raises DatasetError naming the file and the byte where it is cut off or damaged.
    """
    position = 0
    while position < len(content):
        head = bytes(content[position : position + 12])
        if len(head) == 12:
            length, checksum = struct.unpack("<QI", head)
            if checksum != masked_crc(head[:8]):
                raise DatasetError(f"{path} is damaged at byte {position}, or is not a TFRecord file.")
        if len(head) < 12 or position + 16 + length > len(content):
            raise DatasetError(
                f"{path} is cut off in the record at byte {position}; it needs to be fetched again."
            )
        yield RecordSpan(path, position + 12, position + 12 + length)
        position += 16 + length


def masked_crc(data: bytes) -> int:
    """CRC-32C of some bytes, rotated and shifted as TFRecord files store it."""
    crc = google_crc32c.value(data)
    return (((crc >> 15) | (crc << 17)) + CRC_MASK) & 0xFFFFFFFF


def _dequantised(span: RecordSpan) -> np.ndarray:
    """(T, 1024) float32 in [-2, 2] of a record's rgb features, which are stored in a byte each."""
    path, start, end = span
    content = _mapped(path)
    record = bytes(content[start:end])
    if struct.unpack("<I", content[end : end + 4])[0] != masked_crc(record):
        raise DatasetError(f"{path} is damaged between the bytes {start} and {end}.")
    frames = _parsed(read_rgb, memoryview(record), path)
    if not frames or {len(frame) for frame in frames} != {RGB_WIDTH}:
        raise DatasetError(
            f"{path}: the record at byte {start} has no rgb features of {RGB_WIDTH} bytes a frame."
        )
    quantised = np.frombuffer(b"".join(frames), np.uint8).reshape(-1, RGB_WIDTH)
    return quantised.astype(np.float32) * (4 / 255) - 2


def _parsed(read: Callable[[memoryview], Content], record: memoryview, path: Path) -> Content:
    """What `read` finds in a record. Raises DatasetError naming the file if the record is something else."""
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
    """The byte strings of a tf.Feature: its field 1 is a BytesList, which has them in its own field 1."""
    return [bytes(value) for number, values in fields(feature) if number == 1 for _, value in fields(values)]


def _map(message: memoryview) -> dict[bytes, memoryview]:
    """A protobuf map from names to messages: entries of a name (field 1) and a message (field 2)."""
    entries = [dict(fields(entry)) for _, entry in fields(message)]
    return {bytes(entry[1]): entry[2] for entry in entries}


def fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """(number, content) of the protobuf fields that have a length; YouTube-8M has others only in its labels.

    Raises ValueError or IndexError if the bytes are not such a message.
    """
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        length, position = _varint(message, position)
        if tag & 7 != 2 or position + length > len(message):
            raise ValueError("not a message of fields with lengths")
        yield tag >> 3, message[position : position + length]
        position += length


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    """The number of variable length at a position, and the position after it."""
    value = shift = 0
    while True:
        byte = message[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position
