"""What the benchmark measures of the frozen encoders: speed, and how near it is to the machine's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from examples.benchmarking import textbook
from examples.benchmarking.measuring import Bench, Measurement, check_equal, matrix_product_rate
from modeling_davihd.backbones_davihd import FrozenBackbone, backbone_class, build_backbone
from modeling_davihd.precision import resolve_precision, set_precision

SEGMENTS = 16  # given to an encoder at a time
# By stream and name: the textbook's form, and how many times as long it should take as ours, in 32 bits and
# in 16.
ENCODERS: dict[tuple[str, str], tuple[Callable, float, float]] = {
    ("visual", "inception_v3"): (textbook.inception_v3, 1.6, 3.0),
    ("visual", "resnet3d_34"): (textbook.resnet3d_34, 1.2, 2.0),
    ("semantic", "panns_cnn14_16k"): (textbook.panns_cnn14_16k, 1.0, 1.5),
}


def random_backbone(stream: str, name: str, device: torch.device) -> FrozenBackbone:
    """The encoder with random weights and with batch norms that have something to do."""
    torch.manual_seed(0)
    backbone = build_backbone(stream, name, backbone_class(stream, name).dim or 1024)
    for key, tensor in backbone.state_dict().items():
        if key.endswith("running_mean"):
            tensor.normal_(std=0.1)
        elif key.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
    return backbone.to(device)


def encoders(bench: Bench) -> Iterator[Measurement]:
    limit, what = fastest(bench)
    precision = resolve_precision("auto", bench.device)
    for (stream, name), (other, wanted, wanted_of_16_bits) in ENCODERS.items():
        backbone = random_backbone(stream, name, bench.device)
        for count, least in ((SEGMENTS, wanted), (1, 0.9)):
            sides = sides_of(backbone, other, count)
            times = [seconds / count for seconds in bench.seconds(*sides)]
            yield bench.faster(f"{name}, a second of film, {count} at a time", *times, least)
            if count == SEGMENTS:
                yield _against_the_machine(name, sides[1], count * times[0], limit, what)
        if precision != "float32":
            set_precision(backbone, precision)
            sides = sides_of(backbone, other, SEGMENTS, tolerance=2e-2)
            times = [seconds / SEGMENTS for seconds in bench.seconds(*sides)]
            title = f"{name}, {precision}, a second of film, {SEGMENTS} at a time"
            yield bench.faster(title, *times, wanted_of_16_bits)
    yield _yamnet(bench)


def sides_of(
    backbone: FrozenBackbone, other: Callable, count: int, tolerance: float = 1e-5
) -> tuple[Callable[[], torch.Tensor], Callable[[], torch.Tensor]]:
    """Ours and the textbook's, for as many seconds; shown to be as near as that, relative to the largest."""
    inputs = torch.rand(count, *backbone.input_shape, device=backbone.device)
    sides = partial(backbone, inputs), torch.no_grad()(partial(other, backbone, inputs))
    check_equal(*(side() for side in sides), tolerance)
    return sides


def _against_the_machine(
    name: str, work: Callable[[], object], seconds: float, limit: float, what: str
) -> Measurement:
    """The textbook's arithmetic, padding included, in the time that ours takes."""
    with FlopCounterMode(display=False) as counter:
        work()
    rate = counter.get_total_flops() / seconds / 1e9
    title = f"{name}: its arithmetic, against the machine's fastest, {what}"
    return Measurement(title, f"{rate:.0f} GFLOP/s", f"{limit:.0f} GFLOP/s", rate / limit)


def _yamnet(bench: Bench) -> Measurement:
    """Its file has the batch norms folded already: ours is the textbook's form."""
    backbone = random_backbone("semantic", "yamnet", bench.device)
    inputs = torch.rand(SEGMENTS, *backbone.input_shape, device=bench.device)
    (seconds,) = bench.seconds(lambda: backbone(inputs))
    return Measurement(
        f"yamnet, a second of film, {SEGMENTS} at a time", f"{1000 * seconds / SEGMENTS:.1f} ms"
    )


def fastest(bench: Bench) -> tuple[float, str]:
    """GFLOP/s of what the machine is found to do fastest in float32, and its name."""
    states = torch.rand(SEGMENTS, 96, 35, 35, device=bench.device)
    states = states.contiguous(memory_format=torch.channels_last)
    weight = torch.rand(96, 96, 3, 3, device=bench.device)
    (seconds,) = bench.seconds(lambda: F.conv2d(states, weight, padding=1))
    convolution = 2 * states.numel() * weight[0].numel() / seconds
    product = matrix_product_rate(bench, torch.float32)
    rates = {"a product of square matrices": product, "a 3x3 convolution of 96 channels": convolution}
    name = max(rates, key=rates.get)
    return rates[name] / 1e9, name
