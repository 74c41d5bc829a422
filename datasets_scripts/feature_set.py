"""Features and labels that are published without their videos -> a dataset.

    pip install ".[research]"
    python datasets_scripts/feature_set.py --data DIR --name mrhisum --out DIR
    python datasets_scripts/feature_set.py --data USER/NAME --name mosu --out DIR    # a dataset of the Hub
    python datasets_scripts/feature_set.py --data DIR --name svhighlights --out DIR

mrhisum, mosu, kosum: Mr.HiSum, MoSu and KoSum as TripleSumm's authors publish them. --data holds, in a
folder of the set's name or right away,

    NAME_split.json          train_keys, val_keys, test_keys: the ids, by which everything else is looked up
    NAME_gt.h5               of each id gt_score (T,), gt_summary (T,) and change_points (shots, 2)
    NAME_feat_visual_*.h5    of each id an array (T, width), one row a second; so, too, for text and audio

and what * stands for names the encoder. The columns are visual_features, text_features and, of the audio,
semantic_features; numbers stay float16 or float32. The splits are those of the files. What is known of KoSum
is that its layout is the same: its widths are taken from its files.

svhighlights: hours of sport, labelled 0 or 1 in clips of two seconds, each of which becomes two rows.

    annotations/label.json     [{"vid": "soccer_1", "saliency_scores": [0, 1, ...]}, ...]
    annotations/volume.json    {"soccer_1": [-21.4, ...], ...}: the loudness of each clip, in dBFS
    features/SPORT/vid_clip, vid_slowfast, aud_pann    of each video an array (clips, width)
    svhighlights_split.json    none is published; with this file, in the form above, the splits are yours

CLIP's features and, behind them, SlowFast's become visual_features, those of PANNs semantic_features. The
loudness becomes a column of its own, by which tables have the row of loudness without any sound. Folders and
JSON are as the authors' README and code have them. What files of features are called and hold is not
published; users of the release found N.npz, with an array `features`, and N.npy for the N-th video of a
sport, up to one clip longer than the labels. SPORT_N, .npz for .npy, .npz with a single array of another
name, and SPORT.tar in place of the folder are taken, too. Without a file of splits, of five videos of a
sport by number one each is for validation and for test: that is ours.

The videos themselves are not needed, so that there is no log-Mel spectrogram. A video whose arrays are not
all as long as its labels, that cannot be read or that a file lacks is listed in missing.json, with the
reason. Started again, the command goes on where it was.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from datasets_scripts.building.builder import Report, build_dataset
from datasets_scripts.building.console import run_dataset_command
from datasets_scripts.published.hdf5_sets import SETS, read_hdf5_set
from datasets_scripts.published.svhighlights import read_svhighlights
from modeling_davihd.engines.errors import UsageError

READERS = dict.fromkeys(SETS, read_hdf5_set) | {"svhighlights": read_svhighlights}
THREADS = 2


def build_feature_set(data: str, name: str, out: Path) -> Report:
    """Build, or go on building, the dataset of a set in the folder `out`.

    data: a folder, or a dataset of the Hub. name: one of READERS. Videos that cannot be used are listed in
    missing.json. Raises DatasetError naming the file that is wrong, UsageError for an unknown name.
    """
    if name not in READERS:
        raise UsageError(f"The name is {name!r}; it needs to be one of {', '.join(READERS)}.")
    found = READERS[name](data, name)
    return build_dataset(
        out,
        found.videos,
        found.settings,
        card=found.card,
        missing=found.missing,
        rows_per_shard=found.rows_per_shard,
        threads=THREADS,
    )


def main(arguments: list[str] | None = None) -> int:
    """Command line. Exit status 0, 1 for wrong data, 2 for wrong usage."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="feature_set.py"
    )
    parser.add_argument(
        "--data", required=True, metavar="DIR", help="folder of the files, or id of a Hub dataset"
    )
    parser.add_argument("--name", required=True, choices=READERS, help="which set it is")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the dataset")
    options = parser.parse_args(arguments)
    return run_dataset_command(
        lambda: print(build_feature_set(options.data, options.name, options.out)), parser.prog
    )


if __name__ == "__main__":
    sys.exit(main())
