"""Foreign checkpoints to state dicts of our modules."""

from .checkpoints import (
    StateDict,
    convert_csta_state_dict,
    convert_inception_state_dict,
    convert_panns_state_dict,
    convert_pgl_sum_state_dict,
    convert_reference_state_dict,
    convert_resnet3d_state_dict,
    convert_umt_state_dict,
    load_foreign_checkpoint,
    load_pca,
    reference_config,
    strict_rename,
)
from .encoders import EncoderChoice, encoder_state, load_encoder

__all__ = [
    "EncoderChoice",
    "StateDict",
    "convert_csta_state_dict",
    "convert_inception_state_dict",
    "convert_panns_state_dict",
    "convert_pgl_sum_state_dict",
    "convert_reference_state_dict",
    "convert_resnet3d_state_dict",
    "convert_umt_state_dict",
    "encoder_state",
    "load_encoder",
    "load_foreign_checkpoint",
    "load_pca",
    "reference_config",
    "strict_rename",
]
