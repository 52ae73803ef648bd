"""Measured perturbations in one form, whatever they were read from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import joblib
import numpy as np
import numpy.typing as npt
import pandas as pd

from scmamba._arguments import check_value
from scmamba._text import label_texts, obs_column
from scmamba.learn.effects.names import PerturbationNames, label_of
from scmamba.learn.effects.table import EffectTable
from scmamba.pp import expression, log_normalized

if TYPE_CHECKING:
    from anndata import AnnData

Key = tuple[str, str]
"""Context and perturbation."""
PERTURBATION, CONTEXT, CONTROL = "perturbation", "context", "control"


@dataclass(frozen=True)
class PerturbationProblem:
    """Cells with their controls, or given effects.

    Attributes
    ----------
    adata
        Log-normalized cells, or effects with one row per perturbation and context. ``obs`` has
        ``"perturbation"`` (canonical names; controls are ``"control"``) and ``"context"``.
    names
        How the names of perturbations are read.
    effects
        Whether rows are effects.
    min_cells
        Perturbations with fewer cells in a context are not scored.
    """

    adata: AnnData
    names: PerturbationNames
    effects: bool
    min_cells: int = 10

    @cached_property
    def keys(self) -> list[Key]:
        """Pairs of context and perturbation to score, sorted."""
        counts = self.adata.obs.groupby([CONTEXT, PERTURBATION], observed=True).size()
        least = 1 if self.effects else self.min_cells
        kept = [(str(c), str(p)) for (c, p), n in counts.items() if n >= least]
        controlled = {c for c, p in kept if p == CONTROL}
        return sorted(k for k in kept if k[1] != CONTROL and (self.effects or k[0] in controlled))

    @cached_property
    def row_keys(self) -> list[Key]:
        """Context and perturbation of each row of ``adata``."""
        obs = self.adata.obs
        return list(zip(obs[CONTEXT].astype(str), obs[PERTURBATION].astype(str), strict=True))

    @cached_property
    def table(self) -> EffectTable:
        """Effects of all rows, those to predict included."""
        return self.table_of(np.arange(self.adata.n_obs))

    def table_of(self, rows: npt.NDArray[np.int64]) -> EffectTable:
        """Effects of some rows of ``adata``."""
        part = self.adata[rows]
        labels = part.obs[PERTURBATION].astype(str)
        parsed = {label: self.names.parse(label) for label in labels.unique()}
        perturbations = [parsed[label] for label in labels]
        contexts = part.obs[CONTEXT].astype(str).tolist()
        make = EffectTable.from_effects if self.effects else EffectTable.from_cells
        return make(part.X, perturbations, contexts, self.adata.var_names)

    @cached_property
    def identity(self) -> str:
        """Hash of the data."""
        return str(joblib.hash((self.adata.X, list(self.adata.var_names), self.row_keys)))


def read_problem(
    adata: AnnData,
    pert_key: str,
    control: str | None,
    context_keys: list[str],
    *,
    effects: bool,
    min_cells: int,
    layer: str | None = None,
) -> PerturbationProblem:
    """Read cells or effects; rows without a perturbation or context are left out.

    Parameters
    ----------
    context_keys
        Columns that make up the context, joined by ``" | "``.

    Raises
    ------
    ScmambaError
        If a column or the control is missing, or expression is invalid.
    """
    from anndata import AnnData

    labels, missing = label_texts(obs_column(adata.obs, pert_key, "pert_key", "adata.obs"))
    contexts = np.full(adata.n_obs, "", dtype=object)
    for i, key in enumerate(context_keys):
        texts, lacking = label_texts(obs_column(adata.obs, key, "context", "adata.obs"))
        contexts = texts if i == 0 else contexts + " | " + texts
        missing = missing | lacking
    known = sorted(set(labels[~missing]))
    names = PerturbationNames(control or CONTROL, known)
    if not effects:
        check_value("control", control, known, f"obs[{pert_key!r}]")
    canonical = {label: label_of(names.parse(label), CONTROL) for label in known}
    rows = np.flatnonzero(~missing)
    if effects:
        x, genes = adata.X[rows], adata.var_names
    else:
        found = expression(adata, layer=layer)
        x, genes = log_normalized(found.X, found.unit)[rows], pd.Index(found.var_names)
    obs = pd.DataFrame(
        {CONTEXT: contexts[rows], PERTURBATION: [canonical[labels[i]] for i in rows]},
        index=adata.obs_names[rows].astype(str),
    ).astype("category")
    made = AnnData(x, obs=obs, var=pd.DataFrame(index=genes))
    singles = [label for label in obs[PERTURBATION].cat.categories if label != CONTROL]
    return PerturbationProblem(made, PerturbationNames(CONTROL, singles), effects, min_cells)
