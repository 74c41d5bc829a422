"""Which frozen encoder makes the features of a stream, said without importing any."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class EncoderChoice:
    """Which frozen encoder makes the features of a stream, and where its weights are.

    name: in `BACKBONES`. weights: its published checkpoint, if it needs one; without a file, that which comes
    with this package, if one does. pca: the .npz or .npy file of its PCA, as `load_pca` reads it, if it needs
    one.
    """

    name: str
    weights: Path | None = None
    pca: Path | None = None
