"""The kinds of published checkpoints that are known, and the model that each becomes."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from torch import Tensor
from transformers import AutoConfig, PreTrainedConfig, PreTrainedModel

from .. import registration  # noqa: F401  (makes our model types known)
from ..backbones_davihd import FrozenBackbone, backbone_class
from ..baselines import BASELINES, CSTAModel, PGLSumModel, TripleSummModel, UMTModel
from ..configuration_davihd import DAViHDConfig
from ..feature_extraction_davihd import DAViHDFeatureExtractor, feature_extractor_for
from ..modeling_davihd import DAViHDModel
from ..streams_davihd import STREAMS
from ..wording import short
from . import backbones, baselines, davihd, yamnet
from .checkpoints import ForeignState, Signature, StateDict, load_foreign_checkpoint
from .encoders import converted


@dataclass(frozen=True)
class Kind:
    """A published network. origin: where it comes from. terms: those of its code, as far as is known."""

    name: str
    signature: Signature
    origin: str
    terms: str

    @property
    def title(self) -> str:
        return self.signature.title


@dataclass(frozen=True)
class ScoringKind(Kind):
    """One that scores the seconds of a film.

    sizes: the fields of its config that weights tell. convert: weights to those of `model_class(config)`.
    presets: the folder of configuration/ that says the rest, by the width of visual features; none where the
        defaults of the config do.
    published: those of `sizes` by which a network is known to be a published one, which the defaults fit; one
        of other sizes needs its own config, as weights do not tell all.
    from_hyper: hyper-parameters under the names of the authors' code to a config.
    """

    model_class: type[PreTrainedModel]
    sizes: Callable[[Mapping[str, Tensor]], dict[str, Any]]
    convert: Callable[[Mapping[str, Tensor], PreTrainedConfig], StateDict]
    presets: Mapping[int, str] = field(default_factory=dict)
    published: Mapping[str, int] = field(default_factory=dict)
    from_hyper: Callable[[Mapping[str, Any]], PreTrainedConfig] = davihd.reference_config


@dataclass(frozen=True)
class EncoderKind(Kind):
    """A frozen encoder of that name, for the features of that stream."""

    stream: str
    backbone: str

    @property
    def encoder(self) -> type[FrozenBackbone]:
        return backbone_class(self.stream, self.backbone)


_KINDS: list[Kind] = [
    ScoringKind(
        name="davihd",
        signature=davihd.REFERENCE,
        origin="the code that Joo and Oh released with arXiv 2602.03891",
        terms="those of its authors' repository",
        model_class=DAViHDModel,
        sizes=davihd.reference_sizes,
        convert=davihd.convert_reference_state_dict,
        presets={1024: "davihd-mrhisum-reference", 512: "davihd-tvsum-reference"},
    ),
    ScoringKind(
        name="pgl-sum",
        signature=baselines.PGL_SUM,
        origin="https://github.com/e-apostolidis/PGL-SUM",
        terms="its own licence: academic, non-commercial use",
        model_class=PGLSumModel,
        sizes=baselines.pgl_sum_sizes,
        convert=baselines.convert_pgl_sum_state_dict,
    ),
    ScoringKind(
        name="umt",
        signature=baselines.UMT,
        origin="https://github.com/TencentARC/UMT",
        terms="BSD-3-Clause",
        model_class=UMTModel,
        sizes=baselines.umt_sizes,
        convert=baselines.convert_umt_state_dict,
    ),
    ScoringKind(
        name="csta",
        signature=baselines.CSTA,
        origin="https://github.com/thswodnjs3/CSTA",
        terms="MIT",
        model_class=CSTAModel,
        sizes=baselines.csta_sizes,
        convert=baselines.convert_csta_state_dict,
    ),
    ScoringKind(
        name="triplesumm",
        signature=baselines.TRIPLESUMM,
        origin="https://github.com/smkim37/TripleSumm",
        terms="MIT",
        model_class=TripleSummModel,
        sizes=baselines.triplesumm_sizes,
        convert=baselines.convert_triplesumm_state_dict,
        published={"hidden_dim": 128, "score_hidden_dim": 192},
        from_hyper=baselines.triplesumm_config,
    ),
    EncoderKind(
        name="cnn14",
        signature=backbones.CNN14,
        origin="https://github.com/qiuqiangkong/audioset_tagging_cnn",
        terms="MIT",
        stream="semantic",
        backbone="panns_cnn14_16k",
    ),
    EncoderKind(
        name="yamnet",
        signature=yamnet.YAMNET,
        origin="https://github.com/tensorflow/models/tree/master/research/audioset/yamnet",
        terms="Apache-2.0",
        stream="semantic",
        backbone="yamnet",
    ),
    EncoderKind(
        name="inception-v3",
        signature=backbones.INCEPTION_V3,
        origin="torchvision or timm",
        terms="BSD-3-Clause (torchvision) or Apache-2.0 (timm)",
        stream="visual",
        backbone="inception_v3",
    ),
    EncoderKind(
        name="resnet3d-34",
        signature=backbones.RESNET3D_34,
        origin="https://github.com/kenshohara/3D-ResNets-PyTorch",
        terms="MIT",
        stream="visual",
        backbone="resnet3d_34",
    ),
]
KINDS = {kind.name: kind for kind in _KINDS}


def open_checkpoint(
    path: Path, name: str | None = None, entry: str | None = None
) -> tuple[Kind, ForeignState]:
    """What a file is by its keys, and its weights; `name` is the kind that it has to be.

    entry: see `load_foreign_checkpoint`, which says what is raised, too.
    """
    kinds = _KINDS if name is None else [KINDS[name]]
    state = load_foreign_checkpoint(path, [kind.signature for kind in kinds], entry)
    fitting = [kind for kind in kinds if kind.signature.fits(state)]
    if len(fitting) > 1:
        names = ", ".join(kind.name for kind in fitting)
        raise ValueError(f"{path} holds more than one known network; `kind` says which: {names}.")
    return fitting[0], state


def preset(kind: ScoringKind, state: Mapping[str, Tensor]) -> str | None:
    """The folder of configuration/ for such a checkpoint, if it needs one. ValueError if there is none."""
    if not kind.presets:
        return None
    width = kind.sizes(state)["visual_dim"]
    if width not in kind.presets:
        known = " and ".join(map(str, kind.presets))
        raise ValueError(
            f"Its visual features are {width} wide, and there are presets for {known}; its own config is "
            "needed, as weights do not tell heads, pooling and temperature."
        )
    return kind.presets[width]


def config_of(kind: ScoringKind, state: Mapping[str, Tensor], file: Path | None) -> PreTrainedConfig:
    """The config of a checkpoint: that of a file, which has to fit, or the defaults with the weights' sizes.

    Raises ValueError naming what differs.
    """
    sizes = kind.sizes(state)
    if file is None:
        for name, size in kind.published.items():
            if sizes[name] != size:
                raise ValueError(
                    f"Its {name} is {sizes[name]}, and that of the published networks {size}; its own config "
                    "is needed, as weights do not tell heads, windows and layers."
                )
        return kind.model_class.config_class(**sizes)
    config = read_config(file, kind.from_hyper)
    if config.model_type != (needed := kind.model_class.config_class.model_type):
        raise ValueError(
            f"{file} is the config of a {config.model_type} model; that of a {needed} is needed."
        )
    there = {name: getattr(config, name) for name in sizes}
    there = {name: list(value) if isinstance(value, tuple) else value for name, value in there.items()}
    if differing := [
        f"{name} {sizes[name]} and not {there[name]}" for name in sizes if sizes[name] != there[name]
    ]:
        raise ValueError(f"{file} is not its config: the weights have {', '.join(differing)}.")
    return config


def read_config(
    path: Path, from_hyper: Callable[[Mapping[str, Any]], PreTrainedConfig] = davihd.reference_config
) -> PreTrainedConfig:
    """The config in a JSON file or in the config.json of a folder.

    Hyper-parameters under the names of the authors' code go through `from_hyper`. Raises ValueError naming
    the file.
    """
    file = path / "config.json" if path.is_dir() else path
    try:
        fields = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ValueError(f"There is no config file {file}.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{file} is not a readable JSON file: {error}") from error
    if not isinstance(fields, dict):
        raise ValueError(f"{file} holds no JSON object.")
    known = ("davihd", *BASELINES)
    if (kind := fields.get("model_type", "davihd")) not in known:
        raise ValueError(
            f"{file} is the config of a {short(kind)} model; one of {', '.join(known)} is needed."
        )
    try:
        return AutoConfig.for_model(**fields) if "model_type" in fields else from_hyper(fields)
    except (StrictDataclassError, TypeError, AttributeError, KeyError, ValueError) as error:
        raise ValueError(f"{file} does not hold: {error.__cause__ or error}") from error


def extractor_for(config: PreTrainedConfig) -> DAViHDFeatureExtractor:
    """The feature extractor that makes what a model reads."""
    names = [stream.raw or stream.column for stream in config.streams if stream.is_of_films]
    settings = config.log_mel_settings if "log_mel" in names else {}
    return feature_extractor_for(
        getattr(config, "visual_backbone", None), [*names, "attention_mask"], **settings
    )


def scoring_model(
    kind: ScoringKind, state: Mapping[str, Tensor], config: PreTrainedConfig
) -> PreTrainedModel:
    """The model of a checkpoint. Raises ValueError, naming keys as the file does, unless all of it fits."""
    weights = kind.convert(state, config)
    with torch.device("meta"):  # spares drawing weights that are there already
        model = kind.model_class(config)
    model.load_state_dict(_of_their_own(weights), assign=True)
    return model.eval()


def encoder_weights(kind: EncoderKind, state: Mapping[str, Tensor], pca: Path | None) -> StateDict:
    """The weights of an encoder, its PCA included. Raises ValueError, naming keys as the file does."""
    if kind.encoder.needs_pca and pca is None:
        raise ValueError(f"{kind.title} needs the PCA of its features; datasets_scripts/fit_pca.py fits one.")
    if pca is not None and not kind.encoder.needs_pca:
        raise ValueError(f"{kind.title} reads no PCA, but {pca} is given.")
    weights = _of_their_own(converted(kind.encoder, state))
    return weights if pca is None else weights | backbones.load_pca(pca)


def _of_their_own(weights: StateDict) -> StateDict:
    """Copies that lie in memory as they are stored: tensors of a file may share theirs, or skip in it.

    Step counters, which an average of models may hold as real numbers, become whole.
    """
    copies = {
        name: one.detach().clone(memory_format=torch.contiguous_format) for name, one in weights.items()
    }
    counters = {name: one.long() for name, one in copies.items() if name.endswith(".num_batches_tracked")}
    return copies | counters


def blank_model(kind: EncoderKind, weights: StateDict) -> DAViHDModel:
    """A small network for an encoder's features, all zero: it gives every second the score 0.5.

    An encoder alone is put into it, to be a model that loads and that claims nothing.
    """
    width = kind.encoder.dim_of(weights)
    widths = {STREAMS[kind.stream].dim_field: width, "projection_dim": 8, "score_hidden_dim": 1}
    config = DAViHDConfig(modalities=[kind.stream], **widths)
    model = DAViHDModel(config)
    model.load_state_dict({name: torch.zeros_like(one) for name, one in model.state_dict().items()})
    return model.eval()
