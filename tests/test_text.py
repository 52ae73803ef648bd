"""One function decides what text a label has and what is missing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scmamba import ScmambaError
from scmamba._text import MISSING, are_names, holds_measurements, label_texts

NOTHING = [None, np.nan, float("nan"), pd.NA, pd.NaT, *sorted(MISSING), " NA ", "\tnan\n"]


@pytest.mark.parametrize(
    "values",
    [
        [1, 2],
        [1.0, 2.0],
        ["1", "2"],
        [" 1", "2 "],
        [b"1", b"2"],
        [Decimal("1.0"), 2.0],
        (1, 2),
        range(1, 3),
        np.array([1, 2], np.uint8),
        np.array([1, 2], np.float16),
        np.array(["1", "2"]),
        np.array([b"1", b"2"]),
        np.array([1, "2"], dtype=object),
        pd.Index([1.0, 2.0]),
        pd.Series([1, 2], dtype="Int64"),
        pd.Series([1, 2], dtype="Float32"),
        pd.Series(["1", "2 "], dtype="string"),
        pd.Categorical([1.0, 2.0], categories=[3.0, 2.0, 1.0]),
        pd.Series(["1", "2"], index=[7, 7], dtype="category"),
        (value for value in (1, 2)),
    ],
)
def test_equal_labels_have_equal_texts(values: Any) -> None:
    texts, missing = label_texts(values)
    assert texts.tolist() == ["1", "2"]
    assert texts.dtype == object and missing.dtype == bool
    assert not missing.any()


@pytest.mark.parametrize("nothing", NOTHING, ids=repr)
def test_missing_values_are_recognized_in_every_column(nothing: Any) -> None:
    for values in (["T", nothing], pd.Categorical([nothing, "T"])):
        texts, missing = label_texts(values)
        assert sorted(texts) == ["", "T"]
        assert missing.tolist() == [text == "" for text in texts]


@pytest.mark.parametrize(
    "values",
    [
        np.array([1, np.nan]),
        np.array(["1", "nan"]),
        np.ma.array([1, 2], mask=[False, True]),
        pd.Series([1, None], dtype="Int64"),
        pd.Series(["1", None], dtype="string"),
    ],
    ids=repr,
)
def test_missing_values_of_arrays(values: Any) -> None:
    texts, missing = label_texts(values)
    assert texts.tolist() == ["1", ""]
    assert missing.tolist() == [False, True]


def test_texts_are_otherwise_left_alone() -> None:
    given = ["1.10", "0012", "1E5", "none", "na", "T  cell", "Ωβ", "$x_1$"]
    assert label_texts(given)[0].tolist() == given


def test_booleans_are_not_numbers() -> None:
    assert label_texts([True, 1, 1.0, np.True_])[0].tolist() == ["True", "1", "1", "True"]
    assert label_texts(pd.Series([True, None], dtype="boolean"))[0].tolist() == ["True", ""]


def test_a_further_word_for_unlabeled_cells() -> None:
    texts, missing = label_texts(["T", "UNKNOWN ", "unknown T"], unlabeled=" Unknown")
    assert texts.tolist() == ["T", "", "unknown T"]
    assert missing.tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("T cell", "genes is str 'T cell'"),
        (5, "genes is int '5'"),
        (None, "genes is NoneType"),
        ({"a": 1}, "genes is dict"),
        (np.array(5), r"genes has shape \(\)"),
        (np.eye(2), r"genes has shape \(2, 2\)"),
        (pd.DataFrame({"a": [1]}), r"genes has shape \(1, 1\)"),
        ([[1], [2]], "a label is a list"),
    ],
)
def test_other_things_are_refused(values: Any, message: str) -> None:
    with pytest.raises(ScmambaError, match=message):
        label_texts(values, name="genes")


def test_nothing_is_a_column_too() -> None:
    texts, missing = label_texts([])
    assert len(texts) == len(missing) == 0


def test_measurements_and_names_are_not_labels() -> None:
    assert holds_measurements(np.array([0.5, 1], np.float32))
    assert holds_measurements(pd.Series([0.5, None], dtype="Float64"))
    assert holds_measurements([1, float("inf")])
    assert not holds_measurements(pd.Series([1.0, np.nan]))
    assert not holds_measurements(["0.5", True, 3])
    assert are_names(11, 20) and not are_names(10, 10) and not are_names(11, 22)
