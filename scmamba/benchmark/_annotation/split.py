"""Which cells are learned from and which are annotated; the query's labels are taken off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from anndata import AnnData
    from scipy import sparse

UNLABELED = "Unknown"


@dataclass(frozen=True)
class AnnotationSplit:
    """Cells to learn from with their labels, and a query without.

    Attributes
    ----------
    name
        Name of the split.
    train, query
        Cells by genes; ``query`` has no column of labels.
    truth
        (n_query,) labels of the query; ``"Unknown"`` where nobody knows.
    labels_key
        Column of ``train.obs`` with labels; ``"Unknown"`` where a cell has none.
    batch_key
        Column of both with the batch, or None.
    n_top_genes
        Highly variable genes of the labeled cells that other methods see; None: all.

    Examples
    --------
    >>> import scmamba
    >>> from scmamba.benchmark import AnnotationSplit
    >>> cells = scmamba.datasets.synthetic(60, 40, 2)
    >>> query = cells[40:].copy()
    >>> truth = query.obs.pop("cell_type").to_numpy(dtype=str)
    >>> split = AnnotationSplit("toy", cells[:40], query, truth, "cell_type")
    >>> [part.shape for part in split.values()]
    [(40, 40), (20, 40), (40,)]
    """

    name: str
    train: AnnData
    query: AnnData
    truth: npt.NDArray[Any]
    labels_key: str
    batch_key: str | None = None
    n_top_genes: int | None = None

    @property
    def labels(self) -> npt.NDArray[Any]:
        """(n_train,) labels; ``"Unknown"`` where a cell has none."""
        return self.train.obs[self.labels_key].to_numpy(dtype=str)

    @property
    def known_labels(self) -> npt.NDArray[Any]:
        """(n_labeled,) labels of the labeled cells alone."""
        return self.labels[self.labels != UNLABELED]

    def values(self) -> tuple[sparse.csr_matrix, sparse.csr_matrix, npt.NDArray[np.int64]]:
        """Log-normalized values of both parts over the genes that other methods see.

        Returns
        -------
        train
            (n_labeled, n_chosen) the labeled cells alone.
        query
            (n_query, n_chosen).
        genes
            (n_chosen,) positions of the genes in ``train.var``.
        """
        import scanpy as sc
        from anndata import AnnData

        from scmamba.pp import expression, log_normalized

        found = [expression(cells) for cells in (self.train, self.query)]
        train, query = (log_normalized(one.X, one.unit) for one in found)
        train = train[np.flatnonzero(self.labels != UNLABELED)]
        genes = np.arange(train.shape[1])
        if self.n_top_genes is not None and self.n_top_genes < len(genes):
            part = sc.pp.highly_variable_genes(
                AnnData(train), n_top_genes=self.n_top_genes, inplace=False
            )
            genes = np.flatnonzero(part["highly_variable"])
        return train[:, genes], query[:, genes], genes


def split_of(
    train: AnnData,
    query: AnnData,
    labels_key: str,
    *,
    name: str = "",
    batch_key: str | None = None,
    n_top_genes: int | None = None,
) -> AnnotationSplit:
    """Return a split whose query has lost its labels; both parts are copied."""
    query = query.copy()
    truth = query.obs.pop(labels_key).to_numpy(dtype=str)
    return AnnotationSplit(name, train.copy(), query, truth, labels_key, batch_key, n_top_genes)
