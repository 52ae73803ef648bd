"""The one door through which every task takes expression: found, checked, its unit told."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
from anndata import AnnData
from scipy import sparse

from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba.pp._checks import check_shape, rna_of
from scmamba.pp._matrix import to_csr
from scmamba.pp.features import gene_names, is_gene, log_left_out, log_repeated
from scmamba.pp.units import Unit, unit_of, whole_numbers

__all__ = ["Cells", "Expression", "check_shape", "expression", "gene_names", "read", "rna_of"]


@dataclass(frozen=True)
class Expression:
    """Expression values of cells, where they were found and their unit.

    Attributes
    ----------
    X
        (n_cells, n_genes) non-negative, finite values; canonical float32 CSR without stored zeros.
        May share memory with the AnnData: do not write to it. Counts that were nearly whole are
        rounded.
    var_names
        (n_genes,) name of each column; str. Names may come twice: their columns are added up when
        cells are turned into tokens. Columns of other feature types are left out.
    source
        ``"layers['...']"``, ``"X"`` or ``"raw.X"``.
    unit
        What the values are; see :class:`~scmamba.pp.Unit`.
    obs_names
        (n_cells,) names of the cells.
    """

    X: sparse.csr_matrix
    var_names: npt.NDArray[np.object_]
    source: str
    unit: Unit
    obs_names: pd.Index

    @property
    def integer(self) -> bool:
        """Whether the values are counts."""
        return self.unit.is_counts


def expression(
    adata: AnnData,
    *,
    layer: str | None = None,
    use_raw: bool | None = None,
    gene_key: str | None = None,
) -> Expression:
    """Take the expression out of an AnnData, check it and tell its unit.

    It comes from ``layer``; else from X where X is non-negative; else from ``.raw`` (a scaled X
    with ``.raw`` is scanpy's usual state), which is logged; else there is an error.

    Parameters
    ----------
    adata
        Cells by genes, in memory or backed; left as it is. X may be dense, CSR or CSC, of any
        real or integer dtype; a backed one is read in blocks. Of a MuData, ``rna`` is taken.
    layer
        Name of a layer to take instead.
    use_raw
        True: take ``.raw``; False: never take it; None: take it where X holds negative values.
    gene_key
        Column of ``var`` (of ``raw.var`` where ``.raw`` is taken) that holds gene names; None for
        ``var_names``.

    Returns
    -------
    Values of genes alone where ``var["feature_types"]`` tells genes from antibodies or peaks.

    Raises
    ------
    ScmambaError
        If there are no cells or no genes, the layer, ``.raw`` or column is missing, a sparse
        matrix is damaged, the values taken are negative, NaN or infinite, or cells differ in unit.

    Examples
    --------
    >>> import scmamba
    >>> adata = scmamba.datasets.synthetic(30, 20, 2)
    >>> found = scmamba.pp.expression(adata)
    >>> found.X.shape, found.source, str(found.unit)
    ((30, 20), 'X', 'counts')
    """
    adata = rna_of(adata)
    check_shape(adata)
    found = read(adata, layer=layer, use_raw=use_raw, gene_key=gene_key)
    found.unit.require_one(found.source)
    log_what_was_read(found, adata, adata.obs_names)
    return found


def log_what_was_read(found: Expression, cells: Cells, obs_names: pd.Index) -> None:
    """Log columns left out, names that repeat, and a unit other than counts.

    Parameters
    ----------
    found
        As :func:`read` gave it.
    cells
        What it was taken from.
    obs_names
        (n_obs,) names of all cells, of which ``found`` may hold some.
    """
    var = cells.raw.var if found.source == "raw.X" else cells.var
    log_left_out(var, is_gene(var))
    log_repeated(obs_names, found.var_names)
    if found.unit.kind != "counts":
        level = logging.INFO if found.unit.sure else logging.WARNING
        doubt = "" if found.unit.sure else "; if that is wrong, name a layer with counts: layer="
        logger.log(level, "%s is read as %s%s", found.source, found.unit, doubt)


class Cells(Protocol):
    """What expression is taken from: an AnnData, or some cells of a file that look like one."""

    @property
    def obs_names(self) -> pd.Index:
        """(n_obs,) names of the cells."""

    @property
    def var(self) -> pd.DataFrame:
        """One row per gene."""

    @property
    def X(self) -> Any:
        """(n_obs, n_vars) values, or None."""

    @property
    def layers(self) -> Mapping[str, Any]:
        """Other matrices of that shape."""

    @property
    def raw(self) -> Any:
        """Another ``X`` and ``var``, or None."""


def read(
    adata: Cells,
    *,
    layer: str | None = None,
    use_raw: bool | None = None,
    gene_key: str | None = None,
    first_row: int = 0,
) -> Expression:
    """What :func:`expression` does, without a word on what was read, for cells of a block.

    ``first_row`` is the position of the block's first cell, for errors.
    """
    if layer is not None and use_raw:
        raise ScmambaError(f"layer={layer!r} and use_raw=True ask for two things; pass one of them")
    if use_raw and adata.raw is None:
        raise ScmambaError("use_raw=True, but adata.raw is None; " + _ways(adata))
    if layer is not None:
        source, matrix = f"layers['{layer}']", _layer(adata, layer)
    elif use_raw:
        source, matrix = "raw.X", adata.raw.X
    else:
        source, matrix = "X", adata.X
        if matrix is None:
            raise ScmambaError("adata.X is None; " + _ways(adata))
    X = to_csr(matrix, _name(adata, source))
    values = _look(X)
    if source == "X" and use_raw is None and values.n_negative and adata.raw is not None:
        logger.info("X holds negative values (scaled?): expression is taken from adata.raw")
        source = "raw.X"
        X = to_csr(adata.raw.X, _name(adata, source))
        values = _look(X)
    _refuse_bad_values(adata, X, values, source, first_row)
    var, where = (adata.raw.var, "adata.raw.var") if source == "raw.X" else (adata.var, "adata.var")
    if X.shape != (named := (len(adata.obs_names), len(var))):
        raise ScmambaError(
            f"{_name(adata, source)} has shape {X.shape}, but {named[0]} cells and {named[1]} "
            "genes are named; read the data again from its source"
        )
    names = gene_names(var, gene_key, where)
    genes = is_gene(var, where)
    if genes is not None:
        X, names = X[:, np.flatnonzero(genes)], names[genes]
    X = _without_zeros(X) if values.has_zeros else X
    unit = unit_of(X)
    if unit.kind == "counts" and whole_numbers(X.data) == "nearly":
        X = sparse.csr_matrix((np.rint(X.data), X.indices, X.indptr), shape=X.shape)
    return Expression(X, names, source, unit, adata.obs_names)


def _name(adata: Cells, source: str) -> str:
    """What an error calls the matrix: of a file, with its name."""
    file = getattr(adata, "name", None)
    return source if file is None else f"{source} of {file}"


def _without_zeros(X: sparse.csr_matrix) -> sparse.csr_matrix:
    """A copy in which a gene is stored only where it is expressed."""
    X = X.copy()
    X.eliminate_zeros()
    return X


class _Look(NamedTuple):
    """What one pass over the values saw; positions are -1 where there is none."""

    n_negative: int
    first_negative: int
    n_non_finite: int
    first_non_finite: int
    has_zeros: bool


def _look(X: sparse.csr_matrix) -> _Look:
    data = X.data
    if not len(data) or ((least := data.min()) >= 0 and np.isfinite(data.max())):  # NaN fails both
        return _Look(0, -1, 0, -1, bool(len(data)) and bool(least == 0))
    negative, non_finite = data < 0, ~np.isfinite(data)
    negative &= ~non_finite
    return _Look(
        int(negative.sum()),
        int(negative.argmax()) if negative.any() else -1,
        int(non_finite.sum()),
        int(non_finite.argmax()) if non_finite.any() else -1,
        False,
    )


def _ways(adata: Cells) -> str:
    """Where else expression might be, for the end of an error."""
    layers = ", ".join(map(repr, adata.layers.keys())) or "none"
    raw = "present" if adata.raw is not None else "absent"
    return (
        'counts or log-normalised counts are needed: name a layer that holds them (layer="counts") '
        f"or put them in adata.X; layers here: {layers}; adata.raw: {raw}"
    )


def ways_to_counts(adata: Cells) -> str:
    """Say where a data set holds counts: in ``.raw``, in a layer, or nowhere that was found."""
    if adata.raw is not None and _are_counts(adata.raw.X):
        return "adata.raw holds counts: pass use_raw=True to take them"
    layers = [name for name in adata.layers if _are_counts(adata.layers[name])]
    if layers:
        return f"a layer holds counts: pass layer={layers[0]!r} to take them"
    return 'if you have counts, put them in a layer and name it: layer="counts"'


def _are_counts(matrix: Any, rows: int = 200) -> bool:
    """Whether the first rows hold whole numbers, not all zero."""
    if getattr(matrix, "dtype", None) is None or np.dtype(matrix.dtype).kind not in "biuf":
        return False
    X = to_csr(matrix[:rows], "a layer")
    return bool(len(X.data)) and bool(X.data.min() >= 0) and whole_numbers(X.data) != "no"


def _layer(adata: Cells, layer: str) -> Any:
    if layer not in adata.layers:
        present = ", ".join(map(repr, adata.layers.keys())) or "none"
        raise ScmambaError(f"layer={layer!r} is not in adata.layers; layers here: {present}")
    return adata.layers[layer]


def _refuse_bad_values(
    adata: Cells, X: sparse.csr_matrix, found: _Look, source: str, first_row: int
) -> None:
    name = _name(adata, source)
    if found.n_non_finite:
        place = _place(adata, X, found.first_non_finite, first_row)
        raise ScmambaError(
            f"{name} holds {found.n_non_finite} NaN or infinite values, the first {place}; "
            "allowed: finite values from 0: find out where they come from, then drop the cells or "
            "set the values to 0"
        )
    if found.n_negative:
        place = _place(adata, X, found.first_negative, first_row)
        raise ScmambaError(
            f"{name} holds {found.n_negative} negative values (scaled data?), the first {place}; "
            + _ways(adata)
        )


def _place(adata: Cells, X: sparse.csr_matrix, position: int, first_row: int) -> str:
    row = int(np.searchsorted(X.indptr, position, side="right")) - 1
    return (
        f"is {X.data[position]} in row {first_row + row} ({adata.obs_names[row]}), "
        f"column {int(X.indices[position])}"
    )
