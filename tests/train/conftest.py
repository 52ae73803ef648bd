"""Cells of two kinds, and models small enough to train in a moment."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import sparse

from scmamba._settings import settings
from scmamba.models import CellModel, preset
from scmamba.stream import CellData
from scmamba.tokens import Vocab, tokenize

N_GENES = 24


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "verbosity", "error")


@pytest.fixture
def data() -> CellData:
    """48 cells; the first half of the genes is high in class 0, the other in class 1."""
    rng = np.random.default_rng(2)
    labels = np.arange(48) % 2
    high = (np.arange(N_GENES) < N_GENES // 2)[None] == (labels == 0)[:, None]
    counts = rng.poisson(np.where(high, 3.0, 0.7))
    tokens = tokenize(sparse.csr_matrix(np.log1p(counts)), np.arange(N_GENES), n_bins=None)
    vocab = Vocab([f"gene_{i}" for i in range(N_GENES)])
    return CellData(tokens, vocab, cls_value=0.0, pad_value=-2.0, labels=labels)


@pytest.fixture
def make(data: CellData) -> Callable[..., CellModel]:
    """Make the same small model each time."""

    def model(**changes: object) -> CellModel:
        torch.manual_seed(5)
        sizes = {"d_model": 16, "n_layer": 1, "d_state": 4, "headdim": 8, "pool_heads": 2}
        heads = {"n_classes": 2, "class_layers": 2, "value_type": "lognorm"}
        config = preset("mini", n_genes=len(data.vocab), **{**sizes, **heads, **changes})
        return CellModel(config)

    return model
