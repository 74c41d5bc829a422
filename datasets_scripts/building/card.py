"""The README of a dataset, which is its card on the Hub."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from huggingface_hub import RepoCard

from modeling_davihd.streams_davihd import feature_streams


def dataset_card(card: str, facts: Mapping, missing: int, labelled: bool = True, empty: bool = False) -> str:
    """The caller's card with a section on what the dataset holds.

    It does not name the files if it can help it: `load_dataset` finds them, and notices when one has changed.

    facts: the content of extraction.json. missing: how many videos could not be used. empty: whether a split
    has lost all of its own, and `load_dataset` has to be told of the others, because it takes none without
    rows; it then tells its cached copies apart by the card.
    """
    completed = RepoCard(card)
    if empty:
        files = [{"split": split, "path": f"data/{split}-*.parquet"} for split in facts["splits"]]
        named = {"config_name": "default", "description": f"fingerprint {facts['fingerprint']}"}
        completed.data["configs"] = [named | {"data_files": files}]
    rows = [
        f"| {split} | {size['videos']} | {size['seconds'] / 3600:.2f} |"
        for split, size in facts["splits"].items()
    ]
    tail = CARD_TAIL.format(
        rows="\n".join(rows),
        features="\n".join(_column_lines(facts, labelled)),
        missing="No video is missing."
        if missing == 0
        else f"{missing} could not be used; `missing.json` says which, and why.",
    )
    completed.text = f"\n{completed.text.strip()}\n{tail}"
    return str(completed)


LABELS = "- `labels` (T,): a highlight score for every second, 0 to 1"
PREVIEW = "- `preview`: a small picture of {} for people to look at; nothing reads it"

CARD_TAIL = """
## Contents

| split | videos | hours |
|---|---|---|
{rows}

{missing}

One row is one video. T = ceil(duration) seconds; second t of every column is [t, t + 1) of the video.

- `video_id`, `duration` in seconds
{features}

`datasets.load_dataset(DIR, writer_batch_size=16)` reads it in little memory, and
`.with_format("torch", dtype=torch.float16)` makes reading rows fast. `extraction.json` says how the features
were made, for programs.
"""


def _column_lines(facts: Mapping, labelled: bool) -> Iterator[str]:
    """A line for each column but the first two."""
    drawn = (["the labels"] if labelled else []) + (["the spectrogram"] if facts["log_mel_rate"] else [])
    if labelled:
        yield LABELS
    if drawn:
        yield PREVIEW.format(" over ".join(drawn))
    yield from _feature_lines(facts)


def _feature_lines(facts: Mapping) -> Iterator[str]:
    """A line for each feature column."""
    for stream in feature_streams():
        if (name := facts[stream.backbone_field]) is None:
            continue
        made = facts.get("source", {}).get(stream.column)
        origin = f"of {name}, taken from {made}" if made else _computed(stream.name, name)
        kind = facts.get("dtype", {}).get(stream.column, "float16")
        yield f"- `{stream.column}` (T, {facts[stream.dim_field]}), {kind}: {origin}"
    if (rate := facts["log_mel_rate"]) is not None:
        shape = f"(ceil({rate:g} T), {facts['num_mel_bins']})"
        yield f"- `log_mel` {shape}, float16: log(mel + 1e-8) of 16 kHz sound, {rate:g} rows a second"


def _computed(stream: str, encoder: str) -> str:
    """What features are that this build has computed."""
    from modeling_davihd.backbones_davihd import backbone_class  # which loads PyTorch

    if backbone_class(stream, encoder).needs_weights:
        return f"of {encoder}"
    return "plain descriptors without a trained network, for trying things out"
