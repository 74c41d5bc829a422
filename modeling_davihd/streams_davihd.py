"""The streams that a model may read, and the sound they are made of: described here, read everywhere else.

A further stream is one more row of `STREAMS` and a field `NAME_dim` of the configuration that reads it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

SAMPLING_RATE = 16000  # Hz, of all sound that is listened to
AUDIBLE = 1e-4  # sound whose largest sample is no larger than this (-80 dB of full scale) counts as silence
# The log-Mel spectrogram of Section 3.1.3. A checkpoint may choose its bins and its window, not the rest: the
# rate is built into the networks, and half the sampling rate is the highest frequency there is.
HOP_LENGTH = 256  # samples from one frame to the next
HIGHEST_HZ = SAMPLING_RATE / 2
FULL_LOG_MEL_RATE = SAMPLING_RATE / HOP_LENGTH  # 62.5 frames a second
LOG_MEL_RATES = (FULL_LOG_MEL_RATE, 1)  # as it is, or the mean of each second
# How many frames a mean is over. The released code takes 62 for a second, so that after two minutes its
# seconds are one late; its checkpoints have learnt on those.
LOG_MEL_GRIDS = {"seconds": FULL_LOG_MEL_RATE, "released": 62}
NUM_MEL_BINS = 128
LOG_MEL_FLOOR = 1e-8  # added to the power, of which there may be none
N_FFT = 2048  # samples of a window


@dataclass(frozen=True)
class LogMel:
    """The settings of the log-Mel spectrogram: frames a second, bins, and samples of a window."""

    rate: float = FULL_LOG_MEL_RATE
    num_mel_bins: int = NUM_MEL_BINS
    n_fft: int = N_FFT


@dataclass(frozen=True)
class Stream:
    """One of the streams that a model reads; `modalities` of a configuration names them.

    name: "visual", for example. The configuration has its width D in the field `visual_dim` and, if it can be
        made by a frozen encoder, that encoder's name in `visual_backbone`.
    column: the model's argument and the column of a dataset that hold it: features (B, T, D), one row a
        second, or the log-Mel spectrogram.
    raw: the model's argument for what a frozen encoder makes the features of, if one does.
    sees: whether it comes from the picture.
    spectrogram: whether it is the log-Mel spectrogram, which has frames of its own and no encoder.
    """

    name: str
    column: str
    raw: str | None = None
    sees: bool = False
    spectrogram: bool = False

    @property
    def inputs(self) -> tuple[str, ...]:
        """The model's arguments for it: the features and, if there is one, the raw input."""
        return (self.column,) if self.raw is None else (self.column, self.raw)

    @property
    def is_of_films(self) -> bool:
        """Whether a film has it; one that has to be given as features is not to be had from a film alone."""
        return self.raw is not None or self.spectrogram

    @property
    def dim_field(self) -> str:
        """The configuration's field for the width of the features."""
        return f"{self.name}_dim"

    @property
    def backbone_field(self) -> str:
        """The configuration's field for the name of the frozen encoder."""
        return f"{self.name}_backbone"


STREAMS: dict[str, Stream] = {
    stream.name: stream
    for stream in (
        Stream("visual", "visual_features", raw="pixel_values", sees=True),
        Stream("semantic", "semantic_features", raw="waveform"),
        Stream("dynamics", "log_mel", spectrogram=True),
        Stream("text", "text_features"),
    )
}


def check_grid(grid: str, rate: float) -> None:
    """Raise ValueError unless it is one of `LOG_MEL_GRIDS`, and of use at that many frames a second."""
    if grid not in LOG_MEL_GRIDS:
        raise ValueError(f"`log_mel_grid` is {grid!r}; it needs one of {list(LOG_MEL_GRIDS)}.")
    if grid != "seconds" and rate != 1:
        raise ValueError(f"`log_mel_grid` is {grid!r}; it needs a `log_mel_rate` of 1, which is {rate:g}.")


def streams_of(modalities: Iterable[str]) -> list[Stream]:
    """The streams of those names, in the order of the table."""
    names = set(modalities)
    return [stream for stream in STREAMS.values() if stream.name in names]


def feature_streams(modalities: Iterable[str] | None = None) -> list[Stream]:
    """The streams of features, one row a second: all there are, or those of the given names."""
    chosen = STREAMS if modalities is None else modalities
    return [stream for stream in streams_of(chosen) if not stream.spectrogram]


__all__ = ["STREAMS", "LogMel", "Stream", "feature_streams", "streams_of"]
