"""Configurations of the rules that a model has to beat."""

from huggingface_hub.dataclasses import strict

from ..streams_davihd import FULL_LOG_MEL_RATE, LOG_MEL_RATES, NUM_MEL_BINS
from .configuration_baselines import BaselineConfig


@strict
class PositionConfig(BaselineConfig):
    r"""
    Configuration of a [`PositionModel`].

    num_positions (`int`):
        Points from the beginning to the end of a video that have a score of their own, odd.
    """

    model_type = "baseline_position"

    num_positions: int = 101

    def validate_architecture(self):
        super().validate_architecture()
        self._require_range(3, 65535, "num_positions")
        if self.num_positions % 2 == 0:
            raise ValueError(
                f"`num_positions` is {self.num_positions}; it needs to be odd, for one to be in the middle."
            )


@strict
class LoudnessConfig(BaselineConfig):
    r"""
    Configuration of a [`LoudnessModel`].

    num_mel_bins (`int`), log_mel_rate (`float`):
        Bins of the log-Mel spectrogram, and its frames a second: 62.5 or 1.
    """

    model_type = "baseline_loudness"
    modalities = ("dynamics",)

    num_mel_bins: int = NUM_MEL_BINS
    log_mel_rate: float | int = FULL_LOG_MEL_RATE

    def validate_architecture(self):
        super().validate_architecture()
        self._require_range(1, 65536, "num_mel_bins")
        self._require_choice("log_mel_rate", LOG_MEL_RATES)


__all__ = ["LoudnessConfig", "PositionConfig"]
