"""Control cells of the user, on the genes of a perturbation model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from anndata import AnnData
from anndata.utils import make_index_unique
from scipy import sparse

from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba.learn.effects.model import FittedEffectModel
from scmamba.learn.effects.names import Perturbation
from scmamba.learn.effects.table import EffectTable, Floats
from scmamba.pp import expression, log_normalized
from scmamba.tasks._perturbation.blocks import CellBlock
from scmamba.tasks._perturbation.columns import Columns, check_cells, read_labels
from scmamba.tasks._perturbation.reading import Screen

BLOCK = 1024
"""Cells that are predicted together: a matter of memory alone."""


@dataclass(frozen=True)
class ControlCells:
    """Cells to perturb.

    Attributes
    ----------
    values
        (n_cells, n_genes) log-normalized expression on all genes of the model, CSR; genes that
        the cells lack hold nothing.
    present
        (n_genes,) which genes the cells have.
    contexts
        (n_cells,) context of each cell; "" where it has none.
    totals
        (n_cells,) counts of each cell, or None where they were not given as counts.
    obs
        Annotations of the cells.
    screen
        What the model was fitted on.
    columns
        Names of the columns.
    """

    values: sparse.csr_matrix
    present: npt.NDArray[np.bool_]
    contexts: npt.NDArray[np.object_]
    totals: npt.NDArray[np.float64] | None
    obs: pd.DataFrame
    screen: Screen
    columns: Columns

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return int(self.values.shape[0])

    @property
    def genes(self) -> pd.Index:
        """Genes of the model that the cells have."""
        return self.screen.table.genes[self.present]

    def mean(self) -> Floats:
        """(n,) mean expression of the genes that the cells have."""
        return np.asarray(self.values.mean(0)).ravel()[self.present]

    def profiles_by_context(self) -> dict[str, Floats]:
        """Mean expression (n_genes,) of the cells of each context."""
        return {
            str(name): self._filled(self.values[self.contexts == name].mean(0))[0]
            for name in pd.unique(self.contexts)
        }

    def mean_changes(
        self, fitted: FittedEffectModel, perturbations: Sequence[Perturbation], dose: float
    ) -> Floats:
        """(n, n_present) changes of the mean over all cells; no mean falls below 0."""
        total = np.zeros((len(perturbations), len(self.present)))
        for block in self.blocks(fitted):
            for i, one in enumerate(perturbations):
                total[i] += block.changes(one, dose).sum(0)
        return np.maximum((total / self.n_cells)[:, self.present], -self.mean())

    def blocks(self, fitted: FittedEffectModel) -> Iterator[CellBlock]:
        """Blocks of cells, with what is the same for all perturbations."""
        for at in range(0, self.n_cells, BLOCK):
            rows = slice(at, at + BLOCK)
            contexts, cells = self.contexts[rows], self._denoised(rows)
            names = {
                str(name): np.flatnonzero(contexts == name)
                for name in pd.unique(contexts)
                if name in fitted.table.contexts or fitted.weights is None
            }
            controls = {
                name: _control(fitted.table, name, cells[mine]) for name, mine in names.items()
            }
            start = np.empty_like(cells)
            for name, mine in names.items():
                start[mine] = controls[name]
            alone = np.setdiff1d(
                np.arange(len(cells)), np.concatenate([*names.values(), np.zeros(0, np.int64)])
            )
            if len(alone):
                start[alone] = fitted.control_profiles(cells[alone])
            totals = None if self.totals is None else self.totals[rows]
            yield CellBlock(
                fitted, self.values[rows], cells, start, names, controls, alone, contexts, totals
            )

    def assemble(self, parts: Sequence[sparse.csr_matrix], labels: Sequence[str]) -> AnnData:
        """Put predicted cells together, those of one perturbation after the other."""
        n = len(labels)
        obs = self.obs.iloc[np.tile(np.arange(self.n_cells), n)].copy()
        obs["control_cell"] = obs.index.astype(str)
        perturbation = np.repeat(np.array(labels, dtype=object), self.n_cells)
        obs[self.columns.perturbation] = pd.Categorical(perturbation)
        names = [f"{cell}-{label}" for cell, label in zip(obs.index, perturbation, strict=True)]
        obs.index = make_index_unique(pd.Index(names))
        X = sparse.vstack(list(parts), format="csr")[:, np.flatnonzero(self.present)]
        return AnnData(X, obs=obs, var=pd.DataFrame(index=self.genes))

    def _denoised(self, rows: slice) -> Floats:
        """Cells on the principal axes of the model's control cells; axes say what noise hides."""
        axes = self.screen.components
        values = self._filled(self.values[rows].toarray())
        if not len(axes):
            return values
        return values @ axes.T @ axes

    def _filled(self, values: Floats) -> Floats:
        """Values with the mean control expression of the model in genes that the cells lack."""
        found = np.atleast_2d(np.asarray(values, np.float64)).copy()
        controls = self.screen.table.controls
        assert controls is not None
        found[:, ~self.present] = controls.mean(0)[~self.present]
        return found


def read_controls(
    cells: AnnData,
    screen: Screen,
    columns: Columns,
    *,
    layer: str | None,
    use_raw: bool | None,
    gene_key: str | None,
) -> ControlCells:
    """Read control cells and match their genes to those of the model.

    Raises
    ------
    ScmambaError
        If these are no cells, expression is invalid, or fewer than half of the model's genes are
        found.
    """
    check_cells(cells, "cells")
    found = expression(cells, layer=layer, use_raw=use_raw, gene_key=gene_key)
    genes = screen.table.genes
    names = pd.Index([str(name) for name in found.var_names])
    if not names.is_unique:
        raise ScmambaError("gene names of the cells repeat; adata.var_names_make_unique()")
    place = names.get_indexer(genes)
    present = place >= 0
    if present.mean() < 0.5:
        raise ScmambaError(
            f"{int(present.sum()):,} of the {len(genes):,} genes of the model are among the "
            f"{len(names):,} of the cells; at least half are needed. The model has "
            f"{', '.join(genes[:3])}, ...; the cells {', '.join(names[:3])}, ...: gene_key= names "
            "another column of var"
        )
    values = log_normalized(found.X, found.unit)
    choose = sparse.csr_matrix(
        (np.ones(int(present.sum()), np.float32), (place[present], np.flatnonzero(present))),
        shape=(len(names), len(genes)),
    )
    contexts = np.full(cells.n_obs, "", object)
    if columns.context is not None and columns.context in cells.obs:
        contexts, _ = read_labels(cells.obs, columns.context, "cell_type_key")
    if columns.perturbation in cells.obs:
        labels, _ = read_labels(cells.obs, columns.perturbation, "pert_key")
        if n := int((labels != columns.control).sum()):
            logger.warning(
                "%d of %d cells are not %r in obs[%r]: they are taken for control cells",
                n,
                cells.n_obs,
                columns.control,
                columns.perturbation,
            )
    totals = None
    if found.unit.kind == "counts":
        totals = np.asarray(found.X.sum(1, dtype=np.float64)).ravel()
    return ControlCells(
        (values @ choose).tocsr(), present, contexts, totals, cells.obs, screen, columns
    )


def _control(table: EffectTable, context: str, cells: Floats) -> Floats:
    """(1, n_genes) control profile of a context; of the cells themselves where it has none."""
    if table.controls is not None and context in table.context_names:
        return table.controls[[table.context_names.index(context)]]
    return cells.mean(0, keepdims=True)
