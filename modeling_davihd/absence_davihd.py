"""Streams that a video lacks: which of them training leaves out, and what DAViHD puts in their place.

None of it is the paper's. A model is made for it by `stream_dropout` of its configuration.
"""

from collections.abc import Sequence

import torch
from torch import nn
from transformers import initialization as init

from .configuration_davihd import DAViHDConfig
from .streaming_davihd import SegmentRows
from .streams_davihd import STREAMS


class DAViHDAbsentStreams(nn.Module):
    """What stands for a stream that a video lacks: a learnt vector, the same in each second.

    It stands where the stream's own rows would, before streams are combined.
    """

    def __init__(self, config: DAViHDConfig):
        super().__init__()
        for stream in config.contextual_streams:
            vector = nn.Parameter(torch.empty(config.stream_width(stream)))
            self.register_parameter(stream.name, vector)

    def fill(
        self, name: str, rows: torch.Tensor | None, absent: torch.Tensor | None, segments: SegmentRows
    ) -> torch.Tensor:
        """Rows of D of a stream, the vector in videos that lack it: those of `absent` (B,), none if it is
        None; without rows, all."""
        vector, shape = self.get_parameter(name), (len(segments.lengths), segments.num_segments)
        if rows is None:
            return segments.gather(vector.expand(*shape, -1))
        if absent is None:
            return rows
        return torch.where(segments.gather(absent[:, None, None].expand(*shape, 1)), vector, rows)

    @torch.no_grad()
    def reset_parameters(self):
        """1, which changes no product, of what is fused; 0 of the picture."""
        for name, vector in self.named_parameters():
            init.constant_(vector, 0.0 if STREAMS[name].sees else 1.0)


def drawn_absences(
    names: Sequence[str], videos: int, share: float, device: torch.device
) -> dict[str, torch.Tensor]:
    """Which videos, (B,) by stream, a step of training takes that share of each stream from.

    A video keeps one stream at least. As dropout does, it draws from PyTorch's random state.
    """
    absent = torch.rand(len(names), videos, device=device) < share
    kept = torch.randint(len(names), (1, videos), device=device)
    absent.scatter_(0, kept, absent.gather(0, kept) & ~absent.all(0))
    return dict(zip(names, absent, strict=True))


__all__ = ["DAViHDAbsentStreams", "drawn_absences"]
