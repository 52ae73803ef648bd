"""Integrated gradients of the fused score of an annotator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from scmamba.learn.fusion import Fusion

if TYPE_CHECKING:
    from scmamba.learn.linear import Linear

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

_FEWEST_NODES, _MOST_NODES = 16, 128
_TOLERANCE = 0.02
"""Of the change of the score, or of 1 where that is less: what the nodes may leave unexplained."""
_LOWEST = -50.0
"""Logits are at most so much below the highest of a cell, as in :mod:`scmamba.learn.fusion`."""
_NEVER = -1e4
"""In place of the -inf of a class that the linear component never saw: it has a gradient of 0."""


def log_odds(fusion: Fusion, linear: Tensor, neural: Tensor | None) -> Tensor:
    """(n, n_classes) log-odds of each class against all others, differentiable.

    They are those of the calibrated probabilities before these are mixed with the base rates,
    which would let every score of a sure cell be the same.

    Parameters
    ----------
    fusion
        Temperatures and weights.
    linear, neural
        (n, n_classes) logits of both components; ``neural`` may be None where its weight is 0.
    """
    logits = _adjusted(fusion, linear.clamp(min=_NEVER), neural) / fusion.temperature
    logits = torch.log_softmax(logits, 1)
    n = logits.shape[1]
    if n == 1:
        return torch.zeros_like(logits)
    own = torch.eye(n, dtype=torch.bool)
    others = logits[:, None, :].expand(-1, n, -1).masked_fill(own, -torch.inf)
    return logits - torch.logsumexp(others, 2)


def _adjusted(fusion: Fusion, linear: Tensor, neural: Tensor | None) -> Tensor:
    """:meth:`Fusion.adjusted` for tensors."""
    alone = torch.log_softmax(linear / fusion.linear_temperature, 1)
    weight = fusion.neural_weight if neural is not None else 0.0
    parts = [alone + np.log(1 - weight)] if weight < 1 else []
    if neural is not None and weight > 0:
        parts.append(torch.log_softmax(neural / fusion.neural_temperature, 1) + np.log(weight))
    mixed = _floored(torch.logsumexp(torch.stack(parts), 0))
    if fusion.logit_adjustment_tau:
        rates = torch.tensor(fusion.base_rates, dtype=mixed.dtype)
        mixed = mixed - fusion.logit_adjustment_tau * rates.log()
    if not fusion.unvalidated:
        return mixed
    known = torch.ones(mixed.shape[1], dtype=torch.bool)
    known[list(fusion.unvalidated)] = False
    if not known.any():
        return _floored(alone)
    together = torch.logsumexp(alone[:, known], 1, keepdim=True)
    filled = alone.clone()
    filled[:, known] = together + torch.log_softmax(mixed[:, known], 1)
    return _floored(filled)


def _floored(logits: Tensor) -> Tensor:
    return torch.maximum(logits, logits.max(1, keepdim=True).values + _LOWEST)


@dataclass(frozen=True)
class Point:
    """What the components read of some cells.

    Attributes
    ----------
    panel
        (n, n_genes) float64 log-normalized values of the annotator's genes.
    tokens
        (n, L) float32 values of the tokens of a pretrained model; None where networks read the
        panel.
    """

    panel: Tensor
    tokens: Tensor | None = None

    @property
    def parts(self) -> list[Tensor]:
        """Tensors that are there."""
        return [self.panel] if self.tokens is None else [self.panel, self.tokens]

    def towards(self, other: Point, fraction: float) -> Point:
        """Return the point so far on the straight path to ``other``, a leaf with gradients."""
        moved = [
            (a + fraction * (b - a)).detach().requires_grad_()
            for a, b in zip(self.parts, other.parts, strict=True)
        ]
        return Point(*moved)


@dataclass(frozen=True)
class Scorer:
    """The fused score, as a function that has a gradient.

    Attributes
    ----------
    fusion, linear
        Fusion and linear component of the annotator.
    neural
        (n, n_classes) logits of the neural component at a :class:`Point`; None where it has no
        weight.
    """

    fusion: Fusion
    linear: Linear
    neural: Callable[[Point], Tensor] | None

    def __call__(self, point: Point) -> Tensor:
        """(n, n_classes) log-odds."""
        coef, intercept = map(torch.from_numpy, (self.linear.coef, self.linear.intercept))
        logits = point.panel @ coef.T + intercept
        return log_odds(self.fusion, logits, None if self.neural is None else self.neural(point))


def integrated_gradients(
    score: Scorer, cells: Point, baseline: Point, codes: Rows
) -> tuple[list[Floats], Floats]:
    """Share the change of a score from a baseline to each cell out among what the score reads.

    The gradient is averaged along the straight path between both (Sundararajan et al., ICML 2017),
    at Gauss-Legendre nodes; where 16 of them leave more than 2 % of the change unexplained, more
    are used, up to 128.

    Parameters
    ----------
    score
        The score.
    cells, baseline
        Where the path ends and begins.
    codes
        (n,) class whose score is explained, for each cell.

    Returns
    -------
    An array like each part of ``cells``, and (n,) what is left unexplained.
    """
    own = torch.from_numpy(codes)[:, None]
    with torch.no_grad():
        change = (score(cells) - score(baseline)).gather(1, own)[:, 0].double().numpy()
    n_nodes = _FEWEST_NODES
    while True:
        found = _average_gradients(score, cells, baseline, own, n_nodes)
        total = sum(one.reshape(len(one), -1).sum(1) for one in found)
        gap = np.abs(change - total)
        done = bool((gap <= _TOLERANCE * np.maximum(np.abs(change), 1)).all())
        if done or n_nodes >= _MOST_NODES:
            return found, gap
        n_nodes *= 2


def _average_gradients(
    score: Scorer, cells: Point, baseline: Point, own: Tensor, n_nodes: int
) -> list[Floats]:
    places, weights = np.polynomial.legendre.leggauss(n_nodes)
    found = [torch.zeros_like(part, dtype=torch.float64) for part in cells.parts]
    for place, weight in zip((places + 1) / 2, weights / 2, strict=True):
        point = baseline.towards(cells, float(place))
        total = score(point).gather(1, own).sum()
        gradients = torch.autograd.grad(total, point.parts, allow_unused=True)
        for sum_, gradient in zip(found, gradients, strict=True):
            if gradient is not None:
                sum_ += float(weight) * gradient.double()
    pairs = zip(found, cells.parts, baseline.parts, strict=True)
    return [(mean * (end - start).double()).numpy() for mean, end, start in pairs]
