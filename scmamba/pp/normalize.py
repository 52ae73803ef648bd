"""Library-size normalization for linear models; binned tokens need none."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from scmamba._errors import ScmambaError
from scmamba.pp.units import Unit


def log_normalize(
    X: sparse.csr_matrix | sparse.csr_array, target_sum: float = 1e4
) -> sparse.csr_matrix:
    """Normalize counts to a common total per cell and apply log1p, like scanpy's defaults.

    Computes ``log(1 + x * target_sum / sum(cell))``.

    Parameters
    ----------
    X
        Counts as CSR, shape (n_cells, n_genes); not modified.
    target_sum
        Total of each cell after scaling, above 0.

    Returns
    -------
    Normalized float32 values with the sparsity of ``X``. Cells without counts stay zero.

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
            f"X is a {type(X).__name__}; allowed: a scipy CSR matrix, as returned by "
            "scmamba.pp.expression"
        )
    if not target_sum > 0:
        raise ScmambaError(f"target_sum={target_sum}; allowed: above 0, usually 10,000")
    totals = np.asarray(X.sum(axis=1, dtype=np.float64)).ravel()
    scale = np.divide(target_sum, totals, out=np.zeros_like(totals), where=totals > 0)
    data = np.log1p(X.data * np.repeat(scale, np.diff(X.indptr))).astype(np.float32)
    return sparse.csr_matrix((data, X.indices.copy(), X.indptr.copy()), shape=X.shape)


def log_normalized(X: sparse.csr_matrix, unit: Unit) -> sparse.csr_matrix:
    """Convert values in any unit to log1p of counts per 10,000.

    Logarithms of any base are undone first. Where values were normalized over more genes than are
    present, their scale is kept.

    Parameters
    ----------
    X
        Values in ``unit`` as CSR, shape (n_cells, n_genes); not modified.
    unit
        Unit of the values; see :func:`scmamba.pp.unit_of`.

    Returns
    -------
    log1p values as float32, with the sparsity of ``X``.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import sparse
    >>> from scmamba.pp import log_normalized, unit_of
    >>> counts = sparse.csr_matrix([[1.0, 3.0]], dtype=np.float32)
    >>> np.expm1(log_normalized(counts, unit_of(counts)).toarray()).round().tolist()
    [[2500.0, 7500.0]]
    """
    return log_scale(unit.linear(X), unit)


def log_scale(linear: sparse.csr_matrix, unit: Unit) -> sparse.csr_matrix:
    """Normalize linear values, whose logarithms were undone already; see log_normalized."""
    return log_normalize(linear) if unit.is_whole_library else linear.log1p()
