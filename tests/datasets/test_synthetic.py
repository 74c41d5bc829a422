import json
import math
from pathlib import Path

import datasets
import numpy as np
import pytest
from paths import ROOT
from sounds import write_library

from datasets_scripts.building.splits import SPLITS
from datasets_scripts.synthesis.labels import Ramp
from datasets_scripts.synthesis.library import Library
from datasets_scripts.synthesis.soundtrack import generate_soundtrack
from datasets_scripts.synthetic import main

SCRIPT = ROOT / "datasets_scripts" / "synthetic.py"


@pytest.mark.slow
def test_the_command_renders_a_film_and_its_highlights(nursery, tmp_path):
    av = pytest.importorskip("av")
    film = tmp_path / "sample.mp4"
    script = f"import runpy; runpy.run_path({str(SCRIPT)!r}, run_name='__main__')"
    done = nursery.run(script, ["--film", film, "--seed", "4", "--duration", "5"], tmp_path)
    assert done.status == 0 and "5 s" in done.text
    truth = json.loads(film.with_suffix(".json").read_text())
    expected = generate_soundtrack(4, duration=5.0)
    assert truth["duration"] == 5 and truth["seed"] == 4
    assert [event["kind"] for event in truth["events"]] == [event.kind for event in expected.events]
    np.testing.assert_allclose(truth["labels"], expected.labels, atol=1e-4)
    with av.open(str(film)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
        assert sum(1 for _ in container.decode(video=0)) == 125
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sample.json", "sample.mp4"]


def test_the_command_explains_a_wrong_duration(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--film", str(tmp_path / "a.mp4"), "--duration", "1"])
    assert stop.value.code == 2 and "duration is 1.0 s; it must be at least 4 s." in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_command_explains_options_that_do_not_belong_together(tmp_path, capsys):
    film, out = ["--film", str(tmp_path / "a.mp4")], ["--out", str(tmp_path / "out")]
    for arguments in ([], [*film, *out], [*film, "--videos", "3"], [*film, "--render"], out):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 2
    for more, said in (
        (["--videos", "2"], "--videos is 2; three splits need at least 3"),
        (["--videos", "3", "--duration", "0"], "--duration 0; at least 0 and 4 s are needed"),
        (["--videos", "3", "--visual-backbone", "statistics"], "--visual-backbone needs --render"),
    ):
        capsys.readouterr()
        assert main([*out, *more]) == 2
        error = capsys.readouterr().err
        assert said in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def load(out: Path):
    return datasets.load_dataset(str(out), cache_dir=str(out.parent / "cache"))


def test_a_dataset_of_sound_alone(tmp_path):
    out = tmp_path / "out"
    assert main(["--out", str(out), "--videos", "7", "--duration", "4.5", "--seed", "2"]) == 0
    dataset = load(out)
    assert {split: len(dataset[split]) for split in SPLITS} == {"train": 5, "validation": 1, "test": 1}
    row = dataset["test"].with_format("numpy")[0]
    assert set(row) == {"video_id", "duration", "labels", "preview", "semantic_features", "log_mel"}
    assert row["duration"] == 4.5 and row["semantic_features"].shape == (5, 64)
    assert row["log_mel"].shape == (math.ceil(62.5 * 5), 128)
    track = generate_soundtrack(2_000_006, duration=4.5, split="test")
    np.testing.assert_array_equal(row["labels"], track.labels)
    card = (out / "README.md").read_text()
    assert "no recorded sound" in card and "no person has labelled" in card
    assert "7 soundtracks of 4.5 s" in card and "from the seed 2" in card


@pytest.mark.slow
def test_a_rendered_dataset_has_films_and_goes_on_where_it_stopped(tmp_path, capsys):
    out = tmp_path / "out"
    command = ["--out", str(out), "--videos", "3", "--render", "--duration", "4"]
    assert main(command) == 0
    assert "1 train, 1 validation, 1 test videos" in capsys.readouterr().out
    films = sorted((out / "videos").glob("*.mp4"))
    assert [film.stem for film in films] == ["test-000002", "train-000000", "validation-000001"]
    row = load(out)["train"].with_format("numpy")[0]
    assert row["visual_features"].shape == row["semantic_features"].shape == (4, 64)
    assert row["log_mel"].shape == (250, 128) and row["visual_features"].any()
    np.testing.assert_allclose(row["labels"], generate_soundtrack(0, duration=4.0).labels, atol=1e-4)

    shard, times = out / "data" / "test-00000-of-00001.parquet", [film.stat().st_mtime_ns for film in films]
    before, film = shard.read_bytes(), films[0].read_bytes()
    films[0].with_suffix(".json").unlink()  # killed while this film was rendered
    partial = out / "videos" / ".0123456789ab.partial"
    partial.mkdir()
    (partial / "0").touch()
    shard.unlink()
    assert main(command) == 0
    assert "shards: 1 built, 2 kept" in capsys.readouterr().out
    assert shard.read_bytes() == before and films[0].read_bytes() == film
    assert len(list((out / "videos").iterdir())) == 6
    assert [film.stat().st_mtime_ns for film in films[1:]] == times[1:]


def test_recorded_sounds_can_be_mixed_in(tmp_path, capsys):
    sounds, out = write_library(tmp_path / "sounds"), tmp_path / "out"
    command = ["--out", str(out), "--videos", "3", "--duration", "8", "--sounds"]
    assert main([*command, str(tmp_path)]) == 2
    assert "--sounds" in capsys.readouterr().err and not out.exists()
    assert main([*command, str(sounds)]) == 0
    labels = {row["video_id"]: row["labels"] for split in load(out).values() for row in split}
    library = Library.open(sounds)
    track = generate_soundtrack(2, duration=8.0, split="test", world="recorded", library=library, ramp=Ramp())
    np.testing.assert_allclose(labels["test-000002"], track.labels, atol=1e-6)
    card = (out / "README.md").read_text()
    assert "Most sounds are recordings" in card and "license: other" in card
    film = tmp_path / "film.mp4"
    assert main(["--film", str(film), "--seed", "2", "--duration", "4", "--sounds", str(sounds)]) == 0
    assert json.loads(film.with_suffix(".json").read_text())["sounds"] == library.fingerprint
