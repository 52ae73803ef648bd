"""Which perturbation brings control cells closest to a target."""

from __future__ import annotations

from collections.abc import Sequence
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

_FEWEST_GENES = 10


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


def rank(
    target: Target,
    candidates: Sequence[Perturbation],
    effects: Floats,
    genes: pd.Index,
    measured: AbstractSet[Perturbation],
    top_k: int | None,
) -> pd.DataFrame:
    """Rank candidates by the correlation of their effects (n, n_genes) with the wanted change."""
    rows = []
    for one, effect in zip(candidates, effects, strict=True):
        used = target.present & ~genes.isin(list(one))
        wanted, found = target.change[used], effect[used]
        spread = wanted.std() * found.std()
        score = float(np.corrcoef(wanted, found)[0, 1]) if spread > 0 else 0.0
        distance = float(np.sqrt(np.square(wanted - found).mean()))
        rows.append((label_of(one), score, distance, one in measured))
    table = pd.DataFrame(rows, columns=["perturbation", "score", "distance", "measured"])
    ranked = table.sort_values(["score", "perturbation"], ascending=[False, True], kind="stable")
    return ranked.head(len(ranked) if top_k is None else top_k).reset_index(drop=True)
