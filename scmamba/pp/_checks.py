"""Checks that an input is an AnnData with cells and genes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anndata import AnnData

from scmamba._errors import ScmambaError

RNA = "rna"
"""Name of the MuData modality with gene expression."""


def check_shape(adata: Any) -> None:
    """Raise ScmambaError unless ``adata`` is an AnnData with cells and genes."""
    if not isinstance(adata, AnnData):
        ways = {
            "MuData": "pass one of its modalities, such as mdata['rna']",
            "str": "read the file first: anndata.read_h5ad(path)",
            "DataFrame": "wrap a table of cells by genes: anndata.AnnData(table)",
        }
        way = ways.get(type(adata).__name__, "wrap a matrix as anndata.AnnData(X, obs, var)")
        raise ScmambaError(f"got a {type(adata).__name__}; allowed: an AnnData; {way}")
    if adata.n_obs == 0 or adata.n_vars == 0:
        empty = "cells" if adata.n_obs == 0 else "genes"
        raise ScmambaError(
            f"adata has no {empty} (shape {adata.n_obs} x {adata.n_vars}); at least one cell and "
            "one gene are needed: check the filters applied before"
        )


def rna_of(cells: Any) -> Any:
    """Return the modality ``rna`` of a MuData, and anything else unchanged.

    Raises
    ------
    ScmambaError
        If a MuData has no modality of that name.
    """
    modalities = getattr(cells, "mod", None)
    if not isinstance(modalities, Mapping):  # a DataFrame has a method of that name
        return cells
    if RNA not in modalities:
        raise ScmambaError(
            f"this MuData has no modality {RNA!r}; it has {', '.join(map(repr, modalities))}. Give "
            "the AnnData with the expression: mdata.mod[...]"
        )
    return modalities[RNA]
