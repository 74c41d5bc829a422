"""The PCA that follows Inception-v3, fitted on films of your own -> a .npz file for --visual-pca.

    pip install ".[research]"
    python datasets_scripts/fit_pca.py --videos DIR --weights inception_v3.pth --out pca.npz [--whiten]

One frame a second goes through Inception-v3; scikit-learn's IncrementalPCA takes the 2048 pooled features in
batches, so memory does not grow with the corpus. `modeling_davihd.conversion.load_pca` reads the file.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from sklearn.decomposition import IncrementalPCA
from tqdm import tqdm

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from datasets_scripts.building.console import run_dataset_command
from datasets_scripts.building.media_folders import list_files
from modeling_davihd.backbones_davihd import INCEPTION_FEATURES, InceptionV3Backbone
from modeling_davihd.conversion import convert_inception_state_dict, load_foreign_checkpoint
from modeling_davihd.engines.errors import DatasetError
from modeling_davihd.engines.shards import writing
from modeling_davihd.feature_extraction_davihd import DAViHDFeatureExtractor
from modeling_davihd.files import whole
from modeling_davihd.media import FrameSampling, MediaError, stream_segments

COMPONENTS = 1024
BATCH = 2048  # rows at a time, at least; scikit-learn needs no fewer than there are components
WHITENING = 1e-4  # added to the eigenvalues before their square root is taken, as YouTube-8M does


def fit_pca(features: Iterable[np.ndarray], components: int) -> IncrementalPCA:
    """The PCA of rows (n, D) that arrive in pieces. Raises DatasetError for fewer rows than components."""
    pca, held, rows = IncrementalPCA(components), [], 0
    size = max(BATCH, components)
    for piece in features:
        held.append(piece)
        rows += len(piece)
        while rows >= 2 * size:  # so that a whole batch at least is left for the end
            ready = np.concatenate(held)
            pca.partial_fit(ready[:size])
            held, rows = [ready[size:]], rows - size
    if rows < components:
        raise DatasetError(
            f"The videos have {rows} frames, one a second, but {components} components need as many."
        )
    return pca.partial_fit(np.concatenate(held))


def save_pca(path: Path, pca: IncrementalPCA, whiten: bool) -> None:
    """Write `mean`, `components` and, for whitening, `scale`, all float32."""
    arrays = {"mean": pca.mean_, "components": pca.components_}
    if whiten:
        arrays["scale"] = (pca.explained_variance_ + WHITENING) ** -0.5
    with writing(path), whole(path) as partial, partial.open("wb") as file:
        np.savez(file, **{name: array.astype(np.float32) for name, array in arrays.items()})


def pooled_features(paths: Sequence[Path], weights: Path) -> Iterator[np.ndarray]:
    """(seconds, 2048) of each film in turn, in chunks. Unreadable films are named on stderr and left out."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    backbone = _inception(weights).to(device)
    extractor = DAViHDFeatureExtractor(image_mean=backbone.image_mean, image_std=backbone.image_std)
    sampling = FrameSampling(1, backbone.image_size, backbone.image_size)
    for path in tqdm(paths, unit="video", disable=None, desc="fitting the PCA"):
        try:
            for chunk in stream_segments(path, audio=False, frames=sampling):
                yield backbone(extractor.normalise(chunk.frames).to(device)).cpu().numpy()
        except MediaError as error:
            tqdm.write(f"Left out: {error}", file=sys.stderr)


def _inception(weights: Path) -> InceptionV3Backbone:
    """The network with a PCA that changes nothing. Raises DatasetError for other weights."""
    try:
        state = convert_inception_state_dict(load_foreign_checkpoint(weights))
    except (FileNotFoundError, ValueError) as error:
        raise DatasetError(str(error)) from error
    size = INCEPTION_FEATURES
    state |= {"mean": torch.zeros(size), "projection": torch.eye(size), "scale": torch.ones(size)}
    backbone = InceptionV3Backbone(size)
    backbone.load_state_dict(state)
    return backbone.float()


def fit_pca_to_videos(
    videos: Path, weights: Path, out: Path, *, components: int = COMPONENTS, whiten: bool = False
) -> IncrementalPCA:
    """Fit the PCA to one frame a second of each film, and write it to the .npz file `out`.

    videos: a folder of films, or a text file naming them. weights: Inception-v3's checkpoint.
    Raises DatasetError for films that are not there, other weights, and fewer frames than components.
    """
    pca = fit_pca(pooled_features(list_files(videos), weights), components)
    save_pca(out, pca, whiten)
    return pca


def main(arguments: list[str] | None = None) -> int:
    """Command line. Exit status 0, 1 for wrong data, 2 for wrong usage."""
    parser = argparse.ArgumentParser(description="Fit the PCA that follows Inception-v3.")
    parser.add_argument(
        "--videos", type=Path, required=True, help="folder of films, or a text file naming them"
    )
    parser.add_argument(
        "--weights", type=Path, required=True, metavar="FILE", help="Inception-v3's checkpoint"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="PCA.npz", help="file to write")
    parser.add_argument("--components", type=int, default=COMPONENTS, help="default %(default)s")
    parser.add_argument("--whiten", action="store_true", help="scale to unit variance, as YouTube-8M does")
    options = parser.parse_args(arguments)
    if not 1 <= options.components <= INCEPTION_FEATURES:
        parser.error(f"--components is {options.components}; it needs to be from 1 to {INCEPTION_FEATURES}")
    if options.out.suffix != ".npz":
        parser.error(f"--out is {options.out}; its name needs to end in .npz")
    return run_dataset_command(lambda: _fit(options), parser.prog)


def _fit(options: argparse.Namespace) -> None:
    pca = fit_pca_to_videos(
        options.videos, options.weights, options.out, components=options.components, whiten=options.whiten
    )
    share, frames = pca.explained_variance_ratio_.sum(), int(pca.n_samples_seen_)
    print(f"{options.out}  {options.components} components, {share:.1%} of the variance of {frames} frames")


if __name__ == "__main__":
    sys.exit(main())
