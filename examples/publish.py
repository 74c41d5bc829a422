"""Publish a model, a dataset, the metric or the demo on the Hugging Face Hub.

    python examples/publish.py model build/model user/name
    python examples/publish.py model build/model user/name --with-backbones --visual-weights FILE ...
    python examples/publish.py dataset build/data user/name
    python examples/publish.py metric user/highlight_detection
    python examples/publish.py space user/name

The token comes from HF_TOKEN or from `hf auth login`. What is sent is checked first and arrives in one
commit: whole or not at all. The same command again sends what has changed since, if anything, and goes on
with an upload that broke off.
"""

from __future__ import annotations

import argparse
import dataclasses
import fnmatch
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, constants, get_token
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, HTTPError, RepositoryNotFoundError
from huggingface_hub.utils import disable_progress_bars, validate_repo_id
from huggingface_hub.utils import logging as hub_logging

if __package__ in (None, ""):  # from examples/, "evaluate" would be the script beside this one
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from datasets_scripts.building.console import sentence
from examples.training.eval_results import FOLDER, results_in
from examples.training.front_matter import front_matter
from examples.training.record import RECORD_FILE, Record
from modeling_davihd.backbones_davihd import BACKBONES
from modeling_davihd.conversion import EncoderChoice
from modeling_davihd.jobs import unwinding

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

    from modeling_davihd import DAViHDFeatureExtractor

ROOT = Path(__file__).resolve().parent.parent
METRIC = ROOT / "modeling_davihd" / "metrics" / "highlight_detection"
DEMO = ROOT / "spaces_demo"
SHARD_SIZE = "2GB"  # of weights
LEFTOVERS = (".*", "__pycache__", "*.pyc", "*.pyi")  # hidden files and what running an app leaves behind


@dataclass(frozen=True)
class Parcel:
    """What is sent: files by their names in the repository, and what kind of repository it is for.

    stale: patterns of files that earlier versions may have left there; those not sent are removed.
    signature: a file and a text in it, by which a repository is known to hold an earlier version.
    """

    kind: str
    files: dict[str, Path]
    stale: tuple[str, ...]
    signature: tuple[str, str]

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(path.stat().st_size for path in self.files.values())


@dataclass(frozen=True)
class Destination:
    """A repository of the Hub, made if it is not there yet: public unless `private`, and a branch of it."""

    repo_id: str
    private: bool = False
    revision: str | None = None

    def described(self, kind: str) -> str:
        """Its name in a sentence, as a repository of that kind."""
        branch = f", branch {self.revision}" if self.revision else ""
        return f"{kind}s/{self.repo_id}{branch}"


# ------------------------------------------------------------------------------------------------ packing


def pack_model(
    source: Path, folder: Path, repo_id: str, encoder_options: Mapping[str, object] | None = None
) -> Parcel:
    """Write the checkpoint of `source` to `folder` with all that others need to use it.

    repo_id: where its card says that it is. encoder_options: what the command line says of frozen encoders
    (`visual_backbone`, `visual_weights`, ...) that are to be part of it. Raises ValueError or OSError, in one
    sentence, if the checkpoint does not load or its weights are not finite.
    """
    if not (source / "config.json").is_file():
        raise ValueError(f"{source} is not a checkpoint folder: it has no config.json.")
    model, extractor = load(source)
    record = Record.find(source)
    if encoder_options is not None:
        from examples.training.bundle import bundle, extractor_of

        model = bundle(model, encoders(source, encoder_options, model.config, record))
        extractor = extractor_of(model.config, extractor)
    model.save_pretrained(folder, max_shard_size=SHARD_SIZE)
    extractor.save_pretrained(folder)
    write_card(source, folder, repo_id, record, model)
    for results in results_in(source):
        (folder / FOLDER).mkdir(exist_ok=True)
        shutil.copyfile(results, folder / FOLDER / results.name)
    if record is not None:  # any other file of that name may be private, or a link to one that is
        shutil.copyfile(source / RECORD_FILE, folder / RECORD_FILE)
    load(folder)  # as others will
    stale = ("*.safetensors", "*.safetensors.index.json", "*.py")
    signature = ("config.json", f'"model_type": "{model.config.model_type}"')
    return Parcel("model", files_in(folder), stale, signature)


def load(folder: Path) -> tuple[PreTrainedModel, DAViHDFeatureExtractor]:
    """What a checkpoint holds. Raises ValueError naming the folder if any of it does not fit."""
    from modeling_davihd.loading import load_checkpoint
    from modeling_davihd.pipeline_davihd import check_spectrogram

    try:
        model, extractor = load_checkpoint(folder)
        check_spectrogram(model.config, extractor)
    except (ValueError, OSError, RuntimeError, ImportError) as error:
        raise ValueError(f"{folder} does not load: {sentence(error)}") from error
    return model, extractor


def encoders(
    source: Path, options: Mapping[str, object], config: PreTrainedConfig, record: Record | None
) -> dict[str, EncoderChoice]:
    """The frozen encoders that the model lacks, by stream.

    Raises ValueError for a baseline, and if neither training record nor options say which they are, or both
    say different things.
    """
    if config.model_type != "davihd":
        raise ValueError(f"{source} holds a {config.model_type} model; --with-backbones needs one of DAViHD.")
    recorded, found = (record and record.extraction) or {}, {}
    for stream in config.feature_streams:
        name, field = stream.name, stream.backbone_field
        if config.stream_backbone(stream) is not None:
            continue
        said = {options.get(field), recorded.get(field)} - {None}
        if not said:
            raise ValueError(
                f"{source} does not say which encoder made its {name} features; --{name}-backbone is needed."
            )
        if len(said) > 1:
            raise ValueError(
                f"--{name}-backbone is {options[field]}, but {source}/training.json says "
                f"that the {name} features were made with {recorded[field]}."
            )
        files = {part: options.get(f"{name}_{part}") for part in ("weights", "pca")}
        found[name] = EncoderChoice(said.pop(), **files)
    if not found:
        raise ValueError(f"{source} takes films as it is; --with-backbones has nothing to add.")
    return found


def write_card(source: Path, folder: Path, repo_id: str, record: Record | None, model: PreTrainedModel):
    """The card: made of the training record, unless someone has written or edited the checkpoint's own."""
    from examples.training.model_card import GENERATED_NOTICE, write_model_card

    card = source / "README.md"
    if card.is_file() and GENERATED_NOTICE not in card.read_text(encoding="utf-8", errors="replace"):
        front_matter(card)
        shutil.copyfile(card, folder / "README.md")
    elif record is None:
        raise ValueError(
            f"{source} has no README.md, and no training.json of examples/train.py to make one of."
        )
    else:
        facts = {"config": model.config.to_diff_dict(), "parameters": model.num_parameters()}
        write_model_card(folder, dataclasses.replace(record, **facts), repo_id)


def pack_dataset(folder: Path) -> Parcel:
    """The files of a dataset of datasets_scripts/, every row of which can be read; no videos.

    Raises ValueError, in one sentence, if the folder is not whole.
    """
    from examples.training.data import read_dataset
    from modeling_davihd.engines.shards import is_whole

    dataset = read_dataset(folder)
    for shard in sorted(folder.glob("data/*.parquet")):
        if not is_whole(shard):
            raise ValueError(f"{shard} is damaged; build the dataset again.")
    found = {name: len(split) for name, split in dataset.splits.items()}
    needed = {name: split["videos"] for name, split in dataset.extraction["splits"].items()}
    if found != needed:
        raise ValueError(f"{folder} holds {found} videos; its extraction.json says {needed}.")
    for name in ("README.md", "missing.json"):
        if not (folder / name).is_file():
            raise ValueError(f"{folder} has no {name}; a finished folder of datasets_scripts/ is needed.")
    front_matter(folder / "README.md")
    paths = [folder / name for name in ("README.md", "extraction.json", "missing.json")]
    paths += sorted(folder.glob("data/*.parquet"))
    files = {path.relative_to(folder).as_posix(): path for path in paths}
    return Parcel("dataset", files, ("data/*.parquet",), ("extraction.json", '"davihd"'))


def pack_space(source: Path) -> Parcel:
    """A folder with a Gradio app. Raises ValueError where a Space would not start."""
    card = source / "README.md"
    if not card.is_file():
        raise ValueError(f"There is no Space in {source}: it has no README.md.")
    header = front_matter(card)
    for key in ("title", "app_file", "sdk_version"):
        if key not in header:
            raise ValueError(f"{card} has no {key} in its metadata; a Space needs it.")
    for name in (header["app_file"], "requirements.txt"):
        if not (source / name).is_file():
            raise ValueError(f"{source} has no {name}; a Space needs it.")
    title = next(line for line in card.read_text(encoding="utf-8").splitlines() if line.startswith("title:"))
    return Parcel("space", files_in(source), ("*.py",), ("README.md", title))


def files_in(folder: Path) -> dict[str, Path]:
    """All files but LEFTOVERS; results are none."""
    names = {
        path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()
    }
    return {
        name: path
        for name, path in names.items()
        if not any(matches(part, LEFTOVERS) for part in Path(name.removeprefix(f"{FOLDER}/")).parts)
    }


# ------------------------------------------------------------------------------------------------ sending


def send(parcel: Parcel, destination: Destination, message: str) -> str:
    """Publish in one commit; returns a line on what came of it. Raises what `explain` explains."""
    api, kind, repo_id, branch = HfApi(), parcel.kind, destination.repo_id, destination.revision
    api.whoami()
    private, sdk = destination.private or None, "gradio" if kind == "space" else None
    api.create_repo(repo_id, repo_type=kind, private=private, space_sdk=sdk, exist_ok=True)
    check_repository(api, parcel, destination)
    if branch not in (None, constants.DEFAULT_REVISION):
        api.create_branch(repo_id, repo_type=kind, branch=branch, exist_ok=True)
    before = api.repo_info(repo_id, repo_type=kind, revision=branch)
    there = [sibling.rfilename for sibling in before.siblings or []]
    stale = [name for name in there if name not in parcel.files and matches(name, parcel.stale)]
    operations = [CommitOperationDelete(name) for name in stale]
    operations += [CommitOperationAdd(name, path) for name, path in parcel.files.items()]
    commit = api.create_commit(repo_id, operations, repo_type=kind, revision=branch, commit_message=message)
    if commit.oid == before.sha:
        return f"{destination.described(kind)} has all of it already; nothing was sent"
    return f"published: {commit.commit_url}"


def check_repository(api: HfApi, parcel: Parcel, destination: Destination):
    """Raise ValueError if it is public though a private one was asked for, or holds something else."""
    info = api.repo_info(destination.repo_id, repo_type=parcel.kind)
    where = destination.described(parcel.kind)
    if destination.private and not info.private:
        raise ValueError(
            f"{where} exists and is public: make it private in its settings, or leave out --private."
        )
    others = {sibling.rfilename for sibling in info.siblings or []} - {".gitattributes", "README.md"}
    name, text = parcel.signature
    if others:
        try:
            path = api.hf_hub_download(destination.repo_id, name, repo_type=parcel.kind)
        except EntryNotFoundError:
            path = None
        if path is None or text not in Path(path).read_text(encoding="utf-8"):
            raise ValueError(f"{where} exists and holds something else, as {min(others)}; take another name.")


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether a file name matches one of several patterns."""
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


def preview(parcel: Parcel, destination: Destination) -> str:
    """What would be sent, with sizes."""
    lines = [f"{path.stat().st_size / 1000:>12,.1f} kB  {name}" for name, path in parcel.files.items()]
    where = destination.described(parcel.kind)
    return "\n".join([*lines, f"{len(lines)} files, {parcel.size / 1e6:,.2f} MB would be sent to {where}"])


def explain(error: Exception, repo_id: str) -> str:
    """What went wrong, in a sentence that says what to do."""
    status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
    cause = error.__cause__
    if isinstance(error, RuntimeError) and isinstance(cause, HTTPError | OSError):  # of one file's upload
        return explain(cause, repo_id)
    again = "run the same command again"
    if isinstance(error, RepositoryNotFoundError) or status == 403:
        return f"your token may not write to {repo_id}: it needs write access, or another name"
    if status == 401:
        return "the Hub does not know your token: check HF_TOKEN, or log in anew with `hf auth login`"
    if status is not None:
        said = error.server_message or error.response.reason_phrase
        return f"the Hub failed with {status} ({said}); {repo_id} is whole: {again}"
    if isinstance(error, HTTPError):
        return f"the Hub at {constants.ENDPOINT} cannot be reached ({sentence(error)}); {again} later"
    return sentence(error)


# ------------------------------------------------------------------------------------------- command line


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="publish.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="what", required=True)
    helps = {
        "model": "a checkpoint folder, with the code that loads it",
        "dataset": "a folder of datasets_scripts/",
        "metric": "the metric, as a Space that `evaluate.load` finds",
        "space": "the demo",
    }
    for what, text in helps.items():
        command = commands.add_parser(what, help=text, description=f"Publish {text}.")
        if what in ("model", "dataset"):
            command.add_argument("folder", type=Path, metavar="FOLDER")
        command.add_argument("repo_id", metavar="USER/NAME", help="where; made if it is not there yet")
        command.add_argument("--dry-run", action="store_true", help="check, and list what would be sent")
        command.add_argument("--private", action="store_true", help="readable by you alone")
        command.add_argument(
            "--revision", metavar="BRANCH", help="instead of main; made if it is not there yet"
        )
        if what == "model":
            add_backbone_options(command)
    options = parser.parse_args(arguments)
    check_names_and_encoders(parser, options)
    return options


def add_backbone_options(parser: argparse.ArgumentParser):
    group = parser.add_argument_group("frozen encoders, so that the model takes films")
    group.add_argument("--with-backbones", action="store_true", help="put them into the checkpoint")
    for stream, known in BACKBONES.items():
        group.add_argument(
            f"--{stream}-backbone", metavar="NAME", help="its name, where training.json does not say it"
        )
        group.add_argument(f"--{stream}-weights", type=Path, metavar="FILE", help="its published checkpoint")
        if any(kind.needs_pca for kind in known.values()):
            group.add_argument(f"--{stream}-pca", type=Path, metavar="FILE", help="its PCA, .npz or .npy")


def check_names_and_encoders(parser: argparse.ArgumentParser, options: argparse.Namespace):
    """End with status 2 if the repository cannot be named so, or an option needs another one."""
    try:
        validate_repo_id(options.repo_id)
    except ValueError as error:
        parser.error(sentence(error))
    if options.repo_id.count("/") != 1:
        parser.error(f"{options.repo_id} is not of the form USER/NAME")
    if options.what == "metric" and not options.repo_id.endswith(f"/{METRIC.name}"):
        parser.error(f"the name needs to be {METRIC.name}, after which `evaluate.load` looks for its script")
    for name, value in encoder_options(options).items():
        if value is not None and not options.with_backbones:
            parser.error(f"--{name.replace('_', '-')} needs --with-backbones")


def encoder_options(options: argparse.Namespace) -> dict[str, object]:
    """What the command line says of frozen encoders, by option."""
    prefixes = tuple(f"{stream}_" for stream in BACKBONES)
    return {name: value for name, value in vars(options).items() if name.startswith(prefixes)}


def pack(options: argparse.Namespace, folder: Path) -> Parcel:
    """What the command line asks for, written to `folder` where it is not ready to be sent as it lies."""
    if options.what in ("metric", "space"):
        return pack_space(METRIC if options.what == "metric" else DEMO)
    if not options.folder.is_dir():
        raise ValueError(f"There is no folder {options.folder}.")
    if options.what == "dataset":
        return pack_dataset(options.folder)
    chosen = encoder_options(options) if options.with_backbones else None
    return pack_model(options.folder, folder, options.repo_id, chosen)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 published, or listed; 1 it could not be; 2 wrong usage."""
    options = parse_arguments(arguments)
    destination = Destination(options.repo_id, options.private, options.revision)
    hub_logging.set_verbosity_error()
    if not sys.stderr.isatty():
        disable_progress_bars()
    try:
        if not options.dry_run and not get_token():
            raise ValueError("There is no token: set HF_TOKEN, or log in with `hf auth login`.")
        with unwinding(), tempfile.TemporaryDirectory(prefix="publish-") as folder:
            parcel = pack(options, Path(folder))
            if options.dry_run:
                print(preview(parcel, destination))
            else:
                print(send(parcel, destination, f"Publish {options.what}"))
    except (ValueError, OSError, RuntimeError, ImportError, HTTPError) as error:
        print(f"publish.py: error: {explain(error, options.repo_id)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("publish.py: interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
