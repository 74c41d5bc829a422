"""A film that arrives in chunks, as what a model reads: pixels and samples become features and are let go."""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from .backbones_davihd import FrozenBackbone
from .feature_extraction_davihd import DAViHDFeatureExtractor, LogMelStream
from .media import FrameSampling, MediaChunk
from .streams_davihd import STREAMS, Stream

# A file may lie about its duration: memory for more seconds than that is not taken beforehand.
_LONGEST_EXPECTED = 6 * 3600


@dataclass(frozen=True)
class Encoder:
    """What makes the features (n, D) of a stream out of the segments that `backbone` takes."""

    backbone: type[FrozenBackbone]
    encode: Callable[[torch.Tensor], torch.Tensor]


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


class SegmentStream:
    """The segments of a film, from its chunks, as a stream's backbone takes them.

    They are those of the chunk, bytes of frames (n, P, H, W, 3) or sound (n, 16000), unless the backbone
    hears beyond the second: then they are (n, before + 16000 + after) as of the whole film at once, and the
    last seconds of a chunk wait for the next one.
    """

    def __init__(self, stream: Stream, backbone: type[FrozenBackbone]):
        self._sees, self._backbone = stream.sees, backbone
        self._pending = torch.zeros(backbone.context[0])

    def add(self, chunk: MediaChunk) -> list[torch.Tensor]:
        """Take the next chunk; returns the segments that are complete, if any, as one tensor."""
        segments = torch.from_numpy(chunk.frames if self._sees else chunk.waveform)
        return self._emit(segments.flatten()) if any(self._backbone.context) else [segments]

    def finish(self) -> list[torch.Tensor]:
        """The remaining segments, if any, as one tensor."""
        after = self._backbone.context[1]
        return self._emit(torch.zeros(after)) if after else []

    def _emit(self, samples: torch.Tensor) -> list[torch.Tensor]:
        (width,), (step,) = self._backbone.input_shape, self._backbone.segment_shape()
        pending = torch.cat((self._pending, samples))
        if len(pending) < width:
            self._pending = pending
            return []
        segments = pending.unfold(0, width, step)
        self._pending = pending[len(segments) * step :].clone()  # a view would keep all samples
        return [segments]


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

    encoders: by the names of their streams; each gets sound or normalised pixels (n, P, 3, H, W). log_mel:
    whether to make the spectrogram. duration: in seconds, if known.
    """

    def __init__(
        self,
        extractor: DAViHDFeatureExtractor,
        encoders: Mapping[str, Encoder] | None = None,
        log_mel: bool = False,
        duration: float | None = None,
    ):
        self._extractor, self._encoders = extractor, dict(encoders or {})
        self._segments = {
            name: SegmentStream(STREAMS[name], encoder.backbone) for name, encoder in self._encoders.items()
        }
        self._pieces: dict[str, list[torch.Tensor]] = {name: [] for name in self._encoders}
        self._log_mel = FilmLogMel(extractor, duration) if log_mel else None
        self.wanted = decoding_for(extractor, self._encoders, log_mel)
        self.listens = listens(self._encoders, log_mel)

    def add(self, chunk: MediaChunk) -> None:
        """Take the next segments of the film."""
        for name, stream in self._segments.items():
            self._encode(name, stream.add(chunk))
        if self._log_mel is not None:
            self._log_mel.add(chunk.waveform)  # type: ignore[arg-type]  # it was asked for

    def result(self) -> dict[str, torch.Tensor]:
        """Once all has been added, by the model's arguments: features (T, D) of each stream, and `log_mel`
        (F, M)."""
        for name, stream in self._segments.items():
            self._encode(name, stream.finish())
        features = {STREAMS[name].column: torch.cat(pieces) for name, pieces in self._pieces.items()}
        if self._log_mel is not None:
            features["log_mel"] = self._log_mel.result()
        return features

    def _encode(self, name: str, parts: list[torch.Tensor]) -> None:
        for segments in parts:
            raw = self._extractor.normalise(segments) if STREAMS[name].sees else segments
            self._pieces[name].append(self._encoders[name].encode(raw))


__all__ = ["Encoder", "FeatureStream", "FilmLogMel", "SegmentStream", "decoding_for", "listens"]
