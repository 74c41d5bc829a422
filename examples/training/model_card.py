"""The card of a trained model: what it is, what it was trained on and how well it does, as measured."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import EvalResult, ModelCard, ModelCardData
from transformers import AutoConfig, PreTrainedConfig

from modeling_davihd import DAViHDConfig
from modeling_davihd.files import write_text

NAMES = {
    "f1": "F1",
    "map_50": "mAP@50",
    "map_15": "mAP@15",
    "spearman": "Spearman rho",
    "kendall": "Kendall tau",
}
# Whoever edits a card takes this line out, and it is never written again.
MARK = "<!-- Made of training.json, and made anew when published. Remove this line to keep your edits. -->"
GENERATED = (
    "It was trained on generated data alone: no recorded sound or picture and no person's label is in it, so "
    "the figures below say nothing of recorded films."
)
RECORDED = "What may be done with the model may depend on the terms of these data; see their owners' pages."
FILMS = """\
```python
from transformers import pipeline  # pip install transformers {packages}

detect = pipeline("video-highlight-detection", model="{model}", trust_remote_code=True)
found = detect("film.mp4", top_k=3)
found["scores"]  # one a second
found["highlights"]  # [{{"start": ..., "end": ..., "score": ..., "peak": ...}}, ...] in seconds
```

`trust_remote_code` runs the code in this repository. With the `davihd` package it is not needed, and
`davihd highlight film.mp4 --model {model}` writes a reel, a picture of the scores and lists for editors."""
FEATURES = """\
```python
from transformers import AutoModel  # pip install transformers torch

model = AutoModel.from_pretrained("{model}", trust_remote_code=True).eval()
scores = model({arguments}).scores  # (B, T), one a second
```

`trust_remote_code` runs the code in this repository; with the `davihd` package it is not needed. The frozen
encoders of {missing} are not part of this checkpoint: it takes their features,
one vector a second, and no films."""
BASELINE = """\
A baseline: its code is in the `davihd` package, not here. With the package,
`davihd highlight film.mp4 --model {model}` uses it if it has the encoders for its features, and
`modeling_davihd.baselines` has its class."""
CITATION = """\
```bibtex
@inproceedings{joo2026sounding,
  title     = {Sounding Highlights: Dual-Pathway Audio Encoders for Audio-Visual Video Highlight Detection},
  author    = {Joo, Seohyun and Oh, Yoori},
  booktitle = {IEEE International Conference on Acoustics, Speech and Signal Processing (ICASSP)},
  year      = {2026}
}
```"""


def write_model_card(folder: Path, record: dict, repo_id: str | None = None):
    """Write `folder`/README.md from the record of a training (`training.json`).

    repo_id: where the model is published; without it, the card speaks of the folder.
    """
    text = model_card(record, folder.absolute().name if repo_id is None else repo_id)
    write_text(folder / "README.md", text)


def model_card(record: dict, model: str) -> str:
    """The whole card of a model that `from_pretrained` finds under the name `model`."""
    name, split = model.split("/")[-1], "test" if "test" in record else "validation"
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
        tags=["video-highlight-detection", "audio", "video", "arxiv:2602.03891"],
        eval_results=results,
    )
    return str(ModelCard(f"---\n{data.to_yaml()}\n---\n\n{_text(name, model, record, split)}"))


def _text(name: str, model: str, record: dict, split: str) -> str:
    config = AutoConfig.for_model(**record["config"])
    sections = [
        f"{MARK}\n\n# {name}",
        _summary(record, config),
        "## Use",
        _use(model, config),
        "## Training",
        _data(record, config),
        _recipe(record),
        f"## Figures on the {split} videos",
        _figures(record, split),
        "## Limits",
        "\n".join(f"- {limit}" for limit in _limits(record, config)),
        "## Licence and citation",
        _licence(config),
    ]
    return "\n\n".join(sections) + "\n"


def _is_baseline(config: PreTrainedConfig) -> bool:
    return config.model_type != DAViHDConfig.model_type


def _summary(record: dict, config: PreTrainedConfig) -> str:
    what = "DAViHD ([arXiv 2602.03891](https://arxiv.org/abs/2602.03891))"
    if _is_baseline(config):
        what = f"`{config.model_type}`, to compare {what} with"
    reads = f"modalities: {', '.join(config.modalities) or 'none'}"
    return (
        f"{what}; {reads}; {record['parameters']:,} parameters. One score in [0, 1] for each second of a "
        "film: how much it stands out."
    )


def _encoders(config: PreTrainedConfig) -> dict[str, str | None]:
    """The frozen encoders in the checkpoint, of the modalities that have one; None where it is missing."""
    modalities = [one for one in ("visual", "semantic") if one in config.modalities]
    return {modality: getattr(config, f"{modality}_backbone") for modality in modalities}


def _licence(config: PreTrainedConfig) -> str:
    if _is_baseline(config):
        return "Apache-2.0, weights and code. The package names the authors of the method."
    bundled = [name for name in _encoders(config).values() if name not in (None, "statistics")]
    terms = "Apache-2.0, weights and code."
    if bundled:
        terms = (
            f"Apache-2.0, the code and the weights trained here; {' and '.join(bundled)}, whose weights are "
            "in this checkpoint too, keep the terms of their publishers."
        )
    return f"{terms} The method is Joo and Oh's; the weights are not.\n\n{CITATION}"


def _use(model: str, config: PreTrainedConfig) -> str:
    if _is_baseline(config):
        return BASELINE.format(model=model)
    encoders = _encoders(config)
    missing = [modality for modality, name in encoders.items() if name is None]
    if not missing:
        packages = "torchaudio av scipy" + " timm" * (encoders.get("visual") == "inception_v3")
        return FILMS.format(model=model, packages=packages)
    inputs = {"visual": "visual_features", "semantic": "semantic_features", "dynamics": "log_mel"}
    arguments = ", ".join(f"{inputs[one]}=..." for one in config.modalities)
    return FEATURES.format(model=model, arguments=arguments, missing=" and ".join(missing) + " features")


def _data(record: dict, config: PreTrainedConfig) -> str:
    videos = ", ".join(f"{count} {part}" for part, count in record["videos"].items())
    lines = [f"Dataset: {record['dataset']} ({videos})."]
    if licence := record.get("dataset_license"):
        lines.append(f"Its card gives its licence as {licence}.")
    lines.append(GENERATED if record["generated"] else RECORDED)
    for modality in _encoders(config):
        if encoder := record.get("extraction", {}).get(f"{modality}_backbone"):
            lines.append(f"Its {modality} features were made with {encoder}.")
    return " ".join(lines)


def _recipe(record: dict) -> str:
    recipe = record["recipe"]
    return (
        f"Adam, learning rate {recipe['learning_rate']:g} ({recipe['schedule']}), weight decay "
        f"{recipe['weight_decay']:g}, gradient norm at most {recipe['gradient_clip']:g}, seed "
        f"{recipe['seed']}. Epoch {record['best_epoch']} of {record['epochs']} was the best by "
        f"{recipe['metric']} on the {record['selection']} videos. training.json holds the whole recipe and "
        "every epoch's figures."
    )


def _figures(record: dict, split: str) -> str:
    table = (
        "| " + " | ".join(NAMES.values()) + " |\n" + "|---" * len(NAMES) + "|\n"
        "| " + " | ".join(f"{record[split][metric]:.4f}" for metric in NAMES) + " |"
    )
    notes = ["Means over videos, as fractions, by the metric `highlight_detection` of the `davihd` package."]
    if record["selection"] == "test":
        notes.append("The epoch was chosen on the test videos, so these figures are too good.")
    return f"{table}\n\n{' '.join(notes)}"


def _limits(record: dict, config: PreTrainedConfig) -> list[str]:
    reads = set(config.modalities)
    limits = ["Scores rank the seconds of one film; they do not compare between films or models."]
    if not reads:
        limits.append("It neither sees nor hears: all it knows of a film is how long it lasts.")
    elif "visual" not in reads:
        limits.append("It hears and does not see: what only the picture shows is no highlight to it.")
    elif reads == {"visual"}:
        limits.append("It sees and does not hear.")
    if "semantic" not in reads and "dynamics" in reads:
        limits.append("Of sound it knows how it changes, not what it means.")
    if record["generated"]:
        limits.append("A highlight is what the generator of its training data was told to make one.")
    else:
        limits.append("A highlight is what those who labelled its training data took for one.")
    limits.append("Position in a film alone predicts labels to some degree: compare with that first.")
    return limits
