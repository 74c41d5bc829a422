"""A moving average of the weights in training, which ranks films more steadily than those of any one step."""

from __future__ import annotations

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class WeightAverage:
    """The model that is validated and kept: the average of the trained one, or that itself without a decay.

    Statistics of batch norm are averaged as weights are. It is part of the states that `accelerator` saves.
    """

    def __init__(self, accelerator: Accelerator, model: torch.nn.Module, decay: float | None):
        """decay: the share of the average that a step keeps. Raises ValueError where weights are sharded."""
        self._accelerator, self._trained, self._average = accelerator, model, None
        if decay is None:
            return
        if accelerator.distributed_type in (DistributedType.FSDP, DistributedType.DEEPSPEED):
            raise ValueError("weight_averaging needs whole weights in every process; FSDP shards them.")
        self._average = AveragedModel(
            accelerator.unwrap_model(model), multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True
        )
        accelerator.register_for_checkpointing(self._average)

    @property
    def model(self) -> torch.nn.Module:
        """The model to validate and to keep."""
        return self._trained if self._average is None else self._average.module

    def update(self):
        """Take in the weights after a step."""
        if self._average is not None:
            self._average.update_parameters(self._accelerator.unwrap_model(self._trained))
