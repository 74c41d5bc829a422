"""DAViHD: highlights of a video from its sound and its picture (arXiv 2602.03891)."""

from .lazy import lazy_exports

__version__ = "0.1.0"

# Loaded when first named.
_EXPORTS = {
    "DEFAULT_CHECKPOINT": "loading",
    "DAViHDConfig": "configuration_davihd",
    "DAViHDModel": "modeling_davihd",
    "DAViHDOutput": "modeling_davihd",
    "DAViHDFeatureExtractor": "feature_extraction_davihd",
    "VideoHighlightDetectionPipeline": "pipeline_davihd",
    "find_highlights": "highlights",
}

__all__ = list(_EXPORTS)
__getattr__, __dir__ = lazy_exports(globals(), _EXPORTS, registers=True)
