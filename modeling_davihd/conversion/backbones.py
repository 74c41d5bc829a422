"""Published weights of the frozen encoders, and the PCA that follows Inception-v3.

A checkpoint of ours that holds the encoder will do in place of the published one.
"""

import os
import zipfile
import zlib
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from ..backbones_davihd import (
    INCEPTION_FEATURES,
    InceptionV3Backbone,
    PANNsCNN14Backbone,
    ResNet3D34Backbone,
    panns_mel_filters,
)
from ..wording import some
from .checkpoints import (
    ForeignState,
    Signature,
    StateDict,
    check_shape,
    expected_state,
    rename_published,
    unpacked_size,
)

CNN14 = Signature("PANNs CNN14 (16 kHz)", ("bn0.", "conv_block1."), "semantic_backbone.")
RESNET3D_34 = Signature("3D ResNet-34", ("conv1.", "layer1.0.", "layer4.0."), "visual_backbone.")
INCEPTION_V3 = Signature("Inception-v3", ("Conv2d_1a_3x3.", "Mixed_7c."), "visual_backbone.network.")

LARGEST_PCA = 8 * 2 * INCEPTION_FEATURES**2  # bytes: twice those of all components


def convert_panns_state_dict(state_dict: Mapping[str, Tensor]) -> StateDict:
    """The published Cnn14_16k -> `PANNsCNN14Backbone`.

    The tag classifier and the front end are left out; raises ValueError if its mel filters are not ours.
    """
    state, source = ForeignState.of(state_dict), CNN14.title
    if stored := state.part(CNN14.place):
        state = stored  # a checkpoint of ours, which has no front end
    else:
        _check_mel_filters(state, "logmel_extractor.melW", source)
    unused = ("spectrogram_extractor.", "logmel_extractor.", "fc_audioset.")
    return rename_published(state, expected_state(PANNsCNN14Backbone), str, source, unused)


def _check_mel_filters(state: ForeignState, key: str, source: str) -> None:
    own_name = state.own_name(key)
    if key not in state:
        raise ValueError(f"The {source} checkpoint lacks {own_name}.")
    filters = panns_mel_filters(torch.device("cpu"))
    check_shape(source, own_name, state[key], filters.shape)
    difference = (state[key].float() - filters).abs().max() / filters.max()
    if not difference < 1e-4:
        raise ValueError(
            f"The {source} checkpoint's {own_name} is not the Slaney filter bank from 50 to 8000 Hz."
        )


def convert_resnet3d_state_dict(state_dict: Mapping[str, Tensor]) -> StateDict:
    """A published 3D ResNet-34 with shortcut type B -> `ResNet3D34Backbone`; its classifier is left out.

    Type A checkpoints (resnet-34-kinetics.pth of 2017) have no downsample weights and are refused for that.
    """
    state = ForeignState.of(state_dict)
    state = state.part(RESNET3D_34.place) or state
    return rename_published(state, expected_state(ResNet3D34Backbone), str, RESNET3D_34.title, ("fc.",))


def convert_inception_state_dict(state_dict: Mapping[str, Tensor]) -> StateDict:
    """torchvision's or timm's inception_v3 -> the `network.` part of `InceptionV3Backbone`.

    Both use the same names. The classifiers fc and AuxLogits are left out; `load_pca` gives the PCA.
    """
    state = ForeignState.of(state_dict)
    state = state.part(INCEPTION_V3.place) or state
    whole = expected_state(InceptionV3Backbone)
    expected = {key: value for key, value in whole.items() if key.startswith("network.")}

    def published(key: str) -> str:
        return key.removeprefix("network.")

    return rename_published(state, expected, published, INCEPTION_V3.title, ("fc.", "AuxLogits."))


def load_pca(path: str | os.PathLike) -> StateDict:
    """The PCA of `InceptionV3Backbone`: `mean` (2048,), `projection` (D, 2048), `scale` (D,), all float32.

    The file is one of:
    - .npz with `mean` (2048,) and `components` (D, 2048), and optionally either `explained_variance` (D,),
      whose inverse root becomes the scale, or `scale` (D,) itself. Without them the scale is 1: no whitening.
    - .npy with the projection alone, (D, 2048) or (2048, D) with D < 2048. The mean is 0 and the scale 1.

    YouTube-8M's whitening adds 1e-4 to the eigenvalues: store 1 / sqrt(eigenvalues + 1e-4) as `scale`.
    Raises ValueError naming the file on any other content. Pickled content is never executed.
    """
    content = _read_numpy(path)
    arrays = content if isinstance(content, dict) else _pca_from_projection(content, path)
    _check_pca_names(arrays, path)
    _check_pca_values(arrays, path)
    components = arrays["components"]
    scale = arrays.get("scale", np.ones(len(components)))
    if "explained_variance" in arrays:
        scale = arrays["explained_variance"] ** -0.5
    pca = {"mean": arrays["mean"], "projection": components, "scale": scale}
    return {name: torch.from_numpy(np.array(array, dtype=np.float32)) for name, array in pca.items()}


def _read_numpy(path: str | os.PathLike) -> np.ndarray | dict[str, np.ndarray]:
    try:
        if (unpacked := unpacked_size(path)) > LARGEST_PCA:
            raise ValueError(f"it would unpack to {unpacked >> 20} MB")
        content = np.load(path, allow_pickle=False, mmap_mode="r")  # of .npy; its header may lie
        if isinstance(content, np.ndarray):
            return content
        with content:
            return dict(content)
    except (ValueError, EOFError, MemoryError, OverflowError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path} is not a readable .npy or .npz file of plain numbers: {error}.") from error


def _pca_from_projection(projection: np.ndarray, path: str | os.PathLike) -> dict[str, np.ndarray]:
    shape = projection.shape
    if len(shape) != 2 or max(shape) != INCEPTION_FEATURES or min(shape) == INCEPTION_FEATURES:
        needed = "(D, 2048) or (2048, D) with D < 2048"
        raise ValueError(f"{path} holds an array of shape {shape}, but {needed} is needed.")
    components = projection if shape[1] == INCEPTION_FEATURES else projection.T
    return {"mean": np.zeros(INCEPTION_FEATURES), "components": components}


def _check_pca_names(arrays: dict[str, np.ndarray], path: str | os.PathLike) -> None:
    required, scales = {"mean", "components"}, {"explained_variance", "scale"}
    optional = arrays.keys() - required
    if not required <= arrays.keys() or len(optional) > 1 or not optional <= scales:
        raise ValueError(
            f"{path} holds {some(arrays) or 'nothing'}, but mean and components are needed, "
            "with at most one of explained_variance and scale."
        )


def _check_pca_values(arrays: dict[str, np.ndarray], path: str | os.PathLike) -> None:
    shape = arrays["components"].shape
    if len(shape) != 2 or shape[1] != INCEPTION_FEATURES or shape[0] == 0:
        raise ValueError(f"{path} holds components of shape {shape}, but (D, 2048) is needed.")
    for name, array in arrays.items():
        needed = {"mean": shape[1:], "components": shape}.get(name, shape[:1])
        if array.shape != needed:
            raise ValueError(f"{path} holds {name} of shape {array.shape}, but {needed} is needed.")
        if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
            raise ValueError(f"{path} holds {name} that is not made of finite numbers.")
    if (arrays.get("explained_variance", np.ones(1)) <= 0).any():
        raise ValueError(f"{path} holds explained_variance that is not positive everywhere.")
