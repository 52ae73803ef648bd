"""What a multi-omics method offers, and what several peers share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from scmamba.benchmark._multiomics.split import Ints, MultiomicsSplit, Setting, logged

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Outcome:
    """What a method found.

    Attributes
    ----------
    embedding
        (n_cells, d) joint embedding, NaN for cells that the method cannot place; None where it has
        none.
    imputed
        (n_hidden, n_features) log1p of the hidden modality.
    opened, closed
        (n_pairs,) scores of hidden open peaks and of closed ones.

    Examples
    --------
    >>> import numpy as np
    >>> from scmamba.benchmark import MultiomicsOutcome
    >>> MultiomicsOutcome(embedding=np.zeros((3, 2))).imputed is None
    True
    """

    embedding: npt.NDArray[Any] | None = None
    imputed: npt.NDArray[Any] | None = None
    opened: npt.NDArray[Any] | None = None
    closed: npt.NDArray[Any] | None = None


@dataclass(frozen=True)
class MultiomicsMethod:
    """A way to embed or impute several modalities.

    Attributes
    ----------
    run
        Takes a split and a seed, returns what it found.
    title
        Its name in tables.
    settings
        Settings of the comparison in which it takes part.
    package
        Package that must be installed for it.
    modalities
        Modalities besides RNA that it models.

    Examples
    --------
    >>> from scmamba.benchmark import MULTIOMICS_METHODS
    >>> MULTIOMICS_METHODS["ridge"].settings
    ('imputation', 'mosaic')
    """

    run: Callable[[MultiomicsSplit, int], Outcome]
    title: str
    settings: tuple[Setting, ...]
    package: str = "sklearn"
    modalities: tuple[str, ...] = ("prot", "atac")


def genes(split: MultiomicsSplit, most: int = 2000) -> sparse.csr_matrix:
    """Log-normalized values (10,000 per cell) of the cells with RNA, most variable genes."""
    import scanpy as sc
    from anndata import AnnData

    from scmamba.pp import log_normalized, unit_of

    X = sparse.csr_matrix(split.mods["rna"].X)
    values = log_normalized(X, unit_of(X))
    if values.shape[1] <= most:
        return values
    part = sc.pp.highly_variable_genes(AnnData(values), n_top_genes=most, inplace=False)
    return values[:, np.flatnonzero(part["highly_variable"])]


def components(values: Any, n: int, seed: int) -> Floats:
    """Principal components of dense or sparse values."""
    from sklearn.decomposition import PCA

    dense = values.toarray() if sparse.issparse(values) else values
    n = min(n, *(size - 1 for size in dense.shape))
    return np.asarray(PCA(n, random_state=seed).fit_transform(dense), dtype=np.float64)


def lsi(X: sparse.csr_matrix, n: int, seed: int) -> Floats:
    """Latent semantic indexing of open peaks: TF-IDF, logarithm, SVD without its first component.

    Scaled so that cells have unit norm.
    """
    from sklearn.decomposition import TruncatedSVD
    from sklearn.preprocessing import normalize

    opened = (X > 0).astype(np.float64)
    frequency = normalize(opened, norm="l1")
    weight = np.log1p(X.shape[0] / (1 + np.asarray(opened.sum(0)).ravel()))
    values = (frequency.multiply(weight[None]) * 1e4).tocsr().log1p()
    n = min(n + 1, min(X.shape) - 1)
    found = TruncatedSVD(n, random_state=seed).fit_transform(values)[:, 1:]
    return np.asarray(normalize(found), dtype=np.float64)


def other(split: MultiomicsSplit, name: str, seed: int) -> Floats:
    """Features of a modality other than RNA: scaled log proteins, or LSI of peaks."""
    X = sparse.csr_matrix(split.mods[name].X)
    if name == "atac":
        return lsi(X, 50, seed)
    values = logged(X).toarray().astype(np.float64)
    return np.asarray((values - values.mean(0)) / np.maximum(values.std(0), 1e-6))


def training_pairs(split: MultiomicsSplit) -> tuple[Ints, Ints, Ints]:
    """Rows of RNA with the target, rows of RNA to impute from, and rows of the target."""
    assert split.target is not None
    names = split.mods["rna"].obs_names
    target = split.mods[split.target]
    both = np.flatnonzero(names.isin(target.obs_names))
    query = names.get_indexer(split.cells[split.hidden])
    return both, query, target.obs_names.get_indexer(names[both])


def target_values(split: MultiomicsSplit) -> Floats:
    """(n_measured, n_features) log1p values of the modality to impute."""
    assert split.target is not None
    X = sparse.csr_matrix(split.mods[split.target].X)
    return np.asarray(logged(X).toarray(), dtype=np.float64)
