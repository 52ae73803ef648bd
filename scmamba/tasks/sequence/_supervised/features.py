"""Sequences as counts of k-mers and as nucleotides at positions, for a linear view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from scmamba._errors import ScmambaError

KINDS = ("kmers", "positions")
K = (1, 2, 3, 4, 5, 6)
_LETTERS = np.full(256, -1, dtype=np.int64)
_LETTERS[np.frombuffer(b"ACGTU", dtype=np.uint8)] = (0, 1, 2, 3, 3)


@dataclass(frozen=True)
class Features:
    """How a sequence becomes a row.

    Attributes
    ----------
    kinds
        ``"kmers"``: log(1 + count) of each of 1 to 6 nucleotides; ``"positions"``: which
        nucleotide stands where; or both.
    length
        Positions that are looked at, from the first.
    """

    kinds: tuple[str, ...]
    length: int = 0

    def __post_init__(self) -> None:
        if not self.kinds or set(self.kinds) - set(KINDS):
            raise ScmambaError(f"kinds={self.kinds}; allowed: {', '.join(KINDS)}")

    def __call__(self, texts: Sequence[str]) -> sparse.csr_matrix:
        """Rows (n, n_features) of sequences in upper case; what holds N counts nowhere."""
        letters, owner, place = _letters(texts)
        parts = []
        if "kmers" in self.kinds:
            parts += [_counts(letters, owner, k, len(texts)) for k in K]
        if "positions" in self.kinds:
            seen = (letters >= 0) & (place < self.length)
            columns = 4 * place[seen] + letters[seen]
            parts.append(_ones(owner[seen], columns, (len(texts), 4 * self.length)))
        return sparse.hstack(parts).tocsr()


def _letters(
    texts: Sequence[str],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Of every nucleotide: its letter (-1: unknown), its sequence, its place in it."""
    lengths = np.array([len(text) for text in texts])
    letters = _LETTERS[np.frombuffer("".join(texts).encode(), dtype=np.uint8)]
    owner = np.repeat(np.arange(len(texts)), lengths)
    place = np.arange(len(letters)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return letters, owner, place


def _counts(
    letters: npt.NDArray[np.int64], owner: npt.NDArray[np.int64], k: int, n: int
) -> sparse.csr_matrix:
    """(n, 4^k) log(1 + count)."""
    windows = max(len(letters) - k + 1, 0)
    code, valid = np.zeros(windows, dtype=np.int64), np.ones(windows, dtype=np.bool_)
    for i in range(k):
        piece = letters[i : windows + i]
        code, valid = 4 * code + piece, valid & (piece >= 0)
    valid &= owner[:windows] == owner[k - 1 : windows + k - 1]
    counts = _ones(owner[:windows][valid], code[valid], (n, 4**k))
    return counts.log1p()


def _ones(
    rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64], shape: tuple[int, int]
) -> sparse.csr_matrix:
    """How often each (row, column) is named."""
    ones = np.ones(len(rows), dtype=np.float64)
    return sparse.csr_matrix((ones, (rows, columns)), shape=shape)
