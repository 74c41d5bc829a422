"""What DAViHD is measured against (Table 1 of the paper) and what any model has to beat: position, loudness.

All take the inputs of `DAViHDModel`, ignore those that `config.modalities` does not name, and give scores
(B, T) in [0, 1], 0 at padding; a video's scores in a padded batch equal its scores alone.
"""

import importlib

# `model_type` of their configurations.
MODEL_TYPES = tuple(
    f"baseline_{name}" for name in ("pgl_sum", "csta", "joint_va", "umt", "position", "loudness")
)

# Loaded when first named, since transformers takes seconds; naming any of them registers the Auto classes.
_EXPORTS = {
    "CSTAConfig": "configuration_baselines",
    "CSTAModel": "csta",
    "JointVAConfig": "configuration_baselines",
    "JointVAModel": "joint_va",
    "LoudnessConfig": "configuration_rules",
    "LoudnessModel": "loudness",
    "PGLSumConfig": "configuration_baselines",
    "PGLSumModel": "pgl_sum",
    "PositionConfig": "configuration_rules",
    "PositionModel": "position",
    "UMTConfig": "configuration_baselines",
    "UMTModel": "umt",
}

__all__ = list(_EXPORTS)


def __getattr__(name: str):
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    importlib.import_module("..registration", __name__)
    return getattr(importlib.import_module(f".{_EXPORTS[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_EXPORTS])
