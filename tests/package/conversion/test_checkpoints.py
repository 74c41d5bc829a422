"""Files of other people's code: what is read, what is refused, and that nothing is executed."""

import numpy as np
import pytest
import torch
from published import Intruder, shapes
from safetensors.torch import save_file

from modeling_davihd import conversion
from modeling_davihd.conversion import load_foreign_checkpoint, strict_rename
from modeling_davihd.conversion.checkpoints import ForeignState, Signature, rename_published

WEIGHTS = {"conv.weight": torch.arange(6.0).view(2, 3), "conv.bias": torch.ones(2)}


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


def renamed(rename):
    return {rename(key): value for key, value in WEIGHTS.items()}


@pytest.mark.parametrize("suffix", [".ckpt", ".pkl", ".tar"])
def test_torch_files_go_by_many_names(tmp_path, suffix):
    torch.save(WEIGHTS, tmp_path / f"weights{suffix}")
    assert load_foreign_checkpoint(tmp_path / f"weights{suffix}").keys() == WEIGHTS.keys()


OPTIMIZER = {"state": {0: {"step": torch.tensor(3.0), "exp_avg": torch.ones(2, 3)}}, "param_groups": [{}]}
BESIDE = {
    "epoch": 3,
    "best": 0.4,
    "loss": torch.tensor(0.1),
    "arch": "cnn",
    "args": {"lr": 1e-3, "gpus": [0]},
}
DICTS = {
    "lightning": {
        **{"epoch": 3, "global_step": 9, "pytorch-lightning_version": "2.4", "state_dict": WEIGHTS},
        **{"optimizer_states": [OPTIMIZER], "lr_schedulers": [], "hyper_parameters": {"width": 3}},
        **{"callbacks": {"checkpoint": {"best_model_score": torch.tensor(0.4)}}, "loops": {"fit_loop": {}}},
    },
    "timm": {"arch": "cnn", "state_dict": WEIGHTS, "optimizer": OPTIMIZER, "version": 2, "metric": 71.2},
    "model and optimizer": {"model_state_dict": WEIGHTS, "optimizer_state_dict": OPTIMIZER, **BESIDE},
    "net": {"net": WEIGHTS, "acc": 0.9},
    "weights": {"weights": WEIGHTS},
    "average alone": {"ema": {"decay": 0.999, "shadow": WEIGHTS}, **BESIDE},
    "deep": {
        "checkpoint": {"trainer": {"network": {"state_dict": WEIGHTS}, **BESIDE}, "optimizer": OPTIMIZER}
    },
}


@pytest.mark.parametrize("wrapping", DICTS)
def test_dicts_around_the_state_dict_are_taken_off(tmp_path, wrapping):
    torch.save(DICTS[wrapping], tmp_path / "w.pth")
    loaded = load_foreign_checkpoint(tmp_path / "w.pth")
    assert loaded.keys() == WEIGHTS.keys() and all(torch.equal(loaded[key], WEIGHTS[key]) for key in WEIGHTS)


@pytest.mark.parametrize(
    "rename",
    [
        "module.{}",
        "_orig_mod.{}",
        "model.{}",
        "net.{}",
        "_fsdp_wrapped_module.{}",
        "module._orig_mod.{}",
        "_orig_mod.module.{}",
        "module.module.{}",
        "model.net._orig_mod.module.{}",
        "_fsdp_wrapped_module._fsdp_wrapped_module._orig_mod.{}",
    ],
)
def test_names_around_every_key_are_taken_off(tmp_path, rename):
    torch.save({"state_dict": renamed(rename.format)}, tmp_path / "w.pth")
    assert load_foreign_checkpoint(tmp_path / "w.pth").keys() == WEIGHTS.keys()


def test_names_of_compiled_and_sharded_parts_are_taken_out_of_keys(tmp_path):
    def rename(key):
        return f"module.{key.replace('conv.', 'conv._fsdp_wrapped_module._checkpoint_wrapped_module.')}"

    torch.save(renamed(rename) | {"module.encoder._orig_mod.layer.weight": torch.ones(1)}, tmp_path / "w.pth")
    assert load_foreign_checkpoint(tmp_path / "w.pth").keys() == {*WEIGHTS, "encoder.layer.weight"}


def test_a_name_that_only_some_keys_have_stays(tmp_path):
    for name in ("module.weight", "model.weight", "my_orig_mod.weight"):
        torch.save({name: torch.ones(1), "other.weight": torch.ones(1)}, tmp_path / "part.pth")
        assert load_foreign_checkpoint(tmp_path / "part.pth").keys() == {name, "other.weight"}


def test_the_counter_of_an_averaged_model_is_left_out(tmp_path):
    averaged = torch.optim.swa_utils.AveragedModel(torch.nn.Linear(3, 2))
    torch.save(averaged.state_dict(), tmp_path / "w.pth")
    assert load_foreign_checkpoint(tmp_path / "w.pth").keys() == {"weight", "bias"}


def test_a_key_that_unwrapping_would_double_is_an_error(tmp_path):
    torch.save({"a._orig_mod.weight": torch.ones(1), "a.weight": torch.zeros(1)}, tmp_path / "w.pth")
    with pytest.raises(ValueError, match=r"two keys for one tensor: a\._orig_mod\.weight, a\.weight"):
        load_foreign_checkpoint(tmp_path / "w.pth")


NETWORK = Signature("the network", ("conv.",))


def test_names_of_any_kind_are_taken_off_to_find_a_known_network(tmp_path):
    torch.save(renamed("student.backbone.{}".format), tmp_path / "w.pth")
    assert load_foreign_checkpoint(tmp_path / "w.pth", [NETWORK]).keys() == WEIGHTS.keys()


def test_of_several_state_dicts_the_one_that_fits_is_taken(tmp_path):
    other = {"layer.weight": torch.ones(1)}
    torch.save({"generator": renamed("module.{}".format), "discriminator": other}, tmp_path / "w.pth")
    assert load_foreign_checkpoint(tmp_path / "w.pth", [NETWORK]).keys() == WEIGHTS.keys()
    assert load_foreign_checkpoint(tmp_path / "w.pth", entry="discriminator").keys() == other.keys()


def test_several_state_dicts_that_fit_are_named(tmp_path):
    path = tmp_path / "w.pth"
    torch.save({"model": WEIGHTS, "average": {"ema": renamed("module.{}".format)}, "epoch": 3}, path)
    for networks in ([], [NETWORK]):
        with pytest.raises(
            ValueError, match=r"several state dicts that fit: average\.ema, model; `entry` says"
        ):
            load_foreign_checkpoint(path, networks)
    assert load_foreign_checkpoint(path, [NETWORK], "average.ema").own_name("conv.bias") == "module.conv.bias"
    with pytest.raises(ValueError, match=r"no state dict 'ema'; it has average\.ema, model\."):
        load_foreign_checkpoint(path, entry="ema")


def test_a_network_that_is_not_there_is_told_by_keys(tmp_path):
    torch.save({"module.layer.weight": torch.ones(1)}, tmp_path / "w.pth")
    with pytest.raises(ValueError) as error:
        load_foreign_checkpoint(tmp_path / "w.pth", [NETWORK])
    assert str(error.value).endswith(
        "w.pth is not a checkpoint of the network, whose keys start with conv.: "
        "the file has module.layer.weight."
    )
    with pytest.raises(
        ValueError, match=r"none of the known checkpoints \(the network, another\): the file has"
    ):
        load_foreign_checkpoint(tmp_path / "w.pth", [NETWORK, Signature("another", ("fc.",))])


def test_mappings_within_themselves_are_looked_at_once(tmp_path):
    content = {"epoch": 3}
    content["self"] = content
    for _ in range(60):  # as a tree, 2^60 mappings
        content = {"one": content, "other": content}
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(ValueError, match="is not a state dict of named tensors: it also holds one, other"):
        load_foreign_checkpoint(tmp_path / "w.pth")


@pytest.mark.parametrize("zip_format", [True, False])
def test_numpy_values_beside_the_weights_do_no_harm(tmp_path, zip_format):
    extra = {"sampler": {"indexes": np.arange(5), "pointers": [0, 1]}, "best": np.float64(0.4)}
    path = tmp_path / "Cnn14_16k.pth"
    torch.save({"model": WEIGHTS, **extra}, path, _use_new_zipfile_serialization=zip_format)
    if not zip_format:  # the name under which NumPy 1 stored its arrays
        path.write_bytes(path.read_bytes().replace(b"numpy._core", b"numpy.core"))
    assert load_foreign_checkpoint(path).keys() == WEIGHTS.keys()


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
            "weights.onnx",
            b"",
            "weights.onnx is not a checkpoint: its name must end in .safetensors, .bin, .ckpt, .pkl, .pt, "
            ".pth, .tar or .h5",
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
        ({"loss": torch.tensor(0.1)}, "not a state dict of named tensors: it holds single numbers."),
        (
            {"model": {"weight": torch.ones(1), "extra": [1]}, "epoch": 3},
            "not a state dict of named tensors: it also holds extra.",
        ),
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


def test_errors_name_the_keys_of_the_file():
    expected = {"new.weight": torch.ones(2), "new.bias": torch.ones(2)}
    own_names = {"old.weight": "module.old._orig_mod.weight", "old.more": "module.old.more"}

    def told(tensors):
        state = ForeignState(tensors, own_names, "module.")
        with pytest.raises(ValueError) as error:
            rename_published(state, expected, lambda key: key.replace("new", "old"), "old")
        return str(error.value)

    weight = {"old.weight": torch.ones(2)}
    assert told(weight) == "The old checkpoint lacks module.old.bias."
    both = weight | {"old.bias": torch.ones(2)}
    assert told(both | {"old.more": torch.ones(1)}).endswith("that belong nowhere: module.old.more.")
    assert "module.old._orig_mod.weight has shape (1,)" in told(both | {"old.weight": torch.ones(1)})
    nan = torch.full((2,), torch.nan)
    assert told(both | {"old.weight": nan}).endswith("NaN or infinite in module.old._orig_mod.weight.")
    whole = torch.tensor([1, 2])
    assert "module.old._orig_mod.weight is of torch.int64" in told(both | {"old.weight": whole})


@pytest.mark.parametrize(
    "value, message",
    [
        (torch.tensor([1.0, -0.1]), "has variances below zero in bn.running_var"),
        (
            torch.ones(2, dtype=torch.complex64),
            "bn.running_var is of torch.complex64; real numbers are needed",
        ),
        (torch.ones(2).to(torch.float8_e4m3fn), "is of torch.float8_e4m3fn; real numbers are needed"),
    ],
)
def test_numbers_that_no_network_of_ours_can_have_are_refused(value, message):
    with pytest.raises(ValueError, match=message):
        strict_rename({"bn.running_var": value}, {"bn.running_var": torch.ones(2)}, str, "old")


def test_every_public_name_is_there():
    assert set(conversion.__all__) <= set(dir(conversion))
    assert all(getattr(conversion, name) is not None for name in conversion.__all__)
    with pytest.raises(AttributeError, match="no attribute 'convert_anything'"):
        _ = conversion.convert_anything
