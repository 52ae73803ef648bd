"""Features of a data set: names, and which of them are genes."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt
import pandas as pd

from scmamba._errors import ScmambaError
from scmamba._log import logger

FEATURE_TYPES = "feature_types"
"""Column of ``var`` in which Cell Ranger, scanpy and muon store the type of each feature."""

_GENES = {"gene expression", "gene", "genes", "gex", "rna", "mrna", "transcript", "expression"}
_OTHERS = re.compile(
    r"antibod|\badt\b|protein(?!.coding)|\bhto\b|hashtag|multiplex|\bcmo\b|crispr|guide|\bpeaks?\b"
    r"|\batac\b|chromatin|\bcustom\b|antigen|\bv\(?d\)?j\b"
)


def is_gene(var: pd.DataFrame, name: str = "adata.var") -> npt.NDArray[np.bool_] | None:
    """Find features that are genes by ``var["feature_types"]``; None where all are, or unknown.

    Parameters
    ----------
    var
        One row per column of the matrix.
    name
        Name of ``var`` in errors.

    Returns
    -------
    (n_vars,) True for genes, False for antibodies, hashtags, guides, peaks and the like. Features
    without a type are taken for genes.

    Raises
    ------
    ScmambaError
        If none of the features is a gene.
    """
    if FEATURE_TYPES not in var.columns:
        return None
    types = var[FEATURE_TYPES].astype(object).where(var[FEATURE_TYPES].notna(), "gene")
    kinds = {kind: str(kind).strip().casefold() for kind in pd.unique(types)}
    if any(text == "gene expression" for text in kinds.values()):
        genes = {kind for kind, text in kinds.items() if text in _GENES}
    else:
        genes = {kind for kind, text in kinds.items() if not _OTHERS.search(text)}
    found = types.isin(list(genes)).to_numpy()
    if not found.any():
        raise ScmambaError(
            f"{name}[{FEATURE_TYPES!r}] names no genes: {_counts(types)}; allowed: data with "
            "'Gene Expression'; for a MuData, the modality 'rna'"
        )
    return None if found.all() else found


def log_left_out(var: pd.DataFrame, genes: npt.NDArray[np.bool_] | None) -> None:
    """Log the number of features of other types that are left out."""
    if genes is not None:
        logger.warning(
            "var[%r]: %s genes are read; left out: %s",
            FEATURE_TYPES,
            f"{int(genes.sum()):,}",
            _counts(var[FEATURE_TYPES][~genes]),
        )


def gene_names(var: pd.DataFrame, gene_key: str | None, name: str) -> npt.NDArray[np.object_]:
    """Return the gene name of each column, "" where it is missing or the column is not a gene.

    Parameters
    ----------
    var
        One row per column of the matrix.
    gene_key
        Column of ``var`` with gene names; None for its index.
    name
        Name of ``var`` in errors.

    Raises
    ------
    ScmambaError
        If ``gene_key`` is not a column, or none of the features is a gene.
    """
    if gene_key is None:
        names = np.array([str(one) for one in var.index], dtype=object)
    elif gene_key not in var.columns:
        raise ScmambaError(
            f"gene_key={gene_key!r} is not a column of {name}; allowed: "
            f"{', '.join(map(repr, var.columns)) or 'none here'}, or None for var_names"
        )
    else:
        names = np.array([str(one) for one in var[gene_key]], dtype=object)
        names[var[gene_key].isna().to_numpy()] = ""
    genes = is_gene(var, name)
    if genes is not None:
        names[~genes] = ""
    return names


def log_repeated(obs_names: pd.Index, names: npt.NDArray[np.object_]) -> None:
    """Log names of cells and genes that occur more than once."""
    if not obs_names.is_unique:
        logger.warning("cell names are not unique: results are assigned to cells by position")
    given = [name for name in names if name]
    n_repeated = len(given) - len(set(given))
    if n_repeated:
        logger.info(
            "%d of %d gene names repeat an earlier one: their values are summed",
            n_repeated,
            len(given),
        )


def _counts(types: pd.Series) -> str:
    counts = types.astype(str).value_counts()
    return ", ".join(f"{kind} {n:,}" for kind, n in counts.items() if n)
