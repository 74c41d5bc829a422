"""DAViHD model configuration."""

import difflib
import math
import os
import shutil
from itertools import pairwise
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.dataclasses import strict
from huggingface_hub.errors import HFValidationError
from transformers import GenerationConfig, PreTrainedConfig
from transformers.dynamic_module_utils import get_relative_import_files
from transformers.utils import logging
from transformers.utils.auto_docstring import ConfigArgs

from .backbones_davihd import BACKBONES
from .streams_davihd import (
    FULL_LOG_MEL_RATE,
    LOG_MEL_RATES,
    NUM_MEL_BINS,
    STREAMS,
    Stream,
    check_grid,
    feature_streams,
    streams_of,
)

MOST_PARAMETERS = 4e9  # of a network, twenty times the paper's: a bound on what a file may ask for
MOST_BLOCKS = 64
logger = logging.get_logger(__name__)

# "mse" stands for the error that the network has of its own where that is another one (objectives_davihd.py).
LOSSES = ("mse", "mse+correlation+ranking")

# What a checkpoint tells machines without this package of its pipeline, and the file that holds it.
PIPELINE_FILE = "pipeline_davihd.py"
CUSTOM_PIPELINES = {
    "video-highlight-detection": {
        "impl": "pipeline_davihd.VideoHighlightDetectionPipeline",
        "pt": ["AutoModel"],
        "type": "video",
    }
}

# What is given to configurations beside their fields, for transformers to act on.
PASSED_ON = {
    *("attn_implementation", "auto_map", "custom_pipelines", "model_type", "output_attentions"),
    *("torch_dtype", "name_or_path", "_name_or_path", "gradient_checkpointing", "quantization_config"),
}
# What transformers gives every configuration, of itself or for generating text: `use_cache`, for one, which
# its `Trainer` writes; and what it documents for many.
GIVEN_TO_ALL = {
    *dir(PreTrainedConfig),
    *GenerationConfig().to_dict(),
    *GenerationConfig._get_default_generation_params(),
}
GIVEN_TO_MANY = set(vars(ConfigArgs))


@strict
class HighlightConfig(PreTrainedConfig):
    """
    The base of all our configurations, DAViHD's and the baselines': it refuses what does not fit.

    What transformers of this or another version writes into any configuration is read over.

    highlight_level (`float`, *optional*):
        The mean score that one highlight of a film has to reach, or nothing stands out there, unless a number
        or a total length is asked for.
    highlight_confidence (`list` of `[score, share]`, *optional*):
        The share of right picks among highlights of that mean score, as measured when the model was trained:
        scores increase, shares in [0, 1] do not decrease.
    loss (`str`):
        What training minimises: `"mse"`, the paper's (Eq. 5), or `"mse+correlation+ranking"`, which is
        defined in `objectives_davihd.py`.
    correlation_weight, ranking_weight (`float`):
        How much the two further terms of that weigh; the error itself weighs 1.
    stream_dropout (`float`):
        Probability that a video lacks a stream in training; it never lacks all. A model with any can do
        without streams in use as well; others refuse, naming what is missing.
    """

    pipeline_is_registered = False  # True where the installed package brings the pipeline
    highlight_level: float | int | None = None
    highlight_confidence: list[list[float | int]] | None = None
    loss: str = "mse"
    correlation_weight: float | int = 0.1
    ranking_weight: float | int = 0.1
    stream_dropout: float | int = 0.0

    def __post_init__(self, **kwargs):
        for key in kwargs.keys() - PASSED_ON:  # transformers would act on some of them
            self._require_foreign(key, kwargs.pop(key))
        if self.pipeline_is_registered:  # or transformers would ask to trust the checkpoint's copy of it
            kwargs.pop("custom_pipelines", None)
        super().__post_init__(**kwargs)

    def _require_foreign(self, key: str, value: object):
        """Raise ValueError unless a field that is none of ours may be from transformers."""
        if key in GIVEN_TO_ALL or key.startswith("_"):
            return
        fields = {*HighlightConfig.__annotations__, *type(self).__annotations__} - {"model_type"}
        similar = difflib.get_close_matches(key, fields, n=1)
        # Other versions write all fields that they know, those that a model has no use for off or empty.
        if key in GIVEN_TO_MANY and (not value or value is True) or not (value or similar):
            return
        hint = f"; did you mean `{similar[0]}`?" if similar else "."
        raise ValueError(f"{type(self).__name__} has no field `{key[:80]}`{hint}")

    def validate_highlights(self):
        """Raise ValueError naming the field, what it holds and what it needs."""
        level, knots = self.highlight_level, self.highlight_confidence
        if level is not None and not 0 <= level < math.inf:
            raise ValueError(f"`highlight_level` is {level}; it needs to be finite and 0 or more.")
        if knots is None:
            return
        if not knots or any(len(knot) != 2 for knot in knots):
            raise ValueError(f"`highlight_confidence` is {knots}; it needs pairs [score, share].")
        scores, shares = zip(*knots, strict=True)
        if not (0 <= scores[0] and scores[-1] < math.inf and all(a < b for a, b in pairwise(scores))):
            raise ValueError(
                f"`highlight_confidence` has the scores {list(scores)}; they need to increase, and "
                "to be finite and 0 or more."
            )
        if not (0 <= shares[0] and shares[-1] <= 1 and all(a <= b for a, b in pairwise(shares))):
            raise ValueError(
                f"`highlight_confidence` has the shares {list(shares)}; they need to lie between 0 "
                "and 1, and not to decrease."
            )

    def validate_training(self):
        """Raise ValueError naming the field, what it holds and what it needs."""
        self._require_choice("loss", LOSSES)
        self._require_range(0, 1e6, "correlation_weight", "ranking_weight")
        self._require_range(0, 0.9, "stream_dropout")
        if self.stream_dropout and len(self.modalities) < 2:
            raise ValueError(
                f"`stream_dropout` is {self.stream_dropout}; `modalities` is {list(self.modalities)}, and of "
                "fewer than two streams none can be left out."
            )

    @property
    def does_without(self) -> bool:
        """Whether the model scores videos that lack some of its streams."""
        return self.stream_dropout > 0

    @property
    def streams(self) -> list[Stream]:
        """The streams that the model reads, in the order of `STREAMS`."""
        return streams_of(self.modalities)

    @property
    def feature_streams(self) -> list[Stream]:
        """Those of them that are features, one row a second."""
        return feature_streams(self.modalities)

    @property
    def sees(self) -> bool:
        """Whether the model reads a stream of the picture."""
        return any(stream.sees for stream in self.streams)

    @property
    def log_mel_settings(self) -> dict[str, object]:
        """What the feature extractor has to make the spectrogram with: its settings of the same names."""
        names = ("log_mel_rate", "log_mel_grid", "num_mel_bins")
        return {name: getattr(self, name) for name in names if hasattr(self, name)}

    @property
    def reads_spectrogram(self) -> bool:
        """Whether the model reads the log-Mel spectrogram."""
        return any(stream.spectrogram for stream in self.streams)

    @property
    def attention_radius(self) -> int | None:
        """Seconds on either side that each second attends to; None: its whole video."""
        window = getattr(self, "attention_window_seconds", None)
        return None if window is None else window // 2

    def stream_dim(self, stream: Stream) -> int:
        """Width D of a stream of features."""
        return getattr(self, stream.dim_field)

    def stream_backbone(self, stream: Stream) -> str | None:
        """Name of the frozen encoder that makes the features of raw input, if the checkpoint holds one."""
        return getattr(self, stream.backbone_field, None)

    def log_mel_frames(self, segments: int) -> int:
        """Number of log-Mel frames M of a video of that many one-second segments."""
        return math.ceil(self.log_mel_rate * segments)

    def _require_range(self, low: float, high: float, *fields: str):
        for field in fields:
            if not low <= getattr(self, field) <= high:
                raise ValueError(
                    f"`{field}` is {getattr(self, field)}; it needs to lie between {low} and {high}."
                )

    def _require_choice(self, field: str, allowed: tuple):
        if getattr(self, field) not in allowed:
            raise ValueError(f"`{field}` is {getattr(self, field)!r}; it needs one of {list(allowed)}.")

    def _require_feature_streams(self):
        """Raise ValueError unless streams of features have a width, and encoders, if any, are that wide."""
        for stream in self.feature_streams:
            if not hasattr(self, stream.dim_field):
                raise ValueError(
                    f"`modalities` names the {stream.name} stream; {type(self).__name__} has no field "
                    f"`{stream.dim_field}` for its width."
                )
        for stream in feature_streams():
            if hasattr(self, stream.dim_field):
                self._require_range(1, 65536, stream.dim_field)
            if hasattr(self, stream.backbone_field):
                self._require_backbone(stream)

    def _require_backbone(self, stream: Stream):
        known, name = BACKBONES.get(stream.name, {}), self.stream_backbone(stream)
        self._require_choice(stream.backbone_field, (None, *known))
        if name is None or stream.name not in self.modalities:
            return
        found, needed = self.stream_dim(stream), known[name].dim
        if needed not in (None, found):
            raise ValueError(
                f"`{stream.dim_field}` is {found}; the {name} backbone gives {needed} features a second, so "
                f"it needs to be {needed}."
            )


@strict
class DAViHDConfig(HighlightConfig):
    r"""
    Configuration of a [`DAViHDModel`]. The defaults are the network of the paper at Mr.HiSum size.

    modalities (`list[str]`, defaults to the paper's three):
        Non-empty subset of `"visual"`, `"semantic"`, `"dynamics"` (Table 2) and `"text"`, which is ours and
        not the paper's: features of what is said, fused with the streams of sound. What is not named is not
        built.
    visual_dim, semantic_dim, dynamics_dim, text_dim (`int`):
        Widths D_v, D_s, D_d and D_t of the streams.
    projection_dim (`int`, *optional*):
        When set, every stream is projected to this width before attention.
    num_attention_heads (`int`):
        Heads of the self-attention encoders and of both cross-attentions.
    attention_window_seconds (`int`, *optional*):
        When set (odd), not the paper's: every attention is to the seconds of such a window around each one,
        not to the whole video.
    intermediate_ratio (`int`):
        Width of every feed-forward network, in multiples of its stream's width.
    dropout (`float`):
        Dropout of feed-forward networks, dynamics Transformer attention, positions and score head.
    num_mel_bins (`int`):
        Frequency bins F of the log-Mel spectrogram.
    log_mel_rate (`float`):
        Log-Mel frames a second that the dynamics encoder sees: 62.5 (hop 256 at 16 kHz) or 1 (averaged
        beforehand).
    log_mel_grid (`str`):
        How its frames were averaged: `"seconds"`, or `"released"` as in the authors' code (see
        [`DAViHDFeatureExtractor`]).
    log_mel_baseline_seconds (`int`, *optional*):
        When set (odd), a running median of that many seconds is subtracted from every mel band, so that the
        network sees what departs from the background and not how loud the background is.
    log_mel_sounding_seconds (`int`, *optional*):
        When set, digital silence is no background: wherever a median is over at least that many seconds that
        sound, it leaves out those that are silent. It is at most `log_mel_baseline_seconds`.
    log_mel_film_background (`bool`):
        Whether the network also sees the spectrogram minus the median of the whole film, as a second channel:
        what has gone on for longer than `log_mel_baseline_seconds` still stands out there.
    dynamics_channels, dynamics_basis_kernels, dynamics_time_pooling, dynamics_frequency_pooling
    (`list[int]`):
        One entry per convolution block: output channels, basis kernels K (1 = an ordinary convolution), and
        the average-pooling factors in time and in frequency.
    dynamics_temperature (`float`):
        Temperature of the softmax over basis kernels.
    dynamics_num_layers, dynamics_num_heads (`int`):
        Transformer that contextualises the dynamics stream.
    dynamics_positions (`str`):
        `"sinusoidal"`: the paper's absolute positions; `"convolutional"`: a depthwise convolution over
        `dynamics_position_kernel` seconds, which knows neighbours but no absolute time, so that a model
        trained on short clips carries over to films of any length.
    dynamics_position_kernel (`int`):
        Width of that convolution in seconds, odd.
    batch_norm_momentum (`float`):
        Momentum of the batch norm that ends each convolution block.
    fusion_placement (`str`):
        `"early"`: both audio streams are contextualised, then combined; `"late"`: combined, then
        contextualised.
    fusion_operation (`str`):
        `"multiply"` (Eq. 3) or `"concat"` (followed by a linear layer); or `"gate"`, not the paper's, which
        is Eq. 3 at the other end of the network: the scores that all else gives are multiplied by a logistic
        regression on how the features of each stream of sound, and of the text, but the dynamics, differ
        from the minute around; or `"weigh"`, not the paper's either: each second's mean of the streams,
        weighted by how much each of them says of that second.
    score_hidden_dim (`int`):
        Width h of the last hidden layer of the score head; the one before is twice as wide.
    visual_backbone, semantic_backbone (`str`, *optional*):
        Frozen encoders for raw `pixel_values` (`"inception_v3"`, `"resnet3d_34"`) and `waveform`
        (`"panns_cnn14_16k"`, `"yamnet"`). Without them the model takes features. Not the paper's are
        `"yamnet"`, 1024 wide, and `"statistics"`, for either: plain descriptors without weights, 64 wide, for
        generated data and tests.
    """

    model_type = "davihd"

    modalities: list[str] | tuple[str, ...] = ("visual", "semantic", "dynamics")
    visual_dim: int = 1024
    semantic_dim: int = 2048
    dynamics_dim: int = 2048
    text_dim: int = 768
    projection_dim: int | None = None
    num_attention_heads: int = 4
    attention_window_seconds: int | None = None
    intermediate_ratio: int = 4
    dropout: float | int = 0.1
    num_mel_bins: int = NUM_MEL_BINS
    log_mel_rate: float | int = FULL_LOG_MEL_RATE
    log_mel_grid: str = "seconds"
    log_mel_baseline_seconds: int | None = None
    log_mel_sounding_seconds: int | None = None
    log_mel_film_background: bool = False
    dynamics_channels: list[int] | tuple[int, ...] = (16, 32, 64, 128, 128, 128)
    dynamics_basis_kernels: list[int] | tuple[int, ...] = (1, 4, 4, 4, 4, 4)
    dynamics_time_pooling: list[int] | tuple[int, ...] = (4, 2, 2, 2, 1, 1)
    dynamics_frequency_pooling: list[int] | tuple[int, ...] = (2, 2, 2, 2, 2, 2)
    dynamics_temperature: float | int = 31.0
    dynamics_num_layers: int = 2
    dynamics_num_heads: int = 8
    dynamics_positions: str = "sinusoidal"
    dynamics_position_kernel: int = 31
    batch_norm_momentum: float | int = 0.1
    fusion_placement: str = "early"
    fusion_operation: str = "multiply"
    score_hidden_dim: int = 512
    visual_backbone: str | None = None
    semantic_backbone: str | None = None

    def save_pretrained(self, save_directory: str | os.PathLike, push_to_hub: bool = False, **kwargs):
        """Also write the pipeline's code, so that the folder gives a pipeline where this package is missing.

        A model that remote code has loaded is saved with the pipeline that it came with. If that is no longer
        to be had, a warning says so.
        """
        folder = Path(save_directory)
        # transformers copies the model's code into the folder, but not that of the pipeline.
        if code := self._pipeline_code():
            folder.mkdir(parents=True, exist_ok=True)
            for file in code:
                if file.parent.absolute() != folder.absolute():
                    shutil.copyfile(file, folder / file.name)
        if (folder / PIPELINE_FILE).is_file():
            self.custom_pipelines = CUSTOM_PIPELINES
        else:
            self.__dict__.pop("custom_pipelines", None)
            logger.warning(
                f"The pipeline's code is not to be had from {self.name_or_path!r}; {folder} has none."
            )
        super().save_pretrained(save_directory, push_to_hub, **kwargs)
        self.__dict__.pop("custom_pipelines", None)

    def _pipeline_code(self) -> list[Path]:
        """The files of the pipeline, beside this one or where the model is from; none if they are not there.

        For remote code, transformers copies this file and what it imports to a folder of modules. The
        pipeline's are there only if a pipeline has been loaded, too.
        """
        here, origin = Path(__file__).parent, self.name_or_path
        if (code := whole_code(here)) or not origin:
            return code
        if os.path.isdir(origin):
            return whole_code(Path(origin))
        try:  # the modules of a repository are in a folder named by the commit
            return whole_code(Path(snapshot_download(origin, revision=here.name, allow_patterns="*.py")))
        except (OSError, HFValidationError):
            return []

    def validate_architecture(self):
        """Raise ValueError naming the field, what it holds and what it needs."""
        self._validate_choices()
        self._validate_sizes()
        self._validate_background()
        self._validate_blocks()
        self._validate_widths()
        self._validate_whole()

    def _validate_choices(self):
        names = list(self.modalities)
        if not names or len(set(names)) < len(names) or not set(names) <= set(STREAMS):
            raise ValueError(f"`modalities` is {names}; it needs a non-empty selection of {list(STREAMS)}.")
        if len(seeing := [stream.name for stream in self.streams if stream.sees]) > 1:
            raise ValueError(f"`modalities` has the visual streams {seeing}; the network takes at most one.")
        choices = {
            "log_mel_rate": LOG_MEL_RATES,
            "dynamics_positions": ("sinusoidal", "convolutional"),
            "fusion_placement": ("early", "late"),
            "fusion_operation": ("multiply", "concat", "gate", "weigh"),
        }
        for field, allowed in choices.items():
            self._require_choice(field, allowed)
        check_grid(self.log_mel_grid, self.log_mel_rate)
        if self.fusion_operation == "gate" and "dynamics" not in names:
            raise ValueError(
                f"`fusion_operation` is 'gate'; `modalities` is {names} and needs 'dynamics', which is gated."
            )

    def _validate_sizes(self):
        self._require_feature_streams()
        self._require_range(1, 65536, "dynamics_dim", "score_hidden_dim", "num_mel_bins")
        self._require_range(1, 256, "num_attention_heads", "dynamics_num_heads", "intermediate_ratio")
        if self.projection_dim is not None:
            self._require_range(1, 65536, "projection_dim")
        self._require_range(0, 256, "dynamics_num_layers")
        self._require_range(0, 1, "dropout", "batch_norm_momentum")
        if not 0 < self.dynamics_temperature < math.inf:
            raise ValueError(
                f"`dynamics_temperature` is {self.dynamics_temperature}; it needs to be positive and finite."
            )
        for field in ("attention_window_seconds", "log_mel_baseline_seconds", "dynamics_position_kernel"):
            seconds = getattr(self, field)
            if seconds is not None and not (1 <= seconds < 1000 and seconds % 2):
                raise ValueError(f"`{field}` is {seconds}; it needs an odd number of seconds below 1000.")

    def _validate_background(self):
        baseline = self.log_mel_baseline_seconds
        for field in ("log_mel_sounding_seconds", "log_mel_film_background"):
            value = getattr(self, field)
            if value not in (None, False) and baseline is None:
                raise ValueError(f"`{field}` is {value}; it needs `log_mel_baseline_seconds` to be set.")
        if baseline is not None and self.log_mel_sounding_seconds is not None:
            self._require_range(1, baseline, "log_mel_sounding_seconds")

    def _validate_blocks(self):
        blocks = len(self.dynamics_channels)
        if blocks > MOST_BLOCKS:
            raise ValueError(f"`dynamics_channels` has {blocks} blocks; at most {MOST_BLOCKS} are allowed.")
        fields = ("channels", "basis_kernels", "time_pooling", "frequency_pooling")
        for field in (f"dynamics_{name}" for name in fields):
            values = list(getattr(self, field))
            if len(values) != blocks or blocks == 0 or any(not 1 <= value <= 8192 for value in values):
                raise ValueError(
                    f"`{field}` is {values}; it needs {max(blocks, 1)} positive integers, one a block."
                )
        if math.prod(self.dynamics_frequency_pooling) > self.num_mel_bins:
            raise ValueError(
                f"`dynamics_frequency_pooling` is {list(self.dynamics_frequency_pooling)}; its product "
                f"needs to be at most `num_mel_bins` ({self.num_mel_bins})."
            )

    def _validate_widths(self):
        for stream in self.fused_streams[1:]:
            first = self.fused_streams[0]
            if self.stream_width(stream) != self.audio_width:
                raise ValueError(
                    f"`{stream.dim_field}` is {self.stream_dim(stream)}; to be combined with the "
                    f"{first.name} stream it needs to equal `{first.dim_field}` ({self.stream_dim(first)}), "
                    "or `projection_dim` needs to be set."
                )
        for stream in self.contextual_streams:
            if stream.sees or not stream.spectrogram or self.fusion_placement == "late":
                self._require_divisible("num_attention_heads", stream)
            if stream.spectrogram:
                self._require_divisible("dynamics_num_heads", stream)
        if self.dynamics_positions == "sinusoidal" and self.dynamics_width % 2:
            raise ValueError(
                f"The dynamics stream is {self.dynamics_width} wide; its positions need an even width."
            )

    def _validate_whole(self):
        if (parameters := self.approximate_parameters()) > MOST_PARAMETERS:
            raise ValueError(
                f"The network would have about {parameters / 1e9:.3g} billion parameters; at most "
                f"{MOST_PARAMETERS / 1e9:g} billion are allowed."
            )

    def approximate_parameters(self) -> int:
        """Numbers in the network's large matrices, the frozen backbones apart."""
        visual, audio = self.visual_width * self.sees, self.audio_width * bool(self.audio_streams)
        encoders = [visual, *[audio] * self._audio_encoders()]
        total = sum((4 + 2 * self.intermediate_ratio) * width**2 for width in encoders)
        if "dynamics" in self.modalities:
            total += self._dynamics_parameters()
        if visual and audio:
            total += 5 * (visual**2 + audio**2) + 4 * visual * audio
        if self.projection_dim:
            projected = [stream for stream in self.contextual_streams if not stream.spectrogram]
            total += self.projection_dim * sum(map(self.stream_dim, projected))
        if self.fusion_operation == "concat":
            total += len(self.audio_streams) * audio**2
        return total + 4 * (visual + audio) * self.score_hidden_dim + 2 * self.score_hidden_dim**2

    def _audio_encoders(self) -> int:
        """Self-attention encoders on the side of the sound."""
        if self.fusion_placement == "late":
            return 1
        return sum(not stream.spectrogram for stream in self.fused_streams)

    def _dynamics_parameters(self) -> int:
        width, channels = self.dynamics_width, list(self.dynamics_channels)
        layers = self.dynamics_num_layers * (self.fusion_placement == "early")
        layers *= (4 + 2 * self.intermediate_ratio) * width**2
        kernels = zip([self.log_mel_views, *channels], channels, self.dynamics_basis_kernels, strict=False)
        convolutions = sum(9 * before * after * count for before, after, count in kernels)
        bins = self.num_mel_bins
        for factor in self.dynamics_frequency_pooling:
            bins //= factor
        positions = 0 if self.dynamics_positions == "sinusoidal" else width * self.dynamics_position_kernel
        return layers + convolutions + channels[-1] * bins * width + positions

    def _require_divisible(self, heads_field: str, stream: Stream):
        heads, width = getattr(self, heads_field), self.stream_width(stream)
        if width % heads:
            raise ValueError(
                f"`{heads_field}` is {heads}; it needs to divide the width of the {stream.name} stream "
                f"({width})."
            )

    @property
    def audio_streams(self) -> list[Stream]:
        """The streams of sound, and what is fused with them: the text."""
        return [stream for stream in self.streams if not stream.sees]

    @property
    def gating_streams(self) -> list[Stream]:
        """Those of them that the scores are multiplied by instead."""
        gates = self.fusion_operation == "gate"
        return [stream for stream in self.audio_streams if gates and not stream.spectrogram]

    @property
    def contextual_streams(self) -> list[Stream]:
        """The streams whose seconds know of each other: all but those that gate."""
        return [stream for stream in self.streams if stream not in self.gating_streams]

    @property
    def fused_streams(self) -> list[Stream]:
        """Those of them that are fused to one before they meet the picture (Section 2.2.3)."""
        return [stream for stream in self.contextual_streams if not stream.sees]

    @property
    def log_mel_views(self) -> int:
        """Channels of the spectrogram that the first block reads."""
        return 1 + self.log_mel_film_background

    def stream_width(self, stream: Stream) -> int:
        """Width of a stream inside the network."""
        return self.projection_dim or self.stream_dim(stream)

    @property
    def visual_width(self) -> int:
        """Width D_v of the visual stream inside the network."""
        return next((self.stream_width(stream) for stream in self.streams if stream.sees), self.visual_dim)

    @property
    def dynamics_width(self) -> int:
        """Width D_d of the dynamics stream inside the network."""
        return self.projection_dim or self.dynamics_dim

    @property
    def audio_width(self) -> int:
        """Width D_a of the fused audio stream."""
        return self.stream_width(self.fused_streams[0]) if self.fused_streams else self.dynamics_width


def whole_code(folder: Path) -> list[Path]:
    """The pipeline's file in a folder, and those that it imports; none unless all are there."""
    try:
        return [folder / PIPELINE_FILE, *map(Path, get_relative_import_files(folder / PIPELINE_FILE))]
    except FileNotFoundError:
        return []


__all__ = ["DAViHDConfig", "HighlightConfig"]
