"""Batch norm without padding, and over several processes."""

import pytest
import torch

from modeling_davihd.batch_norm_davihd import DAViHDBatchNorm
from modeling_davihd.streaming_davihd import frame_mask


def test_training_statistics_leave_padding_out():
    """Two videos in a padded batch teach a batch norm what they teach it joined without padding."""
    torch.manual_seed(0)
    states = torch.randn(2, 3, 8, 5)
    mask = frame_mask(torch.tensor([8, 3]), 8)
    joined = torch.cat((states[0], states[1, :, :3]), 1)[None]
    norms = [DAViHDBatchNorm(3) for _ in range(2)]
    for norm in norms:
        norm.update_due = True
    padded, whole = norms[0](states.masked_fill(~mask, 7.0), mask), norms[1](joined)
    assert torch.allclose(padded[0], whole[0, :, :8], atol=1e-6)
    assert torch.allclose(padded[1, :, :3], whole[0, :, 8:], atol=1e-6)
    assert torch.allclose(norms[0].running_mean, norms[1].running_mean, atol=1e-6)
    assert torch.allclose(norms[0].running_var, norms[1].running_var, atol=1e-6)


def test_synchronised_batch_norm_sums_over_processes(monkeypatch):
    """As if a second process had the same batch: all sums double, and what follows from them stays."""
    torch.manual_seed(0)
    states, weighting = torch.randn(2, 2, 3, 8, 5)
    mask, asked = frame_mask(torch.tensor([8, 3]), 8), []
    norms = [DAViHDBatchNorm(3) for _ in range(2)]
    converted = torch.nn.SyncBatchNorm.convert_sync_batchnorm(torch.nn.Sequential(norms[1]), "a group")
    assert converted[0] is norms[1] and norms[1].state_dict().keys() == norms[0].state_dict().keys()
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(
        torch.distributed, "all_reduce", lambda sums, group: asked.append(group) or sums.mul_(2)
    )
    for given in (mask, None):
        found = []
        for norm in norms:
            norm.update_due, own = True, states.clone().requires_grad_()
            (norm(own, given) * weighting).masked_fill(~mask, 0).sum().backward()
            found.append((own.grad, norm.running_mean.clone(), norm.weight.grad))
        for alone, together in zip(*found, strict=True):
            torch.testing.assert_close(together, alone)
    assert asked == ["a group"] * 8


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_gradients_of_batch_norm_leave_padding_out(layout):
    """They are those of the two videos joined without padding, in the layout of the states."""
    torch.manual_seed(0)
    states, weighting = torch.randn(2, 2, 3, 8, 5, dtype=torch.float64) + 3
    mask = frame_mask(torch.tensor([8, 3]), 8)

    def join(videos: torch.Tensor) -> torch.Tensor:
        return torch.cat((videos[0], videos[1, :, :3]), 1)[None]

    padded = states.masked_fill(~mask, 7.0).contiguous(memory_format=layout).requires_grad_()
    joined = join(states).requires_grad_()
    norms = [DAViHDBatchNorm(3).double() for _ in range(2)]
    for norm in norms:
        norm.load_state_dict({"weight": torch.arange(1, 4), "bias": torch.arange(3)}, strict=False)
    output, expected = norms[0](padded, mask), norms[1](joined)
    assert output.is_contiguous(memory_format=layout)
    assert torch.allclose(join(output), expected)
    for result in (join(output), expected):
        (result * join(weighting)).sum().backward()
    assert torch.allclose(join(padded.grad), joined.grad)
    assert (padded.grad[1, :, 3:] == 0).all()
    for (name, found), (_, expected) in zip(*(norm.named_parameters() for norm in norms), strict=True):
        assert torch.allclose(found.grad, expected.grad), name
