import json
import math

import h5py
import numpy as np
import pytest
from datasets import load_dataset
from films import make_film, tone
from sklearn.model_selection import KFold

from datasets_scripts.tvsum import SEEDS, RatedFilm, assign_folds, main, read_annotations

USERS = 3


def ratings_of(shots, seed=0):
    """(USERS, shots) whole numbers from 1 to 5."""
    return np.random.default_rng(seed).integers(1, 6, (USERS, shots))


def frames_of(shots, length, fps):
    """Ratings of shots on the original's grid of frames: shot k > 0 begins a frame after 2 k seconds."""
    starts = [0, *(math.floor(2 * k * fps) + 1 for k in range(1, shots.shape[1])), round(length * fps)]
    return np.repeat(shots, np.diff(starts), axis=1)


def write_mat(path, films):
    """films: {id: (ratings (users, frames), length)} in the layout of ydata-tvsum50.mat."""
    with h5py.File(path, "w") as file:
        values, struct = file.create_group("#refs#"), file.create_group("tvsum50")
        columns = {"video": [], "category": [], "length": [], "nframes": [], "user_anno": []}
        for number, (name, (ratings, length)) in enumerate(films.items()):
            fields = {
                "video": np.array([[ord(letter)] for letter in name], np.uint16),
                "category": np.array([[ord("V")], [ord("T")]], np.uint16),
                "length": np.array([[length]]),
                "nframes": np.array([[float(ratings.shape[1])]]),
                "user_anno": ratings.astype(float),
            }
            for field, value in fields.items():
                columns[field].append(values.create_dataset(f"{field}{number}", data=value).ref)
        for field, references in columns.items():
            struct.create_dataset(field, data=np.array(references, dtype=h5py.ref_dtype)[:, None])
    return path


def write_tsv(path, films, lengths=None):
    """films: {id: ratings (users, n)}; lengths: {id: text} go to the table beside it."""
    lines = [
        f"{name}\tVT\t{','.join(map(str, ratings))}\n" for name, many in films.items() for ratings in many
    ]
    path.write_text("".join(lines))
    if lengths:
        rows = [f"VT\t{name}\tA title\thttps://example.org\t{length}\n" for name, length in lengths.items()]
        info = path.with_name(path.name.replace("anno", "info"))
        info.write_text("category\tvideo_id\ttitle\turl\tlength\n" + "".join(rows))
    return path


def some_films(count=10, fps=25.0):
    shots = {f"-film{number}": ratings_of(6 + number, number) for number in range(count)}
    lengths = {name: 2.0 * one.shape[1] - (0.7, 0.3)[len(name) % 2] for name, one in shots.items()}
    return shots, {name: (frames_of(one, lengths[name], fps), lengths[name]) for name, one in shots.items()}


def rows_of(folder):
    splits = load_dataset(str(folder)).with_format("numpy")
    return {row["video_id"]: row | {"split": name} for name, split in splits.items() for row in split}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


def test_mat_to_dataset(tmp_path):
    shots, films = some_films()
    mat = write_mat(tmp_path / "ydata-tvsum50.mat", films)
    assert main(["--annotations", str(mat), "--out", str(tmp_path / "out")]) == 0
    rows = rows_of(tmp_path / "out")
    assert rows.keys() == films.keys() and json.loads((tmp_path / "out/missing.json").read_text()) == []
    for name, row in rows.items():
        length = films[name][1]
        assert len(row["labels"]) == math.ceil(row["duration"]) == math.floor(length + 0.5)
        assert row["user_scores"].shape == (len(row["labels"]), USERS)
        np.testing.assert_allclose(row["labels"], row["user_scores"].mean(axis=1), atol=1e-6)
        by_time = (shots[name][:, np.arange(len(row["labels"])) // 2].T - 1) / 4
        agree = np.abs(row["user_scores"] - by_time).max(axis=1) < 1e-6
        assert agree.mean() > 0.8
        if length % 1 >= 0.5:  # no fragment left out: every second shows its own rating
            assert agree.all()
        assert row["split"] == {0: "test", 1: "validation"}.get(int(row["folds"][0]), "train")


def test_labels_are_the_released_ground_truth():
    frames = frames_of(ratings_of(9), 17.6, 29.97)
    film = RatedFilm("a", frames, 17.6)
    mean = (frames.mean(axis=0) - 1) / 4
    expected = np.interp(np.arange(18), np.linspace(0, 17, frames.shape[1]), mean)
    np.testing.assert_array_equal(film.labels(), expected.astype(np.float32))
    assert (film.seconds, film.duration) == (18, 17.6)
    assert (RatedFilm("a", frames, 17.4).seconds, RatedFilm("a", frames, 17.4).duration) == (17, 17.0)


def test_the_forms_of_the_annotations_agree(tmp_path):
    shots, films = some_films(3, fps=30.0)
    frames = {name: ratings for name, (ratings, _) in films.items()}
    lengths = {name: f"0:{length:04.1f}" for name, (_, length) in films.items()}
    by_mat = read_annotations(write_mat(tmp_path / "a.mat", films))
    by_frame = read_annotations(write_tsv(tmp_path / "frames-anno.tsv", frames, lengths))
    by_shot = read_annotations(write_tsv(tmp_path / "shots-anno.tsv", shots, lengths))
    for one, two, three in zip(by_mat, by_frame, by_shot, strict=True):
        assert one.video_id == two.video_id == three.video_id
        np.testing.assert_array_equal(one.user_scores(), two.user_scores())
        np.testing.assert_array_equal(one.user_scores(), three.user_scores())


def test_shots_alone_tell_the_length(tmp_path):
    (film,) = read_annotations(write_tsv(tmp_path / "anno.tsv", {"a": ratings_of(8)}))
    assert film.length == 16.0 and len(film.labels()) == 16


def test_folds_are_those_of_kfold():
    ids = [f"{number * 7919 % 50:02d}" for number in range(50)]
    folds = assign_folds(ids)
    for position, seed in enumerate(SEEDS):
        for fold, (_, test) in enumerate(KFold(5, shuffle=True, random_state=seed).split(ids)):
            assert {sorted(ids)[i] for i in test} == {name for name in ids if folds[name][position] == fold}


def test_films_that_are_not_there_are_listed(tmp_path, capsys):
    _, films = some_films()
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in list(films)[:9]:
        make_film(folder / f"{name}.wav", sounds=[(0.0, tone(films[name][1], 16000))], rate=16000)
    mat = write_mat(tmp_path / "a.mat", films)
    out = tmp_path / "out"
    assert (
        main(["--annotations", str(mat), "--videos", str(folder), "--log-mel-rate", "1", "--out", str(out)])
        == 0
    )
    rows = rows_of(out)
    assert len(rows) == 9 and "1 missing" in capsys.readouterr().out
    assert all(row["log_mel"].shape == (len(row["labels"]), 128) for row in rows.values())
    (missing,) = json.loads((out / "missing.json").read_text())
    assert missing["video_id"] == list(films)[9] and "no file" in missing["reason"]
    whole = assign_folds(list(films))
    assert all((row["folds"] == whole[name]).all() for name, row in rows.items())


def damaged_mat(path, field):
    write_mat(path, {"a": (ratings_of(100), 4.0)})
    with h5py.File(path, "a") as file:
        del file["tvsum50"][field]
    return path


def test_bad_annotations_are_named(tmp_path, capsys):
    (tmp_path / "old.mat").write_bytes(b"MATLAB 5.0 MAT-file")
    (tmp_path / "a.csv").write_text("x")
    frames = np.ones((2, 250), int)
    cases = [
        (tmp_path / "none.mat", "There is no annotation file"),
        (tmp_path / "a.csv", "neither the .mat nor the .tsv"),
        (tmp_path / "old.mat", "not a MATLAB v7.3"),
        (damaged_mat(tmp_path / "b.mat", "user_anno"), "lacks the field user_anno"),
        (write_mat(tmp_path / "c.mat", {"a": (frames * 6, 10.0)}), "video a: a rating is 6"),
        (write_mat(tmp_path / "d.mat", {"a": (frames * np.nan, 10.0)}), "video a: a rating is nan"),
        (write_mat(tmp_path / "e.mat", {"a": (frames, np.nan)}), "length is nan"),
        (write_mat(tmp_path / "f.mat", {"a": (frames, 10.0), "b": (frames[:1], 10.0)}), "1 annotators"),
        (write_tsv(tmp_path / "g.tsv", {"a": [[1, 2], [1]]}), "line 2: has 1 ratings"),
        (write_tsv(tmp_path / "h.tsv", {"a": [["good", 2]]}), "line 1: the third column is not numbers"),
        (write_tsv(tmp_path / "i.tsv", {"a\tb": [[1, 2]]}), "line 1: has 4 columns"),
        (write_tsv(tmp_path / "j.tsv", {"a": np.ones((2, 4000), int)}), "--info FILE is needed"),
        (write_tsv(tmp_path / "k-anno.tsv", {"a": [[1, 2]]}, {"b": "0:04"}), "no such video"),
        (write_tsv(tmp_path / "l-anno.tsv", {"a": [[1, 2]]}, {"a": "4 s"}), "the length is '4 s'"),
        (write_tsv(tmp_path / "m-anno.tsv", {"a": [[1] * 9]}, {"a": "0:05"}), "has 9 ratings for 5 s"),
    ]
    for path, message in cases:
        assert main(["--annotations", str(path), "--out", str(tmp_path / "out")]) == 1, path
        error = capsys.readouterr().err.strip()
        assert message in error and path.name.split("-")[0] in error and "\n" not in error
    assert not (tmp_path / "out").exists()


def test_wrong_usage(tmp_path, capsys):
    mat = write_mat(tmp_path / "a.mat", {"a": (np.ones((2, 250)), 10.0)})
    usual = ["--annotations", str(mat), "--out", str(tmp_path / "out")]
    for more in (["--visual-backbone", "statistics"], ["--unknown"]):
        with pytest.raises(SystemExit) as stop:
            main(usual + more)
        assert stop.value.code == 2
    assert main([*usual, "--videos", str(tmp_path / "nowhere")]) == 1
    assert "There is no folder of videos" in capsys.readouterr().err
    for name in ("a.mp4", "a.srt", "a.m4a"):
        (tmp_path / name).write_text("nothing")
    assert main([*usual, "--videos", str(tmp_path)]) == 1
    assert "two files for a: a.m4a and a.mp4" in capsys.readouterr().err
