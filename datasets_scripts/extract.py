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
from functools import partial
from pathlib import Path

import pyarrow as pa

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from datasets_scripts.building.builder import (
    ROWS_PER_SHARD,
    DatasetBuilder,
    Job,
    Report,
    Settings,
    check_computes,
    finish_dataset,
)
from datasets_scripts.building.console import run_dataset_command
from datasets_scripts.building.manifest import read_manifest
from datasets_scripts.building.options import add_extraction_arguments, settings_from
from datasets_scripts.building.ray_encoders import deployed
from datasets_scripts.building.splits import SPLITS
from modeling_davihd.engines.building import spare_shards
from modeling_davihd.engines.errors import UsageError
from modeling_davihd.engines.local_engine import local_reports
from modeling_davihd.engines.manifest import blocks_of
from modeling_davihd.engines.planning import plan_shards
from modeling_davihd.engines.ray_engine import Cluster, import_ray, reports_of
from modeling_davihd.engines.running import FAILURES, gathered, summary, write_failures
from modeling_davihd.jobs import without_collection

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
    encoders: int | None = None,
    rows_per_shard: int = ROWS_PER_SHARD,
) -> tuple[Report, str]:
    """Build, or go on building, the dataset of a manifest in the folder `out`.

    table: the manifest's rows, from `read_manifest`. source: where they come from, for the card.
    cluster: where to run; None for this process. encoders: how many share its GPUs.
    rows_per_shard: videos in a file, the unit of work.

    Returns a report, and the text of `summary`. Raises DatasetError, in one sentence naming the video or
    file; finished shards stay.
    """
    data, plan = out.resolve() / "data", plan_shards(table["split"].to_pylist(), SPLITS, rows_per_shard)
    job = Job(
        settings,
        settings.identity(),
        labelled="labels" in table.column_names,
        mismatched="leave out",
        spare=spare_shards(data, [shard.name for shard in plan]),
    )
    blocks = blocks_of(table, plan)
    if cluster is None:
        with without_collection():
            builder = DatasetBuilder(job)
        arriving = local_reports(blocks, data, builder)
    else:
        deploy = partial(deployed, job=job, encoders=encoders)
        arriving = reports_of(blocks, data, deploy, cluster, [Path(__file__).parent])
    reports = gathered(arriving, plan, table, str(out))
    told = summary(reports, len(table))
    write_failures(out / FAILURES, table, reports)
    card = CARD.format(count=len(table), manifest=source)
    return finish_dataset(out, reports, job, card), told


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
        cluster = Cluster(options.ray_address, options.workers, options.device)
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
        encoders=options.encoders,
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
