"""Makes transformers' Auto classes and `pipeline(...)` know our models, without a trust flag."""

from transformers import AutoConfig, AutoFeatureExtractor, AutoModel, PreTrainedModel
from transformers.pipelines import PIPELINE_REGISTRY

from .baselines import BASELINES
from .configuration_davihd import DAViHDConfig
from .feature_extraction_davihd import DAViHDFeatureExtractor
from .modeling_davihd import DAViHDModel
from .pipeline_davihd import VideoHighlightDetectionPipeline


def register(model_class: type[PreTrainedModel]) -> None:
    """Let the Auto classes know this model, its configuration and the feature extractor."""
    config_class = model_class.config_class
    AutoConfig.register(config_class.model_type, config_class)
    AutoModel.register(config_class, model_class)
    AutoFeatureExtractor.register(config_class, DAViHDFeatureExtractor)


# `save_pretrained` then writes the code too, for machines without this package.
DAViHDConfig.register_for_auto_class()
DAViHDModel.register_for_auto_class()
DAViHDFeatureExtractor.register_for_auto_class()

for known in (DAViHDModel, *BASELINES.values()):
    register(known)
PIPELINE_REGISTRY.register_pipeline(
    "video-highlight-detection",
    pipeline_class=VideoHighlightDetectionPipeline,
    pt_model=AutoModel,
    type="video",
)
DAViHDConfig.pipeline_is_registered = True
