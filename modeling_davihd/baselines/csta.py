"""CSTA: CNN-based spatiotemporal attention for video summarization, Son, Park and Kim, CVPR 2024.

T is the length of one video, D the width of the network.
"""

import torch
from torch import nn
from torch.nn import functional as F
from transformers import initialization as init

from ..modeling_davihd import sinusoidal_positions
from ..streaming_davihd import SegmentRows
from .configuration_baselines import CSTAConfig
from .googlenet import SHORTEST_IMAGE, GoogLeNet
from .modeling_baselines import BaselineModel


class CSTAHead(nn.Module):
    """(T, D) -> logits (T,)."""

    def __init__(self, config: CSTAConfig):
        super().__init__()
        self.hidden = nn.Linear(config.hidden_dim, config.hidden_dim)
        self.dropout = nn.Dropout(config.dropout)
        self.norm = nn.LayerNorm(config.hidden_dim, eps=1e-6)
        self.output = nn.Linear(config.hidden_dim, 1)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return self.output(self.norm(self.dropout(self.hidden(states).relu())))[..., 0]


class CSTAModel(BaselineModel):
    """CSTA on visual features: a CNN sees a video's features as an image, one row a second, and finds in it
    how much each second and each feature counts.

    Its batch norms and pooling mix all that they see, so the videos of a batch pass one by one. The original
    fails below 14 s, where its CNN pools all rows away; here, zero rows lengthen the image of such a video,
    and their share of the result is cut off. Where visual features are not as wide as the network, the maps
    to keys and values change their width, which is an extension of ours. A new network starts from random
    weights; the original's CNN starts from ImageNet's.
    """

    config: CSTAConfig
    _no_split_modules = ["Inception"]

    def __init__(self, config: CSTAConfig):
        super().__init__(config)
        self.token = nn.Parameter(torch.empty(3, 1, config.visual_dim))
        self.key = nn.Linear(config.visual_dim, config.hidden_dim)
        self.value = nn.Linear(config.visual_dim, config.hidden_dim)
        self.cnn = GoogLeNet(config.hidden_dim)
        self.map_norm = nn.BatchNorm2d(1)
        self.dropout = nn.Dropout(config.attention_dropout)
        self.head = CSTAHead(config)
        self.post_init()

    def score(
        self, inputs: dict[str, torch.Tensor], segments: SegmentRows, output_attentions: bool
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        rows = []
        # A video without any segment counts as one black second, so that all weights take part.
        for features, length in zip(inputs["visual"], segments.lengths.clamp(min=1).tolist(), strict=True):
            logits = self._score_video(features[:length])
            rows.append(F.pad(logits, (0, segments.num_segments - length)))
        return torch.stack(rows), {}

    def _score_video(self, features: torch.Tensor) -> torch.Tensor:
        """Features (T, D_v) of one video -> logits (T,)."""
        image = torch.cat((self.token, features.expand(3, -1, -1)), 1)
        over_time, over_features = self.attention_maps(image)
        value = self.value(image[0])
        mixed = value * self.dropout(over_time) + value * self.dropout(over_features)
        # Adaptive average pooling from T + 1 rows to T.
        return self.head((mixed[:-1] + mixed[1:]) / 2)

    def attention_maps(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Image (3, T + 1, D_v) -> its softmax over time and that over features, both (T + 1, D)."""
        logits = self.attention_logits(image)
        length, width = logits.shape
        logits = logits + sinusoidal_positions(length, width, logits)
        return logits.softmax(0), logits.softmax(1)

    def attention_logits(self, image: torch.Tensor) -> torch.Tensor:
        """What the CNN sees, plus the key of the first channel, normalised as a whole: (T + 1, D)."""
        key = self.key(image)
        rows = key.shape[1]
        lengthened = F.pad(key, (0, 0, 0, max(0, SHORTEST_IMAGE - rows)))
        found = F.adaptive_avg_pool2d(self.cnn(lengthened[None]), (lengthened.shape[1], 1))
        return self.map_norm((found[0, :, :rows, 0].T + key[0])[None, None])[0, 0]

    @torch.no_grad()
    def _init_weights(self, module: nn.Module):
        super()._init_weights(module)
        if isinstance(module, CSTAModel):  # transformers leaves out modules without weights of their own
            init.zeros_(module.token)
            for layer in (module.head.hidden, module.head.output):
                init.xavier_uniform_(layer.weight, gain=2**0.5)
                init.constant_(layer.bias, 0.1)


__all__ = ["CSTAModel"]
