"""What is held out, and what is learned from."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scmamba.learn import folds as module
from scmamba.learn.folds import cross_validation_folds as folds


def check(codes, found) -> None:
    for train, val in found:
        assert len(val)
        assert not set(train) & set(val)
        assert len(np.unique(train)) == len(train)
        assert set(codes[val]) <= set(codes[train])  # nothing could be learned of others
        assert len(np.unique(codes[train])) >= 2


def test_whole_batches_are_held_out() -> None:
    rng = np.random.default_rng(0)
    codes, batches = rng.integers(0, 4, 200), rng.choice(list("abcde"), 200).astype(object)
    found = folds(codes, batches, seed=0)
    check(codes, found)
    assert len(found) == 3
    assert sorted(np.concatenate([val for _, val in found])) == list(range(200))
    for train, val in found:
        assert not set(batches[train]) & set(batches[val])


def test_two_batches_take_turns() -> None:
    codes, batches = np.tile([0, 1, 1], 20), np.repeat(["a", "b"], 30).astype(object)
    found = folds(codes, batches, seed=0)
    assert sorted(batches[val][0] for _, val in found) == ["a", "b"]


def test_without_batches_cells_are_stratified() -> None:
    codes = np.repeat([0, 1, 2], [60, 30, 9])
    for batches in (None, np.full(99, "only", dtype=object)):
        found = folds(codes, batches, seed=0)
        check(codes, found)
        assert [np.bincount(codes[val]).tolist() for _, val in found] == [[20, 10, 3]] * 3


def test_a_class_of_one_batch_is_not_validated_where_it_is_missing() -> None:
    codes = np.array([0, 1] * 20 + [2] * 5)
    batches = np.array(["a", "b", "b", "a"] * 10 + ["a"] * 5, dtype=object)
    found = folds(codes, batches, seed=0)
    check(codes, found)
    assert len(found) == 2
    assert all(2 not in codes[val] for _, val in found)


def test_single_cells_stay_in_training() -> None:
    codes = np.array([0] * 9 + [1] * 9 + [2])
    found = folds(codes, None, seed=0)
    check(codes, found)
    assert len(found) == 3
    assert all(18 in train for train, _ in found)


def test_batches_that_split_nothing_give_way_to_cells() -> None:
    """Each batch holds one class: leaving one out would leave one class to learn from."""
    codes = np.repeat([0, 1], 10)
    found = folds(codes, codes.astype(str).astype(object), seed=0)
    check(codes, found)
    assert len(found) == 3


def test_seed_decides() -> None:
    codes = np.tile([0, 1, 2], 20)
    a, b, c = (folds(codes, None, seed=seed) for seed in (0, 0, 1))
    assert all((x[1] == y[1]).all() for x, y in zip(a, b, strict=True))
    assert any(len(x[1]) != len(y[1]) or (x[1] != y[1]).any() for x, y in zip(a, c, strict=True))


def test_one_part_is_enough_for_many_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LARGE", 50)
    assert len(folds(np.tile([0, 1], 25), None, seed=0)) == 3
    assert len(folds(np.tile([0, 1], 26), None, seed=0)) == 1


@given(
    st.lists(st.integers(0, 5), min_size=2, max_size=40),
    st.integers(0, 5),
    st.randoms(use_true_random=False),
)
@settings(max_examples=150, deadline=None)
def test_any_labels_and_batches(labels: list[int], n_batches: int, random) -> None:
    codes = np.unique(labels, return_inverse=True)[1]
    batches = None
    if n_batches:
        batches = np.array([str(random.randrange(n_batches)) for _ in labels], dtype=object)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # scikit-learn's warnings are for whoever chose the folds
        check(codes, folds(codes, batches, seed=0))
