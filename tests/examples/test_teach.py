"""Teaching the embedded model with films and labels, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from films import film_with_sound, tone

from datasets_scripts.building.builder import Settings, Video, build_dataset
from examples import publish, teach
from examples.teaching import choosing
from examples.teaching.lessons import SEMANTIC
from examples.training.data import read_dataset
from modeling_davihd.loading import load_pipeline

pytestmark = pytest.mark.slow

SECONDS, NAMES = 12, ("a.mp4", "b.mp4", "c.mp4", "d.mp4")
OTHERS = ("random", "loudness", "davihd-small")


def mixed(number: int) -> tuple[np.ndarray, int]:
    """A faint hum with a chirp and a louder hiss, and when the chirp begins."""
    rng, chirp_at = np.random.default_rng(number), (2, 8)[number % 2]
    sound = tone(SECONDS, 16000, hertz=100, amplitude=0.005)
    sound += 0.002 * rng.standard_normal(len(sound)).astype(np.float32)
    time = np.arange(32000) / 16000
    chirp = 0.3 * np.sin(2 * np.pi * (1500 + 700 * np.sin(2 * np.pi * 6 * time)) * time)
    for start, event in ((chirp_at, chirp), (10 - chirp_at, 0.5 * rng.standard_normal(32000))):
        sound[start * 16000 :][:32000] += event.astype(np.float32)
    return sound, chirp_at


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> Path:
    """Four films, and stamps.txt beside their folder, which has a chirp and a hiss of each."""
    folder, lines = tmp_path_factory.mktemp("mine") / "films", []
    folder.mkdir()
    for number, name in enumerate(NAMES):
        sound, chirp_at = mixed(number)
        film_with_sound(folder / name, sound, SECONDS)
        lines += [f"{name}:", f"{chirp_at}-{chirp_at + 2} chirp", f"{10 - chirp_at}-{12 - chirp_at} hiss"]
    (folder.parent / "stamps.txt").write_text("\n".join(lines))
    return folder


@pytest.fixture(scope="module", autouse=True)
def few_steps():
    """Every way of teaching, none of them for long."""
    tuned = choosing.Way("tuned together", True, 2), choosing.Way("tuned alone", False, 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(choosing, "WAYS", (choosing.UNTAUGHT, choosing.GATED, *tuned))
        yield


def chirps(number: int) -> np.ndarray:
    """Labels (T,) of a film: 1 where it chirps."""
    return (np.arange(SECONDS) // 2 == mixed(number)[1] // 2).astype(np.float32)


def command(films: Path, labels: Path, output: Path, *more: str) -> int:
    return teach.main(["--videos", str(films), "--labels", str(labels), "--output", str(output), *more])


def contents(output: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in output.iterdir() if path.is_file()}


@pytest.fixture(scope="module")
def output(films) -> Path:
    folder = films.parent / "chirps"
    assert command(films, films.parent / "stamps.txt", folder, "--only", "chirp") == 0
    return folder


def test_a_taught_model_finds_its_kind_where_others_stand_out_too(output, films):
    record = json.loads((output / teach.RECORD).read_text())
    assert record["kept"] == record["best"] != "untaught"
    assert [film["film"] for film in record["films"]] == list(NAMES)
    assert record["rows"]["taught"]["precision"] > max(record["rows"][name]["precision"] for name in OTHERS)
    detect = load_pipeline(str(output), torch.device("cpu"))
    for number, name in enumerate(NAMES):
        [best] = detect(str(films / name), top_k=1)["highlights"]
        assert abs(best["start"] - mixed(number)[1]) <= 1


def test_a_taught_model_can_be_published(output, tmp_path):
    parcel = publish.pack_model(output, tmp_path / "packed", "user/chirps")
    card = parcel.files["README.md"].read_text()
    assert "YAMNet" in card and "a.mp4" not in card
    assert not {name for name in parcel.files if name.startswith(".") or name == teach.RECORD}


def test_killed_and_started_again_it_ends_with_the_same_files(output, films, monkeypatch):
    labels, again, tried = films.parent / "stamps.txt", films.parent / "again" / "chirps", []

    def killed(*arguments):
        if len(tried) == 2:
            raise KeyboardInterrupt
        tried.append(arguments)
        return try_fold(*arguments)

    try_fold = choosing.try_fold
    with monkeypatch.context() as patch:
        patch.setattr(choosing, "try_fold", killed)
        assert command(films, labels, again, "--only", "chirp") == 130
    assert contents(again) == {}
    monkeypatch.setattr(choosing, "try_fold", lambda *rest: tried.append(rest) or try_fold(*rest))
    assert command(films, labels, again, "--only", "chirp") == 0
    assert len(tried) == len(NAMES)
    assert contents(again) == contents(output)
    assert len(read_dataset(again / teach.WORK / "features").splits["train"]) == len(NAMES)


def test_a_dataset_of_the_films_teaches_the_same(output, films):
    """Without its test videos."""
    data, settings = films.parent / "data", Settings({"semantic": SEMANTIC})
    videos = [
        Video(name, split, chirps(number), media=films / name)
        for number, (name, split) in enumerate(zip(NAMES, ("train",) * 3 + ("validation",), strict=True))
    ]
    videos.append(Video("again.mp4", "test", chirps(0), media=films / NAMES[0]))
    card = "---\ntags: [video-highlight-detection]\n---\n# Chirps\n"
    build_dataset(data, videos, settings, card=card, rows_per_shard=1)
    assert teach.main(["--dataset", str(data), "--output", str(films.parent / "of data" / "chirps")]) == 0
    assert contents(films.parent / "of data" / "chirps") == contents(output)


@pytest.mark.parametrize(
    ("labels", "more", "message"),
    [
        ("elsewhere.mp4:\n1-2", [], "names no film of"),
        ("a.mp4:\n20-22", [], "starts at 20 s, but a.mp4 ends at 12 s"),
        ("a.mp4:\n1-2 goal", ["--only", "gaol"], "--only is 'gaol'"),
        ("a.mp4:\n1-2\nb.mp4:\n1-2", [], "at least 3 are needed"),
        ('{"a.mp4": [], "b.mp4": [], "c.mp4": []}', [], "has no highlight in any film"),
        ('{"a.mp4": [{"start": 1, "end": 2}], "b.mp4": [], "c.mp4": []}', [], "Only 1 of 3 films has highl"),
    ],
    ids=["other film", "late", "kind", "few films", "nothing chosen", "one film"],
)
def test_labels_that_cannot_be_learnt_from_are_a_sentence(films, tmp_path, capsys, labels, more, message):
    path = tmp_path / ("labels.json" if labels.startswith("{") else "labels.txt")
    path.write_text(labels)
    assert command(films, path, tmp_path / "output", *more) in (1, 2)
    *warnings, last = capsys.readouterr().err.splitlines()
    assert message in last
    assert all(line.startswith("teach.py: warning: ") for line in warnings)
    assert not list(tmp_path.glob("output/[!.]*"))  # hidden features at most
