"""Made-up cells with known types, tiny models, and trainings of a moment."""

from __future__ import annotations

from collections.abc import Callable

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import torch

from scmamba._settings import settings
from scmamba.datasets import synthetic
from scmamba.models import CellModel, preset
from scmamba.tasks import Annotator
from scmamba.tokens import Vocab
from tests.tasks import tiny


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "n_jobs", 1)
    monkeypatch.setattr(settings, "verbosity", "error")
    monkeypatch.setattr(settings, "device", "cpu")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks trained for one epoch, without Mamba layers: for tests of everything else."""
    monkeypatch.setattr(tiny, "default", tiny.QUICK)


@pytest.fixture
def cells() -> ad.AnnData:
    """90 cells of 60 human genes, 3 types, 3 batches; counts, a layer, raw and colors."""
    adata = synthetic(90, 60, 3, n_batches=3, human=True)
    adata.layers["counts"] = adata.X.copy()
    adata.uns["cell_type_colors"] = ["#ff0000", "#00ff00", "#0000ff"]
    adata.obs["label"] = adata.obs["cell_type"].where(np.arange(90) % 3 != 0)
    return adata


@pytest.fixture
def tiny_model() -> Callable[..., CellModel]:
    """Make a small pretrained-like model of some genes."""

    def make(genes: list[str], **changes: object) -> CellModel:
        torch.manual_seed(4)
        vocab = Vocab([*genes, "not_there"])
        sizes = {"d_model": 16, "n_layer": 1, "d_state": 4, "headdim": 8, "pool_heads": 2}
        model = CellModel(preset("mini", n_genes=len(vocab), **{**sizes, **changes}))
        model.vocab = vocab
        return model.eval()

    return make


def _same(a: object, b: object, where: str) -> None:
    assert type(a) is type(b), where
    if isinstance(a, dict):
        assert list(a) == list(b), where  # type: ignore[call-overload]
        for key in a:
            _same(a[key], b[key], f"{where}[{key!r}]")  # type: ignore[index]
    elif isinstance(a, pd.DataFrame):
        pd.testing.assert_frame_equal(a, b)
    elif hasattr(a, "toarray"):
        np.testing.assert_array_equal(a.toarray(), b.toarray(), where)  # type: ignore[attr-defined]
    else:
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b), where)


@pytest.fixture
def assert_untouched() -> Callable[[ad.AnnData, ad.AnnData], None]:
    """Compare an AnnData with a deep copy made before."""

    def check(adata: ad.AnnData, before: ad.AnnData) -> None:
        assert adata.is_view == before.is_view
        for name in ("obs", "var"):
            _same(getattr(adata, name), getattr(before, name), name)
        for name in ("layers", "obsm", "varm", "obsp", "varp", "uns"):
            _same(dict(getattr(adata, name)), dict(getattr(before, name)), name)
        if before.X is not None:
            _same(adata.X, before.X, "X")
        assert (adata.raw is None) == (before.raw is None)
        if before.raw is not None:
            _same(adata.raw.X, before.raw.X, "raw.X")

    return check


@pytest.fixture(scope="session")
def fitted() -> tuple[ad.AnnData, Annotator]:
    """Annotated cells, every third of them unlabeled before, and the annotator."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "n_jobs", 1)
        patch.setattr(settings, "verbosity", "error")
        torch.set_num_threads(1)
        adata = synthetic(90, 60, 3, n_batches=3, human=True)
        adata.obs["label"] = adata.obs["cell_type"].where(np.arange(90) % 3 != 0)
        return tiny.annotate(adata, labels_key="label", batch_key="batch", copy=True)
