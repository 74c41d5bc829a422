"""Google's YAMNet, as its yamnet.h5 of Keras has it -> `YAMNetBackbone`, which has no batch norms."""

from collections.abc import Iterator, Mapping

from torch import Tensor

from ..backbones_davihd import YAMNetBackbone
from ..wording import some
from .checkpoints import ForeignState, Signature, StateDict, expected_state, strict_rename

YAMNET = Signature("YAMNet", ("layer1.conv.", "layer14.pointwise_conv."), "semantic_backbone.")

EPSILON = 1e-4  # of the batch norms, which have no scale
_NORM = {"beta": "beta", "mean": "moving_mean", "variance": "moving_variance"}


def convert_yamnet_state_dict(state_dict: Mapping[str, Tensor]) -> StateDict:
    """The published YAMNet -> `YAMNetBackbone`, in float32, each batch norm folded into its convolution.

    Weights of ours, of any precision, will do in place of the published ones. Raises ValueError on a key
    missing or left over, and on numbers that are not finite and variances below zero.
    """
    state, expected = ForeignState.of(state_dict), expected_state(YAMNetBackbone)
    state = state.part(YAMNET.place) or state
    if any(key.endswith("kernel") for key in state):
        published = strict_rename(state, dict(_published(expected)), _same_classifier, YAMNET.title)
        return _folded(published, state)
    stored = strict_rename(state, expected, str, YAMNET.title)
    return {name: tensor.float() for name, tensor in stored.items()}


def _same_classifier(key: str) -> str:
    """The file has had two names for it."""
    return key.replace("logits.", "dense.") if key.startswith("logits.") else key


def _published(expected: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """What Keras calls the weights of each of our layers, and their shapes there."""
    for name, tensor in expected.items():
        layer, _, kind = name.rpartition(".")
        if kind == "weight":
            yield _kernel(layer), _axes(layer, tensor, back=True)
        elif layer == "dense":
            yield name, tensor
        else:
            yield from ((f"{layer}.bn.{part}", tensor) for part in _NORM.values())


def _kernel(layer: str) -> str:
    return f"{layer}.depthwise_kernel" if layer.endswith("depthwise_conv") else f"{layer}.kernel"


def _axes(layer: str, weight: Tensor, back: bool = False) -> Tensor:
    """Axes of Keras, (height, width, in, out) or (in, out), in our order, or back; a channel of a depthwise
    convolution counts as in there and as out here."""
    if layer == "dense":
        return weight.T
    if layer.endswith("depthwise_conv"):
        return weight.permute(2, 3, 0, 1)
    return weight.permute(2, 3, 1, 0) if back else weight.permute(3, 2, 0, 1)


def _folded(published: StateDict, state: ForeignState) -> StateDict:
    variances = {name for name, one in published.items() if name.endswith(_NORM["variance"])}
    if wrong := [name for name in variances if bool((published[name] < 0).any())]:
        raise ValueError(
            f"The {YAMNET.title} checkpoint has variances below zero in {some(map(state.own_name, wrong))}."
        )
    folded = {}
    for name in expected_state(YAMNetBackbone):
        layer, _, kind = name.rpartition(".")
        if layer == "dense":
            folded[name] = published[name] if kind == "bias" else published["dense.kernel"].T
            continue
        norm = {part: published[f"{layer}.bn.{key}"].double() for part, key in _NORM.items()}
        scale = (norm["variance"] + EPSILON).rsqrt()
        if kind == "bias":
            folded[name] = norm["beta"] - norm["mean"] * scale
        else:
            folded[name] = _axes(layer, published[_kernel(layer)].double()) * scale[:, None, None, None]
    return {name: tensor.float().contiguous() for name, tensor in folded.items()}
