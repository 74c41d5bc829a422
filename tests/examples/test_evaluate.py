import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file
from sounds import write_library
from tiny_data import training_arguments, write_config, write_dataset

from examples.evaluate import main, rule_metrics, scores_of
from examples.train import main as train
from examples.training.data import read_dataset
from examples.training.scoring import measure
from modeling_davihd import DEFAULT_CHECKPOINT
from modeling_davihd.loading import load_model


@pytest.fixture(scope="module")
def model(dataset, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    config = write_config(folder / "config")
    assert train(training_arguments(config, dataset, folder / "out", "--epochs", "1")) == 0
    return folder / "out"


def test_the_model_stands_beside_the_rules(model, dataset, tmp_path, capsys):
    target = tmp_path / "results.json"
    assert main(["--model", str(model), "--dataset", str(dataset), "--json", str(target)]) == 0
    results = json.loads(target.read_text())
    assert {"random", "centre", "position profile", "loudness", "out"} <= results.keys()
    trained = json.loads((model / "training.json").read_text())["test"]
    assert results["out"]["spearman"] == pytest.approx(trained["spearman"], abs=1e-5)
    printed = capsys.readouterr().out
    assert f"| out | {100 * results['out']['f1']:.2f} |" in printed and "2 videos" in printed


def test_a_table_says_its_protocol_and_has_no_figures_of_another(model, dataset, tmp_path, capsys):
    target = tmp_path / "results.json"
    options = ["--model", str(model), "--dataset", str(dataset), "--protocol", "triplesumm"]
    assert main([*options, "--json", str(target)]) == 0
    printed = capsys.readouterr().out
    assert "2 videos, by the protocol triplesumm" in printed
    assert "| triplesumm mAP@50 |" in printed and "F1" not in printed
    assert {row["protocol"] for row in json.loads(target.read_text()).values()} == {"triplesumm"}


def test_models_of_folds_are_scored_each_on_its_own_videos(model, dataset, tmp_path, capsys):
    """The first says the same of every second, and is tested on all films but one."""
    (tmp_path / "folds.txt").write_text(f"fold 1: film{' film'.join(map(str, range(11)))}\nfold 2: film11")
    for number in range(2):
        shutil.copytree(model, tmp_path / "models" / f"fold-{number}")
    weights = tmp_path / "models" / "fold-0" / "model.safetensors"
    save_file({name: torch.zeros_like(one) for name, one in load_file(weights).items()}, weights)
    options = ["--model", str(tmp_path / "models"), "--dataset", str(dataset), "--folds"]
    target = ["--json", str(tmp_path / "results.json")]
    assert main([*options, str(tmp_path / "folds.txt"), *target]) == 0
    assert "mean and deviation over 2 folds of 12 videos, by" in capsys.readouterr().out
    results = json.loads((tmp_path / "results.json").read_text())
    rows = read_dataset(dataset).rows("test", ["visual", "semantic", "dynamics"], 62.5)
    last = scores_of(load_model(model), rows)[1]
    alone = measure([last], SimpleNamespace(labels=rows.labels[1:], summaries={}))
    assert results["models"]["spearman"] == pytest.approx(alone["spearman"] / 2, abs=1e-5)
    assert results["models"]["n_videos"] == 12
    assert main(options) == 1
    assert "has no column 'folds'; --folds FILE" in capsys.readouterr().err


def test_one_of_several_processes_prints(model, dataset, tmp_path, capsys, monkeypatch):
    second = SimpleNamespace(is_main_process=False)
    monkeypatch.setattr("examples.evaluate.processes", lambda: second)
    target = tmp_path / "results.json"
    assert main(["--model", str(model), "--dataset", str(dataset), "--json", str(target)]) == 0
    assert main(["--clips", "1"]) == 0
    assert capsys.readouterr() == ("", "") and not target.exists()


def test_labels_alone_do_for_the_rules(model, dataset, capsys):
    """The made-up labels are in the loudness of the made-up sound."""
    assert main(["--model", str(model), "--dataset", str(dataset), "--split", "validation"]) == 0
    rows = [line.split("|") for line in capsys.readouterr().out.splitlines() if line.startswith("| loud")]
    assert float(rows[0][5]) > 0.9


def test_the_rules_are_scored_by_summaries_too(tmp_path):
    """Mr.HiSum's, which need scores of 0 or more."""
    shots = {
        "change_points": lambda _, seconds: [[0, 2], [2, seconds]],
        "gt_summary": lambda _, seconds: [1, 1] + [0] * (seconds - 2),
    }
    found = rule_metrics(read_dataset(write_dataset(tmp_path / "films", **shots)), "test")
    assert {"centre", "loudness"} <= found.keys()
    assert all(0 <= metrics["knapsack_f1"] <= 1 for metrics in found.values())


def test_generated_soundtracks_are_the_default(capsys):
    assert main(["--clips", "2"]) == 0
    printed = capsys.readouterr().out
    assert "2 generated soundtracks of 60 s, split test" in printed and "davihd-small" in printed


def test_models_are_compared_on_recorded_sounds_by_kind_of_event(tmp_path, capsys):
    first = str(shutil.copytree(DEFAULT_CHECKPOINT, tmp_path / "first"))
    sounds = ["--sounds", str(write_library(tmp_path / "sounds")), "--clips", "2"]
    assert main(["--model", first, str(DEFAULT_CHECKPOINT), *sounds]) == 0
    printed = capsys.readouterr().out
    assert "2 recorded soundtracks of 60 s, split test, recordings of" in printed
    assert "| found | right |" in printed
    assert "| events found, by kind | events | first, % | davihd-small, % |" in printed
    assert main(["--world", "single", *sounds]) == 0
    assert "2 single soundtracks of 60 s" in capsys.readouterr().out
    assert main(["--model", first, first, *sounds]) == 1
    assert "their last parts need to differ" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--model", "/no/such/folder"], "/no/such/folder"),
        (["--dataset", "/no/such/folder"], "/no/such/folder cannot be read: there is no such folder"),
    ],
)
def test_what_is_not_there_is_told_in_a_sentence(arguments, told, capsys):
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1


def test_a_split_that_is_not_there(model, dataset, tmp_path, capsys):
    folder = tmp_path / "films"
    (folder / "data").mkdir(parents=True)
    for path in [*dataset.glob("*.json"), *dataset.glob("data/train*")]:
        (folder / path.relative_to(dataset)).write_bytes(path.read_bytes())
    assert main(["--model", str(model), "--dataset", str(folder)]) == 1
    assert "has no split 'test'; it has train" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, told",
    [
        (["--clips", "0"], "--clips is 0"),
        (["--split", "train"], "--split train needs --dataset"),
        (["--split", "every"], "invalid choice: 'every'"),
        (["--world", "recorded"], "--world recorded needs --sounds"),
        (["--world", "wider", "--sounds", "sounds"], "--world wider has no recorded sounds"),
        (["--world", "single", "--dataset", "films"], "--world makes soundtracks; leave out --dataset"),
    ],
)
def test_wrong_usage(arguments, told, capsys):
    with pytest.raises(SystemExit) as exit:
        main(arguments)
    assert exit.value.code == 2 and told in capsys.readouterr().err
