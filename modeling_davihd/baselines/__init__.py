"""What DAViHD is measured against (Table 1 of the paper) and what any model has to beat: position, loudness.

All take the inputs of `DAViHDModel`, ignore those that `config.modalities` does not name, and give scores
(B, T) in [0, 1], 0 at padding; a video's scores in a padded batch equal its scores alone.

A further baseline is a file with a `BaselineModel` and its configuration, and a row of `BASELINES`.
"""

import importlib
from typing import Any

from ..lazy import LazyTable

# The models by `model_type` of their configurations, each imported when it is asked for.
BASELINES = LazyTable(
    __name__,
    {
        "baseline_pgl_sum": "pgl_sum.PGLSumModel",
        "baseline_csta": "csta.CSTAModel",
        "baseline_joint_va": "joint_va.JointVAModel",
        "baseline_umt": "umt.UMTModel",
        "baseline_triplesumm": "triplesumm.TripleSummModel",
        "baseline_position": "position.PositionModel",
        "baseline_loudness": "loudness.LoudnessModel",
    },
)


def __getattr__(name: str) -> Any:
    """`PGLSumModel` and `PGLSumConfig`, for example; naming one makes transformers' Auto classes know all."""
    if not name.endswith(("Model", "Config")):  # a module, which the import system then looks for
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    importlib.import_module("..registration", __name__)
    for model_class in BASELINES.values():
        for exported in (model_class, model_class.config_class):
            if exported.__name__ == name:
                return exported
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["BASELINES"]
