"""Speed and memory of this package against the textbook formulation of the same arithmetic.

    python examples/benchmark.py [--only NAME ...] [--json OUT] [--device cuda]

Each line is one measurement: ours, the textbook's (examples/benchmarking/textbook.py, first shown to give
the same numbers), their ratio, and the target. Times are medians of runs that take turns; memory is what a
fresh process needs at its peak, one for each side. Networks have random weights of the real shapes; the films
are made here.
"""

from __future__ import annotations

import argparse
import copy
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

if __package__ in (None, ""):  # from examples/, "evaluate" would be this script
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from datasets_scripts.building.console import run_command
from examples.benchmarking import encoders, films, textbook
from examples.benchmarking.measuring import (
    MIB,
    Bench,
    Measurement,
    apart,
    check_equal,
    flops_of,
    in_mib,
    in_seconds,
    machine,
    matrix_product_rate,
    memory,
    mixed_lengths,
    network,
    preset,
    random_batch,
)
from examples.training.data import plan_batches
from examples.training.machine import keep_freed_memory
from examples.training.tables import markdown
from modeling_davihd import DAViHDModel
from modeling_davihd.files import write_json
from modeling_davihd.metrics.highlight_detection.scores import highlight_scores
from modeling_davihd.modeling_davihd import DAViHDDynamicsEncoder, FrequencyDynamicConv2d
from modeling_davihd.precision import resolve_device
from modeling_davihd.streaming_davihd import SegmentRows

HEADINGS = ("measurement", "ours", "textbook", "ratio", "target", "met")


# --------------------------------------------------------------- 1. frequency-dynamic convolution, encoder


def paper_convolutions(
    device: torch.device,
) -> list[tuple[FrequencyDynamicConv2d, torch.Tensor, torch.Tensor]]:
    """Those of the paper's preset, each with states (2, C, L, F) of 60 s and gamma (2, K, F).

    The states lie in memory with channels last, as the blocks leave them.
    """
    torch.manual_seed(0)
    config, cases = preset("davihd-mrhisum"), []
    encoder = network("davihd-mrhisum", device).dynamics_encoder
    frames, bins = config.log_mel_frames(60), config.num_mel_bins
    for block in encoder.blocks:
        if isinstance(block.conv, FrequencyDynamicConv2d):
            states = torch.randn(2, block.conv.weight.shape[2], frames, bins, device=device)
            states = states.contiguous(memory_format=torch.channels_last)
            gamma = torch.rand(2, len(block.conv.weight), bins, device=device).softmax(1)
            cases.append((block.conv, states.requires_grad_(), gamma.requires_grad_()))
        frames, bins = frames // block.pooling[0], bins // block.pooling[1]
    return cases


def our_convolution(conv: FrequencyDynamicConv2d, states: torch.Tensor, gamma: torch.Tensor) -> torch.Tensor:
    return conv(torch.nn.functional.pad(states, (1, 1, 1, 1)), gamma)


def convolutions(side: Callable, device: torch.device) -> Callable[[], object]:
    """A function that runs all of them forward and backward; libraries have loaded what it needs."""
    cases = paper_convolutions(device)
    for conv, states, gamma in cases:
        side(conv, states[:, :, :4], gamma).sum().backward()
    gradients = [torch.ones_like(side(*case)) for case in cases]
    pairs = list(zip(cases, gradients, strict=True))
    return lambda: [side(*case).backward(gradient) for case, gradient in pairs]


def check_convolution(conv: FrequencyDynamicConv2d, states: torch.Tensor, gamma: torch.Tensor):
    """Ours in float32 against the textbook's in float64: its float32 is less exact on some processors."""
    weighting = torch.randn(len(states), conv.out_channels, *states.shape[2:], device=states.device)

    def results(side: Callable, conv: FrequencyDynamicConv2d, *inputs: torch.Tensor) -> list[torch.Tensor]:
        output = side(conv, *inputs)
        return [output, *torch.autograd.grad((output * weighting).sum(), [conv.weight, *inputs])]

    doubles = [tensor.detach().double().requires_grad_() for tensor in (states, gamma)]
    exact = results(textbook.frequency_dynamic_convolution, copy.deepcopy(conv).double(), *doubles)
    for ours, other in zip(results(our_convolution, conv, states, gamma), exact, strict=True):
        check_equal(ours, other)


def frequency_dynamic(bench: Bench) -> Iterator[Measurement]:
    for case in paper_convolutions(bench.device):
        check_convolution(*case)
    sides = our_convolution, textbook.frequency_dynamic_convolution
    ours, other = bench.seconds(*(convolutions(side, bench.device) for side in sides))
    yield bench.faster("frequency-dynamic convolution, forward and backward, 2 x 60 s", ours, other, 2.5)
    ours, other = (memory(convolutions, side, bench.device).added for side in sides)
    yield Measurement(
        "frequency-dynamic convolution, peak memory",
        in_mib(ours),
        in_mib(other),
        other / ours,
        "≥ 2",
        other >= 2 * ours,
    )


def our_blocks(
    encoder: DAViHDDynamicsEncoder, log_mel: torch.Tensor, lengths: torch.Tensor | None = None
) -> torch.Tensor:
    return encoder.blocks(log_mel.transpose(1, 2)[:, None], lengths=lengths)[0]


def our_encoder(encoder: DAViHDDynamicsEncoder, log_mel: torch.Tensor, num_segments: int) -> torch.Tensor:
    return encoder(log_mel, SegmentRows.of_batch(len(log_mel), num_segments, device=log_mel.device))[0]


def dynamics_encoder(bench: Bench) -> Iterator[Measurement]:
    model, batch = network("davihd-mrhisum", bench.device), None
    encoder, batch = model.dynamics_encoder, random_batch(model.config, [60, 60], bench.device)
    log_mel = batch["log_mel"]
    sides = {
        "ours": (our_blocks, our_encoder),
        "textbook": (textbook.dynamics_blocks, textbook.dynamics_encoder),
    }
    with torch.no_grad():
        check_equal(*(encode(encoder, log_mel, 60) for _, encode in sides.values()), tolerance=1e-4)
    encoder.train()
    blocks = [partial(_train, partial(side[0], encoder, log_mel)) for side in sides.values()]
    whole = [partial(_train, partial(side[1], encoder, log_mel, 60)) for side in sides.values()]
    yield bench.faster("dynamics blocks at 62.5 frames/s, training, 2 x 60 s", *bench.seconds(*blocks), 1.8)
    name = "dynamics encoder at 62.5 frames/s, its Transformer included, training, 2 x 60 s"
    yield bench.faster(name, *bench.seconds(*whole), 1.8)
    encoder.eval()


def growth(bench: Bench) -> Iterator[Measurement]:
    """How the cost of training the paper's dynamics blocks grows, with what it depends on, from 2 x 60 s."""

    def step(seconds: int = 60, batch: int = 2, width: int = 1, padding: int = 0) -> Callable[[], object]:
        config = preset("davihd-mrhisum")
        config.modalities = ["dynamics"]
        config.dynamics_channels = [width * channels for channels in config.dynamics_channels]
        encoder = DAViHDModel(config).to(bench.device).train().dynamics_encoder
        frames = [config.log_mel_frames(seconds)] * batch
        log_mel = torch.rand(batch, config.num_mel_bins, frames[0], device=bench.device)
        frames[-1] = config.log_mel_frames(seconds - padding)
        lengths = torch.tensor(frames, device=bench.device) if padding else None
        return partial(_train, partial(our_blocks, encoder, log_mel, lengths))

    for name, change in {
        "twice the seconds": {"seconds": 120},
        "twice the videos": {"batch": 4},
        "twice the channels": {"width": 2},
        "a second of padding": {"padding": 1},
    }.items():
        more, once = bench.seconds(step(**change), step())
        name = f"dynamics blocks, training, 2 x 60 s: with {name}, and without"
        yield Measurement(name, in_seconds(more), in_seconds(once), more / once)


def _train(forward: Callable[[], torch.Tensor]):
    forward().sum().backward()


# ------------------------------------------------------------------------------- 2. videos of many lengths


def ragged_dynamics(bench: Bench) -> Iterator[Measurement]:
    model, lengths = network("davihd-mrhisum-reference", bench.device), mixed_lengths(120, 300)
    encoder, batch = model.dynamics_encoder, random_batch(model.config, lengths, bench.device)
    log_mel, mask = batch["log_mel"], batch["attention_mask"]
    segments = SegmentRows.of_batch(*mask.shape, mask)

    def ours() -> torch.Tensor:
        return encoder(log_mel, segments)[0]

    def loop(encode: Callable) -> torch.Tensor:
        videos = [(video[None, :, :n], n) for video, n in zip(log_mel, lengths, strict=True)]
        return torch.cat([encode(video, n).flatten() for video, n in videos])

    our_stack = partial(our_blocks, encoder, log_mel, torch.tensor(lengths, device=bench.device))
    textbook_stack = partial(loop, lambda video, n: textbook.dynamics_blocks(encoder, video))
    textbook_whole = partial(loop, partial(textbook.dynamics_encoder, encoder))
    with torch.no_grad():
        check_equal(ours().flatten(), textbook_whole(), tolerance=1e-4)
    encoder.train()
    stacks = bench.seconds(partial(_train, our_stack), partial(_train, textbook_stack))
    yield bench.faster("dynamics blocks at 1 frame/s, training, 16 x 120 to 300 s", *stacks, 2)
    whole = bench.seconds(partial(_train, ours), partial(_train, textbook_whole), repeats=3)
    name = "dynamics encoder at 1 frame/s, its Transformer included, training, 16 x 120 to 300 s"
    yield bench.faster(name, *whole, 2)
    encoder.eval()


def padding(bench: Bench) -> Iterator[Measurement]:
    """Padded work of an epoch of 2,000 videos with lengths like those of Mr.HiSum: mean 202 s, 120 to 300."""
    lengths = np.random.default_rng(0).triangular(120, 186, 300, 2000).round().astype(int)

    def wasted(batches: list[np.ndarray]) -> float:
        return float(1 - lengths.sum() / sum(len(batch) * lengths[batch].max() for batch in batches))

    grouped = wasted(plan_batches(lengths, 16, seed=0, epoch=0))
    plain = wasted(np.split(np.random.default_rng(0).permutation(2000), 125))
    yield Measurement(
        "padding in batches of 16", f"{grouped:.1%}", f"{plain:.1%}", plain / grouped, "< 10 %", grouped < 0.1
    )


# ------------------------------------------------------------------------------------------- 3, 4. training


def training_sides(
    name: str, lengths: list[int], device: torch.device
) -> tuple[Callable[[], object], Callable[[], object]]:
    """A training step of either side up to its gradients, without the optimiser."""
    model = network(name, device)
    batch = random_batch(model.config, lengths, device)
    features = {key: value for key, value in batch.items() if key != "labels"}

    def ours() -> torch.Tensor:
        return model(**batch).loss

    def other() -> torch.Tensor:
        scores = textbook.model(model, **features)
        return textbook.loss(scores, batch["labels"], batch["attention_mask"])

    with torch.no_grad():
        model.eval()
        check_equal(ours(), other())
        model.train()
    return partial(_step, model, ours), partial(_step, model, other)


def _step(model: DAViHDModel, loss: Callable[[], torch.Tensor]):
    model.zero_grad()
    loss().backward()


def training_step(bench: Bench) -> Iterator[Measurement]:
    preset_name = "davihd-mrhisum-reference"
    ours, other = training_sides(preset_name, mixed_lengths(133, 277), bench.device)
    yield bench.faster("training step, 16 x 133 to 277 s", *bench.seconds(ours, other, repeats=3), 1.4)
    even = training_sides(preset_name, [202] * 16, bench.device)
    yield bench.faster("training step, 16 x 202 s", *bench.seconds(*even, repeats=3), None)
    if not _has_bfloat16(bench.device):
        yield Measurement("training step, bf16 autocast", "this processor has no bf16", target="≥ 2.2")
        return

    def half():
        with torch.autocast(bench.device.type, torch.bfloat16):
            ours()

    yield bench.faster(
        "training step, bf16 autocast against float32", *bench.seconds(half, ours, repeats=3), 2.2
    )
    rates = [matrix_product_rate(bench, kind) / 1e9 for kind in (torch.bfloat16, torch.float32)]
    name = "matrix products of the machine, bf16 against float32"
    yield Measurement(name, *(f"{rate:.0f} GFLOP/s" for rate in rates), rates[0] / rates[1])


def _has_bfloat16(device: torch.device) -> bool:
    return device.type == "cuda" or torch.ops.mkldnn._is_mkldnn_bf16_supported()


def profile(bench: Bench) -> Iterator[Measurement]:
    """What each part of a training step takes alone, and how near the whole is to matrix products."""
    name, lengths = "davihd-mrhisum-reference", mixed_lengths(133, 277)
    step, _ = training_sides(name, lengths, bench.device)
    model = network(name, bench.device)
    parts = {key: part for key, part in model.named_children() if key != "dynamics_encoder"}
    parts |= {f"dynamics_encoder.{key}": part for key, part in model.dynamics_encoder.named_children()}
    calls = {key: record_calls(part) for key, part in parts.items()}
    step()
    (whole,) = bench.seconds(step, repeats=3)
    yield Measurement("one training step, 16 x 133 to 277 s", in_seconds(whole))
    for key, runs in calls.items():
        (seconds,) = bench.seconds(*[lambda runs=runs: [run() for run in runs]], repeats=3)
        yield Measurement(f"of which {key}", f"{in_seconds(seconds)}, {seconds / whole:.0%}")
    rate = flops_of(step) / whole / 1e9
    limit = matrix_product_rate(bench, torch.float32) / 1e9
    yield Measurement(
        "its arithmetic, against matrix products", f"{rate:.0f} GFLOP/s", f"{limit:.0f} GFLOP/s", rate / limit
    )


def record_calls(part: torch.nn.Module) -> list[Callable[[], object]]:
    """Record the next call of a module, or of each in a list: functions that run it alone, there and back."""
    modules = part if isinstance(part, torch.nn.ModuleList) else [part]
    runs: list[Callable[[], object]] = []

    def record(module: torch.nn.Module, arguments: tuple):
        hook.pop(module).remove()
        leaves = [_leaf(value) if torch.is_tensor(value) else value for value in arguments]
        runs.append(lambda: _train(lambda: _first(module(*leaves))))

    hook = {module: module.register_forward_pre_hook(record) for module in modules}
    return runs


def _leaf(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().clone().requires_grad_(tensor.is_floating_point())


def _first(output: torch.Tensor | tuple) -> torch.Tensor:
    return output if torch.is_tensor(output) else output[0]


def full_rate_forward(checkpointing: bool, device: torch.device) -> Callable[[], torch.Tensor]:
    """Computes the loss of davihd-base at 62.5 frames a second on 16 clips of 120 s."""
    model = network("davihd-base", device).train()
    if checkpointing:
        model.activation_checkpointing_enable()
    batch = random_batch(model.config, [120] * 16, device)
    return lambda: model(**batch).loss


def full_rate_step(checkpointing: bool, device: torch.device) -> Callable[[], object]:
    loss = full_rate_forward(checkpointing, device)
    return lambda: loss().backward()


def training_memory(bench: Bench) -> Iterator[Measurement]:
    clips = "davihd-base at 62.5 frames/s, 16 x 120 s"
    plain, saving = (memory(full_rate_forward, which, bench.device).held for which in (False, True))
    name = f"{clips}: kept for the backward pass with checkpointing, and without"
    yield Measurement(name, in_mib(saving), in_mib(plain), plain / saving, "≥ 2", plain >= 2 * saving)
    plain, saving = (memory(full_rate_step, which, bench.device).whole for which in (False, True))
    name = f"{clips}: peak of the process with checkpointing, and without"
    yield Measurement(name, in_mib(saving), in_mib(plain), plain / saving, "< 12 GB", plain < 12e9)


# --------------------------------------------------------------------------------------- 5. two-hour videos


def long_forward(side: str, segments: int, device: torch.device, name: str = "davihd-mrhisum") -> Callable:
    """Computes the scores of one video by the paper's network, in inference mode."""
    model = network(name, device)
    batch = random_batch(model.config, [segments], device)
    del batch["labels"]
    forward = model if side == "ours" else partial(textbook.model, model)
    return torch.inference_mode()(lambda: getattr(result := forward(**batch), "scores", result))


def long_forward_rows(bench: Bench) -> Iterator[Measurement]:
    for segments, repeats, wanted in ((202, 5, None), (1800, 3, None), (7200, 1, 2)):
        sides = [long_forward(side, segments, bench.device) for side in ("ours", "textbook")]
        check_equal(*(side() for side in sides), tolerance=1e-4)
        name = f"forward, full paper model, {segments} s"
        yield bench.faster(name, *bench.seconds(*sides, repeats=repeats), wanted)
    ours, other = (memory(long_forward, side, 7200, bench.device).whole for side in ("ours", "textbook"))
    name = "forward, full paper model, 7200 s, peak of the process"
    yield Measurement(name, in_mib(ours), in_mib(other), other / ours, "< 2.5 GB", ours < 2.5e9)


def compiled_forward(bench: Bench) -> Iterator[Measurement]:
    """The same network with `torch.compile` and without; compiling itself, slow as it is, is not counted."""
    model = network("davihd-base", bench.device)
    batch = random_batch(model.config, [202], bench.device)
    compiled = torch.compile(model)

    @torch.no_grad()
    def scores(forward: Callable) -> torch.Tensor:
        return forward(**batch).scores

    check_equal(scores(compiled), scores(model), tolerance=1e-4)
    times = bench.seconds(partial(scores, compiled), partial(scores, model))
    yield bench.faster("forward, davihd-base, 202 s: torch.compile against eager", *times, None)


def streamed_encoder(minutes: int, device: torch.device) -> Callable[[], object]:
    """Runs the convolutional blocks of the paper's dynamics encoder over that many minutes of sound."""
    encoder = network("davihd-mrhisum", device).dynamics_encoder
    log_mel = torch.rand(1, 128, encoder.config.log_mel_frames(60 * minutes), device=device)
    return torch.inference_mode()(lambda: our_blocks(encoder, log_mel))


def streaming_memory(bench: Bench) -> Iterator[Measurement]:
    """What the blocks take beyond their input, the part that grows with the film."""
    short, long = (memory(streamed_encoder, minutes, bench.device).added for minutes in (10, 120))
    name = "memory of the dynamics blocks: 2 hours, and 10 minutes"
    yield Measurement(name, in_mib(long), in_mib(short), short / long, "flat", long < 1.1 * short + 64 * MIB)


# --------------------------------------------------------------------------------------------- 8. metrics


def metrics(bench: Bench) -> Iterator[Measurement]:
    rng = np.random.default_rng(0)
    references = [rng.random(202) for _ in range(1000)]
    predictions = [reference + rng.normal(0, 0.5, 202) for reference in references]
    ours, other = highlight_scores(predictions, references), textbook.metrics(predictions, references)
    check_equal(*(torch.tensor([side[name] for name in other]) for side in (ours, other)), tolerance=1e-6)
    times = bench.seconds(
        lambda: highlight_scores(predictions, references), lambda: textbook.metrics(predictions, references)
    )
    yield bench.faster("metrics of 1,000 videos of 202 s", *times, 10)


CASES: dict[str, Callable[[Bench], Iterator[Measurement]]] = {
    "frequency-dynamic": frequency_dynamic,
    "dynamics-encoder": dynamics_encoder,
    "ragged-dynamics": ragged_dynamics,
    "growth": growth,
    "padding": padding,
    "training-step": training_step,
    "profile": profile,
    "training-memory": training_memory,
    "long-forward": long_forward_rows,
    "compiled-forward": compiled_forward,
    "streaming-memory": streaming_memory,
    "encoders": encoders.encoders,
    "highlight-small": films.highlight_small,
    "highlight-full": films.highlight_full,
    "highlight-encoders": films.highlight_full_encoders,
    "two-hours": films.two_hours,
    "two-hours-full": films.two_hours_full,
    "start-up": films.start_up,
    "jobs": films.jobs,
    "metrics": metrics,
    "reel": films.reel,
}
# Measured as training runs are: with what one step frees kept for the next.
TRAINING = ("frequency-dynamic", "dynamics-encoder", "growth", "ragged-dynamics", "training-step", "profile")
# What a GPU is for, in ten minutes: encoders, forward, training step in bf16, compiled.
GPU = ("encoders", "long-forward", "training-step", "compiled-forward")
# Only when asked for by name: half an hour on two cores, and what needs a compiler.
SLOW = ("two-hours-full", "compiled-forward")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=[*CASES, "gpu"],
        metavar="NAME",
        help=f"some of {', '.join(CASES)}; gpu: {', '.join(GPU)}, with --device cuda",
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write the figures to this file")
    parser.add_argument("--device", default="cpu", help="cpu or cuda: what the networks run on")
    options = parser.parse_args(arguments)
    names = options.only or [name for name in CASES if name not in SLOW]
    if "gpu" in names:
        names = [*GPU, *(name for name in names if name not in ("gpu", *GPU))]
    return run_command(partial(run, names, options.device, options.json), parser.prog)


def run(names: Sequence[str], device: str, json_file: Path | None):
    """Measure, print and write; each measurement in a process of its own, to leave no trace in another."""
    rows: list[Measurement] = []
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(resolve_device(device), Path(folder))
        for name in tqdm(names, disable=None):
            found = apart(rows_of, name, bench)
            for row in found:  # a run that is interrupted leaves what it has measured
                tqdm.write(" | ".join((row.name, *row.cells())), file=sys.stderr)
            rows += found
    print(machine(bench.device) + "\n")
    print(markdown(HEADINGS, {row.name: row.cells() for row in rows}))
    if json_file:
        write_json(json_file, {"machine": machine(bench.device), "rows": [asdict(row) for row in rows]})


def rows_of(name: str, bench: Bench) -> list[Measurement]:
    if name in TRAINING:
        keep_freed_memory()
    return list(CASES[name](bench))


if __name__ == "__main__":
    sys.exit(main())
