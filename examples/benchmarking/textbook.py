"""The textbook formulation of what the package computes: what examples/benchmark.py measures it against.

The same arithmetic on the same weights, written as one would at first: K convolutions weighted and summed, a
loop over the videos of a batch in the dynamics encoder, padding that passes through every layer, attention
that keeps its weights, a film decoded as a whole before anything is computed.
"""

from __future__ import annotations

import functools
import itertools
import math
from pathlib import Path

import numpy as np
import timm
import torch
from scipy.stats import kendalltau, spearmanr
from sklearn.metrics import average_precision_score
from torch import nn
from torch.nn import functional as F

from modeling_davihd import DAViHDModel, VideoHighlightDetectionPipeline
from modeling_davihd.attention_davihd import DAViHDAttention
from modeling_davihd.backbones_davihd import (
    InceptionV3Backbone,
    PANNsCNN14Backbone,
    ResNet3D34Backbone,
    panns_log_mel,
)
from modeling_davihd.media import stream_segments
from modeling_davihd.modeling_davihd import (
    DAViHDConvBranch,
    DAViHDCrossAttention,
    DAViHDDynamicsEncoder,
    DAViHDSelfAttentionEncoder,
    FrequencyDynamicConv2d,
    TemporalAttentionPooling,
    sinusoidal_positions,
)


def frequency_dynamic_convolution(
    conv: FrequencyDynamicConv2d, states: torch.Tensor, gamma: torch.Tensor
) -> torch.Tensor:
    """(B, C, L, F), gamma (B, K, F) -> (B, out, L, F): Eq. 2 as it is written."""
    return sum(gamma[:, k, None, None] * F.conv2d(states, w, padding=1) for k, w in enumerate(conv.weight))


def pool(pooling: TemporalAttentionPooling, states: torch.Tensor) -> torch.Tensor:
    """(B, C, L, F) -> (B, C, F): Eq. 1 as it is written."""
    velocity = F.pad((states[:, :, 1:] - states[:, :, :-1]).abs(), (0, 0, 1, 0))
    saliency = branch(pooling.saliency_gate, states).sigmoid()
    alpha = branch(pooling.time_attention, states).softmax(2)
    beta = branch(pooling.velocity_attention, velocity).softmax(2)
    return (alpha * saliency).sum(2) + (beta * saliency).sum(2) + states.mean(2)


def branch(block: DAViHDConvBranch, states: torch.Tensor) -> torch.Tensor:
    states = F.conv2d(states, block.conv_in.weight, block.conv_in.bias, padding=1)
    return block.conv_out(block.norm(states).relu())


def dynamics_blocks(encoder: DAViHDDynamicsEncoder, log_mel: torch.Tensor) -> torch.Tensor:
    """log-Mel (B, F, M) of videos of one length -> (B, C, L, F) after the last block."""
    states = log_mel.transpose(1, 2)[:, None]
    for block in encoder.blocks:
        if isinstance(block.conv, FrequencyDynamicConv2d):
            pooled = pool(block.conv.pooling, states)
            hidden = block.conv.kernel_norm(block.conv.kernel_in(pooled)).relu()
            gamma = (block.conv.kernel_out(hidden) / block.conv.temperature).softmax(1)
            states = frequency_dynamic_convolution(block.conv, states, gamma)
        else:
            states = F.conv2d(states, block.conv.weight, block.conv.bias, padding=1)
        states = F.avg_pool2d(block.norm(states).relu(), block.pooling)
    return states


def dynamics_encoder(
    encoder: DAViHDDynamicsEncoder, log_mel: torch.Tensor, num_segments: int
) -> torch.Tensor:
    """log-Mel (B, F, M) of videos of T seconds, `num_segments` -> (B, T, D_d)."""
    states = dynamics_blocks(encoder, log_mel).transpose(1, 2).flatten(2)
    if encoder.config.log_mel_rate == 1:
        states = F.adaptive_avg_pool1d(states.transpose(1, 2), num_segments).transpose(1, 2)
    else:
        states = overlap(num_segments, states.shape[1], encoder.time_pooling).to(states) @ states
    states = encoder.projection(states)
    states = encoder.dropout(states + sinusoidal_positions(num_segments, states.shape[2], states))
    for layer in encoder.layers:
        normed = layer.attention_norm(states)
        states = states + attend(layer.attention, normed, normed, normed)
        states = states + nn.Sequential.forward(layer.feed_forward, layer.feed_forward_norm(states))
    return states


def overlap(num_segments: int, rows: int, pooling: int) -> torch.Tensor:
    """(T, L): the share of each pooled row in each second, of 62.5 frames."""
    second, row = torch.arange(num_segments)[:, None] * 125, torch.arange(rows) * 2 * pooling
    shared = torch.minimum(second + 125, row + 2 * pooling) - torch.maximum(second, row)
    return shared.clamp(min=0) / shared.clamp(min=0).sum(1, keepdim=True)


def attend(
    attention: DAViHDAttention,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """(B, T, D) -> (B, T, D), by way of all weights (B, heads, T, T)."""
    shape = (attention.num_heads, attention.head_dim)
    query, key, value = (
        project(states).unflatten(-1, shape).transpose(1, 2)
        for project, states in (
            (attention.q_proj, query),
            (attention.k_proj, key),
            (attention.v_proj, value),
        )
    )
    logits = query @ key.transpose(2, 3) / attention.head_dim**0.5
    if mask is not None:
        logits = logits.masked_fill(~mask[:, None, None], -torch.inf)
    weights = F.dropout(logits.softmax(-1), attention.dropout, attention.training)
    return attention.out_proj((weights @ value).transpose(1, 2).flatten(2))


def self_attention(
    encoder: DAViHDSelfAttentionEncoder, states: torch.Tensor, mask: torch.Tensor | None
) -> torch.Tensor:
    states = encoder.attention_norm(states + attend(encoder.attention, states, states, states, mask))
    return encoder.feed_forward_norm(states + nn.Sequential.forward(encoder.feed_forward, states))


def cross_attention(
    cross: DAViHDCrossAttention, query: torch.Tensor, context: torch.Tensor, mask: torch.Tensor | None
) -> torch.Tensor:
    return attend(cross.attention, cross.query(query), cross.key(context), cross.value(context), mask)


def model(
    davihd: DAViHDModel,
    visual_features: torch.Tensor,
    semantic_features: torch.Tensor,
    log_mel: torch.Tensor,
    attention_mask: torch.Tensor,
) -> torch.Tensor:
    """Scores (B, T) of the paper's network: early fusion by multiplication."""
    mask = None if bool(attention_mask.all()) else attention_mask.bool()
    visual = self_attention(davihd.visual_encoder, visual_features, mask)
    semantic = self_attention(davihd.semantic_encoder, semantic_features, mask)
    videos = [
        dynamics_encoder(davihd.dynamics_encoder, video[None, :, : davihd.config.log_mel_frames(n)], n)[0]
        for video, n in zip(log_mel, attention_mask.sum(1).tolist(), strict=True)
    ]
    audio = semantic * nn.utils.rnn.pad_sequence(videos, batch_first=True)
    to_visual = cross_attention(davihd.cross_visual_to_audio, visual, audio, mask)
    to_audio = cross_attention(davihd.cross_audio_to_visual, audio, visual, mask)
    joint = torch.cat((visual, audio, visual + to_visual, audio + to_audio), -1)
    return davihd.score_head(joint)[..., 0].sigmoid() * attention_mask


def loss(scores: torch.Tensor, labels: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
    """Mean squared error over the real segments (Eq. 5)."""
    return ((scores - labels).square() * attention_mask).sum() / attention_mask.sum()


def highlight(detect: VideoHighlightDetectionPipeline, film: Path) -> np.ndarray:
    """Scores (T,) of a film that is decoded whole, then made into features, then scored."""
    extractor, network = detect.feature_extractor, detect.model
    waveform = np.concatenate([chunk.waveform for chunk in stream_segments(film)])
    inputs = extractor(audio=waveform.reshape(-1), sampling_rate=16000)
    with torch.inference_mode():
        return network(**inputs).scores[0].numpy()


def inception_v3(backbone: InceptionV3Backbone, pixels: torch.Tensor) -> torch.Tensor:
    """(N, 1, 3, 299, 299) -> (N, dim), by timm's network as it comes."""
    pooled = _timm_network(backbone)(pixels[:, 0])
    return (pooled - backbone.mean) @ backbone.projection.T * backbone.scale


@functools.cache
def _timm_network(backbone: InceptionV3Backbone) -> nn.Module:
    network = timm.create_model("inception_v3", pretrained=False, num_classes=0)
    network.load_state_dict(backbone.network.state_dict())
    return network.to(backbone.device).eval()


def resnet3d_34(backbone: ResNet3D34Backbone, pixels: torch.Tensor) -> torch.Tensor:
    """(N, 16, 3, 112, 112) -> (N, 512)."""
    hidden = F.relu(backbone.bn1(backbone.conv1(pixels.transpose(1, 2))))
    hidden = F.max_pool3d(hidden, 3, stride=2, padding=1)
    for block in itertools.chain(backbone.layer1, backbone.layer2, backbone.layer3, backbone.layer4):
        residual = block.downsample(hidden)
        hidden = F.relu(block.bn1(block.conv1(hidden)))
        hidden = F.relu(block.bn2(block.conv2(hidden)) + residual)
    return hidden.mean(dim=(2, 3, 4))


def panns_cnn14_16k(backbone: PANNsCNN14Backbone, waveform: torch.Tensor) -> torch.Tensor:
    """(N, 16000) -> (N, 2048)."""
    hidden = backbone.bn0(panns_log_mel(waveform).transpose(1, 2)[..., None]).transpose(1, 3)
    for number in range(1, 7):
        block = backbone.get_submodule(f"conv_block{number}")
        hidden = F.relu(block.bn1(block.conv1(hidden)))
        hidden = F.relu(block.bn2(block.conv2(hidden)))
        hidden = F.avg_pool2d(hidden, 2) if number < 6 else hidden.mean(dim=3)
    return F.relu(backbone.fc1(hidden.amax(dim=2) + hidden.mean(dim=2)))


def metrics(predictions: list[np.ndarray], references: list[np.ndarray]) -> dict[str, float]:
    """Mean over videos of F1, mAP@50, mAP@15, Spearman's rho and Kendall's tau."""
    each = [video_metrics(*pair) for pair in zip(predictions, references, strict=True)]
    return {name: float(np.mean([one[name] for one in each])) for name in each[0]}


def video_metrics(prediction: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    seconds = max(1, len(reference) // 2)
    chosen = set(np.argsort(-prediction, kind="stable")[:seconds])
    agreed = len(chosen & set(np.argsort(-reference, kind="stable")[:seconds]))
    starts = range(0, len(reference), 5)
    predicted = np.array([prediction[start : start + 5].mean() for start in starts])
    real = np.array([reference[start : start + 5].mean() for start in starts])
    result = {"f1": agreed / seconds}
    for name, count in (("map_50", len(real) // 2), ("map_15", math.floor(0.15 * len(real)))):
        best = np.zeros(len(real), int)
        best[np.argsort(-real, kind="stable")[: max(1, count)]] = 1
        result[name] = average_precision_score(best, predicted)
    result["spearman"] = spearmanr(prediction, reference).statistic
    result["kendall"] = kendalltau(prediction, reference).statistic
    return result
