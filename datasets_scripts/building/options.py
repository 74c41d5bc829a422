"""Options that the command lines of this folder share."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from datasets_scripts.building.extraction import feature_extractor
from datasets_scripts.building.settings import Settings, check_weights
from modeling_davihd.backbones_davihd import BACKBONES
from modeling_davihd.conversion import EncoderChoice
from modeling_davihd.engines.errors import UsageError
from modeling_davihd.precision import PRECISIONS, resolve_device, resolve_precision
from modeling_davihd.streams_davihd import LOG_MEL_RATES, N_FFT, NUM_MEL_BINS, STREAMS, LogMel


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


def settings_from(arguments: argparse.Namespace) -> Settings:
    """The settings that the options stand for. Raises UsageError or DatasetError if they cannot be met."""
    encoders = {name: _encoder_from(arguments, name) for name in BACKBONES}
    encoders = {name: choice for name, choice in encoders.items() if choice is not None}
    log_mel = None
    if arguments.log_mel_rate != "none":
        log_mel = LogMel(float(arguments.log_mel_rate), arguments.num_mel_bins, arguments.n_fft)
    device = _device(arguments.device)
    precision = resolve_precision(arguments.dtype, torch.device(device))
    settings = Settings(encoders, log_mel, device, precision=precision)
    check_weights(settings)
    try:
        feature_extractor(settings)
    except ValueError as error:  # of a spectrogram that it will not make
        raise UsageError(str(error)) from error
    return settings


def _encoder_from(arguments: argparse.Namespace, stream: str) -> EncoderChoice | None:
    name = getattr(arguments, f"{stream}_backbone")
    files = {part: getattr(arguments, f"{stream}_{part}", None) for part in ("weights", "pca")}
    if name != "none":
        return EncoderChoice(name, **files)
    for part, path in files.items():
        if path is not None:
            raise UsageError(f"--{stream}-{part} is {path}, but no --{stream}-backbone is named to read it.")
    return None


def _device(name: str | None) -> str:
    name = name or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolve_device(name)
    except ValueError as error:
        raise UsageError(f"{error}.") from error
    return name
