"""All that decodes (`media_reading`) and encodes (`media_writing`) media in this package, with PyAV."""

from .media_reading import (
    DEFAULT_LIMITS,
    SAMPLING_RATE,
    DecodingLimits,
    FrameSampling,
    MediaChunk,
    MediaError,
    MediaInfo,
    MediaWarning,
    probe,
    stream_segments,
)
from .media_writing import cut_clips, cut_reel, write_film

__all__ = [
    "DEFAULT_LIMITS",
    "SAMPLING_RATE",
    "DecodingLimits",
    "FrameSampling",
    "MediaChunk",
    "MediaError",
    "MediaInfo",
    "MediaWarning",
    "cut_clips",
    "cut_reel",
    "probe",
    "stream_segments",
    "write_film",
]
