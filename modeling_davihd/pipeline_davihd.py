"""`pipeline("video-highlight-detection")`: a media file of any length in, scores and highlights out."""

import os
import warnings

import numpy as np
import torch
from tqdm import tqdm
from transformers import Pipeline, PreTrainedModel
from transformers.feature_extraction_utils import FeatureExtractionMixin

from .feature_extraction_davihd import LogMelStream
from .highlights import clip_highlights, find_highlights
from .media import FrameSampling, MediaChunk, MediaError, MediaInfo, MediaWarning, probe, stream_segments

# Sound whose largest sample stays below this (-80 dB of full scale) counts as silence.
_SILENCE = 1e-4


class VideoHighlightDetectionPipeline(Pipeline):
    """
    Scores every second of a film and finds its highlights. The file is decoded once, in order and in chunks;
    frames and sound become features at once, so that memory does not grow with pixels or samples. Only the
    streams that the model's modalities need are decoded.

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

    def __call__(self, inputs: str | os.PathLike | list[str | os.PathLike], **kwargs) -> dict | list[dict]:
        """
        Args:
            inputs: path of a media file, or a list of paths.
            top_k, duration, min_length, max_length, merge_gap, boundaries: see `find_highlights`.
            return_features: also return what a picture of the result needs: `log_mel` (F, M) and
                `velocity_attention` (L, F'), each None if the model has no dynamics pathway.

        Returns, for each file, `{"duration": seconds, "scores": (T,) float32, "highlights": [{"start", "end",
        "score", "peak"}]}`. A film without audible sound gets scores of 0, no highlights and a MediaWarning
        from a model that only listens. Raises MediaError, in one sentence, if the file cannot be read.
        """
        return super().__call__(inputs, **kwargs)

    def _sanitize_parameters(self, return_features: bool | None = None, **search):
        forward = {} if return_features is None else {"return_features": return_features}
        return {}, forward, search

    def preprocess(self, inputs: str | os.PathLike) -> dict:
        if not isinstance(inputs, str | os.PathLike):
            raise ValueError(
                f"The pipeline got a {type(inputs).__name__}; it needs the path of a media file."
            )
        return {"path": os.fspath(inputs)}

    def _forward(self, model_inputs: dict, return_features: bool = False) -> dict:
        path = model_inputs["path"]
        info = probe(path)
        features, duration, audible = self._stream(info)
        if "visual" not in self.model.config.modalities and not audible:
            if info.has_audio:  # a missing sound track has been warned of while decoding
                warnings.warn(f"{path}: the sound is silent, nothing stands out.", MediaWarning, stacklevel=2)
            scores = torch.zeros(int(np.ceil(duration)))
        else:
            scores = self.model(**features).scores[0].float()
        output = {"duration": duration, "scores": scores}
        if return_features:
            log_mel = features.get("log_mel")
            output["log_mel"] = None if log_mel is None else log_mel[0]
            output["velocity_attention"] = (
                None if log_mel is None else self.model.get_velocity_attention(log_mel)[0]
            )
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

    def _stream(self, info: MediaInfo) -> tuple[dict[str, torch.Tensor], float, bool]:
        """One pass over the file: features (a batch of one), duration, and whether there is audible sound."""
        features = FeatureStream(self.model, self.feature_extractor)
        end, audible = 0.0, False
        total = info.duration and round(info.duration)
        with tqdm(total=total, unit="s", disable=None, desc=info.path.name) as progress:
            for chunk in stream_segments(info.path, audio=features.listens, frames=features.sampling):
                features.add(chunk)
                audible = audible or (features.listens and np.abs(chunk.waveform).max() > _SILENCE)
                progress.update(round(chunk.end) - round(end))
                end = chunk.end
        if end == 0:
            raise MediaError(f"{info.path}: lasts no time at all; a film needs some picture or sound.")
        return features.result(), end, bool(audible)


class FeatureStream:
    """The model's inputs of one film from its chunks; pixels and samples become features and are let go."""

    def __init__(self, model: PreTrainedModel, extractor: FeatureExtractionMixin):
        modalities = model.config.modalities
        self.listens = "semantic" in modalities or "dynamics" in modalities
        self.sampling = None
        if "visual" in modalities:
            size = extractor.image_size
            self.sampling = FrameSampling(extractor.frames_per_segment, size, size)
        self._model, self._extractor = model, extractor
        self._visual: list[torch.Tensor] = []
        self._semantic: list[torch.Tensor] | None = [] if "semantic" in modalities else None
        self._log_mel: list[torch.Tensor] = []
        self._log_mel_stream = LogMelStream(extractor) if "dynamics" in modalities else None

    def add(self, chunk: MediaChunk):
        """Take the next segments of the film."""
        if self.sampling is not None:
            pixels = self._extractor.normalise(chunk.frames)
            self._visual.append(self._model.get_visual_features(self._to_model(pixels)[None]))
        if self._semantic is not None:
            waveform = self._to_model(torch.from_numpy(chunk.waveform))
            self._semantic.append(self._model.get_semantic_features(waveform[None]))
        if self._log_mel_stream is not None:
            self._log_mel.append(self._log_mel_stream.add(chunk.waveform))

    def result(self) -> dict[str, torch.Tensor]:
        """A batch of one."""
        features = {}
        if self._visual:
            features["visual_features"] = torch.cat(self._visual, 1)
        if self._semantic:
            features["semantic_features"] = torch.cat(self._semantic, 1)
        if self._log_mel_stream is not None:
            log_mel = torch.cat([*self._log_mel, self._log_mel_stream.finish()], 1)
            features["log_mel"] = self._to_model(log_mel)[None]
        return features

    def _to_model(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.to(self._model.device, self._model.dtype)


__all__ = ["VideoHighlightDetectionPipeline"]
