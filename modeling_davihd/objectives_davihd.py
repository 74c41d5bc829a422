"""What networks are trained for: small errors and, if the config says so, the right order of seconds.

    loss = mean error + correlation_weight * L_correlation + ranking_weight * L_ranking

The mean error, which is the paper's loss (Eq. 5) for its network, is over all labelled seconds of a batch.
The other two are not the paper's. They are computed for each film, of its scores s and labels y, and averaged
over films, each weighing as much as its labelled seconds: so the loss of a batch is that of its parts.

    L_correlation = 1 - r(s, y)
    L_ranking     = mean over i in P, j with y_j < y_i  of  max(0, (y_i - y_j) - (s_i - s_j))

r is Pearson's correlation, as in the loss of Cornia et al., "Predicting Human Eye Fixations via an LSTM-based
Saliency Attentive Model", IEEE TIP 2018. P are the film's peaks, the 15 % of its seconds with the highest
labels: each should score above every lower second, as in the saliency loss of Lei et al., "QVHighlights:
Detecting Moments and Highlights in Videos via Natural Language Queries", NeurIPS 2021, whose margin is 0.2;
here it is the distance of the labels, so that scores that equal the labels have no loss.
"""

import torch

from .configuration_davihd import HighlightConfig

# The label of a segment that no loss looks at: what transformers and PyTorch pad labels with.
IGNORED_LABEL = -100
PEAK_SHARE = 0.15
_LEAST_VARIANCE = 1e-6  # lest scores that are all but equal have an endless gradient


def labels_of(labels: torch.Tensor, scores: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Labels (B, T) in the precision that a loss is computed in, `IGNORED_LABEL` at padding.

    mask: (B, T), True at real segments, or None if all are.
    """
    labels = labels.to(torch.promote_types(scores.dtype, torch.float32))
    return labels if mask is None else labels.masked_fill(~mask, IGNORED_LABEL)


def training_loss(
    config: HighlightConfig, errors: torch.Tensor, scores: torch.Tensor, labels: torch.Tensor
) -> torch.Tensor:
    """The loss that the config names, of errors, scores and labels (B, T); those of `labels_of`."""
    loss = labelled_mean(errors, labels)
    if config.loss == "mse":
        return loss
    labelled = labels != IGNORED_LABEL
    for film, there in enumerate(labelled):
        pair = scores[film, there], labels[film, there]
        if seconds := len(pair[0]):
            further = config.correlation_weight * correlation_error(*pair)
            further = further + config.ranking_weight * ranking_error(*pair)
            loss = loss + further * seconds / labelled.sum()
    return loss


def labelled_mean(errors: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The mean of errors (B, T) where their labels are not `IGNORED_LABEL`, 0 if all are."""
    labelled = labels != IGNORED_LABEL
    return torch.where(labelled, errors, 0).sum() / labelled.sum().clamp(min=1)


def correlation_error(scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """1 - r of a film's scores and labels (T,); 1, without a gradient, if the labels are all the same."""
    scores, labels = scores - scores.mean(), labels - labels.mean()
    variances = (scores.square().mean() + _LEAST_VARIANCE) * (labels.square().mean() + _LEAST_VARIANCE)
    return 1 - (scores * labels).mean() / variances.sqrt()


def ranking_error(scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """L_ranking of a film's scores and labels (T,); 0 if the labels are all the same."""
    count = max(1, int(PEAK_SHARE * len(labels)))
    peaks = labels.sort(descending=True, stable=True).indices[:count]
    needed = labels[peaks, None] - labels
    errors = (needed - (scores[peaks, None] - scores)).relu()
    lower = needed > 0
    return torch.where(lower, errors, 0).sum() / lower.sum().clamp(min=1)


__all__ = ["IGNORED_LABEL", "labels_of", "training_loss"]
