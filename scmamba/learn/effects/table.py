"""Effects of perturbations as a table: one row per perturbation, dose and context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from scmamba._errors import ScmambaError
from scmamba.learn.effects.names import Perturbation

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class EffectTable:
    """Effects of perturbations.

    Attributes
    ----------
    effects
        (n_rows, n_genes) change of the mean log-normalized expression against the controls of the
        same context, or a given score of change.
    perturbations
        (n_rows,) what is perturbed.
    contexts
        (n_rows,) cell type, cell line or donor of each row; ``""`` without contexts.
    genes
        (n_genes,) gene names.
    doses
        (n_rows,) doses; NaN without a dose.
    n_cells
        (n_rows,) number of perturbed cells; 0 where effects were given.
    errors
        (n_rows, n_genes) standard errors of the effects, or None where they are not known.
    controls
        (n_contexts, n_genes) mean log-normalized expression of the controls of each context, one
        row per entry of ``context_names``; None where effects were given.
    context_names
        (n_contexts,) contexts with controls.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> table = EffectTable.from_effects(
    ...     np.eye(2), [("A",), ("B",)], ["T cell", "T cell"], pd.Index(["g1", "g2"])
    ... )
    >>> table.where(np.array([True, False])).perturbations
    (('A',),)
    """

    effects: Floats
    perturbations: tuple[Perturbation, ...]
    contexts: tuple[str, ...]
    genes: pd.Index
    doses: npt.NDArray[np.float64]
    n_cells: Ints
    errors: Floats | None
    controls: Floats | None
    context_names: tuple[str, ...]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.perturbations)

    def where(self, rows: Mask | Ints) -> EffectTable:
        """Return the table of some rows; controls of all contexts are kept."""
        chosen = np.flatnonzero(rows) if rows.dtype == bool else rows
        return replace(
            self,
            effects=self.effects[chosen],
            perturbations=tuple(self.perturbations[i] for i in chosen),
            contexts=tuple(self.contexts[i] for i in chosen),
            doses=self.doses[chosen],
            n_cells=self.n_cells[chosen],
            errors=None if self.errors is None else self.errors[chosen],
        )

    def control_of(self, contexts: Sequence[str]) -> Floats | None:
        """(n, n_genes) control profiles of contexts, or None where there are no controls."""
        if self.controls is None:
            return None
        place = {name: i for i, name in enumerate(self.context_names)}
        return self.controls[[place[name] for name in contexts]]

    @staticmethod
    def from_effects(
        effects: Any,
        perturbations: Sequence[Perturbation],
        contexts: Sequence[str],
        genes: pd.Index,
        doses: npt.NDArray[np.float64] | None = None,
    ) -> EffectTable:
        """Make a table of effects that are known already.

        Raises
        ------
        ScmambaError
            If a value is not finite, or two rows have the same perturbation, dose and context.
        """
        values = effects.toarray() if sparse.issparse(effects) else np.asarray(effects)
        if not np.isfinite(values).all():
            raise ScmambaError("the effects hold values that are NaN or infinite")
        given = np.full(len(values), np.nan) if doses is None else doses
        keys = list(zip(contexts, perturbations, given.tolist(), strict=True))
        texts = list(map(str, keys))
        if len(set(texts)) < len(texts):
            i = next(i for i, text in enumerate(texts) if text in texts[:i])
            raise ScmambaError(
                f"two rows hold the effect of {'+'.join(keys[i][1])}"
                + (f" in {keys[i][0]}" if keys[i][0] else "")
                + "; give one row per perturbation, dose and context"
            )
        return EffectTable(
            values.astype(np.float32),
            tuple(perturbations),
            tuple(contexts),
            genes,
            np.asarray(given, np.float64),
            np.zeros(len(values), np.int64),
            None,
            None,
            (),
        )

    @staticmethod
    def from_cells(
        values: sparse.csr_matrix,
        perturbations: Sequence[Perturbation],
        contexts: Sequence[str],
        genes: pd.Index,
        doses: npt.NDArray[np.float64] | None = None,
    ) -> EffectTable:
        """Compute effects from cells.

        Parameters
        ----------
        values
            (n_cells, n_genes) log-normalized expression, CSR.
        perturbations
            (n_cells,) what is perturbed in each cell; ``()`` in controls.
        contexts
            (n_cells,) context of each cell.
        genes
            (n_genes,) gene names.
        doses
            (n_cells,) doses, NaN without; those of controls are ignored.

        Raises
        ------
        ScmambaError
            If there is no perturbed cell, or a context with perturbed cells has no controls.
        """
        given = np.full(len(contexts), np.nan) if doses is None else np.asarray(doses, float)
        is_control = np.array([not one for one in perturbations], bool)
        given = np.where(is_control, np.nan, given)
        labels = pd.DataFrame(
            {
                "context": list(contexts),
                "perturbation": pd.Series(list(perturbations), dtype=object),
                "dose": given,
            }
        )
        groups = labels.groupby(["context", "perturbation", "dose"], dropna=False, sort=True)
        keys = [(str(c), tuple(p), float(d)) for (c, p, d) in groups.groups]
        mean, variance, n = _moments(values, groups.ngroup().to_numpy(), len(keys))
        control = {key[0]: i for i, key in enumerate(keys) if not key[1]}
        rows = [i for i, key in enumerate(keys) if key[1]]
        if not rows:
            raise ScmambaError("no cell is perturbed: all cells are controls")
        if alone := sorted({keys[i][0] for i in rows} - set(control)):
            raise ScmambaError(
                f"no cell of {', '.join(alone[:5])} is a control, so changes cannot be computed; "
                "leave those cells out or add their controls"
            )
        mine = [control[keys[i][0]] for i in rows]
        return EffectTable(
            (mean[rows] - mean[mine]).astype(np.float32),
            tuple(keys[i][1] for i in rows),
            tuple(keys[i][0] for i in rows),
            genes,
            np.array([keys[i][2] for i in rows]),
            n[rows],
            np.sqrt(variance[rows] / n[rows, None] + variance[mine] / n[mine, None]).astype(
                np.float32
            ),
            mean[list(control.values())].astype(np.float32),
            tuple(control),
        )


def _moments(values: sparse.csr_matrix, codes: Ints, n_groups: int) -> tuple[Floats, Floats, Ints]:
    """Mean and variance of each gene in each group, and the number of cells of each group."""
    n = np.bincount(codes, minlength=n_groups)
    one = np.ones(len(codes))
    member = sparse.csr_matrix((one, (codes, np.arange(len(codes)))), (n_groups, len(codes)))
    mean = (member @ values).toarray() / n[:, None]
    square = (member @ values.power(2)).toarray() / n[:, None]
    unbiased = n / np.maximum(n - 1, 1)
    return mean, np.maximum(square - mean**2, 0) * unbiased[:, None], n
