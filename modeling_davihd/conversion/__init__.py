"""Foreign checkpoints to state dicts of our modules; each name's part is imported when it is asked for."""

from ..lazy import lazy_exports

# Loaded when first named.
_EXPORTS = {
    "EncoderChoice": "choice",
    "StateDict": "checkpoints",
    "convert_csta_state_dict": "baselines",
    "convert_inception_state_dict": "backbones",
    "convert_panns_state_dict": "backbones",
    "convert_pgl_sum_state_dict": "baselines",
    "convert_reference_state_dict": "davihd",
    "convert_resnet3d_state_dict": "backbones",
    "convert_triplesumm_state_dict": "baselines",
    "convert_umt_state_dict": "baselines",
    "convert_yamnet_state_dict": "yamnet",
    "encoder_state": "encoders",
    "load_encoder": "encoders",
    "load_foreign_checkpoint": "checkpoints",
    "load_pca": "backbones",
    "reference_config": "davihd",
    "strict_rename": "checkpoints",
    "triplesumm_config": "baselines",
    "weights_file": "encoders",
}

__all__ = list(_EXPORTS)
__getattr__, __dir__ = lazy_exports(globals(), _EXPORTS)
