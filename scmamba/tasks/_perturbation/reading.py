"""Measured perturbations as a table of effects, from cells or from given effects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
from anndata import AnnData
from scipy import sparse

from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba._text import label_texts, obs_column
from scmamba.learn.effects.names import PerturbationNames, label_of
from scmamba.learn.effects.table import EffectTable
from scmamba.pp import expression, log_normalized
from scmamba.pp.features import gene_names
from scmamba.tasks._perturbation.batches import batch_name, over_batches
from scmamba.tasks._perturbation.columns import (
    Columns,
    read_doses,
    read_labels,
    read_perturbations,
)
from scmamba.tasks._perturbation.spread import Spread

N_COMPONENTS = 20
"""Principal components of control cells that stand for a cell."""
FEWEST_CELLS = 5
"""Perturbations with fewer cells are left out: their mean says more about noise."""


@dataclass(frozen=True)
class Screen:
    """What a perturbation model learns from.

    Attributes
    ----------
    table
        Effects.
    names
        Names of the perturbations.
    components
        (n_components, n_genes) principal axes of control cells; no rows where effects were given.
    spread
        How widely cells scatter around a mean.
    left_out
        Perturbations with too few cells.
    """

    table: EffectTable
    names: PerturbationNames
    components: npt.NDArray[np.float32]
    spread: Spread = field(default_factory=Spread.unknown)
    left_out: tuple[str, ...] = ()


def read_screen(
    adata: AnnData,
    columns: Columns,
    *,
    layer: str | None,
    use_raw: bool | None,
    gene_key: str | None,
    seed: int,
) -> Screen:
    """Compute effects from measured cells.

    Raises
    ------
    ScmambaError
        If a column or the control is missing, a dose is not finite, or no perturbation is left.
    """
    perturbations, kept = read_perturbations(adata.obs, columns)
    contexts, unknown = read_labels(adata.obs, columns.context, "cell_type_key")
    batches, lost = read_labels(adata.obs, columns.batch, "batch_key")
    kept &= ~(unknown | lost)
    doses = read_doses(adata.obs, columns.dose, np.array([bool(p) for p in perturbations]) & kept)
    found = expression(adata, layer=layer, use_raw=use_raw, gene_key=gene_key)
    genes = _unique(found.var_names)
    values = log_normalized(found.X, found.unit)
    _, groups = np.unique(
        [f"{label_of(p)}\0{d}" for p, d in zip(perturbations, doses, strict=True)],
        return_inverse=True,
    )
    few = (np.bincount(groups[kept], minlength=groups.max() + 1) < FEWEST_CELLS)[groups]
    few &= np.array([bool(p) for p in perturbations]) & kept
    left = sorted({label_of(perturbations[i]) for i in np.flatnonzero(few)})
    if left:
        logger.warning(
            "left out: %d perturbation(s) with fewer than %d cells (%s)",
            len(left),
            FEWEST_CELLS,
            ", ".join(left[:5]),
        )
        kept &= ~few
        if not any(bool(perturbations[i]) for i in np.flatnonzero(kept)):
            raise ScmambaError(
                f"no perturbation has {FEWEST_CELLS} or more cells; there are fewer of "
                f"{', '.join(left[:5])}"
            )
    rows = np.flatnonzero(kept)
    context_of = {batch_name(contexts[i], batches[i]): str(contexts[i]) for i in rows}
    composite = [batch_name(contexts[i], batches[i]) for i in rows]
    table = EffectTable.from_cells(
        values[rows], [perturbations[i] for i in rows], composite, genes, doses[rows]
    )
    labels = [label_of(p, columns.control) for p in table.perturbations]
    control = np.array([not perturbations[i] for i in rows])
    alike = [
        f"{c}\0{label_of(perturbations[i])}\0{doses[i]}"
        for c, i in zip(composite, rows, strict=True)
    ]
    return Screen(
        over_batches(table, context_of),
        PerturbationNames(columns.control, labels, genes),
        principal_axes(values[rows[control]], seed),
        Spread.of_groups(values[rows], np.unique(alike, return_inverse=True)[1]),
        tuple(left),
    )


def read_effects(adata: AnnData, columns: Columns, *, gene_key: str | None) -> Screen:
    """Read effects that are known already, one row per perturbation and context.

    Raises
    ------
    ScmambaError
        If a column is missing, a value is not finite, or a pair occurs twice.
    """
    labels, missing = label_texts(
        obs_column(adata.obs, columns.perturbation, "pert_key", "effects.obs")
    )
    if missing.any():
        raise ScmambaError(f"{int(missing.sum())} row(s) have no perturbation; name or drop them")
    contexts, unknown = read_labels(adata.obs, columns.context, "context_key")
    if unknown.any():
        raise ScmambaError(f"{int(unknown.sum())} row(s) have no context; name or drop them")
    genes = _unique(gene_names(adata.var, gene_key, "var"))
    names = PerturbationNames("", labels.tolist(), genes)
    parsed = [names.parse(str(label)) for label in labels]
    doses = read_doses(adata.obs, columns.dose, np.ones(len(labels), bool))
    table = EffectTable.from_effects(adata.X, parsed, contexts.tolist(), genes, doses)
    return Screen(table, names, np.zeros((0, len(genes)), np.float32))


def principal_axes(controls: sparse.csr_matrix, seed: int) -> npt.NDArray[np.float32]:
    """(n_components, n_genes) principal axes of control cells, through their origin."""
    from sklearn.decomposition import TruncatedSVD

    n = min(N_COMPONENTS, min(controls.shape) - 1)
    if n < 1:
        return np.zeros((0, controls.shape[1]), np.float32)
    svd = TruncatedSVD(n, random_state=seed).fit(controls)
    return np.asarray(svd.components_, np.float32)


def _unique(names: Sequence[object] | npt.NDArray[np.object_]) -> pd.Index:
    genes = pd.Index([str(name) for name in names])
    if not genes.is_unique:
        repeated = genes[genes.duplicated()].unique()
        raise ScmambaError(
            f"{len(repeated)} gene name(s) occur twice, first {', '.join(repeated[:3])}; make them "
            "unique: adata.var_names_make_unique()"
        )
    return genes
