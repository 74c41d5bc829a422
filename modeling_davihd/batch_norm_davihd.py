"""Batch norm whose statistics leave padding out and, if wanted, are those of several processes.

B is the batch, C the channels and F the frequency bins.
"""

from collections.abc import Callable

import torch
from torch import distributed, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


def masked_sum(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Sum each channel of (B, C, ..., F) over the positions where `mask` (B, 1, ..., 1) is True: (C,).

    Bins, which the mask does not tell apart, are summed first and masked afterwards: one pass over the
    states, in either memory layout, and no masked copy of them.
    """
    sums = states.movedim(1, -1).sum(-2).masked_fill(~mask[..., 0].movedim(1, -1), 0)
    return sums.flatten(0, -2).sum(0)


Total = Callable[[torch.Tensor], torch.Tensor]


class MaskedBatchNorm(torch.autograd.Function):
    """Normalise (B, C, ..., F) by each channel's mean and variance over the positions where `mask` is True.

    `count` is the number of these positions in one channel. Returns the normalised states, mean (C,) and
    variance (C,). At padding the output is arbitrary and its gradient is ignored: those who read it mask it.
    `total` adds up what several processes have of a batch; `count` has been through it.

    With c = x - mean, d = sqrt(variance + eps) and y = weight c / d + bias, means being over the real
    positions, the gradient is

        dx = weight / d (dy - mean(dy) - c / d^2 mean(c dy))

    It is written out because autograd, which has to follow mean and variance back through their masked sums,
    would pass over the states three times as often, and they are the largest tensors of the network.
    """

    @staticmethod
    def forward(
        ctx,
        states: torch.Tensor,
        mask: torch.Tensor,
        count: torch.Tensor,
        total: Total,
        weight,
        bias,
        eps: float,
    ):
        shape = (1, -1) + (1,) * (states.dim() - 2)
        mean = total(masked_sum(states, mask)) / count
        centred = states - mean.view(shape)
        variance = total(masked_sum(centred.square(), mask)) / count
        scale = torch.rsqrt(variance + eps)  # 1 / d
        ctx.total = total
        ctx.save_for_backward(centred, mask, count, weight, scale)
        ctx.mark_non_differentiable(mean, variance)
        return torch.addcmul(bias.view(shape), centred, (weight * scale).view(shape)), mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: torch.Tensor, *_):
        centred, mask, count, weight, scale = ctx.saved_tensors
        shape = (1, -1) + (1,) * (grad.dim() - 2)
        grad_bias, grad_weight = masked_sum(grad, mask), masked_sum(grad * centred, mask) * scale
        # Of weight and bias, each process gives its own part, which those who train together add up.
        sums = ctx.total(torch.stack((grad_bias, grad_weight * scale)))
        grad_mean, slope = ((each / count).view(shape) for each in sums)  # mean(dy), mean(c dy) / d^2
        grad_states = torch.addcmul(grad - grad_mean, centred, slope, value=-1)
        grad_states.mul_((weight * scale).view(shape) * mask)
        return grad_states, None, None, None, grad_weight, grad_bias, None


def _as_it_is(values: torch.Tensor) -> torch.Tensor:
    return values


class DAViHDBatchNorm(nn.modules.batchnorm._NormBase):
    """Batch norm over (B, C, ...) whose training statistics leave out the positions where `mask` is False.

    After `torch.nn.SyncBatchNorm.convert_sync_batchnorm`, they are those of all processes of the group.

    `mask` broadcasts against the states with one channel. In training the running statistics are updated only
    if `update_due` has been set, and only once: gradient checkpointing runs a block a second time in the
    backward pass, and the batch must not be counted twice.
    """

    # This kind always has statistics, updated with a fixed momentum.
    running_mean: torch.Tensor
    running_var: torch.Tensor
    num_batches_tracked: torch.Tensor
    momentum: float
    update_due = False

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1):
        super().__init__(num_features, eps, momentum)
        # That conversion puts its own kind, which takes no mask and needs a GPU, in place of each batch norm
        # that PyTorch knows: of this one, which does nothing else, instead of the whole.
        self.convertible = nn.BatchNorm1d(1, affine=False, track_running_stats=False)
        self.synchronised, self.process_group = False, None

    def add_module(self, name: str, module: nn.Module | None):
        """Take note of a conversion."""
        if isinstance(module, nn.SyncBatchNorm):
            self.synchronised, self.process_group = True, module.process_group
        else:
            super().add_module(name, module)

    def forward(self, states: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        update, self.update_due = self.training and self.update_due, False
        if update:
            self.num_batches_tracked.add_(1)
        synchronised = self.synchronised and distributed.is_initialized()
        if self.training and (mask is not None or synchronised):
            if mask is None:
                mask = states.new_ones(len(states), 1, *states.shape[2:-1], 1, dtype=torch.bool)
            return self._masked(states, mask, update, self._over_processes if synchronised else _as_it_is)
        mean, variance = self.running_mean, self.running_var
        if self.training and not update:
            # Updates copies: F.batch_norm without running statistics would save other tensors for the
            # backward pass than in the first run, and gradient checkpointing compares them.
            mean, variance = mean.clone(), variance.clone()
        return F.batch_norm(
            states, mean, variance, self.weight, self.bias, self.training, self.momentum, self.eps
        )

    def _over_processes(self, values: torch.Tensor) -> torch.Tensor:
        distributed.all_reduce(values, group=self.process_group)
        return values

    def _masked(self, states: torch.Tensor, mask: torch.Tensor, update: bool, total: Total) -> torch.Tensor:
        exact = states.to(torch.promote_types(states.dtype, torch.float32))
        count = total(mask.sum() * states.shape[-1]).clamp(min=1)
        normed, mean, variance = MaskedBatchNorm.apply(
            exact, mask, count, total, self.weight, self.bias, self.eps
        )
        if update:
            unbiased = variance * count / (count - 1).clamp(min=1)
            self.running_mean.lerp_(mean.to(self.running_mean), self.momentum)
            self.running_var.lerp_(unbiased.to(self.running_var), self.momentum)
        return normed.to(states.dtype)


__all__ = ["DAViHDBatchNorm"]
