"""Foreign checkpoints to state dicts of our modules; each name's part is imported when it is asked for."""

from ..lazy import LazyTable

_EXPORTS = LazyTable(
    __name__,
    {
        "EncoderChoice": "encoders.EncoderChoice",
        "StateDict": "checkpoints.StateDict",
        "convert_csta_state_dict": "baselines.convert_csta_state_dict",
        "convert_inception_state_dict": "backbones.convert_inception_state_dict",
        "convert_panns_state_dict": "backbones.convert_panns_state_dict",
        "convert_pgl_sum_state_dict": "baselines.convert_pgl_sum_state_dict",
        "convert_reference_state_dict": "davihd.convert_reference_state_dict",
        "convert_resnet3d_state_dict": "backbones.convert_resnet3d_state_dict",
        "convert_umt_state_dict": "baselines.convert_umt_state_dict",
        "encoder_state": "encoders.encoder_state",
        "load_encoder": "encoders.load_encoder",
        "load_foreign_checkpoint": "checkpoints.load_foreign_checkpoint",
        "load_pca": "backbones.load_pca",
        "reference_config": "davihd.reference_config",
        "strict_rename": "checkpoints.strict_rename",
    },
)

__all__ = list(_EXPORTS)


def __getattr__(name: str) -> object:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _EXPORTS[name]


def __dir__() -> list[str]:
    return sorted([*globals(), *_EXPORTS])
