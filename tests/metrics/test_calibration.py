"""Calibration against a loop over the bins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scmamba import ScmambaError
from scmamba.metrics import calibration_table, expected_calibration_error


def slow_ece(confidence: list[float], correct: list[bool], n_bins: int) -> float:
    total = 0.0
    for b in range(n_bins):
        inside = [
            i
            for i, c in enumerate(confidence)
            if b / n_bins <= c < (b + 1) / n_bins or (c == 1 and b == n_bins - 1)
        ]
        if inside:
            accuracy = sum(correct[i] for i in inside) / len(inside)
            mean = sum(confidence[i] for i in inside) / len(inside)
            total += len(inside) / len(confidence) * abs(accuracy - mean)
    return total


# Multiples of 1/64 never lie within rounding of an edge of 8 bins other than on it.
cells = st.lists(
    st.tuples(st.integers(0, 64).map(lambda k: k / 64), st.booleans()), min_size=1, max_size=50
)


@given(cells)
def test_matches_a_loop_over_the_bins(cells: list[tuple[float, bool]]) -> None:
    confidence, correct = [c for c, _ in cells], [r for _, r in cells]
    expected = slow_ece(confidence, correct, 8)
    assert expected_calibration_error(confidence, correct, 8) == pytest.approx(expected)
    table = calibration_table(confidence, correct, 8)
    gap = (table["accuracy"] - table["confidence"]).abs() * table["n_cells"] / len(cells)
    assert gap.sum() == pytest.approx(expected)
    assert table["n_cells"].sum() == len(cells)


def test_full_confidence_falls_into_the_last_bin() -> None:
    confidence, correct = [0.95, 1.0], [True, False]
    assert expected_calibration_error(confidence, correct) == pytest.approx(0.975 - 0.5)
    assert calibration_table(confidence, correct)["n_cells"].iloc[-1] == 2


def test_a_calibrated_forecast_scores_near_zero(rng: np.random.Generator) -> None:
    confidence = rng.uniform(size=20_000)
    correct = rng.uniform(size=20_000) < confidence
    assert expected_calibration_error(confidence, correct) < 0.02
    assert expected_calibration_error(confidence, ~correct) > 0.4


@pytest.mark.parametrize(
    ("confidence", "correct", "n_bins", "message"),
    [
        ([0.5], [True, False], 15, "shape"),
        ([], [], 15, "no cells"),
        ([np.nan], [True], 15, "allowed"),
        ([1.5], [True], 15, "logits"),
        ([0.5], [True], 0, "n_bins=0"),
    ],
)
def test_errors_say_what_is_allowed(
    confidence: list[float], correct: list[bool], n_bins: int, message: str
) -> None:
    with pytest.raises(ScmambaError, match=message):
        expected_calibration_error(confidence, correct, n_bins)


def test_swapped_arguments_are_refused() -> None:
    confidence, correct = [0.9, 0.8, 0.3], [True, True, False]
    with pytest.raises(ScmambaError, match=r"the order is \(confidence, correct\)"):
        calibration_table(correct, confidence)
    with pytest.raises(ScmambaError, match="must be plain numbers"):
        calibration_table(["high", "low"], [True, False])
