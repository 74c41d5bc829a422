"""The splits of a dataset."""

SPLITS = ("train", "validation", "test")
