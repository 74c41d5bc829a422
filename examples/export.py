"""Write a model as a graph that runs without this package: ONNX, and a program of torch.export.

    python examples/export.py --model davihd-small --output build/davihd-small

The folder gets model.onnx, model.pt2, the two JSON files of the checkpoint, which say how inputs are made
and which scores are highlights, and the filters of the log-Mel spectrogram, mel_filters.npy. Batch and
lengths are open, and inputs have the names that they have in Python: features, log-Mel and `attention_mask`,
which is 1 at real seconds and 0 at padding; frozen encoders stay behind. Both graphs are first checked
against PyTorch. docs/export.md says more.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import sys
import warnings
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from transformers.utils import logging as transformers_logging

if __package__ in (None, ""):  # from examples/, "evaluate" would be the script beside this one
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from datasets_scripts.building.console import run_command
from modeling_davihd import DAViHDModel
from modeling_davihd.feature_extraction_davihd import mel_spectrogram
from modeling_davihd.files import whole_folder
from modeling_davihd.loading import DEFAULT_MODEL, checkpoint_folder, load_extractor, load_model

SETTINGS_FILES = ("config.json", "preprocessor_config.json")
NEEDED = ("onnx", "onnxscript", "onnxruntime")
ONNX_FILE, PROGRAM_FILE, FILTERS_FILE = "model.onnx", "model.pt2", "mel_filters.npy"


def checked_model(folder: Path, name: str) -> DAViHDModel:
    """The model of a checkpoint folder, in float32. Raises ValueError, with its name, for any but DAViHD."""
    try:
        model = load_model(folder)
    except ValueError as error:
        raise ValueError(f"{name} does not load: {error}") from error
    if not isinstance(model, DAViHDModel):
        raise ValueError(f"{name} is a {model.config.model_type} model; only DAViHD's can be exported.")
    return model.float()


def export(model: DAViHDModel, folder: Path) -> str:
    """Write both graphs into a folder; returns a line about them. Raises ValueError if they are wrong."""
    from examples.exporting.graphs import TOLERANCE, largest_difference, onnx_of, program_of

    program = program_of(model)
    onnx = onnx_of(program, model.config)
    onnx.save(folder / ONNX_FILE)
    torch.export.save(program, folder / PROGRAM_FILE)
    difference = largest_difference(model, folder / ONNX_FILE, folder / PROGRAM_FILE)
    if not difference <= TOLERANCE:
        raise ValueError(f"its exported graph's scores differ from the model's by {difference:.2g}.")
    size, opset = (folder / ONNX_FILE).stat().st_size / 2**20, onnx.model.opset_imports[""]
    return f"{ONNX_FILE} of {size:.1f} MB, opset {opset}; scores differ by at most {difference:.1g}"


def run(options: argparse.Namespace) -> None:
    """Do what the command line asks for, all or nothing. Raises ValueError or OSError."""
    output = options.output
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise ValueError(f"{missing[0]} is not installed: pip install 'davihd[onnx]' brings it.")
    if output.exists() and not (output.is_dir() and not any(output.iterdir())):
        raise ValueError(f"--output is {output}, which is there already; a new or empty folder is needed.")
    try:
        source = checkpoint_folder(options.model)
        extractor = load_extractor(source)
    except ValueError as error:
        raise ValueError(f"{options.model} does not load: {error}") from error
    model = checked_model(source, options.model)
    with whole_folder(output) as folder:
        print(f"{output}  {export(model, folder)}")
        for name in SETTINGS_FILES:
            shutil.copyfile(source / name, folder / name)
        if model.config.reads_spectrogram and model.config.log_mel_rate != 1:
            filters = mel_spectrogram(extractor.n_fft, extractor.num_mel_bins).mel_scale.fb
            np.save(folder / FILTERS_FILE, filters.numpy())


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 exported, 1 the model cannot be, 2 wrong usage."""
    parser = argparse.ArgumentParser(
        prog="export.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--model", default=DEFAULT_MODEL, metavar="MODEL", help=f"folder, Hub id or {DEFAULT_MODEL} (default)"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder to make")
    options = parser.parse_args(arguments)
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return run_command(partial(run, options), "export.py")


if __name__ == "__main__":
    sys.exit(main())
