"""A folder of recorded sounds, in Scaper's layout, to be mixed into soundtracks.

    foreground/KIND/*    events: what a viewer would notice
    background/KIND/*    what goes on throughout: music, rain, speech
    minor/KIND/*         small things that change without mattering; minor/* does as well

`datasets_scripts/sounds.py` makes such a folder; any other will do, in every format that PyAV decodes.
"""

from __future__ import annotations

import csv
import hashlib
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from datasets_scripts.building.splits import SPLITS
from datasets_scripts.gathering.audio import FULL_SCALE, decode, read_wav, to_int16

ROLES = ("foreground", "background", "minor")
LAYOUT = "foreground/KIND/*, background/KIND/*, minor/KIND/* or minor/*"
MANIFEST = "manifest.csv"
LOOSE = "minor"  # the kind of what lies in minor/ itself
IGNORED = {".csv", ".json", ".md", ".txt"}  # notes beside recordings, licences for example
CACHE = 256 * 2**20  # bytes of decoded sound that are kept, two a sample: more than two hours


@dataclass(frozen=True, order=True)
class Recording:
    """One sound file of a library. role, kind, split: as in `Library`; place: its path in the folder."""

    role: str
    kind: str
    place: str
    split: str = field(compare=False)
    path: Path = field(compare=False)

    def __fspath__(self) -> str:
        return str(self.path)


class Library:
    """The recordings of a folder, by role, kind and split.

    Where the folder has a manifest.csv with the columns `file` and `split`, that says which split a recording
    is in; else a hash of the recording's name does: 80 % train, 10 % validation, 10 % test.
    """

    def __init__(self, folder: Path, recordings: list[Recording], fingerprint: str) -> None:
        self.folder = folder
        self.fingerprint = fingerprint
        self._groups: dict[tuple[str, str, str], list[Recording]] = {}
        for recording in sorted(recordings):
            place = (recording.role, recording.kind, recording.split)
            self._groups.setdefault(place, []).append(recording)
        self._decoded: OrderedDict[Path, np.ndarray] = OrderedDict()
        self._held = 0

    @classmethod
    def open(cls, folder: Path) -> Library:
        """Read what a folder holds. Raises ValueError naming the folder, or the row of its manifest, if it
        is not in the layout."""
        if not folder.is_dir():
            raise ValueError(f"{folder}: is no folder; a library of recorded sounds is needed ({LAYOUT}).")
        rows = read_splits(folder / MANIFEST)
        found = list(_sound_files(folder))
        if absent := sorted(set(rows or ()) - {path.relative_to(folder).as_posix() for _, _, path in found}):
            raise ValueError(f"{folder}: lacks {absent[0]}, which its manifest.csv names; it is incomplete.")
        if not found:
            raise ValueError(f"{folder}: holds no recorded sounds; {LAYOUT} are needed.")
        recordings, contents = [], []
        for role, kind, path in found:
            place = path.relative_to(folder).as_posix()
            split, content = rows.get(place, ("", "")) if rows is not None else (split_by_name(path.name), "")
            if not split:
                raise ValueError(f"{folder / MANIFEST}: has no row for {place}; every recording needs one.")
            recordings.append(Recording(role, kind, place, split, path))
            contents.append(f"{place}\t{content or path.stat().st_size}")
        fingerprint = hashlib.sha256("\n".join(sorted(contents)).encode()).hexdigest()
        return cls(folder, recordings, fingerprint)

    def kinds(self, role: str, split: str) -> list[str]:
        """The kinds of which there are recordings in a split, sorted. Raises ValueError for an unknown role
        or split."""
        _check(role, split)
        return sorted(kind for r, kind, s in self._groups if (r, s) == (role, split))

    def recordings(self, role: str, kind: str, split: str) -> list[Recording]:
        """The recordings of a kind in a split, sorted by name; none where there is no such kind."""
        _check(role, split)
        return list(self._groups.get((role, kind, split), []))

    def read(self, recording: Recording) -> np.ndarray:
        """All samples of a recording, (n,) float32 mono at 16 kHz, in [-1, 1].

        What was read last is kept decoded, up to CACHE bytes. Raises ValueError naming a file that cannot be
        decoded.
        """
        samples = self._decoded.pop(recording.path, None)
        if samples is None:
            samples = _decoded(recording.path)
            self._held += samples.nbytes
        self._decoded[recording.path] = samples
        while self._held > CACHE and len(self._decoded) > 1:
            self._held -= self._decoded.popitem(last=False)[1].nbytes
        return samples.astype(np.float32) / FULL_SCALE


def split_by_name(name: str) -> str:
    """The split of a recording of which no manifest speaks: 80 % train, 10 % validation, 10 % test."""
    tenth = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % 10
    return SPLITS[max(0, tenth - 7)]


def read_splits(manifest: Path) -> dict[str, tuple[str, str]] | None:
    """Split and hash of each file that a manifest lists; None where there is none that speaks of splits.

    Raises ValueError naming the manifest and its line where a split is unknown.
    """
    if not manifest.is_file():
        return None
    with manifest.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        if not {"file", "split"} <= set(rows.fieldnames or ()):
            return None
        splits = {}
        for row in rows:
            if row["split"] not in SPLITS:
                known = f"it must be one of {', '.join(SPLITS)}"
                raise ValueError(f"{manifest}: line {rows.line_num}: split is {row['split']!r}; {known}.")
            splits[row["file"]] = (row["split"], row.get("sha256") or "")
        return splits


def _sound_files(folder: Path) -> Iterator[tuple[str, str, Path]]:
    """Role, kind and path of every recording; hidden files and notes are passed over."""
    for role in ROLES:
        for entry in _visible(folder / role):
            if entry.is_dir():
                yield from ((role, entry.name, path) for path in _visible(entry) if path.is_file())
            elif role == "minor":
                yield role, LOOSE, entry
            else:
                raise ValueError(f"{entry}: is in no folder that says its kind; {role}/KIND/* is needed.")


def _visible(folder: Path) -> list[Path]:
    entries = sorted(folder.iterdir()) if folder.is_dir() else []
    return [e for e in entries if not e.name.startswith(".") and e.suffix.lower() not in IGNORED]


def _decoded(path: Path) -> np.ndarray:
    samples = read_wav(path)
    if samples is None:
        samples = to_int16(decode(path, str(path)))
    if not len(samples):
        raise ValueError(f"{path}: holds no sound.")
    return samples


def _check(role: str, split: str) -> None:
    if role not in ROLES:
        raise ValueError(f"role is {role!r}; it must be one of {', '.join(ROLES)}.")
    if split not in SPLITS:
        raise ValueError(f"split is {split!r}; it must be one of {', '.join(SPLITS)}.")
