"""A library of recorded sounds, out of Debian's packages, to be mixed into generated soundtracks.

    python datasets_scripts/sounds.py --out DIR [--packages DIR]

configuration/sounds/manifest.csv names every recording, with its author and licence. Those of Debian 12
(bookworm) are fetched from its mirror, 2.3 GB, and kept in --packages; from there, each is decoded to 16 kHz
mono, trimmed, and written to DIR/ROLE/KIND/NAME.wav. Stopped, the same command goes on.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from tqdm import tqdm

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from datasets_scripts.building.console import run_dataset_command
from datasets_scripts.gathering.archives import archive_files, package_files
from datasets_scripts.gathering.audio import audible, decode, middle, trimmed, write_wav
from datasets_scripts.gathering.manifest import Row, read_manifest
from datasets_scripts.gathering.packages import fetch_package
from modeling_davihd.engines.errors import DatasetError
from modeling_davihd.files import clear_partials, whole

MANIFEST = Path(__file__).resolve().parent.parent / "configuration" / "sounds" / "manifest.csv"
LONGEST = 120.0  # seconds of a recording; of a longer piece of music, its middle is taken
FORMATS = {".g722": "g722"}  # those that have no header


def build_library(out: Path, packages: Path, manifest: Path = MANIFEST) -> int:
    """Make, or go on making, the library that a manifest describes; the number of its recordings.

    out: the library's folder. packages: where .deb files are, or are put.

    Raises DatasetError where a package cannot be fetched or holds something else than the manifest says, and
    where `out` already holds another library.
    """
    rows = read_manifest(manifest)
    _claim(out, manifest)
    for folder in {(out / row.file).parent for row in rows}:  # what a killed run left
        clear_partials(folder, unchanged_for=0)
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.package, row.version), []).append(row)
    with tqdm(total=len(rows), unit="sound", disable=None) as bar:
        for (name, version), group in groups.items():
            missing = [row for row in group if not (out / row.file).exists()]
            bar.set_postfix_str(name)
            bar.update(len(group) - len(missing))
            if missing:
                for row, content in contents(fetch_package(packages, name, version), missing):
                    write_recording(out / row.file, row, content)
                    bar.update()
    return len(rows)


def _claim(out: Path, manifest: Path) -> None:
    """Put the manifest into the library's folder, which says what it will hold."""
    own = out / "manifest.csv"
    if own.exists() and own.read_bytes() != manifest.read_bytes():
        raise DatasetError(f"{out}: holds a library made from another manifest; choose a new folder.")
    if not own.exists():
        if out.exists() and any(not path.name.startswith(".") for path in out.iterdir()):
            raise DatasetError(f"{out}: is not empty and holds no library; choose a new folder.")
        out.mkdir(parents=True, exist_ok=True)
        with whole(own) as partial:
            shutil.copyfile(manifest, partial)


def contents(package: Path, rows: list[Row]) -> Iterator[tuple[Row, bytes]]:
    """Each row with the content of its member. Raises DatasetError where one is missing or is another."""
    wanted: dict[str, list[Row]] = {}
    for row in rows:
        wanted.setdefault(row.member, []).append(row)
    outer = {member.split("!")[0] for member in wanted}
    for name, content in package_files(package, outer.__contains__):
        members = [(name, content)] if name in wanted else archive_members(name, content)
        for member, own in members:
            for row in wanted.pop(member, []):
                if hashlib.sha256(own).hexdigest() != row.sha256:
                    raise DatasetError(f"{package}: {member} is not the file that the manifest means.")
                yield row, own
    if wanted:
        raise DatasetError(f"{package}: has no {next(iter(wanted))}, which the manifest names.")


def archive_members(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """What is in an archive, each named as the manifest names it."""
    return ((f"{name}!{inner}", own) for inner, own in archive_files(name, content))


def write_recording(path: Path, row: Row, content: bytes) -> None:
    """Decode, trim and write a recording; whole, or not at all."""
    form = FORMATS.get(PurePosixPath(row.member).suffix)
    samples = decode(io.BytesIO(content), f"{row.package}: {row.member}", form)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as partial:
        write_wav(partial, middle(trimmed(audible(samples)), LONGEST))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="sounds.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the library's folder")
    parser.add_argument(
        "--packages", type=Path, metavar="DIR", help="keeps the .deb files (default ~/.cache/davihd/packages)"
    )
    options = parser.parse_args(arguments)
    packages = options.packages or Path.home() / ".cache" / "davihd" / "packages"

    def build() -> None:
        count = build_library(options.out, packages)
        print(f"{options.out}: {count} recordings; manifest.csv says whose each is, and its licence.")

    return run_dataset_command(build, "sounds.py")


if __name__ == "__main__":
    sys.exit(main())
