"""The card of a trained model: what it is, what it was trained on and how well it does, as measured."""

from __future__ import annotations

import itertools
from pathlib import Path

from huggingface_hub import EvalResult, ModelCard, ModelCardData
from transformers import AutoConfig, PreTrainedConfig

from examples.training.record import Record
from examples.training.tables import markdown
from modeling_davihd import DAViHDConfig
from modeling_davihd.backbones_davihd import backbone_class
from modeling_davihd.files import write_text
from modeling_davihd.streams_davihd import STREAMS

PIPELINE_TAG = "video-classification"  # of those that the Hub knows, the nearest
METRIC_NAMES = {
    "f1": "F1",
    "map_50": "mAP@50",
    "map_15": "mAP@15",
    "spearman": "Spearman rho",
    "kendall": "Kendall tau",
}
# Whoever edits a card takes this line out, and the card is not made anew when the model is published.
GENERATED_NOTICE = (
    "<!-- Made of training.json, and made anew when published. Remove this line to keep your edits. -->"
)
GENERATED = (
    "It was trained on generated data alone: no recorded sound or picture and no person's label is in it, so "
    "the figures below say nothing of recorded films."
)
MIXED = (
    "A program mixed its soundtracks of generated sounds and of recordings (library {sounds}); no film and "
    "no person's label is in it, so the figures below say little of films. The recordings keep their "
    "licences."
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
```python
import modeling_davihd.registration  # of the package `davihd`, which has the code of this model
from transformers import AutoModel

model = AutoModel.from_pretrained("{model}").eval()
scores = model({arguments}).scores  # (B, T), one a second
```

{films}"""
TAKES_FILMS = """\
`davihd highlight film.mp4 --model {model}` uses it if it has the encoders for its features."""
NEEDS_TEXT = "A film has no text by itself, so that it scores rows of a dataset which have it, and no films."
CONFIDENCE = """\
Where no stretch of a film scores at least {level:g}, nothing stands out, unless a number of highlights or
their total length is asked for. At most {share:g} % of soundtracks without an event are to have one above
that, going by {films} of them. The confidence of a highlight is the share of right picks among those of its
score, on validation soundtracks with and without events, which were generated or mixed; on real films it may
be another."""
CITATION = """\
```bibtex
@inproceedings{joo2026sounding,
  title     = {Sounding Highlights: Dual-Pathway Audio Encoders for Audio-Visual Video Highlight Detection},
  author    = {Joo, Seohyun and Oh, Yoori},
  booktitle = {IEEE International Conference on Acoustics, Speech and Signal Processing (ICASSP)},
  pages     = {13027--13031},
  year      = {2026}
}
```"""


def write_model_card(folder: Path, record: Record, repo_id: str | None = None):
    """Write `folder`/README.md from the record of a training (`training.json`).

    repo_id: where the model is published; without it, the card names the folder.
    """
    text = model_card(record, folder.absolute().name if repo_id is None else repo_id)
    write_text(folder / "README.md", text)


def model_card(record: Record, model: str) -> str:
    """The card of a model, in full; `model` is the name by which `from_pretrained` finds it."""
    name = model.split("/")[-1]
    split, metrics = _tested(record)
    baseline = _is_baseline(AutoConfig.for_model(**record.config))
    results = [
        EvalResult(
            task_type="video-highlight-detection",
            task_name="video highlight detection",
            dataset_type=record.dataset,
            dataset_name=f"{record.dataset}, split {split}",
            metric_type=metric,
            metric_name=title,
            metric_value=round(metrics[metric], 4),
        )
        for metric, title in METRIC_NAMES.items()
    ]
    data = ModelCardData(
        model_name=name,
        library_name="transformers",
        license="apache-2.0",
        pipeline_tag=PIPELINE_TAG,
        datasets=None if record.dataset_revision is None else [record.dataset],
        base_model=record.base_model,
        tags=["video-highlight-detection", "audio", "video", *(() if baseline else ("arxiv:2602.03891",))],
        eval_results=results,
    )
    return str(ModelCard(f"---\n{data.to_yaml()}\n---\n\n{_text(name, model, record)}"))


def _text(name: str, model: str, record: Record) -> str:
    config = AutoConfig.for_model(**record.config)
    sections = [
        f"{GENERATED_NOTICE}\n\n# {name}",
        _summary(record, config),
        "## Use",
        usage(model, config),
        "## Training",
        _data(record, config),
        _recipe(record),
        f"## Figures on the {_tested(record)[0]} videos",
        _figures(record),
        *_confidence(record),
        "## Limits",
        "\n".join(f"- {limit}" for limit in _limits(record, config)),
        "## Licence and citation",
        licence(config),
    ]
    return "\n\n".join(sections) + "\n"


def _is_baseline(config: PreTrainedConfig) -> bool:
    return config.model_type != DAViHDConfig.model_type


def _summary(record: Record, config: PreTrainedConfig) -> str:
    what = "DAViHD ([arXiv 2602.03891](https://arxiv.org/abs/2602.03891))"
    if _is_baseline(config):
        method = config.method or "A rule that needs no network"
        what = f"{method}, `{config.model_type}` in the package `davihd`, to compare {what} with"
    reads = f"modalities: {', '.join(config.modalities) or 'none'}"
    return (
        f"{what}; {reads}; {record.parameters:,} parameters. One score in [0, 1] for each second of a "
        "film: how much it stands out."
    )


def _encoders(config: PreTrainedConfig) -> dict[str, str | None]:
    """The frozen encoders in the checkpoint, of the streams that have one; None where it is missing."""
    return {stream.name: config.stream_backbone(stream) for stream in config.feature_streams}


def missing_encoders(config: PreTrainedConfig) -> list[str]:
    """The streams of features whose frozen encoder is not in the checkpoint."""
    return [stream for stream, name in _encoders(config).items() if name is None]


def call_arguments(config: PreTrainedConfig) -> str:
    """The model's arguments, as an example of a call has them."""
    return ", ".join(f"{STREAMS[name].column}=..." for name in config.modalities)


def licence(config: PreTrainedConfig) -> str:
    """The terms of a model and of the encoders in it, and whom to cite."""
    if _is_baseline(config):
        return "Apache-2.0, weights and code. The package names the authors of the method."
    encoders = {stream: name for stream, name in _encoders(config).items() if name is not None}
    kinds = {name: backbone_class(stream, name) for stream, name in encoders.items()}
    bundled = [name for name, kind in kinds.items() if kind.needs_weights and not kind.terms]
    terms = "Apache-2.0, weights and code."
    if bundled:
        terms = (
            f"Apache-2.0, the code and the weights trained here; {' and '.join(bundled)}, whose weights are "
            "in this checkpoint too, keep the terms of their publishers."
        )
    terms = " ".join([terms, *(kind.terms for kind in kinds.values() if kind.terms)])
    return f"{terms} The method is Joo and Oh's; the weights are not.\n\n{CITATION}"


def usage(model: str, config: PreTrainedConfig) -> str:
    """How to use the model of that name."""
    if _is_baseline(config):
        films = TAKES_FILMS if all(stream.is_of_films for stream in config.streams) else NEEDS_TEXT
        films, arguments = films.format(model=model), call_arguments(config)
        return BASELINE.format(model=model, arguments=arguments, films=films)
    missing = missing_encoders(config)
    if not missing:
        needed = [backbone_class(stream, name).packages for stream, name in _encoders(config).items()]
        packages = " ".join(["torchaudio", "av", *itertools.chain(*needed)])
        return FILMS.format(model=model, packages=packages)
    missing_features = " and ".join(missing) + " features"
    return FEATURES.format(model=model, arguments=call_arguments(config), missing=missing_features)


def _data(record: Record, config: PreTrainedConfig) -> str:
    videos = ", ".join(f"{count} {part}" for part, count in record.videos.items())
    lines = [] if record.base_model is None else [f"It was trained on from `{record.base_model}`."]
    lines.append(f"Dataset: {record.dataset} ({videos}).")
    if licence := record.dataset_license:
        lines.append(f"Its card gives its licence as {licence}.")
    if record.sounds is not None:
        lines.append(MIXED.format(sounds=record.sounds[:12]))
    else:
        lines.append(GENERATED if record.generated else RECORDED)
    for modality in _encoders(config):
        if encoder := (record.extraction or {}).get(f"{modality}_backbone"):
            lines.append(f"Its {modality} features were made with {encoder}.")
    return " ".join(lines)


def _recipe(record: Record) -> str:
    recipe = record.recipe
    optimizer = {"adamw": "AdamW"}.get(recipe.get("optimizer"), "Adam")
    frozen = recipe.get("freeze")
    frozen = f"Left as they were: {', '.join(frozen)}. " if frozen else ""
    return (
        f"{frozen}"
        f"{optimizer}, learning rate {recipe['learning_rate']:g} ({recipe['schedule']}), weight decay "
        f"{recipe['weight_decay']:g}, gradient norm at most {recipe['gradient_clip']:g}, seed "
        f"{recipe['seed']}. Epoch {record.best_epoch} of {record.epochs} was the best by "
        f"{recipe['metric']} on the {record.selection} videos. training.json holds the whole recipe and "
        "every epoch's figures."
    )


def _tested(record: Record) -> tuple[str, dict[str, float]]:
    """The split that the model was tested on, and how well it did: where there is no test, the validation."""
    return ("validation", record.validation) if record.test is None else ("test", record.test)


def _figures(record: Record) -> str:
    _, metrics = _tested(record)
    table = (
        "| " + " | ".join(METRIC_NAMES.values()) + " |\n" + "|---" * len(METRIC_NAMES) + "|\n"
        "| " + " | ".join(f"{metrics[metric]:.4f}" for metric in METRIC_NAMES) + " |"
    )
    notes = [
        "Means over videos, as fractions, by the metric `highlight_detection` of the `davihd` package, and "
        "its protocol `davihd`."
    ]
    if record.selection == "test":
        notes.append("The epoch was chosen on the test videos, so these figures are too good.")
    return f"{table}\n\n{' '.join(notes)}"


def _confidence(record: Record) -> list[str]:
    """Heading and text about what stands out and how often it is right; nothing if that was not measured."""
    if record.calibration is None:
        return []
    level, films = record.calibration["level"], record.calibration["films"]
    sentences = CONFIDENCE.format(level=level, share=100 * record.calibration["share"], films=films)
    rows = {
        f"{row['score']:.3f}": [
            f"{row['picks']:g}",
            f"{row['right']:g}",
            f"{row['right'] / row['picks']:.2f}",
        ]
        for row in record.calibration["reliability"]
    }
    table = markdown(["score", "picks", "right", "share"], rows)
    return ["## What stands out, and how surely", f"{sentences}\n\n{table}"]


def _limits(record: Record, config: PreTrainedConfig) -> list[str]:
    reads = set(config.modalities)
    limits = ["Scores rank the seconds of one film; they do not compare between films or models."]
    if record.calibration is not None:
        limits.append(
            "Confidences compare between films as far as these are like the soundtracks of validation."
        )
    if not reads:
        limits.append("It neither sees nor hears: all it knows of a film is how long it lasts.")
    elif "visual" not in reads:
        limits.append("It hears and does not see: what only the picture shows is no highlight to it.")
    elif reads == {"visual"}:
        limits.append("It sees and does not hear.")
    if "semantic" not in reads and "dynamics" in reads:
        limits.append("Of sound it knows how it changes, not what it means.")
    if record.generated:
        limits.append("A highlight is what the generator of its training data was told to make one.")
    else:
        limits.append("A highlight is what those who labelled its training data took for one.")
    limits.append("Position in a film alone predicts labels to some degree: compare with that first.")
    return limits
