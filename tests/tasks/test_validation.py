"""The table of cell types counts what it says it counts, and survives JSON."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from scmamba.learn.supervised import OutOfFold
from scmamba.tasks._annotation.reasons import REASONS, reason_column, reasons
from scmamba.tasks._annotation.validation import (
    class_table,
    table_from_json,
    table_to_json,
    thresholds_of,
)

CODES = np.array([0, 0, 0, 1, 1, 2])
BATCHES = np.array(["a", "b", "b", "a", "b", "b"], dtype=object)


def held_out():
    """The first five cells: one of type 0 is taken for type 1."""
    target, guess = CODES[:5], np.array([0, 0, 1, 1, 1])
    log_proba = np.log(np.full((5, 3), 0.1) + 0.7 * np.eye(3)[guess])
    return OutOfFold(target, None, log_proba), log_proba


def table() -> pd.DataFrame:
    out, log_proba = held_out()
    thresholds = np.array([0.5, 0.7, np.inf])
    return class_table(("B", "NK", "DC"), CODES, BATCHES, out, log_proba, thresholds)


def test_table_by_hand() -> None:
    found = table()
    assert found["cells"].tolist() == [3, 2, 1]
    assert found["batches"].tolist() == [2, 2, 1]
    assert found["held_out"].tolist() == [3, 2, 0]
    np.testing.assert_allclose(found["recall"], [2 / 3, 1, np.nan])
    np.testing.assert_allclose(found["precision"], [1, 2 / 3, np.nan])
    np.testing.assert_allclose(found["threshold"], [0.5, 0.7, np.nan])
    assert found["validated"].tolist() == [True, True, False]


def test_table_without_batches_or_held_out_cells() -> None:
    found = class_table(("B", "NK", "DC"), CODES, None, None, None, np.zeros(3))
    assert (found["batches"] == 0).all() and not found["validated"].any()


def test_table_survives_json() -> None:
    found = table()
    content = json.loads(json.dumps(table_to_json(found), allow_nan=False))
    pd.testing.assert_frame_equal(table_from_json(content, ("B", "NK", "DC")), found)


def test_a_type_that_was_never_held_out_is_never_predicted() -> None:
    out, log_proba = held_out()
    for by_class in (True, False):
        found = thresholds_of(out, log_proba, 0.9, by_class=by_class)
        assert np.isfinite(found[:2]).all() and np.isinf(found[2])


@pytest.mark.parametrize(
    ("is_ood", "is_empty", "expected"),
    [
        (False, False, [np.nan, "low confidence", "type not validated"]),
        (True, False, ["out of distribution"] * 3),
        (True, True, ["no gene expressed"] * 3),
    ],
)
def test_reasons(is_ood, is_empty, expected) -> None:
    log_proba = np.log([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
    found = reasons(log_proba, np.array([0.7, np.inf]), np.full(3, is_ood), np.full(3, is_empty))
    column = reason_column(found)
    assert list(column.categories) == list(REASONS)
    assert pd.Series(column.astype(object)).equals(pd.Series(expected, dtype=object))
