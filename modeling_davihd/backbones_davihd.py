"""Frozen encoders that turn each one-second segment into one feature vector (paper section 3.1.3).

`InceptionV3Backbone` and `ResNet3D34Backbone` see pixels, `PANNsCNN14Backbone` hears the waveform; so does
`YAMNetBackbone`, which is not the paper's, and whose weights come with the package. None is ever trained:
they run without gradients, in evaluation mode, a few segments at a time.

`VisualStatistics` and `SoundStatistics` are not the paper's: plain descriptors without weights, for tests,
generated data and machines that have no weights.

`BACKBONES`, at the end, has those of each stream by name. A further one is a class, which says all that there
is to know of it, and a row there.
"""

import functools
import itertools
import math
from collections.abc import Mapping
from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from transformers import initialization as init
from transformers.audio_utils import mel_filter_bank

from .normed_convolution_davihd import normed_convolution, normed_convolution_of_few, rectified_block
from .streams_davihd import SAMPLING_RATE

INCEPTION_FEATURES = 2048


class FrozenBackbone(nn.Module):
    """An encoder (N, *input_shape) -> (N, dim) whose weights never change.

    Subclasses set the class attributes, build their layers, call `freeze()` last, and define `encode` for one
    chunk. At most `chunk_size` segments are in flight, so memory does not grow with the length of a video.

    input_name, input_shape: the model's argument, and what the encoder takes of it for each segment.
    context: how many samples of `input_shape` lie before and after the second itself. Films come as seconds
        without gaps, and `in_context` gives each what it needs of its neighbours: once, before segments are
        dealt out into batches, so that the encoder need not know which of them are of one film.
    dim: width of the features; None on the class where it is chosen, and the only argument of the class.
    needs_weights: whether features mean nothing without a published checkpoint.
    embedded: the folder of checkpoints/ with one, for encoders that need not be given any.
    terms: under which those who publish a model hand on what is embedded; a sentence for its card.
    converter: "module.function" that gives such a checkpoint the names of this class.
    needs_pca: whether a PCA of the user's, from a file of its own, is part of the weights.
    packages: what has to be installed beside torch and transformers.
    bears_16_bits: whether features that are computed in 16 bits are near enough to those in float32.
    autocast_dtype: of 16 bits, to compute in, whatever the weights are; None for theirs.
    """

    input_name: str
    input_shape: tuple[int, ...]
    context: tuple[int, int] = (0, 0)
    dim: int | None
    chunk_size: int = 16
    needs_weights: bool = True
    embedded: str = ""
    terms: str = ""
    converter: str = ""
    needs_pca: bool = False
    packages: tuple[str, ...] = ()
    bears_16_bits: bool = False
    autocast_dtype: torch.dtype | None = None

    def encode(self, inputs: Tensor) -> Tensor:
        raise NotImplementedError

    @classmethod
    def segment_shape(cls) -> tuple[int, ...]:
        """What there is of the model's argument for each segment: `input_shape` without context."""
        return (cls.input_shape[0] - sum(cls.context), *cls.input_shape[1:])

    @classmethod
    def in_context(cls, segments: Tensor) -> Tensor:
        """All of one or more films, (..., T, *segment_shape) -> (..., T, *input_shape); silence beyond the
        ends."""
        if not any(cls.context):
            return segments
        samples = F.pad(segments.flatten(-2), cls.context)
        return samples.unfold(-1, cls.input_shape[0], segments.shape[-1])

    @classmethod
    def dim_of(cls, state: Mapping[str, Tensor]) -> int:
        """Width of the features that these weights, under the names of this class, give."""
        return cls.dim  # type: ignore[return-value]  # a class that leaves it open defines its own

    def freeze(self) -> None:
        """Draw the weights, then keep transformers' `post_init` from drawing them again."""
        self.reset_parameters()
        if not any(parameter.is_meta for parameter in self.parameters()):
            for module in self.modules():
                module._is_hf_initialized = True  # type: ignore[assignment]  # no submodule
        self.eval()

    def reset_parameters(self) -> None:
        """Kaiming weights, to be called by a model's `_init_weights`; leaves what a checkpoint has filled."""
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Conv3d, nn.Linear)):
                init.kaiming_normal_(module.weight, nonlinearity="relu")

    def train(self, mode: bool = True) -> "FrozenBackbone":
        """Stay in evaluation mode and out of the optimiser, whatever is asked.

        Freezing is repeated here because `from_pretrained` makes the weights it loads trainable, then calls
        `eval`.
        """
        self.requires_grad_(False)
        return super().train(False)

    @torch.no_grad()
    def forward(self, inputs: Tensor) -> Tensor:
        """(N, *input_shape) -> (N, dim) in the dtype of the weights. Raises ValueError on any other shape."""
        if tuple(inputs.shape[1:]) != self.input_shape:
            needed = ", ".join(map(str, ("N", *self.input_shape)))
            found = tuple(inputs.shape)
            raise ValueError(
                f"{self.input_name} has shape {found}, but {type(self).__name__} needs ({needed})."
            )
        halved = self.autocast_dtype
        with torch.autocast(self.device.type, halved) if halved else nullcontext():
            features = torch.cat([self.encode(chunk) for chunk in inputs.split(self.chunk_size)])
        return features.to(self.dtype)

    @property
    def dtype(self) -> torch.dtype:
        return self._any_tensor().dtype

    @property
    def device(self) -> torch.device:
        return self._any_tensor().device

    def _any_tensor(self) -> Tensor:
        return next(itertools.chain(self.parameters(), self.buffers()))


class InceptionV3Backbone(FrozenBackbone):
    """Inception-v3 pool features, then PCA: one frame (N, 1, 3, 299, 299) -> (N, dim). Mr.HiSum's protocol.

    Pixels in [0, 1] are normalised with `image_mean` and `image_std`, 0.5 each: timm's setting for its own
    and for torchvision's weights. torchvision asks for ImageNet statistics but turns them into 0.5 itself.
    PCA: ((pool - mean) @ projection.T) * scale, with scale = 1 where there is no whitening.
    """

    input_name = "pixel_values"
    image_size = 299
    frames_per_segment = 1
    image_mean = (0.5, 0.5, 0.5)
    image_std = (0.5, 0.5, 0.5)
    input_shape = (frames_per_segment, 3, image_size, image_size)
    dim = None
    converter = "modeling_davihd.conversion.convert_inception_state_dict"
    bears_16_bits = True
    needs_pca = True
    packages = ("timm",)
    mean: Tensor
    projection: Tensor
    scale: Tensor

    def __init__(self, dim: int = 1024) -> None:
        super().__init__()
        self.dim = dim
        self.network = _build_inception_v3()
        self.register_buffer("mean", torch.empty(INCEPTION_FEATURES))
        self.register_buffer("projection", torch.empty(dim, INCEPTION_FEATURES))
        self.register_buffer("scale", torch.empty(dim))
        self.freeze()

    @classmethod
    def dim_of(cls, state: Mapping[str, Tensor]) -> int:
        return len(state["projection"])

    def reset_parameters(self) -> None:
        super().reset_parameters()
        init.zeros_(self.mean)
        init.normal_(self.projection, std=INCEPTION_FEATURES**-0.5)
        init.ones_(self.scale)

    def encode(self, inputs: Tensor) -> Tensor:
        pixels = inputs[:, 0].to(self.dtype, memory_format=torch.channels_last)
        features = self.network(pixels)
        return F.linear(features - self.mean, self.projection) * self.scale


class _Undrawn(TorchFunctionMode):
    """Leaves weights as torch makes them: those that timm draws take half a second, and are replaced."""

    steps = (Tensor.uniform_, Tensor.erfinv_, Tensor.mul_, Tensor.add_, Tensor.clamp_)

    def __torch_function__(self, function, types, arguments=(), options=None):
        return arguments[0] if function in self.steps else function(*arguments, **(options or {}))


def _build_inception_v3() -> nn.Module:
    try:
        import timm
    except ImportError as error:
        raise ImportError(
            "The inception_v3 backbone needs timm: install it with `pip install timm`."
        ) from error
    with _Undrawn():
        network = timm.create_model("inception_v3", pretrained=False, num_classes=0)
    for module in network.modules():
        if isinstance(module, timm.layers.ConvNormAct):
            module.forward = functools.partial(rectified_block, module)
    return network


class ResNet3D34Backbone(FrozenBackbone):
    """3D ResNet-34, shortcut type B: 16 frames (N, 16, 3, 112, 112) -> (N, 512). TVSum's protocol.

    Hara et al., "Can Spatiotemporal 3D CNNs Retrace the History of 2D CNNs and ImageNet?", CVPR 2018.
    Features are taken after global average pooling. Keys are those of the published checkpoints.
    """

    input_name = "pixel_values"
    image_size = 112
    frames_per_segment = 16
    image_mean = (0.43216, 0.394666, 0.37645)
    image_std = (0.22803, 0.22145, 0.216989)
    input_shape = (frames_per_segment, 3, image_size, image_size)
    chunk_size = 8
    dim = 512
    converter = "modeling_davihd.conversion.convert_resnet3d_state_dict"
    bears_16_bits = True

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(3, 64, 7, stride=(1, 2, 2), padding=3, bias=False)
        self.bn1 = nn.BatchNorm3d(64)
        self.layer1 = _residual_stage(64, 64, blocks=3, stride=1)
        self.layer2 = _residual_stage(64, 128, blocks=4, stride=2)
        self.layer3 = _residual_stage(128, 256, blocks=6, stride=2)
        self.layer4 = _residual_stage(256, 512, blocks=3, stride=2)
        self.freeze()

    def encode(self, inputs: Tensor) -> Tensor:
        frames = inputs.transpose(1, 2).to(self.dtype)  # (N, 3, 16, 112, 112)
        frames = frames.contiguous(memory_format=torch.channels_last_3d)  # pooling is ten times as fast so
        hidden = normed_convolution(self.conv1, self.bn1, frames).relu_()
        with torch.autocast(hidden.device.type, enabled=False):  # it would pool in float32
            hidden = F.max_pool3d(hidden, 3, stride=2, padding=1)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            hidden = stage(hidden)
        return hidden.mean(dim=(2, 3, 4))


class _ResidualBlock3D(nn.Module):
    def __init__(self, width_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(width_in, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm3d(width)
        self.conv2 = nn.Conv3d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm3d(width)
        self.downsample = nn.Sequential()
        if stride != 1 or width_in != width:
            self.downsample.append(nn.Conv3d(width_in, width, 1, stride=stride, bias=False))
            self.downsample.append(nn.BatchNorm3d(width))

    def forward(self, hidden: Tensor) -> Tensor:
        residual = hidden
        if len(self.downsample):
            residual = normed_convolution(self.downsample[0], self.downsample[1], hidden)
        hidden = normed_convolution(self.conv1, self.bn1, hidden).relu_()
        return normed_convolution(self.conv2, self.bn2, hidden).add_(residual).relu_()


def _residual_stage(width_in: int, width: int, blocks: int, stride: int) -> nn.Sequential:
    first = _ResidualBlock3D(width_in, width, stride)
    return nn.Sequential(first, *(_ResidualBlock3D(width, width, 1) for _ in range(blocks - 1)))


class PANNsCNN14Backbone(FrozenBackbone):
    """PANNs CNN14 for 16 kHz: one second of sound (N, 16000) in [-1, 1] -> (N, 2048).

    Kong et al., "PANNs: Large-Scale Pretrained Audio Neural Networks for Audio Pattern Recognition", IEEE/ACM
    TASLP 28, 2020. The embedding is taken before the tag classifier. Keys are those of the published
    checkpoint. The log-Mel front end has no weights and always runs in float32.
    """

    input_name = "waveform"
    input_shape = (SAMPLING_RATE,)
    chunk_size = 32
    dim = 2048
    converter = "modeling_davihd.conversion.convert_panns_state_dict"
    bears_16_bits = True

    def __init__(self) -> None:
        super().__init__()
        self.bn0 = nn.BatchNorm2d(64)
        self.conv_block1 = _ConvBlock(1, 64)
        self.conv_block2 = _ConvBlock(64, 128)
        self.conv_block3 = _ConvBlock(128, 256)
        self.conv_block4 = _ConvBlock(256, 512)
        self.conv_block5 = _ConvBlock(512, 1024, few=True)  # at 6 x 4 positions
        self.conv_block6 = _ConvBlock(1024, 2048, few=True)  # at 3 x 2
        self.fc1 = nn.Linear(2048, 2048)
        self.freeze()

    def encode(self, inputs: Tensor) -> Tensor:
        mels_first = panns_log_mel(inputs).transpose(1, 2)[..., None].to(self.dtype)  # (N, 64, 101, 1)
        hidden = self.bn0(mels_first).transpose(1, 3)  # (N, 1, 101, 64)
        hidden = hidden.contiguous(memory_format=torch.channels_last)
        for block in (
            self.conv_block1,
            self.conv_block2,
            self.conv_block3,
            self.conv_block4,
            self.conv_block5,
        ):
            hidden = F.avg_pool2d(block(hidden), 2)
        over_time = self.conv_block6(hidden).mean(dim=3)  # (N, 2048, 3)
        return F.relu(self.fc1(over_time.amax(dim=2) + over_time.mean(dim=2)))


class _ConvBlock(nn.Module):
    """Two convolutions; `few` says that they see a few positions only."""

    def __init__(self, width_in: int, width: int, few: bool = False) -> None:
        super().__init__()
        self._convolve = normed_convolution_of_few if few else normed_convolution
        self.conv1 = nn.Conv2d(width_in, width, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.bn2 = nn.BatchNorm2d(width)

    def forward(self, hidden: Tensor) -> Tensor:
        hidden = self._convolve(self.conv1, self.bn1, hidden).relu_()
        return self._convolve(self.conv2, self.bn2, hidden).relu_()


def panns_log_mel(waveform: Tensor) -> Tensor:
    """(N, samples) at 16 kHz -> (N, 1 + samples // 160, 64): 10 log10 of the mel power, at least -100 dB."""
    with torch.autocast(waveform.device.type, enabled=False):
        return _log_mel(_power_spectrum(waveform))


def _power_spectrum(waveform: Tensor) -> Tensor:
    """(N, samples) at 16 kHz -> (N, 1 + samples // 160, 257) in float32."""
    waveform = waveform.float()
    window = torch.hann_window(512, device=waveform.device)
    spectrum = torch.stft(
        waveform, 512, hop_length=160, window=window, pad_mode="reflect", return_complex=True
    )
    return (spectrum.real.square() + spectrum.imag.square()).transpose(1, 2)


def _log_mel(power: Tensor) -> Tensor:
    return 10 * (power @ panns_mel_filters(power.device)).clamp(min=1e-10).log10()


# Cached, not a buffer: models are built on the meta device, where a computed buffer comes back empty.
@functools.cache
def panns_mel_filters(device: torch.device) -> Tensor:
    """The 64 Slaney filters from 50 to 8000 Hz that CNN14 was trained with: (257, 64) float32 on `device`."""
    filters = mel_filter_bank(257, 64, 50.0, 8000.0, SAMPLING_RATE, norm="slaney", mel_scale="slaney")
    return torch.from_numpy(filters).to(device, torch.float32)


class YAMNetBackbone(FrozenBackbone):
    """YAMNet: a second of sound and what is around it (N, 23600) in [-1, 1], 16 kHz -> (N, 1024).

    Google's MobileNet-v1, trained to tell the 521 kinds of sound of AudioSet apart (tensorflow/models,
    research/audioset/yamnet; Apache-2.0). It hears patches of 15,600 samples (0.975 s). The features of a
    second are the mean of its embeddings of two, which begin 0.23 s before and 0.27 s after the second does:
    together they lie around its middle, 0.745 s to either side. Batch norms are folded into the convolutions.
    The front end has no weights and always runs in float32.
    """

    input_name = "waveform"
    context = (3680, 3920)
    input_shape = (SAMPLING_RATE + sum(context),)
    dim = 1024
    embedded = "yamnet"
    terms = (
        "YAMNet, whose weights are in this checkpoint too, is by The TensorFlow Authors, Apache-2.0; its "
        "batch norms are folded into its convolutions, and most of its weights may be rounded to 16 bits."
    )
    converter = "modeling_davihd.conversion.convert_yamnet_state_dict"
    # Width and stride of layers 2 to 14.
    layers = (
        *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)),
        *((512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1)),
    )

    def __init__(self) -> None:
        super().__init__()
        self.layer1 = nn.ModuleDict({"conv": _SameConv(1, 32, stride=2)})
        widths = [32, *(width for width, _ in self.layers)]
        for number, (width, stride) in enumerate(self.layers, 2):
            self.add_module(f"layer{number}", _SeparableConv(widths[number - 2], width, stride))
        self.dense = nn.Linear(1024, 521)
        self.freeze()

    def encode(self, inputs: Tensor) -> Tensor:
        patches = yamnet_log_mel(inputs).unfold(1, 96, 50).transpose(2, 3)  # (N, 2, 96, 64)
        return self.embed(patches.flatten(0, 1)).unflatten(0, (-1, 2)).mean(1)

    def embed(self, patches: Tensor) -> Tensor:
        """Log-Mel of patches (N, 96, 64) -> their embeddings (N, 1024)."""
        hidden = F.relu_(self.layer1["conv"](patches[:, None].to(self.dtype)))
        for number in range(2, 15):
            hidden = self.get_submodule(f"layer{number}")(hidden)
        return hidden.mean(dim=(2, 3))

    def class_logits(self, features: Tensor) -> Tensor:
        """Features (N, 1024) -> logits of the 521 classes (N, 521), in the order of AudioSet's class map."""
        return self.dense(features)


class _SameConv(nn.Conv2d):
    """3x3 convolution, padded as TensorFlow pads even sizes: at stride 2 at the ends alone."""

    def __init__(self, width_in: int, width: int, stride: int, groups: int = 1) -> None:
        super().__init__(width_in, width, 3, stride, padding=2 - stride, groups=groups)

    def forward(self, hidden: Tensor) -> Tensor:
        return super().forward(F.pad(hidden, (0, 1, 0, 1)) if self.stride == (2, 2) else hidden)


class _SeparableConv(nn.Module):
    def __init__(self, width_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.depthwise_conv = _SameConv(width_in, width_in, stride, groups=width_in)
        self.pointwise_conv = nn.Conv2d(width_in, width, 1)

    def forward(self, hidden: Tensor) -> Tensor:
        return F.relu_(self.pointwise_conv(F.relu_(self.depthwise_conv(hidden))))


def yamnet_log_mel(waveform: Tensor) -> Tensor:
    """(N, samples) at 16 kHz -> (N, 1 + (samples - 400) // 160, 64): log(mel magnitude + 0.001)."""
    window = torch.hann_window(400, device=waveform.device)
    frames = waveform.float().unfold(-1, 400, 160) * window
    magnitude = torch.fft.rfft(frames, 512).abs()
    with torch.autocast(waveform.device.type, enabled=False):
        return (magnitude @ yamnet_mel_filters(waveform.device) + 0.001).log()


@functools.cache
def yamnet_mel_filters(device: torch.device) -> Tensor:
    """The 64 filters from 125 to 7500 Hz, triangles in mel of height 1: (257, 64) float32 on `device`."""
    triangles = {"mel_scale": "kaldi", "triangularize_in_mel_space": True}
    filters = mel_filter_bank(257, 64, 125.0, 7500.0, SAMPLING_RATE, **triangles)
    return torch.from_numpy(filters).to(device, torch.float32)


class _Statistics(FrozenBackbone):
    """A backbone without weights: an empty buffer remembers the dtype and the device it was moved to."""

    chunk_size = 64
    needs_weights = False

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("nothing", torch.empty(0), persistent=False)
        self.freeze()

    def encode(self, inputs: Tensor) -> Tensor:
        described = torch.cat(self.describe(inputs.to(self.device, torch.float32)), 1)
        return described.to(self.dtype)

    def describe(self, inputs: Tensor) -> list[Tensor]:
        """Float32 inputs of one chunk -> descriptors (N, n), `dim` in all."""
        raise NotImplementedError


class VisualStatistics(_Statistics):
    """Plain statistics of two frames a second (N, 2, 3, 64, 64), pixels in [0, 1] -> (N, 64).

    In this order: histograms of luma, Cb and Cr (8 bins each, roots of the shares); brightness, contrast and
    motion in a 3 x 3 grid; spread of motion; histogram of edge orientation (8); mean and spread of edge
    strength and of saturation. Motion is the root of the mean difference between the two frames, all else is
    averaged over both. Scaled by fixed factors to be about 1. Not an encoder of the paper.
    """

    input_name = "pixel_values"
    image_size = 64
    frames_per_segment = 2
    image_mean = (0.0, 0.0, 0.0)
    image_std = (1.0, 1.0, 1.0)
    input_shape = (frames_per_segment, 3, image_size, image_size)
    dim = 64

    def describe(self, inputs: Tensor) -> list[Tensor]:
        luma, blue, red = (inputs.movedim(2, -1) @ _luma_chroma(inputs.device)).unbind(-1)  # (N, 2, 64, 64)
        chroma = (blue.square() + red.square()).sqrt()
        spread, mean = torch.std_mean(chroma, (1, 2, 3))
        histograms = [_histogram(values) for values in (luma, 2 * blue + 0.5, 2 * red + 0.5)]
        saturation = torch.stack((8 * mean, 8 * spread), 1)
        return [*histograms, _light(luma), *_motion(inputs), *_edges(luma), saturation]


@functools.cache
def _luma_chroma(device: torch.device) -> Tensor:
    """RGB -> Y, Cb, Cr of ITU-R BT.601: (3, 3), to be multiplied from the right."""
    rows = [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]
    return torch.tensor(rows, device=device).T.contiguous()


def _histogram(values: Tensor, weights: Tensor | None = None, bins: int = 8) -> Tensor:
    """Values in [0, 1], (N, ...) -> roots of the shares of `bins` equal bins, (N, bins)."""
    where = (values.flatten(1) * bins).long().clamp(0, bins - 1)
    weights = torch.ones_like(values).flatten(1) if weights is None else weights.flatten(1)
    counts = torch.stack([(weights * (where == number)).sum(1) for number in range(bins)], 1)
    return (counts / weights.sum(1, keepdim=True).clamp(min=1e-6)).sqrt()


def _light(luma: Tensor) -> Tensor:
    """Brightness and contrast (N, 18) of the cells of a 3 x 3 grid over (N, 2, 64, 64)."""
    mean = F.adaptive_avg_pool2d(luma, 3)
    contrast = (F.adaptive_avg_pool2d(luma.square(), 3) - mean.square()).clamp(min=0).sqrt()
    return torch.cat((4 * mean.mean(1).flatten(1) - 2, 6 * contrast.mean(1).flatten(1)), 1)


def _motion(pixels: Tensor) -> list[Tensor]:
    """Change from the first to the second frame: (N, 9) by cells, and its spread (N, 1)."""
    change = (pixels[:, 1] - pixels[:, 0]).abs().mean(1, keepdim=True)
    cells = F.adaptive_avg_pool2d(change, 3).flatten(1)
    return [4 * cells.sqrt(), 8 * change.flatten(1).std(1, keepdim=True)]


def _edges(luma: Tensor) -> list[Tensor]:
    """Histogram of edge orientation (N, 8); strength and spread of the edges (N, 2)."""
    across = (luma[..., 1:-1, 2:] - luma[..., 1:-1, :-2]) / 2
    down = (luma[..., 2:, 1:-1] - luma[..., :-2, 1:-1]) / 2
    strength = (across.square() + down.square()).sqrt()
    turn = torch.atan2(down, across) / math.pi % 1  # a dark-bright edge and its opposite are alike
    spread, mean = torch.std_mean(strength, (1, 2, 3))
    return [_histogram(turn, strength), torch.stack((20 * mean, 10 * spread), 1)]


class SoundStatistics(_Statistics):
    """Plain statistics of one second of sound (N, 16000) in [-1, 1] -> (N, 64).

    In this order: means, deviations (20 each) and mean changes (12) of mel-frequency cepstral coefficients;
    mean and deviation of spectral centroid, bandwidth and flatness and of the rate of zero crossings; mean,
    deviation, maximum and minimum of the level. Spectra are those of `panns_log_mel`, every 10 ms; crossings
    and level are taken every 50 ms. Scaled by fixed factors to be about 1. Not an encoder of the paper.
    """

    input_name = "waveform"
    input_shape = (SAMPLING_RATE,)
    dim = 64

    def describe(self, inputs: Tensor) -> list[Tensor]:
        power = _power_spectrum(inputs)  # (N, 101, 257)
        cepstrum = (_log_mel(power) / 10 + 5) @ _cosines(64, 20, inputs.device)
        changes = cepstrum[..., :12].diff(dim=1).abs().mean(1)
        blocks = inputs.unflatten(1, (20, 800))
        crossings = ((blocks[..., 1:] >= 0) != (blocks[..., :-1] >= 0)).float().mean(2)
        level = (blocks.square().mean(2).clamp(min=1e-10).log10() + 4) / 2
        levels = torch.stack((level.mean(1), level.std(1), level.amax(1), level.amin(1)), 1)
        tracks = [cepstrum, *(4 * track[..., None] for track in (*_shape(power), crossings))]
        summaries = [torch.cat(torch.std_mean(track, 1)[::-1], 1) for track in tracks]
        return [summaries[0], changes, *summaries[1:], levels]


def _shape(power: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Centroid, bandwidth (both as shares of 8 kHz) and flatness of spectra (N, L, 257), each (N, L)."""
    power = power + 1e-10
    frequency = torch.linspace(0, 1, power.shape[-1], device=power.device)
    share = power / power.sum(-1, keepdim=True)
    centroid = share @ frequency
    bandwidth = (share * (frequency - centroid[..., None]).square()).sum(-1).sqrt()
    return centroid, bandwidth, power.log().mean(-1).exp() / power.mean(-1)


@functools.cache
def _cosines(bands: int, count: int, device: torch.device) -> Tensor:
    """The first `count` cosines over the bands, (bands, count), scaled to coefficients of about one size."""
    orders = torch.arange(count, device=device)
    angles = (torch.arange(bands, device=device)[:, None] + 0.5) * orders
    return torch.cos(math.pi / bands * angles) * (2 * orders).clamp(min=0.5) / bands


# The encoders of each stream, by the names that configurations, datasets and commands know them by.
BACKBONES: dict[str, dict[str, type[FrozenBackbone]]] = {
    "visual": {
        "inception_v3": InceptionV3Backbone,
        "resnet3d_34": ResNet3D34Backbone,
        "statistics": VisualStatistics,
    },
    "semantic": {
        "panns_cnn14_16k": PANNsCNN14Backbone,
        "yamnet": YAMNetBackbone,
        "statistics": SoundStatistics,
    },
}


def backbone_class(stream: str, name: str) -> type[FrozenBackbone]:
    """The class of a stream's backbone, which says all about it. Raises ValueError for an unknown name."""
    known = BACKBONES.get(stream, {})
    if name not in known:
        raise ValueError(
            f"There is no {stream} backbone {name!r}; the known ones are {', '.join(sorted(known))}."
        )
    return known[name]


def build_backbone(stream: str, name: str, dim: int) -> FrozenBackbone:
    """A stream's backbone, `dim` features wide. Raises ValueError for an unknown name or another width."""
    kind = backbone_class(stream, name)
    if kind.dim not in (None, dim):
        raise ValueError(f"The {name} backbone gives {kind.dim} features, but dim is {dim}.")
    return kind(dim) if kind.dim is None else kind()
