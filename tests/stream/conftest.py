"""Cells of many lengths."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from scmamba.stream import CellData
from scmamba.tokens import Vocab, tokenize


@pytest.fixture
def data() -> CellData:
    """53 cells of 0 to 40 genes, labeled and batched by their row number."""
    rng = np.random.default_rng(1)
    density = np.linspace(0, 1, 53)[:, None]
    counts = rng.poisson(3, (53, 40)) * (rng.random((53, 40)) < density)
    vocab = Vocab([f"gene_{i}" for i in range(40)])
    tokens = tokenize(sparse.csr_matrix(counts, dtype=np.float32), np.arange(40), n_bins=None)
    return CellData(
        tokens,
        vocab,
        cls_value=7.0,
        pad_value=-2.0,
        labels=np.arange(53),
        batch_ids=np.arange(53) % 4,
    )
