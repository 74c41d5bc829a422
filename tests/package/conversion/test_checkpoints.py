"""Files of other people's code: what is read, what is refused, and that nothing is executed."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from paths import ROOT
from safetensors.torch import save_file

from modeling_davihd import conversion
from modeling_davihd.conversion import load_foreign_checkpoint, strict_rename

WEIGHTS = {"conv.weight": torch.arange(6.0).view(2, 3), "conv.bias": torch.ones(2)}


def shapes(state):
    return {key: tuple(value.shape) for key, value in state.items()}


# Files


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".bin"])
@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
def test_pickled_weights_are_unwrapped(tmp_path, suffix, wrapper):
    path = tmp_path / f"weights{suffix}"
    torch.save({wrapper: WEIGHTS, "epoch": 3} if wrapper else WEIGHTS, path)
    loaded = load_foreign_checkpoint(path)
    assert loaded.keys() == WEIGHTS.keys() and all(torch.equal(loaded[key], WEIGHTS[key]) for key in WEIGHTS)


def test_safetensors_are_read(tmp_path):
    save_file(WEIGHTS, tmp_path / "weights.safetensors")
    assert shapes(load_foreign_checkpoint(tmp_path / "weights.safetensors")) == shapes(WEIGHTS)


def test_the_prefix_of_data_parallel_models_is_removed(tmp_path):
    torch.save({"state_dict": {f"module.{key}": value for key, value in WEIGHTS.items()}}, tmp_path / "w.pth")
    assert load_foreign_checkpoint(tmp_path / "w.pth").keys() == WEIGHTS.keys()
    torch.save({"module.weight": torch.ones(1), "other": torch.ones(1)}, tmp_path / "part.pth")
    assert load_foreign_checkpoint(tmp_path / "part.pth").keys() == {"module.weight", "other"}


@pytest.mark.parametrize("zip_format", [True, False])
def test_numpy_values_beside_the_weights_do_no_harm(tmp_path, zip_format):
    extra = {"sampler": {"indexes": np.arange(5), "pointers": [0, 1]}, "best": np.float64(0.4)}
    path = tmp_path / "Cnn14_16k.pth"
    torch.save({"model": WEIGHTS, **extra}, path, _use_new_zipfile_serialization=zip_format)
    if not zip_format:  # the name under which NumPy 1 stored its arrays
        path.write_bytes(path.read_bytes().replace(b"numpy._core", b"numpy.core"))
    assert load_foreign_checkpoint(path).keys() == WEIGHTS.keys()


class Intruder:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("zip_format", [True, False])
def test_code_in_a_pickle_is_refused_and_never_run(tmp_path, zip_format):
    path, trace = tmp_path / "evil.pth", tmp_path / "trace"
    torch.save({"model": WEIGHTS, "x": Intruder(trace)}, path, _use_new_zipfile_serialization=zip_format)
    with pytest.raises(ValueError, match=r"evil\.pth is not loaded: .* could run code"):
        load_foreign_checkpoint(path)
    assert not trace.exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.pth", b"", "empty.pth is not loaded: it is damaged"),
        ("page.pth", b"<!DOCTYPE html><html></html>", "page.pth is not loaded: it is damaged"),
        ("cut.pth", b"PK\x03\x04" + bytes(200), "cut.pth is not loaded: it is damaged"),
        ("cut.safetensors", b"\x10\x00", "cut.safetensors is not a readable safetensors file"),
        (
            "weights.h5",
            b"",
            "weights.h5 is not a checkpoint: its name must end in .safetensors, .pth, .pt or .bin",
        ),
    ],
)
def test_what_is_no_checkpoint_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError) as error:
        load_foreign_checkpoint(tmp_path / name)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([torch.ones(1)], "holds a list, not a state dict"),
        ({}, "holds nothing, not a state dict"),
        ({"weight": torch.ones(1), "epoch": 3}, "not a state dict of named tensors: it also holds epoch."),
        ({0: torch.ones(1)}, "not a state dict of named tensors: it also holds 0."),
    ],
)
def test_what_is_no_state_dict_is_described(tmp_path, content, message):
    torch.save(content, tmp_path / "odd.pth")
    with pytest.raises(ValueError) as error:
        load_foreign_checkpoint(tmp_path / "odd.pth")
    assert "odd.pth" in str(error.value) and message in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no checkpoint file .*nowhere\.pth"):
        load_foreign_checkpoint(tmp_path / "nowhere.pth")


# Renaming


def test_strict_rename_fills_only_the_counters_of_batch_norms():
    expected = {"bn.weight": torch.ones(2), "bn.num_batches_tracked": torch.tensor(0)}
    renamed = strict_rename({"old.weight": torch.full((2,), 3.0)}, expected, lambda key: "bn.weight", "old")
    assert renamed["bn.weight"].tolist() == [3, 3] and renamed["bn.num_batches_tracked"].item() == 0


def test_strict_rename_refuses_two_keys_for_one():
    with pytest.raises(ValueError, match="The old checkpoint has two keys for each of weight"):
        strict_rename(
            {"a": torch.ones(1), "b": torch.ones(1)}, {"weight": torch.ones(1)}, lambda _: "weight", "old"
        )


# Imports


@pytest.mark.parametrize("part", ["checkpoints.load_foreign_checkpoint", "backbones.load_pca"])
def test_reading_and_encoders_do_without_the_networks_that_score(part):
    module, name = part.split(".")
    code = f"""
import sys
import modeling_davihd.conversion.{module}
from modeling_davihd.conversion import {name}
heavy = ("modeling_davihd.modeling_davihd", "modeling_davihd.baselines.", "modeling_davihd.registration")
print([module for module in sys.modules if module.startswith(heavy)])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there():
    assert set(conversion.__all__) <= set(dir(conversion))
    assert all(getattr(conversion, name) is not None for name in conversion.__all__)
    with pytest.raises(AttributeError, match="no attribute 'convert_anything'"):
        _ = conversion.convert_anything
