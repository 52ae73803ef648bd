"""The linear component of sequences: k-mers and positions, of one strand or both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from scmamba.learn.calibration import Kind
from scmamba.learn.linear import Linear, fit_linear
from scmamba.tasks.sequence._nucleotides import reverse_complement
from scmamba.tasks.sequence._supervised.features import Features

_TOLERANCE = 1e-3


@dataclass(frozen=True)
class SequenceLinear:
    """A linear model of sequences.

    Attributes
    ----------
    features
        What it looks at.
    both_strands
        Whether it was fitted to both strands, and averages its outputs for them.
    linear
        The weights.
    """

    features: Features
    both_strands: bool
    linear: Linear

    def logits(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """(n, n_outputs) logits, or numbers of variance 1, of sequences in upper case."""
        given = self.linear.logits(self.features(texts))
        if not self.both_strands:
            return given
        other = self.linear.logits(self.features([reverse_complement(text) for text in texts]))
        return (given + other) / 2


def fit_sequence_linear(
    texts: Sequence[str],
    target: npt.NDArray[np.generic],
    n_outputs: int,
    features: Features,
    *,
    kind: Kind,
    both_strands: bool,
    penalty: float,
) -> SequenceLinear:
    """Fit a linear model to sequences.

    Parameters
    ----------
    texts
        (n,) sequences in upper case.
    target, n_outputs, kind, penalty
        As in :func:`scmamba.learn.linear.fit_linear`.
    features
        What to look at.
    both_strands
        Learn from the reverse complements too.
    """
    strands = [features(texts)]
    if both_strands:
        strands.append(features([reverse_complement(text) for text in texts]))
    linear = fit_strands(strands, target, n_outputs, kind, penalty)
    return SequenceLinear(features, both_strands, linear)


def fit_strands(
    strands: Sequence[sparse.csr_matrix],
    target: npt.NDArray[np.generic],
    n_outputs: int,
    kind: Kind,
    penalty: float,
    *,
    tolerance: float = _TOLERANCE,
) -> Linear:
    """Fit one linear model to the features of one strand, or of both."""
    n = len(strands)  # every sequence is there so many times
    return fit_linear(
        sparse.vstack(strands).tocsr(),
        np.concatenate([target] * n),
        n_outputs,
        kind=kind,
        penalty=n * penalty,
        tolerance=tolerance,
    )
