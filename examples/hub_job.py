# /// script
# requires-python = ">=3.10"
# dependencies = [
#     "accelerate>=1.15,<2",
#     "av>=18,<19",
#     "datasets>=5.2,<6",
#     "evaluate>=0.4.6,<0.5",
#     "gradio>=6.31,<7",
#     "huggingface-hub>=2.4,<3",
#     "matplotlib>=3.10,<4",
#     "numpy>=2,<3",
#     "pyyaml>=6,<7",
#     "safetensors>=0.6,<1",
#     "scenedetect-headless>=0.7.2,<0.8",
#     "scipy>=1.14,<2",
#     "timm>=1.0.31,<2",
#     "torch>=2.11,<2.13",
#     "torchaudio>=2.11,<2.11.1",
#     "torchvision>=0.26,<0.28",
#     "tqdm>=4.66,<5",
#     "transformers>=5.23,<6",
# ]
# ///
"""Train on a machine of the Hub's, from a dataset of the Hub, and publish the model there.

    hf jobs uv run --flavor t4-small --timeout 4h --secrets HF_TOKEN examples/hub_job.py \\
        --code USER/davihd@COMMIT --push-to USER/MODEL --model davihd-small --dataset USER/DATA

--code is a clone, here one in a repository of the Hub, whose examples/train.py and examples/publish.py are
run; all options but those below are options of the former. docs/training.md says how the clone gets there.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import HTTPError

NEEDED = ("configuration/*", "datasets_scripts/*", "examples/*", "modeling_davihd/*")
ATTEMPTS, WAIT = 3, 60  # at publishing what took hours to train; seconds between them


def parse_arguments(arguments: Sequence[str] | None) -> tuple[argparse.Namespace, list[str]]:
    """This script's options, and those of the training."""
    parser = argparse.ArgumentParser(
        prog="hub_job.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--code", required=True, metavar="CLONE", help="a folder, or USER/NAME[@REVISION] of the Hub"
    )
    parser.add_argument("--push-to", required=True, metavar="USER/MODEL", help="where the model goes")
    parser.add_argument("--private", action="store_true", help="readable by you alone")
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="keep the run there, so that --resume can go on with it"
    )
    return parser.parse_known_args(arguments)


def run(options: argparse.Namespace, training: Sequence[str]) -> int:
    """Train, then publish. Returns the exit status of what failed, or 0.

    Raises ValueError before anything is trained where the code is not there, or the model could not be
    published.
    """
    check_destination(options.push_to)
    with tempfile.TemporaryDirectory(prefix="davihd-") as folder:
        examples = find_code(options.code, Path(folder) / "code") / "examples"
        output = options.output or Path(folder) / "model" / options.push_to.rpartition("/")[2]
        launch = [sys.executable, "-m", "accelerate.commands.launch", str(examples / "train.py")]
        if status := subprocess.run([*launch, *training, "--output", str(output)]).returncode:
            return status
        publish = [sys.executable, str(examples / "publish.py"), "model", str(output), options.push_to]
        return published([*publish, *(["--private"] if options.private else [])])


def check_destination(repo_id: str) -> None:
    """Raise ValueError if the token may not write there, or something else than a model of ours is there."""
    api = HfApi()
    user = api.whoami()
    owner = repo_id.partition("/")[0]
    if owner not in (user["name"], *(group["name"] for group in user.get("orgs", []))):
        raise ValueError(f"the token is {user['name']}'s, who may not write to {repo_id}")
    if api.repo_exists(repo_id):
        others = set(api.list_repo_files(repo_id)) - {".gitattributes", "README.md"}
        if others and "config.json" not in others:
            raise ValueError(
                f"{repo_id} exists and holds something else, as {min(others)}; take another name"
            )


def find_code(source: str, target: Path) -> Path:
    """A clone, downloaded into `target` if need be. Raises ValueError if it has no examples/train.py."""
    folder = Path(source)
    if not folder.is_dir():
        name, _, revision = source.partition("@")
        commit = HfApi().model_info(name, revision=revision or None).sha
        # In the cache, files are links; programs would look for their parts beside what these lead to.
        folder = target / commit
        snapshot_download(name, revision=commit, allow_patterns=list(NEEDED), local_dir=folder)
        print(f"hub_job.py: the code is {name}@{commit}", flush=True)
    if not (folder / "examples" / "train.py").is_file():
        raise ValueError(f"{source} has no examples/train.py; it needs to hold a clone")
    return folder


def published(command: Sequence[str]) -> int:
    """The status of publishing, tried again where it fails: a job's disk is lost with it."""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(WAIT)
        if (status := subprocess.run(command).returncode) == 0:
            break
    return status


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 published, 1 it could not be, 2 wrong usage, or that of the training that failed."""
    options, training = parse_arguments(arguments)
    try:
        return run(options, training)
    except (ValueError, OSError, HTTPError) as error:
        print(f"hub_job.py: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
