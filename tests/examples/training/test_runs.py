import json
from pathlib import Path

import numpy as np
import pytest
from paths import ROOT
from tiny_data import training_arguments, write_config, write_dataset

from examples.train import main
from examples.training.runs import make_runs, read_ablation
from modeling_davihd import DAViHDConfig


def test_every_seed_and_fold_is_a_run_in_a_folder_of_its_own(config, data, tmp_path):
    runs = list(make_runs(config, tmp_path, {"dataset": str(data), "seed": 7}, runs=2, folds=True))
    places = [run.output.relative_to(tmp_path).as_posix() for run in runs]
    assert places == [f"run-{number}/fold-{fold}" for number in range(2) for fold in range(5)]
    assert [run.recipe.seed for run in runs] == [7] * 5 + [8] * 5
    for run in runs:
        films = {split: set(rows.video_ids) for split, rows in run.rows.items()}
        assert len(set.union(*films.values())) == sum(map(len, films.values())) == 12
    tested = [film for run in runs[:5] for film in run.rows["test"].video_ids]
    assert sorted(tested) == sorted(f"film{number}" for number in range(12))


def test_a_single_run_takes_the_splits_and_the_folder_as_they_are(config, data, tmp_path):
    changes = {"modalities": ["visual"]}
    [run] = make_runs(config, tmp_path / "out", {"dataset": str(data), "epochs": 9}, changes=changes)
    assert run.output == tmp_path / "out" and run.recipe.epochs == 9
    assert {split: len(rows) for split, rows in run.rows.items()} == {"train": 8, "validation": 2, "test": 2}
    assert run.rows["train"][0].keys() == {"visual_features", "labels"}
    assert run.identity()["extraction"]["visual_dim"] == 8 and run.identity()["fold"] is None


@pytest.mark.parametrize(
    ("overrides", "options", "told"),
    [
        ({}, {}, "training.yaml names no dataset; --dataset is needed"),
        ({"dataset": "DATA", "metric": "events_and_rank"}, {}, "videos have labels and no events"),
        ({"dataset": "DATA", "streaming": True}, {"folds": True}, "leave out --streaming"),
        ({"dataset": "DATA"}, {"runs": 3, "folds": True}, "has folds for 2 runs; --runs asks for more"),
        (
            {"dataset": "synthetic", "batch_seconds": 60, "steps_per_epoch": 1},
            {"folds": True, "changes": {"modalities": ["dynamics"]}},
            "Generated soundtracks have no folds",
        ),
        (
            {"dataset": "synthetic", "batch_seconds": 60, "steps_per_epoch": 1},
            {},
            "generated soundtracks train 'dynamics' alone",
        ),
    ],
)
def test_what_does_not_fit_is_told_in_a_sentence(config, data, tmp_path, overrides, options, told):
    overrides = {name: str(data) if value == "DATA" else value for name, value in overrides.items()}
    with pytest.raises(ValueError, match=told):
        list(make_runs(config, tmp_path / "out", overrides, **options))


def test_wrong_ablations_are_named(tmp_path):
    path = tmp_path / "ablation.json"
    for content, told in (("{", "is not a readable JSON"), ("[]", "an object of"), ('{"a": 1}', "fields of")):
        path.write_text(content)
        with pytest.raises(ValueError, match=f"{path}.*{told}"):
            read_ablation(path)


def test_runs_and_folds(config, data, tmp_path):
    assert (
        main(training_arguments(config, data, tmp_path / "out", "--folds", "--runs", "2", "--epochs", "1"))
        == 0
    )
    records = [json.loads(path.read_text()) for path in sorted((tmp_path / "out").glob("*/*/training.json"))]
    assert len(records) == 10
    for record in records:
        assert sum(record["videos"].values()) == 12 and record["selection"] == "validation"
    tested = sum(record["videos"]["test"] for record in records)
    assert tested == 2 * 12
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    scores = [record["test"]["spearman"] for record in records]
    assert results["spearman"] == {
        "mean": pytest.approx(np.mean(scores)),
        "std": pytest.approx(np.std(scores)),
    }


def test_selection_on_test_videos_is_said(config, data, tmp_path):
    main(training_arguments(config, data, tmp_path / "out", "--selection", "test", "--epochs", "1"))
    record = json.loads((tmp_path / "out" / "training.json").read_text())
    assert record["validation"]["f1"] == record["test"]["f1"]
    assert "chosen on the test videos" in (tmp_path / "out" / "README.md").read_text()


def test_an_ablation_changes_the_network(config, data, tmp_path):
    ablation = ROOT / "configuration" / "ablations" / "table2-visual.json"
    main(training_arguments(config, data, tmp_path / "out", "--ablation", str(ablation), "--epochs", "1"))
    assert DAViHDConfig.from_pretrained(tmp_path / "out").modalities == ["visual"]


def test_wrong_datasets_are_told_in_a_sentence(config, data, tmp_path, capsys):
    assert main(training_arguments(config, tmp_path, tmp_path / "out")) == 1
    assert "has no extraction.json" in capsys.readouterr().err
    wide = write_config(tmp_path / "wide", projection_dim=None, visual_dim=32)
    assert main(training_arguments(wide, data, tmp_path / "out")) == 1
    assert "are 8 wide" in capsys.readouterr().err
    assert main(training_arguments(config, data, tmp_path / "out", "--epochs", "0")) == 1
    assert "epochs is 0" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def extractor_settings(config: Path, **settings):
    (config / "preprocessor_config.json").write_text(json.dumps({"log_mel_rate": 62.5} | settings))


def test_a_spectrogram_that_is_not_the_folders_is_refused(config, data, tmp_path, capsys):
    extractor_settings(config, n_fft=1024)
    assert main(training_arguments(config, data, tmp_path / "out")) == 1
    said = "The dataset's log-Mel spectrogram has the n_fft 2048; "
    assert f"{said}{config} needs 1024." in capsys.readouterr().err
    extractor_settings(config, num_mel_bins=64)
    assert main(training_arguments(config, data, tmp_path / "out")) == 1
    said = "config.json has the num_mel_bins 128, but its preprocessor_config.json 64"
    assert said in capsys.readouterr().err
    write_config(config, num_mel_bins=64)
    extractor_settings(config, num_mel_bins=64)
    assert main(training_arguments(config, data, tmp_path / "out")) == 1
    assert "spectrogram has the num_mel_bins 128; " in capsys.readouterr().err


def test_a_trained_model_hears_through_the_window_of_its_dataset(config, tmp_path):
    data = write_dataset(tmp_path / "films", n_fft=1024)
    extractor_settings(config, n_fft=1024)
    [run] = make_runs(config, tmp_path / "out", {"dataset": str(data)})
    assert run.extractor.n_fft == 1024
