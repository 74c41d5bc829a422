"""Train a model on videos or on generated sound.

    accelerate launch examples/train.py --config configuration/davihd-base --dataset DIR --output OUT
    accelerate launch examples/train.py --model davihd-small --dataset DIR --output OUT    # trains it on

OUT then holds the best model, loadable with from_pretrained, its card and training.json: the recipe, every
epoch's metrics and those of the best model on the test videos. Started again with --resume, a run that was
killed goes on from its last state and ends with the same weights, bit for bit, as if it had not been killed.
"""

from __future__ import annotations

import argparse
import atexit
import contextlib
import copy
import dataclasses
import functools
import json
import math
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.utils import broadcast, broadcast_object_list, set_seed
from safetensors import SafetensorError
from tqdm import tqdm
from transformers import AutoModel, logging

if __package__ in (None, ""):  # from examples/, "evaluate" would be the script beside this one
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from datasets_scripts.building.console import run_command
from examples.evaluate import evaluate_rules
from examples.training.averaging import WeightAverage
from examples.training.batches import training_batches
from examples.training.calibration import calibrate, keep_calibration
from examples.training.eval_results import write_eval_results
from examples.training.machine import keep_freed_memory, on_cpu, processes
from examples.training.model_card import METRIC_NAMES, write_model_card
from examples.training.reading import Batch
from examples.training.recipe import Recipe, add_recipe_options, given_fields
from examples.training.record import RECORD_FILE, Record
from examples.training.runs import Run, make_runs, read_ablation
from examples.training.scoring import measure, predict, to_device
from examples.training.starting import freeze, keep_still, start_from
from examples.training.tracking import (
    NO_TRACKER,
    TRACKERS,
    logger_of,
    start_tracking,
    track_step,
    track_validation,
)
from modeling_davihd import __version__
from modeling_davihd.batch_norm_davihd import DAViHDBatchNorm
from modeling_davihd.files import clear_partials, whole_files, whole_folder, write_json
from modeling_davihd.loading import DEFAULT_MODEL

FINE_TUNING = Path(__file__).resolve().parent.parent / "configuration" / "fine-tuning"


@dataclass
class Progress:
    """How far a run has come: what a state holds besides weights, optimiser and random numbers."""

    epoch: int = 0
    steps_per_epoch: int = 0
    step_in_epoch: int = 0
    loss_sum: float = 0.0
    seconds: float = 0.0
    best: float = -math.inf
    best_epoch: int = 0
    history: list[dict] = field(default_factory=list)

    def stale_epochs(self, recipe: Recipe) -> int:
        """Epochs since the best one, or since the warm-up."""
        return len(self.history) - max(self.best_epoch, self.warmup_epochs(recipe))

    def warmup_epochs(self, recipe: Recipe) -> int:
        """In how many epochs the learning rate rises."""
        return -(-recipe.warmup(self.steps_per_epoch) // max(1, self.steps_per_epoch))


# ----------------------------------------------------------------------------------------------- training


def training_step(
    accelerator: Accelerator,
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Sequence[Batch],
    gradient_clip: float,
) -> torch.Tensor:
    """One step of the optimizer on the loss over all real segments of all batches and processes (Eq. 5).

    Returns that loss.
    """
    seconds = [batch["attention_mask"].sum() for batch in batches]
    total = accelerator.reduce(sum(seconds), "sum")
    optimizer.zero_grad()
    shares = []
    for number, batch in enumerate(batches, 1):
        last = number == len(batches)
        with contextlib.nullcontext() if last else accelerator.no_sync(model):
            # The loss is the mean over the segments of a batch, and gradients are averaged over processes.
            share = model(**batch).loss * (seconds[number - 1] / total)
            accelerator.backward(share * accelerator.num_processes)
        shares.append(share.detach())
    accelerator.clip_grad_norm_(model.parameters(), gradient_clip)
    optimizer.step()
    return accelerator.reduce(sum(shares), "sum")


def train(run: Run, resume: bool = False, tracker: str = NO_TRACKER) -> Record:
    """Train, keep the best model in `run.output`, and return what training.json says.

    tracker: one of TRACKERS, which is told how the training goes. Raises ValueError if it is not installed,
    and if the folder holds another run, or this one without `resume`.
    """
    if on_cpu():
        keep_freed_memory()
    accelerator = new_accelerator(run, tracker)
    check_output(run, resume, accelerator)
    finished = finished_record(run)
    if finished is not None:
        return finished
    if accelerator.is_main_process:  # what a killed run left
        for folder in (run.output, states_of(run.output)):
            clear_partials(folder, unchanged_for=0)
    model, optimizer = prepare(run, accelerator)
    average = WeightAverage(accelerator, model, run.recipe.weight_averaging)
    progress = restore(run, accelerator) if resume else Progress()
    start_tracking(accelerator, run)
    while progress.epoch < run.recipe.epochs and not is_over(run, progress):
        train_epoch(run, accelerator, model, optimizer, average, progress)
        validate(run, accelerator, average.model, progress)
        save_state(run, accelerator, progress)
    record = record_results(run, accelerator, progress)
    if accelerator.is_main_process:
        for shortcoming in shortcomings(run, record, progress.warmup_epochs(run.recipe)):
            print(f"train.py: warning: {shortcoming}", file=sys.stderr)
    for tracker in accelerator.trackers:
        tracker.finish()
    accelerator.free_memory()
    return record


def new_accelerator(run: Run, tracker: str) -> Accelerator:
    """Accelerate, set up for a run. Raises ValueError if the tracker is not installed."""
    # Norm statistics that a process has for itself are made alike by `validate`, which each step need not do.
    accelerator = Accelerator(
        cpu=on_cpu(),
        log_with=logger_of(tracker),
        project_dir=run.output,
        kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)],
    )
    # Not as `end_training` does, before the next of several runs.
    atexit.register(accelerator.state.destroy_process_group)
    return accelerator


def prepare(run: Run, accelerator: Accelerator) -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    """The model with its first weights and its optimiser, wherever Accelerate puts them."""
    set_seed(run.recipe.seed)
    config = copy.deepcopy(run.config)  # a model writes its dtype into it
    model = AutoModel.from_config(config, dtype=torch.float32).train()
    if run.recipe.start is not None:
        start_from(model, run.recipe.start, run.recipe.fresh)
    freeze(model, run.recipe.freeze)
    if accelerator.num_processes > 1:
        synchronise_norms(model)
    if run.recipe.gradient_checkpointing:
        model.activation_checkpointing_enable()
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    kind = torch.optim.AdamW if run.recipe.optimizer == "adamw" else torch.optim.Adam
    optimizer = kind(parameters, lr=run.recipe.learning_rate, weight_decay=run.recipe.weight_decay)
    set_seed(run.recipe.seed, device_specific=True)  # dropout differs between processes
    return accelerator.prepare(model, optimizer)


def synchronise_norms(model: torch.nn.Module):
    """Let the dynamics encoder's batch norms take their statistics over all processes.

    Those of CSTA, which normalise one film at a time, stay as they are.
    """
    for module in model.modules():
        if isinstance(module, DAViHDBatchNorm):
            torch.nn.SyncBatchNorm.convert_sync_batchnorm(module)


def train_epoch(
    run: Run,
    accelerator: Accelerator,
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    average: WeightAverage,
    progress: Progress,
):
    """Train for the rest of an epoch, saving a state every `save_every` steps.

    Raises ValueError if the loss is not finite.
    """
    recipe = run.recipe
    batches, steps = training_batches(run, progress.epoch, progress.step_in_epoch, accelerator)
    progress.steps_per_epoch = steps
    keep_still(accelerator.unwrap_model(model), recipe)
    loss_sum = torch.tensor(progress.loss_sum, dtype=torch.float64)
    started = time.perf_counter() - progress.seconds
    bar = tqdm(
        batches,
        desc=f"epoch {progress.epoch + 1}/{recipe.epochs}",
        total=steps,
        initial=progress.step_in_epoch,
        disable=None if accelerator.is_main_process else True,
    )
    for step in bar:
        rate = recipe.learning_rate_at(progress.epoch * steps + progress.step_in_epoch, steps)
        for group in optimizer.param_groups:
            group["lr"] = rate
        step = [to_device(batch, accelerator.device) for batch in step]
        loss = training_step(accelerator, model, optimizer, step, recipe.gradient_clip).cpu()
        loss_sum += loss
        track_step(accelerator, progress.epoch * steps + progress.step_in_epoch + 1, loss.item(), rate)
        average.update()
        progress.step_in_epoch += 1
        progress.loss_sum, progress.seconds = loss_sum.item(), time.perf_counter() - started
        if progress.step_in_epoch % recipe.save_every == 0 and progress.step_in_epoch < steps:
            save_state(run, accelerator, progress)
    if not math.isfinite(progress.loss_sum):
        raise ValueError(
            f"The loss is {progress.loss_sum} in epoch {progress.epoch + 1}; lower the learning rate."
        )


def validate(run: Run, accelerator: Accelerator, model: torch.nn.Module, progress: Progress):
    """Measure the model at the end of an epoch and keep it if it is the best so far."""
    if accelerator.num_processes > 1:
        for buffer in model.buffers():
            buffer.copy_(broadcast(buffer))
    rows = run.rows["validation"]
    predictions = predict(accelerator, model, rows, run.recipe.batch_size)
    values, steps = measure(predictions, rows), progress.step_in_epoch
    report = {"epoch": progress.epoch + 1, "loss": round(progress.loss_sum / steps, 8), **values}
    progress.history.append(report)
    track_validation(accelerator, (progress.epoch + 1) * steps, report, predictions, rows)
    accelerator.print(json.dumps(report), file=sys.stderr)
    if values[run.recipe.metric] > progress.best:
        progress.best, progress.best_epoch = values[run.recipe.metric], progress.epoch + 1
        save_model(run, accelerator, model)
    progress.epoch, progress.step_in_epoch, progress.loss_sum = progress.epoch + 1, 0, 0.0


def is_over(run: Run, progress: Progress) -> bool:
    """Whether the recipe's patience has run out."""
    patience = run.recipe.patience
    return patience is not None and progress.stale_epochs(run.recipe) >= patience


# ------------------------------------------------------------------------------------------------ writing


def save_model(run: Run, accelerator: Accelerator, model: torch.nn.Module):
    """Write model and feature extractor, whole or not at all."""
    weights = accelerator.get_state_dict(model)
    if accelerator.is_main_process:
        with torch.device("meta"):  # a plain one: FSDP makes its own class of a model's
            plain = AutoModel.from_config(accelerator.unwrap_model(model).config, dtype=torch.float32)
        with writing(run.output), whole_files(run.output) as partial:
            plain.save_pretrained(partial, state_dict=weights)
            run.extractor.save_pretrained(partial)
    accelerator.wait_for_everyone()


def save_state(run: Run, accelerator: Accelerator, progress: Progress):
    """Write all that resuming needs to a folder of its own, and drop the states before it."""
    older = find_states(run.output)
    folder = states_of(run.output) / f"{progress.epoch:05d}-{progress.step_in_epoch:07d}"
    with shared_folder(accelerator, folder) as partial:
        accelerator.save_state(partial)
        if accelerator.is_main_process:
            (partial / "progress.json").write_text(json.dumps(dataclasses.asdict(progress)))
            (partial / "run.json").write_text(json.dumps(identity(run, accelerator)))
    if accelerator.is_main_process:
        for state in older:
            shutil.rmtree(state)
    accelerator.wait_for_everyone()


@contextlib.contextmanager
def shared_folder(accelerator: Accelerator, target: Path) -> Iterator[Path]:
    """As `whole_folder`, for a folder that all processes fill: the main one makes it and moves it."""
    with contextlib.ExitStack() as stack:
        partial = None
        if accelerator.is_main_process:
            with writing(target):
                partial = stack.enter_context(whole_folder(target))
        [partial] = broadcast_object_list([partial])
        with writing(target):
            yield partial
        accelerator.wait_for_everyone()


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Tell of a failure to write as an OSError that names the folder and how much room its disk has."""
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:  # torch and safetensors do not raise OSError
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        free = shutil.disk_usage(there).free >> 20
        raise OSError(f"{folder} cannot be written, {free} MB are free on its disk: {error}") from error


def states_of(output: Path) -> Path:
    """Where a run keeps its states."""
    return output / "states"


def find_states(output: Path) -> list[Path]:
    """Folders of whole states, the latest last."""
    return sorted(path.parent for path in states_of(output).glob("[0-9]*/progress.json"))


def restore(run: Run, accelerator: Accelerator) -> Progress:
    """Load the latest state; a run that was killed before it saved one begins anew."""
    states = find_states(run.output)
    if not states:
        return Progress()
    accelerator.load_state(states[-1])
    return Progress(**json.loads((states[-1] / "progress.json").read_text()))


def identity(run: Run, accelerator: Accelerator) -> dict:
    """What a resumed run must have in common with the one that was killed, as its record will say it."""
    launched = {"precision": accelerator.mixed_precision, "processes": accelerator.num_processes}
    return run.identity() | launched


def check_output(run: Run, resume: bool, accelerator: Accelerator):
    """Raise ValueError if the folder holds another run, or this one without `resume`."""
    states, finished = find_states(run.output), run.output / RECORD_FILE
    if not states and not finished.is_file():
        return
    if not resume:
        raise ValueError(f"{run.output} holds a run; go on with it by --resume, or name another --output.")
    theirs = json.loads((states[-1] / "run.json" if states else finished).read_text(encoding="utf-8"))
    ours = identity(run, accelerator)
    for name in ours:
        if theirs.get(name) != ours[name]:
            raise ValueError(f"{run.output} holds another run: {_difference(name, theirs, ours)}.")


def finished_record(run: Run) -> Record | None:
    """What was recorded when the run ended; None if it has not, or is now to have more epochs."""
    path = run.output / RECORD_FILE
    if not path.is_file():
        return None
    record = Record.read(path)
    return record if record.epochs >= run.recipe.epochs or record.stopped_early else None


def _difference(name: str, theirs: dict, ours: dict) -> str:
    mine, other = ours[name], theirs.get(name)
    if isinstance(mine, dict) and isinstance(other, dict):
        keys = [key for key in sorted(mine | other) if mine.get(key) != other.get(key)]
        name, mine, other = keys[0], mine.get(keys[0]), other.get(keys[0])
    return f"{name} is {other!r} there and {mine!r} here"


def record_results(run: Run, accelerator: Accelerator, progress: Progress) -> Record:
    """Measure the best model on the test videos, and write training.json and the model's card."""
    model = AutoModel.from_pretrained(run.output).to(accelerator.device)
    tested: dict[str, Any] = {}
    if "eventless" in run.rows:
        films = run.rows["validation"], run.rows["eventless"]
        tested["calibration"] = calibrate(accelerator, model, *films, run.recipe.batch_size)
    if "test" in run.rows:
        rows, started = run.rows["test"], time.perf_counter()
        tested["test"] = measure(predict(accelerator, model, rows, run.recipe.batch_size), rows)
        tested["seconds_per_video"] = round((time.perf_counter() - started) / len(rows), 4)
    record = Record(
        **identity(run, accelerator),
        davihd=__version__,
        parameters=model.num_parameters(),
        epochs=len(progress.history),
        stopped_early=is_over(run, progress),
        seconds_per_epoch=round(progress.seconds / len(progress.history), 3),
        best_epoch=progress.best_epoch,
        validation=progress.history[progress.best_epoch - 1],
        history=progress.history,
        **tested,
    )
    if accelerator.is_main_process:
        if record.calibration is not None:
            keep_calibration(run.output, record.calibration)
        write_model_card(run.output, record)
        write_eval_results(run.output, record, METRIC_NAMES)
        record.write(run.output / RECORD_FILE)
    accelerator.wait_for_everyone()
    return record


def shortcomings(run: Run, record: Record, warmup_epochs: int) -> list[str]:
    """What whoever trained a model has to know of it: sentences, none if it has learnt what it should."""
    found, metric = [], run.recipe.metric
    if record.best_epoch <= warmup_epochs:
        found.append(
            f"the best epoch is {record.best_epoch} of {record.epochs}, inside the warm-up, which lasts "
            f"{warmup_epochs}; train on more videos, or for more epochs."
        )
    split = "validation" if record.test is None else "test"
    own = (record.test or record.validation)[metric]
    training = None if run.worlds or run.recipe.streaming else run.rows["train"]
    rules = evaluate_rules(run.rows[split], training)
    above = {name: values[metric] for name, values in rules.items() if values[metric] >= own}
    if above:
        best = max(above, key=above.__getitem__)
        found.append(
            f"on the {split} videos, {metric} is {own:.3f}, and that of the rule '{best}', which needs no "
            f"training, {above[best]:.3f}; the model is of no use yet."
        )
    return found


# ------------------------------------------------------------------------------------------- command line


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="train.py"
    )
    network = parser.add_mutually_exclusive_group(required=True)
    network.add_argument(
        "--config", type=Path, metavar="DIR", help="folder with config.json and training.yaml"
    )
    network.add_argument(
        "--model",
        metavar="M",
        help=f"{DEFAULT_MODEL}, a checkpoint folder or a Hub id: go on with its network and weights, by the "
        "recipe in configuration/fine-tuning",
    )
    parser.add_argument(
        "--ablation",
        dest="changes",
        type=ablation_file,
        metavar="FILE",
        help="JSON of the fields of config.json that differ",
    )
    parser.add_argument(
        "--output", type=Path, required=True, metavar="OUT", help="folder for the trained model"
    )
    parser.add_argument("--runs", type=int, default=1, metavar="N", help="trainings, each with the next seed")
    parser.add_argument(
        "--folds", action="store_true", help="cross-validate over the dataset's folds instead of its splits"
    )
    parser.add_argument("--resume", action="store_true", help="go on with what --output holds")
    parser.add_argument(
        "--report-to", choices=TRACKERS, default=NO_TRACKER, help="tracker that is told how training goes"
    )
    add_recipe_options(parser)
    options = parser.parse_args(arguments)
    if options.runs < 1:
        parser.error(f"--runs is {options.runs}; it needs to be at least 1")
    if options.model is not None and hasattr(options, "start"):
        parser.error("--start gives the weights for --config; --model names its own")
    return options


def ablation_file(path: str) -> dict[str, object]:
    """The type of --ablation."""
    try:
        return read_ablation(Path(path))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def summarise(tests: Sequence[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Mean and standard deviation of every metric over trainings, given what each reached on test videos."""
    names = [name for name, value in tests[0].items() if isinstance(value, float)]
    return {
        name: {
            "mean": float(np.mean([test[name] for test in tests])),
            "std": float(np.std([test[name] for test in tests])),
        }
        for name in names
    }


def train_all(runs: Iterable[Run], output: Path, resume: bool, tracker: str):
    """Every training, and of several a summary: `output`/results.json."""
    tests = [train(run, resume, tracker).test for run in runs]
    if len(tests) > 1 and tests[0] is not None and processes().is_main_process:
        write_json(output / "results.json", summarise(tests))


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 trained, 1 something in the data or on the disk is not as needed, 2 wrong usage."""
    options = parse_arguments(arguments)
    logging.disable_progress_bar()
    runs = make_runs(
        options.config or FINE_TUNING,
        options.output,
        given_fields(options),
        model=options.model,
        changes=options.changes,
        runs=options.runs,
        folds=options.folds,
    )
    interrupted = "interrupted; --resume goes on from the last state"
    every = functools.partial(train_all, runs, options.output, options.resume, options.report_to)
    return run_command(every, "train.py", interrupted)


if __name__ == "__main__":
    sys.exit(main())
