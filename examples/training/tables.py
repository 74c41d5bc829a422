"""Results as the paper prints them: F1 and mAP in percent, rank correlations as they are."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

# metric of modeling_davihd.metrics -> (heading, factor, decimals)
METRIC_COLUMNS = {
    "f1": ("F1", 100, 2),
    "map_50": ("mAP@50", 100, 2),
    "map_15": ("mAP@15", 100, 2),
    "spearman": ("rho", 1, 3),
    "kendall": ("tau", 1, 3),
}

# and those of soundtracks whose events are known
EVENT_COLUMNS = {"event_recall": ("found", 100, 1), "event_precision": ("right", 100, 1)}


def columns_of(metrics: Mapping[str, float]) -> dict[str, tuple[str, int, int]]:
    """The columns of a table of such metrics."""
    known = METRIC_COLUMNS | EVENT_COLUMNS
    return {name: column for name, column in known.items() if name in metrics}


def measured(runs: Sequence[Mapping[str, float]]) -> list[str]:
    """One cell for each column: the mean over runs and, if there are several, the standard deviation."""
    cells = []
    for metric, (_, factor, decimals) in columns_of(runs[0]).items():
        values = factor * np.array([run[metric] for run in runs])
        spread = f" ± {values.std():.{decimals}f}" if len(values) > 1 else ""
        cells.append(f"{values.mean():.{decimals}f}{spread}")
    return cells


def headings(source: str = "", metrics: Mapping[str, float] | None = None) -> list[str]:
    """The columns' headings, of figures from that source: the paper's five, or those of `metrics`."""
    columns = columns_of(METRIC_COLUMNS if metrics is None else metrics)
    return [f"{source} {heading}".strip() for heading, _, _ in columns.values()]


def cost_cells(runs: Sequence[Mapping[str, float]], costs: Collection[str]) -> list[str]:
    """Means over trainings of what a model costs, parameters whole; dashes where nothing was trained."""
    if not runs or set(costs) - runs[0].keys():
        return ["—"] * len(costs)
    means = {cost: np.mean([run[cost] for run in runs]) for cost in costs}
    return [f"{mean:,.0f}" if cost == "parameters" else f"{mean:.3g}" for cost, mean in means.items()]


def markdown(columns: Sequence[str], rows: Mapping[str, Sequence[str]]) -> str:
    """A table; `columns` begins with the heading of the rows' names."""
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    return "\n".join([*lines, *("| " + " | ".join([name, *cells]) + " |" for name, cells in rows.items())])
