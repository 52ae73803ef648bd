"""Cells drawn from batches of different sizes."""

from __future__ import annotations

import numpy as np
import pytest

from scmamba.tasks._integration.sampling import sample_batches

SIZES = {"a": 100, "b": 7, "c": 40}
BATCHES = np.repeat(np.array(list(SIZES), dtype=object), list(SIZES.values()))


@pytest.mark.parametrize(
    ("most", "kept"),
    [
        (200, {"a": 100, "b": 7, "c": 40}),
        (100, {"a": 53, "b": 7, "c": 40}),
        (60, {"a": 26, "b": 7, "c": 26}),
        (9, {"a": 3, "b": 3, "c": 3}),
    ],
)
def test_small_batches_stay_whole(most: int, kept: dict[str, int]) -> None:
    rows = sample_batches(BATCHES, most, seed=0)
    assert (np.diff(rows) > 0).all()
    names, counts = np.unique(BATCHES[rows].astype(str), return_counts=True)
    assert dict(zip(names.tolist(), counts.tolist(), strict=True)) == kept


def test_the_seed_decides() -> None:
    first, again, other = (sample_batches(BATCHES, 30, seed) for seed in (1, 1, 2))
    assert (first == again).all() and (first != other).any()
