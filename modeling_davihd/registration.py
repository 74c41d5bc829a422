"""Makes transformers' Auto classes and `pipeline(...)` know our models, without a trust flag."""

from transformers import AutoConfig, AutoFeatureExtractor, AutoModel
from transformers.pipelines import PIPELINE_REGISTRY

from .baselines.csta import CSTAModel
from .baselines.joint_va import JointVAModel
from .baselines.loudness import LoudnessModel
from .baselines.pgl_sum import PGLSumModel
from .baselines.position import PositionModel
from .baselines.umt import UMTModel
from .configuration_davihd import DAViHDConfig
from .feature_extraction_davihd import DAViHDFeatureExtractor
from .modeling_davihd import DAViHDModel
from .pipeline_davihd import VideoHighlightDetectionPipeline

# `save_pretrained` then writes the code too, for machines without this package.
DAViHDConfig.register_for_auto_class()
DAViHDModel.register_for_auto_class()
DAViHDFeatureExtractor.register_for_auto_class()

MODELS = (DAViHDModel, PGLSumModel, CSTAModel, JointVAModel, UMTModel, PositionModel, LoudnessModel)
for model_class in MODELS:
    config_class = model_class.config_class
    AutoConfig.register(config_class.model_type, config_class)
    AutoModel.register(config_class, model_class)
    AutoFeatureExtractor.register(config_class, DAViHDFeatureExtractor)
PIPELINE_REGISTRY.register_pipeline(
    "video-highlight-detection",
    pipeline_class=VideoHighlightDetectionPipeline,
    pt_model=AutoModel,
    type="video",
)
DAViHDConfig.pipeline_is_registered = True
