import csv
import hashlib
import io
import struct
import tarfile
import zipfile
import zlib

import numpy as np
import pytest
from paths import ROOT
from sounds import write_wav

from datasets_scripts.gathering import packages as fetching
from datasets_scripts.gathering.archives import archive_files
from datasets_scripts.gathering.manifest import COLUMNS, read_manifest
from datasets_scripts.sounds import MANIFEST, build_library, main
from datasets_scripts.synthesis.library import Library

BELL, RAIN, STEP = "usr/share/game/bell.wav", "usr/share/game/data.pk3!rain.wav", "usr/share/more/step.wav"


def wav_file(height, rate=44_100, silence=0.5, offset=0.0):
    """Half a second of a tone between two silences, as a WAV file's bytes; all of it offset."""
    sound = height * np.sin(2 * np.pi * 440 * np.arange(rate // 2) / rate)
    padding = np.zeros(round(silence * rate))
    content = io.BytesIO()
    write_wav(content, np.concatenate([padding, sound, padding]) + offset, rate)
    return content.getvalue()


def zip_file(members):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return content.getvalue()


def write_package(path, files):
    """A .deb: an `ar` archive whose member data.tar.xz holds the files."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:xz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"./{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    members = {"debian-binary": b"2.0\n", "control.tar.xz": b"odd", "data.tar.xz": data.getvalue()}
    with path.open("wb") as file:
        file.write(b"!<arch>\n")
        for name, content in members.items():
            header = f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n"
            file.write(header.encode() + content + b"\n" * (len(content) % 2))


def row(file, package, member, content, split="train"):
    role, kind, _ = file.split("/")
    digest = hashlib.sha256(content).hexdigest()
    return (file, role, kind, split, package, "1:2.0-1", member, digest, "A. Recordist", "CC0-1.0")


def write_manifest(path, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    return path


def files_of(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def sources(tmp_path):
    """The folder of two packages, and a manifest of what is taken from them."""
    folder = tmp_path / "packages"
    folder.mkdir()
    bell, rain = wav_file(0.9), wav_file(0.2)
    step = wav_file(0.01, rate=16_000, offset=0.1)
    archive = zip_file({"other.txt": b"text", "rain.wav": rain})
    write_package(folder / "game_1%3a2.0-1_all.deb", {BELL: bell, "usr/share/game/data.pk3": archive})
    write_package(folder / "more_1%3a2.0-1_all.deb", {STEP: step})
    rows = [
        row("foreground/bell/game-bell.wav", "game", BELL, bell),
        row("background/rain/game-rain.wav", "game", RAIN, rain),
        row("minor/step/more-step.wav", "more", STEP, step, "validation"),
    ]
    return folder, write_manifest(tmp_path / "manifest.csv", rows)


def test_recordings_are_trimmed_and_written_as_16_khz_mono_of_one_height(sources, tmp_path):
    packages, manifest = sources
    assert build_library(tmp_path / "out", packages, manifest) == 3
    library = Library.open(tmp_path / "out")
    for role, kind, split in (("foreground", "bell", "train"), ("minor", "step", "validation")):
        [recording] = library.recordings(role, kind, split)
        samples = library.read(recording)
        assert 7900 < len(samples) < 9000
        assert np.abs(samples).max() == pytest.approx(0.9, abs=0.001)
        assert abs(samples.mean()) < 0.01
    assert (tmp_path / "out" / "manifest.csv").read_bytes() == manifest.read_bytes()


def test_a_stopped_run_goes_on_and_ends_with_the_same_bytes(sources, tmp_path):
    packages, manifest = sources
    build_library(tmp_path / "whole", packages, manifest)
    more = packages / "more_1%3a2.0-1_all.deb"
    content = more.read_bytes()
    more.write_bytes(content[:100])
    with pytest.raises(ValueError, match=r"more_1%3a2\.0-1_all\.deb: is not a Debian package"):
        build_library(tmp_path / "out", packages, manifest)
    with pytest.raises(ValueError, match=r"lacks minor/step/more-step\.wav"):
        Library.open(tmp_path / "out")
    more.write_bytes(content)
    (packages / "game_1%3a2.0-1_all.deb").unlink()
    build_library(tmp_path / "out", packages, manifest)
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")


def test_a_member_that_is_another_or_missing_is_explained(sources, tmp_path):
    packages, manifest = sources
    write_package(packages / "more_1%3a2.0-1_all.deb", {STEP: wav_file(0.5)})
    with pytest.raises(ValueError, match=r"step\.wav is not the file that the manifest means"):
        build_library(tmp_path / "out", packages, manifest)
    write_package(packages / "more_1%3a2.0-1_all.deb", {"usr/share/else.wav": wav_file(0.5)})
    with pytest.raises(ValueError, match=r"has no usr/share/more/step\.wav"):
        build_library(tmp_path / "out", packages, manifest)


def test_a_folder_that_holds_something_else_is_left_alone(sources, tmp_path):
    packages, manifest = sources
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="is not empty and holds no library"):
        build_library(out, packages, manifest)
    assert [path.name for path in out.iterdir()] == ["thesis.txt"]
    (out / "thesis.txt").rename(out / "manifest.csv")
    with pytest.raises(ValueError, match="made from another manifest"):
        build_library(out, packages, manifest)


def test_a_package_that_cannot_be_fetched_is_explained(sources, tmp_path, monkeypatch):
    packages, manifest = sources
    (packages / "more_1%3a2.0-1_all.deb").unlink()
    monkeypatch.setattr(fetching.shutil, "which", lambda _: None)
    with pytest.raises(ValueError, match=r"more 1:2\.0-1 is not in .*packages, and there is no apt-get"):
        build_library(tmp_path / "out", packages, manifest)


def test_the_command_prints_one_sentence_about_what_is_wrong(tmp_path, capsys):
    (tmp_path / "paper.txt").write_text("mine")
    assert main(["--out", str(tmp_path), "--packages", str(tmp_path / "packages")]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "choose a new folder" in said


def test_qt_resources_are_read_plain_and_compressed():
    names = b"".join(
        struct.pack(">HI", len(name), 0) + name.encode("utf-16-be") for name in ("sounds", "a.ogg", "b.ogg")
    )
    places = [0, 18, 34]
    squeezed = struct.pack(">I", 4) + zlib.compress(b"long")
    data = struct.pack(">I", 3) + b"abc" + struct.pack(">I", len(squeezed)) + squeezed
    nodes = [(0, 2, 1, 1), (places[0], 2, 2, 2), (places[1], 0, 0, 0), (places[2], 1, 0, 7)]
    tree = b"".join(struct.pack(">IHIIQ", *node, 0) for node in nodes)
    head = struct.pack(">4sIIII", b"qres", 2, 20 + len(names) + len(data), 20 + len(names), 20)
    content = head + names + data + tree
    assert dict(archive_files("x.rcc", content)) == {"sounds/a.ogg": b"abc", "sounds/b.ogg": b"long"}


def test_openttd_sets_are_read_by_number_and_title():
    sounds = [('"Crash". By A. Author.', b"RIFFone"), ('"Big crash". By B.', b"RIFFtwo")]
    blocks = [bytes([len(text) + 1]) + text.encode() + b"\0" + sound for text, sound in sounds]
    table = struct.pack("<II", 16, 7) + struct.pack("<II", 16 + len(blocks[0]), 7)
    found = dict(archive_files("x.cat", table + b"".join(blocks)))
    assert found == {"00 Crash": b"RIFFone", "01 Big crash": b"RIFFtwo"}


def test_a_broken_archive_is_named():
    for name in ("x.rcc", "x.wz", "x.cat"):
        with pytest.raises(ValueError, match=f"{name}: is an archive that cannot be read"):
            list(archive_files(name, b"broken"))


def test_the_wrong_line_of_a_manifest_is_named(tmp_path):
    good = row("foreground/bell/a.wav", "game", BELL, b"")
    for place, value, said in (
        (0, "../../etc/a.wav", "line 3: file is"),
        (3, "dev", "line 3: split is 'dev'"),
        (9, "", "line 3: licence is empty"),
    ):
        wrong = [*good[:place], value, *good[place + 1 :]]
        with pytest.raises(ValueError, match=said):
            read_manifest(write_manifest(tmp_path / "manifest.csv", [good, wrong]))


def test_the_published_manifest_keeps_what_it_promises():
    rows = read_manifest(MANIFEST)
    assert ROOT / "configuration" / "sounds" / "manifest.csv" == MANIFEST
    assert len({row.file for row in rows}) == len({row.file.lower() for row in rows}) == len(rows)
    assert len({row.sha256 for row in rows}) == len(rows)  # no recording twice, so none in two splits
    assert not [row for row in rows if "NC" in row.licence or "ND" in row.licence]
    splits = {}
    for entry in rows:
        splits.setdefault(entry.package, set()).add(entry.split)
    assert all(len(split) == 1 for split in splits.values())
