"""Where a dataset is: in a folder, or on the Hub."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import HfApi

from modeling_davihd.loading import hub_folder

ABOUT = ("README.md", "extraction.json")
STORED = ("data/*.parquet",)
STORED_BESIDE_STREAM = ("data/validation-*.parquet", "data/test-*.parquet")


def locate(source: str, streaming: bool = False) -> tuple[Path, list[str]]:
    """The folder of a dataset, and the paths or addresses of its training videos if these are streamed.

    source: a folder, or HUB_ID[@revision]: what is not on this machine yet is downloaded, all of one commit.
    Raises ValueError naming the source if there is no such dataset.
    """
    folder = Path(source)
    if folder.is_dir():
        shards = sorted(map(str, (folder / "data").glob("train-*.parquet"))) if streaming else []
        return folder, shards
    name, _, revision = source.partition("@")
    if folder.is_absolute() or name.startswith((".", "~")) or name.count("/") != 1:
        raise ValueError(f"The dataset {source} cannot be read: there is no such folder.")
    try:
        about = hub_folder(name, ABOUT, "dataset", revision or None)  # before any large file
        if not (about / "extraction.json").is_file():
            raise ValueError("it has no extraction.json, and so is none of datasets_scripts/")
        commit = about.name
        folder = hub_folder(name, STORED_BESIDE_STREAM if streaming else STORED, "dataset", commit)
    except ValueError as error:
        raise ValueError(f"The dataset {source} cannot be read: {error}.") from error
    if not streaming:
        return folder, []
    files = HfApi().list_repo_files(name, repo_type="dataset", revision=commit)
    shards = sorted(file for file in files if file.startswith("data/train-") and file.endswith(".parquet"))
    return folder, [f"hf://datasets/{name}@{commit}/{shard}" for shard in shards]
