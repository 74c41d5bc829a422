"""GoogLeNet's convolutional part, Szegedy et al., CVPR 2015, with the keys of torchvision's checkpoints."""

import torch
from torch import nn
from torch.nn import functional as F

# Output channels of each Inception module: 1x1; 1x1 then 3x3; 1x1 then the second 3x3; pool then 1x1.
_CHANNELS = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
# The shortest image, whatever its width, of which pooling leaves a row.
SHORTEST_IMAGE = 15


class ConvNorm(nn.Module):
    """Convolution without bias, batch norm, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(out_channels, eps=1e-3)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return F.relu(self.bn(self.conv(image)))


class Inception(nn.Module):
    """Four branches, concatenated; as in torchvision, the one called 5x5 has a 3x3 kernel."""

    def __init__(self, in_channels: int, channels: tuple[int, ...]):
        super().__init__()
        single, reduce3, wide3, reduce5, wide5, pooled = channels
        self.branch1 = ConvNorm(in_channels, single, 1)
        self.branch2 = nn.Sequential(ConvNorm(in_channels, reduce3, 1), ConvNorm(reduce3, wide3, 3))
        self.branch3 = nn.Sequential(ConvNorm(in_channels, reduce5, 1), ConvNorm(reduce5, wide5, 3))
        pool = nn.MaxPool2d(3, stride=1, padding=1)
        self.branch4 = nn.Sequential(pool, ConvNorm(in_channels, pooled, 1))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        branches = (self.branch1, self.branch2, self.branch3, self.branch4)
        return torch.cat([branch(image) for branch in branches], 1)


class GoogLeNet(nn.Sequential):
    """Image (N, 3, H, W) with H >= 15 -> (N, width, h, w), about a 32nd of H and W.

    width: channels of the last layer, 1024 or a half, quarter or eighth of it; the others follow.
    """

    def __init__(self, width: int = 1024):
        super().__init__()
        self._narrower = 1024 // width
        stem = [64 // self._narrower, 192 // self._narrower]
        self.conv1 = ConvNorm(3, stem[0], 7, stride=2)
        self.maxpool1 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv2 = ConvNorm(stem[0], stem[0], 1)
        self.conv3 = ConvNorm(stem[0], stem[1], 3)
        self.maxpool2 = nn.MaxPool2d(3, 2, ceil_mode=True)
        channels = self._add_modules(stem[1], "3a", "3b")
        self.maxpool3 = nn.MaxPool2d(3, 2, ceil_mode=True)
        channels = self._add_modules(channels, "4a", "4b", "4c", "4d", "4e")
        self.maxpool4 = nn.MaxPool2d(2, 2, ceil_mode=True)
        self._add_modules(channels, "5a", "5b")

    def _add_modules(self, channels: int, *names: str) -> int:
        """Append Inception modules to an output of so many channels; gives the channels of theirs."""
        for name in names:
            widths = tuple(width // self._narrower for width in _CHANNELS[name])
            self.add_module(f"inception{name}", Inception(channels, widths))
            channels = widths[0] + widths[2] + widths[4] + widths[5]
        return channels


__all__ = ["SHORTEST_IMAGE", "GoogLeNet"]
