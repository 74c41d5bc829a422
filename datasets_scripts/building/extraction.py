"""Features of videos: each decoded once, in order, its pixels and samples turned into features at once."""

from __future__ import annotations

import argparse
import functools
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from datasets_scripts.building.batches import SEGMENTS, Batches, Result
from modeling_davihd.backbones_davihd import BACKBONES, FrozenBackbone, backbone_class
from modeling_davihd.conversion import EncoderChoice, load_encoder, weights_file
from modeling_davihd.engines.errors import DatasetError, UnusableVideo, UsageError
from modeling_davihd.engines.sources import file_print
from modeling_davihd.engines.stopwatch import Stopwatch
from modeling_davihd.feature_extraction_davihd import DAViHDFeatureExtractor, feature_extractor_for
from modeling_davihd.feature_stream_davihd import FilmLogMel, SegmentStream, decoding_for, listens
from modeling_davihd.media import (
    DecodingLimits,
    MediaChunk,
    MediaError,
    MediaWarning,
    probe,
    stream_segments,
)
from modeling_davihd.precision import resolve_precision, set_precision
from modeling_davihd.streams_davihd import SAMPLING_RATE, STREAMS, LogMel, feature_streams

CHUNK_SECONDS = 30

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

    def extractor(self) -> DAViHDFeatureExtractor:
        """The feature extractor that makes the visual encoder's pictures and the log-Mel spectrogram."""
        chosen = self.log_mel or LogMel()
        settings = {"num_mel_bins": chosen.num_mel_bins, "n_fft": chosen.n_fft, "log_mel_rate": chosen.rate}
        return feature_extractor_for(
            self.backbone("visual") if "visual" in self.encoded else None, **settings
        )

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
        return weights_file(stream, choice) if stream in self.encoded else choice.weights, choice.pca


@dataclass(frozen=True)
class Film:
    """What became of a film, or of sound alone, when it was decoded.

    log_mel: (M, F) float16, unless there is none. tickets: (T, 1) by stream, of the features that encoders
    make in batches across films, for `Extractor.features`. damage: what was wrong with the file.
    """

    log_mel: np.ndarray | None
    tickets: dict[str, torch.Tensor]
    duration: float
    damage: str | None = None


class Encoders:
    """The encoders of settings that `check_weights` accepts, loaded; by the names of their streams.

    Raises DatasetError, in one sentence, where weights are not those of their encoder.
    """

    def __init__(self, settings: Settings):
        device = torch.device(settings.device)
        self._encoders = {name: _load(name, settings.encoders[name], device) for name in settings.encoded}
        for encoder in self._encoders.values():
            set_precision(encoder, settings.precision)
        if device.type != "cpu":  # batches are chosen to fit there
            for encoder in self._encoders.values():
                encoder.chunk_size = SEGMENTS
        self._normalise = settings.extractor().normalise
        self.widths = {name: encoder.dim for name, encoder in self._encoders.items()}

    def encode(self, stream: str, segments: torch.Tensor) -> torch.Tensor:
        """Segments as `SegmentStream` has them -> that stream's features (n, D)."""
        inputs = self._normalise(segments) if STREAMS[stream].sees else segments
        encoder = self._encoders[stream]
        return encoder(inputs.to(encoder.device)).cpu()

    def submit(self, stream: str, segments: torch.Tensor) -> Result:
        """As `encode`, for `Batches`: here nothing has to be waited for."""
        features = self.encode(stream, segments)
        return lambda: features


class Extractor:
    """Films into features; `stages` says where the time went.

    Frames and sound go to the encoders in batches across films, for which the extractor holds tickets; frames
    travel as bytes, a quarter of the size, and are normalised where they are encoded.

    encoders: the settings' own, in this process, unless others stand in for them.
    """

    def __init__(self, settings: Settings, encoders: Encoders | None = None):
        self.settings, self.stages = settings, Stopwatch()
        encoders = encoders or Encoders(settings)
        self._batches = {name: Batches(functools.partial(encoders.submit, name)) for name in encoders.widths}
        self._feature_extractor = settings.extractor()
        self._makes_log_mel = "log_mel" in settings.computed
        self._listens = listens(self._batches, self._makes_log_mel)
        self._decoding = decoding_for(self._feature_extractor, self._batches, self._makes_log_mel)
        self.widths = {name: given.width for name, given in settings.given.items()}
        self.widths |= {STREAMS[name].column: width for name, width in encoders.widths.items()}
        if settings.log_mel is not None:
            self.widths["log_mel"] = settings.log_mel.num_mel_bins

    def film(self, path: Path) -> Film:
        """Decode a media file. Raises UnusableVideo, naming the file, if it lacks what its features need."""
        try:
            info = probe(path)
            if self._listens and not info.has_audio:
                raise UnusableVideo(f"{path.name}: has no sound, which its features are made of.")
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", MediaWarning)
                limits = DecodingLimits(threads=torch.get_num_threads())
                wanted = self._decoding | {"chunk_seconds": CHUNK_SECONDS, "limits": limits}
                film = self._take(stream_segments(info, **wanted))
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
        return self._take(_chunks_of(waveform))

    def is_ready(self, film: Film) -> bool:
        """Whether all batches that the film is in were full and are under way."""
        return all(self._batches[name].has_sent(tickets) for name, tickets in film.tickets.items())

    def flush(self) -> None:
        """Make films ready whose batches are not full: there are no more to come."""
        for name, batches in self._batches.items():
            with self.stages(f"{name} encoder"):
                batches.flush()

    def features(self, film: Film) -> Arrays:
        """All that was made of a film that is ready, by column: (T, D), `log_mel` (M, F), float16; once."""
        arrays = {} if film.log_mel is None else {"log_mel": film.log_mel}
        for name, tickets in film.tickets.items():
            with self.stages(f"{name} encoder"):
                arrays[STREAMS[name].column] = self._batches[name].take(tickets).half().numpy()
        return arrays

    def _take(self, chunks: Iterable[MediaChunk]) -> Film:
        """Queue a film's segments. If it fails on the way, it is as though they had never been queued."""
        marks = {name: batches.mark() for name, batches in self._batches.items()}
        try:
            return self._queue(chunks)
        except BaseException:
            for name, mark in marks.items():
                self._batches[name].rewind(mark)
            raise

    def _queue(self, chunks: Iterable[MediaChunk]) -> Film:
        tickets: dict[str, list[torch.Tensor]] = {name: [] for name in self._batches}
        spectrogram, end = FilmLogMel(self._feature_extractor) if self._makes_log_mel else None, 0.0
        streams = self._segment_streams()

        def queue(name: str, parts: list[torch.Tensor]) -> None:
            tickets[name] += map(self._batches[name].add, parts)

        for chunk in self.stages.each("decoding", chunks):
            for name, stream in streams.items():
                with self.stages(f"{name} encoder"):
                    queue(name, stream.add(chunk))
            if spectrogram is not None:
                with self.stages("log-Mel"):
                    spectrogram.add(chunk.waveform)
            end = chunk.end
        if end == 0:
            return Film(None, {}, end)
        for name, stream in streams.items():
            with self.stages(f"{name} encoder"):
                queue(name, stream.finish())
        with self.stages("log-Mel"):
            log_mel = None if spectrogram is None else spectrogram.result().T.half().numpy()
        return Film(log_mel, {name: torch.cat(parts) for name, parts in tickets.items()}, end)

    def _segment_streams(self) -> dict[str, SegmentStream]:
        kinds = {name: backbone_class(name, self.settings.encoders[name].name) for name in self._batches}
        return {name: SegmentStream(STREAMS[name], kind) for name, kind in kinds.items()}


def _chunks_of(waveform: np.ndarray) -> Iterable[MediaChunk]:
    seconds = len(waveform) / SAMPLING_RATE
    samples = torch.as_tensor(waveform, dtype=torch.float32)
    rows = F.pad(samples, (0, -len(samples) % SAMPLING_RATE)).view(-1, SAMPLING_RATE).numpy()
    for first in range(0, len(rows), CHUNK_SECONDS):
        part = rows[first : first + CHUNK_SECONDS]
        yield MediaChunk(first, part, None, min(seconds, float(first + len(part))))


def check_weights(settings: Settings) -> None:
    """Raise UsageError for unknown encoders, weights that are missing and files that nothing reads."""
    for name, choice in settings.encoders.items():
        known = BACKBONES.get(name, {})
        if STREAMS[name].column in settings.given and choice.name not in known:
            continue
        if choice.name not in known:
            raise UsageError(
                f"There is no {name} backbone {choice.name!r}; the known ones are {', '.join(known)}."
            )
        kind, computed = known[choice.name], name in settings.encoded
        title = f"{name} backbone {choice.name}"
        reads_weights, reads_pca = computed and kind.needs_weights, computed and kind.needs_pca
        needs_file = reads_weights and not kind.embedded
        _check_file(f"--{name}-weights", choice.weights, reads_weights, needs_file, title)
        _check_file(f"--{name}-pca", choice.pca, reads_pca, reads_pca, title)
    if unknown := sorted(set(settings.given) - set(settings.columns)):
        raise UsageError(f"{unknown[0]} are given, but the settings have no such column.")


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


def _load(stream: str, choice: EncoderChoice, device: torch.device) -> FrozenBackbone:
    try:
        return load_encoder(stream, choice).float().to(device).eval()
    except (ValueError, ImportError) as error:
        raise DatasetError(str(error)) from error


def settings_from(arguments: argparse.Namespace) -> Settings:
    """The settings that the options stand for. Raises UsageError or DatasetError if they cannot be met."""
    encoders = {name: _encoder_from(arguments, name) for name in BACKBONES}
    encoders = {name: choice for name, choice in encoders.items() if choice is not None}
    log_mel = None
    if arguments.log_mel_rate != "none":
        log_mel = LogMel(float(arguments.log_mel_rate), arguments.num_mel_bins, arguments.n_fft)
    device = _device(arguments.device)
    precision = resolve_precision(arguments.dtype, torch.device(device))
    settings = Settings(encoders, log_mel, device, precision=precision)
    check_weights(settings)
    try:
        settings.extractor()
    except ValueError as error:  # of a spectrogram that it will not make
        raise UsageError(str(error)) from error
    return settings


def _encoder_from(arguments: argparse.Namespace, stream: str) -> EncoderChoice | None:
    name = getattr(arguments, f"{stream}_backbone")
    files = {part: getattr(arguments, f"{stream}_{part}", None) for part in ("weights", "pca")}
    if name != "none":
        return EncoderChoice(name, **files)
    for part, path in files.items():
        if path is not None:
            raise UsageError(f"--{stream}-{part} is {path}, but no --{stream}-backbone is named to read it.")
    return None


def _device(name: str | None) -> str:
    name = name or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.zeros(0, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UsageError(f"--device is {name!r}, which this machine does not have.") from error
    return name
