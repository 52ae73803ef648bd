"""The cells that all ways to correct batches get alike: labeled, on the same genes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scmamba._errors import ScmambaError

if TYPE_CHECKING:
    from anndata import AnnData

BATCH, LABEL, UNLABELED = "batch", "label", "unknown"
"""Where cells carry what a method may read; X is log-normalized, ``layers["counts"]`` is not."""


def prepare_cells(
    adata: AnnData,
    batch_key: str,
    labels_key: str,
    *,
    layer: str | None = None,
    use_raw: bool | None = None,
    gene_key: str | None = None,
    unlabeled_category: str = UNLABELED,
    n_top_genes: int | None = 2000,
) -> AnnData:
    """Cells with a known label, on genes that vary within batches; labels choose no gene.

    Parameters
    ----------
    adata
        Cells by genes, counts; left as it is.
    batch_key, labels_key
        ``obs`` columns.
    layer, use_raw, gene_key
        Where counts and gene names are; see :func:`scmamba.pp.expression`.
    unlabeled_category
        What marks an unlabeled cell beside NaN, in any case.
    n_top_genes
        How many genes, ranked as in :func:`scmamba.tasks.integrate`; None: all that are expressed.

    Returns
    -------
    (n_labeled, n_chosen) cells: X log-normalized by the sums over all genes,
    ``layers["counts"]``, ``obs["batch"]`` and ``obs["label"]``.

    Raises
    ------
    ScmambaError
        A column is missing, or expression holds no counts.

    Examples
    --------
    >>> import scmamba
    >>> adata = scmamba.datasets.synthetic(60, 40, 3, n_batches=2)
    >>> cells = scmamba.benchmark.prepare_cells(adata, "batch", "cell_type", n_top_genes=10)
    >>> cells.shape, list(cells.obs), list(cells.layers)
    ((60, 10), ['batch', 'label'], ['counts'])
    """
    import anndata
    import numpy as np
    import pandas as pd

    from scmamba.pp import expression, log_normalize
    from scmamba.pp.expression import ways_to_counts
    from scmamba.tasks._labels import read_batches, read_labels
    from scmamba.tasks._panel import choose_panel

    names = read_batches(adata.obs, batch_key, "adata.obs")
    labels = read_labels(adata.obs, labels_key, unlabeled_category, "adata.obs")
    found = expression(adata, layer=layer, use_raw=use_raw, gene_key=gene_key)
    if not found.unit.is_counts:
        raise ScmambaError(
            f"{found.source} holds {found.unit}, and scVI needs counts; {ways_to_counts(adata)}"
        )
    rows, names = labels.rows, names[labels.rows]
    counts = found.X[rows]
    values = log_normalize(counts)
    groups = [values[names == name] for name in sorted(set(names.tolist()))]
    genes = choose_panel(groups, found.var_names.tolist(), n_top_genes).chosen
    cells = anndata.AnnData(values[:, genes])
    cells.layers["counts"] = counts[:, genes]
    cells.obs_names = adata.obs_names[rows]
    cells.var_names = found.var_names[genes].astype(str)
    cells.var_names_make_unique()
    cells.obs[BATCH] = pd.Categorical(names.astype(str))
    cells.obs[LABEL] = pd.Categorical(np.array(labels.classes)[labels.codes[rows]])
    return cells
