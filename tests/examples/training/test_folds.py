import pytest

from examples.training.folds import fold_models, listed_folds

IDS = ["film1", "film10", "-x_2", "b"]


@pytest.mark.parametrize(
    "text",
    [
        "5-fold split, seed 42\nFold 1 (10 videos): ['film1', '-x_2']\nFold 2 (10 videos): ['film10', 'b']\n",
        "fold1_seed42:\n  film1\n  -x_2\n\nfold2_seed42:\n  film10\n  b\n",
        '{"fold_3": ["film1", "-x_2"], "fold_4": ["film10", "b"]}',
    ],
)
def test_a_list_of_folds_is_read_however_it_is_written(tmp_path, text):
    (tmp_path / "folds.txt").write_text(text)
    assert listed_folds(tmp_path / "folds.txt", IDS).tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("fold 1: film1 -x_2\nfold 2: film10", "lists no fold for b;"),
        ("fold 1: film1 film10 -x_2\nfold 2: film10 b", "lists film10 for the folds 1 and 2;"),
        ("film1 film10 -x_2 b", "lists film1 before any fold;"),
    ],
)
def test_videos_without_one_fold_are_named(tmp_path, text, told):
    (tmp_path / "folds.txt").write_text(text)
    with pytest.raises(ValueError, match=told):
        listed_folds(tmp_path / "folds.txt", IDS)


def test_models_are_those_of_all_folds(tmp_path):
    for name in ("fold-0", "fold-2"):
        (tmp_path / name).mkdir()
    with pytest.raises(ValueError, match="needs to hold fold-0, fold-1"):
        fold_models(str(tmp_path))
