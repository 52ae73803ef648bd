"""Library-size normalization for linear models; binned tokens need none."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from scmamba._errors import ScmambaError
from scmamba.pp.units import Unit


def log_normalize(
    X: sparse.csr_matrix | sparse.csr_array, target_sum: float = 1e4
) -> sparse.csr_matrix:
    """Return ``log(1 + x * target_sum / sum(cell))``, as scanpy does with its defaults.

    Parameters
    ----------
    X
        Counts, shape (n_cells, n_genes), CSR; left as it is.
    target_sum
        What each cell's counts are scaled to add up to, above 0.

    Returns
    -------
    A float32 copy with ``X``'s sparsity. A cell without counts stays zero.

    Raises
    ------
    ScmambaError
        If ``X`` is not CSR or ``target_sum`` is not above 0.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import sparse
    >>> from scmamba.pp import log_normalize
    >>> np.expm1(log_normalize(sparse.csr_matrix([[1.0, 3.0]])).toarray()).round().tolist()
    [[2500.0, 7500.0]]
    """
    if not (sparse.issparse(X) and X.format == "csr"):
        raise ScmambaError(
            f"X is a {type(X).__name__}; allowed: a scipy CSR matrix, as scmamba.pp.expression "
            "gives it"
        )
    if not target_sum > 0:
        raise ScmambaError(f"target_sum={target_sum}; allowed: above 0, 10,000 is usual")
    totals = np.asarray(X.sum(axis=1, dtype=np.float64)).ravel()
    scale = np.divide(target_sum, totals, out=np.zeros_like(totals), where=totals > 0)
    data = np.log1p(X.data * np.repeat(scale, np.diff(X.indptr))).astype(np.float32)
    return sparse.csr_matrix((data, X.indices.copy(), X.indptr.copy()), shape=X.shape)


def log_normalized(X: sparse.csr_matrix, unit: Unit) -> sparse.csr_matrix:
    """Values in any unit as log1p of counts per 10,000.

    Parameters
    ----------
    X
        (n_cells, n_genes) values in ``unit``, CSR; left as they are.
    unit
        As :func:`scmamba.pp.unit_of` tells it. Logarithms are undone first, whatever their base.
        Of logarithms that were normalized over more genes than are here, the scale is kept.
    """
    return log_scale(unit.linear(X), unit)


def log_scale(linear: sparse.csr_matrix, unit: Unit) -> sparse.csr_matrix:
    """The same for values whose logarithms were undone already."""
    return log_normalize(linear) if unit.is_whole_library else linear.log1p()
