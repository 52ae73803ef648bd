"""Batches of cells of similar length, so that little of what is computed is padding."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scmamba._errors import ScmambaError

TOKEN_BUDGET = 65_536
"""Padded tokens of a batch where nothing is trained: memory does not grow with cells' length."""

_JITTER = 0.03
"""Cells are shuffled by sorting them by lengths that are off by up to this share."""

_ROOM = 3
"""Cells of any length that a training batch has room for, so that none is left alone."""


def length_buckets(
    lengths: npt.NDArray[np.int64],
    *,
    batch_size: int | None = None,
    token_budget: int | None = None,
    rng: np.random.Generator | None = None,
) -> list[npt.NDArray[np.int64]]:
    """Group cells of similar length into batches of so many cells, or of so many tokens.

    Parameters
    ----------
    lengths
        (n_cells,) length of each cell, at least 1.
    batch_size
        Cells a batch. With ``rng`` a last smaller batch is spread over the others, as batch
        statistics of a handful of cells are poor.
    token_budget
        Padded tokens a batch, at most: cells times the length of the longest; in place of
        ``batch_size``. Without ``rng`` a cell that is longer yet makes a batch of its own; with
        it no batch is of one cell, unless there is but one.
    rng
        For training: cells are sorted by lengths with a little noise, drawn anew each time, and
        batches are shuffled. None: one sort by length, for prediction.

    Returns
    -------
    Positions of the cells of each batch; every cell is in exactly one, and no batch is empty.

    Raises
    ------
    ScmambaError
        Not exactly one of ``batch_size`` and ``token_budget`` is given, it is below 1, or, with
        ``rng``, the budget does not hold three cells of the largest length.
    """
    n = len(lengths)
    given = [size for size in (batch_size, token_budget) if size is not None]
    if len(given) != 1 or given[0] < 1:
        raise ScmambaError(
            f"batch_size={batch_size}, token_budget={token_budget}; give one of them, 1 or more"
        )
    if rng is None:
        order = np.argsort(lengths, kind="stable")
    else:
        order = np.argsort(lengths * rng.uniform(1 - _JITTER, 1 + _JITTER, n))
    if token_budget is not None:
        batches = _within(token_budget, order, lengths)
        if rng is not None:
            _leave_none_alone(batches, token_budget, int(lengths.max(initial=0)))
    elif rng is not None:
        batches = np.array_split(order, max(n // given[0], 1)) if n else []
    else:
        batches = [order[i : i + given[0]] for i in range(0, n, given[0])]
    return batches if rng is None else [batches[i] for i in rng.permutation(len(batches))]


def _within(
    token_budget: int, order: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]
) -> list[npt.NDArray[np.int64]]:
    """Cut ``order`` into stretches as long as the budget allows."""
    batches = []
    while len(order):
        most = max(token_budget // int(lengths[order[0]]), 1)
        longest = np.maximum.accumulate(lengths[order[:most]])
        n = int((longest * np.arange(1, len(longest) + 1) <= token_budget).sum())
        batches.append(order[: max(n, 1)])
        order = order[max(n, 1) :]
    return batches


def _leave_none_alone(
    batches: list[npt.NDArray[np.int64]], token_budget: int, longest: int
) -> None:
    """Give a last cell that is left alone one of the batch before it, which has three or more."""
    if len(batches) < 2:
        return
    if token_budget < _ROOM * longest:
        raise ScmambaError(
            f"token_budget={token_budget} does not hold {_ROOM} cells of {longest} tokens; "
            f"allowed: at least {_ROOM * longest}, or fewer tokens a cell"
        )
    if len(batches[-1]) == 1:
        batches[-1] = np.concatenate([batches[-2][-1:], batches[-1]])
        batches[-2] = batches[-2][:-1]


def padding_share(lengths: npt.NDArray[np.int64], batches: list[npt.NDArray[np.int64]]) -> float:
    """Share of padding among all tokens of ``batches``, in [0, 1)."""
    total = sum(len(rows) * int(lengths[rows].max()) for rows in batches)
    real = sum(int(lengths[rows].sum()) for rows in batches)
    return 1 - real / total if total else 0.0
