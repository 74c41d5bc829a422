"""Features of one video: decoded once, in order, its pixels and samples turned into features at once."""

from __future__ import annotations

import argparse
import functools
import hashlib
import math
import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from modeling_davihd.backbones_davihd import SEMANTIC_BACKBONES, VISUAL_BACKBONES, FrozenBackbone
from modeling_davihd.configuration_davihd import FULL_LOG_MEL_RATE
from modeling_davihd.conversion import (
    StateDict,
    convert_inception_state_dict,
    convert_panns_state_dict,
    convert_resnet3d_state_dict,
    load_foreign_checkpoint,
    load_pca,
)
from modeling_davihd.media import SAMPLING_RATE, MediaChunk, MediaError, MediaWarning, probe, stream_segments
from modeling_davihd.pipeline_davihd import FeatureStream, feature_extractor_for

NUM_MEL_BINS = 128
CHUNK_SECONDS = 30
HASHED = 1 << 16  # bytes at the beginning, in the middle and at the end of a file

Arrays = dict[str, np.ndarray]


class DatasetError(ValueError):
    """The dataset cannot be built as asked; the message is one sentence naming the video or the file."""


class UsageError(DatasetError):
    """The command line asks for something impossible; the message is one sentence."""


class UnusableVideo(ValueError):
    """One video cannot be used; it goes to missing.json with this message as the reason."""


@dataclass(frozen=True)
class Given:
    """A feature column that `Video.given` brings: its width, and where it came from ("YouTube-8M")."""

    width: int
    source: str


@dataclass(frozen=True)
class Settings:
    """What to compute of each video, and with what.

    visual_backbone, semantic_backbone: names of `modeling_davihd.backbones_davihd`, or None for no column.
    visual_weights, semantic_weights: published checkpoints; every backbone but "statistics" needs its own.
    visual_pca: .npz or .npy file as `conversion.load_pca` reads it; "inception_v3" needs it.
    log_mel_rate: 62.5 or 1 frame a second, or None for no `log_mel` column.
    device: where the backbones run; no part of a fingerprint.
    given: columns ("visual_features", "semantic_features", "log_mel") that are not computed but come from
        `Video.given`. The backbone's name then says what they were made with, and needs no weights.
    """

    visual_backbone: str | None = None
    semantic_backbone: str | None = None
    visual_weights: Path | None = None
    semantic_weights: Path | None = None
    visual_pca: Path | None = None
    log_mel_rate: float | None = FULL_LOG_MEL_RATE
    device: str = "cpu"
    given: Mapping[str, Given] = field(default_factory=dict)

    @property
    def columns(self) -> list[str]:
        """The feature columns of the dataset."""
        wanted = {
            "visual_features": self.visual_backbone,
            "semantic_features": self.semantic_backbone,
            "log_mel": self.log_mel_rate,
        }
        return [name for name, value in wanted.items() if value is not None]

    @property
    def computed(self) -> list[str]:
        """The feature columns that are computed from the media."""
        return [name for name in self.columns if name not in self.given]

    def identity(self) -> dict[str, object]:
        """All that decides the features' values, weights included, as plain data."""
        files = (self.visual_weights, self.semantic_weights, self.visual_pca)
        return {
            "backbones": [self.visual_backbone, self.semantic_backbone],
            "log_mel_rate": self.log_mel_rate,
            "files": [path and file_print(path) for path in files],
            "given": {name: [one.width, one.source] for name, one in sorted(self.given.items())},
        }


@dataclass(frozen=True)
class Film:
    """features: (T, width) each, `log_mel` (M, 128), all float16. damage: what was wrong with the file."""

    features: Arrays
    duration: float
    damage: str | None = None


class Extractor:
    """The backbones of settings that `check_weights` accepts, loaded, and the features they make.

    Raises DatasetError, in one sentence, where weights are not those of their backbone.
    """

    def __init__(self, settings: Settings):
        self.settings = settings
        device, computed = torch.device(settings.device), settings.computed
        self._visual = self._semantic = None
        if "visual_features" in computed:
            self._visual = _load(_visual_backbone, settings, device)
        if "semantic_features" in computed:
            self._semantic = _load(_semantic_backbone, settings, device)
        self._log_mel = "log_mel" in computed
        rate = settings.log_mel_rate or FULL_LOG_MEL_RATE
        self._extractor = feature_extractor_for(settings.visual_backbone, log_mel_rate=rate)
        self.widths = {name: given.width for name, given in settings.given.items()}
        for name, backbone in (("visual_features", self._visual), ("semantic_features", self._semantic)):
            if backbone is not None:
                self.widths[name] = backbone.dim
        if settings.log_mel_rate is not None:
            self.widths["log_mel"] = NUM_MEL_BINS

    def film(self, path: Path) -> Film:
        """The features of a media file. Raises UnusableVideo, naming the file, if it lacks what they need."""
        stream = self._stream()
        try:
            if stream.listens and not probe(path).has_audio:
                raise UnusableVideo(f"{path.name}: has no sound, which its features are made of.")
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", MediaWarning)
                wanted = {"audio": stream.listens or stream.sampling is None, "frames": stream.sampling}
                film = _drain(stream, stream_segments(path, chunk_seconds=CHUNK_SECONDS, **wanted))
        except MediaError as error:
            raise UnusableVideo(str(error).replace(str(path), path.name)) from error
        for warning in caught:
            warnings.warn(warning.message, warning.category, stacklevel=2)
        if film.duration == 0:
            raise UnusableVideo(f"{path.name}: lasts no time at all.")
        damage = [str(one.message) for one in caught if issubclass(one.category, MediaWarning)]
        damage = [message.replace(str(path), path.name) for message in damage]
        return Film(film.features, film.duration, " ".join(damage) or None)

    def sound(self, waveform: np.ndarray) -> Film:
        """The features of sound alone: (n,) samples, mono, 16 kHz."""
        return _drain(self._stream(), _chunks_of(waveform))

    def _stream(self) -> FeatureStream:
        visual, semantic = (
            backbone and functools.partial(_encode, backbone) for backbone in (self._visual, self._semantic)
        )
        return FeatureStream(self._extractor, visual, semantic, self._log_mel)


def _encode(backbone: FrozenBackbone, segments: torch.Tensor) -> torch.Tensor:
    return backbone(segments.to(backbone.device)).cpu()


def _drain(stream: FeatureStream, chunks: Iterable[MediaChunk]) -> Film:
    end = 0.0
    for chunk in chunks:
        stream.add(chunk)
        end = chunk.end
    features = stream.result() if end else {}
    arrays = {name: values.T if name == "log_mel" else values for name, values in features.items()}
    return Film({name: values.half().numpy() for name, values in arrays.items()}, end)


def _chunks_of(waveform: np.ndarray) -> Iterable[MediaChunk]:
    seconds = len(waveform) / SAMPLING_RATE
    samples = torch.as_tensor(waveform, dtype=torch.float32)
    rows = F.pad(samples, (0, -len(samples) % SAMPLING_RATE)).view(-1, SAMPLING_RATE).numpy()
    for first in range(0, len(rows), CHUNK_SECONDS):
        part = rows[first : first + CHUNK_SECONDS]
        yield MediaChunk(first, part, None, min(seconds, float(first + len(part))))


def check_weights(settings: Settings) -> None:
    """Raise UsageError for unknown backbones, weights that are missing and files that nothing reads."""
    for kind, known in (("visual", VISUAL_BACKBONES), ("semantic", SEMANTIC_BACKBONES)):
        name, weights = getattr(settings, f"{kind}_backbone"), getattr(settings, f"{kind}_weights")
        if name is not None and name not in known:
            raise UsageError(f"There is no {kind} backbone {name!r}; the known ones are {', '.join(known)}.")
        needed = f"{kind}_features" in settings.computed and name != "statistics"
        _check_file(f"--{kind}-weights", weights, needed, f"{kind} backbone {name}")
    pca = "visual_features" in settings.computed and settings.visual_backbone == "inception_v3"
    _check_file("--visual-pca", settings.visual_pca, pca, f"visual backbone {settings.visual_backbone}")
    if unknown := sorted(set(settings.given) - set(settings.columns)):
        raise UsageError(f"{unknown[0]} are given, but the settings have no such column.")


def _check_file(option: str, path: Path | None, needed: bool, backbone: str) -> None:
    if needed and path is None:
        raise UsageError(
            f"The {backbone} needs its published weights, {option} FILE: features from random weights would "
            "mean nothing."
        )
    if path is not None and not needed:
        raise UsageError(f"{option} is {path}, but the {backbone} does not read it.")
    if path is not None and not path.is_file():
        raise DatasetError(f"{option} is {path}, and there is no such file.")


def _load(build: Callable[[Settings], FrozenBackbone], settings: Settings, device: torch.device):
    try:
        return build(settings).float().to(device).eval()
    except (ValueError, ImportError) as error:
        raise DatasetError(str(error)) from error


def visual_state(settings: Settings) -> StateDict:
    """The weights of the visual backbone that `settings` names, from their published files; PCA included."""
    state = load_foreign_checkpoint(settings.visual_weights)
    if settings.visual_backbone == "resnet3d_34":
        return convert_resnet3d_state_dict(state)
    return convert_inception_state_dict(state) | load_pca(settings.visual_pca)


def semantic_state(settings: Settings) -> StateDict:
    """The weights of the semantic backbone that `settings` names, from their published file."""
    return convert_panns_state_dict(load_foreign_checkpoint(settings.semantic_weights))


def _visual_backbone(settings: Settings) -> FrozenBackbone:
    backbone_class = VISUAL_BACKBONES[settings.visual_backbone]
    if settings.visual_backbone == "statistics":
        return backbone_class()
    state = visual_state(settings)
    if settings.visual_backbone == "inception_v3":
        return _filled(functools.partial(backbone_class, len(state["projection"])), state)
    return _filled(backbone_class, state)


def _semantic_backbone(settings: Settings) -> FrozenBackbone:
    backbone_class = SEMANTIC_BACKBONES[settings.semantic_backbone]
    return (
        backbone_class()
        if settings.semantic_backbone == "statistics"
        else _filled(backbone_class, semantic_state(settings))
    )


def _filled(build: Callable[[], FrozenBackbone], state: StateDict) -> FrozenBackbone:
    with torch.device("meta"):  # spares drawing weights that the file replaces
        backbone = build()
    backbone.load_state_dict(state, assign=True)
    return backbone


def file_print(path: Path) -> str:
    """A file's fingerprint, "absent" if there is none: its size and the SHA-256 of its start, middle and end.

    Neither its name nor its time counts: a copy has the same.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            digest = hashlib.sha256()
            for start in sorted({0, max(0, (size - HASHED) // 2), max(0, size - HASHED)}):
                file.seek(start)
                digest.update(file.read(HASHED))
    except OSError:
        return "absent"
    return f"{size}:{digest.hexdigest()}"


def settings_from(arguments: argparse.Namespace) -> Settings:
    """What `options.add_extraction_arguments` parsed. Raises UsageError or DatasetError on what cannot be."""
    rate = arguments.log_mel_rate
    settings = Settings(
        visual_backbone=_name_or_none(arguments.visual_backbone),
        semantic_backbone=_name_or_none(arguments.semantic_backbone),
        visual_weights=arguments.visual_weights,
        semantic_weights=arguments.semantic_weights,
        visual_pca=arguments.visual_pca,
        log_mel_rate=None if rate == "none" else float(rate),
        device=_device(arguments.device),
    )
    check_weights(settings)
    return settings


def _name_or_none(name: str) -> str | None:
    return None if name == "none" else name


def _device(name: str | None) -> str:
    name = name or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.zeros(0, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UsageError(f"--device is {name!r}, which this machine does not have.") from error
    return name


def seconds_of_frames(frames: int, rate: float) -> int:
    """Seconds that so many log-Mel frames last: the T of M = ceil(rate T)."""
    return math.floor(frames / rate)
