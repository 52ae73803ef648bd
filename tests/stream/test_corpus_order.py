"""Every cell once an epoch, whatever the number of streams; weights; the same on resuming."""

from __future__ import annotations

import numpy as np
import pytest

from scmamba._errors import ScmambaError
from scmamba.stream.corpus_order import EpochOrder, sampling_rates

ROWS = [np.arange(101), np.arange(0, 80, 2), np.array([5])]


def order(**changes):
    options = {"block": 4, "buffer": 3, "batch": 7, "streams": 1, "seed": 3, "epoch": 0}
    return EpochOrder.of(ROWS, changes.pop("rates", None), **{**options, **changes})


def cells(made: EpochOrder) -> list[tuple[int, int]]:
    found = []
    for stream in range(len(made.runs) - 1):
        for number in range(made.n_steps):
            files, rows = made.step(stream, number)
            found += list(zip(files.tolist(), rows.tolist(), strict=True))
    return found


@pytest.mark.parametrize("streams", [1, 2, 3, 8])
@pytest.mark.parametrize("block", [1, 4, 500])
def test_every_cell_is_read_once(streams: int, block: int) -> None:
    found = cells(order(streams=streams, block=block))
    expected = {(f, int(r)) for f, rows in enumerate(ROWS) for r in rows}
    assert len(found) == len(expected) and set(found) == expected


def test_batches_of_all_streams_have_nearly_the_same_size() -> None:
    made = order(streams=3)
    sizes = {len(made.step(s, i)[0]) for s in range(3) for i in range(made.n_steps)}
    assert max(sizes) - min(sizes) <= 1 and min(sizes) >= 7


def test_epochs_and_seeds_differ_and_repeat() -> None:
    assert cells(order()) == cells(order())
    assert cells(order()) != cells(order(epoch=1))
    assert cells(order()) != cells(order(seed=4))


def test_neighbors_come_apart() -> None:
    rows = [r for f, r in cells(order()) if f == 0]
    assert np.mean(np.diff(rows) == 1) < 0.35


def test_fewer_cells_than_streams_are_refused() -> None:
    with pytest.raises(ScmambaError, match="142 cells for 150 processes"):
        order(streams=150)


def test_weights_decide_how_often_data_sets_and_labels_are_read() -> None:
    labels = [np.array([0] * 90 + [1] * 10), np.full(100, -1)]
    options = {"dataset_power": 0.0, "label_power": 1.0}
    rates = sampling_rates([100, 100], labels, weights=[3, 1], **options)
    assert rates is not None
    assert sum(r.sum() for r in rates) == pytest.approx(200)
    assert rates[0].sum() == pytest.approx(150) and rates[1].sum() == pytest.approx(50)
    assert rates[0][:90].sum() == pytest.approx(rates[0][90:].sum())
    rows, times = [np.arange(100)] * 2, np.zeros((2, 100))
    for epoch in range(40):
        made = EpochOrder.of(rows, rates, block=4, buffer=3, batch=8, epoch=epoch)
        np.add.at(times, (made.files, made.rows), 1)
    np.testing.assert_allclose(times / 40, np.stack(rates), atol=0.3)


def test_without_weights_nothing_is_drawn() -> None:
    none = [np.full(3, -1)]
    assert sampling_rates([3], none, weights=[2], dataset_power=0, label_power=0) is None
