"""What DAViHD is measured against (Table 1 of the paper) and what any model has to beat: position, loudness.

All take the inputs of `DAViHDModel`, ignore those that `config.modalities` does not name, and give scores
(B, T) in [0, 1], 0 at padding; a video's scores in a padded batch equal its scores alone.
"""

from ..lazy import lazy_exports

# `model_type` of their configurations.
MODEL_TYPES = tuple(
    f"baseline_{name}" for name in ("pgl_sum", "csta", "joint_va", "umt", "position", "loudness")
)

# Loaded when first named.
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
__getattr__, __dir__ = lazy_exports(globals(), _EXPORTS, registers=True)
