"""Cells that several files hold: told by their counts on the genes that both files measure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

Hashes = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]

LEAST_SHARED = 20
"""Expressed genes that two cells must share: fewer may agree by chance."""

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


@dataclass(frozen=True)
class CellHashes:
    """Hashes of the counts of n cells, one for each of p panels of genes.

    Attributes
    ----------
    panel
        Number of the panel that the cells themselves were measured on.
    hashes
        (n, p) hash of the counts of the genes that both panels hold.
    expressed
        (n, p) number of those genes that are expressed.
    """

    panel: int
    hashes: Hashes
    expressed: npt.NDArray[np.int32]


def gene_keys(names: Sequence[str]) -> Hashes:
    """(n,) random number of each gene, the same wherever the gene has this name."""
    digests = (hashlib.blake2b(name.encode(), digest_size=8).digest() for name in names)
    return np.frombuffer(b"".join(digests), dtype=np.uint64)


def hash_cells(
    counts: sparse.csr_matrix, keys: Hashes, panels: npt.NDArray[np.bool_]
) -> tuple[Hashes, npt.NDArray[np.int32]]:
    """Hash counts of cells on several panels of genes.

    The hash of a cell is the sum, modulo 2^64, of a mixed number for each of its genes and counts,
    so that the order of genes does not matter and one pass serves all panels.

    Parameters
    ----------
    counts
        (n, n_genes) counts.
    keys
        (n_genes,) result of :func:`gene_keys` for the columns.
    panels
        (n_genes, p) True where a column is in a panel.

    Returns
    -------
    hashes, expressed
        (n, p) each; see :class:`CellHashes`.

    Examples
    --------
    Two genes in another order, and a third that only one data set measures:

    >>> import numpy as np
    >>> from scipy import sparse
    >>> from scmamba.stream.corpus_copies import gene_keys, hash_cells
    >>> both = np.array([[True], [True], [False]])
    >>> one, _ = hash_cells(sparse.csr_matrix([[5, 2, 9]]), gene_keys(["A", "B", "C"]), both)
    >>> other, _ = hash_cells(sparse.csr_matrix([[2, 5]]), gene_keys(["B", "A"]), both[:2])
    >>> bool(one[0, 0] == other[0, 0])
    True
    """
    bits = counts.data.astype(np.float64).view(np.uint64)
    mixed = _mix(_mix(bits) ^ keys[counts.indices])
    shape = counts.shape
    of_gene = sparse.csr_matrix((mixed, counts.indices, counts.indptr), shape=shape)
    ones = sparse.csr_matrix(
        (np.ones(counts.nnz, np.int32), counts.indices, counts.indptr), shape=shape
    )
    hashes = np.asarray(of_gene @ panels.astype(np.uint64), dtype=np.uint64)
    return hashes, np.asarray(ones @ panels.astype(np.int32), dtype=np.int32)


def find_copies(cells: Sequence[CellHashes], order: Sequence[int]) -> list[npt.NDArray[np.bool_]]:
    """Find cells that repeat a cell of a data set before them, or an earlier one of their own.

    Parameters
    ----------
    cells
        Data sets.
    order
        Their numbers, in the order in which they keep their cells.

    Returns
    -------
    (n_cells,) True at copies, for each data set.
    """
    copies = [np.zeros(len(one.hashes), dtype=bool) for one in cells]
    kept: dict[tuple[int, int], list[Hashes]] = {}  # by panel measured, and panel compared
    n_panels = max((one.hashes.shape[1] for one in cells), default=0)
    for number in order:
        one, is_copy = cells[number], copies[number]
        enough = one.expressed >= LEAST_SHARED
        own = one.hashes[:, one.panel]
        first = np.zeros(len(own), dtype=bool)
        first[np.unique(own, return_index=True)[1]] = True
        is_copy |= ~first & enough[:, one.panel]
        for panel in range(n_panels):
            before = kept.get((panel, one.panel))
            if before:
                seen = np.isin(one.hashes[:, panel], np.concatenate(before))
                is_copy |= seen & enough[:, panel]
        for panel in range(n_panels):
            there = ~is_copy & enough[:, panel]
            kept.setdefault((one.panel, panel), []).append(one.hashes[there, panel])
    return copies


def _mix(state: Hashes) -> Hashes:
    """SplitMix64's hash of each number (Steele et al., OOPSLA 2014)."""
    z = state + _GOLDEN
    z = (z ^ (z >> np.uint64(30))) * _MIX_1
    z = (z ^ (z >> np.uint64(27))) * _MIX_2
    return z ^ (z >> np.uint64(31))
