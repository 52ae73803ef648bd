"""Where a data set's expression is, taken out and checked before anything is computed."""

from __future__ import annotations

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
from scmamba.pp._matrix import to_csr


@dataclass(frozen=True)
class Expression:
    """Expression values of an AnnData and where they were found.

    Attributes
    ----------
    X
        Non-negative, finite values; canonical float32 CSR, shape (n_obs, n_vars_source). May share
        memory with the AnnData: do not write to it.
    var_names
        Gene name of each column; str, shape (n_vars_source,). Names may come twice: their columns
        are added up when cells are turned into tokens.
    source
        ``"layers['...']"``, ``"X"`` or ``"raw.X"``.
    integer
        True where every value is a whole number: counts.
    """

    X: sparse.csr_matrix
    var_names: npt.NDArray[np.object_]
    source: str
    integer: bool


def expression(
    adata: AnnData,
    *,
    layer: str | None = None,
    use_raw: bool | None = None,
    gene_key: str | None = None,
) -> Expression:
    """Take the expression out of an AnnData and check it.

    It comes from ``layer``; else from X where X is non-negative; else from ``.raw`` (a scaled X
    with ``.raw`` is scanpy's usual state), which is logged; else there is an error.

    Parameters
    ----------
    adata
        Cells by genes, in memory or backed; left as it is. X may be dense, CSR or CSC, of any
        real or integer dtype; a backed one is read in blocks.
    layer
        Name of a layer to take instead.
    use_raw
        True: take ``.raw``; False: never take it; None: take it where X holds negative values.
    gene_key
        Column of ``var`` (of ``raw.var`` where ``.raw`` is taken) that holds gene names; None for
        ``var_names``.

    Raises
    ------
    ScmambaError
        If there are no cells or no genes, the layer, ``.raw`` or column is missing, or the values
        taken are negative, NaN or infinite.
    """
    check_shape(adata)
    found = read(adata, layer=layer, use_raw=use_raw, gene_key=gene_key)
    tell_repeated(adata.obs_names, found.var_names)
    return found


class Cells(Protocol):
    """What expression is taken from: an AnnData, or some cells of a file that look like one."""

    @property
    def obs_names(self) -> pd.Index:
        """(n_obs,) names of the cells."""

    @property
    def var(self) -> pd.DataFrame:
        """Of the genes."""

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
    """What :func:`expression` does, without a word on names that repeat, for cells of a block.

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
    X = to_csr(matrix, source)
    found = _look(X)
    if source == "X" and use_raw is None and found.n_negative and adata.raw is not None:
        logger.info("X holds negative values (scaled?): expression is taken from adata.raw")
        source = "raw.X"
        X = to_csr(adata.raw.X, source)
        found = _look(X)
    _refuse_bad_values(adata, X, found, source, first_row)
    var, where = (adata.raw.var, "adata.raw.var") if source == "raw.X" else (adata.var, "adata.var")
    return Expression(X, gene_names(var, gene_key, where), source, found.integer)


class _Look(NamedTuple):
    """What one pass over the values saw; positions are -1 where there is none."""

    n_negative: int
    first_negative: int
    n_non_finite: int
    first_non_finite: int
    integer: bool


def _look(X: sparse.csr_matrix) -> _Look:
    data = X.data
    if not len(data) or (data.min() >= 0 and np.isfinite(data.max())):  # NaN fails both
        return _Look(0, -1, 0, -1, _all_whole(data))
    negative, non_finite = data < 0, ~np.isfinite(data)
    negative &= ~non_finite
    return _Look(
        int(negative.sum()),
        int(negative.argmax()) if negative.any() else -1,
        int(non_finite.sum()),
        int(non_finite.argmax()) if non_finite.any() else -1,
        False,
    )


def _all_whole(data: npt.NDArray[np.float32], block: int = 1 << 16) -> bool:
    """Whether every value is a whole number; the first block with another one ends the search."""
    blocks = (data[start : start + block] for start in range(0, len(data), block))
    return all(bool((values == np.floor(values)).all()) for values in blocks)


def check_shape(adata: Any) -> None:
    """Raise ScmambaError unless ``adata`` is an AnnData with cells and genes."""
    if not isinstance(adata, AnnData):
        ways = {
            "MuData": "pass one of its modalities, such as mdata['rna']",
            "str": "read the file first: anndata.read_h5ad(path)",
        }
        way = ways.get(type(adata).__name__, "wrap a matrix as anndata.AnnData(X, obs, var)")
        raise ScmambaError(f"got a {type(adata).__name__}; allowed: an AnnData; {way}")
    if adata.n_obs == 0 or adata.n_vars == 0:
        empty = "cells" if adata.n_obs == 0 else "genes"
        raise ScmambaError(
            f"adata has no {empty} (shape {adata.n_obs} x {adata.n_vars}); at least one cell and "
            "one gene are needed: look at the filters that came before"
        )


def _ways(adata: Cells) -> str:
    """Where else expression might be, for the end of an error."""
    layers = ", ".join(map(repr, adata.layers.keys())) or "none"
    raw = "present" if adata.raw is not None else "absent"
    return (
        'counts or log-normalised counts are needed: name a layer that holds them (layer="counts") '
        f"or put them in adata.X; layers here: {layers}; adata.raw: {raw}"
    )


def _layer(adata: Cells, layer: str) -> Any:
    if layer not in adata.layers:
        present = ", ".join(map(repr, adata.layers.keys())) or "none"
        raise ScmambaError(f"layer={layer!r} is not in adata.layers; layers here: {present}")
    return adata.layers[layer]


def _refuse_bad_values(
    adata: Cells, X: sparse.csr_matrix, found: _Look, source: str, first_row: int
) -> None:
    if found.n_non_finite:
        place = _place(adata, X, found.first_non_finite, first_row)
        raise ScmambaError(
            f"{source} holds {found.n_non_finite} NaN or infinite values, the first {place}; "
            "allowed: finite values from 0: find out where they come from, then drop the cells or "
            "set the values to 0"
        )
    if found.n_negative:
        place = _place(adata, X, found.first_negative, first_row)
        raise ScmambaError(
            f"{source} holds {found.n_negative} negative values (scaled data?), the first {place}; "
            + _ways(adata)
        )


def _place(adata: Cells, X: sparse.csr_matrix, position: int, first_row: int) -> str:
    row = int(np.searchsorted(X.indptr, position, side="right")) - 1
    return (
        f"is {X.data[position]} in row {first_row + row} ({adata.obs_names[row]}), "
        f"column {int(X.indices[position])}"
    )


def gene_names(var: pd.DataFrame, gene_key: str | None, where: str) -> npt.NDArray[np.object_]:
    """Return the names in column ``gene_key`` of ``var`` (None: its index), "" where missing.

    ``where`` is what an error calls ``var``.
    """
    if gene_key is None:
        return np.array([str(name) for name in var.index], dtype=object)
    if gene_key not in var.columns:
        raise ScmambaError(
            f"gene_key={gene_key!r} is not a column of {where}; allowed: "
            f"{', '.join(map(repr, var.columns)) or 'none here'}, or None for var_names"
        )
    names = np.array([str(name) for name in var[gene_key]], dtype=object)
    names[var[gene_key].isna().to_numpy()] = ""
    return names


def tell_repeated(obs_names: pd.Index, names: npt.NDArray[np.object_]) -> None:
    """Log names of cells and genes that come more than once."""
    if not obs_names.is_unique:
        logger.warning("cell names come more than once: results go to cells by position")
    given = [name for name in names if name]
    n_repeated = len(given) - len(set(given))
    if n_repeated:
        logger.info(
            "%d of %d gene names repeat an earlier one: their values are added up",
            n_repeated,
            len(given),
        )
