"""Corrections by soft clusters against plain loops, and what they may not do."""

from __future__ import annotations

import numpy as np
import pytest

from scmamba.learn.soft_clusters import _REACH, _WIDTHS, SoftClusters


def _cells(shifts: list[float], n: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Three types of cells in as many batches as there are shifts, each moved along one axis."""
    rng = np.random.default_rng(seed)
    batch_ids = np.repeat(np.arange(len(shifts)), n)
    types = 6.0 * np.eye(4)[rng.integers(0, 3, len(batch_ids))]
    cells = types + rng.normal(size=types.shape)
    cells[:, 3] += np.array(shifts)[batch_ids]
    return cells.astype(np.float32), batch_ids


def _slow_shares(fitted: SoftClusters, t: int, cell: np.ndarray, tilt: np.ndarray) -> np.ndarray:
    direction = cell / np.linalg.norm(cell)
    logs = np.array([2 / _WIDTHS[t] * direction @ center for center in fitted.centers[t]]) + tilt
    shares = np.exp(logs - logs.max())
    return shares / shares.sum()


def _slow_shrunk(vector: np.ndarray, chance: float) -> np.ndarray:
    return max(1 - chance / (vector @ vector), 0) * vector


def test_a_cell_is_corrected_as_a_plain_loop_says() -> None:
    cells, batch_ids = _cells([0.0, 2.0, -1.0])
    fitted = SoftClusters.fit(cells, batch_ids, 0)
    found = fitted.correct(cells, batch_ids)
    for i in range(0, len(cells), 53):
        b, now = batch_ids[i], cells[i].astype(np.float64)
        for t in range(len(_WIDTHS)):
            shares = _slow_shares(fitted, t, now, fitted.tilt[t, b])
            now = cells[i] - sum(s * o for s, o in zip(shares, fitted.offsets[t, b], strict=True))
        np.testing.assert_allclose(found[i], now, atol=1e-4)


def test_offsets_of_a_new_batch_are_as_a_plain_loop_says() -> None:
    cells, batch_ids = _cells([0.0, 1.0])
    fitted = SoftClusters.fit(cells, batch_ids, 0)
    new = _cells([-1.5], seed=1)[0]
    now = new.astype(np.float64)
    for t in range(len(_WIDTHS)):
        shares = np.array([_slow_shares(fitted, t, cell, 0.0) for cell in now])
        offsets = np.zeros_like(fitted.means[t], dtype=np.float64)
        total, chance = np.zeros(len(offsets)), np.zeros(len(offsets))
        near = shares.argmax(1)
        within = [
            ((now[i] - fitted.means[t, k]) ** 2).sum() <= _REACH * fitted.variances[t, k]
            for i, k in enumerate(near)
        ]
        for k in range(len(offsets)):
            w = shares[within, k]
            offset = w @ new[within] / w.sum() - fitted.means[t, k]
            offsets[k], total[k] = offset, w.sum()
            chance[k] = fitted.variances[t, k] * (w**2).sum() / w.sum() ** 2
        weight = total / total.sum()
        common = _slow_shrunk(weight @ offsets, (weight**2) @ chance)
        kept = [_slow_shrunk(o - common, c) for o, c in zip(offsets, chance, strict=True)]
        now = new - shares @ (common + np.stack(kept))
    np.testing.assert_allclose(fitted.correct_new(new), now, atol=2e-3)


def test_batches_meet_and_types_stay_apart() -> None:
    cells, batch_ids = _cells([0.0, 3.0])
    found = SoftClusters.fit(cells, batch_ids, 0).correct(cells, batch_ids)
    apart = found[batch_ids == 1].mean(0) - found[batch_ids == 0].mean(0)
    assert abs(apart[3]) < 0.3
    np.testing.assert_allclose(found[:, :3], cells[:, :3], atol=1.0)


def test_batches_that_mix_already_hardly_move() -> None:
    cells, batch_ids = _cells([0.0, 0.0], n=1500)
    found = SoftClusters.fit(cells, batch_ids, 0).correct(cells, batch_ids)
    moved = np.sqrt(((found - cells) ** 2).sum(1).mean())
    assert moved < 0.05 * np.sqrt(((cells - cells.mean(0)) ** 2).sum(1).mean())


def test_a_new_batch_meets_the_others_and_what_nobody_saw_does_not_count() -> None:
    cells, batch_ids = _cells([0.0, 1.0])
    fitted = SoftClusters.fit(cells, batch_ids, 0)
    new = _cells([-2.0], seed=1)[0]
    found = fitted.correct_new(new)
    assert abs(found[:, 3].mean() - fitted.correct(cells, batch_ids)[:, 3].mean()) < 0.4
    unseen = np.tile(np.array([[60.0, 60.0, 60.0, -200.0]], np.float32), (50, 1))
    together = fitted.correct_new(np.concatenate([new, unseen]))
    np.testing.assert_allclose(together[: len(new)], found, atol=1e-4)
    assert np.linalg.norm(together[len(new) :] - unseen, axis=1).max() < 10


def test_many_small_batches_are_moved_by_what_their_clusters_have_in_common() -> None:
    shifts = list(np.linspace(-1.0, 1.0, 12))
    cells, batch_ids = _cells(shifts, n=30)
    found = SoftClusters.fit(cells, batch_ids, 0).correct(cells, batch_ids)
    means = [[one[batch_ids == b, 3].mean() for b in range(12)] for one in (cells, found)]
    assert np.var(means[1]) < 0.05 * np.var(means[0])


@pytest.mark.parametrize("seed", [0, 1])
def test_the_same_cells_and_seed_give_the_same_tables(seed) -> None:
    cells, batch_ids = _cells([0.0, 1.0])
    one, two = (SoftClusters.fit(cells, batch_ids, seed) for _ in range(2))
    np.testing.assert_array_equal(one.offsets, two.offsets)


def test_a_cell_is_corrected_alike_whichever_cells_stand_beside_it() -> None:
    cells, batch_ids = _cells([0.0, 2.0])
    fitted = SoftClusters.fit(cells, batch_ids, 0)
    alone = np.concatenate(
        [fitted.correct(cells[i : i + 1], batch_ids[i : i + 1]) for i in range(0, 400, 40)]
    )
    np.testing.assert_allclose(alone, fitted.correct(cells, batch_ids)[::40], atol=1e-5)


def test_few_cells_and_zeros_stay_finite() -> None:
    cells = np.zeros((5, 3), np.float32)
    batch_ids = np.array([0, 0, 1, 1, 1])
    fitted = SoftClusters.fit(cells, batch_ids, 0)
    np.testing.assert_array_equal(fitted.correct(cells, batch_ids), cells)
    np.testing.assert_array_equal(fitted.correct_new(cells), cells)
