"""The discriminant tells classes apart where batches differ more than classes do."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from scmamba.learn.axes import fit_axes
from scmamba.learn.discriminant import (
    Unlabeled,
    fit_batch_aware,
    fit_discriminant,
    single_batch_classes,
)
from scmamba.learn.linear import fit_linear

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


def fitted(x, codes, batches, query, n_classes=3):
    axes = fit_axes(sparse.vstack([x, query]).tocsr(), 20)
    others = Unlabeled(query, np.full(query.shape[0], "query"))
    return fit_batch_aware(x, codes, n_classes, batches, axes, others)


def test_classes_of_one_batch_are_known_in_a_third() -> None:
    x, codes, batches = reference()
    query, truth = study([0, 1, 2], 4.0, 3)
    logits = fitted(x, codes, batches, query).logits(query)
    recall = (logits.argmax(1) == truth)[truth == 2].mean()
    logistic = fit_linear(x, codes, 3, balanced=True)
    alone = (logistic.logits(query).argmax(1) == truth)[truth == 2].mean()
    assert recall > 0.9 and recall > alone


def test_only_classes_of_a_single_batch_are_raised() -> None:
    _, codes, batches = reference()
    assert single_batch_classes(codes, batches).tolist() == [2]
    assert not len(single_batch_classes(codes, None))
    assert not len(single_batch_classes(codes, np.full(len(codes), "a", dtype=object)))


def test_batches_are_moved_together() -> None:
    """Class means do not follow the batches, of which each has more of one class."""
    z = np.array([[0.0, 0.0], [1.0, 0.0]])[np.repeat([0, 1, 0, 1], [50, 5, 5, 50])]
    codes, batches = np.repeat([0, 1, 0, 1], [50, 5, 5, 50]), np.repeat(["a", "b"], 55)
    z = z + np.random.default_rng(0).normal(0, 0.1, z.shape) + 3 * (batches == "b")[:, None]
    between = [fit_discriminant(z, codes, 2, b).coef for b in (batches, np.full(110, "a"))]
    ratio = [abs(coef[1, 1] - coef[0, 1]) / abs(coef[1, 0] - coef[0, 0]) for coef in between]
    assert ratio[0] < 0.3 < ratio[1]


def test_cells_without_labels_move_class_means() -> None:
    """A first guess that is half wrong is mended where the batch has been moved."""
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1], 40)
    z = np.array([[0.0, 0.0], [4.0, 0.0]])[codes] + rng.normal(0, 0.5, (80, 2))
    others = z + [1.5, 0.0]
    before = fit_discriminant(z, codes, 2, np.full(80, "a"))
    guess = before.logits(others).argmax(1)
    after = fit_discriminant(
        z, codes, 2, np.full(80, "a"), others=others, other_batches=np.full(80, "b"), guess=guess
    )
    wrong = [(found.logits(others).argmax(1) != codes).mean() for found in (before, after)]
    assert wrong[1] < wrong[0]


def test_a_class_without_cells() -> None:
    x, codes, batches = reference()
    found = fitted(x, codes, batches, x, n_classes=4)
    assert np.isneginf(found.logits(x)[:, 3]).all()
    assert (found.logits(x).argmax(1) == codes).mean() > 0.95


def test_at_most_so_many_cells_are_drawn() -> None:
    x = sparse.csr_matrix(np.eye(5))
    others = Unlabeled(x, np.array(list("abcde")))
    assert others.at_most(5, 0) is others
    drawn = others.at_most(2, 0)
    assert drawn.values.shape == (2, 5)
    assert drawn.batches.tolist() == ["abcde"[i] for i in drawn.values.indices]
