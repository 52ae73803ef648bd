"""Every cell once, little padding."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scmamba.stream import length_buckets, padding_share


@given(
    st.lists(st.integers(1, 500), min_size=1, max_size=200),
    st.integers(1, 40),
    st.booleans(),
)
def test_each_cell_is_in_one_batch(lengths: list[int], size: int, shuffle: bool) -> None:
    found = length_buckets(
        np.array(lengths), size, rng=np.random.default_rng(0) if shuffle else None
    )
    assert sorted(np.concatenate(found).tolist()) == list(range(len(lengths)))
    sizes = [len(rows) for rows in found]
    if shuffle:  # no small remainder, whose batch statistics would be poor
        assert min(sizes) >= min(size, len(lengths))
        assert max(sizes) - min(sizes) <= 1
    else:
        assert set(sizes[:-1]) <= {size}
        assert sizes[-1] <= size


def test_order_follows_the_generator() -> None:
    lengths = np.random.default_rng(0).integers(1, 99, 300)
    passes = [
        np.concatenate(length_buckets(lengths, 8, rng=np.random.default_rng(seed))).tolist()
        for seed in (0, 0, 1)
    ]
    assert passes[0] == passes[1]
    assert passes[0] != passes[2]


def test_prediction_goes_by_length() -> None:
    lengths = np.array([5, 1, 4, 1, 9])
    order = np.concatenate(length_buckets(lengths, 2))
    assert order.tolist() == [1, 3, 2, 0, 4]


def test_padding_share_is_counted() -> None:
    lengths = np.array([4, 2, 3, 3])
    assert padding_share(lengths, [np.array([0, 1]), np.array([2, 3])]) == pytest.approx(2 / 14)
    assert padding_share(lengths, []) == 0


def test_padding_of_real_cells_is_below_a_tenth(shared_data) -> None:
    cells = ad.read_h5ad(shared_data / "cells" / "pbmc_4batch.h5ad", backed="r")
    n_genes = np.diff(cells.X.group["indptr"][:]) + 1
    unsorted = np.array_split(
        np.random.default_rng(0).permutation(len(n_genes)), len(n_genes) // 16
    )
    assert padding_share(n_genes, unsorted) > 0.3  # what buckets save
    for rng in (None, np.random.default_rng(0)):
        assert padding_share(n_genes, length_buckets(n_genes, 16, rng=rng)) < 0.1
