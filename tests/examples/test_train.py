import hashlib
import json
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from accelerate import Accelerator
from paths import GOLDEN, ROOT
from safetensors.torch import load_file
from tiny_data import training_arguments, write_config

from examples.train import main, training_step
from modeling_davihd import DAViHDFeatureExtractor, DAViHDModel
from modeling_davihd.conversion import convert_reference_state_dict, reference_config

pytestmark = pytest.mark.slow


def digest(folder: Path) -> str:
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


# --------------------------------------------------------------------------------------------- one run


def test_a_run_leaves_a_model_that_loads(config, data, tmp_path):
    assert main(training_arguments(config, data, tmp_path / "out")) == 0
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
    main(training_arguments(config, data, tmp_path / "long", "--epochs", "4", "--learning-rate", "0.01"))
    best = json.loads((tmp_path / "long" / "training.json").read_text())["best_epoch"]
    main(
        training_arguments(config, data, tmp_path / "short", "--epochs", str(best), "--learning-rate", "0.01")
    )
    assert digest(tmp_path / "long") == digest(tmp_path / "short")


def test_training_stops_when_nothing_gets_better(config, data, tmp_path, capsys):
    """But not before the warm-up is over, here after two epochs; and what came of it is told."""
    still = ["--epochs", "9", "--patience", "2", "--learning-rate", "1e-30", "--warmup-steps", "5"]
    main(training_arguments(config, data, tmp_path / "out", *still))
    record = json.loads((tmp_path / "out" / "training.json").read_text())
    assert record["stopped_early"] and record["epochs"] == max(record["best_epoch"], 2) + 2 < 9
    told = capsys.readouterr().err
    assert ("inside the warm-up, which lasts 2" in told) == (record["best_epoch"] <= 2)
    assert "on the test videos, spearman is" in told and "rule 'loudness" in told


def test_gradient_checkpointing_changes_nothing(config, data, tmp_path):
    changes = ["--epochs", "1"]
    main(training_arguments(config, data, tmp_path / "plain", *changes))
    main(training_arguments(config, data, tmp_path / "frugal", *changes, "--gradient-checkpointing"))
    plain, frugal = (load_file(tmp_path / name / "model.safetensors") for name in ("plain", "frugal"))
    for name in plain:
        torch.testing.assert_close(frugal[name], plain[name], rtol=1e-3, atol=1e-5)


def test_accumulated_gradients_are_those_of_one_larger_batch(data, tmp_path):
    """Without batch norm, whose statistics are those of what is computed at once."""
    config = write_config(tmp_path / "config", modalities=["visual", "semantic"], dropout=0.0)
    losses = []
    for name, options in (("one", ["--batch-size", "8"]), ("four", ["--batch-size", "2"])):
        accumulated = ["--gradient-accumulation", "4"] if name == "four" else []
        main(training_arguments(config, data, tmp_path / name, "--epochs", "4", *options, *accumulated))
        record = json.loads((tmp_path / name / "training.json").read_text())
        losses.append([report["loss"] for report in record["history"]])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)
    assert losses[0][-1] != losses[0][0] and record["precision"] == "no" and record["processes"] == 1


def test_a_model_of_nothing_but_the_length_can_be_trained(data, tmp_path):
    position = ROOT / "configuration" / "baselines" / "position"
    assert (
        main(training_arguments(position, data, tmp_path / "out", "--epochs", "1", "--num-workers", "0")) == 0
    )
    assert json.loads((tmp_path / "out" / "config.json").read_text())["model_type"] == "baseline_position"


def test_generated_sound_needs_no_dataset(tmp_path):
    recipe = (
        "dataset: synthetic\nepochs: 1\nsteps_per_epoch: 2\nbatch_seconds: 20\nclip_seconds: [5, 10]\n"
        "validation_clips: 1\ntest_clips: 1\nnum_workers: 0\n"
    )
    config = write_config(tmp_path / "config", recipe, modalities=["dynamics"])
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

# Accelerate shards weights over GPUs alone, and would pass over this on processors.
SHARDED = """
import os
from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import DistributedType
from examples import train
os.environ |= {environment}
begin = AcceleratorState.__init__
def sharding(self, *arguments, fsdp_plugin=None, **named):
    begin(self, *arguments, fsdp_plugin=fsdp_plugin, **named)
    if fsdp_plugin is not None:
        self.fsdp_plugin, self.distributed_type = fsdp_plugin, DistributedType.FSDP
        PartialState._shared_state["distributed_type"] = DistributedType.FSDP
AcceleratorState.__init__ = sharding
assert train.main({arguments}) == 0
"""


def test_killed_and_resumed_equals_undisturbed(config, data, tmp_path, nursery):
    wanted = ["--save-every", "2", "--weight-averaging", "0.5"]
    wanted += ["--loss", "mse+correlation+ranking", "--stream-dropout", "0.3"]
    whole = tmp_path / "whole"
    assert main(training_arguments(config, data, whole, *wanted)) == 0
    record = json.loads((whole / "training.json").read_text())
    for at in (1, 3, 5):
        killed = tmp_path / f"killed{at}"
        arguments = training_arguments(config, data, killed, *wanted)
        assert nursery.run(KILLED.format(at=at, runs=[(arguments, True)])).status == -signal.SIGKILL
        for number, folder in enumerate((killed, killed / "states")):
            (folder / f".{number:012x}.partial").mkdir(parents=True)  # as if it had been killed while writing
        assert main([*arguments, "--resume"]) == 0
        assert digest(killed) == digest(whole)
        assert not list(killed.rglob(".*"))
        resumed = json.loads((killed / "training.json").read_text())
        differing = {name for name in record if resumed[name] != record[name]}
        assert differing <= {"seconds_per_epoch", "seconds_per_video"}


def test_two_processes_killed_and_resumed(data, tmp_path, nursery, capsys):
    """They train as one does, padding and batch norm included, and are told from one."""
    config = write_config(tmp_path / "config", dropout=0.0)
    killed, whole, alone = (
        training_arguments(config, data, tmp_path / name) for name in ("killed", "whole", "alone")
    )
    first = KILLED.format(at=4, runs=[(whole, False), (killed, True)])
    second = KILLED.format(at=0, runs=[([*killed, "--resume"], False)])
    assert nursery.run(LAUNCHED.format(code=first)).status != 0
    assert (tmp_path / "whole" / "training.json").is_file()
    assert not (tmp_path / "killed" / "training.json").is_file()
    assert main([*killed, "--resume"]) == 1
    assert "holds another run: processes is 2 there and 1 here" in capsys.readouterr().err
    resumed = nursery.run(LAUNCHED.format(code=second))
    assert resumed.status == 0, resumed.text
    assert digest(tmp_path / "killed") == digest(tmp_path / "whole")
    assert main(alone) == 0
    records = [json.loads((tmp_path / name / "training.json").read_text()) for name in ("whole", "alone")]
    losses = [[report["loss"] for report in record["history"]] for record in records]
    np.testing.assert_allclose(*losses, rtol=1e-4)
    assert [record["processes"] for record in records] == [2, 1]


def test_sharded_weights_train_as_whole_ones_do(data, tmp_path, nursery):
    """By the launch file for FSDP; the checkpoint is that of a model that never was sharded."""
    config = write_config(tmp_path / "config", dropout=0.0, modalities=["dynamics"])
    sharded, alone = (
        training_arguments(config, data, tmp_path / name, "--epochs", "1") for name in ("sharded", "alone")
    )
    launch = yaml.safe_load((ROOT / "configuration" / "accelerate" / "fsdp.yaml").read_text())
    environment = {name.upper(): str(value) for name, value in launch["fsdp_config"].items()}
    code = SHARDED.format(environment=environment | {"ACCELERATE_USE_FSDP": "true"}, arguments=sharded)
    launched = nursery.run(LAUNCHED.format(code=code))
    assert launched.status == 0, launched.text
    assert main(alone) == 0
    files = [{path.name for path in (tmp_path / name).iterdir()} for name in ("sharded", "alone")]
    assert files[0] == files[1]
    configs = [json.loads((tmp_path / name / "config.json").read_text()) for name in ("sharded", "alone")]
    assert configs[0] == configs[1]
    records = [json.loads((tmp_path / name / "training.json").read_text()) for name in ("sharded", "alone")]
    np.testing.assert_allclose(*[record["history"][0]["loss"] for record in records], rtol=1e-4)


def test_a_folder_with_a_run_is_not_overwritten(config, data, tmp_path, capsys):
    main(training_arguments(config, data, tmp_path / "out", "--epochs", "1"))
    before = digest(tmp_path / "out")
    assert main(training_arguments(config, data, tmp_path / "out", "--epochs", "1")) == 1
    assert "--resume" in capsys.readouterr().err
    assert (
        main(training_arguments(config, data, tmp_path / "out", "--resume", "--learning-rate", "1e-4")) == 1
    )
    assert "learning_rate is 0.001 there and 0.0001 here" in capsys.readouterr().err
    assert digest(tmp_path / "out") == before


def test_more_epochs_go_on_from_the_last_state(config, data, tmp_path):
    main(training_arguments(config, data, tmp_path / "out", "--epochs", "1"))
    main(training_arguments(config, data, tmp_path / "out", "--epochs", "3", "--resume"))
    main(training_arguments(config, data, tmp_path / "whole", "--epochs", "3"))
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
        training_step(accelerator, model, optimizer, [batch], recipe["grad_clip_norm"]).item()
        for _ in run["losses"]
    ]
    np.testing.assert_allclose(losses, run["losses"], atol=1e-5, rtol=0)


# ---------------------------------------------------------------------------------------- wrong inputs


def test_a_loss_that_is_no_number_ends_the_run(config, data, tmp_path, capsys):
    assert (
        main(training_arguments(config, data, tmp_path / "out", "--learning-rate", "1e30", "--epochs", "3"))
        == 1
    )
    assert "lower the learning rate" in capsys.readouterr().err


def test_a_full_disk_leaves_the_state_before_it(config, data, tmp_path, capsys, monkeypatch):
    wanted = training_arguments(config, data, tmp_path / "out", "--save-every", "1")
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
