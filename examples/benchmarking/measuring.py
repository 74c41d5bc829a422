"""How the benchmark measures: sides taking turns, memory in a fresh process, networks of real shapes."""

from __future__ import annotations

import importlib.metadata
import math
import multiprocessing
import platform
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

import torch
from torch.utils.flop_counter import FlopCounterMode

from modeling_davihd import DAViHDConfig, DAViHDModel

CONFIGURATION = Path(__file__).resolve().parent.parent.parent / "configuration"
MIB = 2**20
Returned = TypeVar("Returned")


@dataclass(frozen=True)
class Measurement:
    """One line of the table; `met` is whether it meets its target, None where there is none."""

    name: str
    ours: str
    textbook: str = ""
    ratio: float | None = None
    target: str = ""
    met: bool | None = None

    def cells(self) -> list[str]:
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        met = {True: "yes", False: "no", None: ""}[self.met]
        return [self.ours, self.textbook, ratio, self.target, met]


@dataclass(frozen=True)
class Bench:
    """Where and how often to measure, and a folder for the films."""

    device: torch.device
    films: Path

    def seconds(self, *sides: Callable[[], object], repeats: int = 5) -> list[float]:
        """Median seconds of each side; sides take turns, and the first run of each does not count."""
        runs = [[self._once(side) for side in sides] for _ in range(repeats + 1)][1:]
        return [statistics.median(side) for side in zip(*runs, strict=True)]

    def _once(self, side: Callable[[], object]) -> float:
        if self.device.type == "cuda":
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            side()
            end.record()
            end.synchronize()
            return start.elapsed_time(end) / 1000
        start = time.perf_counter()
        side()
        return time.perf_counter() - start

    def faster(self, name: str, ours: float, other: float, target: float | None) -> Measurement:
        """A row of two times in seconds; the target is a textbook that takes `target` times as long."""
        wanted = f"≥ {target}" if target else ""
        met = None if target is None else other / ours >= target
        return Measurement(name, in_seconds(ours), in_seconds(other), other / ours, wanted, met)


def matrix_product_rate(bench: Bench, kind: torch.dtype) -> float:
    """Floating-point operations a second of the product of two square matrices."""
    side = 2048
    left, right = (torch.rand(side, side, device=bench.device, dtype=kind) for _ in range(2))
    (seconds,) = bench.seconds(lambda: left @ right)
    return 2 * side**3 / seconds


def flops_of(work: Callable[[], object]) -> int:
    """Floating-point operations of what it computes in convolutions, matrix products and eager attention."""
    with FlopCounterMode(display=False, custom_mapping={torch.ops.aten.baddbmm_: _added_product}) as counter:
        work()
    return counter.get_total_flops()


def _added_product(total: torch.Size, left: torch.Size, right: torch.Size, **_) -> int:
    """Those of `total.baddbmm_(left, right)`, given the shapes."""
    return 2 * math.prod(left) * right[2]


def in_seconds(value: float) -> str:
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.2f} s"


def in_mib(value: float) -> str:
    return f"{value / MIB:.0f} MiB"


@dataclass(frozen=True)
class Memory:
    """Bytes. added: at the peak, beyond what was there before; whole: at the peak; held: by the result."""

    added: int
    whole: int
    held: int


def memory(work: Callable[..., Callable[[], object]], *arguments) -> Memory:
    """What a fresh process takes for `work(*arguments)()`; added does not count what `work` itself takes."""
    return apart(_memory_here, work, *arguments)


def apart(function: Callable[..., Returned], *arguments) -> Returned:
    """What a function returns when a process of its own runs it."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as process:
        return process.submit(function, *arguments).result()


def _memory_here(work: Callable[..., Callable[[], object]], *arguments) -> Memory:
    run = work(*arguments)
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        before, result = torch.cuda.memory_allocated(), run()
        after, most = torch.cuda.memory_allocated(), torch.cuda.max_memory_allocated()
    else:
        Path("/proc/self/clear_refs").write_text("5")  # Linux: forget the highest resident size so far
        before, result = _resident("VmRSS"), run()
        after, most = _resident("VmRSS"), _resident("VmHWM")
    del result
    return Memory(most - before, most, after - before)


def _resident(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(field)).split()[1])


def preset(name: str) -> DAViHDConfig:
    return DAViHDConfig.from_pretrained(CONFIGURATION / name)


@cache
def network(name: str, device: torch.device) -> DAViHDModel:
    torch.manual_seed(0)
    return DAViHDModel(preset(name)).to(device).eval()


def random_batch(config: DAViHDConfig, lengths: list[int], device: torch.device) -> dict[str, torch.Tensor]:
    """Inputs and labels of videos of those lengths in seconds, padded to the longest."""
    generator = torch.Generator().manual_seed(0)
    batch, longest = len(lengths), max(lengths)
    shapes = {stream.column: (batch, longest, config.stream_dim(stream)) for stream in config.feature_streams}
    shapes["log_mel"] = (batch, config.num_mel_bins, config.log_mel_frames(longest))
    shapes["labels"] = (batch, longest)
    inputs = {name: torch.rand(shape, generator=generator) for name, shape in shapes.items()}
    inputs["attention_mask"] = (torch.arange(longest) < torch.tensor(lengths)[:, None]).long()
    return {name: value.to(device) for name, value in inputs.items()}


def mixed_lengths(shortest: int, longest: int, count: int = 16) -> list[int]:
    """That many lengths in whole seconds, evenly spread."""
    return torch.linspace(shortest, longest, count).round().int().tolist()


def check_equal(ours: torch.Tensor, other: torch.Tensor, tolerance: float = 1e-5):
    """Raise ValueError unless the largest difference is at most `tolerance` of the largest value."""
    difference = float(((ours - other).abs().max() / other.abs().max()).detach())
    if not difference <= tolerance:
        raise ValueError(
            f"The two sides differ by {difference:.1e} of the largest value; {tolerance} is allowed."
        )


def machine(device: torch.device) -> str:
    """The processor and the versions that a measurement depends on."""
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("torch", "transformers", "av")
    )
    where = f"{_processor()}, {torch.get_num_threads()} threads"
    if device.type == "cuda":
        where = torch.cuda.get_device_name(device)
    return f"{where}; Python {platform.python_version()}, {versions}"


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    named = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()
