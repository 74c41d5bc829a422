"""Makes transformers' Auto classes and `pipeline(...)` know DAViHD, without a trust flag."""

from pathlib import Path

from transformers import AutoConfig, AutoFeatureExtractor, AutoModel
from transformers.pipelines import PIPELINE_REGISTRY

from .configuration_davihd import DAViHDConfig
from .feature_extraction_davihd import DAViHDFeatureExtractor
from .modeling_davihd import DAViHDModel
from .pipeline_davihd import VideoHighlightDetectionPipeline

DEFAULT_CHECKPOINT = Path(__file__).parent / "checkpoints" / "davihd-small"

AutoConfig.register("davihd", DAViHDConfig)
AutoModel.register(DAViHDConfig, DAViHDModel)
AutoFeatureExtractor.register(DAViHDConfig, DAViHDFeatureExtractor)
PIPELINE_REGISTRY.register_pipeline(
    "video-highlight-detection",
    pipeline_class=VideoHighlightDetectionPipeline,
    pt_model=AutoModel,
    type="video",
)
