"""Scores of sequence predictions against formulas written out."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from scmamba import ScmambaError
from scmamba.metrics import classification, multilabel, regression

pairs = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("abcd")), min_size=2, max_size=40
)


def slow_mcc(truth: list[str], guess: list[str]) -> float:
    """Gorodkin's coefficient: correlation of the indicator tables of both sides."""
    names = sorted(set(truth) | set(guess))
    t = np.array([[x == name for name in names] for x in truth], float)
    g = np.array([[x == name for name in names] for x in guess], float)
    t, g = t - t.mean(0), g - g.mean(0)
    norm = math.sqrt((t * t).sum() * (g * g).sum())
    return (t * g).sum() / norm if norm else 0.0


def slow_auc(truth: np.ndarray, score: np.ndarray) -> float:
    """Share of pairs in the right order; equals count half."""
    wins = [(a > b) + (a == b) / 2 for a in score[truth] for b in score[~truth]]
    return float(np.mean(wins))


@given(pairs)
def test_classes_match_formulas(rows: list[tuple[str, str]]) -> None:
    truth, guess = [t for t, _ in rows], [g for _, g in rows]
    scores = classification(truth, guess)
    precision = [
        np.mean([t == label for t, g in rows if g == label]) if label in guess else 0
        for label in sorted(set(truth))
    ]
    assert scores.accuracy == pytest.approx(np.mean([t == g for t, g in rows]))
    assert scores.precision == pytest.approx(np.mean(precision))
    assert scores.mcc == pytest.approx(slow_mcc(truth, guess), abs=1e-9)
    assert scores.roc_auc is None and scores.n == len(rows)


def test_roc_auc(rng: np.random.Generator) -> None:
    truth = rng.integers(0, 2, 60)
    p = np.round(rng.random(60), 1)
    proba = np.stack([1 - p, p], 1)
    scores = classification(truth, p > 0.5, proba=proba, classes=[0, 1])
    assert scores.roc_auc == pytest.approx(slow_auc(truth == 1, p))
    truth = rng.choice(list("abc"), 60)
    proba = rng.dirichlet(np.ones(4), 60)
    each = [slow_auc(truth == name, proba[:, i]) for i, name in enumerate("abc")]
    scores = classification(truth, truth, proba=proba, classes=list("abcz"))
    assert scores.roc_auc == pytest.approx(np.mean(each))
    assert scores.macro_f1 == scores.mcc == 1


def test_macro_f1_runs_over_classes_of_the_truth() -> None:
    scores = classification(["a", "a", "b"], ["a", "z", "b"])
    assert scores.macro_f1 == pytest.approx((2 / 3 + 1) / 2)


def test_one_class_has_no_auc() -> None:
    proba = [[0.9, 0.1], [0.2, 0.8]]
    assert math.isnan(classification([0, 0], [0, 1], proba=proba, classes=[0, 1]).roc_auc)


def test_several_labels_are_averaged(rng: np.random.Generator) -> None:
    truth = rng.random((50, 3)) < 0.4
    truth[:, 2] = True
    p = rng.random((50, 3))
    scores = multilabel(truth, p, threshold=0.3)
    guess = p >= 0.3
    assert scores.accuracy == pytest.approx((truth == guess).mean())
    f1 = 2 * (truth & guess).sum(0) / (truth.sum(0) + guess.sum(0))
    assert scores.macro_f1 == pytest.approx(f1.mean())
    assert scores.roc_auc == pytest.approx(
        np.mean([slow_auc(truth[:, i], p[:, i]) for i in range(2)])
    )


def test_numbers(rng: np.random.Generator) -> None:
    truth = rng.normal(size=40)
    guess = np.round(truth + rng.normal(size=40), 1)
    scores = regression(truth, guess)
    assert scores.pearson == pytest.approx(np.corrcoef(truth, guess)[0, 1])
    ranks = np.corrcoef(rankdata(truth), rankdata(guess))[0, 1]
    assert scores.spearman == pytest.approx(ranks)
    assert scores.mse == pytest.approx(((truth - guess) ** 2).mean())
    both = regression(np.stack([truth, truth], 1), np.stack([guess, truth], 1))
    assert both.spearman == pytest.approx((ranks + 1) / 2)
    assert math.isnan(regression(truth, np.ones(40)).pearson)
    json.dumps(scores.to_dict())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: classification(["a"], ["a", "b"]), r"shape \(1,\) and the prediction \(2,\)"),
        (lambda: classification([], []), "nothing to score"),
        (
            lambda: classification([0, 1], [0, 1], proba=[[1, 0]], classes=[0, 1]),
            "give one row per",
        ),
        (
            lambda: classification([0, 2], [0, 1], proba=np.eye(2), classes=[0, 1]),
            "y_true holds 2, which is not in classes",
        ),
        (lambda: multilabel([[0, 2]], [[0.1, 0.2]]), "give a table of 0 and 1"),
        (lambda: regression([1, np.nan], [1, 2]), "y_true holds 1 values that are not finite"),
    ],
)
def test_wrong_input(call, message) -> None:
    with pytest.raises(ScmambaError, match=message):
        call()
