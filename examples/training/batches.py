"""What each step of a training computes, from rows, from a stream or from soundtracks made on the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch.utils.data import DataLoader

from examples.training.data import collate, parts_of, plan_batches
from examples.training.reading import Batch
from examples.training.runs import Run
from examples.training.streaming import StreamedRows, step_sizes


def training_batches(
    run: Run, epoch: int, first: int, accelerator: Accelerator
) -> tuple[Iterator[list[Batch]], int]:
    """This process's batches of each step of an epoch, from the step `first` on, and its number of steps."""
    rank, processes = accelerator.process_index, accelerator.num_processes
    if run.worlds is not None:
        return _of_soundtracks(run, epoch, first, rank, processes)
    if isinstance(run.rows["train"], StreamedRows):
        return _of_stream(run, epoch, first, rank, processes)
    rows, recipe = run.rows["train"], run.recipe
    size, most = recipe.batch_size * recipe.gradient_accumulation, recipe.gradient_accumulation
    plan = plan_batches(rows.lengths, size, recipe.seed, epoch, processes)
    mine = [parts_of(indices, most, rank, processes) for indices in plan[first:]]
    loaded = _loaded(run, dataset=rows, batch_sampler=[*chain(*mine)], collate_fn=collate)
    return _grouped(loaded, [len(parts) for parts in mine]), len(plan)


def _of_soundtracks(
    run: Run, epoch: int, first: int, rank: int, processes: int
) -> tuple[Iterator[list[Batch]], int]:
    from examples.training.generated import SyntheticBatches

    recipe, most, steps = run.recipe, run.recipe.gradient_accumulation, run.recipe.steps_per_epoch
    clips = recipe.batch_seconds, recipe.clip_seconds
    batches = SyntheticBatches(run.extractor, run.worlds, recipe.seed, *clips, rank, processes, most)
    start = epoch * steps
    items = range((start + first) * most, (start + steps) * most)
    loaded = _loaded(run, dataset=batches, batch_size=None, sampler=items)
    return _grouped(loaded, [most] * (steps - first)), steps


def _of_stream(
    run: Run, epoch: int, first: int, rank: int, processes: int
) -> tuple[Iterator[list[Batch]], int]:
    """Every process reads the whole stream and takes its part, so that all agree on its order."""
    rows, recipe, most = run.rows["train"], run.recipe, run.recipe.gradient_accumulation
    sizes = step_sizes(len(rows), recipe.batch_size * most, processes)
    stream = rows.epoch(recipe.seed, epoch)
    # Several workers would share out the files, and the order would depend on how many there are.
    loaded = _loaded(run, workers=min(1, recipe.num_workers), dataset=stream, batch_size=None)

    def batches() -> Iterator[list[Batch]]:
        next(islice(loaded, sum(sizes[:first]), sum(sizes[:first])), None)
        for group in _grouped(loaded, sizes[first:]):
            parts = parts_of(np.arange(len(group)), most, rank, processes)
            yield [collate([group[index] for index in part]) for part in parts]

    return batches(), len(sizes)


def _loaded(run: Run, workers: int | None = None, **loading: Any) -> Iterator:
    count = run.recipe.num_workers if workers is None else workers
    options = {"num_workers": count, "prefetch_factor": 4 if count else None}
    # An iterator draws a number: from a generator of its own, lest it change the random state of the model.
    generator = torch.Generator().manual_seed(run.recipe.seed)
    return iter(DataLoader(**loading, **options, generator=generator))


def _grouped(items: Iterator, counts: Sequence[int]) -> Iterator[list]:
    return (list(islice(items, count)) for count in counts)
