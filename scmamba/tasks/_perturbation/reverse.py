"""Which perturbation brings control cells closest to a target."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from anndata import AnnData

from scmamba._errors import ScmambaError
from scmamba.learn.effects.names import Perturbation, label_of
from scmamba.learn.effects.table import Floats
from scmamba.pp import expression, log_normalized
from scmamba.tasks._perturbation.reverse_scores import compare

_FEWEST_GENES = 10
_BLOCK = 512
"""Candidates that are compared together: a matter of memory alone."""


@dataclass(frozen=True)
class Target:
    """A wanted change.

    Attributes
    ----------
    change
        (n_genes,) wanted change; 0 where the target lacks the gene.
    present
        (n_genes,) genes that the target has.
    """

    change: Floats
    present: npt.NDArray[np.bool_]


def read_target(target: AnnData | pd.Series, genes: pd.Index, start: Floats | None) -> Target:
    """Return the change from ``start`` (None: the target is a change) to a target.

    Raises
    ------
    ScmambaError
        If the target is neither cells nor a profile, holds values that are not finite, or shares
        fewer than ten genes with the model.
    """
    if isinstance(target, AnnData):
        found = expression(target)
        values = np.asarray(log_normalized(found.X, found.unit).mean(0)).ravel()
        profile = pd.Series(values, pd.Index([str(name) for name in found.var_names]))
    elif isinstance(target, pd.Series):
        profile = target
    else:
        raise ScmambaError(
            f"target is a {type(target).__name__}; give cells (AnnData) or a profile by gene "
            "(pandas Series)"
        )
    if not profile.index.is_unique:
        raise ScmambaError("gene names of the target repeat; make them unique")
    place = profile.index.get_indexer(genes)
    present = place >= 0
    if present.sum() < _FEWEST_GENES:
        raise ScmambaError(
            f"{int(present.sum())} genes of the target are among the {len(genes):,} of the model; "
            f"at least {_FEWEST_GENES} are needed"
        )
    values = np.where(present, profile.to_numpy(float)[place], 0.0)
    if not np.isfinite(values).all():
        raise ScmambaError("the target holds values that are NaN or infinite")
    return Target(np.where(present, values - (0 if start is None else start), 0.0), present)


@dataclass(frozen=True)
class Candidates:
    """Perturbations to rank, and pairs of them.

    Attributes
    ----------
    perturbations
        Perturbations with a predicted effect.
    effects
        (n, n_genes) their effects.
    pairs
        (n_pairs, 2) rows of ``effects`` of which further candidates consist.
    scale
        Factor of the sum of the effects of a pair.
    """

    perturbations: Sequence[Perturbation]
    effects: Floats
    pairs: npt.NDArray[np.int64]
    scale: float

    def __len__(self) -> int:
        """Return the number of candidates."""
        return len(self.perturbations) + len(self.pairs)

    def name(self, i: int) -> Perturbation:
        """Return what candidate ``i`` perturbs."""
        n = len(self.perturbations)
        if i < n:
            return self.perturbations[i]
        first, second = self.pairs[i - n]
        return tuple(sorted(self.perturbations[first] + self.perturbations[second]))

    def some(self, places: npt.NDArray[np.int64]) -> Candidates:
        """Return the candidates at some places, ascending."""
        n = len(self.perturbations)
        singles, pairs = places[places < n], self.pairs[places[places >= n] - n]
        used = np.unique(np.concatenate([singles, pairs.ravel()])).astype(np.int64)
        return Candidates(
            [self.perturbations[i] for i in used],
            self.effects[used],
            np.searchsorted(used, pairs).reshape(-1, 2),
            self.scale,
        )

    def blocks(self) -> Iterator[tuple[list[Perturbation], Floats]]:
        """Candidates and their effects (n, n_genes), a few at a time."""
        n = len(self.perturbations)
        for start in range(0, n, _BLOCK):
            yield list(self.perturbations[start : start + _BLOCK]), self.effects[start:][:_BLOCK]
        for start in range(0, len(self.pairs), _BLOCK):
            first, second = self.pairs[start : start + _BLOCK].T
            names = [self.name(n + start + i) for i in range(len(first))]
            yield names, self.scale * (self.effects[first] + self.effects[second])


def pairs_of(
    candidates: Sequence[Perturbation], measured: AbstractSet[Perturbation]
) -> tuple[list[tuple[int, int]], list[Perturbation]]:
    """Places of all pairs of single candidates that were not measured together, and the others."""
    singles = [i for i, one in enumerate(candidates) if len(one) == 1]
    pairs: list[tuple[int, int]] = []
    known: list[Perturbation] = []
    given = set(candidates)
    for k, i in enumerate(singles):
        for j in singles[k + 1 :]:
            both = tuple(sorted(candidates[i] + candidates[j]))
            if both in given:
                continue
            if both in measured:
                known.append(both)
            else:
                pairs.append((i, j))
    return pairs, known


def rank(
    target: Target,
    candidates: Candidates,
    genes: pd.Index,
    measured: AbstractSet[Perturbation],
    top_k: int | None,
) -> pd.DataFrame:
    """Rank candidates by the correlation of their effects with the wanted change; exact."""
    place = {str(gene): i for i, gene in enumerate(genes)}
    wanted, present = target.change[None], target.present
    parts = [compare(wanted, present, names, found, place) for names, found in candidates.blocks()]
    score, distance = (np.concatenate(one, 1)[0] for one in zip(*parts, strict=True))
    labels = np.array([label_of(candidates.name(i)) for i in range(len(candidates))], object)
    order = np.lexsort((labels.astype(str), -score.round(12)))[:top_k]
    return pd.DataFrame(
        {
            "perturbation": labels[order],
            "score": score[order],
            "distance": distance[order],
            "measured": [candidates.name(i) in measured for i in order],
        }
    )
