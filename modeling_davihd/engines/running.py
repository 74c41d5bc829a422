"""What is told of a run: progress in hours of video; then counts that add up, failures, where time went."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from .building import ShardReport
from .errors import DatasetError
from .manifest import hours_of
from .planning import PlannedShard
from .shards import writing
from .stores import Place, whole_at

FAILURES = "failures.parquet"


def gathered(
    arriving: Iterable[ShardReport], plan: Sequence[PlannedShard], table: pa.Table, title: str
) -> list[ShardReport]:
    """The reports in the order of the plan, with progress shown while they arrive."""
    arrived = {report.name: report for report in _watched(arriving, table, title)}
    return [arrived[shard.name] for shard in plan if shard.name in arrived]


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


def write_failures(path: Place, table: pa.Table, reports: Sequence[ShardReport]) -> None:
    """A row for each video that could not be used: video_id, path, any split, and the reason."""
    reasons = {video_id: reason for report in reports for video_id, reason in report.missing}
    names = table["video_id"].to_pylist()
    failed = table.filter(pa.array([name in reasons for name in names]))
    failed = failed.select([name for name in ("video_id", "path", "split") if name in table.column_names])
    texts = [reasons[name] for name in failed["video_id"].to_pylist()]
    with writing(path), whole_at(path) as partial:
        pq.write_table(failed.append_column("reason", pa.array(texts, pa.string())), partial)


def summary(reports: Sequence[ShardReport], count: int) -> str:
    """Counts, and where the workers' time went. Raises DatasetError if the counts do not add up."""
    rows, failures = sum(report.rows for report in reports), sum(len(report.missing) for report in reports)
    if rows + failures != count:
        raise DatasetError(
            f"The manifest lists {count} videos, but {rows} rows and {failures} failures came of them."
        )
    lines = [f"{count} videos in the manifest = {rows} rows + {failures} failures ({FAILURES})"]
    spent: Counter[str] = Counter()  # of seconds, which it adds up as well
    by_worker: dict[str, list[ShardReport]] = defaultdict(list)
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
