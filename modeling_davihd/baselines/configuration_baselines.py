"""Configurations of the baselines. `modalities`, what a model reads, is fixed but for TripleSumm."""

from typing import ClassVar

from huggingface_hub.dataclasses import strict

from ..configuration_davihd import HighlightConfig


@strict
class BaselineConfig(HighlightConfig):
    r"""
    What the configurations of all baselines share.

    modalities (class attribute):
        Which of `"visual"`, `"semantic"`, `"dynamics"` (the log-Mel spectrogram), `"text"` the model reads.
    method (class attribute):
        What it is called and whose it is, if it was published.

    A model that reads visual or semantic features has `visual_dim` and `visual_backbone`, or `semantic_dim`
    and `semantic_backbone`, as in `DAViHDConfig`: their width, and the frozen encoder for raw input, if any.
    """

    modalities: ClassVar[tuple[str, ...]] = ()
    method: ClassVar[str | None] = None
    pipeline_is_registered = True  # for only the installed package has these models

    def __post_init__(self, **kwargs):
        name = type(self).__name__
        given = kwargs.pop("modalities", self.modalities)
        if list(given) != list(self.modalities):
            raise ValueError(f"`modalities` is {list(given)}; that of {name} is {list(self.modalities)}.")
        super().__post_init__(**kwargs)

    def validate_architecture(self):
        """Raise ValueError naming the field, what it holds and what it needs."""
        self._require_feature_streams()

    def _require_divisible(self, field: str, divisor: int, why: str):
        if getattr(self, field) % divisor:
            raise ValueError(
                f"`{field}` is {getattr(self, field)}; {why}, so it needs to be a multiple of {divisor}."
            )


@strict
class PGLSumConfig(BaselineConfig):
    r"""
    Configuration of a [`PGLSumModel`]; the defaults are the published network.

    visual_dim (`int`), visual_backbone (`str`, *optional*):
        Width D of the visual features and of the network, and the frozen encoder, if any.
    num_attention_heads, num_local_attention_heads (`int`):
        Heads of the attention over the whole video, and of those over its parts.
    num_segments (`int`):
        Parts that a video is cut into for the local attention.
    positions (`str`):
        `"absolute"`, `"relative"` or `"none"`: the matrix that is added to the attention's energies.
    position_base (`float`):
        Base of the wavelengths of that matrix.
    fusion (`str`):
        How global and local attention are combined: `"add"`, `"mult"`, `"avg"`, `"max"`, or `"none"`, which
        leaves out the local one.
    dropout (`float`):
        Dropout of attention weights and of the head.
    """

    model_type = "baseline_pgl_sum"
    method = "PGL-SUM (Apostolidis et al., ISM 2021)"
    modalities = ("visual",)

    visual_dim: int = 1024
    num_attention_heads: int = 8
    num_local_attention_heads: int = 4
    num_segments: int = 4
    positions: str = "absolute"
    position_base: float | int = 10000.0
    fusion: str = "add"
    dropout: float | int = 0.5
    visual_backbone: str | None = None

    def validate_architecture(self):
        super().validate_architecture()
        self._require_range(1, 256, "num_attention_heads", "num_local_attention_heads", "num_segments")
        self._require_range(0, 1, "dropout")
        self._require_range(1, 1e9, "position_base")
        self._require_choice("positions", ("absolute", "relative", "none"))
        self._require_choice("fusion", ("add", "mult", "avg", "max", "none"))
        self._require_divisible("visual_dim", self.num_attention_heads, "attention heads share it")
        if self.fusion != "none":
            heads = self.num_segments * self.num_local_attention_heads
            self._require_divisible("visual_dim", heads, "the heads of all segments share it")


@strict
class CSTAConfig(BaselineConfig):
    r"""
    Configuration of a [`CSTAModel`]; the defaults are the published network.

    visual_dim (`int`), visual_backbone (`str`, *optional*):
        Width of the visual features, and the frozen encoder, if any.
    hidden_dim (`int`):
        Width of the network and channels that the CNN ends with: 1024 as published, or 512, 256 or 128, which
        make every layer of the CNN narrower by the same factor.
    attention_dropout, dropout (`float`):
        Dropout of the two attention maps, and of the head.
    """

    model_type = "baseline_csta"
    method = "CSTA (Son et al., CVPR 2024)"
    modalities = ("visual",)

    visual_dim: int = 1024
    hidden_dim: int = 1024
    attention_dropout: float | int = 0.6
    dropout: float | int = 0.5
    visual_backbone: str | None = None

    def validate_architecture(self):
        super().validate_architecture()
        self._require_choice("hidden_dim", (1024, 512, 256, 128))
        self._require_range(0, 1, "attention_dropout", "dropout")


@strict
class JointVAConfig(BaselineConfig):
    r"""
    Configuration of a [`JointVAModel`].

    visual_dim, semantic_dim (`int`), visual_backbone, semantic_backbone (`str`, *optional*):
        Widths of the two streams, and their frozen encoders, if any.
    noise_sentinel (`bool`):
        Whether cross-attention may turn to a learnt key instead of the other stream.
    num_attention_heads, intermediate_ratio (`int`), dropout (`float`), score_hidden_dim (`int`):
        As in `DAViHDConfig`.
    """

    model_type = "baseline_joint_va"
    method = "Joint-VA (Badamdorj et al., ICCV 2021), reconstructed"
    modalities = ("visual", "semantic")

    visual_dim: int = 1024
    semantic_dim: int = 2048
    noise_sentinel: bool = True
    num_attention_heads: int = 4
    intermediate_ratio: int = 4
    dropout: float | int = 0.1
    score_hidden_dim: int = 512
    visual_backbone: str | None = None
    semantic_backbone: str | None = None

    def validate_architecture(self):
        super().validate_architecture()
        self._require_range(1, 256, "num_attention_heads", "intermediate_ratio")
        self._require_range(1, 65536, "score_hidden_dim")
        self._require_range(0, 1, "dropout")
        for field in ("visual_dim", "semantic_dim"):
            self._require_divisible(field, self.num_attention_heads, "attention heads share it")


@strict
class UMTConfig(BaselineConfig):
    r"""
    Configuration of a [`UMTModel`]; the defaults are UMT-Small, three decoder layers make it UMT-Base.

    visual_dim, semantic_dim (`int`), visual_backbone, semantic_backbone (`str`, *optional*):
        Widths of the two streams, and their frozen encoders, if any.
    hidden_dim, num_attention_heads, intermediate_ratio (`int`):
        Width d of the network, heads of every attention, width of feed-forward networks in multiples of d.
    num_bottleneck_tokens, num_bottleneck_layers, num_decoder_layers (`int`):
        Tokens through which the modalities exchange, layers in which they do, and layers of the decoder.
    max_positions (`int`):
        Length of the learnt tables of positions; longer videos stretch them.
    input_dropout, dropout (`float`):
        Dropout of the features, and everywhere else.
    """

    model_type = "baseline_umt"
    method = "UMT (Liu et al., CVPR 2022)"
    modalities = ("visual", "semantic")

    visual_dim: int = 1024
    semantic_dim: int = 2048
    hidden_dim: int = 256
    num_attention_heads: int = 8
    intermediate_ratio: int = 4
    num_bottleneck_tokens: int = 4
    num_bottleneck_layers: int = 1
    num_decoder_layers: int = 1
    max_positions: int = 5000
    input_dropout: float | int = 0.5
    dropout: float | int = 0.1
    visual_backbone: str | None = None
    semantic_backbone: str | None = None

    def validate_architecture(self):
        super().validate_architecture()
        self._require_range(1, 256, "num_attention_heads", "intermediate_ratio", "num_bottleneck_tokens")
        self._require_range(1, 256, "num_bottleneck_layers", "num_decoder_layers")
        self._require_range(1, 65536, "hidden_dim")
        self._require_range(1, 2**20, "max_positions")
        self._require_range(0, 1, "input_dropout", "dropout")
        self._require_divisible("hidden_dim", self.num_attention_heads, "attention heads share it")


@strict
class TripleSummConfig(BaselineConfig):
    r"""
    Configuration of a [`TripleSummModel`]; the defaults are the published network for Mr.HiSum.

    modalities (`list[str]`):
        Which of `"visual"`, `"semantic"`, `"text"` it is given; the others are missing everywhere.
    visual_dim, semantic_dim, text_dim (`int`), visual_backbone, semantic_backbone (`str`, *optional*):
        Widths of the streams, and their frozen encoders, if any.
    hidden_dim, score_hidden_dim, num_attention_heads (`int`):
        Widths of the network, even, and of its head; heads of every attention.
    num_layers, num_temporal_blocks, num_fusion_blocks (`int`):
        Layers, and blocks over time and over the streams in each.
    window_seconds (`list[int]`):
        For every block over time, all layers in a row, how many seconds one attends to: an odd number, itself
        in the middle, or 0 for the whole video.
    dropout (`float`):
        Dropout everywhere.
    drop_missing (`bool`):
        Whether a missing stream is left out. As published, which is the default, it is one of zero features.
    """

    model_type = "baseline_triplesumm"
    method = "TripleSumm (Kim et al., ICLR 2026)"

    # A field here, and not of the class.
    modalities: list[str] | tuple[str, ...] = ("visual", "semantic", "text")  # type: ignore[assignment,misc]
    visual_dim: int = 1024
    semantic_dim: int = 768
    text_dim: int = 768
    hidden_dim: int = 128
    score_hidden_dim: int = 192
    num_attention_heads: int = 4
    num_layers: int = 2
    num_temporal_blocks: int = 2
    num_fusion_blocks: int = 2
    window_seconds: list[int] | tuple[int, ...] = (5, 15, 45, 0)
    dropout: float | int = 0.1
    drop_missing: bool = False
    visual_backbone: str | None = None
    semantic_backbone: str | None = None

    def validate_architecture(self):
        names, known = list(self.modalities), ["visual", "semantic", "text"]
        if not names or len(set(names)) < len(names) or not set(names) <= set(known):
            raise ValueError(f"`modalities` is {names}; it needs a non-empty selection of {known}.")
        super().validate_architecture()
        self._require_range(1, 256, "num_attention_heads", "num_layers")
        self._require_range(1, 256, "num_temporal_blocks", "num_fusion_blocks")
        self._require_range(1, 65536, "hidden_dim", "score_hidden_dim")
        self._require_range(0, 1, "dropout")
        self._require_divisible("hidden_dim", self.num_attention_heads, "attention heads share it")
        self._require_divisible("hidden_dim", 2, "positions have sines and cosines")
        windows, blocks = list(self.window_seconds), self.num_layers * self.num_temporal_blocks
        if len(windows) != blocks or any(not (one == 0 or (one > 0 and one % 2)) for one in windows):
            raise ValueError(
                f"`window_seconds` is {windows}; it needs {blocks} numbers, one a block, each odd or 0."
            )
        if self.stream_dropout and self.drop_missing:
            raise ValueError(
                f"`drop_missing` is True; `stream_dropout` ({self.stream_dropout}) needs it to be False: "
                "training puts zeros where a stream is left out."
            )


__all__ = [
    "BaselineConfig",
    "CSTAConfig",
    "JointVAConfig",
    "PGLSumConfig",
    "TripleSummConfig",
    "UMTConfig",
]
