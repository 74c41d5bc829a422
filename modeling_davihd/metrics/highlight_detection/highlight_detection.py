"""The `evaluate` module of highlight detection metrics; the arithmetic is in files beside it."""

from typing import Any

import evaluate
from datasets import Features, Sequence, Value

from .events import TOLERANCE
from .protocols import TRIPLESUMM_BATCH, protocol_scores
from .scores import IGNORED

_DESCRIPTION = f"""
Compares a highlight score for every second of a video with the ground truth of the same seconds, as is usual
on TVSum and Mr.HiSum: F1 of the better half of the seconds, mean average precision of 5-second segments
(mAP@50, mAP@15), Spearman's rho and Kendall's tau-b, each per video and then averaged over the videos. Ties
have a fixed rule: the earlier second comes first. Given the events of each video, also how many of them are
found within {TOLERANCE:g} s, and how many picks are right, when as many highlights are picked as there are.
"""

_INPUTS = f"""
Args:
    predictions: for each video a list of numbers, one per second, on any scale.
    references: for each video a list of the same length, of numbers of 0 or more, normally in [0, 1]. Seconds
        whose reference is {IGNORED} are left out, as transformers pads labels.
    protocol: "davihd", or "triplesumm": the rules of TripleSumm's published code, which give map_50, map_15,
        spearman and kendall alone, as means over batches of `batch_size` videos ({TRIPLESUMM_BATCH}, as
        published). The figures of the two do not compare.
    per_video (bool): also return "per_video": for each metric a list of one value per video, None if skipped.
    change_points, gt_summaries: given together, add knapsack_f1. For each video the shots [start, end) in
        seconds, and a 0 or 1 for every second. Predictions must then be 0 or more.
    events: adds event_recall and event_precision. For each video its events [start, end] in seconds; the
        davihd package, which picks the highlights, needs to be installed.
Returns:
    f1, map_50, map_15, spearman, kendall, hit_at_1, top5_map, map_11pt [, knapsack_f1]
    [, event_recall, event_precision]: float, fractions.
    n_videos, skipped: int, the videos in the means and those shorter than two seconds, which are left out.
Example:
    >>> metric = evaluate.load("path/to/highlight_detection")
    >>> metric.compute(predictions=[[0.1, 0.9, 0.3, 0.2]], references=[[0.0, 1.0, 0.5, 0.2]])["f1"]
    1.0
"""

_CITATION = """
@inproceedings{joo2026sounding,
  title = {Sounding Highlights: Dual-Pathway Audio Encoders for Audio-Visual Video Highlight Detection},
  author = {Joo, Seohyun and Oh, Yoori},
  booktitle = {ICASSP},
  pages = {13027--13031},
  year = {2026},
  note = {arXiv:2602.03891}
}
"""


class HighlightDetection(evaluate.Metric):
    """Metrics of per-second highlight scores; see `protocols.protocol_scores`."""

    def _info(self) -> evaluate.MetricInfo:
        # float32 would make ties of scores that differ.
        sequence = Sequence(Value("float64"))
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=Features({"predictions": sequence, "references": sequence}),
            reference_urls=["https://arxiv.org/abs/2602.03891"],
        )

    def _compute(self, predictions, references, **options: Any) -> dict[str, Any]:
        return protocol_scores(predictions, references, **options)
