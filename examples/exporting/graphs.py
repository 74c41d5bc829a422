"""A model as a graph of `torch.export` and of ONNX, its batch and its lengths left open, and checks of both.

B is the batch, T the number of one-second segments.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import nn
from torch.export import Dim, ExportedProgram
from torch.onnx import ONNXProgram

from modeling_davihd import DAViHDConfig, DAViHDModel
from modeling_davihd.streams_davihd import LOG_MEL_FLOOR, Stream

Inputs = dict[str, torch.Tensor]

OUTPUT = "scores"
TRACED = (7, 5)  # seconds of the films that a graph is made with; any others would do
CHECKED = ((1,), (5, 2), (31, 17, 1), (64,), (3, 90))  # those of the batches that it is checked with
TOLERANCE = 1e-4
_SILENCE = math.log(LOG_MEL_FLOOR)


class Scoring(nn.Module):
    """What a graph is made of: a model's inputs by their names -> scores (B, T)."""

    def __init__(self, model: DAViHDModel):
        super().__init__()
        self.model = model

    def forward(self, inputs: Inputs) -> torch.Tensor:
        return self.model(**inputs).scores


def made_up_inputs(config: DAViHDConfig, lengths: Sequence[int]) -> Inputs:
    """A batch of films of so many seconds: noise, silent for a third of each, and NaN at padding."""
    generator = torch.Generator().manual_seed(len(lengths) + max(lengths))
    batch, seconds = len(lengths), max(lengths)
    inputs: Inputs = {}
    for stream in config.streams:
        shape = input_shape(config, stream, seconds)
        values = torch.randn(batch, *shape, generator=generator)
        for film, length in zip(values, lengths, strict=True):
            if stream.spectrogram:
                film.mul_(3).sub_(6)[:, config.log_mel_frames(2 * length // 3) :] = _SILENCE
                film[:, config.log_mel_frames(length) :] = torch.nan
            else:
                film[length:] = torch.nan
        inputs[stream.column] = values
    inputs["attention_mask"] = (torch.arange(seconds) < torch.tensor(lengths)[:, None]).long()
    return inputs


def input_shape(config: DAViHDConfig, stream: Stream, seconds: int) -> tuple[int, int]:
    """That of a stream's input for one film of so many seconds."""
    if stream.spectrogram:
        return config.num_mel_bins, config.log_mel_frames(seconds)
    return seconds, config.stream_dim(stream)


def open_sizes(config: DAViHDConfig) -> dict[str, dict[int, Dim]]:
    """Which sizes of each input a graph leaves open, and their names."""
    batch, seconds = Dim("batch"), Dim("seconds")
    sizes = {stream.column: {0: batch, 1: seconds} for stream in config.streams}
    if config.reads_spectrogram:
        frames = seconds if config.log_mel_rate == 1 else Dim("frames", min=config.log_mel_frames(1))
        sizes["log_mel"] = {0: batch, 2: frames}
    return sizes | {"attention_mask": {0: batch, 1: seconds}}


def program_of(model: DAViHDModel) -> ExportedProgram:
    """The graph that `torch.export` makes of a model in evaluation mode."""
    model.config._attn_implementation = "eager"  # SDPA asks whether there are several segments
    inputs = made_up_inputs(model.config, TRACED)
    with torch.no_grad():
        return torch.export.export(
            Scoring(model), (inputs,), dynamic_shapes={"inputs": open_sizes(model.config)}
        )


def onnx_of(program: ExportedProgram, config: DAViHDConfig) -> ONNXProgram:
    """The same graph in ONNX, whose inputs have the names that they have in Python."""
    (inputs,), _ = program.example_inputs
    sizes = open_sizes(config)
    names = {column: {axis: size.__name__ for axis, size in sizes[column].items()} for column in inputs}
    made = torch.onnx.export(
        program,
        dynamic_shapes={"inputs": names},
        input_names=list(inputs),
        output_names=[OUTPUT],
        dynamo=True,
        verbose=False,
    )
    assert made is not None  # as it would be, had it been asked to write a file
    for node in made.model.graph.all_nodes():
        node.metadata_props.clear()  # lines of code that it came from, on this machine
    return made


def largest_difference(model: DAViHDModel, onnx: Path, program: Path) -> float:
    """By how much scores of the graphs in two files differ from those of the model, at several lengths."""
    session = onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    compiled, largest = torch.export.load(program).module(), 0.0
    for lengths in CHECKED:
        inputs = made_up_inputs(model.config, lengths)
        with torch.no_grad():
            expected, exported = model(**inputs).scores.numpy(), compiled(inputs).numpy()
        (found,) = session.run([OUTPUT], {name: values.numpy() for name, values in inputs.items()})
        for scores in (exported, found):
            largest = max(largest, float(np.abs(scores - expected).max()))
    return largest
