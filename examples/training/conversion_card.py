"""The card of a converted checkpoint: what it was made from, what it takes, and whose terms hold for it."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import ModelCard, ModelCardData
from transformers import PreTrainedConfig

from examples.training.digests import sha256
from examples.training.model_card import call_arguments, missing_encoders
from modeling_davihd.conversion.kinds import EncoderKind, Kind
from modeling_davihd.files import write_text
from modeling_davihd.streams_davihd import STREAMS

TAGS = ["video-highlight-detection", "video"]
TEXT = """\
# {name}

{title} (from {origin}), converted by the `davihd` package from

    {file}, {size:,} bytes
    SHA-256 {digest}

The numbers are those of the file under other names: nothing was trained, and nothing was measured.
{base}
## Use

{use}

## Terms

The weights stay under the terms of those who published them, which converting does not change. The code that
they come from is under these: {terms}.
"""
FILMS = """\
    davihd highlight film.mp4 --model {name}"""
FEATURES = """\
```python
import modeling_davihd.registration  # for AutoModel to know it
from transformers import AutoModel

model = AutoModel.from_pretrained("{name}").eval()
scores = model({arguments}).scores  # (B, T), one a second
```

It takes {missing} features and no films, until

    python examples/convert_checkpoint.py --checkpoint FILE --into {name} --output DIR

has put the encoders in that made the features of its training."""
ENCODER = """\
```python
import modeling_davihd.registration  # for AutoModel to know it
from transformers import AutoModel

features = AutoModel.from_pretrained("{name}").eval().get_{modality}_features({raw}=...)  # (B, T, D)
```

It is an encoder alone. The rest of the network is zero: it gives every second of every film the score 0.5,
and `davihd highlight` finds nothing with it. To score films,

    python examples/convert_checkpoint.py --checkpoint FILE --into MODEL --output DIR

puts the encoder into a model that was trained on its features. In `datasets_scripts/`, `model.safetensors`
serves as `--{modality}-weights`."""


def write_conversion_card(
    folder: Path, name: str, source: Path, kind: Kind, config: PreTrainedConfig, into: Path | None = None
):
    """Write `folder`/README.md for a model called `name`, made of the file `source` and of `into`, if any."""
    base = (
        f"The network around it, which gives the scores, is that of `{into.absolute().name}`.\n"
        if into
        else ""
    )
    text = TEXT.format(
        name=name,
        title=kind.title,
        origin=kind.origin,
        terms=kind.terms,
        file=source.name,
        size=source.stat().st_size,
        digest=sha256(source),
        base=base,
        use=_use(name, kind, config, into),
    )
    data = ModelCardData(model_name=name, library_name="transformers", license="other", tags=TAGS)
    write_text(folder / "README.md", str(ModelCard(f"---\n{data.to_yaml()}\n---\n\n{text}")))


def _use(name: str, kind: Kind, config: PreTrainedConfig, into: Path | None) -> str:
    if isinstance(kind, EncoderKind) and into is None:
        return ENCODER.format(name=name, modality=kind.stream, raw=STREAMS[kind.stream].raw)
    missing = missing_encoders(config)
    if not missing:
        return FILMS.format(name=name)
    return FEATURES.format(name=name, arguments=call_arguments(config), missing=" and ".join(missing))
