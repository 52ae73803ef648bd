"""A sparse matrix that is made some rows at a time while it is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from scipy import sparse


@dataclass(frozen=True)
class RowBlocks:
    """A sparse matrix of which only some rows at a time are in memory.

    Attributes
    ----------
    shape
        Numbers of rows and columns.
    make
        Starts again at the first row at each call, and gives the next rows in CSR format until
        there are no more.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import sparse
    >>> from scmamba.jobs import RowBlocks
    >>> blocks = RowBlocks((4, 3), lambda: (sparse.csr_matrix(np.eye(2, 3)) for _ in range(2)))
    >>> blocks.whole().sum(0).tolist()
    [[2.0, 2.0, 0.0]]
    """

    shape: tuple[int, int]
    make: Callable[[], Iterator[sparse.csr_matrix]]

    def __iter__(self) -> Iterator[sparse.csr_matrix]:
        return self.make()

    def whole(self) -> sparse.csr_matrix:
        """Return all rows in memory."""
        return sparse.vstack(list(self)).tocsr()
