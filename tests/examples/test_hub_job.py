"""Training and publishing by a job."""

import json
from types import SimpleNamespace

import pytest
from nursery import Repository
from paths import ROOT
from published import CODE

from examples import hub_job


@pytest.mark.parametrize(("statuses", "status"), [([1, 1, 0], 0), ([0], 0), ([1, 1, 1], 1)])
def test_publishing_is_tried_again(monkeypatch, statuses, status):
    left = list(statuses)
    monkeypatch.setattr(hub_job, "WAIT", 0)
    monkeypatch.setattr(hub_job.subprocess, "run", lambda command: SimpleNamespace(returncode=left.pop(0)))
    assert hub_job.published(["publish"]) == status and not left


# The programs that a job starts run in forks of this one, which has imported what they would.
JOB = """
import contextlib, io, os, runpy, sys
os.environ["HF_TOKEN"] = "hf_alice"
from types import SimpleNamespace
from accelerate.commands import launch
from examples import hub_job
def run_in_a_fork(command):
    process = os.fork()
    if process == 0:
        is_module = command[1] == "-m"
        sys.argv = command[1 + is_module:]
        try:
            (runpy.run_module if is_module else runpy.run_path)(sys.argv[0], run_name="__main__")
        except SystemExit as stop:
            os._exit(stop.code or 0)
        os._exit(0)
    return SimpleNamespace(returncode=os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
hub_job.subprocess = SimpleNamespace(run=run_in_a_fork)
def job(code, target, *more):
    text = io.StringIO()
    with contextlib.redirect_stderr(text):
        return hub_job.main(["--code", code, "--push-to", target, *more]), text.getvalue()
"""
JOB_REFUSED = """
for code, target, message in (
    ("alice/code", "bob/job", "the token is alice's, who may not write to bob/job"),
    ("alice/code", "alice/other", "holds something else, as novel.txt"),
    ("alice/other", "alice/job", "alice/other has no examples/train.py"),
):
    status, said = job(code, target)
    assert status == 1 and message in said, said
"""
JOB_TRAINS = """
import json, os, shutil, sys
output = sys.argv[sys.argv.index("--output") + 1]
shutil.copytree({trained!r}, output, ignore=shutil.ignore_patterns("states"))
print(json.dumps([os.path.realpath(__file__), sys.argv[1:]]), file=open({seen!r}, "w"))
"""
JOB_PUBLISHES = """
import runpy, sys
sys.argv[0] = {publish!r}
runpy.run_path({publish!r}, run_name="__main__")
"""


@pytest.mark.slow
def test_hub_job_trains_with_the_code_of_a_commit_and_publishes(hub, nursery, trained, tmp_path):
    """What could not be published is not trained."""
    here, seen = Repository(nursery), tmp_path / "seen.json"
    trains = JOB_TRAINS.format(trained=str(trained), seen=str(seen)).encode()
    publishes = JOB_PUBLISHES.format(publish=str(ROOT / "examples" / "publish.py")).encode()
    files = {"examples/train.py": trains, "examples/publish.py": publishes}
    commit = hub.put("alice/code", **files).branches["main"]
    hub.put("alice/other", **{"novel.txt": b"Call me Ishmael."})
    here.run(JOB + JOB_REFUSED)
    assert not seen.exists() and ("models", "alice/job") not in hub.repos
    options = ["--dataset", "alice/films@v1", "--epochs", "2"]
    here.run(f"{JOB}assert job('alice/code@{commit}', 'alice/job', *{options})[0] == 0")
    program, arguments = json.loads(seen.read_text())
    assert f"/{commit}/examples/train.py" in program and arguments[:-2] == options
    assert CODE < set(hub.files("alice/job"))
    assert "# job\n" in hub.files("alice/job")["README.md"].decode()
