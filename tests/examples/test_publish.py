"""Remote code and publishing, with the real client of the Hub and the Hub of hub_server.py."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from films import film_with_sound, tone
from huggingface_hub import ModelCard, constants, parse_eval_result_entries
from interpreters import TASK, scores_elsewhere
from nursery import Repository
from paths import ROOT
from published import CODE
from safetensors.torch import load_file, save_file
from tiny_checkpoint import tiny_record, write_heads
from tiny_data import write_config, write_dataset
from transformers import AutoConfig, AutoFeatureExtractor, AutoModel, pipeline

from examples import publish
from examples.training.model_card import GENERATED_NOTICE
from modeling_davihd import DEFAULT_CHECKPOINT, DAViHDFeatureExtractor, DAViHDModel
from modeling_davihd.baselines import TripleSummConfig, TripleSummModel

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def here(nursery):
    """Where `publish` is run as another user would."""
    return Repository(nursery)


@pytest.fixture(autouse=True)
def calm(hub):
    yield
    hub.failures.clear()


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    sound = np.concatenate([tone(s, 16000, amplitude=a) for s, a in ((4, 0.01), (1, 0.5), (3, 0.01))])
    return film_with_sound(tmp_path_factory.mktemp("films") / "film.mp4", sound, 8)


def run_publish(
    python: Repository, *arguments: object, user: str = "alice", before: str = ""
) -> tuple[int, str]:
    """Status and output of examples/publish.py. before: code that is run first."""
    token = f"hf_{user}" if user else ""
    code = f"""
import contextlib, os, sys
os.environ["HF_TOKEN"] = {token!r}
from examples import publish
{before}
with contextlib.redirect_stderr(sys.stdout):
    print(publish.main({[str(argument) for argument in arguments]!r}))
"""
    *lines, status = python.run(code).splitlines()
    return int(status), "\n".join(lines)


def scores_here(model: Path, film: Path) -> np.ndarray:
    return pipeline(TASK, model=str(model))(str(film))["scores"]


# ------------------------------------------------------------------------------------------ remote code


def test_remote_code_of_a_model_alone_keeps_its_pipeline(hub, here, outsider, trained, film, tmp_path):
    """Nothing but the model has been loaded before, from a folder or from the Hub: this test is the first."""
    assert run_publish(here, "model", trained, "alice/origin")[0] == 0
    code = f"""
import os
os.environ["HF_TOKEN"] = "hf_alice"
from transformers import AutoFeatureExtractor, AutoModel
for origin in ({str(trained)!r}, "alice/origin"):
    model, extractor = (
        auto.from_pretrained(origin, trust_remote_code=True) for auto in (AutoModel, AutoFeatureExtractor)
    )
    for one in (model, extractor):
        if os.path.isdir(origin):
            one.push_to_hub("alice/pushed")
        else:
            one.save_pretrained({str(tmp_path / "saved")!r})
"""
    outsider.run(code)
    for name in ("alice/pushed", str(tmp_path / "saved")):
        found = scores_elsewhere(outsider, name, film)
        np.testing.assert_allclose(found, scores_here(trained, film), atol=1e-6)
    outsider.run("import os; os.environ['HF_TOKEN'] = ''")
    assert {path.name for path in (tmp_path / "saved").glob("*.py")} == CODE
    assert CODE <= set(hub.files("alice/pushed"))


def test_remote_code_is_in_what_save_pretrained_writes(outsider, film, tmp_path):
    DAViHDModel.from_pretrained(DEFAULT_CHECKPOINT).save_pretrained(tmp_path / "saved")
    DAViHDFeatureExtractor.from_pretrained(DEFAULT_CHECKPOINT).save_pretrained(tmp_path / "saved")
    code = f"""
from transformers import AutoConfig, AutoFeatureExtractor, AutoModel
for auto in (AutoConfig, AutoModel, AutoFeatureExtractor):
    one = auto.from_pretrained({str(tmp_path / "saved")!r}, trust_remote_code=True)
    print(type(one).__module__.split(".")[0], type(one).__name__)
"""
    lines = outsider.run(code).splitlines()
    assert lines == [f"transformers_modules DAViHD{name}" for name in ("Config", "Model", "FeatureExtractor")]
    found = scores_elsewhere(outsider, tmp_path / "saved", film)
    np.testing.assert_allclose(found, scores_here(DEFAULT_CHECKPOINT, film), atol=1e-6)


def test_remote_code_survives_saving_without_the_package(outsider, trained, film, tmp_path):
    code = f"""
from transformers import pipeline
detect = pipeline({TASK!r}, model={str(trained)!r}, trust_remote_code=True)
detect.save_pretrained({str(tmp_path / "again")!r})
"""
    outsider.run(code)
    assert {path.name for path in (tmp_path / "again").glob("*.py")} == CODE
    found = scores_elsewhere(outsider, tmp_path / "again", film)
    np.testing.assert_allclose(found, scores_here(trained, film), atol=1e-6)


def test_remote_code_is_not_run_where_the_package_is(trained, film):
    for auto in (AutoConfig, AutoModel, AutoFeatureExtractor):
        for trust in (None, True):
            one = auto.from_pretrained(trained, trust_remote_code=trust)
            assert type(one).__module__.startswith("modeling_davihd.")
    detect = pipeline(TASK, model=str(trained))
    assert type(detect).__module__ == "modeling_davihd.pipeline_davihd"


# ------------------------------------------------------------------------------------------------ models


def test_hub_model_comes_back_by_tag_and_branch(hub, here, outsider, trained, film, tmp_path):
    assert run_publish(here, "model", trained, "alice/model")[0] == 0
    here.run("from huggingface_hub import HfApi; HfApi().create_tag('alice/model', tag='v1')")
    other = retouched(trained, tmp_path / "other")
    assert run_publish(here, "model", other, "alice/model")[0] == 0
    assert run_publish(here, "model", trained, "alice/model", "--revision", "trial")[0] == 0
    assert set(hub.repos["models", "alice/model"].branches) == {"main", "trial"}
    for revision, folder in (("v1", trained), ("main", other), ("trial", trained)):
        found = scores_elsewhere(outsider, "alice/model", film, revision=revision)
        np.testing.assert_allclose(found, scores_here(folder, film), atol=1e-6)
    assert np.abs(scores_here(trained, film) - scores_here(other, film)).max() > 1e-3


def retouched(checkpoint: Path, folder: Path, change: float = 1.0) -> Path:
    """A copy with other weights."""
    model = AutoModel.from_pretrained(checkpoint)
    with torch.no_grad():
        model.score_head[-1].bias += change
    model.save_pretrained(folder)
    for name in ("preprocessor_config.json", "training.json", "README.md"):
        (folder / name).write_text((checkpoint / name).read_text())
    return folder


def test_hub_model_has_all_that_others_need(hub, here, trained):
    assert run_publish(here, "model", trained, "alice/whole")[0] == 0
    files = hub.files("alice/whole")
    record = json.loads((trained / "training.json").read_text())
    needed = {"README.md", "config.json", "preprocessor_config.json", "model.safetensors", "training.json"}
    assert set(files) == CODE | needed | {".gitattributes"}
    assert json.loads(files["training.json"]) == record
    card = ModelCard(files["README.md"].decode())
    figures = {one.metric_type: one.metric_value for one in card.data.eval_results}
    assert figures["f1"] == pytest.approx(record["test"]["f1"], abs=1e-4)
    assert card.data.license == "apache-2.0" and "alice/whole" in card.text
    for section in ("## Use", "## Training", "## Figures", "## Limits"):
        assert section in card.text


def test_hub_model_published_twice_makes_one_commit(hub, here, trained):
    assert run_publish(here, "model", trained, "alice/twice")[0] == 0
    before = hub.repos["models", "alice/twice"].history("main")
    status, text = run_publish(here, "model", trained, "alice/twice")
    assert status == 0 and "nothing was sent" in text
    assert hub.repos["models", "alice/twice"].history("main") == before and len(before) == 2


def test_hub_model_keeps_an_edited_card_only(hub, here, trained, tmp_path):
    folder = retouched(trained, tmp_path / "edited")
    card = (folder / "README.md").read_text()
    assert GENERATED_NOTICE in card
    (folder / "README.md").write_text(card.replace(GENERATED_NOTICE, "My own words."))
    assert run_publish(here, "model", folder, "alice/edited")[0] == 0
    assert b"My own words." in hub.files("alice/edited")["README.md"]
    (folder / "README.md").unlink()
    (folder / "training.json").unlink()
    status, text = run_publish(here, "model", folder, "alice/edited")
    assert status == 1 and "has no README.md" in text


def test_hub_model_leaves_no_weights_of_an_earlier_version(hub, here, outsider, trained, film, monkeypatch):
    assert run_publish(here, "model", trained, "alice/shards")[0] == 0
    small = "publish.SHARD_SIZE = '5KB'"
    assert run_publish(here, "model", trained, "alice/shards", before=small)[0] == 0
    weights = [name for name in hub.files("alice/shards") if name.endswith(".safetensors")]
    assert len(weights) > 1 and "model.safetensors" not in weights
    found = scores_elsewhere(outsider, "alice/shards", film)
    np.testing.assert_allclose(found, scores_here(trained, film), atol=1e-6)


def test_hub_model_pushed_by_its_own_method(hub, here, outsider, trained, film):
    code = f"""
import os
os.environ["HF_TOKEN"] = "hf_alice"
from transformers import pipeline
import modeling_davihd; modeling_davihd.DAViHDModel
pipeline({TASK!r}, model={str(trained)!r}).push_to_hub("alice/pushed")
"""
    here.run(code)
    assert set(hub.files("alice/pushed")) >= CODE
    found = scores_elsewhere(outsider, "alice/pushed", film)
    np.testing.assert_allclose(found, scores_here(trained, film), atol=1e-6)


def test_hub_model_may_be_a_baseline_that_reads_text(hub, here, tmp_path, capsys):
    model = TripleSummModel(TripleSummConfig(hidden_dim=8, visual_dim=4, semantic_dim=4, text_dim=4))
    for one in (model, DAViHDFeatureExtractor()):
        one.save_pretrained(tmp_path)
    tiny_record(config=model.config.to_diff_dict()).write(tmp_path / "training.json")
    assert run_publish(here, "model", tmp_path, "alice/triple")[0] == 0
    assert b"TripleSumm (Kim et al., ICLR 2026)" in hub.files("alice/triple")["README.md"]
    code = """
import os
os.environ["HF_TOKEN"] = "hf_alice"
import modeling_davihd.registration
from transformers import AutoModel
model = AutoModel.from_pretrained("alice/triple")
print(type(model).__name__, sum(weights.double().sum().item() for weights in model.parameters()))
"""
    name, total = here.run(code).split()
    expected = sum(weights.double().sum().item() for weights in model.parameters())
    assert name == "TripleSummModel" and float(total) == pytest.approx(expected)
    assert publish.main(["model", str(tmp_path), "alice/triple", "--dry-run", "--with-backbones"]) == 1
    assert "--with-backbones needs one of DAViHD" in capsys.readouterr().err


def test_hub_model_of_the_example_with_trainer(hub, here, outsider, dataset, film, tmp_path):
    """It trains, measures the truth at every batch size, and publishes a model that takes films."""
    config = write_config(tmp_path / "config", modalities=["dynamics"])
    code = (ROOT / "docs" / "training.md").read_text().partition("```python\n")[2].partition("```")[0]
    changes = {
        '"configuration/davihd-base"': repr(str(config)),
        '"build/data"': repr(str(dataset)),
        '"build/model"': repr(str(tmp_path / "out")),
        "num_train_epochs=20": "num_train_epochs=1",
        '"user/name"': '"alice/trainer"',
    }
    for written, tried in changes.items():
        assert written in code
        code = code.replace(written, tried)
    more = """
import json
from accelerate import Accelerator
from examples.training.scoring import measure, predict
films, found = run.rows["train"], []
for size in (1, 3, 8):
    trainer.args.per_device_eval_batch_size = size
    found.append(trainer.evaluate(films, metric_key_prefix="at"))
truth = measure(predict(Accelerator(cpu=True), trainer.model, films, 2), films)
print(json.dumps([truth, found]))
"""
    token = "import os; os.environ |= {'HF_TOKEN': 'hf_alice', 'ACCELERATE_USE_CPU': 'true'}\n"
    truth, found = json.loads(here.run(token + code + more).splitlines()[-1])
    for figures in found:
        assert {name: figures[f"at_{name}"] for name in truth} == pytest.approx(truth, abs=1e-5)
    assert set(hub.files("alice/trainer")) >= CODE
    assert np.isfinite(scores_elsewhere(outsider, "alice/trainer", film)).all()


def test_hub_model_on_the_command_line_and_without_a_network(hub, here, trained, film, tmp_path):
    assert run_publish(here, "model", trained, "alice/line")[0] == 0
    hub.put("alice/nowhere-near", **{"config.json": b'{"model_type": "bert"}', "model.safetensors": b"large"})
    code = f"""
import contextlib, sys
from modeling_davihd import cli
arguments = [{str(film)!r}, "--formats", "json", "--output-dir", {str(tmp_path)!r}]
with contextlib.redirect_stderr(sys.stdout):
    print(cli.main(["highlight", "--model", "alice/line", *arguments]))
    print(cli.main(["highlight", "--model", "alice/nowhere", *arguments]))
    print(cli.main(["highlight", "--model", "alice/nowhere-near", *arguments]))
"""
    offline = f"""
import time
from huggingface_hub import constants
start, constants.ENDPOINT = time.time(), "http://127.0.0.1:9"
print("without a network")
{code}
print(time.time() - start)
"""
    lines, offline = (part.splitlines() for part in here.run(code + offline).split("without a network"))
    assert lines[-5] == "0" and "no model that you may read on the Hub" in lines[-4] and lines[-3] == "1"
    assert "that of a 'bert' model" in lines[-2] and lines[-1] == "1"
    assert ("GET", "alice/nowhere-near/resolve/main/model.safetensors") not in hub.requests
    result = json.loads((tmp_path / "film.highlights.json").read_text())
    np.testing.assert_allclose(result["scores"], scores_here(trained, film), atol=1e-4)
    assert offline[-6] == "0" and "the Hub cannot be reached" in offline[-5] and offline[-4] == "1"
    assert float(offline[-1]) < 30


# ---------------------------------------------------------------------------------------------- encoders


@pytest.mark.parametrize(
    "options, message",
    [
        ([], "--visual-weights FILE"),
        (["--visual-backbone", "resnet3d_34"], "training.json says that the visual features"),
        (["--visual-weights", "nowhere.pth", "--visual-pca", "nowhere.npz"], "nowhere.pth"),
    ],
)
def test_hub_model_needs_its_own_encoders(tmp_path, capsys, options, message):
    heads = write_heads(tmp_path / "heads")
    assert publish.main(["model", str(heads), "alice/x", "--dry-run", "--with-backbones", *options]) == 1
    assert message in capsys.readouterr().err


# ------------------------------------------------------------------------------------- what cannot be sent


def test_hub_dry_run_sends_nothing(hub, here, trained, dataset):
    before = len(hub.requests)
    for what in (["model", trained], ["dataset", dataset]):
        status, text = run_publish(here, *what, "alice/dry", "--dry-run", user="")
        assert status == 0 and "README.md" in text and "would be sent to" in text
    assert len(hub.requests) == before


@pytest.mark.parametrize(
    "user, name, options, message",
    [
        ("", "alice/new", [], "There is no token"),
        ("mallory", "alice/new", [], "does not know your token"),
        ("alice", "bob/new", [], "may not write to bob/new"),
        ("alice", "bob/theirs", [], "may not write to bob/theirs"),
        ("alice", "alice/others", [], "holds something else, as weights.bin"),
        ("alice", "alice/public", ["--private"], "is public"),
    ],
)
def test_hub_refuses_in_a_sentence(hub, here, trained, user, name, options, message):
    hub.put("bob/theirs", **{"config.json": b'{"model_type": "davihd"}'})
    hub.put("alice/others", **{"weights.bin": b"0"})
    hub.put("alice/public", **{"README.md": b"---\nlicense: mit\n---\n"})
    before = {key: repo.branches["main"] for key, repo in hub.repos.items()}
    status, text = run_publish(here, "model", trained, name, *options, user=user)
    assert status == 1 and message in text and len(text.splitlines()) == 1
    assert {key: repo.branches["main"] for key, repo in hub.repos.items()} == before


@pytest.mark.parametrize(
    "step, status", [("create", 507), ("preupload", 501), ("upload", 507), ("commit", 500)]
)
def test_hub_that_fails_half_way_is_left_whole(hub, here, trained, tmp_path, step, status):
    name = f"alice/broken-{step}"
    assert run_publish(here, "model", trained, name)[0] == 0
    before = hub.files(name)
    other = retouched(
        trained, tmp_path / "other", len(hub.objects) / 100
    )  # or its weights would be there already
    hub.failures[step] = [status]
    exit_status, text = run_publish(here, "model", other, name)
    assert exit_status == 1 and str(status) in text and "the same command again" in text
    assert len(text.splitlines()) == 1 and hub.files(name) == before
    assert run_publish(here, "model", other, name)[0] == 0
    assert hub.files(name)["model.safetensors"] == (other / "model.safetensors").read_bytes()


def test_hub_that_loses_its_answer_has_one_commit(hub, here, trained):
    hub.failures["after commit"] = [500]
    assert run_publish(here, "model", trained, "alice/lost")[0] == 1
    status, text = run_publish(here, "model", trained, "alice/lost")
    assert status == 0 and "nothing was sent" in text
    assert len(hub.repos["models", "alice/lost"].history("main")) == 2


def test_hub_that_cannot_be_reached(trained, monkeypatch, capsys):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", "hf_alice")
    assert publish.main(["metric", "alice/highlight_detection"]) == 1
    assert "cannot be reached" in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["missing", "nan", "cut", "folder"])
def test_hub_gets_no_broken_model(hub, here, trained, tmp_path, damage):
    folder = retouched(trained, tmp_path / "broken")
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in weights if name.endswith("bias"))
    if damage == "missing":
        save_file({key: value for key, value in weights.items() if key != name}, folder / "model.safetensors")
    elif damage == "nan":
        save_file(weights | {name: weights[name] * torch.nan}, folder / "model.safetensors")
    elif damage == "cut":
        (folder / "model.safetensors").write_bytes(b"0" * 9)
    else:
        (folder / "config.json").unlink()
    before = len(hub.requests)
    status, text = run_publish(here, "model", folder, "alice/broken")
    assert status == 1 and len(text.splitlines()) == 1
    assert len(hub.requests) == before


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["model", "FOLDER", "name"], "is not of the form USER/NAME"),
        (["model", "FOLDER", "a/b/c"], "a/b/c"),
        (["metric", "alice/metric"], "needs to be highlight_detection"),
        (["model", "FOLDER", "alice/x", "--visual-pca", "p.npz"], "--visual-pca needs --with-backbones"),
    ],
)
def test_hub_wrong_usage_ends_with_status_2(arguments, message, capsys):
    with pytest.raises(SystemExit) as stop:
        publish.main(arguments)
    assert stop.value.code == 2 and message in capsys.readouterr().err


# ------------------------------------------------------------------------------------- datasets and Spaces


def test_hub_knows_what_its_client_asks(here):
    code = """
import os
os.environ["HF_TOKEN"] = "hf_alice"
from datasets import Dataset, disable_progress_bars, load_dataset
from huggingface_hub import HfApi
api, kind = HfApi(), {"repo_type": "dataset"}
disable_progress_bars()
for number in (1, 2):
    Dataset.from_dict({"number": [number, 5]}).push_to_hub("alice/rows")
api.create_tag("alice/rows", tag="v2", **kind)
refs = api.list_repo_refs("alice/rows", **kind)
print([branch.name for branch in refs.branches], [tag.name for tag in refs.tags])
print(len(api.list_repo_commits("alice/rows", **kind)))
print([path.path for path in api.get_paths_info("alice/rows", ["data", "README.md", "none"], **kind)])
print(list(load_dataset("alice/rows", revision="v2", split="train")["number"]))
api.delete_repo("alice/rows", **kind)
print(api.repo_exists("alice/rows", **kind))
"""
    lines = here.run(code).splitlines()
    assert lines == ["['main'] ['v2']", "3", "['README.md', 'data']", "[2, 5]", "False"]


def test_hub_dataset_comes_back(hub, here, outsider, dataset):
    (dataset / "film.mp4").write_bytes(b"not to be sent")
    assert run_publish(here, "dataset", dataset, "alice/films", "--private")[0] == 0
    (dataset / "film.mp4").unlink()
    files = hub.files("alice/films", "datasets")
    local = {path.relative_to(dataset).as_posix(): path for path in dataset.rglob("*") if path.is_file()}
    assert {name: content for name, content in files.items() if name != ".gitattributes"} == {
        name: path.read_bytes() for name, path in local.items()
    }
    assert hub.repos["datasets", "alice/films"].private
    code = """
import json, os
os.environ["HF_TOKEN"] = "hf_alice"
from datasets import load_dataset
films = load_dataset("alice/films")
print(json.dumps({name: list(split["video_id"]) for name, split in films.items()}))
del os.environ["HF_TOKEN"]
"""
    found = json.loads(outsider.run(code))
    assert found["test"] == ["film10", "film11"] and len(found["train"]) == 8


TRAININGS = """
import contextlib, io
from pathlib import Path
from examples import evaluate, train
def run(name, *options, status=0):
    text = io.StringIO()
    fixed = ["--output", {folder!r} + name, "--epochs", "1", "--num-workers", "0", *options]
    with contextlib.redirect_stderr(text):
        assert train.main(fixed) == status, text.getvalue()
    return text.getvalue()
def stored(kind):
    return len(list(Path({home!r}, "hub", "datasets--alice--clips").rglob(kind)))
arrows = set(Path({home!r}).rglob("*.arrow"))
anew = ["--config", {config!r}, "--dataset"]
run("streamed", *anew, "alice/clips", "--streaming")
assert evaluate.main(["--model", {folder!r} + "streamed", "--dataset", "alice/clips", "--streaming"]) == 0
assert stored("train-*.parquet") == 0 and stored("test-*.parquet") == 1
run("stored", *anew, "alice/clips@main")
assert stored("train-*.parquet") == 2 and set(Path({home!r}).rglob("*.arrow")) == arrows
run("on", "--model", {folder!r} + "stored", "--dataset", "alice/clips", "--freeze", "score_head")
assert "no dataset that you may read" in run("a", *anew, "alice/nothing", status=1)
assert "on the Hub has no revision 'v9'" in run("b", *anew, "alice/clips@v9", status=1)
assert "has no extraction.json, and so is none" in run("c", *anew, "alice/none", status=1)
"""


def test_hub_dataset_is_trained_on(hub, here, dataset, tmp_path):
    """Streamed, its training videos stay there; stored, they are read where they were downloaded to."""
    assert run_publish(here, "dataset", dataset, "alice/clips")[0] == 0
    hub.put("alice/none", "datasets", **{"README.md": b"---\nlicense: mit\n---\n"})
    config = write_config(tmp_path / "config", modalities=["semantic"])
    home = here.run("from huggingface_hub import constants; print(constants.HF_HOME)")
    here.run(TRAININGS.format(folder=f"{tmp_path}/", home=home, config=str(config)))
    record = json.loads((tmp_path / "stored" / "training.json").read_text())
    assert record["dataset"] == "alice/clips" and record["videos"]["train"] == 8
    assert run_publish(here, "model", tmp_path / "on", "alice/on")[0] == 0
    files = hub.files("alice/on")
    data = ModelCard(files["README.md"].decode()).data
    assert (data.base_model, data.datasets, data.pipeline_tag) == (
        *("stored", ["alice/clips"]),
        "video-classification",
    )
    results = parse_eval_result_entries(yaml.safe_load(files[".eval_results/alice--clips.yaml"]))
    assert {entry.dataset_revision for entry in results} == {
        hub.repos["datasets", "alice/clips"].branches["main"]
    }


def test_hub_dataset_that_is_not_whole_is_not_sent(hub, here, dataset, tmp_path):
    copied = write_dataset(tmp_path / "films")
    next((copied / "data").glob("train-*")).unlink()
    status, text = run_publish(here, "dataset", copied, "alice/half")
    assert status == 1 and "videos" in text and ("datasets", "alice/half") not in hub.repos


def test_metric_space_is_one_that_evaluate_loads(hub, here, outsider):
    assert run_publish(here, "metric", "alice/highlight_detection")[0] == 0
    assert hub.repos["spaces", "alice/highlight_detection"].sdk == "gradio"
    code = """
import evaluate
metric = evaluate.load("alice/highlight_detection")
print(metric.compute(predictions=[[0.1, 0.9, 0.3, 0.2]], references=[[0.0, 1.0, 0.5, 0.2]])["f1"])
"""
    assert outsider.run(code) == "1.0"


def test_demo_space_is_sent_as_it_is(hub, here):
    assert run_publish(here, "space", "alice/demo")[0] == 0
    files = hub.files("alice/demo", "spaces")
    for name in ("README.md", "app.py", "requirements.txt"):
        assert files[name] == (publish.DEMO / name).read_bytes()
    assert not [name for name in files if "__pycache__" in name or name.endswith((".pyc", ".pyi"))]
    status, text = run_publish(here, "space", "alice/demo")
    assert status == 0 and "nothing was sent" in text


def test_metric_space_does_not_replace_another(hub, here):
    other = {"README.md": b"---\ntitle: Mine\n---\n", "app.py": b"import gradio"}
    hub.put("bob/highlight_detection", "spaces", **other)
    status, text = run_publish(here, "metric", "bob/highlight_detection", user="bob")
    assert status == 1 and "holds something else" in text
    assert hub.files("bob/highlight_detection", "spaces") == other
