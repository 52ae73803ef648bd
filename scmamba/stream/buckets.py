"""Grouping of rows of similar length into batches, which keeps padding small."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scmamba._errors import ScmambaError

TOKEN_BUDGET = 65_536
"""Tokens per batch, padding included, at inference; memory does not grow with row length."""

_JITTER = 0.03
"""Relative noise on lengths by which rows are sorted in training."""

_ROOM = 3
"""Rows of the largest length that a training batch must hold, so that no batch has one row."""


def length_buckets(
    lengths: npt.NDArray[np.int64],
    *,
    batch_size: int | None = None,
    token_budget: int | None = None,
    rng: np.random.Generator | None = None,
    n_shares: int = 1,
) -> list[npt.NDArray[np.int64]]:
    """Group rows of similar length into batches of a given number of rows or of tokens.

    Parameters
    ----------
    lengths
        (n,) length of each row, at least 1.
    batch_size
        Rows per batch and process. With ``rng``, rows of a smaller last batch are distributed over
        the others, because batch statistics of few rows are unreliable.
    token_budget
        Largest number of tokens per batch and process, padding included: number of rows times the
        largest length. Alternative to ``batch_size``. Without ``rng``, a row longer than the budget
        forms its own batch; with ``rng``, no batch has a single row unless there is only one.
    rng
        Random number generator, for training: rows are sorted by lengths with a little noise, and
        batches are shuffled. None sorts rows by length, for prediction.
    n_shares
        Number of processes among which each batch is divided.

    Returns
    -------
    Positions of the rows of each batch. Each row is in exactly one batch, and no batch is empty.

    Raises
    ------
    ScmambaError
        If not exactly one of ``batch_size`` and ``token_budget`` is given, it is below 1, there are
        fewer rows than processes, or, with ``rng``, the budget does not hold three rows of the
        largest length.

    Examples
    --------
    >>> import numpy as np
    >>> from scmamba.stream import length_buckets
    >>> [batch.tolist() for batch in length_buckets(np.array([9, 2, 8, 3]), batch_size=2)]
    [[1, 3], [2, 0]]
    """
    n = len(lengths)
    given = [size for size in (batch_size, token_budget) if size is not None]
    if len(given) != 1 or given[0] < 1:
        raise ScmambaError(
            f"batch_size={batch_size}, token_budget={token_budget}; give one of them, 1 or more"
        )
    if 0 < n < n_shares:
        raise ScmambaError(f"{n} rows for {n_shares} processes; give at least one row to each")
    if rng is None:
        order = np.argsort(lengths, kind="stable")
    else:
        order = np.argsort(lengths * rng.uniform(1 - _JITTER, 1 + _JITTER, n))
    size = given[0] * n_shares
    if token_budget is not None:
        batches = _within(size, order, lengths, n_shares)
        if rng is not None:
            longest = int(lengths.max(initial=0))
            _leave_none_alone(batches, token_budget, longest, n_shares)
    elif rng is not None:
        batches = np.array_split(order, max(n // size, 1)) if n else []
    else:
        batches = [order[i : i + size] for i in range(0, n, size)]
    return batches if rng is None else [batches[i] for i in rng.permutation(len(batches))]


def n_batches(n: int, batch_size: int, n_shares: int = 1) -> int:
    """Return the number of training batches of ``n`` rows, without making them.

    Parameters
    ----------
    n
        Number of rows.
    batch_size
        Rows per batch and process.
    n_shares
        Number of processes.

    Returns
    -------
    Number of batches that :func:`length_buckets` makes with ``rng``.

    Examples
    --------
    >>> from scmamba.stream import n_batches
    >>> n_batches(70, batch_size=32)
    2
    """
    return max(n // (batch_size * n_shares), 1) if n else 0


def _within(
    token_budget: int, order: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64], n_shares: int
) -> list[npt.NDArray[np.int64]]:
    """Split ``order`` into batches as large as the budget allows, divisible by the processes."""
    batches = []
    while len(order):
        most = max(token_budget // int(lengths[order[0]]), 1)
        longest = np.maximum.accumulate(lengths[order[:most]])
        n = int((longest * np.arange(1, len(longest) + 1) <= token_budget).sum())
        n = max(n - n % n_shares, n_shares)
        batches.append(order[:n])
        order = order[n:]
    return batches


def _leave_none_alone(
    batches: list[npt.NDArray[np.int64]], token_budget: int, longest: int, n_shares: int
) -> None:
    """Fill a last batch of fewer than two rows per process from the batch before it."""
    if len(batches) < 2:
        return
    if token_budget < _ROOM * longest:
        raise ScmambaError(
            f"token_budget={token_budget} does not hold {_ROOM} rows of {longest} tokens; "
            f"allowed: at least {_ROOM * longest}, or fewer tokens per row"
        )
    lacking = 2 * n_shares - len(batches[-1])
    if lacking > 0:
        batches[-1] = np.concatenate([batches[-2][-lacking:], batches[-1]])
        batches[-2] = batches[-2][:-lacking]


def padding_share(lengths: npt.NDArray[np.int64], batches: list[npt.NDArray[np.int64]]) -> float:
    """Fraction of tokens that are padding, in [0, 1).

    Parameters
    ----------
    lengths
        (n,) length of each row.
    batches
        Positions of the rows of each batch, see :func:`length_buckets`.

    Examples
    --------
    >>> import numpy as np
    >>> from scmamba.stream import length_buckets, padding_share
    >>> lengths = np.array([9, 2, 8, 3])
    >>> round(padding_share(lengths, length_buckets(lengths, batch_size=2)), 3)
    0.083
    """
    total = sum(len(rows) * int(lengths[rows].max()) for rows in batches)
    real = sum(int(lengths[rows].sum()) for rows in batches)
    return 1 - real / total if total else 0.0
