"""Every cell once, within the budget, little padding."""

from __future__ import annotations

from collections import Counter

import anndata as ad
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scmamba._errors import ScmambaError
from scmamba.stream import TOKEN_BUDGET, length_buckets, padding_share

LENGTHS = st.lists(st.integers(1, 500), min_size=1, max_size=200)


def generator(shuffle: bool, seed: int = 0) -> np.random.Generator | None:
    return np.random.default_rng(seed) if shuffle else None


@given(LENGTHS, st.integers(1, 40), st.booleans())
def test_each_cell_is_in_one_batch(lengths: list[int], size: int, shuffle: bool) -> None:
    found = length_buckets(np.array(lengths), batch_size=size, rng=generator(shuffle))
    assert sorted(np.concatenate(found).tolist()) == list(range(len(lengths)))
    sizes = [len(rows) for rows in found]
    if shuffle:  # no small remainder, whose batch statistics would be poor
        assert min(sizes) >= min(size, len(lengths))
        assert max(sizes) - min(sizes) <= 1
    else:
        assert set(sizes[:-1]) <= {size}
        assert sizes[-1] <= size


@given(LENGTHS, st.integers(1, 3000))
def test_prediction_holds_the_budget(lengths: list[int], budget: int) -> None:
    found = length_buckets(np.array(lengths), token_budget=budget)
    assert sorted(np.concatenate(found).tolist()) == list(range(len(lengths)))
    sizes = [(len(rows), max(lengths[i] for i in rows)) for rows in found]
    assert all(n * longest <= budget or n == 1 for n, longest in sizes)
    for (n, _), rows in zip(sizes, found[1:], strict=False):  # none was closed too early
        assert (n + 1) * lengths[rows[0]] > budget
    in_turn = [lengths[i] for rows in found for i in rows]
    assert in_turn == sorted(lengths)


@given(LENGTHS, st.integers(0, 3000), st.integers(0, 9))
def test_training_holds_the_budget_and_leaves_none_alone(
    lengths: list[int], more: int, seed: int
) -> None:
    budget = 3 * max(lengths) + more
    found = length_buckets(np.array(lengths), token_budget=budget, rng=generator(True, seed))
    assert sorted(np.concatenate(found).tolist()) == list(range(len(lengths)))
    assert all(len(rows) * max(lengths[i] for i in rows) <= budget for rows in found)
    assert all(len(rows) > 1 for rows in found) or len(lengths) == 1
    again = length_buckets(np.array(lengths), token_budget=budget, rng=generator(True, seed))
    assert [rows.tolist() for rows in again] == [rows.tolist() for rows in found]


def test_a_last_cell_gets_company() -> None:
    lengths = np.full(7, 10)
    for seed in range(5):
        found = length_buckets(lengths, token_budget=30, rng=generator(True, seed))
        assert Counter(map(len, found)) == {3: 1, 2: 2}


@pytest.mark.parametrize("size", [{"batch_size": 8}, {"token_budget": 1000}])
def test_order_follows_the_generator(size: dict[str, int]) -> None:
    lengths = np.random.default_rng(0).integers(1, 99, 300)
    passes = [
        np.concatenate(length_buckets(lengths, **size, rng=np.random.default_rng(seed))).tolist()
        for seed in (0, 0, 1)
    ]
    assert passes[0] == passes[1]
    assert passes[0] != passes[2]


def test_training_mixes_cells_of_similar_length() -> None:
    """Cells that share a batch hardly meet again, and batches do not come in order of length."""
    lengths = np.random.default_rng(0).integers(800, 1200, 600)
    meetings: Counter[tuple[int, int]] = Counter()
    for seed in range(8):
        found = length_buckets(lengths, batch_size=10, rng=np.random.default_rng(seed))
        longest = [lengths[rows].max() for rows in found]
        assert abs(np.corrcoef(longest, np.arange(len(found)))[0, 1]) < 0.5
        meetings.update((a, b) for rows in found for a in rows for b in rows if a < b)
    assert meetings.total() == 8 * 60 * 45
    assert np.mean(list(meetings.values())) < 1.3


def test_prediction_goes_by_length() -> None:
    lengths = np.array([5, 1, 4, 1, 9])
    order = np.concatenate(length_buckets(lengths, batch_size=2))
    assert order.tolist() == [1, 3, 2, 0, 4]
    found = length_buckets(lengths, token_budget=8)
    assert [rows.tolist() for rows in found] == [[1, 3], [2], [0], [4]]


def test_no_cells_make_no_batches() -> None:
    for size in ({"batch_size": 3}, {"token_budget": 3}):
        for shuffle in (False, True):
            none = np.array([], dtype=np.int64)
            assert length_buckets(none, **size, rng=generator(shuffle)) == []


@pytest.mark.parametrize(
    "wrong", [{}, {"batch_size": 2, "token_budget": 9}, {"batch_size": 0}, {"token_budget": -1}]
)
def test_one_size_is_asked_for(wrong: dict[str, int]) -> None:
    with pytest.raises(ScmambaError, match="give one of them, 1 or more"):
        length_buckets(np.array([3, 4]), **wrong)


def test_a_budget_too_small_to_train_on_is_told() -> None:
    with pytest.raises(ScmambaError, match=r"token_budget=29 .* at least 30, or fewer tokens"):
        length_buckets(np.full(9, 10), token_budget=29, rng=generator(True))
    assert len(length_buckets(np.full(2, 10), token_budget=20, rng=generator(True))) == 1


def test_padding_share_is_counted() -> None:
    lengths = np.array([4, 2, 3, 3])
    assert padding_share(lengths, [np.array([0, 1]), np.array([2, 3])]) == pytest.approx(2 / 14)
    assert padding_share(lengths, []) == 0


@pytest.mark.parametrize("most", [None, 1200])
def test_padding_of_real_cells_is_below_a_twentieth(shared_data, most: int | None) -> None:
    cells = ad.read_h5ad(shared_data / "cells" / "pbmc_4batch.h5ad", backed="r")
    lengths = np.minimum(np.diff(cells.X.group["indptr"][:]) + 1, most or 10**9)
    mixed = np.array_split(np.random.default_rng(0).permutation(len(lengths)), len(lengths) // 16)
    assert padding_share(lengths, mixed) > 0.2  # what buckets save
    assert padding_share(lengths, length_buckets(lengths, token_budget=TOKEN_BUDGET)) < 0.02
    for size in (
        {"token_budget": 16_384},
        {"token_budget": 32_768},
        {"token_budget": TOKEN_BUDGET},
        {"batch_size": 16},
    ):
        for seed in range(3):
            found = length_buckets(lengths, **size, rng=generator(True, seed))
            assert padding_share(lengths, found) <= 0.05
