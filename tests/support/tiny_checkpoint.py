"""A model that takes features, and the record of a training that never was."""

from pathlib import Path

import torch

from examples.training.recipe import METRICS
from examples.training.record import RECORD_FILE, Record
from modeling_davihd import DAViHDConfig, DAViHDFeatureExtractor, DAViHDModel

CALIBRATION = {
    **{"level": 0.12, "share": 0.03, "films": 80, "confidence": [[0.1, 0.25], [0.4, 0.9]]},
    "reliability": [{"score": 0.1, "picks": 50, "right": 12}, {"score": 0.4, "picks": 50, "right": 46}],
}


def tiny_record(**changes) -> Record:
    """Of two epochs on a dataset called films."""
    recipe = {"learning_rate": 1e-3, "schedule": "constant", "weight_decay": 0.0, "gradient_clip": 0.5}
    metrics = dict.fromkeys(METRICS, 0.5)
    fields = {
        "dataset": "films",
        "dataset_fingerprint": "0" * 64,
        "selection": "validation",
        "dataset_license": "cc0-1.0",
        "extraction": {"visual_backbone": "statistics", "semantic_backbone": None},
        "generated": True,
        "config": DAViHDConfig(modalities=["dynamics"]).to_diff_dict(),
        "recipe": recipe | {"metric": "spearman", "seed": 0},
        "videos": {"train": 8, "validation": 2, "test": 2},
        "davihd": "0.1.0",
        "parameters": 1234,
        "epochs": 2,
        "stopped_early": False,
        "seconds_per_epoch": 1.5,
        "best_epoch": 2,
        "validation": {"epoch": 2, "loss": 0.1, **metrics},
        "history": [{"epoch": 1, "loss": 0.2, **metrics}, {"epoch": 2, "loss": 0.1, **metrics}],
        "test": metrics,
        "seconds_per_video": 0.25,
    }
    return Record(**(fields | changes))


def write_heads(folder: Path) -> Path:
    """A checkpoint of random weights, whose record says which encoders made the features that it takes."""
    sizes = {"visual_dim": 8, "semantic_dim": 2048, "projection_dim": 16, "dynamics_channels": [4] * 6}
    torch.manual_seed(0)
    model = DAViHDModel(DAViHDConfig(**sizes, score_hidden_dim=8)).eval()
    model.save_pretrained(folder)
    DAViHDFeatureExtractor().save_pretrained(folder)
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Heads\n")
    names = {"visual_backbone": "inception_v3", "semantic_backbone": "panns_cnn14_16k"}
    tiny_record(extraction=names).write(folder / RECORD_FILE)
    return folder
