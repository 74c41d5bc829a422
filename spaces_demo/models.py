"""Models by name: the one inside the package, the server's own, or any on the Hub whose files are data."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import torch
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)
from huggingface_hub.utils import validate_repo_id

from modeling_davihd import VideoHighlightDetectionPipeline
from modeling_davihd.loading import DEFAULT_MODEL, load_pipeline

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
SUFFIXES = (".json", ".safetensors")  # of a model's files: nothing that could be executed


class ModelError(ValueError):
    """A model cannot be used; the message is one sentence that names it."""


def pipeline_for(name: str, megabytes: float, own: Path | None = None) -> VideoHighlightDetectionPipeline:
    """The pipeline of the embedded default or of a public Hub id `owner/name` of at most `megabytes`.

    own: a checkpoint folder of the server's, which goes by its name.
    """
    if own is not None and name == own.name:
        return load_pipeline(str(own), DEVICE)
    if name == DEFAULT_MODEL:
        return load_pipeline(name, DEVICE)
    with TemporaryDirectory() as folder:
        _fetch(_checked_id(name), folder, megabytes)
        try:
            return load_pipeline(folder, DEVICE)
        except (OSError, ValueError, RuntimeError, NotImplementedError, AssertionError) as error:
            reason = " ".join(str(error).replace(folder, name).split())
            raise ModelError(f"The model {name} cannot be loaded: {reason.rstrip('.')}.") from error


def _checked_id(name: str) -> str:
    """The name if it is that of a repository; a folder of the server must not be reached through it."""
    try:
        validate_repo_id(name)
    except HFValidationError:
        name = ""
    if name.count("/") != 1 or Path(name).exists():
        raise ModelError(f"Models are named {DEFAULT_MODEL} or, on the Hub, owner/name.")
    return name


def _fetch(name: str, folder: str, megabytes: float) -> None:
    """Put the model's data files into the folder; only what everyone may read is read (token=False)."""
    try:
        repository = HfApi(token=False).model_info(name, files_metadata=True)
        size = sum(file.size or 0 for file in repository.siblings or [] if file.rfilename.endswith(SUFFIXES))
        if size > megabytes * 1e6:
            raise ModelError(
                f"The model {name} has {size / 1e6:.0f} MB; at most {megabytes:g} MB are allowed."
            )
        snapshot_download(
            name, local_dir=folder, allow_patterns=[f"*{suffix}" for suffix in SUFFIXES], token=False
        )
    except RepositoryNotFoundError as error:
        raise ModelError(f"There is no public model {name} on the Hub.") from error
    except (HfHubHTTPError, OfflineModeIsEnabled, httpx.HTTPError) as error:
        raise ModelError(f"The model {name} cannot be fetched from the Hub at the moment.") from error
