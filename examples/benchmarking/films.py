"""What the benchmark measures on films: 720p, 25 frames a second, sound, twenty seconds over and over."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

import av
import numpy as np
import torch

from datasets_scripts.synthesis.soundtrack import generate_soundtrack
from examples.benchmarking import textbook
from examples.benchmarking.measuring import (
    CONFIGURATION,
    Bench,
    Measurement,
    check_equal,
    in_mib,
    in_seconds,
    memory,
    preset,
)
from modeling_davihd import DEFAULT_CHECKPOINT, DAViHDModel, VideoHighlightDetectionPipeline
from modeling_davihd.feature_extraction_davihd import feature_extractor_for
from modeling_davihd.media import cut_reel, probe, stream_segments, write_film
from modeling_davihd.metrics.highlight_detection.scores import dense_ranks, spearman
from modeling_davihd.precision import resolve_precision, set_precision

Result = TypeVar("Result")
FPS = 25
UNIT = 20  # seconds
FILM_SAMPLING_RATE = 48000


def film_of(folder: Path, minutes: float) -> Path:
    """A film of that many minutes; the folder keeps it for the next time."""
    path, unit = folder / f"film-{minutes:.2f}.mp4", folder / "unit.mp4"
    if not unit.exists():
        _write_unit(unit)
    if not path.exists():
        _repeat(unit, path, round(60 * minutes))
    return path


def _write_unit(path: Path):
    """Write a picture that moves sideways, with a generated soundtrack in stereo."""
    blocks = np.random.default_rng(0).integers(0, 255, (45, 90, 3), dtype=np.uint8)
    wide = np.kron(blocks, np.ones((16, 16, 1), np.uint8))
    frames = (wide[:, (2 * k) % 160 :][:, :1280] for k in range(UNIT * FPS))
    sound = generate_soundtrack(0, duration=UNIT).waveform.repeat(FILM_SAMPLING_RATE // 16000)
    write_film(path, frames, np.stack((sound, sound), 1), fps=FPS, sampling_rate=FILM_SAMPLING_RATE)


def _repeat(unit: Path, path: Path, seconds: int):
    """Copy the packets of a film over and over, with time stamps that run on, until `seconds` are filled."""
    with av.open(unit) as source, av.open(path, "w") as target:
        streams = [source.streams.video[0], source.streams.audio[0]]
        copies = [target.add_stream_from_template(stream) for stream in streams]
        packets = [packet for packet in source.demux(streams) if packet.size]
        facts = [
            (bytes(p), streams.index(p.stream), p.pts, p.dts, p.duration, p.is_keyframe) for p in packets
        ]
        bases = [stream.time_base for stream in streams]
        spans = [_span(facts, i) for i in range(2)]
        for turn in range(-(-seconds // UNIT)):
            for data, which, pts, dts, duration, key in facts:
                shift = turn * spans[which]
                if (dts + shift) * bases[which] >= seconds:
                    continue
                packet = av.Packet(data)
                packet.stream, packet.time_base = copies[which], bases[which]
                packet.pts, packet.dts, packet.duration = pts + shift, dts + shift, duration
                packet.is_keyframe = key
                target.mux(packet)


def _span(facts: list[tuple], which: int) -> int:
    """How long the packets of one stream last in all, in its time base."""
    return sum(duration for _, index, _, _, duration, _ in facts if index == which)


def small_pipeline() -> VideoHighlightDetectionPipeline:
    from modeling_davihd.loading import load_pipeline

    return load_pipeline(str(DEFAULT_CHECKPOINT), torch.device("cpu"))


def full_pipeline() -> VideoHighlightDetectionPipeline:
    """The paper's network with its frozen encoders, all with random weights."""
    torch.manual_seed(0)
    config = preset("davihd-mrhisum")
    config.visual_backbone, config.semantic_backbone = "inception_v3", "panns_cnn14_16k"
    model = DAViHDModel(config).eval()
    return VideoHighlightDetectionPipeline(model, feature_extractor=feature_extractor_for("inception_v3"))


def highlight_small(bench: Bench) -> Iterator[Measurement]:
    film = film_of(bench.films, minutes=10)
    detect = small_pipeline()
    check_equal(
        torch.tensor(detect(film)["scores"]), torch.tensor(textbook.highlight(detect, film)), tolerance=1e-3
    )
    ours, other = bench.seconds(lambda: detect(film), lambda: textbook.highlight(detect, film), repeats=3)
    name = f"davihd-small, 10-minute 720p film ({600 / ours:.0f} x real time)"
    yield Measurement(name, in_seconds(ours), in_seconds(other), other / ours, "≥ 200 x", 600 / ours >= 200)
    yield from _parts(detect, film)


def _parts(detect: VideoHighlightDetectionPipeline, film: Path) -> Iterator[Measurement]:
    """What a film's parts take one after the other; together, decoding hides behind the rest."""
    info, features = probe(film), detect.feature_stream(probe(film))
    chunks, decoding = _timed(lambda: list(stream_segments(info, **features.wanted)))
    _, log_mel = _timed(lambda: [features.add(chunk) for chunk in chunks])
    inputs = {name: value[None] for name, value in features.result().items()}
    output, network = _timed(torch.inference_mode()(lambda: detect.model(**inputs)))
    _, rest = _timed(lambda: detect.calibration.find(output.scores[0].numpy()))
    seconds = {"decoding": decoding, "log-Mel": log_mel, "network": network, "choice of highlights": rest}
    for name, value in seconds.items():
        share = value / sum(seconds.values())
        yield Measurement(f"of which {name}", f"{in_seconds(value)}, {share:.0%}")


def highlight_full(bench: Bench) -> Iterator[Measurement]:
    """Decoding alone and networks alone, on one core each, against both at once on all cores."""
    film, detect = film_of(bench.films, minutes=2), full_pipeline()
    sampling = detect.feature_stream(probe(film)).wanted["frames"]
    cores, threads = len(os.sched_getaffinity(0)), torch.get_num_threads()
    (together,) = bench.seconds(lambda: detect(film), repeats=1)
    os.sched_setaffinity(0, {0})
    try:
        chunks, decoding = _timed(lambda: list(stream_segments(film, frames=sampling)))
        torch.set_num_threads(1)
        _, computing = _timed(lambda: _score_chunks(detect, film, chunks))
    finally:
        os.sched_setaffinity(0, range(cores))
        torch.set_num_threads(threads)
    bound = (decoding + computing) / cores
    parts = f"({decoding:.0f} s decoding + {computing:.0f} s networks) / {cores}"
    name = f"full model, 2-minute 720p film; bound {parts}"
    yield Measurement(
        name, in_seconds(together), in_seconds(bound), bound / together, "≥ 0.8", bound / together >= 0.8
    )


def highlight_full_encoders(bench: Bench) -> Iterator[Measurement]:
    """Our way of running the encoders against the textbook's, on films down to a second."""
    ours, other = full_pipeline(), full_pipeline()
    for name, form in (("visual", textbook.inception_v3), ("semantic", textbook.panns_cnn14_16k)):
        backbone = other.model.get_submodule(f"{name}_backbone")
        backbone.encode, backbone.chunk_size = partial(form, backbone), 16
    for seconds in (1, 10, 60):
        film = film_of(bench.films, minutes=seconds / 60)
        check_equal(*(torch.tensor(detect(film)["scores"]) for detect in (ours, other)))
        times = bench.seconds(*(partial(detect, film) for detect in (ours, other)), repeats=3)
        name = f"full model, {seconds} s of 720p, its encoders ours and the textbook's"
        yield bench.faster(name, *times, 1.25 if seconds == 60 else 0.9)
    yield from _full_in_16_bits(bench, ours, other, film)


def _full_in_16_bits(
    bench: Bench, ours: VideoHighlightDetectionPipeline, other: VideoHighlightDetectionPipeline, film: Path
) -> Iterator[Measurement]:
    precision = resolve_precision("auto", bench.device)
    if precision == "float32":
        return
    set_precision(ours.model, precision)
    times = bench.seconds(*(partial(detect, film) for detect in (ours, other)), repeats=3)
    rho = spearman(*(dense_ranks(np.array(detect(film)["scores"])) for detect in (ours, other)))
    yield bench.faster(f"the last, in {precision} (Spearman of the scores {rho:.5f})", *times, 1.8)


def _timed(work: Callable[[], Result]) -> tuple[Result, float]:
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


@torch.inference_mode()
def _score_chunks(detect: VideoHighlightDetectionPipeline, film: Path, chunks: list) -> torch.Tensor:
    features = detect.feature_stream(probe(film))
    for chunk in chunks:
        features.add(chunk)
    return detect.model(**{name: value[None] for name, value in features.result().items()}).scores


def scored_film(which: str, film: Path) -> Callable[[], object]:
    detect = small_pipeline() if which == "small" else full_pipeline()
    return lambda: detect(film)


def two_hours(bench: Bench) -> Iterator[Measurement]:
    film = film_of(bench.films, minutes=120)
    small = memory(scored_film, "small", film).whole
    yield Measurement(
        "davihd-small, 2-hour 720p film, peak of the process", in_mib(small), target="< 1 GB", met=small < 1e9
    )


def two_hours_full(bench: Bench) -> Iterator[Measurement]:
    film = film_of(bench.films, minutes=120)
    full = memory(scored_film, "full", film).whole
    yield Measurement(
        "full model, 2-hour 720p film, peak of the process", in_mib(full), target="< 4 GB", met=full < 4e9
    )


COMMAND = "import sys; from modeling_davihd.cli import main; sys.exit(main(sys.argv[1:]))"
DAVIHD = [sys.executable, "-c", COMMAND]
NEEDED = """
from modeling_davihd.jobs import without_collection
with without_collection():
    from modeling_davihd import clean_edges, registration, sound_names
"""
# The system's own record of memory: what wait4 tells of a process begins with what its parent has.
USED = """
import time
most = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(time.process_time(), most.split()[1])
"""


def start_up(bench: Bench) -> Iterator[Measurement]:
    film = film_of(bench.films, minutes=1 / 6)
    for name, arguments, limit in (
        ("davihd --help", [*DAVIHD, "highlight", "--help"], 0.5),
        ("import modeling_davihd", [sys.executable, "-c", "import modeling_davihd"], 0.3),
        ("davihd highlight of 10 s", [*DAVIHD, "highlight", str(film), "--output-dir", str(bench.films)], 6),
    ):
        (seconds,) = bench.seconds(partial(_run, arguments))
        yield Measurement(name, in_seconds(seconds), target=f"< {limit} s", met=seconds < limit)
    sides = [[_cost(code) for code in (NEEDED, "import torch")] for _ in range(5)]
    (ours, torch_alone), (memory_of_ours, memory_of_torch) = (
        [statistics.median(side[kind] for side in run) for run in zip(*sides, strict=True)] for kind in (0, 1)
    )
    name = "imports of davihd highlight, and of torch alone, processor time"
    yield Measurement(name, in_seconds(ours), in_seconds(torch_alone), torch_alone / ours, "< 2 s", ours < 2)
    name = "imports of davihd highlight, and of torch alone, peak of the process"
    sizes = in_mib(memory_of_ours), in_mib(memory_of_torch)
    small = memory_of_ours < 750e6
    yield Measurement(name, *sizes, memory_of_torch / memory_of_ours, "< 750 MB", small)


def _run(arguments: list[str]) -> None:
    subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL, cwd=CONFIGURATION.parent)


def _cost(code: str) -> tuple[float, int]:
    """Processor seconds and most bytes of memory of a process that runs this code."""
    command = [sys.executable, "-c", f"{code}\n{USED}"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=CONFIGURATION.parent)
    seconds, kilobytes = done.stdout.split()
    return float(seconds), 1024 * int(kilobytes)


def jobs(bench: Bench) -> Iterator[Measurement]:
    """Forty films of a minute, as many at a time as there are cores, and one after the other."""
    films = [bench.films / f"minute-{number}.mp4" for number in range(40)]
    for film in films:
        os.link(film_of(bench.films, minutes=1), film)
    command = [
        *DAVIHD,
        "highlight",
        *map(str, films),
        "--output-dir",
        str(bench.films),
        "--top-k",
        "1",
        "--jobs",
    ]
    cores = str(len(os.sched_getaffinity(0)))
    (_, ours), (_, other) = (_timed(partial(_run, [*command, number])) for number in (cores, "1"))
    name = f"davihd highlight, 40 films of a minute of 720p: --jobs {cores}, and --jobs 1"
    yield bench.faster(name, ours, other, 1.6)


def reel(bench: Bench) -> Iterator[Measurement]:
    film = film_of(bench.films, minutes=10)
    pieces = [(60.0 * i + 7, 60.0 * i + 17) for i in range(6)]
    (seconds,) = bench.seconds(lambda: cut_reel(film, pieces, bench.films / "reel.mp4"), repeats=3)
    name = f"a reel of 60 s out of 10 minutes of 720p ({60 / seconds:.1f} x real time)"
    yield Measurement(name, in_seconds(seconds), target="≥ 4 x", met=60 / seconds >= 4)
