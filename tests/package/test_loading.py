"""Checkpoints that are damaged, do not fit or mean harm: refused in a sentence, unexecuted, in no memory."""

import json
import os
import pickle
import re
import resource
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from films import film_with_sound, noise_within
from paths import GOLDEN, ROOT
from published import published_state
from safetensors.torch import load_file, save_file

from datasets_scripts.synthesis.soundtrack import generate_soundtrack
from examples import evaluate, publish
from modeling_davihd import DEFAULT_CHECKPOINT, DAViHDConfig, DAViHDModel, cli
from modeling_davihd.conversion import (
    convert_reference_state_dict,
    load_foreign_checkpoint,
    load_pca,
    reference_config,
    strict_rename,
)
from modeling_davihd.loading import check_checkpoint, load_extractor, load_model

WEIGHTS = "model.safetensors"
Attack = Callable[[Path], object]


class Bomb:
    """Unpickled, it leaves a file behind."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.fixture
def folder(tmp_path) -> Path:
    """A copy of the embedded checkpoint, to be spoilt."""
    names = ("config.json", "preprocessor_config.json", WEIGHTS)
    (tmp_path / "model").mkdir()
    for name in names:
        shutil.copyfile(DEFAULT_CHECKPOINT / name, tmp_path / "model" / name)
    return tmp_path / "model"


# Ways to spoil it


def cut(share: float) -> Attack:
    def attack(folder: Path):
        content = (folder / WEIGHTS).read_bytes()
        (folder / WEIGHTS).write_bytes(content[: int(len(content) * share)])

    return attack


def overwrite(content: bytes) -> Attack:
    return lambda folder: (folder / WEIGHTS).write_bytes(content)


def tensors(change: Callable[[dict], object]) -> Attack:
    def attack(folder: Path):
        state = load_file(folder / WEIGHTS)
        change(state)
        save_file(state, folder / WEIGHTS, {"format": "pt"})

    return attack


def fields(file: str = "config.json", **changes) -> Attack:
    def attack(folder: Path):
        content = json.loads((folder / file).read_text()) | changes
        (folder / file).write_text(json.dumps(content))

    return attack


def sound(**changes) -> Attack:
    return fields("preprocessor_config.json", **changes)


def text(file: str, content: str) -> Attack:
    return lambda folder: (folder / file).write_text(content)


def pickled(file: str) -> Attack:
    def attack(folder: Path):
        (folder / WEIGHTS).unlink()
        (folder / file).write_bytes(pickle.dumps(Bomb(folder / "executed")))

    return attack


def shards(*files: str) -> Attack:
    def attack(folder: Path):
        (folder / WEIGHTS).rename(folder / "elsewhere.safetensors")
        weight_map = {f"name{number}": file for number, file in enumerate(files)}
        (folder / f"{WEIGHTS}.index.json").write_text(json.dumps({"weight_map": weight_map}))

    return attack


def replaced(file: str, make: Callable[[Path], object]) -> Attack:
    def attack(folder: Path):
        (folder / file).unlink(missing_ok=True)
        make(folder / file)

    return attack


def endless(path: Path):
    path.symlink_to("/dev/zero")


def other_settings(**changes) -> Attack:
    """Settings of sound where transformers looks first."""

    def attack(folder: Path):
        own = json.loads((folder / "preprocessor_config.json").read_text())
        text("processor_config.json", json.dumps({"feature_extractor": own | changes}))(folder)

    return attack


def remote_code(folder: Path):
    fields(auto_map={"AutoModel": "evil.Model", "AutoConfig": "evil.Config"}, model_type="evil")(folder)
    (folder / "evil.py").write_text(f"import os; os.mkdir({str(folder / 'executed')!r})\n")


def rename(state: dict):
    state["stranger"] = state.pop(first(state))


def first(state: dict) -> str:
    """The name of some matrix."""
    return next(name for name in sorted(state) if name.endswith("weight") and state[name].dim() > 1)


def poison(value: float) -> Attack:
    return tensors(lambda state: state[first(state)].view(-1)[:1].fill_(value))


ATTACKS: dict[str, tuple[Attack, str]] = {
    "weights cut in half": (cut(0.5), "damaged or cut off"),
    "weights cut in the header": (cut(0.001), "damaged or cut off"),
    "no byte of weights": (cut(0), "damaged or cut off"),
    "text as weights": (overwrite(b"not weights at all"), "damaged"),
    "header of exabytes": (overwrite(struct.pack("<Q", 1 << 60) + b"{}"), "a header of over 8 MB"),
    "tensor of terabytes": (
        overwrite(
            (lambda header: struct.pack("<Q", len(header)) + header)(
                b'{"w":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4398046511104]}}'
            )
        ),
        "damaged or cut off",
    ),
    "weights of another model": (
        lambda folder: save_file({"bert.embeddings": torch.ones(2)}, folder / WEIGHTS),
        "do not fit its config: .* missing",
    ),
    "a tensor missing": (tensors(lambda state: state.pop(first(state))), "do not fit its config: .* missing"),
    "a tensor too many": (tensors(lambda state: state.update(extra=torch.ones(2))), "extra left over"),
    "a tensor misshapen": (
        tensors(lambda state: state.update({first(state): torch.ones(3)})),
        r"has shape \(3,\), \(.*\) is needed",
    ),
    "tensors under other names": (tensors(rename), "missing"),
    "whole numbers as weights": (
        tensors(lambda state: state.update({first(state): state[first(state)].to(torch.int32)})),
        "stored as I32",
    ),
    "NaN weights": (poison(float("nan")), "NaN or infinite, as in"),
    "infinite weights": (poison(float("-inf")), "NaN or infinite, as in"),
    "variances below zero": (
        tensors(lambda state: [state[name].fill_(-1) for name in state if name.endswith("running_var")]),
        "variances below zero, as in",
    ),
    "no weights": (lambda folder: (folder / WEIGHTS).unlink(), "has no model.safetensors"),
    "pickle as pytorch_model.bin": (pickled("pytorch_model.bin"), "pytorch_model.bin, a pickle, which could"),
    "pickle as .pth": (pickled("model.pth"), "model.pth, a pickle, which could run code"),
    "pickle as safetensors": (
        lambda folder: (folder / WEIGHTS).write_bytes(pickle.dumps(Bomb(folder / "executed"))),
        "damaged",
    ),
    "pickle by config": (fields(transformers_weights="pytorch_model.bin"), "no field `transformers_weights`"),
    "an adapter": (text("adapter_config.json", "{}"), "adapter_config.json"),
    "shards elsewhere": (shards("../elsewhere.safetensors"), "no .safetensors file of the folder"),
    "shards by an absolute path": (shards("/etc/passwd"), "no .safetensors file of the folder"),
    "a shard that is not there": (shards("a.safetensors"), "lacks a.safetensors"),
    "code of its own": (remote_code, "'evil' model"),
    "code of its own for a known model": (fields(auto_map={"AutoModel": "evil.Model"}), None),
    "attention from the Hub": (fields(attn_implementation="evil/kernel"), "attn_implementation"),
    "hidden attention from the Hub": (fields(_attn_implementation="evil/kernel"), None),
    "another way to store weights": (
        fields(quantization_config={"quant_method": "awq"}),
        "has quantization_config, which is not for a file",
    ),
    "no output object": (fields(return_dict=False), "has return_dict, which is not for a file"),
    "attentions kept": (fields(output_attentions=True), "has output_attentions, which is not for a file"),
    "labels without end": (fields(num_labels=10**9), None),
    "dtype that is none": (fields(dtype="load"), "dtype 'load'"),
    "negative width": (fields(dynamics_dim=-96), "`dynamics_dim` is -96"),
    "absurd width": (fields(dynamics_dim=10**12), "`dynamics_dim` is 1000000000000"),
    "allowed width, absurd network": (fields(dynamics_dim=65536, intermediate_ratio=256), "billion param"),
    "allowed network, other weights": (fields(dynamics_dim=8192), "do not fit its config: .* has shape"),
    "a million blocks": (fields(dynamics_channels=[1] * 10**5), "has 100000 blocks"),
    "no blocks": (fields(dynamics_channels=[]), "dynamics_channels"),
    "a width that is text": (fields(dynamics_dim="wide"), "dynamics_dim"),
    "infinite temperature": (fields(dynamics_temperature=float("inf")), "dynamics_temperature"),
    "NaN dropout": (fields(dropout=float("nan")), "dropout"),
    "misspelt field": (fields(dynamic_dims=96), "no field `dynamic_dims`; did you mean `dynamics_dim`"),
    "field without end": (fields(**{"a" * 10**5: 1}), "no field `a{80}`"),
    "unknown field": (fields(colour="red"), "no field `colour`"),
    "config of another kind": (fields(model_type="bert"), "'bert' model"),
    "config that is a list": (text("config.json", "[]"), "holds no JSON object"),
    "config nested without end": (text("config.json", '{"a":' * 10**5), "not readable JSON"),
    "config of 2 MB": (text("config.json", " " * (2 << 20)), "more than 1 MB"),
    "config that is no text": (lambda f: (f / "config.json").write_bytes(b"\xff\xfe\0"), "not readable JSON"),
    "config that is a folder": (
        lambda f: ((f / "config.json").unlink(), (f / "config.json").mkdir()),
        "config.json",
    ),
    "config that is a pipe": (replaced("config.json", os.mkfifo), "config.json is no regular file"),
    "config without end": (replaced("config.json", endless), "config.json is no regular file"),
    "config that leads to itself": (
        replaced("config.json", lambda path: path.symlink_to(path)),
        "config.json cannot be read",
    ),
    "sound settings that are a pipe": (
        replaced("preprocessor_config.json", os.mkfifo),
        "preprocessor_config.json is no regular file",
    ),
    "weights that are a pipe": (replaced(WEIGHTS, os.mkfifo), "has no model.safetensors"),
    "no sound settings": (lambda f: (f / "preprocessor_config.json").unlink(), "no preprocessor_config.json"),
    "absurd windows": (sound(n_fft=10**12), "`n_fft` is 1000000000000"),
    "no hop": (sound(hop_length=0), "`hop_length` is 0"),
    "a hop for each sample": (sound(hop_length=1, n_fft=16384, log_mel_rate=1), "`hop_length` is 1"),
    "a hop of another rate": (
        sound(hop_length=512),
        "62.5 frames a second of 16 kHz sound, which a rate of 1 averages, need 256",
    ),
    "negative bins": (sound(num_mel_bins=-1), "`num_mel_bins` is -1"),
    "other bins than the model's": (sound(num_mel_bins=64), "num_mel_bins"),
    "pictures of gigapixels": (sound(image_size=10**6), "`image_size` is 1000000"),
    "misspelt sound setting": (sound(num_mel_bin=3), "`num_mel_bin`.*did you mean `num_mel_bins`"),
    "a method replaced": (sound(normalise=3), "normalise"),
    "deviation of zero": (sound(image_std=[0.5, 0, 0.5]), "divided by zero"),
    "means that are text": (sound(image_mean=["a", "b", "c"]), "three finite numbers"),
    "another rate": (sound(log_mel_rate="fast"), "log_mel_rate"),
    "absurd windows elsewhere": (other_settings(n_fft=10**9), None),
    "a method replaced elsewhere": (other_settings(normalise=3), None),
    "inputs that are none": (sound(model_input_names=[["log_mel"]]), "model_input_names|not one of"),
}


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return film_with_sound(tmp_path_factory.mktemp("films") / "match.mp4", noise_within(6, 3, 6), 15)


@pytest.mark.parametrize("name", ATTACKS)
def test_highlight_refuses_in_a_line(folder, film, tmp_path, capsys, name):
    attack, words = ATTACKS[name]
    attack(folder)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    arguments = ["--model", str(folder), "--output-dir", str(tmp_path / "out"), "--formats", "json"]
    status = cli.main(["highlight", str(film), *arguments])
    error = capsys.readouterr().err
    assert not (folder / "executed").exists()
    if words is None:  # harmless, for what it names is never looked at
        assert status == 0
        return
    assert status == 1 and error.count("\n") == 1 and str(folder) in error
    assert re.search(words, error), error
    taken = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert taken < 150_000, f"{taken} kB more than before"


def test_weights_that_overflow_give_no_scores(folder, film, tmp_path, capsys):
    """They are finite, and what they make of a film is not."""
    tensors(lambda state: [one.fill_(1e30) for one in state.values() if one.is_floating_point()])(folder)
    arguments = ["--model", str(folder), "--output-dir", str(tmp_path / "out"), "--formats", "json"]
    assert cli.main(["highlight", str(film), *arguments]) == 1
    assert f"error: {film}: the model's scores are not finite" in capsys.readouterr().err
    assert not any((tmp_path / "out").iterdir())


@pytest.mark.parametrize("dtype", ["bfloat16", "float64"])
def test_weights_of_any_precision_do(folder, film, tmp_path, capsys, dtype):
    """The command ended in a traceback with bfloat16, evaluation with all of them."""
    fields(dtype=dtype)(folder)
    arguments = ["--model", str(folder), "--output-dir", str(tmp_path / "out"), "--formats", "json,png"]
    assert cli.main(["highlight", str(film), *arguments]) == 0
    assert evaluate.main(["--model", str(folder), "--clips", "1"]) == 0
    assert capsys.readouterr().err == ""


# The other ways in

SOME = (
    "weights cut in half",
    "a tensor missing",
    "NaN weights",
    "pickle as pytorch_model.bin",
    "code of its own",
)
SOME += ("allowed network, other weights", "allowed width, absurd network", "misspelt field", "an adapter")


@pytest.mark.parametrize("name", SOME)
def test_evaluate_publish_and_the_space_refuse_too(folder, capsys, monkeypatch, name):
    attack, words = ATTACKS[name]
    attack(folder)
    assert evaluate.main(["--model", str(folder), "--clips", "1"]) == 1
    assert re.search(words, capsys.readouterr().err)
    monkeypatch.setenv("HF_TOKEN", "hf_nobody")
    assert publish.main(["model", str(folder), "user/name", "--dry-run"]) == 1
    assert re.search(words, capsys.readouterr().err)
    monkeypatch.syspath_prepend(str(ROOT / "spaces_demo"))
    import models

    monkeypatch.setattr(models, "_fetch", lambda _, to, __: shutil.copytree(folder, to, dirs_exist_ok=True))
    with pytest.raises(models.ModelError, match="owner/model cannot be loaded") as refused:
        models.pipeline_for("owner/model", 100)
    assert re.search(words, str(refused.value)) and str(folder) not in str(refused.value)
    assert not (folder / "executed").exists()


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("training.json", b"[" * 10**5, "training.json is not JSON"),
        (
            "training.json",
            b'{"recipe": 1, "config": 2, "videos": 3, "history": 4}',
            "training.json is not as",
        ),
        ("README.md", b"---\n\xff\n---\n", "README.md begins with metadata that are not YAML"),
        ("README.md", b"---\na: " + b"[" * 10**5 + b"\n---\n", "README.md begins with metadata"),
        ("README.md", b"---\na: !!python/object/apply:os.mkdir [executed]\n---\n", "that are not YAML"),
    ],
)
def test_publish_refuses_records_and_cards_that_are_none(folder, capsys, monkeypatch, file, content, words):
    (folder / file).write_bytes(content)
    monkeypatch.chdir(folder)
    assert publish.main(["model", str(folder), "user/name", "--dry-run"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and f"{folder}/{file}" in error and words in error
    assert not (folder / "executed").exists()


def test_publish_sends_no_record_that_is_something_else(folder, tmp_path, capsys):
    """A link by that name, in a folder from elsewhere, would have sent any file that happens to be JSON."""
    (tmp_path / "credentials.json").write_text('{"key": "secret"}')
    (folder / "training.json").symlink_to(tmp_path / "credentials.json")
    shutil.copyfile(DEFAULT_CHECKPOINT / "README.md", folder / "README.md")
    assert publish.main(["model", str(folder), "user/name", "--dry-run"]) == 0
    listed = capsys.readouterr().out
    assert "README.md" in listed and "training.json" not in listed


@pytest.mark.parametrize(
    "name",
    [
        *("weights cut in half", "a tensor misshapen", "pickle as pytorch_model.bin", "pickle by config"),
        *(
            "negative width",
            "absurd width",
            "allowed width, absurd network",
            "a million blocks",
            "misspelt field",
        ),
    ],
)
def test_from_pretrained_refuses_what_it_can_see(folder, name):
    """What transformers only warns of, tensors missing or left over, is for `load_model` to refuse."""
    ATTACKS[name][0](folder)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(Exception) as refused:
        DAViHDModel.from_pretrained(folder)
    assert not isinstance(refused.value, MemoryError) and str(refused.value)
    assert not (folder / "executed").exists()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150_000


def test_what_is_whole_loads(folder):
    assert check_checkpoint(folder).model_type == "davihd"
    assert load_extractor(folder).num_mel_bins == load_model(folder).config.num_mel_bins
    state = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    parts = {f"part-{number}.safetensors": list(state)[number::2] for number in range(2)}
    for file, names in parts.items():
        save_file({name: state[name] for name in names}, folder / file, {"format": "pt"})
    weight_map = {name: file for file, names in parts.items() for name in names}
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    again = load_model(folder).state_dict()
    assert all(torch.equal(again[name], state[name]) for name in state)


@pytest.mark.parametrize(
    "preset", sorted(path.parent for path in ROOT.glob("configuration/davihd-*/config.json"))
)
@pytest.mark.parametrize(
    "change",
    [{}, {"modalities": ["dynamics"]}, {"fusion_operation": "concat"}, {"fusion_operation": "gate"}],
)
def test_the_size_of_a_network_is_known_before_it_is_built(preset, change):
    config = DAViHDConfig.from_pretrained(preset, **change)
    with torch.device("meta"):
        model = DAViHDModel(config)
    built = sum(one.numel() for one in model.parameters() if one.requires_grad)
    assert config.approximate_parameters() == pytest.approx(built, rel=0.15)


# Foreign checkpoints


def torch_file(path: Path, state: object) -> Path:
    torch.save(state, path)
    return path


def repacked(path: Path, change: Callable[[str, bytes], bytes], how: int = zipfile.ZIP_STORED) -> Path:
    """The archive with the content of its entries changed."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", how) as archive:
        for name, content in entries.items():
            archive.writestr(name, change(name, content))
    return path


def expanded(path: Path) -> Path:
    return torch_file(path, {"w": torch.zeros(1).expand(10**6, 10**6)})


def packed(path: Path) -> Path:
    return repacked(torch_file(path, {"w": torch.zeros(10**7)}), lambda _, one: one, zipfile.ZIP_DEFLATED)


def short_record(path: Path) -> Path:
    torch_file(path, {"w": torch.zeros(10**6)})
    return repacked(path, lambda name, one: one[:8] if "/data/" in name else one)


def bomb_beside_weights(path: Path) -> Path:
    return torch_file(path, {"state_dict": {"w": torch.ones(2)}, "optimizer": Bomb(path.parent / "executed")})


FOREIGN = {
    "code alone": (
        lambda path: path.write_bytes(pickle.dumps(Bomb(path.parent / "executed"))),
        "could run code",
    ),
    "code beside weights": (bomb_beside_weights, "could run code"),
    "a whole model": (lambda path: torch_file(path, torch.nn.Linear(2, 2)), "could run code"),
    "cut": (
        lambda path: path.write_bytes(torch_file(path, {"w": torch.ones(9)}).read_bytes()[:300]),
        "damaged",
    ),
    "packed": (packed, "would unpack to 38 MB"),
    "less than it says": (short_record, "damaged"),
    "sparse": (lambda path: torch_file(path, {"w": torch.eye(3).to_sparse()}), "also holds w"),
    "no numbers": (lambda path: torch_file(path, {"w": torch.empty(9, device="meta")}), "also holds w"),
    "objects in lists": (lambda path: torch_file(path, [torch.ones(2)] * 3), "holds a list"),
    "nothing": (lambda path: torch_file(path, {}), "holds nothing"),
}


@pytest.mark.parametrize("suffix", [".pth", ".bin"])
@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_checkpoints_are_refused_unexecuted(tmp_path, name, suffix):
    make, words = FOREIGN[name]
    path = tmp_path / f"weights{suffix}"
    make(path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match=words) as refused:
        load_foreign_checkpoint(path)
    assert path.name in str(refused.value) and not (tmp_path / "executed").exists()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150_000


@pytest.mark.parametrize(
    "value, words",
    [
        (torch.tensor([1.0, float("nan")]), "NaN or infinite in w"),
        (torch.tensor([1, 2]), "real numbers are needed"),
        (torch.zeros(1).expand(10**6, 10**6), "has shape"),
    ],
    ids=["NaN", "whole numbers", "expanded"],
)
def test_conversion_refuses_weights_that_cannot_be(value, words):
    with pytest.raises(ValueError, match=words):
        strict_rename({"w": value}, {"w": torch.ones(2)}, lambda key: key, "foreign")


def test_a_reference_checkpoint_with_nan_is_refused():
    golden = GOLDEN
    facts = json.loads((golden / "reference_model_small.json").read_text())
    tensors = load_file(golden / "reference_model_small.safetensors")
    state = published_state(tensors)
    state["fusion_mlp.8.bias"] = torch.full_like(state["fusion_mlp.8.bias"], float("inf"))
    with pytest.raises(ValueError, match=r"infinite in fusion_mlp\.8\.bias"):
        convert_reference_state_dict(state, reference_config(facts["config"]))


def npy_header(shape: tuple[int, ...]) -> bytes:
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()


def lying_npz(path: Path):
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("mean", "components"):
            archive.writestr(f"{name}.npy", npy_header((10**12, 2048)))


PCAS = {
    "objects.npy": lambda path: np.save(path, np.array([Bomb(path.parent / "executed")]), allow_pickle=True),
    "objects.npz": lambda path: np.savez(path, mean=np.array([Bomb(path.parent / "executed")])),
    "lying.npy": lambda path: path.write_bytes(npy_header((10**12, 2048))),
    "negative.npy": lambda path: path.write_bytes(npy_header((-1, 2048))),
    "lying.npz": lying_npz,
    "packed.npz": lambda path: np.savez_compressed(path, mean=np.zeros(10**7), components=np.zeros(2)),
    "text.npy": lambda path: path.write_text("numbers"),
}


@pytest.mark.parametrize("name", PCAS)
def test_a_pca_that_means_harm_is_refused(tmp_path, name):
    PCAS[name](tmp_path / name)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match=re.escape(name)):
        load_pca(tmp_path / name)
    assert not (tmp_path / "executed").exists()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150_000


@pytest.mark.parametrize(
    ("folder", "wanted"),
    [
        (
            DEFAULT_CHECKPOINT,
            [0.1396, 0.1813, 0.1246, 0.1606, 0.1916, 0.1233, 0.1897, 0.1883, 0.2821, 0.3564, 0.3909, 0.3661],
        ),
        (
            ROOT / "configuration" / "davihd-small" / "generated",
            [0.1339, 0.1555, 0.1434, 0.174, 0.1027, 0.1219, 0.1597, 0.2167, 0.3203, 0.5236, 0.6224, 0.4198],
        ),
    ],
    ids=["embedded", "its predecessor"],
)
def test_our_checkpoints_score_as_they_did(folder, wanted):
    waveform = generate_soundtrack(1, duration=12.0, split="test").waveform
    inputs = load_extractor(folder)(audio=waveform, sampling_rate=16000)
    with torch.inference_mode():
        scores = load_model(folder)(**inputs).scores[0]
    np.testing.assert_allclose(scores, wanted, atol=2e-4)
