"""How good an integration is by what needs no label: cells explained, batches mixed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scmamba.learn.neighbors import nearest_others

_NEIGHBORS = 50
_SAMPLE = 5_000  # cells whose neighbors are looked at

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Criteria:
    """What can be told without labels.

    Attributes
    ----------
    fit
        (n_held_out,) how well the expression of each held-out cell is decoded: log-likelihood of
        its counts in nats, or less its mean squared error in bins.
    mixing
        Of batches among neighbors, in [0, 1], see :func:`mixing`.
    """

    fit: npt.NDArray[np.float64]
    mixing: float


def mixing(embedding: npt.NDArray[np.float32], batch_ids: Ints, seed: int = 0) -> float:
    """Entropy of the batches among each cell's 50 nearest cells, 1 where all are alike frequent.

    A batch's cells are weighted by the inverse of their number, so that a batch twice as large is
    not expected twice as often; the mean over cells is divided by the entropy of a perfect mixture.
    More than 5,000 cells are sampled, seen among all others.

    Parameters
    ----------
    embedding
        (n_cells, d).
    batch_ids
        (n_cells,) from 0.
    seed
        Of the sample.
    """
    n_batches = int(batch_ids.max()) + 1
    if n_batches < 2:
        return 1.0
    near = batch_ids[nearest_others(embedding, _NEIGHBORS, _SAMPLE, seed)[1]]
    weight = 1 / np.maximum(np.bincount(batch_ids, minlength=n_batches), 1)
    share = np.stack([(near == b).sum(1) * weight[b] for b in range(n_batches)], 1)
    share /= share.sum(1, keepdims=True)
    logs = np.log(share, out=np.zeros_like(share), where=share > 0)
    return float(-(share * logs).sum(1).mean() / np.log(n_batches))
