"""Options that the command lines of this folder share."""

import argparse
from pathlib import Path

from modeling_davihd.backbones_davihd import BACKBONES
from modeling_davihd.precision import PRECISIONS
from modeling_davihd.streams_davihd import LOG_MEL_RATES, N_FFT, NUM_MEL_BINS, STREAMS


def add_extraction_arguments(parser: argparse.ArgumentParser) -> None:
    """Options that say which features to compute; `settings_from` reads them.

    For each stream that has encoders, --visual-backbone and --visual-weights, for example, and --visual-pca
    if one of them needs it; --log-mel-rate, --num-mel-bins, --n-fft, --device and --dtype.
    """
    group = parser.add_argument_group("features")
    for stream in BACKBONES:
        _add_encoder_arguments(group, stream)
    rates = [f"{rate:g}" for rate in LOG_MEL_RATES]
    group.add_argument(
        "--log-mel-rate",
        choices=(*rates, "none"),
        default=rates[0],
        help=f"log-Mel frames a second (default {rates[0]})",
    )
    for option, default, what in (
        ("--num-mel-bins", NUM_MEL_BINS, "its frequency bins"),
        ("--n-fft", N_FFT, "samples of its window"),
    ):
        group.add_argument(option, type=int, default=default, metavar="N", help=f"{what} (default {default})")
    group.add_argument("--device", help="where encoders run (default cuda if there is one, else cpu)")
    group.add_argument(
        "--dtype",
        choices=PRECISIONS,
        default="float32",
        help="what encoders compute in (default float32); auto is bfloat16 where the processor of this "
        "machine has instructions for it, and makes features that depend on the machine",
    )


def name_encoders(options: argparse.Namespace) -> bool:
    """Whether the options name an encoder, which needs films."""
    return any(getattr(options, f"{stream}_backbone") != "none" for stream in BACKBONES)


def _add_encoder_arguments(group: argparse._ArgumentGroup, stream: str) -> None:
    known = BACKBONES[stream]
    source = "the picture" if STREAMS[stream].sees else "the sound"
    names = list(known)
    free = [name for name, kind in known.items() if kind.embedded or not kind.needs_weights]
    choices = f"none, {', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else f"none or {names[0]}"
    text = f"encoder of {source}: {choices}"
    text += f"; no weights are needed for {' and '.join(free)}" if free else ""
    group.add_argument(f"--{stream}-backbone", default="none", metavar="NAME", help=f"{text} (default none)")
    group.add_argument(
        f"--{stream}-weights",
        type=Path,
        metavar="FILE",
        help="its published checkpoint, .pth, .safetensors or .h5",
    )
    if named := [name for name, kind in known.items() if kind.needs_pca]:
        group.add_argument(
            f"--{stream}-pca", type=Path, metavar="FILE", help=f"PCA of {' and '.join(named)}, .npz or .npy"
        )
