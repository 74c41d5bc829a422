"""Features of videos: each decoded once, in order, its pixels and samples turned into features at once."""

from __future__ import annotations

import argparse
import functools
import math
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from datasets_scripts.building.batches import SEGMENTS, Batches, Result
from datasets_scripts.building.errors import DatasetError, UnusableVideo, UsageError
from datasets_scripts.building.sources import file_print
from datasets_scripts.building.stopwatch import Stopwatch
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
from modeling_davihd.media import (
    SAMPLING_RATE,
    DecodingLimits,
    MediaChunk,
    MediaError,
    MediaWarning,
    probe,
    stream_segments,
)
from modeling_davihd.pipeline_davihd import FeatureStream, feature_extractor_for

NUM_MEL_BINS = 128
CHUNK_SECONDS = 30
STAGES = {"visual_features": "visual encoder", "semantic_features": "semantic encoder"}

Arrays = dict[str, np.ndarray]


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
    """What became of a film, or of sound alone, when it was decoded.

    features: float16 arrays that are there already (`log_mel` (M, 128)). tickets: of those that encoders make
    in batches across films; `Extractor.features` gives all. damage: what was wrong with the file.
    """

    features: Arrays
    tickets: dict[str, torch.Tensor]
    duration: float
    damage: str | None = None


class Encoders:
    """The backbones of settings that `check_weights` accepts, loaded.

    Raises DatasetError, in one sentence, where weights are not those of their backbone.
    """

    def __init__(self, settings: Settings):
        device, build = torch.device(settings.device), {}
        if "visual_features" in settings.computed:
            build["visual_features"] = _visual_backbone
        if "semantic_features" in settings.computed:
            build["semantic_features"] = _semantic_backbone
        self._backbones = {name: _load(function, settings, device) for name, function in build.items()}
        if device.type != "cpu":  # batches are chosen to fit there
            for backbone in self._backbones.values():
                backbone.chunk_size = SEGMENTS
        self._normalise = feature_extractor_for(settings.visual_backbone).normalise
        self.widths = {name: backbone.dim for name, backbone in self._backbones.items()}

    def encode(self, name: str, segments: torch.Tensor) -> torch.Tensor:
        """Frames as bytes (n, P, H, W, 3), or sound (n, 16000) -> that column's features (n, dim)."""
        inputs = self._normalise(segments) if name == "visual_features" else segments
        backbone = self._backbones[name]
        return backbone(inputs.to(backbone.device)).cpu()

    def submit(self, name: str, segments: torch.Tensor) -> Result:
        """As `encode`, for `Batches`: here nothing has to be waited for."""
        features = self.encode(name, segments)
        return lambda: features


class Extractor:
    """Films into features; `stages` says where the time went.

    encoders: the settings' own, in this process, unless others stand in for them.
    """

    def __init__(self, settings: Settings, encoders: Encoders | None = None):
        self.settings, self.stages = settings, Stopwatch()
        self._encoders = encoders or Encoders(settings)
        self._batches = {
            name: Batches(functools.partial(self._submit, name)) for name in self._encoders.widths
        }
        rate = settings.log_mel_rate or FULL_LOG_MEL_RATE
        self._front_end = feature_extractor_for(settings.visual_backbone, log_mel_rate=rate)
        # Frames travel as bytes, a quarter of the size, and are normalised where they are encoded.
        self._front_end.normalise = torch.from_numpy
        self.widths = {name: given.width for name, given in settings.given.items()} | self._encoders.widths
        if settings.log_mel_rate is not None:
            self.widths["log_mel"] = NUM_MEL_BINS

    def film(self, path: Path) -> Film:
        """Decode a media file. Raises UnusableVideo, naming the file, if it lacks what its features need."""
        stream = self._stream()
        try:
            if stream.listens and not probe(path).has_audio:
                raise UnusableVideo(f"{path.name}: has no sound, which its features are made of.")
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", MediaWarning)
                limits = DecodingLimits(threads=torch.get_num_threads())
                wanted = stream.wanted | {"chunk_seconds": CHUNK_SECONDS, "limits": limits}
                film = self._drain(stream, stream_segments(path, **wanted))
        except MediaError as error:
            raise UnusableVideo(str(error).replace(str(path), path.name)) from error
        if film.duration == 0:
            raise UnusableVideo(f"{path.name}: lasts no time at all.")
        for warning in caught:
            warnings.warn(warning.message, warning.category, stacklevel=2)
        damage = [str(one.message) for one in caught if issubclass(one.category, MediaWarning)]
        damage = [message.replace(str(path), path.name) for message in damage]
        return replace(film, damage=" ".join(damage) or None)

    def sound(self, waveform: np.ndarray) -> Film:
        """Take sound alone: (n,) samples, mono, 16 kHz."""
        return self._drain(self._stream(), _chunks_of(waveform))

    def is_ready(self, film: Film) -> bool:
        """Whether all batches that the film is in were full and are under way."""
        return all(self._batches[name].has_sent(tickets) for name, tickets in film.tickets.items())

    def flush(self) -> None:
        """Make films ready whose batches are not full: there are no more to come."""
        for name, batches in self._batches.items():
            with self.stages(STAGES[name]):
                batches.flush()

    def features(self, film: Film) -> Arrays:
        """All features of a film that is ready, (T, width) each, `log_mel` (M, 128), float16; once."""
        arrays = dict(film.features)
        for name, tickets in film.tickets.items():
            with self.stages(STAGES[name]):
                arrays[name] = self._batches[name].take(tickets).half().numpy()
        return arrays

    def _drain(self, stream: FeatureStream, chunks: Iterable[MediaChunk]) -> Film:
        marks, end = {name: batches.mark() for name, batches in self._batches.items()}, 0.0
        try:
            for chunk in self.stages.each("decoding", chunks):
                with self.stages("log-Mel"):
                    stream.add(chunk)
                end = chunk.end
            with self.stages("log-Mel"):
                made = stream.result() if end else {}
        except BaseException:
            for name, mark in marks.items():
                self._batches[name].rewind(mark)
            raise
        features = {"log_mel": made.pop("log_mel").T.half().numpy()} if "log_mel" in made else {}
        return Film(features, made, end)

    def _stream(self) -> FeatureStream:
        visual, semantic = (
            functools.partial(self._add, name) if name in self._batches else None
            for name in ("visual_features", "semantic_features")
        )
        return FeatureStream(self._front_end, visual, semantic, "log_mel" in self.settings.computed)

    def _add(self, name: str, segments: torch.Tensor) -> torch.Tensor:
        with self.stages(STAGES[name]):
            return self._batches[name].add(segments)

    def _submit(self, name: str, segments: torch.Tensor) -> Result:
        return self._encoders.submit(name, segments)


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
