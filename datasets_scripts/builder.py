"""Videos and their labels -> a folder of Parquet shards that `datasets.load_dataset` reads offline.

    DIR/README.md         dataset card        DIR/data/train-00000-of-00003.parquet, ...
    DIR/extraction.json   how the features were made; written last: if it is there, the dataset is whole
    DIR/missing.json      [{"video_id", "reason"}]: the videos that could not be used

Shards are planned from the list of videos, and each carries the fingerprint of all that went into it. Killed
anywhere and started again, a build keeps the shards whose fingerprint agrees and makes the rest: the result
has the same bytes as that of an undisturbed run.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from tqdm import tqdm

from datasets_scripts.extraction import (
    NUM_MEL_BINS,
    DatasetError,
    Extractor,
    Given,
    Settings,
    UnusableVideo,
    UsageError,
    check_weights,
    file_print,
    settings_from,
)
from datasets_scripts.options import add_extraction_arguments
from datasets_scripts.rows import SPLITS, Mismatched, Video, check_videos, row_of, video_identity
from datasets_scripts.shards import (
    PARTIAL,
    Note,
    Row,
    count,
    is_whole,
    read_note,
    row_features,
    shards_in,
    write_shard,
    write_text,
    writing,
)
from modeling_davihd import __version__
from modeling_davihd.media import MediaError, MediaWarning

ROWS_PER_SHARD = 16


@dataclass(frozen=True)
class Report:
    """What came of it; as a string, in one line.

    videos, seconds: of each split. missing: (video_id, reason). built, kept: shards made now, and before.
    """

    videos: dict[str, int]
    seconds: dict[str, float]
    missing: list[tuple[str, str]]
    built: int
    kept: int

    def __str__(self) -> str:
        splits = ", ".join(f"{videos} {split}" for split, videos in self.videos.items())
        hours = sum(self.seconds.values()) / 3600
        missing = f", {len(self.missing)} missing (see missing.json)" if self.missing else ""
        return f"{splits} videos, {hours:.2f} h{missing}; shards: {self.built} built, {self.kept} kept"


@dataclass(frozen=True)
class Shard:
    """A planned file and the videos it is to hold."""

    path: Path
    split: str
    videos: Sequence[Video]
    fingerprint: str


def build_dataset(
    out: Path,
    videos: Sequence[Video],
    settings: Settings,
    *,
    card: str,
    missing: Sequence[tuple[str, str]] = (),
    rows_per_shard: int = ROWS_PER_SHARD,
    mismatched: Mismatched = "refuse",
) -> Report:
    """Build, or go on building, the dataset in the folder `out`.

    card: the card's own text: YAML front matter with licence and tags between lines of "---", a heading, and
        what there is to say of origin, licence and citation. Files, counts, durations and how the features
        were made are added to it.
    missing: (video_id, reason) of videos that the caller already knows to be unusable.
    mismatched: what to do with a whole video whose length differs from that of its labels or given features
        by more than a second: "refuse" to go on, or "leave out" that video and list it in missing.json.

    A video that cannot be read goes to missing.json and the rest goes on. Lengths that differ by one second
    are cut to the shortest: second t of everything is [t, t + 1) of the video. Raises DatasetError, in one
    sentence naming the video or file, for everything else; finished shards stay.
    """
    check_weights(settings)
    check_videos(videos, settings)
    extractor = Extractor(settings)
    data = Path(out) / "data"
    with writing(data):
        data.mkdir(parents=True, exist_ok=True)
    plan = _plan(data, videos, settings, rows_per_shard)
    features = row_features(extractor.widths, videos[0].extras)
    kept = _keep(data, plan)
    if len(kept) < len(plan):  # nothing shall take a half-built dataset for a whole one
        for name in ("extraction.json", "README.md"):
            (Path(out) / name).unlink(missing_ok=True)
    with tqdm(total=len(videos), unit="video", disable=None, desc=str(out)) as progress:
        for shard in plan:
            if shard.path in kept:
                progress.update(len(shard.videos))
                continue
            note = Note(shard.fingerprint, [])
            rows = _rows(shard.videos, extractor, mismatched, note, progress)
            write_shard(shard.path, features, rows, note)
    return _finish(Path(out), plan, settings, extractor.widths, card, list(missing), len(kept))


def _plan(data: Path, videos: Sequence[Video], settings: Settings, rows_per_shard: int) -> list[Shard]:
    how, plan = [__version__, settings.identity()], []
    for split in SPLITS:
        chosen = [video for video in videos if video.split == split]
        parts = [chosen[i : i + rows_per_shard] for i in range(0, len(chosen), rows_per_shard)]
        for number, part in enumerate(parts):
            path = data / f"{split}-{number:05d}-of-{len(parts):05d}.parquet"
            plan.append(Shard(path, split, part, _digest([how, [video_identity(video) for video in part]])))
    return plan


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _keep(data: Path, plan: list[Shard]) -> set[Path]:
    """The planned shards that are there already, after moving those of another plan that fit into place."""
    planned = {shard.path: shard for shard in plan}
    notes = {path: read_note(path) for path in shards_in(data)}
    spare = {note.fingerprint: path for path, note in notes.items() if note and path not in planned}
    kept = set()
    for path, shard in planned.items():
        note = notes.get(path)
        if note and note.fingerprint == shard.fingerprint:
            source = path
        elif (source := spare.get(shard.fingerprint)) is None:
            continue
        if is_whole(source):
            with writing(path):
                os.replace(source, path)
            kept.add(path)
    return kept


def _rows(
    videos: Sequence[Video], extractor: Extractor, mismatched: Mismatched, note: Note, progress: tqdm
) -> Iterator[Row]:
    """The rows of one shard; videos that cannot be used are noted as missing."""
    for video in videos:
        try:
            yield row_of(video, extractor, mismatched)
        except UnusableVideo as error:
            note.missing.append([video.video_id, str(error)])
        except OSError as error:
            raise DatasetError(f"{video.video_id}: cannot be read ({error.strerror or error}).") from error
        progress.update()


def _finish(
    out: Path,
    plan: list[Shard],
    settings: Settings,
    widths: Mapping[str, int],
    card: str,
    missing: list[tuple[str, str]],
    kept: int,
) -> Report:
    """Remove what belongs to no shard, and write the three files about the dataset, as measured."""
    report = _measured(plan, missing, kept)
    if not any(report.videos.values()):
        raise DatasetError(
            f"{out}: no video could be used; the first is missing because {report.missing[0][1]}"
        )
    planned = {shard.path for shard in plan}
    for path in {*shards_in(out / "data"), *(out / "data").glob(f"*.parquet{PARTIAL}")} - planned:
        path.unlink(missing_ok=True)
    notes = [{"video_id": video_id, "reason": reason} for video_id, reason in report.missing]
    write_text(out / "missing.json", _json(notes))
    facts = _extraction(plan, settings, widths, report)
    write_text(out / "README.md", dataset_card(card, facts, len(notes)))
    write_text(out / "extraction.json", _json(facts))
    return report


def _measured(plan: list[Shard], missing: list[tuple[str, str]], kept: int) -> Report:
    videos, seconds, missing = Counter(), Counter(), list(missing)
    for shard in plan:
        rows, length = count(shard.path)
        videos[shard.split] += rows
        seconds[shard.split] += length
        missing += [(video_id, reason) for video_id, reason in read_note(shard.path).missing]
    lengths = {split: round(length, 3) for split, length in seconds.items()}
    return Report(dict(videos), lengths, missing, len(plan) - kept, kept)


def _json(content: object) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _extraction(plan: list[Shard], settings: Settings, widths: Mapping[str, int], report: Report) -> dict:
    facts = {
        "davihd": __version__,
        "visual_backbone": settings.visual_backbone,
        "visual_dim": widths.get("visual_features"),
        "semantic_backbone": settings.semantic_backbone,
        "semantic_dim": widths.get("semantic_features"),
        "log_mel_rate": settings.log_mel_rate,
        "num_mel_bins": NUM_MEL_BINS,
        "splits": {
            split: {"videos": videos, "seconds": report.seconds[split]}
            for split, videos in report.videos.items()
            if videos  # `load_dataset` refuses a split without rows
        },
        "fingerprint": _digest([[shard.fingerprint for shard in plan], report.missing]),
    }
    if settings.given:
        facts["source"] = {name: given.source for name, given in sorted(settings.given.items())}
    return facts


def dataset_card(card: str, facts: Mapping, missing: int) -> str:
    """The caller's text, completed by front matter that names the files, and by what was measured."""
    header, text = _front_matter(card)
    files = [{"split": split, "path": f"data/{split}-*.parquet"} for split in facts["splits"]]
    # `load_dataset` tells its cached copies of local folders apart by what the card says, not by the files.
    description = f"fingerprint {facts['fingerprint']}"
    header["configs"] = [{"config_name": "default", "description": description, "data_files": files}]
    rows = [
        f"| {split} | {one['videos']} | {one['seconds'] / 3600:.2f} |"
        for split, one in facts["splits"].items()
    ]
    tail = CARD_TAIL.format(
        rows="\n".join(rows),
        features="\n".join(_feature_lines(facts)),
        missing="No video is missing."
        if missing == 0
        else f"{missing} could not be used; `missing.json` says which, and why.",
    )
    front = yaml.safe_dump(header, sort_keys=False, allow_unicode=True)
    return f"---\n{front}---\n\n{text.strip()}\n{tail}"


def _front_matter(card: str) -> tuple[dict, str]:
    if not card.startswith("---\n"):
        return {}, card
    header, text = card.removeprefix("---\n").split("\n---\n", 1)
    return yaml.safe_load(header) or {}, text


CARD_TAIL = """
## Contents

| split | videos | hours |
|---|---|---|
{rows}

{missing}

One row is one video. T = ceil(duration) seconds; second t of every column is [t, t + 1) of the video.

- `video_id`, `duration` in seconds, `labels` (T,): a highlight score for every second, 0 to 1
{features}

`datasets.load_dataset(DIR, writer_batch_size=16)` reads it in little memory, and
`.with_format("torch", dtype=torch.float16)` makes reading rows fast. `extraction.json` says how the features
were made, for programs.
"""


def _feature_lines(facts: Mapping) -> Iterator[str]:
    for kind in ("visual", "semantic"):
        if (name := facts[f"{kind}_backbone"]) is None:
            continue
        made = facts.get("source", {}).get(f"{kind}_features")
        origin = f"of {name}" + (f", taken from {made}" if made else "")
        if name == "statistics":
            origin = "plain descriptors without a trained network, for trying things out"
        yield f"- `{kind}_features` (T, {facts[f'{kind}_dim']}), float16: {origin}"
    if (rate := facts["log_mel_rate"]) is not None:
        shape = f"(ceil({rate:g} T), {facts['num_mel_bins']})"
        yield f"- `log_mel` {shape}, float16: log(mel + 1e-8) of 16 kHz sound, {rate:g} rows a second"


def run_command(command: Callable[[], int], prog: str) -> int:
    """Run what a command line does. Exit status: its own, 1 wrong data, 2 wrong usage, 130 interrupted.

    Errors and warnings are one line each on standard error.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", MediaWarning)
        warnings.showwarning = lambda message, *_, **__: _say(f"{prog}: warning: {message}")
        try:
            return command()
        except (DatasetError, MediaError) as error:
            _say(f"{prog}: {error}")
            return 2 if isinstance(error, UsageError) else 1
        except KeyboardInterrupt:
            _say(f"{prog}: interrupted; the same command goes on from here.")
            return 130


def _say(message: str) -> None:
    print(" ".join(message.split()), file=sys.stderr)


__all__ = [
    "DatasetError",
    "Given",
    "Report",
    "Settings",
    "UnusableVideo",
    "UsageError",
    "Video",
    "add_extraction_arguments",
    "build_dataset",
    "file_print",
    "run_command",
    "settings_from",
]
