"""Results as the paper prints them: F1 and mAP in percent, rank correlations as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

# metric of modeling_davihd.metrics -> (heading, factor, decimals)
METRIC_COLUMNS = {
    "f1": ("F1", 100, 2),
    "map_50": ("mAP@50", 100, 2),
    "map_15": ("mAP@15", 100, 2),
    "spearman": ("rho", 1, 3),
    "kendall": ("tau", 1, 3),
}


def measured(runs: Sequence[Mapping[str, float]]) -> list[str]:
    """One cell for each column: the mean over runs and, if there are several, the standard deviation."""
    cells = []
    for metric, (_, factor, decimals) in METRIC_COLUMNS.items():
        values = factor * np.array([run[metric] for run in runs])
        spread = f" ± {values.std():.{decimals}f}" if len(values) > 1 else ""
        cells.append(f"{values.mean():.{decimals}f}{spread}")
    return cells


def headings(source: str = "") -> list[str]:
    """The five columns' headings, of figures from that source."""
    return [f"{source} {heading}".strip() for heading, _, _ in METRIC_COLUMNS.values()]


def markdown(columns: Sequence[str], rows: Mapping[str, Sequence[str]]) -> str:
    """A table; `columns` begins with the heading of the rows' names."""
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    return "\n".join([*lines, *("| " + " | ".join([name, *cells]) + " |" for name, cells in rows.items())])
