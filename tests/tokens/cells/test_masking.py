"""Masks hit genes alone, as many as were asked for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scmamba import ScmambaError
from scmamba.tokens import CellBatch, mask_values


def batch(lengths: tuple[int, ...] = (0, 1, 7, 20)) -> CellBatch:
    width = max(lengths) + 1
    padding = torch.arange(width)[None] > torch.tensor(lengths)[:, None]
    values = torch.where(padding, -2.0, 5.0)
    return CellBatch(torch.zeros(len(lengths), width, dtype=torch.int64), values, padding)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [(0.0, [0, 0, 0, 0]), (0.01, [0, 1, 1, 1]), (0.4, [0, 1, 3, 8]), (1.0, [0, 1, 7, 20])],
)
def test_share_of_each_cell(ratio: float, expected: list[int]) -> None:
    values, masked = mask_values(batch(), ratio, generator=seeded())
    assert masked.sum(1).tolist() == expected
    assert not masked[:, 0].any() and not (masked & batch().padding_mask).any()
    assert torch.equal(values, torch.where(masked, -1.0, batch().values))


def test_batch_is_left_as_it_is() -> None:
    given = batch()
    mask_values(given, 0.5, mask_value=-9, generator=seeded())
    assert torch.equal(given.values, batch().values)


def test_seeded_and_fair() -> None:
    many = batch((10,) * 3000)
    masked = mask_values(many, 0.3, generator=seeded())[1]
    assert torch.equal(masked, mask_values(many, 0.3, generator=seeded())[1])
    assert not torch.equal(masked, mask_values(many, 0.3, generator=seeded(1))[1])
    np.testing.assert_allclose(masked[:, 1:].float().mean(0), 0.3, atol=0.04)


def test_ratio_is_checked() -> None:
    with pytest.raises(ScmambaError, match="ratio=1.5; allowed: 0 to 1"):
        mask_values(batch(), 1.5)


def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scmamba._compiled._MIN_WORK", 1)
    drawn = []
    for threads in (1, 4):
        torch.set_num_threads(threads)
        drawn.append(mask_values(batch(), 0.4, generator=seeded())[1])
    assert torch.equal(drawn[0], drawn[1])
