"""`highlight_scores` is the arithmetic; highlight_detection.py makes an `evaluate` module of it."""

from .events import event_scores
from .protocols import PROTOCOLS, protocol_scores, triplesumm_scores
from .scores import EVENT_METRICS, METRICS, highlight_scores

__all__ = [
    "EVENT_METRICS",
    "METRICS",
    "PROTOCOLS",
    "event_scores",
    "highlight_scores",
    "protocol_scores",
    "triplesumm_scores",
]
