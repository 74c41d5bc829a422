"""Building datasets: what is in them, what survives a kill, what is refused and how that is said."""

import argparse
import errno
import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from paths import ROOT
from stores import contents

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import datasets
import pyarrow.parquet as pq
from films import film_with_sound, make_film, tone, truncate

from datasets_scripts.building import builder, extraction
from datasets_scripts.building.builder import Given, Settings, Video, build_dataset, run_command
from datasets_scripts.building.errors import DatasetError, UnusableVideo, UsageError
from modeling_davihd import DAViHDFeatureExtractor
from modeling_davihd.backbones_davihd import (
    SEMANTIC_BACKBONES,
    VISUAL_BACKBONES,
    ResNet3D34Backbone,
    SoundStatistics,
    VisualStatistics,
)
from modeling_davihd.media import FrameSampling, MediaWarning, stream_segments

STATISTICS = Settings(visual_backbone="statistics", semantic_backbone="statistics")
HEARING = Settings(semantic_backbone="statistics", log_mel_rate=1)
CARD = "---\nlicense: cc-by-4.0\n---\n# Films\n\nCite their makers.\n"


def labels(seconds: int, number: int = 0) -> np.ndarray:
    return (np.arange(number, number + seconds) % 5 / 5).astype(np.float32)


def sounding(number: int, split: str = "train", seconds: float = 3, **changes) -> Video:
    """A video that is a tone without a file."""
    fields = {
        "labels": labels(round(seconds), number),
        "sound": lambda: tone(seconds, 16000, hertz=200 + 50 * number),
        "identity": str(number),
    }
    return Video(video_id=f"v{number}", split=split, **(fields | changes))


def seven() -> list[Video]:
    splits = ["train"] * 4 + ["validation"] + ["test"] * 2
    return [sounding(number, split) for number, split in enumerate(splits)]


def build(out: Path, videos: list[Video], settings: Settings = HEARING, **changes):
    return build_dataset(out, videos, settings, **({"card": CARD, "rows_per_shard": 2} | changes))


def load(out: Path, tmp_path: Path):
    return datasets.load_dataset(str(out), cache_dir=str(tmp_path / "cache"))


def facts(out: Path, name: str = "extraction.json"):
    return json.loads((out / name).read_text())


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    film_with_sound(folder / "long.mp4", tone(3.5, 16000), 3.5)
    film_with_sound(folder / "short.mp4", tone(2, 16000, hertz=880), 2)
    film_with_sound(folder / "silent.mp4", None, 2)
    (folder / "broken.mp4").write_bytes(b"no film" * 100)
    return folder


def test_load_dataset_gives_the_columns_in_their_types_and_lengths(films, tmp_path):
    out = tmp_path / "out"
    videos = [
        Video("long", "train", labels(4), films / "long.mp4", extras={"folds": [0, 4]}),
        Video("short", "test", labels(2), films / "short.mp4", extras={"folds": [3, 1]}),
    ]
    report = build(out, videos, STATISTICS)
    assert report.videos == {"train": 1, "test": 1} and report.seconds == {"train": 3.5, "test": 2.0}
    dataset = load(out, tmp_path)
    value, matrix = datasets.Value, datasets.Array2D
    assert dataset["train"].features == datasets.Features(
        {
            "video_id": value("string"),
            "duration": value("float32"),
            "labels": datasets.Sequence(value("float32")),
            "visual_features": matrix((None, 64), "float16"),
            "semantic_features": matrix((None, 64), "float16"),
            "log_mel": matrix((None, 128), "float16"),
            "folds": datasets.Sequence(value("int8")),
        }
    )
    row = dataset["train"].with_format("torch", dtype=torch.float16)[0]
    assert row["video_id"] == "long" and row["duration"] == 3.5 and row["folds"].tolist() == [0, 4]
    assert row["visual_features"].shape == row["semantic_features"].shape == (4, 64)
    assert row["log_mel"].shape == (250, 128) and row["log_mel"].dtype == torch.float16
    np.testing.assert_allclose(dataset["train"][0]["labels"], labels(4))
    assert facts(out) == {
        "davihd": builder.__version__,
        "visual_backbone": "statistics",
        "visual_dim": 64,
        "semantic_backbone": "statistics",
        "semantic_dim": 64,
        "log_mel_rate": 62.5,
        "num_mel_bins": 128,
        "splits": {"train": {"videos": 1, "seconds": 3.5}, "test": {"videos": 1, "seconds": 2.0}},
        "fingerprint": facts(out)["fingerprint"],
    }


def test_features_are_those_of_the_whole_film_at_once(films, tmp_path, monkeypatch):
    monkeypatch.setattr(extraction, "CHUNK_SECONDS", 2)
    build(tmp_path / "out", [Video("long", "train", labels(4), films / "long.mp4")], STATISTICS)
    row = load(tmp_path / "out", tmp_path)["train"].with_format("numpy")[0]
    (chunk,) = stream_segments(films / "long.mp4", frames=FrameSampling(2, 64, 64))
    pixels = torch.from_numpy(chunk.frames).movedim(-1, 2) / 255
    expected = {
        "visual_features": VisualStatistics()(pixels),
        "semantic_features": SoundStatistics()(torch.from_numpy(chunk.waveform)),
        "log_mel": DAViHDFeatureExtractor().log_mel(chunk.waveform).T,
    }
    for name, values in expected.items():
        np.testing.assert_allclose(row[name], values, atol=2e-3, rtol=2e-3)


def test_the_card_names_the_files_and_keeps_the_callers_text(tmp_path):
    out = tmp_path / "out"
    build(out, [*seven(), sounding(9, seconds=2)], missing=[("gone", "there is no such file.")])
    header, text = (out / "README.md").read_text().removeprefix("---\n").split("---\n", 1)
    header = yaml.safe_load(header)
    assert header["license"] == "cc-by-4.0"
    paths = {one["split"]: one["path"] for one in header["configs"][0]["data_files"]}
    assert paths == {split: f"data/{split}-*.parquet" for split in ("train", "validation", "test")}
    assert text.strip().startswith("# Films\n\nCite their makers.\n")
    assert "| train | 5 |" in text and "1 could not be used" in text and "`log_mel` (ceil(1 T), 128)" in text
    assert [path.name for path in sorted((out / "data").iterdir())][-2:] == [
        "train-00002-of-00003.parquet",
        "validation-00000-of-00001.parquet",
    ]
    assert facts(out, "missing.json") == [{"video_id": "gone", "reason": "there is no such file."}]


@pytest.mark.parametrize("film", [0, 3, 6])
def test_an_interrupted_build_goes_on_to_the_same_bytes(tmp_path, monkeypatch, film):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no film" * 100)
    videos = [*seven(), sounding(8, "test", media=broken, sound=None)]
    build(tmp_path / "undisturbed", videos)
    make = builder.row_of

    def interrupted(video, *rest):
        if video is videos[film]:
            raise KeyboardInterrupt
        return make(video, *rest)

    monkeypatch.setattr(builder, "row_of", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "out", videos)
    assert not (tmp_path / "out" / "extraction.json").exists()
    monkeypatch.setattr(builder, "row_of", make)
    report = build(tmp_path / "out", videos)
    assert report.kept == film // 2 and sum(report.videos.values()) == 7
    assert contents(tmp_path / "out") == contents(tmp_path / "undisturbed")


KILLED = """
import os, signal, sys
sys.path[:0] = sys.argv[1:4]
from pathlib import Path
from datasets_scripts.building import builder
from test_builder import build, seven
make = builder.row_of
def row_of(video, *rest):
    if video.video_id == "v3":
        os.kill(os.getpid(), signal.SIGKILL)
    return make(video, *rest)
builder.row_of = row_of
build(Path(sys.argv[4]), seven())
"""


@pytest.mark.slow
def test_a_killed_build_goes_on_to_the_same_bytes(nursery, tmp_path):
    build(tmp_path / "undisturbed", seven())
    out = tmp_path / "out"
    folders = [str(ROOT), str(ROOT / "tests" / "support"), str(Path(__file__).parent)]
    killed = nursery.run(KILLED, [*folders, out])
    assert killed.status == -signal.SIGKILL, killed.text
    whole, partial = sorted(path.name for path in (out / "data").iterdir())
    assert whole == "train-00000-of-00002.parquet"
    assert partial.startswith("train-00001-of-00002.parquet.") and partial.endswith(".partial")
    report = build(out, seven())
    assert (report.built, report.kept) == (3, 1)
    assert contents(out) == contents(tmp_path / "undisturbed")
    rows = load(out, tmp_path)
    assert [row for split in rows.values() for row in split["video_id"]] == [f"v{i}" for i in range(7)]


def test_an_interrupt_while_pyarrow_asks_for_types_is_one(tmp_path, monkeypatch):
    """pyarrow asks while it compares a column with its file; it printed what came up, and saw two kinds."""
    kind = datasets.features.features.Array2DExtensionType
    ask, questions = kind.__arrow_ext_deserialize__, iter(())

    def asked(cls, *arguments):
        if next(questions, None) == 0:
            signal.raise_signal(signal.SIGINT)
        return ask(*arguments)

    monkeypatch.setattr(kind, "__arrow_ext_deserialize__", classmethod(asked))
    for moment in range(12):  # more than there are for one row
        questions = iter(range(moment, -1, -1))
        with pytest.raises(KeyboardInterrupt):
            build(tmp_path, seven())
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    build(tmp_path, seven())


def test_a_second_run_computes_nothing(tmp_path, monkeypatch):
    build(tmp_path / "out", seven())
    before = contents(tmp_path / "out")
    monkeypatch.setattr(builder, "row_of", None)
    report = build(tmp_path / "out", seven())
    assert (report.built, report.kept) == (0, 4) and contents(tmp_path / "out") == before


def changed(number: int, **changes) -> list[Video]:
    return [replace(video, **changes) if i == number else video for i, video in enumerate(seven())]


@pytest.mark.parametrize(
    "videos", [changed(2, labels=labels(3, 1)), changed(2, identity="other")], ids=["labels", "source"]
)
def test_a_change_rebuilds_only_the_shard_it_is_in(tmp_path, videos):
    build(tmp_path / "out", seven())
    before = contents(tmp_path / "out")
    assert build(tmp_path / "out", videos).built == 1
    after = contents(tmp_path / "out")
    different = {name for name in before if before[name] != after[name]}
    assert different == {"data/train-00001-of-00002.parquet", "extraction.json", "README.md"}
    build(tmp_path / "fresh", videos)
    assert contents(tmp_path / "fresh") == after


def test_a_changed_film_is_read_again_and_an_equal_copy_is_not(films, tmp_path):
    film = tmp_path / "film.mp4"
    film.write_bytes((films / "short.mp4").read_bytes())
    video = Video("film", "train", labels(2), film)
    build(tmp_path / "out", [video])
    os.utime(film, (0, 0))
    assert build(tmp_path / "out", [video]).built == 0
    film_with_sound(film, tone(2, 16000, hertz=300), 2)
    assert build(tmp_path / "out", [video]).built == 1


def test_other_settings_rebuild_everything(tmp_path):
    build(tmp_path / "out", seven())
    assert build(tmp_path / "out", seven(), replace(HEARING, log_mel_rate=62.5)).built == 4
    assert build(tmp_path / "out", seven(), replace(HEARING, log_mel_rate=None)).built == 4
    assert "log_mel" not in load(tmp_path / "out", tmp_path)["train"].column_names


def test_load_dataset_does_not_serve_an_older_build_or_a_folder_of_the_same_name(tmp_path):
    for number, out in enumerate([tmp_path / "out", tmp_path / "out", tmp_path / "elsewhere" / "out"]):
        build(out, [sounding(number)])
        assert load(out, tmp_path)["train"]["video_id"][:] == [f"v{number}"]


def test_more_videos_reuse_the_shards_of_fewer(tmp_path):
    build(tmp_path / "out", seven())
    more = [*seven(), sounding(8), sounding(9)]
    report = build(tmp_path / "out", more)
    assert (report.built, report.kept) == (1, 4)
    build(tmp_path / "fresh", more)
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")


def flip(content: bytes) -> bytes:
    middle = len(content) // 2
    return (
        content[:middle] + bytes(255 - byte for byte in content[middle : middle + 9]) + content[middle + 9 :]
    )


@pytest.mark.parametrize("damage", [flip, lambda content: content[:-9], lambda content: b""])
def test_a_damaged_shard_is_built_again(tmp_path, damage):
    build(tmp_path / "out", seven())
    before = contents(tmp_path / "out")
    shard = tmp_path / "out" / "data" / "train-00000-of-00002.parquet"
    shard.write_bytes(damage(shard.read_bytes()))
    report = build(tmp_path / "out", seven())
    assert (report.built, report.kept) == (1, 3) and contents(tmp_path / "out") == before


def test_unreadable_videos_are_listed_and_the_rest_goes_on(films, tmp_path):
    names = ["long", "broken", "silent", "absent"]
    videos = [Video(name, "train", labels(4), films / f"{name}.mp4") for name in names]
    videos += [Video("v2", "test", labels(2), films / "broken.mp4")]
    report = build(tmp_path / "out", videos, STATISTICS)
    assert report.videos == {"train": 1, "test": 0}
    reasons = {one["video_id"]: one["reason"] for one in facts(tmp_path / "out", "missing.json")}
    assert reasons.keys() == {"broken", "silent", "absent", "v2"}
    assert reasons["broken"].startswith("broken.mp4: not a film or sound file that can be read")
    assert reasons["silent"] == "silent.mp4: has no sound, which its features are made of."
    assert "there is no such file" in reasons["absent"] and str(films) not in reasons["absent"]
    dataset = load(tmp_path / "out", tmp_path)
    assert list(dataset) == ["train"] and dataset["train"]["video_id"][:] == ["long"]
    assert build(tmp_path / "out", videos, STATISTICS).missing == report.missing


def test_without_any_usable_video_there_is_no_dataset(films, tmp_path):
    with pytest.raises(DatasetError, match="no video could be used; the first is missing because broken.mp4"):
        build(tmp_path / "out", [Video("a", "train", labels(2), films / "broken.mp4")])
    assert not (tmp_path / "out" / "extraction.json").exists()


def test_a_film_that_breaks_off_is_listed_with_the_damage(tmp_path):
    film = make_film(
        tmp_path / "film.mp4", times=np.arange(200) / 10, fps=10, sounds=[(0.0, tone(20, 16000))], rate=16000
    )
    truncate(film, 0.5)
    videos = [Video("film", "train", labels(20), film), sounding(0)]
    with pytest.warns(MediaWarning):
        build(tmp_path / "out", videos)
    (missing,) = facts(tmp_path / "out", "missing.json")
    assert "its audio is damaged" in missing["reason"] and "its labels last 20 s" in missing["reason"]


def test_lengths_that_differ_by_one_second_are_cut_to_the_shorter(films, tmp_path):
    extras = {
        "change_points": [[0, 2], [2, 4], [4, 5]],
        "gt_summary": np.ones(5, int),
        "user_scores": np.full((5, 3), 0.5),
    }
    video = Video("long", "train", labels(5), films / "long.mp4", extras=extras)
    build(tmp_path / "out", [video], replace(STATISTICS, visual_backbone=None))
    row = load(tmp_path / "out", tmp_path)["train"].with_format("numpy")[0]
    assert row["duration"] == 3.5 and len(row["labels"]) == 4 and row["gt_summary"].tolist() == [1] * 4
    assert row["semantic_features"].shape == (4, 64) and row["log_mel"].shape == (250, 128)
    assert row["user_scores"].shape == (4, 3)
    assert [shot.tolist() for shot in row["change_points"]] == [[0, 2], [2, 4]]
    build(tmp_path / "out", [replace(video, labels=labels(3), extras={})], HEARING)
    row = load(tmp_path / "out", tmp_path)["train"].with_format("numpy")[0]
    assert row["duration"] == 3 and row["log_mel"].shape == (3, 128)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"labels": np.array([0, np.nan, 1], np.float32)}, "v6: its label of second 1 is nan"),
        ({"labels": np.array([0, 1.5, 1])}, "v6: its label of second 1 is 1.5; it needs to be in"),
        ({"labels": np.zeros((3, 1))}, r"v6: its labels are float64 of shape \(3, 1\)"),
        ({"labels": np.zeros(0)}, r"v6: its labels are float64 of shape \(0,\)"),
        ({"split": "val"}, "v6: its split is 'val'; train, validation, test are known"),
        ({"video_id": "v0"}, "v0: is listed more than once"),
        ({"sound": None}, "v6: there is no file to compute semantic_features of"),
        ({"extras": {"folds": [1]}}, r"v6: has the extra columns \['folds'\]; every video needs the same"),
    ],
)
def test_wrong_videos_are_named_before_anything_is_computed(tmp_path, changes, said):
    with pytest.raises(DatasetError, match=said):
        build(tmp_path / "out", [*seven()[:-1], replace(seven()[-1], **changes)])
    assert not (tmp_path / "out").exists()


def test_labels_much_longer_than_the_video_are_refused_or_left_out(tmp_path):
    videos = changed(2, labels=labels(9))
    said = "its labels last 9 s and its media 3 s; they may differ by one"
    with pytest.raises(DatasetError, match=f"v2: {said}"):
        build(tmp_path / "out", videos)
    assert [path.name for path in (tmp_path / "out" / "data").iterdir()] == ["train-00000-of-00002.parquet"]
    report = build(tmp_path / "out", videos, mismatched="leave out")
    assert report.missing == [("v2", f"{said}.")] and report.videos["train"] == 3


def test_a_full_disk_is_told_and_costs_no_shard(tmp_path, monkeypatch):
    write, calls = pq.ParquetWriter.write_table, []

    def full(writer, table):
        calls.append(table)
        if len(calls) == 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(writer, table)

    with monkeypatch.context() as patch:
        patch.setattr(pq.ParquetWriter, "write_table", full)
        with pytest.raises(DatasetError, match=r"train-00001-of-00002.parquet: cannot be written \(No space"):
            build(tmp_path / "out", seven())
    assert [path.name for path in (tmp_path / "out" / "data").iterdir()] == ["train-00000-of-00002.parquet"]
    assert build(tmp_path / "out", seven()).kept == 1


def test_an_output_that_cannot_be_a_dataset_is_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DatasetError, match="file/data: cannot be written"):
        build(tmp_path / "file", seven())
    foreign = tmp_path / "out" / "data" / "train-00000-of-00001.parquet"
    foreign.parent.mkdir(parents=True)
    datasets.Dataset.from_dict({"a": [1]}).to_parquet(str(foreign))
    with pytest.raises(DatasetError, match="train-00000-of-00001.parquet is not of a dataset that was built"):
        build(tmp_path / "out", seven())
    assert foreign.exists()


def given(**arrays):
    settings = Settings(
        visual_backbone="inception_v3", log_mel_rate=None, given={"visual_features": Given(8, "YouTube-8M")}
    )
    arrays = {"visual_features": np.arange(24).reshape(3, 8)} | arrays
    return Video("v", "train", labels(3), given=lambda: arrays), settings


def test_given_features_need_no_media_and_say_where_they_came_from(tmp_path):
    video, settings = given()
    build(tmp_path / "out", [video], settings)
    row = load(tmp_path / "out", tmp_path)["train"].with_format("numpy")[0]
    np.testing.assert_array_equal(row["visual_features"], np.arange(24).reshape(3, 8))
    found = facts(tmp_path / "out")
    assert found["source"] == {"visual_features": "YouTube-8M"} and found["semantic_backbone"] is None
    assert (found["visual_backbone"], found["visual_dim"], found["log_mel_rate"]) == ("inception_v3", 8, None)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"visual_features": np.zeros((3, 7))}, r"v: its visual_features have shape \(3, 7\); \(n, 8\)"),
        (
            {"visual_features": np.full((3, 8), np.nan)},
            "v: its visual_features hold values that are not finite",
        ),
        ({"visual_features": np.full((3, 8), 1e6)}, "v: its visual_features hold values that are not finite"),
        ({"log_mel": np.zeros((3, 8))}, r"v: was given \['log_mel', 'visual_features'\], but"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_wrong_given_features_name_the_video(tmp_path, arrays, said):
    video, settings = given(**arrays)
    with pytest.raises(DatasetError, match=said):
        build(tmp_path / "out", [video], settings)


def test_a_video_whose_features_turn_out_to_be_missing_is_listed(tmp_path):
    video, settings = given()

    def absent():
        raise UnusableVideo("No such record.")

    report = build(tmp_path / "out", [video, replace(video, video_id="w", given=absent)], settings)
    assert report.missing == [("w", "No such record.")]


def zeros(path: Path) -> Path:
    """A checkpoint of a 3D ResNet-34 whose weights are all zero, in a small file."""
    with torch.device("meta"):
        shapes = {name: value.shape for name, value in ResNet3D34Backbone().state_dict().items()}
    torch.save({name: torch.zeros(()).expand(shape) for name, shape in shapes.items()}, path)
    return path


def test_weights_are_loaded_never_drawn(films, tmp_path):
    weights = zeros(tmp_path / "resnet.pth")
    settings = Settings(visual_backbone="resnet3d_34", visual_weights=weights, log_mel_rate=None)
    build(tmp_path / "out", [Video("short", "train", labels(2), films / "short.mp4")], settings)
    row = load(tmp_path / "out", tmp_path)["train"].with_format("numpy")[0]
    assert row["visual_features"].shape == (2, 512) and not row["visual_features"].any()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"visual_backbone": "inception_v3"},
            "inception_v3 needs its published weights, --visual-weights FILE",
        ),
        (
            {"semantic_backbone": "panns_cnn14_16k"},
            "panns_cnn14_16k needs its published weights, --semantic-w",
        ),
        (
            {"semantic_backbone": "vggish"},
            "no semantic backbone 'vggish'; the known ones are panns_cnn14_16k",
        ),
        (
            {"visual_backbone": "statistics", "visual_weights": Path("a.pth")},
            "--visual-weights is a.pth, but the visual backbone statistics does not read it",
        ),
        (
            {"semantic_backbone": "panns_cnn14_16k", "semantic_weights": Path("a.pth")},
            "--semantic-weights is a.pth, and there is no such file",
        ),
    ],
)
def test_backbones_without_their_weights_are_refused(tmp_path, settings, said):
    with pytest.raises(DatasetError, match=said):
        build(tmp_path / "out", seven(), Settings(**settings))


def test_the_options_name_every_backbone(capsys):
    parser = argparse.ArgumentParser()
    builder.add_extraction_arguments(parser)
    parser.print_help()
    said = " ".join(capsys.readouterr().out.split())
    assert all(name in said for name in (*VISUAL_BACKBONES, *SEMANTIC_BACKBONES))
    assert builder.settings_from(parser.parse_args(["--device", "cpu"])) == Settings()
    arguments = ["--visual-backbone", "statistics", "--log-mel-rate", "none", "--device", "cpu"]
    expected = Settings(visual_backbone="statistics", log_mel_rate=None)
    assert builder.settings_from(parser.parse_args(arguments)) == expected
    with pytest.raises(UsageError, match="--device is 'gpu', which this machine does not have"):
        builder.settings_from(parser.parse_args(["--device", "gpu"]))


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    settings = Settings(semantic_backbone="panns_cnn14_16k", semantic_weights=zeros(tmp_path / "resnet.pth"))
    with pytest.raises(DatasetError, match="The PANNs CNN14 .16 kHz. checkpoint lacks"):
        build(tmp_path / "out", seven(), settings)


@pytest.mark.parametrize(
    ("error", "status"),
    [(DatasetError("a: is\nwrong."), 1), (UsageError("--b is wrong."), 2), (KeyboardInterrupt(), 130)],
)
def test_commands_fail_in_one_line(capsys, error, status):
    def command():
        raise error

    assert run_command(command, "program.py") == status
    assert capsys.readouterr().err.count("\n") == 1
