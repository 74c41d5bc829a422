import hashlib
import json
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from paths import GOLDEN, ROOT
from safetensors.torch import load_file
from tiny_data import write_config, write_dataset

from examples.train import main, measure, predict, training_step
from modeling_davihd import DAViHDConfig, DAViHDFeatureExtractor, DAViHDModel
from modeling_davihd.conversion import convert_reference_state_dict, reference_config

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folds = {"folds": lambda number, _: [number % 5, (number + 1) % 5]}
    return write_dataset(tmp_path_factory.mktemp("data") / "films", **folds)


@pytest.fixture
def config(tmp_path) -> Path:
    return write_config(tmp_path / "config")


def arguments(config: Path, data: Path, output: Path, *more: str) -> list[str]:
    return ["--config", str(config), "--dataset", str(data), "--output", str(output), *more]


def digest(folder: Path) -> str:
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


# --------------------------------------------------------------------------------------------- one run


def test_a_run_leaves_a_model_that_loads(config, data, tmp_path):
    assert main(arguments(config, data, tmp_path / "out")) == 0
    record = json.loads((tmp_path / "out" / "training.json").read_text())
    assert [report["epoch"] for report in record["history"]] == [1, 2]
    assert 0 <= record["test"]["f1"] <= 1 and record["videos"] == {"train": 8, "validation": 2, "test": 2}
    assert record["validation"]["spearman"] == max(report["spearman"] for report in record["history"])
    model = DAViHDModel.from_pretrained(tmp_path / "out")
    assert model.num_parameters() == record["parameters"]
    assert (model.config.visual_dim, model.config.semantic_dim) == (8, 16)
    assert DAViHDFeatureExtractor.from_pretrained(tmp_path / "out").image_size == 299
    card = (tmp_path / "out" / "README.md").read_text()
    assert "generated data alone" in card and f"{record['test']['spearman']:.4f}" in card


def test_the_kept_model_is_the_best_one(config, data, tmp_path):
    main(arguments(config, data, tmp_path / "long", "--epochs", "4", "--learning-rate", "0.01"))
    best = json.loads((tmp_path / "long" / "training.json").read_text())["best_epoch"]
    main(arguments(config, data, tmp_path / "short", "--epochs", str(best), "--learning-rate", "0.01"))
    assert digest(tmp_path / "long") == digest(tmp_path / "short")


def test_training_stops_when_nothing_gets_better(config, data, tmp_path):
    still = ["--epochs", "9", "--patience", "2", "--learning-rate", "1e-30"]
    main(arguments(config, data, tmp_path / "out", *still))
    record = json.loads((tmp_path / "out" / "training.json").read_text())
    assert record["stopped_early"] and record["epochs"] == record["best_epoch"] + 2 < 9


def test_gradient_checkpointing_changes_nothing(config, data, tmp_path):
    changes = ["--epochs", "1"]
    main(arguments(config, data, tmp_path / "plain", *changes))
    main(arguments(config, data, tmp_path / "frugal", *changes, "--gradient-checkpointing"))
    plain, frugal = (load_file(tmp_path / name / "model.safetensors") for name in ("plain", "frugal"))
    for name in plain:
        torch.testing.assert_close(frugal[name], plain[name], rtol=1e-3, atol=1e-5)


def test_runs_and_folds(config, data, tmp_path):
    assert main(arguments(config, data, tmp_path / "out", "--folds", "--runs", "2", "--epochs", "1")) == 0
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
    main(arguments(config, data, tmp_path / "out", "--selection", "test", "--epochs", "1"))
    record = json.loads((tmp_path / "out" / "training.json").read_text())
    assert record["validation"]["f1"] == record["test"]["f1"]
    assert "chosen on the test videos" in (tmp_path / "out" / "README.md").read_text()


def test_an_ablation_changes_the_network(config, data, tmp_path):
    ablation = ROOT / "configuration" / "ablations" / "table2-visual.json"
    main(arguments(config, data, tmp_path / "out", "--ablation", str(ablation), "--epochs", "1"))
    assert DAViHDConfig.from_pretrained(tmp_path / "out").modalities == ["visual"]


def test_generated_sound_needs_no_dataset(tmp_path, monkeypatch):
    recipe = (
        "dataset: synthetic\nepochs: 1\nsteps_per_epoch: 2\nbatch_seconds: 20\nclip_seconds: [5, 10]\n"
        "validation_clips: 1\nnum_workers: 0\n"
    )
    config = write_config(tmp_path / "config", recipe, modalities=["dynamics"])
    monkeypatch.setattr("examples.training.runs.TEST_CLIPS", 1)
    assert main(["--config", str(config), "--output", str(tmp_path / "out")]) == 0
    assert json.loads((tmp_path / "out" / "training.json").read_text())["dataset"] == "synthetic"


# ------------------------------------------------------------------------------------------- resuming

KILLED = """
import os, signal, sys
from examples import train
step, steps = train.training_step, []
def dying(*arguments):
    steps.append(1)
    if len(steps) == {at}:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(*arguments)
for arguments, dies in {runs}:
    train.training_step = dying if dies else step
    assert train.main(arguments) == 0
"""


# What torchrun does with two processes, but for starting them: they are forked, and need not import.
LAUNCHED = """
import uuid
from torch.distributed.launcher.api import LaunchConfig, elastic_launch
rendezvous = {{"rdzv_backend": "c10d", "rdzv_endpoint": "localhost:0", "run_id": str(uuid.uuid4())}}
config = LaunchConfig(1, 1, nproc_per_node=2, max_restarts=0, start_method="fork", **rendezvous)
elastic_launch(config, lambda: exec({code!r}, {{}}))()
"""


@pytest.mark.parametrize("at", [1, 3, 5])
def test_killed_and_resumed_equals_undisturbed(config, data, tmp_path, nursery, at):
    wanted = ["--save-every", "2"]
    arguments_of = {name: arguments(config, data, tmp_path / name, *wanted) for name in ("killed", "whole")}
    code = KILLED.format(at=at, runs=[(arguments_of["killed"], True)])
    assert nursery.run(code).status == -signal.SIGKILL
    assert main([*arguments_of["killed"], "--resume"]) == 0
    assert main(arguments_of["whole"]) == 0
    assert digest(tmp_path / "killed") == digest(tmp_path / "whole")
    killed, whole = (
        json.loads((tmp_path / name / "training.json").read_text()) for name in ("killed", "whole")
    )
    assert {name for name in whole if killed[name] != whole[name]} <= {
        "seconds_per_epoch",
        "seconds_per_video",
    }


def test_two_processes_killed_and_resumed(config, data, tmp_path, nursery):
    killed, whole = (arguments(config, data, tmp_path / name) for name in ("killed", "whole"))
    first = KILLED.format(at=4, runs=[(whole, False), (killed, True)])
    second = KILLED.format(at=0, runs=[([*killed, "--resume"], False)])
    assert nursery.run(LAUNCHED.format(code=first)).status != 0
    assert (tmp_path / "whole" / "training.json").is_file()
    assert not (tmp_path / "killed" / "training.json").is_file()
    resumed = nursery.run(LAUNCHED.format(code=second))
    assert resumed.status == 0, resumed.text
    assert digest(tmp_path / "killed") == digest(tmp_path / "whole")


def test_a_folder_with_a_run_is_not_overwritten(config, data, tmp_path, capsys):
    main(arguments(config, data, tmp_path / "out", "--epochs", "1"))
    before = digest(tmp_path / "out")
    assert main(arguments(config, data, tmp_path / "out", "--epochs", "1")) == 1
    assert "--resume" in capsys.readouterr().err
    assert main(arguments(config, data, tmp_path / "out", "--resume", "--learning-rate", "1e-4")) == 1
    assert "learning_rate is 0.001 there and 0.0001 here" in capsys.readouterr().err
    assert digest(tmp_path / "out") == before


def test_more_epochs_go_on_from_the_last_state(config, data, tmp_path):
    main(arguments(config, data, tmp_path / "out", "--epochs", "1"))
    main(arguments(config, data, tmp_path / "out", "--epochs", "3", "--resume"))
    main(arguments(config, data, tmp_path / "whole", "--epochs", "3"))
    assert digest(tmp_path / "out") == digest(tmp_path / "whole")


# ------------------------------------------------------------------------------------------- the step


@pytest.mark.parametrize("name", ["init.equal_train", "init.padded_eval_mode"])
def test_twenty_steps_equal_the_reference(name):
    facts = json.loads((GOLDEN / "reference_training.json").read_text())
    run = facts["runs"][name]
    config = reference_config(facts["config"])
    config.dropout = 0.0
    model = DAViHDModel(config).train(run["mode"] == "train")
    start = load_file(GOLDEN / "reference_training_start.safetensors")
    state = {key.removeprefix("state."): value for key, value in start.items()}
    model.load_state_dict(convert_reference_state_dict(state, config))
    tensors = load_file(GOLDEN / "reference_model_small.safetensors")
    names = {"visual_features": "visual", "semantic_features": "audio", "log_mel": "mel", "labels": "label"}
    batch = {ours: tensors[run["tag"] + theirs] for ours, theirs in names.items()}
    batch["attention_mask"] = tensors[run["tag"] + "mask"]
    recipe = facts["recipe"]
    optimizer = torch.optim.Adam(model.parameters(), lr=recipe["lr"], weight_decay=recipe["weight_decay"])
    accelerator = Accelerator(cpu=True)
    losses = [
        training_step(accelerator, model, optimizer, batch, recipe["grad_clip_norm"]).item()
        for _ in run["losses"]
    ]
    np.testing.assert_allclose(losses, run["losses"], atol=1e-5, rtol=0)


class LabelReader(torch.nn.Module):
    """Says what the visual features hold."""

    def forward(self, visual_features: torch.Tensor, attention_mask: torch.Tensor):
        return type("Output", (), {"scores": visual_features[..., 0] * attention_mask})


class Rows(list):
    """Films whose one feature is the label."""

    summaries: dict = {}

    def __init__(self, lengths: list[int]):
        self.labels = [np.linspace(0, 1, length, dtype=np.float32) ** 2 for length in lengths]
        super().__init__(
            {"visual_features": torch.tensor(labels)[:, None], "labels": torch.tensor(labels)}
            for labels in self.labels
        )
        self.lengths = np.array(lengths)


def test_predictions_come_back_in_order_and_cut_to_length():
    rows = Rows([9, 3, 12, 5, 7])
    scores = predict(Accelerator(cpu=True), LabelReader(), rows, batch_size=2)
    for score, labels in zip(scores, rows.labels, strict=True):
        np.testing.assert_array_equal(score, labels)
    assert measure(scores, rows)["spearman"] == 1


# ---------------------------------------------------------------------------------------- wrong inputs


def test_wrong_datasets_are_told_in_a_sentence(config, data, tmp_path, capsys):
    assert main(arguments(config, tmp_path, tmp_path / "out")) == 1
    assert "has no extraction.json" in capsys.readouterr().err
    wide = write_config(tmp_path / "wide", projection_dim=None, visual_dim=32)
    assert main(arguments(wide, data, tmp_path / "out")) == 1
    assert "are 8 wide" in capsys.readouterr().err
    assert main(arguments(config, data, tmp_path / "out", "--epochs", "0")) == 1
    assert "epochs is 0" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_loss_that_is_no_number_ends_the_run(config, data, tmp_path, capsys):
    assert main(arguments(config, data, tmp_path / "out", "--learning-rate", "1e30", "--epochs", "3")) == 1
    assert "lower the learning rate" in capsys.readouterr().err


def test_a_full_disk_leaves_the_state_before_it(config, data, tmp_path, capsys, monkeypatch):
    wanted = arguments(config, data, tmp_path / "out", "--save-every", "1")
    whole = Accelerator.save_state

    def full(accelerator: Accelerator, folder: Path):
        if (tmp_path / "out" / "states" / "00000-0000002").is_dir():
            (folder / "optimizer.bin").write_bytes(b"half")
            raise RuntimeError("unexpected pos 64 vs 32")
        whole(accelerator, folder)

    with monkeypatch.context() as patch:
        patch.setattr(Accelerator, "save_state", full)
        assert main(wanted) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert "cannot be written" in error and "MB are free on its disk" in error
    assert [path.name for path in (tmp_path / "out" / "states").iterdir()] == ["00000-0000002"]
    assert main([*wanted, "--resume"]) == 0
