"""Matching of the genes of a data set to those of a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from anndata import AnnData

from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba.pp.expression import Expression, gene_names
from scmamba.tokens.cells.genes import GeneMatch, resolve
from scmamba.tokens.cells.vocab import Vocab


def match_genes(
    adata: AnnData, model: Vocab | Sequence[str] | Any, *, gene_key: str | None = None
) -> GeneMatch:
    """Match the gene names of an AnnData to those of a model, and log the result.

    Parameters
    ----------
    adata
        Cells by genes; not modified.
    model
        Model (its ``vocab`` is used), :class:`~scmamba.tokens.Vocab`, or gene names.
    gene_key
        Column of ``adata.var`` with gene names; None for ``var_names``.

    Returns
    -------
    Result of the match; call its ``require()`` to raise an error where too few genes match.

    Raises
    ------
    ScmambaError
        If ``gene_key`` is not a column of ``adata.var``, or the model has no genes.

    Examples
    --------
    >>> import scmamba
    >>> adata = scmamba.datasets.synthetic(10, 4, 2)
    >>> names = adata.var_names.tolist()
    >>> scmamba.pp.match_genes(adata, names[::-1]).index.tolist()
    [3, 2, 1, 0]
    """
    known = getattr(model, "vocab", model)
    targets = known.tokens if isinstance(known, Vocab) else known
    if targets is None or isinstance(targets, str):
        raise ScmambaError(
            f"got {model!r} as the model; allowed: a model with a vocabulary, a Vocab or a list of "
            "gene names"
        )
    match = resolve(gene_names(adata.var, gene_key, "adata.var"), targets)
    logger.info(match.report())
    return match


def find_genes(found: Expression, targets: Sequence[str]) -> GeneMatch:
    """Find the genes of a model in a data set.

    Parameters
    ----------
    found
        Expression of cells.
    targets
        Genes of the model.

    Raises
    ------
    ScmambaError
        If fewer than half match, or genes are in rows.
    """
    match = resolve(found.var_names.tolist(), targets)
    if match.fraction < 0.5 or not match.n_matched:
        rows = resolve(dict.fromkeys(map(str, found.obs_names)), targets)
        if rows.n_matched > 1 and rows.fraction >= 0.5:
            raise ScmambaError(
                f"{rows.n_matched:,} names of rows (obs_names) are genes and {match.n_matched:,} "
                "of columns (var_names): the data is genes by cells; transpose it: adata = "
                "adata.T.copy()"
            )
    return match.require()
