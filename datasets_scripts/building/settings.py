"""What a dataset holds of each video, and what that is made with; nothing here computes, or loads PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from modeling_davihd import conversion
from modeling_davihd.conversion import EncoderChoice
from modeling_davihd.engines.errors import DatasetError, UsageError
from modeling_davihd.engines.sources import file_print
from modeling_davihd.streams_davihd import STREAMS, LogMel, feature_streams

if TYPE_CHECKING:
    from modeling_davihd.backbones_davihd import FrozenBackbone

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class GivenColumn:
    """A feature column that `Video.given` brings: its width, where it came from ("YouTube-8M"), and what its
    numbers are kept as, "float16" or "float32"."""

    width: int
    source: str
    dtype: str = "float16"


@dataclass(frozen=True)
class Settings:
    """What to compute of each video, and with what.

    encoders: by stream, what makes or made its features; streams that are not named get no column.
    log_mel: the log-Mel spectrogram, or None for no `log_mel` column.
    device: where the encoders run; no part of a fingerprint.
    given: columns ("visual_features", "log_mel", ...) that are not computed but come from `Video.given`; an
        encoder is then only named, needs no weights, and may be one that the package does not have.
    precision: what the encoders compute in, "float32" or "bfloat16".
    """

    encoders: Mapping[str, EncoderChoice] = field(default_factory=dict)
    log_mel: LogMel | None = LogMel()
    device: str = "cpu"
    given: Mapping[str, GivenColumn] = field(default_factory=dict)
    precision: str = "float32"

    @property
    def columns(self) -> list[str]:
        """The feature columns of the dataset."""
        return [
            stream.column
            for stream in STREAMS.values()
            if stream.name in self.encoders or (stream.spectrogram and self.log_mel is not None)
        ]

    @property
    def computed(self) -> list[str]:
        """The feature columns that are computed from the media."""
        return [name for name in self.columns if name not in self.given]

    @property
    def encoded(self) -> list[str]:
        """The streams whose features are computed by an encoder."""
        return [stream.name for stream in feature_streams(self.encoders) if stream.column in self.computed]

    def backbone(self, stream: str) -> str | None:
        """The name of what makes or made that stream's features; None without such a column."""
        return self.encoders[stream].name if stream in self.encoders else None

    @property
    def widths(self) -> dict[str, int]:
        """The widths of those columns that no encoder computes."""
        log_mel = {} if self.log_mel is None else {"log_mel": self.log_mel.num_mel_bins}
        return {name: column.width for name, column in self.given.items()} | log_mel

    def identity(self) -> dict[str, object]:
        """All that decides the features' values, weights included, as plain data."""
        encoders = {
            name: [one.name, *(path and file_print(path) for path in self._files(name, one))]
            for name, one in self.encoders.items()
        }
        given = {name: [one.width, one.source, one.dtype] for name, one in self.given.items()}
        log_mel = self.log_mel and asdict(self.log_mel)
        return {"encoders": encoders, "log_mel": log_mel, "given": given, "precision": self.precision}

    def _files(self, stream: str, choice: EncoderChoice) -> tuple[Path | None, Path | None]:
        """What the features are computed with: weights and PCA of the encoder, if any."""
        if stream in self.encoded:
            return conversion.weights_file(stream, choice), choice.pca
        return choice.weights, choice.pca


def check_weights(settings: Settings) -> None:
    """Raise UsageError for unknown encoders, weights that are missing and files that nothing reads."""
    for name, choice in settings.encoders.items():
        title = f"{name} backbone {choice.name}"
        reads_weights = needs_file = reads_pca = False
        if STREAMS[name].column in settings.computed:
            kind = _backbone(name, choice.name)
            reads_weights, reads_pca = kind.needs_weights, kind.needs_pca
            needs_file = reads_weights and not kind.embedded
        _check_file(f"--{name}-weights", choice.weights, reads_weights, needs_file, title)
        _check_file(f"--{name}-pca", choice.pca, reads_pca, reads_pca, title)
    if unknown := sorted(set(settings.given) - set(settings.columns)):
        raise UsageError(f"{unknown[0]} are given, but the settings have no such column.")


def _backbone(stream: str, name: str) -> type[FrozenBackbone]:
    from modeling_davihd.backbones_davihd import backbone_class  # which loads PyTorch

    try:
        return backbone_class(stream, name)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _check_file(option: str, path: Path | None, read: bool, needed: bool, backbone: str) -> None:
    if needed and path is None:
        raise UsageError(
            f"The {backbone} needs its published weights, {option} FILE: features from random weights would "
            "mean nothing."
        )
    if path is not None and not read:
        raise UsageError(f"{option} is {path}, but the {backbone} does not read it.")
    if path is not None and not path.is_file():
        raise DatasetError(f"{option} is {path}, and there is no such file.")
