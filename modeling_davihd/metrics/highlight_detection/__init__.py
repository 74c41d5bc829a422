"""`highlight_scores` is the arithmetic; highlight_detection.py makes an `evaluate` module of it."""

from .scores import METRICS, highlight_scores

__all__ = ["METRICS", "highlight_scores"]
