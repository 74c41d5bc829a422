"""DAViHD: highlights of a video from its sound and its picture (arXiv 2602.03891)."""

from typing import TYPE_CHECKING

from .lazy import lazy_exports

if TYPE_CHECKING:
    from .configuration_davihd import DAViHDConfig as DAViHDConfig
    from .feature_extraction_davihd import DAViHDFeatureExtractor as DAViHDFeatureExtractor
    from .highlights import find_highlights as find_highlights
    from .loading import DEFAULT_CHECKPOINT as DEFAULT_CHECKPOINT
    from .modeling_davihd import DAViHDModel as DAViHDModel
    from .modeling_davihd import DAViHDOutput as DAViHDOutput
    from .pipeline_davihd import VideoHighlightDetectionPipeline as VideoHighlightDetectionPipeline

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
