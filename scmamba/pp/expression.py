"""Reading of expression from AnnData, the same for every task: location, checks, unit."""

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

from scmamba._describe import Described, listed
from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba.pp._checks import check_shape, rna_of
from scmamba.pp._matrix import to_csr
from scmamba.pp.features import gene_names, is_gene, log_left_out, log_repeated
from scmamba.pp.units import Unit, unit_of, whole_numbers

__all__ = ["Cells", "Expression", "check_shape", "expression", "gene_names", "read", "rna_of"]


@dataclass(frozen=True, repr=False)
class Expression(Described):
    """Expression values of cells, with their source and unit.

    Attributes
    ----------
    X
        (n_cells, n_genes) non-negative, finite values; canonical float32 CSR without stored zeros.
        May share memory with the AnnData: do not write to it. Nearly whole counts are rounded.
    var_names
        (n_genes,) gene names, str. Names may repeat: such columns are summed when cells are turned
        into tokens. Columns of other feature types are left out.
    source
        Location in the AnnData: ``"layers['...']"``, ``"X"`` or ``"raw.X"``.
    unit
        Unit of the values, such as counts or log1p; see :class:`~scmamba.pp.Unit`.
    obs_names
        (n_cells,) names of the cells.

    Examples
    --------
    >>> import scmamba
    >>> found = scmamba.pp.expression(scmamba.datasets.synthetic(30, 20, 2))
    >>> found.source, found.integer, len(found.var_names)
    ('X', True, 20)
    """

    X: sparse.csr_matrix
    var_names: npt.NDArray[np.object_]
    source: str
    unit: Unit
    obs_names: pd.Index

    def _summary(self) -> tuple[str, Mapping[str, str]]:
        return f"expression of {self.X.shape[0]:,} cells", {
            "source": self.source,
            "unit": str(self.unit),
            "genes": listed(self.var_names.tolist()),
        }

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
    """Read expression from an AnnData, check it and detect its unit.

    The values are those of ``layer`` if given, else of X if it is non-negative, else of ``.raw``
    (scanpy workflows often leave a scaled X with the original values in ``.raw``), which is logged.
    Otherwise an error is raised.

    Parameters
    ----------
    adata
        Cells by genes, in memory or backed; not modified. X may be dense, CSR or CSC, of any real
        or integer dtype; backed matrices are read in blocks. For a MuData, the modality ``rna`` is
        used.
    layer
        Name of a layer to use instead of X.
    use_raw
        Whether to use ``.raw``; None uses it where X holds negative values.
    gene_key
        Column of ``var`` (of ``raw.var`` where ``.raw`` is used) with gene names; None for
        ``var_names``.

    Returns
    -------
    Expression of the genes; antibodies, peaks and other features are left out where
    ``var["feature_types"]`` identifies them.

    Raises
    ------
    ScmambaError
        If there are no cells or no genes, the layer, ``.raw`` or column is missing, a sparse
        matrix is damaged, values are negative, NaN or infinite, or cells differ in unit.

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
    """Log features left out, repeated names, and units other than counts.

    Parameters
    ----------
    found
        Result of :func:`read`.
    cells
        Source of the expression.
    obs_names
        (n_obs,) names of all cells; ``found`` may hold only some of them.
    """
    var = cells.raw.var if found.source == "raw.X" else cells.var
    log_left_out(var, is_gene(var))
    log_repeated(obs_names, found.var_names)
    if found.unit.kind != "counts":
        level = logging.INFO if found.unit.sure else logging.WARNING
        doubt = "" if found.unit.sure else "; if that is wrong, pass a layer with counts: layer="
        logger.log(level, "%s is read as %s%s", found.source, found.unit, doubt)


class Cells(Protocol):
    """Protocol of an AnnData, or of cells of a file with the same attributes."""

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
        """Further matrices of the same shape, by name."""

    @property
    def raw(self) -> Any:
        """Object with another ``X`` and ``var``, or None."""


def read(
    adata: Cells,
    *,
    layer: str | None = None,
    use_raw: bool | None = None,
    gene_key: str | None = None,
    first_row: int = 0,
) -> Expression:
    """Read expression of a block of cells as :func:`expression` does, without logging.

    ``first_row`` is the position of the first cell of the block, for error messages.
    """
    if layer is not None and use_raw:
        raise ScmambaError(
            f"layer={layer!r} and use_raw=True contradict each other; pass one of them"
        )
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
        logger.info("X holds negative values (scaled?): expression is read from adata.raw")
        source = "raw.X"
        X = to_csr(adata.raw.X, _name(adata, source))
        values = _look(X)
    _refuse_bad_values(adata, X, values, source, first_row)
    var, where = (adata.raw.var, "adata.raw.var") if source == "raw.X" else (adata.var, "adata.var")
    if X.shape != (named := (len(adata.obs_names), len(var))):
        raise ScmambaError(
            f"{_name(adata, source)} has shape {X.shape}, but there are names of {named[0]} cells "
            f"and {named[1]} genes; read the data again from its source"
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
    """Return the name of the matrix in errors, with the name of its file."""
    file = getattr(adata, "name", None)
    return source if file is None else f"{source} of {file}"


def _without_zeros(X: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return a copy without stored zeros."""
    X = X.copy()
    X.eliminate_zeros()
    return X


class _Look(NamedTuple):
    """Summary of the values of a matrix; positions are -1 where there are none."""

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
    """Advice for errors: other places where expression may be stored."""
    layers = ", ".join(map(repr, adata.layers.keys())) or "none"
    raw = "present" if adata.raw is not None else "absent"
    return (
        'counts or log-normalized counts are needed: pass a layer that holds them (layer="counts") '
        f"or put them in adata.X; layers here: {layers}; adata.raw: {raw}"
    )


def ways_to_counts(adata: Cells) -> str:
    """Return advice on where a data set holds counts: in ``.raw``, in a layer, or nowhere found."""
    if adata.raw is not None and _are_counts(adata.raw.X):
        return "adata.raw holds counts: pass use_raw=True to use them"
    layers = [name for name in adata.layers if _are_counts(adata.layers[name])]
    if layers:
        return f"a layer holds counts: pass layer={layers[0]!r} to use them"
    return 'if you have counts, put them in a layer and pass it: layer="counts"'


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
            "allowed: finite, non-negative values: find out where they come from, then drop the "
            "cells or set the values to 0"
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
