"""What all baselines share: inputs and output of `DAViHDModel`, padding, the loss."""

from dataclasses import dataclass
from typing import Any

import torch
from transformers.utils import ModelOutput
from transformers.utils.generic import can_return_tuple

from ..modeling_davihd import DAViHDPreTrainedModel
from ..objectives_davihd import labels_of, training_loss
from ..streaming_davihd import SegmentRows, check_inputs, frame_mask, zero_padding
from .configuration_baselines import BaselineConfig


@dataclass
class BaselineOutput(ModelOutput):
    r"""
    Output of the baselines.

    loss (`torch.Tensor` of shape `(1,)`, *optional*):
        Loss over the labelled segments of the batch, when `labels` are given.
    scores (`torch.Tensor` of shape `(B, T)`):
        Predicted highlight score of each segment in [0, 1]; 0 where masked.
    attentions (`torch.Tensor` of shape `(B, heads, T, T)`, *optional*):
        What the model's docstring says, when `output_attentions=True`.
    """

    loss: torch.Tensor | None = None
    scores: torch.Tensor | None = None
    attentions: torch.Tensor | None = None


class BaselineModel(DAViHDPreTrainedModel):
    """A model with the inputs of `DAViHDModel`; a subclass computes logits in `score`."""

    config: BaselineConfig  # in place of DAViHD's
    base_model_prefix = "baseline"
    main_input_name = "attention_mask"
    supports_gradient_checkpointing = False
    _no_split_modules = []
    output_class = BaselineOutput

    def __init__(self, config: BaselineConfig):
        super().__init__(config)
        self._build_backbones()

    def score(
        self, inputs: dict[str, torch.Tensor], segments: SegmentRows, output_attentions: bool
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        """Logits (B, T), and what else goes into the output.

        `inputs` are by the names in `config.modalities`, zero at padding.
        """
        raise NotImplementedError

    def error(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """What the loss is the mean of, for each segment: the squared error of its score."""
        return (logits.sigmoid() - labels).square()

    @can_return_tuple
    def forward(
        self,
        visual_features: torch.Tensor | None = None,
        semantic_features: torch.Tensor | None = None,
        log_mel: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        waveform: torch.Tensor | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
        **others: torch.Tensor | None,
    ) -> BaselineOutput:
        r"""
        The arguments are those of `DAViHDModel.forward`; what `config.modalities` does not name is ignored.

        Raises ValueError, naming the argument, the shape it has and the shape it needs, if an input that they
        call for is missing or misshapen.
        """
        inputs = self._stream_inputs(
            attention_mask,
            visual_features=visual_features,
            semantic_features=semantic_features,
            log_mel=log_mel,
            pixel_values=pixel_values,
            waveform=waveform,
            **others,
        )
        segments = check_inputs(self.config, inputs, attention_mask, labels)
        inputs = {name: self._without_padding(name, values, segments) for name, values in inputs.items()}
        if self.config.does_without:
            inputs = self._with_absences(inputs)
        logits, recorded = self.score(inputs, segments, bool(output_attentions))
        scores = zero_padding(logits.sigmoid()[..., None], segments.mask)[..., 0]
        loss = None if labels is None else self._loss(logits, labels_of(labels, logits, segments.mask))
        return self.output_class(loss=loss, scores=scores, **recorded)

    def _loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Logits (B, T) and what `labels_of` gives -> the mean error, and what the config's `loss` adds."""
        logits = logits.to(labels)
        return training_loss(self.config, self.error(logits, labels), logits.sigmoid(), labels)

    def _with_absences(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """All streams of the config: features (B, T, D), zeros in videos that lack them."""
        absent, first = self._drawn_absences(inputs), next(iter(inputs.values()))
        filled = {}
        for stream in self.config.feature_streams:
            values = inputs.get(stream.name)
            if values is None:
                values = first.new_zeros(*first.shape[:2], self.config.stream_dim(stream))
            if stream.name in absent:
                values = values.masked_fill(absent[stream.name][:, None, None], 0)
            filled[stream.name] = values
        return filled

    def _without_padding(self, name: str, values: torch.Tensor, segments: SegmentRows) -> torch.Tensor:
        """Features (B, T, D), or log-Mel (B, F, M), with zeros at padding, which may have held NaN."""
        if segments.mask is None or name != "dynamics":
            return zero_padding(values, segments.mask)
        lengths = torch.ceil(segments.lengths * self.config.log_mel_rate)
        return values.masked_fill(~frame_mask(lengths, values.shape[2])[:, :, :, 0], 0)


__all__ = ["BaselineModel", "BaselineOutput"]
