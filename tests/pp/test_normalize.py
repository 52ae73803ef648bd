"""Log-normalization equals scanpy's."""

from __future__ import annotations

import numpy as np
import pytest
import scanpy as sc
from anndata import AnnData
from scipy import sparse

from scmamba import ScmambaError, pp


@pytest.mark.filterwarnings("ignore:Some cells have zero counts")
def test_as_scanpy() -> None:
    counts = np.random.default_rng(0).poisson(1, (20, 30)).astype(np.float32)
    counts[4] = 0
    X = sparse.csr_matrix(counts)
    found = pp.log_normalize(X, target_sum=500)
    adata = AnnData(sparse.csr_matrix(counts))
    sc.pp.normalize_total(adata, target_sum=500)
    sc.pp.log1p(adata)
    np.testing.assert_allclose(found.toarray(), adata.X.toarray(), rtol=1e-6)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(X.toarray(), counts)


def test_wrong_input() -> None:
    with pytest.raises(ScmambaError, match="X is a ndarray"):
        pp.log_normalize(np.ones((2, 2)))
    with pytest.raises(ScmambaError, match="target_sum=0"):
        pp.log_normalize(sparse.csr_matrix(np.ones((2, 2))), target_sum=0)
