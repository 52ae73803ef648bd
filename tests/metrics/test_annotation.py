"""Scores of labels against plain loops over the cells."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, f1_score

from scmamba import ScmambaError
from scmamba.metrics import annotation

labels = st.sampled_from(["B", "NK", "T", "Mono"])


def slow_f1(truth: list[str], guess: list[str], label: str) -> float:
    hits = sum(t == label and g == label for t, g in zip(truth, guess, strict=True))
    wrong = sum(t != label and g == label for t, g in zip(truth, guess, strict=True))
    missed = sum(t == label and g != label for t, g in zip(truth, guess, strict=True))
    return 2 * hits / (2 * hits + wrong + missed)


@given(st.lists(st.tuples(labels, labels), min_size=1, max_size=40))
def test_matches_plain_loops(cells: list[tuple[str, str]]) -> None:
    truth, guess = [t for t, _ in cells], [g for _, g in cells]
    scores = annotation(truth, guess)
    present = sorted(set(truth))
    f1 = {label: slow_f1(truth, guess, label) for label in present}
    recall = {
        label: sum(t == g == label for t, g in cells) / truth.count(label) for label in present
    }
    assert scores.accuracy == pytest.approx(sum(t == g for t, g in cells) / len(cells))
    assert scores.macro_f1 == pytest.approx(sum(f1.values()) / len(f1))
    assert scores.balanced_accuracy == pytest.approx(sum(recall.values()) / len(recall))
    assert list(scores.per_class.index) == present
    assert scores.per_class["f1"].to_dict() == pytest.approx(f1)
    assert scores.per_class["n_cells"].sum() == len(cells)
    for (t, g), n in scores.confusion.stack().items():
        assert n == cells.count((t, g))
    assert scores.confusion.to_numpy().sum() == len(cells)


def test_a_label_absent_from_the_truth_is_wrong_but_adds_no_zero_to_the_macro_f1() -> None:
    truth, guess = ["B", "B", "T", "T"], ["B", "DC", "T", "T"]
    scores = annotation(truth, guess)
    assert scores.macro_f1 == pytest.approx((2 / 3 + 1) / 2)
    assert scores.macro_f1 > f1_score(truth, guess, average="macro", zero_division=0)
    assert list(scores.confusion.index) == ["B", "T"]
    assert list(scores.confusion.columns) == ["B", "T", "DC"]


def test_balanced_accuracy_is_sklearns(rng: np.random.Generator) -> None:
    truth, guess = rng.choice(list("abcde"), size=(2, 200))
    expected = balanced_accuracy_score(truth, guess)
    assert annotation(truth, guess).balanced_accuracy == pytest.approx(expected)


def test_coverage_and_selective_accuracy() -> None:
    abstained = np.array([False, True, False, True])
    scores = annotation(list("aabb"), list("abba"), abstained=abstained)
    assert (scores.accuracy, scores.coverage, scores.selective_accuracy) == (0.5, 0.5, 1.0)
    nothing = annotation(list("ab"), list("ab"), abstained=np.array([True, True]))
    assert nothing.coverage == 0
    assert math.isnan(nothing.selective_accuracy or 0)


def test_confidence_is_the_probability_of_the_best_guess() -> None:
    proba = np.array([[0.1, 0.7, 0.2], [0.5, 0.3, 0.2], [0.2, 0.2, 0.6]])
    two = annotation(list("bac"), list("bac"), proba=proba, classes=list("abc"))
    one = annotation(list("bac"), list("bac"), proba=[0.7, 0.5, 0.6])
    assert two.ece == pytest.approx(one.ece)
    assert two.ece == pytest.approx((0.3 + 0.5 + 0.4) / 3)


def test_categoricals_and_numbers_are_labels_too() -> None:
    scores = annotation(pd.Categorical(["x", "y"]), pd.Series(["x", "x"], dtype="category"))
    assert scores.accuracy == 0.5
    assert annotation([1, 2], [1, 2]).accuracy == 1


def test_dict_survives_json_and_text_names_the_scores() -> None:
    scores = annotation(list("aab"), list("aba"), proba=[1, 1, 1], abstained=np.zeros(3, bool))
    back = json.loads(json.dumps(scores.to_dict()))
    assert back["accuracy"] == scores.accuracy
    assert back["confusion"]["a"] == {"a": 1, "b": 1}
    assert back["per_class"]["b"]["n_cells"] == 1
    assert "macro-F1" in str(scores)
    assert "coverage" in str(scores)
    assert "coverage" not in str(annotation(["a"], ["a"]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: annotation(["a"], ["a", "b"]), "y_true has 1 cells and y_pred 2"),
        (lambda: annotation([], []), "no cells"),
        (lambda: annotation(["a", np.nan], ["a", "b"]), "lacks 1 of 2 labels, first at"),
        (lambda: annotation(["a"], ["a"], proba=[[1.0]]), "classes is missing"),
        (lambda: annotation(["a"], ["a"], proba=[[1.0]], classes=["a", "b"]), "1 columns"),
        (lambda: annotation(["a"], ["z"], proba=[[1.0]], classes=["a"]), "z, which is not in"),
        (lambda: annotation(["a"], ["a"], proba=[0.5, 0.5]), "proba has 2 cells"),
        (lambda: annotation(["a"], ["a"], proba=[3.0]), "logits"),
        (lambda: annotation(["a"], ["a"], abstained=[0]), "1 booleans"),
    ],
)
def test_errors_say_what_was_given(call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ScmambaError, match=message):
        call()
