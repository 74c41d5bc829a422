"""A list of videos -> a dataset, by the same command on this machine or on a Ray cluster.

    python datasets_scripts/extract.py --manifest videos.csv --out DIR --visual-backbone statistics
    python datasets_scripts/extract.py --manifest videos.csv --out DIR --engine ray --workers 8
    python datasets_scripts/extract.py --manifest videos.parquet --out DIR --engine ray --ray-address auto

The manifest is a .csv or .parquet file, or a folder of `datasets`, with the columns

    video_id   any text; no two videos may have the same
    path       of the file: absolute, relative to the manifest's folder, or a URL: s3://, gs://, hf://, file://
    split      train, validation or test; without this column, all videos are train
    labels     a score from 0 to 1 for each second (in CSV, numbers separated by spaces); without this column,
               the dataset has no labels: a model can score it, but not be trained on it
    duration   seconds; only used to estimate how long the work will take

Other columns are named and ignored. All machines of a cluster have to see DIR, the videos and the weights
under the same paths. Both engines write the same bytes on processors of the same kind. After a kill at any
point, the same command goes on, and keeps the shards that are right. A video that cannot be used is tried
three times and then listed in DIR/failures.parquet with the reason; if its file could not be fetched, the
next run tries it again.
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
    Job,
    Report,
    Settings,
    ShardBuilder,
    ShardReport,
    check_computes,
    finish_dataset,
    settings_from,
    spare_shards,
)
from datasets_scripts.building.console import run_dataset_command
from datasets_scripts.building.manifest import blocks_of, hours_of, read_manifest, shards_of
from datasets_scripts.building.options import add_extraction_arguments
from datasets_scripts.building.planning import ROWS_PER_SHARD, plan_shards
from datasets_scripts.building.ray_engine import Cluster, import_ray, reports_of
from modeling_davihd.engines.errors import DatasetError, UsageError
from modeling_davihd.engines.shards import writing
from modeling_davihd.files import whole

CARD = """---
tags: [video-highlight-detection]
---
# Features of {count} videos

Made by `datasets_scripts/extract.py` from `{manifest}`. The videos are not in here, only features of them;
they stay under their owners' terms.
"""


def extract_features(
    table: pa.Table,
    out: Path,
    settings: Settings,
    *,
    source: str,
    cluster: Cluster | None = None,
    rows_per_shard: int = ROWS_PER_SHARD,
) -> tuple[Report, str]:
    """Build, or go on building, the dataset of a manifest in the folder `out`.

    table: the manifest's rows, from `read_manifest`. source: where they come from, for the card.
    cluster: where to run; None for this process. rows_per_shard: videos in a file, the unit of work.

    Returns a report, and the text of `summary`. Raises DatasetError, in one sentence naming the video or
    file; finished shards stay.
    """
    data, plan = out.resolve() / "data", plan_shards(table["split"].to_pylist(), rows_per_shard)
    job = Job(
        settings,
        settings.identity(),
        labelled="labels" in table.column_names,
        mismatched="leave out",
        spare=spare_shards(data, [shard.name for shard in plan]),
    )
    blocks = blocks_of(table, plan)
    arriving = local_reports(blocks, data, job) if cluster is None else reports_of(blocks, data, job, cluster)
    arrived = {report.name: report for report in _watched(arriving, table, str(out))}
    reports = [arrived[shard.name] for shard in plan if shard.name in arrived]
    told = summary(reports, len(table))
    write_failures(out / "failures.parquet", table, reports)
    card = CARD.format(count=len(table), manifest=source)
    return finish_dataset(out, reports, job, card), told


def local_reports(blocks: Iterable[pa.Table], data: Path, job: Job) -> Iterator[ShardReport]:
    """Build all shards in this process, on one core, as the workers of a cluster do."""
    torch.set_num_threads(1)
    builder = ShardBuilder(job)
    for block in blocks:
        for shard in shards_of(block, data):
            yield builder(shard)


def _watched(reports: Iterable[ShardReport], table: pa.Table, title: str) -> Iterator[ShardReport]:
    """Pass on the reports, showing the hours of video that are done and how long the rest will take."""
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
    reasons = {video_id: reason for report in reports for video_id, reason in report.missing}
    names = table["video_id"].to_pylist()
    failed = table.filter(pa.array([name in reasons for name in names]))
    failed = failed.select(["video_id", "path", "split"])
    texts = [reasons[name] for name in failed["video_id"].to_pylist()]
    with writing(path), whole(path) as partial:
        pq.write_table(failed.append_column("reason", pa.array(texts, pa.string())), partial)


def summary(reports: Sequence[ShardReport], count: int) -> str:
    """Counts, and where the workers' time went. Raises DatasetError if the counts do not add up."""
    rows, failures = sum(report.rows for report in reports), sum(len(report.missing) for report in reports)
    if rows + failures != count:
        raise DatasetError(
            f"The manifest lists {count} videos, but {rows} rows and {failures} failures came of them."
        )
    lines = [f"{count} videos in the manifest = {rows} rows + {failures} failures (failures.parquet)"]
    spent, by_worker = Counter(), defaultdict(list)
    for report in reports:
        if not report.kept:
            spent.update(report.spent)
            by_worker[report.worker].append(report)
    lines += [_throughput(worker, own) for worker, own in sorted(by_worker.items())]
    if spent:
        total = sum(spent.values())
        shares = [f"{stage} {time:.1f} s ({time / total:.0%})" for stage, time in spent.most_common()]
        lines.append(f"slowest stage: {shares[0]}; then " + ", ".join(shares[1:]))
    return "\n".join(lines)


def _throughput(worker: str, reports: Sequence[ShardReport]) -> str:
    videos, seconds = sum(report.rows for report in reports), sum(report.seconds for report in reports)
    busy = sum(sum(report.spent.values()) for report in reports)
    return (
        f"worker {worker}: {videos} videos, {seconds / 3600:.3f} h in {busy:.1f} s: "
        f"{seconds / busy:.1f} times real time"
    )


def main(arguments: list[str] | None = None) -> int:
    """Command line. Exit status 0 even if some videos failed, 1 for wrong data, 2 for wrong usage."""
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
    return run_dataset_command(lambda: _extract(options), parser.prog)


def _extract(options: argparse.Namespace) -> None:
    """Extract what the command line asks for, and print what came of it."""
    _check_engine(options)
    cluster = None
    if options.engine == "ray":
        import_ray()
        cluster = Cluster(options.ray_address, options.workers, options.encoders, options.device)
        options.device = "cpu"  # this machine need not have what the cluster has
    settings = settings_from(options)
    check_computes(settings)
    table, ignored = read_manifest(options.manifest)
    if ignored:
        print(f"{options.manifest}: ignored columns: {', '.join(ignored)}", file=sys.stderr)
    report, told = extract_features(
        table,
        options.out,
        settings,
        source=options.manifest.name,
        cluster=cluster,
        rows_per_shard=options.rows_per_shard,
    )
    print(report)
    print(told)


def _check_engine(options: argparse.Namespace) -> None:
    """Raise UsageError for options that the engine does not have, and for numbers below 1."""
    for name in ("workers", "ray_address", "encoders"):
        if options.engine == "local" and getattr(options, name) is not None:
            raise UsageError(f"--{name.replace('_', '-')} is for --engine ray; local is one process.")
    for name in ("workers", "encoders", "rows_per_shard"):
        if getattr(options, name) is not None and getattr(options, name) < 1:
            raise UsageError(f"--{name.replace('_', '-')} is {getattr(options, name)}; at least 1 is needed.")
    if options.engine == "ray" and options.device not in (None, "cpu", "cuda"):
        raise UsageError(f"--device is {options.device!r}; with --engine ray it is cpu or cuda.")


if __name__ == "__main__":
    sys.exit(main())
