"""Rows: columns of one length, from media or as given."""

from dataclasses import replace

import numpy as np
import pytest
from films import make_film, tone, truncate
from tone_videos import HEARING, PLAIN, STATISTICS, build, changed, facts, labels, load, sounding

from datasets_scripts.building.builder import GivenColumn, Settings, Video
from modeling_davihd.conversion import EncoderChoice
from modeling_davihd.engines.errors import DatasetError, UnusableVideo
from modeling_davihd.media import MediaWarning


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
    build(tmp_path / "out", [video], replace(STATISTICS, encoders={"semantic": PLAIN}))
    row = load(tmp_path / "out", tmp_path)["train"].with_format("numpy")[0]
    assert row["duration"] == 3.5 and len(row["labels"]) == 4 and row["gt_summary"].tolist() == [1] * 4
    assert row["semantic_features"].shape == (4, 64) and row["log_mel"].shape == (250, 128)
    assert row["user_scores"].shape == (4, 3)
    assert [shot.tolist() for shot in row["change_points"]] == [[0, 2], [2, 4]]
    build(tmp_path / "out", [replace(video, labels=labels(3), extras={})], HEARING)
    row = load(tmp_path / "out", tmp_path)["train"].with_format("numpy")[0]
    assert row["duration"] == 3 and row["log_mel"].shape == (3, 128)


def test_labels_much_longer_than_the_video_are_refused_or_left_out(tmp_path):
    videos = changed(2, labels=labels(9))
    said = "its labels last 9 s and its media 3 s; they may differ by one"
    with pytest.raises(DatasetError, match=f"v2: {said}"):
        build(tmp_path / "out", videos)
    assert [path.name for path in (tmp_path / "out" / "data").iterdir()] == ["train-00000-of-00002.parquet"]
    report = build(tmp_path / "out", videos, mismatched="leave out")
    assert report.missing == [("v2", f"{said}.")] and report.videos["train"] == 3


def given(**arrays):
    settings = Settings(
        {"visual": EncoderChoice("inception_v3")},
        log_mel=None,
        given={"visual_features": GivenColumn(8, "YouTube-8M")},
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
