"""What is in a Debian package, and in the archives that games pack their sounds into.

A member's name is its path in the package; of a file in an archive, the archive's path, "!" and its path in
there: `usr/share/games/warzone2100/base.wz!audio/sfx/misc/scream.ogg`.
"""

from __future__ import annotations

import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

Members = Iterator[tuple[str, bytes]]


def package_files(package: Path, wanted: Callable[[str], bool]) -> Members:
    """Path and content of those files of a .deb whose path is `wanted`, in the package's own order.

    Raises ValueError naming the package where it cannot be read.
    """
    try:
        with package.open("rb") as file:
            compression = _go_to_data(file)
            with tarfile.open(fileobj=file, mode=f"r|{compression}") as files:
                for entry in files:
                    name = entry.name.removeprefix("./")
                    if entry.isfile() and wanted(name):
                        yield name, files.extractfile(entry).read()
    except (tarfile.TarError, lzma.LZMAError, EOFError) as error:
        raise ValueError(f"{package}: is not a Debian package that can be read ({error}).") from error


def _go_to_data(file: BinaryIO) -> str:
    """Go to where a .deb's own files begin, an `ar` member named data.tar; how that is compressed."""
    magic = file.read(8)
    while magic == b"!<arch>\n" and len(header := file.read(60)) == 60:
        name, size = header[:16].decode("ascii", "replace").strip(" /"), header[48:58]
        if name.startswith("data.tar"):
            return name.removeprefix("data.tar").lstrip(".")
        file.seek(int(size) + int(size) % 2, io.SEEK_CUR)
    raise tarfile.TarError("it holds no files")


def archive_files(name: str, content: bytes) -> Members:
    """Path and content of the files in an archive: .wz and .pk3 (ZIP), .rcc (Qt), .cat (OpenTTD).

    Raises ValueError naming the archive where it is broken.
    """
    try:
        yield from ARCHIVES[PurePosixPath(name).suffix](content)
    except (zipfile.BadZipFile, struct.error, IndexError, UnicodeDecodeError, zlib.error) as error:
        raise ValueError(f"{name}: is an archive that cannot be read ({error}).") from error


def _zip_files(content: bytes) -> Members:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for entry in archive.infolist():
            if not entry.is_dir():
                yield entry.filename, archive.read(entry)


def _qt_files(content: bytes) -> Members:
    """A Qt resource: a tree of nodes, each with the place of its name and of its children or its data."""
    magic, version, tree, data, names = struct.unpack_from(">4sIIII", content)
    if magic != b"qres":
        raise struct.error("no Qt resource")
    node_size = 14 if version == 1 else 22
    waiting = [(0, PurePosixPath())]
    while waiting:
        index, folder = waiting.pop()
        place, flags, first, second = struct.unpack_from(">IHII", content, tree + index * node_size)
        path = folder / _qt_name(content, names + place) if index else folder
        if flags & 2:
            waiting.extend((second + child, path) for child in reversed(range(first)))
        elif flags & 4 == 0:  # what is compressed with Zstandard is no sound
            yield str(path), _qt_data(content, data + second, bool(flags & 1))


def _qt_name(content: bytes, place: int) -> str:
    (length,) = struct.unpack_from(">H", content, place)
    return content[place + 6 : place + 6 + 2 * length].decode("utf-16-be")


def _qt_data(content: bytes, place: int, deflated: bool) -> bytes:
    (size,) = struct.unpack_from(">I", content, place)
    data = content[place + 4 : place + 4 + size]
    return zlib.decompress(data[4:]) if deflated else data


def _openttd_files(content: bytes) -> Members:
    """A table of places and sizes; at each place, a text with its length before it, then a WAV file.

    The text begins with the sound's title in quotation marks, and goes on with its authors and licence.
    """
    count = (struct.unpack_from("<I", content)[0] & 0x7FFF_FFFF) // 8
    for number in range(count):
        place, size = struct.unpack_from("<II", content, number * 8)
        place &= 0x7FFF_FFFF
        start = place + content[place] + 1
        title = content[place + 1 : start].rstrip(b"\0").decode("utf-8").split('"')[1]
        yield f"{number:02d} {title}", content[start : start + size]


ARCHIVES: dict[str, Callable[[bytes], Members]] = {
    ".wz": _zip_files,
    ".pk3": _zip_files,
    ".rcc": _qt_files,
    ".cat": _openttd_files,
}
