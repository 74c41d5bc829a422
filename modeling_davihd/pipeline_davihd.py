"""`pipeline("video-highlight-detection")`: a media file of any length in, scores and highlights out."""

import functools
import math
import os
import warnings
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from contextvars import copy_context
from typing import Any, TypeVar, overload

import numpy as np
import torch
from tqdm import tqdm
from transformers import Pipeline
from transformers.dynamic_module_utils import custom_object_save

from .backbones_davihd import FrozenBackbone
from .feature_extraction_davihd import DAViHDFeatureExtractor
from .feature_stream_davihd import Encoder, FeatureStream
from .highlights import Calibration, clip_highlights, find_highlights
from .media import (
    DEFAULT_LIMITS,
    DecodingLimits,
    MediaError,
    MediaInfo,
    MediaWarning,
    probe,
    stream_segments,
)
from .streams_davihd import AUDIBLE, Stream

Item = TypeVar("Item")
Film = str | os.PathLike | MediaInfo


def check_spectrogram(config: Any, extractor: DAViHDFeatureExtractor) -> None:
    """Raise ValueError if a model reads a log-Mel spectrogram other than the one that is made for it."""
    for name, needed in config.log_mel_settings.items() if config.reads_spectrogram else ():
        if (made := getattr(extractor, name)) != needed:
            raise ValueError(
                f"The feature extractor's `{name}` is {made}; the model's config needs {needed}."
            )


class VideoHighlightDetectionPipeline(Pipeline):
    """
    Scores every second of a film and finds its highlights. The file is decoded once, in order and in chunks;
    frames and sound become features while the next chunk is decoded, so that memory does not grow with pixels
    or samples. Only the streams that the model's modalities need are decoded. The model is put in evaluation
    mode and stays in it.

    ```python
    >>> from transformers import pipeline

    >>> detect = pipeline("video-highlight-detection", model="path/or/hub-id", trust_remote_code=True)
    >>> detect("match.mp4", top_k=3)
    {'duration': 600.0, 'scores': array([...]), 'highlights': [{'start': 61.0, 'end': 68.0, ...}, ...]}
    ```
    """

    model: Any  # a DAViHDPreTrainedModel, whose file need not be at hand
    feature_extractor: DAViHDFeatureExtractor
    _load_processor = False
    _load_image_processor = False
    _load_feature_extractor = True
    _load_tokenizer = False

    def __init__(self, *arguments, **kwargs):
        """Raises ValueError if the model needs what no film has, or the feature extractor does not make."""
        super().__init__(*arguments, **kwargs)
        self.model.eval()
        streams = self.model.config.streams
        strange = [stream for stream in streams if not stream.is_of_films]
        if strange and not (self.model.config.does_without and len(strange) < len(streams)):
            raise ValueError(
                f"The model reads `{strange[0].column}`, which a film does not have by itself; it scores the "
                "rows of a dataset that has them, or needs to be trained without them."
            )
        check_spectrogram(self.model.config, self.feature_extractor)

    @overload
    def __call__(self, inputs: Film, batch_size: int | None = None, **kwargs) -> dict: ...
    @overload
    def __call__(self, inputs: list[Film], batch_size: int | None = None, **kwargs) -> list[dict]: ...
    def __call__(
        self, inputs: Film | list[Film], batch_size: int | None = None, **kwargs
    ) -> dict | list[dict]:
        """
        Args:
            inputs: path of a media file, or what `media.probe` has found in it, or a list of these.
            batch_size: of no effect; films are streamed one after the other.
            top_k, duration, min_length, max_length, merge_gap, boundaries, level: see `find_highlights`;
                `level` is the config's `highlight_level` unless it is given.
            limits: how much a film may ask of its decoders, a `media.DecodingLimits`.
            return_features: also return what a picture of the result needs: `log_mel` (F, M) and
                `velocity_attention` (L, F'), each None if the model has none or there is nothing to hear.

        Returns, for each file, `{"duration": seconds, "scores": (T,) float32, "highlights": [{"start", "end",
        "score", "peak"}]}`, with a "confidence" in each if the config has `highlight_confidence`. A film in
        which nothing stands out has no highlights, unless `top_k` or `duration` asks for some; those of one
        whose seconds all score alike lie evenly. One without audible sound gets scores of 0 and a
        MediaWarning from a model that only listens. A model trained with `stream_dropout` scores a film that
        lacks picture or audible sound by what there is, with a MediaWarning. Raises MediaError, in one
        sentence, if the file cannot be read or lacks a picture that the model needs, and ValueError if the
        model's scores are not finite.
        """
        if isinstance(inputs, list) and not inputs:
            return []
        return super().__call__(inputs, batch_size=1, **kwargs)

    @property
    def calibration(self) -> Calibration:
        """What the model's config says of the highlights that its scores have."""
        return Calibration(self.model.config.highlight_level, self.model.config.highlight_confidence)

    def save_pretrained(self, save_directory: str | os.PathLike, **kwargs):
        """Write model, feature extractor and code, also of a pipeline that remote code has loaded."""
        os.makedirs(save_directory, exist_ok=True)
        custom_object_save(self, save_directory)
        super().save_pretrained(save_directory, **kwargs)

    def _sanitize_parameters(
        self, return_features: bool | None = None, limits: DecodingLimits | None = None, **search
    ):
        given = {"return_features": return_features, "limits": limits}
        forward = {name: value for name, value in given.items() if value is not None}
        find_highlights(np.zeros(2), **search)  # refuses a wrong option before anything is decoded
        return {}, forward, search

    def preprocess(self, inputs: Film) -> dict:
        if not isinstance(inputs, Film):
            raise ValueError(
                f"The pipeline got a {type(inputs).__name__}; it needs the path of a media file."
            )
        return {"film": inputs}

    def _forward(
        self, model_inputs: dict, return_features: bool = False, limits: DecodingLimits = DEFAULT_LIMITS
    ) -> dict:
        """One film from `preprocess` -> `duration`, `scores` (T,) and, on demand, what a picture needs."""
        self.model.eval()  # it may have gone on training since
        info = probe(model_inputs["film"], limits)
        features, duration, audible = self._stream(info, limits)
        config = self.model.config
        sees = config.sees and (info.has_video or not config.does_without)
        if config.streams and not audible and not sees:
            if info.has_audio:  # a missing sound track has been warned of while decoding
                message = f"{info.path}: the sound is silent."
                warnings.warn(message, MediaWarning, stacklevel=2)
            scores = torch.zeros(int(np.ceil(duration)))
        else:
            features = self._without_absent(info, features, audible)
            scores = self.model(**features).scores[0].float()
            if not scores.isfinite().all():
                raise ValueError(
                    f"{info.path}: the model's scores are not finite; its weights may be damaged."
                )
        output = {"duration": duration, "scores": scores}
        if return_features:
            log_mel = features.get("log_mel")
            output["log_mel"] = None if log_mel is None else log_mel[0].float()
            attend = None if log_mel is None else getattr(self.model, "get_velocity_attention", None)
            output["velocity_attention"] = None if attend is None else attend(log_mel)[0].float()
        return output

    def postprocess(self, model_outputs: dict, **search) -> dict:
        result: dict[str, Any] = {
            name: value.cpu().numpy() if isinstance(value, torch.Tensor) else value
            for name, value in model_outputs.items()
        }
        found = self.calibration.find(result["scores"], **search)
        result["highlights"] = [
            highlight.as_dict() for highlight in clip_highlights(found, result["duration"])
        ]
        return result

    def _stream(self, info: MediaInfo, limits: DecodingLimits) -> tuple[dict[str, torch.Tensor], float, bool]:
        """One pass over the file: features (a batch of one), duration, and whether there is audible sound."""
        features = self.feature_stream(info)
        end, audible = 0.0, False
        total = info.duration and round(info.duration)
        with tqdm(total=total, unit="s", disable=None, desc=info.path.name) as progress:
            for chunk in one_ahead(stream_segments(info, **features.wanted, limits=limits)):
                features.add(chunk)
                if features.listens and chunk.waveform is not None:
                    audible = audible or np.abs(chunk.waveform).max() > AUDIBLE
                progress.update(round(chunk.end) - round(end))
                end = chunk.end
        if end == 0:
            raise MediaError(f"{info.path}: lasts no time at all; a film needs some picture or sound.")
        batch = {name: values.to(self.model.device)[None] for name, values in features.result().items()}
        batch["attention_mask"] = torch.ones(1, math.ceil(end), dtype=torch.long, device=self.model.device)
        return batch, end, bool(audible)

    def _without_absent(
        self, info: MediaInfo, features: dict[str, torch.Tensor], audible: bool
    ) -> dict[str, torch.Tensor]:
        """The features that a model which does without is to score a film by, with a warning of what the film
        lacks; silence is no sound. Other models get all."""
        config = self.model.config
        if not config.does_without:
            return features
        sound = [stream for stream in config.streams if stream.is_of_films and not stream.sees]
        lacking = [f"`{stream.column}`" for stream in config.streams if not stream.is_of_films]
        if config.sees and not info.has_video:
            lacking.append("picture")
        if sound and not audible:
            lacking.append("audible sound" if info.has_audio else "sound")
            heard = {stream.column for stream in sound}
            features = {name: values for name, values in features.items() if name not in heard}
        for what in lacking:
            message = f"{info.path}: has no {what}; the model scores it without."
            warnings.warn(message, MediaWarning, stacklevel=2)
        return features

    def feature_stream(self, info: MediaInfo) -> FeatureStream:
        """The stream that turns the chunks of that film into the model's inputs; what the film lacks is left
        out for a model that does without."""
        config, encoders = self.model.config, {}
        if not info.has_audio and not config.sees:
            return FeatureStream(self.feature_extractor)  # hours of silence would be heard for nothing
        there = [stream for stream in config.streams if not config.does_without or self._has(info, stream)]
        for stream in there:
            if not stream.spectrogram:
                backbone = self.model.backbone_of(stream)
                encoders[stream.name] = Encoder(type(backbone), functools.partial(self._encode, backbone))
        log_mel = any(stream.spectrogram for stream in there)
        return FeatureStream(self.feature_extractor, encoders, log_mel, info.duration)

    @staticmethod
    def _has(info: MediaInfo, stream: Stream) -> bool:
        return stream.is_of_films and (info.has_video if stream.sees else info.has_audio)

    def _encode(self, backbone: FrozenBackbone, segments: torch.Tensor) -> torch.Tensor:
        """Raw segments (n, ...), wherever they are -> features (n, D) on the model's device."""
        return backbone(segments.to(self.model.device))


def one_ahead(items: Generator[Item, None, None]) -> Iterator[Item]:
    """Yield what a generator yields, one ahead: while an item is used, a thread makes the next, and no more.

    The thread sees the caller's context variables, by which warnings find those they concern.
    """
    end, context = object(), copy_context()
    make: Callable[[], Any] = functools.partial(next, items, end)
    with closing(items), ThreadPoolExecutor(1) as maker:
        upcoming = maker.submit(context.run, make)
        while (item := upcoming.result()) is not end:
            upcoming = maker.submit(context.run, make)
            yield item


__all__ = ["VideoHighlightDetectionPipeline"]
