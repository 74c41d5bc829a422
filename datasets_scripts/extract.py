"""A list of videos -> a dataset, on this machine or on a Ray cluster, by the same command.

    python datasets_scripts/extract.py --manifest videos.csv --out DIR --visual-backbone statistics
    python datasets_scripts/extract.py --manifest videos.csv --out DIR --engine ray --workers 8
    python datasets_scripts/extract.py --manifest videos.parquet --out DIR --engine ray --ray-address auto

The manifest is a .csv or .parquet file, or a folder of `datasets`, with the columns

    video_id   any text, unlike all others
    path       of the file: absolute, relative to the manifest's folder, or a URL: s3://, gs://, hf://, file://
    split      train, validation or test; without this column all is train
    labels     a score from 0 to 1 for each second (in CSV, numbers with spaces between); without this column
               the dataset has none, and serves to be scored, not to be trained on
    duration   seconds, only to tell beforehand how long the work will take

Other columns are named and left alone. DIR, the videos' paths and the weights have to be the same for all
machines of a cluster. Both engines write the same bytes on processors of one kind. Killed anywhere, the same
command goes on: shards whose content agrees are kept. A video that cannot be used is tried three times and
then listed in DIR/failures.parquet with the reason; one whose file could not be fetched is tried again by the
next run.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from tqdm import tqdm

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from datasets_scripts.building.builder import (
    ROWS_PER_SHARD,
    Job,
    ShardBuilder,
    ShardReport,
    add_extraction_arguments,
    finish,
    plan_shards,
    run_command,
    settings_from,
    spare_shards,
)
from datasets_scripts.building.errors import DatasetError, UsageError
from datasets_scripts.building.manifest import blocks_of, hours_of, read_manifest, shards_of
from datasets_scripts.building.ray_engine import Cluster, import_ray, reports_of
from datasets_scripts.building.shards import writing
from modeling_davihd.files import whole

CARD = """---
tags: [video-highlight-detection]
---
# Features of {count} videos

Made by `datasets_scripts/extract.py` from `{manifest}`. The videos are not in here, only features of them;
they stay under their owners' terms.
"""


def build(options: argparse.Namespace) -> int:
    """What the command line does."""
    _check(options)
    device = options.device
    if options.engine == "ray":
        import_ray()
        options.device = "cpu"  # what the cluster has, this machine need not have
    settings = settings_from(options)
    if not settings.columns:
        raise UsageError("There is nothing to compute: name a backbone, or a --log-mel-rate.")
    table, ignored = read_manifest(options.manifest)
    if ignored:
        print(f"{options.manifest}: of no use here: {', '.join(ignored)}", file=sys.stderr)
    data = options.out.resolve() / "data"
    plan = plan_shards(table["split"].to_pylist(), options.rows_per_shard)
    job = Job(
        settings,
        settings.identity(),
        labelled="labels" in table.column_names,
        mismatched="leave out",
        spare=spare_shards(data, [name for name, _, _ in plan]),
    )
    if options.engine == "ray":
        cluster = Cluster(options.ray_address, options.workers, options.encoders, device)
        arriving = reports_of(blocks_of(table, plan), data, job, cluster)
    else:
        arriving = local_reports(blocks_of(table, plan), data, job)
    found = {one.name: one for one in _watched(arriving, table, str(options.out))}
    _conclude(options, table, job, [found[name] for name, _, _ in plan if name in found])
    return 0


def _conclude(options: argparse.Namespace, table: pa.Table, job: Job, reports: list[ShardReport]) -> None:
    told = summary(reports, len(table))
    write_failures(options.out / "failures.parquet", table, reports)
    card = CARD.format(count=len(table), manifest=options.manifest.name)
    print(finish(options.out, reports, job, card))
    print(told)


def _check(options: argparse.Namespace) -> None:
    for name in ("workers", "ray_address", "encoders"):
        if options.engine == "local" and getattr(options, name) is not None:
            raise UsageError(f"--{name.replace('_', '-')} is for --engine ray; local is one process.")
    for name in ("workers", "encoders", "rows_per_shard"):
        if getattr(options, name) is not None and getattr(options, name) < 1:
            raise UsageError(f"--{name.replace('_', '-')} is {getattr(options, name)}; at least 1 is needed.")
    if options.engine == "ray" and options.device not in (None, "cpu", "cuda"):
        raise UsageError(f"--device is {options.device!r}; with --engine ray it is cpu or cuda.")


def local_reports(blocks: Iterable[pa.Table], data: Path, job: Job) -> Iterator[ShardReport]:
    """Build all shards in this process, on one core as a worker of any engine does."""
    torch.set_num_threads(1)
    builder = ShardBuilder(job)
    for block in blocks:
        for shard in shards_of(block, data):
            yield builder(shard)


def _watched(reports: Iterable[ShardReport], table: pa.Table, title: str) -> Iterator[ShardReport]:
    """The reports; meanwhile shows the hours of video that are done, and how long the rest will take."""
    known, done = hours_of(table), 0
    shape = "{l_bar}{bar}| {n:.2f}/{total:.2f} h of video [{elapsed}<{remaining}]{postfix}"
    with tqdm(total=known or 0.0, desc=title, disable=None, bar_format=shape) as progress:
        for report in reports:
            done += report.rows + len(report.missing)
            hours = progress.n + report.seconds / 3600
            progress.total = max(hours, known or hours / done * len(table))
            progress.update(report.seconds / 3600)
            progress.set_postfix_str(f"{done} of {len(table)} videos")
            yield report


def write_failures(path: Path, table: pa.Table, reports: Sequence[ShardReport]) -> None:
    """A row for each video that could not be used: video_id, path, split, and the reason."""
    reasons = {video_id: reason for one in reports for video_id, reason in one.missing}
    names = table["video_id"].to_pylist()
    failed = table.filter(pa.array([name in reasons for name in names]))
    failed = failed.select(["video_id", "path", "split"])
    texts = [reasons[name] for name in failed["video_id"].to_pylist()]
    with writing(path), whole(path) as partial:
        pq.write_table(failed.append_column("reason", pa.array(texts, pa.string())), partial)


def summary(reports: Sequence[ShardReport], count: int) -> str:
    """Counts, which add up; and where a worker's time went. Raises DatasetError should they not add up."""
    rows, failures = sum(one.rows for one in reports), sum(len(one.missing) for one in reports)
    if rows + failures != count:
        raise DatasetError(
            f"The manifest lists {count} videos, but {rows} rows and {failures} failures came."
        )
    lines = [f"{count} videos in the manifest = {rows} rows + {failures} failures (failures.parquet)"]
    spent, by_worker = Counter(), defaultdict(list)
    for one in reports:
        if not one.kept:
            spent.update(one.spent)
            by_worker[one.worker].append(one)
    lines += [_throughput(worker, own) for worker, own in sorted(by_worker.items())]
    if spent:
        total = sum(spent.values())
        shares = [f"{stage} {time:.1f} s ({time / total:.0%})" for stage, time in spent.most_common()]
        lines.append(f"slowest stage: {shares[0]}; then " + ", ".join(shares[1:]))
    return "\n".join(lines)


def _throughput(worker: str, reports: Sequence[ShardReport]) -> str:
    videos, seconds = sum(one.rows for one in reports), sum(one.seconds for one in reports)
    busy = sum(sum(one.spent.values()) for one in reports)
    return (
        f"worker {worker}: {videos} videos, {seconds / 3600:.3f} h in {busy:.1f} s: "
        f"{seconds / busy:.1f} times real time"
    )


def main(arguments: list[str] | None = None) -> int:
    """Command line. Exit status 0, also with videos that failed; 1 for wrong data, 2 for wrong usage."""
    parser = argparse.ArgumentParser(
        description="A list of videos, to a dataset.",
        epilog=__doc__.split("\n\n", 1)[1],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--manifest", type=Path, required=True, metavar="FILE", help="the list of videos, see below")
    add("--out", type=Path, required=True, metavar="DIR", help="folder of the dataset")
    add("--engine", choices=("local", "ray"), default="local", help="local (default): one process; or ray")
    add("--workers", type=int, metavar="N", help="of ray, a core each (default: all cores)")
    add("--ray-address", metavar="ADDR", help="of a cluster (default: this machine only)")
    add("--encoders", type=int, metavar="N", help="processes that share the GPUs (default: one for each GPU)")
    add(
        "--rows-per-shard",
        type=int,
        default=ROWS_PER_SHARD,
        metavar="N",
        help=f"videos of a Parquet file, the unit of work (default {ROWS_PER_SHARD}; fewer for long films)",
    )
    add_extraction_arguments(parser)
    options = parser.parse_args(arguments)
    return run_command(lambda: build(options), parser.prog)


if __name__ == "__main__":
    sys.exit(main())
