"""A film that arrives in chunks, as what a model reads: pixels and samples become features and are let go."""

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
import torch

from .feature_extraction_davihd import DAViHDFeatureExtractor, LogMelStream
from .media import FrameSampling, MediaChunk
from .streams_davihd import STREAMS, Stream

# A file may lie about its duration: memory for more seconds than that is not taken beforehand.
_LONGEST_EXPECTED = 6 * 3600

Encoder = Callable[[torch.Tensor], torch.Tensor]


def listens(names: Collection[str], log_mel: bool) -> bool:
    """Whether the streams of those names, or the log-Mel, are made of the sound."""
    return log_mel or any(STREAMS[name].raw == "waveform" for name in names)


def decoding_for(extractor: DAViHDFeatureExtractor, names: Collection[str], log_mel: bool) -> dict[str, Any]:
    """Arguments of `stream_segments`, to decode all that the streams of those names and the log-Mel need.

    If they need nothing, the sound is decoded, which tells how long a film lasts.
    """
    frames = None
    if any(STREAMS[name].raw == "pixel_values" for name in names):
        frames = FrameSampling(extractor.frames_per_segment, extractor.image_size, extractor.image_size)
    return {"audio": listens(names, log_mel) or frames is None, "frames": frames}


def raw_segments(chunk: MediaChunk, stream: Stream) -> np.ndarray:
    """The part of a chunk that a stream's encoder takes: (n, P, H, W, 3) bytes of frames, or (n, 16000)."""
    segments = chunk.frames if stream.sees else chunk.waveform
    return segments  # type: ignore[return-value]  # `decoding_for` has asked for them


class FilmLogMel:
    """The log-Mel spectrogram of a film from its chunks.

    It is put into one block of memory, for many small ones would leave gaps between them. `duration` in
    seconds, if known, spares the block from being moved as it grows.
    """

    def __init__(self, extractor: DAViHDFeatureExtractor, duration: float | None = None):
        self._stream, self._frames = LogMelStream(extractor), 0
        seconds = min(math.ceil(duration or 60), _LONGEST_EXPECTED)
        self._expected = math.ceil(extractor.log_mel_rate * seconds)
        self._block = torch.empty(extractor.num_mel_bins, 0)

    def add(self, waveform: np.ndarray) -> None:
        """Take the next seconds (n, 16000)."""
        self._keep(self._stream.add(waveform))

    def result(self) -> torch.Tensor:
        """The whole spectrogram (F, M)."""
        self._keep(self._stream.finish())
        return self._block[:, : self._frames]

    def _keep(self, frames: torch.Tensor) -> None:
        end = self._frames + frames.shape[1]
        if end > self._block.shape[1]:
            grown = torch.empty(len(frames), max(end, self._expected, 3 * self._frames // 2))
            grown[:, : self._frames] = self._block[:, : self._frames]
            self._block = grown
        self._block[:, self._frames : end] = frames
        self._frames = end


class FeatureStream:
    """The model's inputs of one film from its chunks.

    encoders: by the names of their streams, each normalised pixels (n, P, 3, H, W) or sound (n, 16000) ->
    features (n, D). log_mel: whether to make the spectrogram. duration: in seconds, if known.
    """

    def __init__(
        self,
        extractor: DAViHDFeatureExtractor,
        encoders: Mapping[str, Encoder] | None = None,
        log_mel: bool = False,
        duration: float | None = None,
    ):
        self._extractor, self._encoders = extractor, dict(encoders or {})
        self._pieces: dict[str, list[torch.Tensor]] = {name: [] for name in self._encoders}
        self._log_mel = FilmLogMel(extractor, duration) if log_mel else None
        self.wanted = decoding_for(extractor, self._encoders, log_mel)
        self.listens = listens(self._encoders, log_mel)

    def add(self, chunk: MediaChunk) -> None:
        """Take the next segments of the film."""
        for name, encode in self._encoders.items():
            segments = raw_segments(chunk, STREAMS[name])
            raw = self._extractor.normalise(segments) if STREAMS[name].sees else torch.from_numpy(segments)
            self._pieces[name].append(encode(raw))
        if self._log_mel is not None:
            self._log_mel.add(chunk.waveform)  # type: ignore[arg-type]  # it was asked for

    def result(self) -> dict[str, torch.Tensor]:
        """By the model's arguments: features (T, D) of each stream, and `log_mel` (F, M)."""
        features = {STREAMS[name].column: torch.cat(pieces) for name, pieces in self._pieces.items()}
        if self._log_mel is not None:
            features["log_mel"] = self._log_mel.result()
        return features


__all__ = ["FeatureStream", "FilmLogMel", "decoding_for", "listens", "raw_segments"]
