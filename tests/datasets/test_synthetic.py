"""Made data hold what they promise."""

from __future__ import annotations

import numpy as np
import pytest

from scmamba import ScmambaError, datasets, pp
from scmamba.tokens import resolve


def test_shape_labels_and_counts() -> None:
    adata = datasets.synthetic(90, 60, n_types=3, n_batches=2)
    assert adata.shape == (90, 60)
    assert adata.obs["cell_type"].value_counts().tolist() == [30, 30, 30]
    assert adata.obs["batch"].value_counts().tolist() == [45, 45]
    found = pp.expression(adata)
    assert found.source == "X" and found.integer
    assert 0.4 < (adata.X.toarray() == 0).mean() < 0.8


def test_markers_mark_their_type() -> None:
    adata = datasets.synthetic(300, 100, n_types=4, seed=1)
    counts = adata.X.toarray()
    for name in adata.obs["cell_type"].cat.categories:
        own = (adata.obs["cell_type"] == name).to_numpy()
        markers = (adata.var["marker_of"] == name).to_numpy()
        assert markers.sum() >= 12
        assert counts[own][:, markers].mean() > 3 * counts[~own][:, markers].mean()
    assert adata.var["marker_of"].isna().sum() == 50


def test_batches_differ_in_every_gene() -> None:
    adata = datasets.synthetic(4000, 20, n_types=1, n_batches=2, seed=0)
    first = (adata.obs["batch"] == "batch_0").to_numpy()
    counts = adata.X.toarray()
    change = np.log(counts[first].mean(0) / counts[~first].mean(0))
    assert 0.15 < change.std() < 0.8


def test_seed() -> None:
    same = [datasets.synthetic(20, 30, seed=seed).X.toarray() for seed in (0, 0, 1)]
    np.testing.assert_array_equal(same[0], same[1])
    assert (same[0] != same[2]).any()


def test_human_symbols() -> None:
    adata = datasets.synthetic(5, 40, human=True)
    assert adata.var_names.is_unique
    match = resolve(["GAPDH", *adata.var_names], adata.var_names)
    assert match.n_matched >= 40
    assert datasets.synthetic(5, 3).var_names.tolist() == ["gene_0", "gene_1", "gene_2"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_cells": 0}, "n_cells=0; allowed: at least 1"),
        ({"n_types": 9, "n_cells": 8}, "n_types=9.*at most n_cells=8"),
        ({"n_genes": 10**6, "human": True}, "at most [0-9]{5}"),
    ],
)
def test_wrong_numbers(change: dict, message: str) -> None:
    with pytest.raises(ScmambaError, match=message):
        datasets.synthetic(**change)
