"""DAViHD: highlights of a video from its sound and its picture (arXiv 2602.03891)."""

import importlib

__version__ = "0.1.0"

# Loaded when first named, since transformers takes seconds; naming any of them registers the Auto classes.
_EXPORTS = {
    "DEFAULT_CHECKPOINT": "registration",
    "DAViHDConfig": "configuration_davihd",
    "DAViHDModel": "modeling_davihd",
    "DAViHDOutput": "modeling_davihd",
    "DAViHDFeatureExtractor": "feature_extraction_davihd",
    "VideoHighlightDetectionPipeline": "pipeline_davihd",
    "find_highlights": "highlights",
}

__all__ = list(_EXPORTS)


def __getattr__(name: str):
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    importlib.import_module(".registration", __name__)
    return getattr(importlib.import_module(f".{_EXPORTS[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_EXPORTS])
