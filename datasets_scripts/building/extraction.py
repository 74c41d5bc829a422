"""Features of videos: each decoded once, in order, its pixels and samples turned into features at once."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from datasets_scripts.building.batches import SEGMENTS, Batches, Result
from datasets_scripts.building.settings import Arrays, Settings
from modeling_davihd.backbones_davihd import FrozenBackbone, backbone_class
from modeling_davihd.conversion import EncoderChoice, load_encoder
from modeling_davihd.engines.errors import DatasetError, UnusableVideo
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
from modeling_davihd.precision import set_precision
from modeling_davihd.streams_davihd import SAMPLING_RATE, STREAMS, LogMel

CHUNK_SECONDS = 30


def feature_extractor(settings: Settings) -> DAViHDFeatureExtractor:
    """The feature extractor that makes the visual encoder's pictures and the log-Mel spectrogram."""
    chosen = settings.log_mel or LogMel()
    sizes = {"num_mel_bins": chosen.num_mel_bins, "n_fft": chosen.n_fft, "log_mel_rate": chosen.rate}
    seeing = settings.backbone("visual") if "visual" in settings.encoded else None
    return feature_extractor_for(seeing, **sizes)


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
        self._normalise = feature_extractor(settings).normalise
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

    encoders: the settings' own, in this process, unless others stand in for them. widths: by column, of what
    the encoders make.
    """

    def __init__(self, settings: Settings, encoders: Encoders | None = None, stages: Stopwatch | None = None):
        self.settings, self.stages = settings, stages or Stopwatch()
        encoders = encoders or Encoders(settings)
        self._batches = {name: Batches(functools.partial(encoders.submit, name)) for name in encoders.widths}
        self._feature_extractor = feature_extractor(settings)
        self._makes_log_mel = "log_mel" in settings.computed
        self._listens = listens(self._batches, self._makes_log_mel)
        self._decoding = decoding_for(self._feature_extractor, self._batches, self._makes_log_mel)
        self.widths = {STREAMS[name].column: width for name, width in encoders.widths.items()}

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


def _load(stream: str, choice: EncoderChoice, device: torch.device) -> FrozenBackbone:
    try:
        return load_encoder(stream, choice).float().to(device).eval()
    except (ValueError, ImportError) as error:
        raise DatasetError(str(error)) from error
