"""The discriminant tells classes apart where batches differ more than classes do."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from scmamba.learn import discriminant
from scmamba.learn.discriminant import (
    BatchAwareLinear,
    fit_discriminant,
    single_batch_classes,
    with_discriminant,
)
from scmamba.learn.linear import Linear, fit_linear

N_GENES = 40


def study(present, shift: float, seed: int, n: int = 60):
    """Cells of the classes ``present``; genes 20 and up follow the batch."""
    rng = np.random.default_rng(seed)
    codes = np.repeat(present, n)
    x = rng.normal(3, 0.5, (len(codes), N_GENES))
    for c in range(3):
        x[codes == c, 5 * c : 5 * c + 5] += 1.0
    x[:, 20:] += shift * np.random.default_rng(seed + 9).normal(size=20)
    return sparse.csr_matrix(np.maximum(x, 0)), codes


def reference():
    """Class 2 is in the second batch alone."""
    (a, ya), (b, yb) = study([0, 1], 0.0, 1), study([0, 1, 2], 4.0, 2)
    batches = np.repeat(np.array(["a", "b"], dtype=object), [len(ya), len(yb)])
    return sparse.vstack([a, b]).tocsr(), np.concatenate([ya, yb]), batches


def test_classes_of_one_batch_are_known_in_a_third() -> None:
    x, codes, batches = reference()
    query, truth = study([0, 1, 2], 4.0, 3)
    logistic = fit_linear(x, codes, 3, balanced=True)
    found = with_discriminant(logistic, x, codes, batches, seed=0)
    assert isinstance(found, BatchAwareLinear) and found.single_batch.tolist() == [2]
    recall = (found.logits(query).argmax(1) == truth)[truth == 2].mean()
    alone = (logistic.logits(query).argmax(1) == truth)[truth == 2].mean()
    assert recall > 0.9 and recall > alone
    np.testing.assert_allclose(np.exp(found.logits(query)).sum(1), 1)


def test_batches_are_moved_together() -> None:
    """The first component follows the classes, not the batches."""
    parts = [study([0, 1], 4.0, seed) for seed in (1, 2)]
    x, codes = sparse.vstack([x for x, _ in parts]).tocsr(), np.concatenate([y for _, y in parts])
    batches = np.repeat(np.array(["a", "b"], dtype=object), 120)
    query, truth = study([0, 1], 4.0, 3)
    scores = [
        (fit_discriminant(x, codes, 2, b, n_components=1).logits(query).argmax(1) == truth).mean()
        for b in (batches, None)
    ]
    assert scores[0] > 0.9 > scores[1]


def test_without_such_classes_it_is_linear() -> None:
    x, codes = study([0, 1, 2], 0.0, 1)
    logistic = fit_linear(x, codes, 4)
    batches = np.tile(np.array(["a", "b"], dtype=object), len(codes) // 2)
    found = with_discriminant(logistic, x, codes, batches, seed=0)
    assert type(found) is Linear
    assert np.isneginf(found.logits(x)[:, 3]).all()  # a class without cells
    assert (found.logits(x).argmax(1) == codes).mean() > 0.95


@pytest.mark.parametrize("batches", [None, "a"])
def test_without_batches_logistic_regression_stays_as_it_is(batches) -> None:
    x, codes = study([0, 1, 2], 0.0, 1)
    logistic = fit_linear(x, codes, 4)
    given = batches and np.full(len(codes), batches, dtype=object)
    assert with_discriminant(logistic, x, codes, given, seed=0) is logistic


@pytest.mark.parametrize(
    ("codes", "batches", "expected"),
    [([0, 0, 1], ["a", "b", "a"], [1]), ([0, 1], ["a", "a"], []), ([0, 1], None, [])],
)
def test_single_batch_classes(codes, batches, expected) -> None:
    given = None if batches is None else np.array(batches, dtype=object)
    assert single_batch_classes(np.array(codes), given).tolist() == expected


@pytest.mark.parametrize("n", [2, 3])
def test_very_few_cells(n) -> None:
    x, codes = study([0, 1], 0.0, 1, n=1)
    x, codes = sparse.vstack([x] * n).tocsr(), np.tile(codes, n)
    assert np.isfinite(fit_discriminant(x, codes, 2).logits(x)).all()


def test_all_cells_of_small_classes_are_sampled(monkeypatch) -> None:
    monkeypatch.setattr(discriminant, "_MOST_CELLS", 50)
    codes = np.repeat([0, 1, 2], [500, 500, 7])
    rows = discriminant._sample(codes, 0)
    assert len(rows) == 50 and (codes[rows] == 2).sum() == 7
    assert abs((codes[rows] == 0).sum() - (codes[rows] == 1).sum()) <= 1
