"""Debian packages, fetched from Debian's mirror with apt, which checks what it fetched."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from modeling_davihd.engines.errors import DatasetError


def find_package(folder: Path, name: str, version: str) -> Path | None:
    """A package's .deb in a folder, as apt names it; None where there is none."""
    stem = f"{name}_{version.replace(':', '%3a')}"
    return next((path for path in sorted(folder.glob(f"{stem}_*.deb"))), None)


def fetch_package(folder: Path, name: str, version: str) -> Path:
    """A package's .deb in a folder, fetched if it is not there yet; a broken download goes on where it ended.

    Raises DatasetError naming the package where apt is missing, or the mirror does not have that version.
    """
    if found := find_package(folder, name, version):
        return found
    if not shutil.which("apt-get"):
        raise DatasetError(f"{name} {version} is not in {folder}, and there is no apt-get here to fetch it.")
    unfinished = folder / "unfinished"
    unfinished.mkdir(parents=True, exist_ok=True)
    done = _apt(["download", f"{name}={version}"], unfinished)
    if done.returncode:
        _apt(["update"], unfinished)
        done = _apt(["download", f"{name}={version}"], unfinished)
    fetched = find_package(unfinished, name, version)
    if done.returncode or fetched is None:
        said = " ".join(line for line in done.stderr.split("\n") if line.startswith("E:"))
        reason = said or "apt gave no reason"
        raise DatasetError(f"{name} {version} cannot be fetched ({reason}); put its .deb into {folder}.")
    return fetched.replace(folder / fetched.name)


def _apt(arguments: list[str], folder: Path) -> subprocess.CompletedProcess:
    return subprocess.run(["apt-get", "-q", *arguments], cwd=folder, capture_output=True, text=True)
