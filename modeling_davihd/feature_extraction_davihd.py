"""DAViHD feature extractor: frames and waveforms of one or many videos to the tensors the model reads."""

import difflib
import functools
import math
import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torchaudio
from torch.nn import functional as F
from transformers import BatchFeature
from transformers.feature_extraction_utils import FeatureExtractionMixin

from .backbones_davihd import backbone_class
from .streams_davihd import (
    FULL_LOG_MEL_RATE,
    HIGHEST_HZ,
    HOP_LENGTH,
    LOG_MEL_FLOOR,
    LOG_MEL_GRIDS,
    LOG_MEL_RATES,
    N_FFT,
    NUM_MEL_BINS,
    SAMPLING_RATE,
    check_grid,
)

# Where whole numbers among the settings have to lie: no file may ask for any memory it likes.
_RANGES = {
    "num_mel_bins": (1, 4096),
    "n_fft": (16, 16384),
    "frames_per_segment": (1, 64),
    "image_size": (1, 1024),
}
# What files hold beside settings.
_KNOWN_ELSEWHERE = ("feature_extractor_type", "processor_class", "auto_map")
_INTEGER_SCALES = {torch.int16: 2.0**15, torch.int32: 2.0**31}
_ROWS_AT_ONCE = 60
_FRAMES_AT_ONCE = 512
_LOUDEST = 1e3
_MOST_CHANNELS = 32

Array = np.ndarray | torch.Tensor


class DAViHDFeatureExtractor(FeatureExtractionMixin):
    r"""
    Turns frames and sound into `pixel_values`, `waveform`, `log_mel` and `attention_mask`.

    model_input_names (`list[str]`):
        Which of those the model reads; the extractor computes no others.
    num_mel_bins (`int`), n_fft (`int`):
        Bins and window of the log-Mel spectrogram: log(mel + 1e-8) of 16 kHz sound, 0 to 8000 Hz, every 256
        samples, which is 62.5 frames a second.
    log_mel_rate (`float`):
        62.5 frames a second as computed, or 1: the mean over each second.
    log_mel_grid (`str`):
        What a second is at 1 frame a second: `"seconds"`, or `"released"`, 62 frames, as in the features that
        the authors' released checkpoints were trained on.
    frames_per_segment (`int`), image_size (`int`), image_mean, image_std (`list[float]`):
        What the visual backbone wants of each one-second segment.

    Raises ValueError, naming the setting, for one that is unknown or out of range.
    """

    model_input_names = ["pixel_values", "waveform", "log_mel", "attention_mask"]

    def __init__(
        self,
        model_input_names: Sequence[str] = ("log_mel", "attention_mask"),
        num_mel_bins: int = NUM_MEL_BINS,
        n_fft: int = N_FFT,
        log_mel_rate: float = FULL_LOG_MEL_RATE,
        log_mel_grid: str = "seconds",
        frames_per_segment: int = 1,
        image_size: int = 299,
        image_mean: Sequence[float] = (0.5, 0.5, 0.5),
        image_std: Sequence[float] = (0.5, 0.5, 0.5),
        **kwargs,
    ):
        self._check_others(kwargs)
        super().__init__(**kwargs)
        self.model_input_names = list(model_input_names)
        self.num_mel_bins = num_mel_bins
        self.n_fft = n_fft
        self.log_mel_rate = log_mel_rate
        self.log_mel_grid = log_mel_grid
        self.frames_per_segment = frames_per_segment
        self.image_size = image_size
        self.image_mean = list(image_mean)
        self.image_std = list(image_std)
        self._check_settings()

    def _check_others(self, others: dict):
        """Refuse misspelt settings, and a hop that would give another number of frames a second."""
        if (hop := others.pop("hop_length", HOP_LENGTH)) != HOP_LENGTH:
            raise ValueError(
                f"`hop_length` is {hop!r}; {FULL_LOG_MEL_RATE} frames a second of 16 kHz sound, which a rate "
                f"of 1 averages, need {HOP_LENGTH}."
            )
        known = [*_RANGES, "log_mel_rate", "log_mel_grid", "model_input_names", "image_mean", "image_std"]
        for name in others.keys() - set(_KNOWN_ELSEWHERE):
            similar = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean `{similar[0]}`?" if similar else "."
            raise ValueError(f"The feature extractor has no setting `{name[:80]}`{hint}")

    def _check_settings(self):
        known = type(self).model_input_names
        if unknown := [name for name in self.model_input_names if name not in known]:
            raise ValueError(f"`model_input_names` holds {unknown}; it needs names out of {known}.")
        if self.log_mel_rate not in LOG_MEL_RATES:
            raise ValueError(
                f"`log_mel_rate` is {self.log_mel_rate!r}; it needs to be {FULL_LOG_MEL_RATE} or 1."
            )
        check_grid(self.log_mel_grid, self.log_mel_rate)
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if not isinstance(value, int | np.integer) or not low <= value <= high:
                raise ValueError(f"`{name}` is {value!r}; a whole number from {low} to {high} is needed.")
        for name in ("image_mean", "image_std"):
            values = getattr(self, name)
            real = [value for value in values if isinstance(value, numbers.Real) and math.isfinite(value)]
            if len(values) != 3 or len(real) != 3:
                raise ValueError(f"`{name}` is {values}; it needs three finite numbers.")
        if 0 in self.image_std:
            raise ValueError(f"`image_std` is {self.image_std}; pixels cannot be divided by zero.")

    def __call__(
        self,
        frames: Array | Sequence[Array] | None = None,
        audio: Array | Mapping | Sequence | None = None,
        sampling_rate: int | None = None,
        return_tensors: str = "pt",
        channels_first: bool | None = None,
    ) -> BatchFeature:
        """
        Args:
            frames: one video, or a list of videos, of uint8 RGB frames: `(T, P, H, W, 3)`, or
                `(T * P, H, W, 3)` in order; P is `frames_per_segment`.
            audio: one sound `(n,)`, a batch of them `(B, n)`, or a list of sounds of any lengths, as floats
                in [-1, 1] or integers. A sound may also be what `datasets` decodes: a dict, or decoder, with
                `array` and `sampling_rate`.
            sampling_rate: samples a second of `audio`, 1000 or more; resampled to 16 kHz.
            return_tensors: `"pt"` or `"np"`.
            channels_first: whether a sound has its channels, which are averaged, before its samples,
                `(channels, n)`, or after them, `(n, channels)`. Unless it is said, sounds have no channels.

        Returns a batch padded to its longest video, with those of `model_input_names` that the given inputs
        allow. Raises ValueError, naming the argument, on input of another kind.
        """
        rows = videos = None
        if audio is not None:
            sounds = as_sounds(audio, sampling_rate, channels_first is not None)
            rows = [self._segment_rows(one, rate, channels_first) for one, rate in sounds]
        if frames is not None:
            videos = [self._segment_frames(one) for one in as_videos(frames)]
        if rows is None and videos is None:
            raise ValueError(
                "Neither `frames` nor `audio` is given; the feature extractor needs at least one."
            )
        if rows is not None and videos is not None:
            rows, videos = match_segments(rows, videos)
        features = {}
        if videos is not None and "pixel_values" in self.model_input_names:
            features["pixel_values"] = pad_stack([self.normalise(video) for video in videos])
        if rows is not None and "waveform" in self.model_input_names:
            features["waveform"] = pad_stack(rows)
        if rows is not None and "log_mel" in self.model_input_names:
            features["log_mel"] = (
                pad_stack([self.log_mel(one).T for one in rows]).transpose(1, 2).contiguous()
            )
        masks = [torch.ones(len(one), dtype=torch.long) for one in (rows or videos or [])]
        features["attention_mask"] = pad_stack(masks)
        return BatchFeature(features if return_tensors == "pt" else numpy_values(features), return_tensors)

    def normalise(self, frames: Array) -> torch.Tensor:
        """uint8 frames (T, P, H, W, 3) -> float32 `pixel_values` (T, P, 3, image_size, image_size)."""
        pixels = torch.as_tensor(frames).movedim(-1, 2).float() / 255
        if pixels.shape[-2:] != (self.image_size, self.image_size):
            size = (self.image_size, self.image_size)
            resized = F.interpolate(pixels.flatten(0, 1), size, mode="bilinear", antialias=True)
            pixels = resized.unflatten(0, pixels.shape[:2])
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in (self.image_mean, self.image_std))
        return (pixels - mean) / std

    def log_mel(self, waveform: Array) -> torch.Tensor:
        """16 kHz waveform (T, 16000) -> log-Mel (num_mel_bins, M), M = ceil(log_mel_rate T)."""
        waveform = torch.as_tensor(waveform)
        stream = LogMelStream(self)
        pieces = [stream.add(rows) for rows in waveform.split(_ROWS_AT_ONCE)]
        return torch.cat([*pieces, stream.finish()], 1)

    def _segment_rows(
        self, audio: Any, sampling_rate: int | None, channels_first: bool | None
    ) -> torch.Tensor:
        """One sound of any kind -> (T, 16000) float32 mono, the last row zero-padded."""
        waveform = mono(as_tensor("audio", audio), channels_first)
        if not isinstance(sampling_rate, int | np.integer) or not 1000 <= sampling_rate <= 10**6:
            raise ValueError(
                f"`sampling_rate` is {sampling_rate!r}; `audio` needs its samples a second, a whole number "
                "such as 44100."
            )
        if sampling_rate != SAMPLING_RATE:
            rate = resampling_rate(sampling_rate)
            waveform = torchaudio.functional.resample(waveform, rate, SAMPLING_RATE)
        segments = math.ceil(len(waveform) / SAMPLING_RATE)
        return F.pad(waveform, (0, segments * SAMPLING_RATE - len(waveform))).view(segments, SAMPLING_RATE)

    def _segment_frames(self, frames: Array) -> torch.Tensor:
        """One video of either form -> uint8 (T, P, H, W, 3)."""
        video = as_tensor("frames", frames)
        if video.dim() == 4 and len(video) % self.frames_per_segment == 0:
            video = video.unflatten(0, (-1, self.frames_per_segment))
        good = video.dim() == 5 and video.shape[1] == self.frames_per_segment and video.shape[-1] == 3
        if not good or video.dtype != torch.uint8 or 0 in video.shape:
            raise ValueError(
                f"`frames` holds {video.dtype} of shape {tuple(video.shape)}; it needs uint8 RGB frames of "
                f"shape (T, {self.frames_per_segment}, H, W, 3) or (T * {self.frames_per_segment}, H, W, 3)."
            )
        return video


class LogMelStream:
    """log(mel + 1e-8) of 16 kHz sound that arrives in whole seconds; the same values as in one pass.

    Frames are centred, with the first and last n_fft / 2 samples reflected at the ends.
    """

    def __init__(self, extractor: DAViHDFeatureExtractor):
        self._extractor = extractor
        self._mel = mel_spectrogram(extractor.n_fft, extractor.num_mel_bins)
        self._half = extractor.n_fft // 2
        self._pending = torch.zeros(0)
        self._seconds = 0
        self._frames = torch.zeros(extractor.num_mel_bins, 0)
        self._emitted = 0

    def add(self, waveform: Array) -> torch.Tensor:
        """Take (n, 16000) samples; returns the frames (num_mel_bins, m) that no later sample can change."""
        samples = torch.as_tensor(waveform).flatten()
        if self._seconds == 0:
            self._pending = samples[1 : self._half + 1].flip(0)
        self._pending = torch.cat((self._pending, samples))
        self._seconds += len(samples) // SAMPLING_RATE
        return self._emit(self._compute())

    def finish(self) -> torch.Tensor:
        """The remaining frames."""
        if self._seconds == 0:
            raise ValueError("The log-Mel spectrogram got no sound; it needs at least one second.")
        self._pending = torch.cat((self._pending, self._pending[-self._half - 1 : -1].flip(0)))
        return self._emit(self._compute(), last=True)

    def _compute(self) -> torch.Tensor:
        hop, n_fft = HOP_LENGTH, self._extractor.n_fft
        count = (len(self._pending) - n_fft) // hop + 1
        if count <= 0:
            return self._frames[:, :0]
        frames = torch.empty(self._extractor.num_mel_bins, count)
        for first in range(0, count, _FRAMES_AT_ONCE):
            piece = frames[:, first : first + _FRAMES_AT_ONCE]
            samples = self._pending[first * hop : (first + piece.shape[1] - 1) * hop + n_fft]
            torch.log(self._mel(samples) + LOG_MEL_FLOOR, out=piece)
        self._pending = self._pending[count * hop :].clone()  # a view would keep all samples
        return frames

    def _emit(self, frames: torch.Tensor, last: bool = False) -> torch.Tensor:
        if self._extractor.log_mel_rate != 1:
            if last:
                frames = frames[:, : math.ceil(FULL_LOG_MEL_RATE * self._seconds) - self._emitted]
            self._emitted += frames.shape[1]
            return frames
        return self._seconds_of(frames)

    def _seconds_of(self, frames: torch.Tensor) -> torch.Tensor:
        """Means over the whole seconds available; a frame that straddles two counts half for each."""
        halves = frames.repeat_interleave(2, 1)
        self._frames = torch.cat((self._frames, halves), 1)
        per_second = int(2 * LOG_MEL_GRIDS[self._extractor.log_mel_grid])
        ready = min(self._frames.shape[1] // per_second, self._seconds - self._emitted)
        whole, self._frames = self._frames[:, : ready * per_second], self._frames[:, ready * per_second :]
        self._emitted += ready
        return whole.unflatten(1, (ready, per_second)).mean(2)


@functools.cache
def mel_spectrogram(n_fft: int, num_mel_bins: int) -> torchaudio.transforms.MelSpectrogram:
    """Samples (n,) at 16 kHz, n >= n_fft -> mel power (num_mel_bins, 1 + (n - n_fft) // HOP_LENGTH)."""
    return torchaudio.transforms.MelSpectrogram(
        SAMPLING_RATE,
        n_fft,
        hop_length=HOP_LENGTH,
        n_mels=num_mel_bins,
        f_min=0.0,
        f_max=HIGHEST_HZ,
        center=False,
    )


def as_videos(frames: Array | Sequence[Array]) -> list[Array]:
    """`frames` of any of the accepted forms as a list of videos."""
    if isinstance(frames, np.ndarray | torch.Tensor):
        return list(frames) if frames.ndim > 5 else [frames]
    if not (isinstance(frames, Sequence) and len(frames)) or isinstance(frames, str):
        raise ValueError(
            f"`frames` is {short(frames)}; it needs the frames of one video, or a list of at least one."
        )
    return list(frames)


def as_sounds(audio: Any, rate: int | None, channels: bool) -> list[tuple[Any, int | None]]:
    """`audio` of any of the accepted forms as a list of sounds, each with its sampling rate.

    channels: whether a sound has an axis of channels.
    """
    if isinstance(audio, np.ndarray | torch.Tensor):
        if audio.ndim <= 1 + channels:
            return [(audio, rate)]
        if not channels and audio.ndim == 2 and audio.shape[1] <= _MOST_CHANNELS < audio.shape[0]:
            raise ValueError(
                f"`audio` has shape {tuple(audio.shape)}, which is a batch of {audio.shape[0]} sounds of "
                f"{audio.shape[1]} samples; for one sound with channels, `channels_first` needs to be False."
            )
        return [(one, rate) for one in audio]
    if is_decoded(audio):
        return [decoded_sound(audio, rate)]
    if not (isinstance(audio, Sequence) and len(audio)) or isinstance(audio, str | bytes):
        raise ValueError(
            f"`audio` is {short(audio)}; it needs the samples of one sound, or a list of at least one."
        )
    if isinstance(audio[0], numbers.Real):
        return [(audio, rate)]
    return [decoded_sound(one, rate) if is_decoded(one) else (one, rate) for one in audio]


def is_decoded(audio: Any) -> bool:
    """Whether it is what `datasets` decodes, a dict or, with torchcodec, a decoder."""
    return isinstance(audio, Mapping) or hasattr(audio, "get_all_samples")


def decoded_sound(audio: Any, rate: int | None) -> tuple[Any, int]:
    """Samples and sampling rate of what `datasets` decodes. Raises ValueError if `rate` is another one."""
    try:
        samples, own = audio["array"], audio["sampling_rate"]
    except KeyError as error:
        raise ValueError(
            f"`audio` is a dict of {', '.join(map(repr, audio))}; it needs 'array' and 'sampling_rate', as "
            "`datasets` decodes a sound."
        ) from error
    if rate not in (None, own):
        raise ValueError(f"`sampling_rate` is {rate!r}, but that of `audio` is {own!r}.")
    return samples, own


def as_tensor(name: str, values: Any) -> torch.Tensor:
    """One sound or video as a tensor; ValueError naming the argument if it cannot be one."""
    try:
        # Not from NumPy as it is: it may run backwards.
        return values if isinstance(values, torch.Tensor) else torch.as_tensor(np.ascontiguousarray(values))
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"`{name}` holds {short(values)}, which is no array of numbers: {error}") from error


def short(value: Any) -> str:
    """What a message says of a value."""
    return f"{type(value).__name__} {value!r:.40}"


def mono(audio: torch.Tensor, channels_first: bool | None = None) -> torch.Tensor:
    """One sound -> float32 (n,); channels, if it is said where they are, are averaged."""
    if audio.is_floating_point() and not (audio.abs() < _LOUDEST).all():
        raise ValueError("`audio` holds NaN, infinite or huge samples; it needs floats of about -1 to 1.")
    shape = tuple(audio.shape)
    if audio.dim() == 2 and channels_first is None:
        raise ValueError(
            f"`audio` holds a sound of shape {shape}; `channels_first` needs to say where its channels are: "
            "True for (channels, n), False for (n, channels)."
        )
    if audio.dim() not in (1, 2):
        raise ValueError(
            f"`audio` holds a sound of shape {shape}; it needs (n,), or (channels, n) or (n, channels) as "
            "`channels_first` says."
        )
    if audio.numel() == 0:
        raise ValueError("`audio` is empty; it needs at least one sample.")
    axis = 0 if channels_first else 1
    if audio.dim() == 2 and audio.shape[axis] > _MOST_CHANNELS:
        raise ValueError(
            f"`audio` holds a sound of shape {shape}, which has {audio.shape[axis]} channels with "
            f"`channels_first={channels_first}`; at most {_MOST_CHANNELS} are taken."
        )
    if audio.is_floating_point():
        waveform = audio.float()
    elif audio.dtype in _INTEGER_SCALES:
        waveform = audio.float() / _INTEGER_SCALES[audio.dtype]
    else:
        raise ValueError(f"`audio` holds {audio.dtype}; it needs floating point, int16 or int32 samples.")
    return waveform.mean(axis) if audio.dim() == 2 else waveform


def resampling_rate(sampling_rate: int) -> int:
    """The rate to resample from: as given, or the nearest multiple of 5 Hz if it shares less with 16 kHz.

    The resampler's memory grows with what the rates do not share; at 44.1 kHz this is at most 0.005 % off.
    """
    return sampling_rate if math.gcd(sampling_rate, SAMPLING_RATE) >= 5 else round(sampling_rate / 5) * 5


def match_segments(
    rows: list[torch.Tensor], videos: list[torch.Tensor]
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Same T for sound and picture: the one up to a second shorter gets silence or its last frames."""
    if len(rows) != len(videos):
        raise ValueError(
            f"`frames` holds {len(videos)} videos and `audio` {len(rows)}; they need to be as many."
        )
    for i, (sound, video) in enumerate(zip(rows, videos, strict=True)):
        if abs(len(sound) - len(video)) > 1:
            raise ValueError(
                f"Video {i} has {len(video)} s of `frames` and {len(sound)} s of `audio`; they need to "
                "differ by at most 1 s."
            )
        segments = max(len(sound), len(video))
        rows[i] = F.pad(sound, (0, 0, 0, segments - len(sound)))
        videos[i] = torch.cat((video, video[-1:].expand(segments - len(video), -1, -1, -1, -1)))
    return rows, videos


def pad_stack(tensors: list[torch.Tensor]) -> torch.Tensor:
    """Stack tensors whose first dimension differs, with zeros at the end."""
    return torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True)


def numpy_values(features: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    return {name: tensor.numpy() for name, tensor in features.items()}


def feature_extractor_for(
    visual_backbone: str | None,
    model_input_names: Sequence[str] = ("pixel_values", "waveform", "log_mel", "attention_mask"),
    **settings,
) -> DAViHDFeatureExtractor:
    """The feature extractor whose pictures fit that visual backbone; without one, it makes no pictures.

    settings: further arguments of the extractor, such as `log_mel_rate`. Raises ValueError for an unknown
    name.
    """
    if visual_backbone is None:
        names = [name for name in model_input_names if name != "pixel_values"]
        return DAViHDFeatureExtractor(names, **settings)
    backbone = backbone_class("visual", visual_backbone)
    fields = ("frames_per_segment", "image_size", "image_mean", "image_std")
    pictures = {field: getattr(backbone, field) for field in fields}
    return DAViHDFeatureExtractor(model_input_names, **pictures, **settings)


__all__ = ["DAViHDFeatureExtractor", "LogMelStream", "feature_extractor_for"]
