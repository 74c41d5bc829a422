"""The start of a gate: a regularised logistic regression on what seconds sound like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize
from torch import nn

PENALTY = 1.0  # of the squared weights, those of standardised features
FLOOR = 0.1  # of the median spread, added to each feature's, lest rare ones be blown up
FAINT = 0.2  # added to how far a second stands out, where that is its weight
ITERATIONS = 200


@dataclass(frozen=True)
class Scale:
    """Mean and spread (D,) of features, by which they are standardised."""

    mean: torch.Tensor
    spread: torch.Tensor

    @classmethod
    def of(cls, features: torch.Tensor) -> Scale:
        """Of features (N, D)."""
        spread = features.std(0)
        return cls(features.mean(0), spread + FLOOR * spread.median() + 1e-6)

    def __call__(self, features: torch.Tensor) -> torch.Tensor:
        return (features - self.mean) / self.spread

    @torch.no_grad()
    def folded(self, gate: nn.Linear) -> nn.Linear:
        """The gate that gives of features what `gate` gives of standardised ones."""
        result = nn.Linear(gate.in_features, 1)
        result.weight.copy_(gate.weight / self.spread)
        result.bias.copy_(gate.bias - result.weight[0] @ self.mean)
        return result


def class_weights(chosen: np.ndarray, standing_out: np.ndarray) -> np.ndarray:
    """Weights (N,) of seconds: half of all for those chosen, half for the others as they stand out.

    So what is learnt is what tells the chosen from the rest of what stands out. standing_out: (N,) scores.
    """
    weights = np.where(chosen, 1.0, standing_out + FAINT)
    for one in (chosen, ~chosen):
        weights[one] /= 2 * weights[one].sum()
    return weights


def fit_gate(standardised: torch.Tensor, chosen: np.ndarray, weights: np.ndarray) -> nn.Linear:
    """A linear layer (D -> 1) that tells chosen seconds from others by their features (N, D)."""
    features, signs = standardised.double().numpy(), np.where(chosen, 1.0, -1.0)

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        weight, bias = parameters[:-1], parameters[-1]
        margins = signs * (features @ weight + bias)
        slopes = -weights * signs * np.exp(-np.logaddexp(0, margins))
        value = weights @ np.logaddexp(0, -margins) + PENALTY / 2 * weight @ weight
        return value, np.append(slopes @ features + PENALTY * weight, slopes.sum())

    start = np.zeros(features.shape[1] + 1)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": ITERATIONS}).x
    gate = nn.Linear(features.shape[1], 1)
    with torch.no_grad():
        gate.weight.copy_(torch.from_numpy(found[:-1])[None])
        gate.bias.fill_(found[-1])
    return gate
