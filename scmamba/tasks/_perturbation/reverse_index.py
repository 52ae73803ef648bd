"""Approximate search for perturbations: a short list by pynndescent, ranked exactly."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt

from scmamba._errors import ScmambaError
from scmamba.learn.effects.table import Floats
from scmamba.tasks._perturbation.reverse import Candidates, Target

_COMPONENTS = 64
_PER_RESULT = 20
"""Candidates in the short list for each row that is asked for."""


@dataclass(frozen=True)
class ReverseIndex:
    """Neighbors among candidates on the principal axes of single effects.

    An index pays when many targets are searched: one exact search reads each candidate once.

    Attributes
    ----------
    axes
        (n_components, n_genes) principal axes of the centered single effects.
    neighbors
        The index of pynndescent, by cosine.
    """

    axes: Floats
    neighbors: Any

    @staticmethod
    def of(candidates: Candidates, seed: int) -> ReverseIndex:
        """Index candidates; pairs are sums of the components of their parts."""
        from pynndescent import NNDescent

        effects = np.asarray(candidates.effects, np.float64)
        centered = effects - effects.mean(1, keepdims=True)
        values, vectors = np.linalg.eigh(centered @ centered.T)
        kept = [i for i in np.argsort(-values)[:_COMPONENTS] if values[i] > 1e-9 * values[-1]]
        axes = (vectors[:, kept] / np.sqrt(values[kept])).T @ centered
        single = centered @ axes.T
        first, second = candidates.pairs.T
        points = np.concatenate([single, candidates.scale * (single[first] + single[second])])
        index = NNDescent(points.astype(np.float32), metric="cosine", random_state=seed)
        index.prepare()
        return ReverseIndex(axes, index)

    def short_list(self, target: Target, top_k: int) -> npt.NDArray[np.int64]:
        """Places of candidates whose effects point the way of the target, ascending."""
        wanted = target.change - target.change[target.present].mean()
        point = self.axes @ np.where(target.present, wanted, 0.0)
        k = min(_PER_RESULT * top_k, len(self.neighbors._raw_data))
        found = self.neighbors.query(point[None].astype(np.float32), k=k)[0][0]
        return np.sort(found[found >= 0]).astype(np.int64)


def require_pynndescent() -> None:
    """Raise ScmambaError if pynndescent is not installed."""
    if find_spec("pynndescent") is None:
        raise ScmambaError(
            "search='approximate' needs pynndescent: pip install pynndescent, or search='exact'"
        )
