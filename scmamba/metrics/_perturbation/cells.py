"""Measured and predicted cells, grouped by context and perturbation, on the same genes."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from anndata import AnnData
from scipy import sparse

from scmamba._arguments import check_value
from scmamba._errors import ScmambaError
from scmamba._text import label_texts, obs_column
from scmamba.pp import expression, log_normalized

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Key = tuple[str, str]
"""Context (``""`` without contexts) and perturbation."""


@dataclass(frozen=True)
class CellGroups:
    """Cells grouped by context and perturbation.

    Attributes
    ----------
    values
        (n_obs, n_vars) log-normalized expression, sparse or dense.
    genes
        (n_vars,) gene names.
    rows
        Positions of the cells of each context and perturbation.
    of_counts
        Whether the cells were given as counts.
    """

    values: Any
    genes: pd.Index
    rows: dict[Key, Rows]
    of_counts: bool

    def of(self, key: Key) -> npt.NDArray[Any]:
        """(n_cells, n_vars) expression of the cells of one group, dense."""
        found = self.values[self.rows[key]]
        return found.toarray() if sparse.issparse(found) else np.asarray(found)

    def mean(self, key: Key) -> Floats:
        """(n_vars,) mean expression of one group."""
        found = self.values[self.rows[key]]
        return np.asarray(found.mean(0, dtype=np.float64)).ravel()

    def means(self, keys: list[Key]) -> Floats:
        """(n_keys, n_vars) mean expression of each group."""
        return np.stack([self.mean(key) for key in keys])

    def halves(self, keys: list[Key], seed: int) -> Iterator[CellGroups]:
        """Split the cells of each group at random; groups of one cell are excluded."""
        first, second = {}, {}
        for i, key in enumerate(keys):
            mixed = np.random.default_rng([seed, i]).permutation(self.rows[key])
            middle = len(mixed) // 2
            if middle:
                first[key], second[key] = mixed[:middle], mixed[middle:]
        yield replace(self, rows=first)
        yield replace(self, rows=second)


def measured_cells(
    real: AnnData, pert_key: str, control: str, context_key: str | None
) -> CellGroups:
    """Group measured cells, log-normalized.

    Raises
    ------
    ScmambaError
        If expression is invalid, a column is missing, or no cell is a control.
    """
    found = expression(real)
    groups = _groups(real.obs, pert_key, context_key, "real.obs")
    names = sorted({perturbation for _, perturbation in groups})
    check_value("control", control, names, f"real.obs[{pert_key!r}]")
    values = sparse.csr_matrix(log_normalized(found.X, found.unit))
    return CellGroups(values, pd.Index(found.var_names), groups, found.unit.kind == "counts")


def predicted_keys(
    predicted: AnnData | pd.DataFrame, pert_key: str, context_key: str | None
) -> set[Key]:
    """Contexts and perturbations of predicted cells or of the rows of predicted profiles."""
    if isinstance(predicted, AnnData):
        return set(_groups(predicted.obs, pert_key, context_key, "predicted.obs"))
    return set(map(_as_key, predicted.index))


def predicted_cells(
    predicted: AnnData,
    measured: CellGroups,
    keys: list[Key],
    pert_key: str,
    context_key: str | None,
) -> CellGroups:
    """Group predicted cells, log-normalized, on the genes of the measured cells.

    Raises
    ------
    ScmambaError
        If genes are missing, values are not finite, or the unit differs from that of ``measured``.
    """
    if measured.of_counts:
        found = expression(predicted)
        if found.unit.kind != "counts":
            raise ScmambaError(
                f"real holds counts and predicted holds {found.unit}; give both in one unit"
            )
        values, names = log_normalized(found.X, found.unit), pd.Index(found.var_names)
    else:
        values, names = predicted.X, predicted.var_names
    values = _of_genes(values, names, measured.genes, "predicted.var_names")
    stored = values.data if sparse.issparse(values) else values
    if not np.isfinite(stored).all():
        raise ScmambaError("predicted.X holds values that are NaN or infinite; predict them again")
    groups = _groups(predicted.obs, pert_key, context_key, "predicted.obs")
    _check_all(keys, groups)
    return replace(measured, values=values, rows={key: groups[key] for key in keys})


def predicted_profiles(table: pd.DataFrame, genes: pd.Index, keys: list[Key]) -> Floats:
    """(n_keys, n_vars) predicted mean log-normalized expression, from a table of profiles.

    Parameters
    ----------
    table
        One row per perturbation, or pair of context and perturbation; one column per gene.
    genes
        (n_vars,) names of the measured genes.
    keys
        Contexts and perturbations to select.

    Raises
    ------
    ScmambaError
        If a gene or a row is missing, or a value is not finite.
    """
    index: dict[Key, int] = {_as_key(label): i for i, label in enumerate(table.index)}
    index |= {key: index["", key[1]] for key in keys if key not in index and ("", key[1]) in index}
    _check_all(keys, index)
    rows = [index[key] for key in keys]
    values = _of_genes(table.to_numpy(float)[rows], table.columns, genes, "the profiles' columns")
    if not np.isfinite(values).all():
        raise ScmambaError("predicted profiles hold values that are NaN or infinite")
    return np.asarray(values)


def _groups(
    obs: pd.DataFrame, pert_key: str, context_key: str | None, name: str
) -> dict[Key, Rows]:
    """Positions of the cells of each context and perturbation, without unlabeled cells."""
    perturbations, missing = label_texts(obs_column(obs, pert_key, "pert_key", name))
    if context_key is None:
        contexts = np.full(len(obs), "", object)
    else:
        contexts, lacking = label_texts(obs_column(obs, context_key, "context_key", name))
        missing = missing | lacking
    table = pd.DataFrame({"context": contexts, "perturbation": perturbations})[~missing]
    groups = table.groupby(["context", "perturbation"], sort=True).indices
    kept = np.flatnonzero(~missing)
    return {(str(c), str(p)): kept[rows] for (c, p), rows in groups.items()}


def _of_genes(values: Any, names: pd.Index, genes: pd.Index, where: str) -> Any:
    """Columns of ``values`` in the order of ``genes``."""
    if not names.is_unique:
        raise ScmambaError(f"{where} contain the same gene twice; make them unique")
    columns = names.get_indexer(genes)
    if (columns < 0).any():
        lost = genes[columns < 0]
        raise ScmambaError(
            f"{len(lost):,} of {len(genes):,} measured genes are not among {where}, first "
            f"{', '.join(map(str, lost[:3]))}; predict all of them, or score on common genes"
        )
    return values[:, columns]


def _check_all(keys: list[Key], found: Container[Key]) -> None:
    missing = [
        f"{p} in {context}" if context else p for context, p in keys if (context, p) not in found
    ]
    if missing:
        raise ScmambaError(
            f"{len(missing):,} of the {len(keys):,} perturbations to score are not predicted, "
            f"first {', '.join(missing[:5])}"
        )


def _as_key(label: Any) -> Key:
    if isinstance(label, tuple):
        return str(label[0]), str(label[1])
    return "", str(label)
