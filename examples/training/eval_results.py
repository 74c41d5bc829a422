"""Results in the form in which the Hub shows them on a model's page and a dataset's leaderboard."""

from __future__ import annotations

from pathlib import Path

import yaml
from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml, parse_eval_result_entries

from examples.training.record import Record
from modeling_davihd.files import write_text

FOLDER = ".eval_results"


def write_eval_results(folder: Path, record: Record, metrics: dict[str, str]):
    """Write the test results on a dataset of the Hub to `folder`/.eval_results; of other data, nothing.

    metrics: their titles, by name.
    """
    if record.dataset_revision is None or record.test is None:
        return
    chosen = "; the epoch was chosen on these videos" if record.selection == "test" else ""
    entries = [
        EvalResultEntry(
            dataset_id=record.dataset,
            dataset_revision=record.dataset_revision,
            task_id=name,
            value=round(record.test[name], 4),
            notes=f"{title}, mean over the test videos{chosen}",
        )
        for name, title in metrics.items()
    ]
    (folder / FOLDER).mkdir(exist_ok=True)
    text = yaml.safe_dump(eval_result_entries_to_yaml(entries), sort_keys=False)
    write_text(folder / FOLDER / f"{record.dataset.replace('/', '--')}.yaml", text)


def results_in(folder: Path) -> list[Path]:
    """The files of results in a folder. Raises ValueError naming one that the Hub would not take."""
    files = sorted((folder / FOLDER).glob("*.yaml"))
    for file in files:
        try:
            parse_eval_result_entries(yaml.safe_load(file.read_text(encoding="utf-8")))
        except (yaml.YAMLError, UnicodeDecodeError, TypeError, KeyError, AttributeError, ValueError) as error:
            raise ValueError(f"{file} holds no results as the Hub has them ({error}).") from error
    return files
