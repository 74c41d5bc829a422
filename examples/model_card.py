"""The card of a trained model: what it is, what it was trained on and how well it does, as measured."""

from __future__ import annotations

import os
from pathlib import Path

from huggingface_hub import EvalResult, ModelCard, ModelCardData

NAMES = {
    "f1": "F1",
    "map_50": "mAP@50",
    "map_15": "mAP@15",
    "spearman": "Spearman rho",
    "kendall": "Kendall tau",
}
GENERATED = (
    "It was trained on generated data alone: no recorded sound or picture and no person's label is in it, so "
    "the figures below say nothing of recorded films."
)


def write_model_card(folder: Path, record: dict):
    """Write `folder`/README.md from the record of a training (`training.json`)."""
    name = folder.absolute().name
    split = "test" if "test" in record else "validation"
    results = [
        EvalResult(
            task_type="video-highlight-detection",
            task_name="video highlight detection",
            dataset_type=record["dataset"],
            dataset_name=f"{record['dataset']}, split {split}",
            metric_type=metric,
            metric_name=title,
            metric_value=round(record[split][metric], 4),
        )
        for metric, title in NAMES.items()
    ]
    data = ModelCardData(
        model_name=name,
        library_name="transformers",
        license="apache-2.0",
        tags=["video-highlight-detection", "audio", "video"],
        eval_results=results,
    )
    card = ModelCard(f"---\n{data.to_yaml()}\n---\n\n{_text(name, record, split)}")
    temporary = folder / ".README.md.partial"
    temporary.write_text(str(card), encoding="utf-8")
    os.replace(temporary, folder / "README.md")


def _text(name: str, record: dict, split: str) -> str:
    recipe, config = record["recipe"], record["config"]
    modalities = ", ".join(config.get("modalities", ["visual", "semantic", "dynamics"]))
    videos = ", ".join(f"{count} {part}" for part, count in record["videos"].items())
    lines = [
        f"# {name}",
        f"DAViHD (arXiv 2602.03891), modalities: {modalities}; {record['parameters']:,} parameters. One "
        "score in [0, 1] for each second of a film.",
        "## Training",
        f"Dataset: {record['dataset']} ({videos}). {_origin(record)}",
        f"Adam, learning rate {recipe['learning_rate']:g} ({recipe['schedule']}), weight decay "
        f"{recipe['weight_decay']:g}, gradient norm at most {recipe['gradient_clip']:g}, seed "
        f"{recipe['seed']}. Epoch {record['best_epoch']} of {record['epochs']} was the best by "
        f"{recipe['metric']} on the {record['selection']} videos. training.json holds the whole recipe and "
        "every epoch's figures.",
        f"## Figures on the {split} videos",
        "| " + " | ".join(NAMES.values()) + " |\n" + "|---" * len(NAMES) + "|\n"
        "| " + " | ".join(f"{record[split][metric]:.4f}" for metric in NAMES) + " |",
    ]
    if record["selection"] == "test":
        lines.append("The epoch was chosen on the test videos, so these figures are too good.")
    return "\n\n".join(lines) + "\n"


def _origin(record: dict) -> str:
    return GENERATED if record["generated"] else ""
