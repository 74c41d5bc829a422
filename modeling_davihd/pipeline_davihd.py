"""`pipeline("video-highlight-detection")`: a media file of any length in, scores and highlights out."""

import math
import os
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from contextvars import copy_context
from typing import TypeVar

import numpy as np
import torch
from tqdm import tqdm
from transformers import Pipeline
from transformers.dynamic_module_utils import custom_object_save

from .backbones_davihd import visual_backbone_class
from .feature_extraction_davihd import DAViHDFeatureExtractor, LogMelStream
from .highlights import clip_highlights, find_highlights
from .media import (
    DEFAULT_LIMITS,
    DecodingLimits,
    FrameSampling,
    MediaChunk,
    MediaError,
    MediaInfo,
    MediaWarning,
    probe,
    stream_segments,
)

# Sound whose largest sample stays below this (-80 dB of full scale) counts as silence.
_SILENCE = 1e-4
# A file may lie about its duration: memory for more seconds than that is not taken beforehand.
_LONGEST_EXPECTED = 6 * 3600

Encoder = Callable[[torch.Tensor], torch.Tensor]
Item = TypeVar("Item")


class VideoHighlightDetectionPipeline(Pipeline):
    """
    Scores every second of a film and finds its highlights. The file is decoded once, in order and in chunks;
    frames and sound become features while the next chunk is decoded, so that memory does not grow with pixels
    or samples. Only the streams that the model's modalities need are decoded.

    ```python
    >>> from transformers import pipeline

    >>> detect = pipeline("video-highlight-detection", model="path/or/hub-id", trust_remote_code=True)
    >>> detect("match.mp4", top_k=3)
    {'duration': 600.0, 'scores': array([...]), 'highlights': [{'start': 61.0, 'end': 68.0, ...}, ...]}
    ```
    """

    _load_processor = False
    _load_image_processor = False
    _load_feature_extractor = True
    _load_tokenizer = False

    def __init__(self, *arguments, **kwargs):
        """Raises ValueError if the feature extractor does not make what the model reads."""
        super().__init__(*arguments, **kwargs)
        if "dynamics" in self.model.config.modalities:
            for name in ("log_mel_rate", "num_mel_bins"):
                made, needed = getattr(self.feature_extractor, name), getattr(self.model.config, name)
                if made != needed:
                    raise ValueError(
                        f"The feature extractor's `{name}` is {made}; the model's config needs {needed}."
                    )

    def __call__(
        self,
        inputs: str | os.PathLike | MediaInfo | list[str | os.PathLike | MediaInfo],
        batch_size: int | None = None,
        **kwargs,
    ) -> dict | list[dict]:
        """
        Args:
            inputs: path of a media file, or what `media.probe` has found in it, or a list of these.
            batch_size: of no effect; films are streamed one after the other.
            top_k, duration, min_length, max_length, merge_gap, boundaries: see `find_highlights`.
            limits: how much a film may ask of its decoders, a `media.DecodingLimits`.
            return_features: also return what a picture of the result needs: `log_mel` (F, M) and
                `velocity_attention` (L, F'), each None if the model has none or there is nothing to hear.

        Returns, for each file, `{"duration": seconds, "scores": (T,) float32, "highlights": [{"start", "end",
        "score", "peak"}]}`. A film without audible sound gets scores of 0, no highlights and a MediaWarning
        from a model that only listens. Raises MediaError, in one sentence, if the file cannot be read, and
        ValueError if the model's scores are not finite.
        """
        if isinstance(inputs, list) and not inputs:
            return []
        return super().__call__(inputs, batch_size=1, **kwargs)

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

    def preprocess(self, inputs: str | os.PathLike | MediaInfo) -> dict:
        if not isinstance(inputs, str | os.PathLike | MediaInfo):
            raise ValueError(
                f"The pipeline got a {type(inputs).__name__}; it needs the path of a media file."
            )
        return {"film": inputs}

    def _forward(
        self, model_inputs: dict, return_features: bool = False, limits: DecodingLimits = DEFAULT_LIMITS
    ) -> dict:
        """One film from `preprocess` -> `duration`, `scores` (T,) and, on demand, what a picture needs."""
        info = probe(model_inputs["film"], limits)
        features, duration, audible = self._stream(info, limits)
        modalities = self.model.config.modalities
        if modalities and "visual" not in modalities and not audible:
            if info.has_audio:  # a missing sound track has been warned of while decoding
                message = f"{info.path}: the sound is silent, nothing stands out."
                warnings.warn(message, MediaWarning, stacklevel=2)
            scores = torch.zeros(int(np.ceil(duration)))
        else:
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
        result = {
            name: value.cpu().numpy() if isinstance(value, torch.Tensor) else value
            for name, value in model_outputs.items()
        }
        found = find_highlights(result["scores"], **search)
        result["highlights"] = [
            highlight.as_dict() for highlight in clip_highlights(found, result["duration"])
        ]
        return result

    def _stream(self, info: MediaInfo, limits: DecodingLimits) -> tuple[dict[str, torch.Tensor], float, bool]:
        """One pass over the file: features (a batch of one), duration, and whether there is audible sound."""
        features = self._feature_stream(info)
        end, audible = 0.0, False
        total = info.duration and round(info.duration)
        with tqdm(total=total, unit="s", disable=None, desc=info.path.name) as progress:
            for chunk in one_ahead(stream_segments(info, **features.wanted, limits=limits)):
                features.add(chunk)
                audible = audible or (features.listens and np.abs(chunk.waveform).max() > _SILENCE)
                progress.update(round(chunk.end) - round(end))
                end = chunk.end
        if end == 0:
            raise MediaError(f"{info.path}: lasts no time at all; a film needs some picture or sound.")
        batch = {name: self._to_model(values)[None] for name, values in features.result().items()}
        batch["attention_mask"] = torch.ones(1, math.ceil(end), dtype=torch.long, device=self.model.device)
        return batch, end, bool(audible)

    def _feature_stream(self, info: MediaInfo) -> "FeatureStream":
        model, modalities = self.model, self.model.config.modalities
        if not info.has_audio and "visual" not in modalities:  # hours of silence would be heard for nothing
            modalities = ()
        return FeatureStream(
            self.feature_extractor,
            visual=self._of_model(model.get_visual_features) if "visual" in modalities else None,
            semantic=self._of_model(model.get_semantic_features) if "semantic" in modalities else None,
            log_mel="dynamics" in modalities,
            duration=info.duration,
        )

    def _of_model(self, encode: Encoder) -> Encoder:
        """An encoder of batches that are on the model's device, as one of segments that may be elsewhere."""
        return lambda segments: encode(self._to_model(segments)[None])[0]

    def _to_model(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.to(self.model.device, self.model.dtype)


class FeatureStream:
    """The model's inputs of one film from its chunks; pixels and samples become features and are let go.

    visual: normalised pixels (n, P, 3, H, W) -> (n, D_v). semantic: waveform (n, 16000) -> (n, D_s). What is
    None, or False, is not computed. `duration` in seconds, if known, spares the log-Mel spectrogram from
    being moved as it grows.
    """

    def __init__(
        self,
        extractor: DAViHDFeatureExtractor,
        visual: Encoder | None = None,
        semantic: Encoder | None = None,
        log_mel: bool = False,
        duration: float | None = None,
    ):
        self.listens = semantic is not None or log_mel
        self.sampling = None
        if visual is not None:
            size = extractor.image_size
            self.sampling = FrameSampling(extractor.frames_per_segment, size, size)
        self._extractor, self._encode_frames, self._encode_sound = extractor, visual, semantic
        self._pieces: dict[str, list[torch.Tensor]] = {}
        self._log_mel_stream = LogMelStream(extractor) if log_mel else None
        self._log_mel, self._frames = torch.empty(extractor.num_mel_bins, 0), 0
        self._expected = math.ceil(extractor.log_mel_rate * min(math.ceil(duration or 60), _LONGEST_EXPECTED))

    @property
    def wanted(self) -> dict[str, object]:
        """What `stream_segments` has to decode: if nothing else, sound, which tells the length."""
        return {"audio": self.listens or self.sampling is None, "frames": self.sampling}

    def add(self, chunk: MediaChunk):
        """Take the next segments of the film."""
        if self._encode_frames is not None:
            pixels = self._extractor.normalise(chunk.frames)
            self._keep("visual_features", self._encode_frames(pixels))
        if self._encode_sound is not None:
            self._keep("semantic_features", self._encode_sound(torch.from_numpy(chunk.waveform)))
        if self._log_mel_stream is not None:
            self._keep_log_mel(self._log_mel_stream.add(chunk.waveform))

    def result(self) -> dict[str, torch.Tensor]:
        """Of those asked for: `visual_features` (T, D_v), `semantic_features` (T, D_s), `log_mel` (F, M)."""
        features = {name: torch.cat(pieces) for name, pieces in self._pieces.items()}
        if self._log_mel_stream is not None:
            self._keep_log_mel(self._log_mel_stream.finish())
            features["log_mel"] = self._log_mel[:, : self._frames]
        return features

    def _keep(self, name: str, piece: torch.Tensor):
        self._pieces.setdefault(name, []).append(piece)

    def _keep_log_mel(self, log_mel: torch.Tensor):
        """Put frames (F, m) into one block of memory: many small ones would leave gaps between them."""
        end = self._frames + log_mel.shape[1]
        if end > self._log_mel.shape[1]:
            grown = torch.empty(len(log_mel), max(end, self._expected, 3 * self._frames // 2))
            grown[:, : self._frames] = self._log_mel[:, : self._frames]
            self._log_mel = grown
        self._log_mel[:, self._frames : end] = log_mel
        self._frames = end


def one_ahead(items: Generator[Item, None, None]) -> Iterator[Item]:
    """What a generator yields; while one item is used, a thread has the next one made, and no more.

    The thread sees the caller's context variables, by which warnings find their way to whom they concern.
    """
    end, context = object(), copy_context()
    with closing(items), ThreadPoolExecutor(1) as maker:
        upcoming = maker.submit(context.run, next, items, end)
        while (item := upcoming.result()) is not end:
            upcoming = maker.submit(context.run, next, items, end)
            yield item


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
    backbone = visual_backbone_class(visual_backbone)
    fields = ("frames_per_segment", "image_size", "image_mean", "image_std")
    pictures = {field: getattr(backbone, field) for field in fields}
    return DAViHDFeatureExtractor(model_input_names, **pictures, **settings)


__all__ = ["FeatureStream", "VideoHighlightDetectionPipeline", "feature_extractor_for"]
