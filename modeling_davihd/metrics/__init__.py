"""Metrics for `evaluate`, each in a folder that can be pushed as a metric Space as it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evaluate import EvaluationModule

_FOLDER = Path(__file__).resolve().parent
_KNOWN = tuple(sorted(script.stem for script in _FOLDER.glob("*/*.py") if script.stem == script.parent.name))


def load_metric(name: str, **kwargs: Any) -> EvaluationModule:
    """A metric of this package as an `evaluate` module, loaded from its folder without a network.

    kwargs go to `evaluate.load`: num_process, process_id, experiment_id, keep_in_memory, cache_dir, ...
    Raises ValueError for a name that is not a metric of this package.
    """
    if name not in _KNOWN:
        raise ValueError(f"There is no metric named {name!r}; the known metrics are: {', '.join(_KNOWN)}.")
    import evaluate

    return evaluate.load(str(_FOLDER / name), **kwargs)
