"""Sequences as k-mer counts, codon usage and nucleotides at positions, for linear models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from scmamba._errors import ScmambaError

KINDS = ("kmers", "positions", "codons")
K = (1, 2, 3, 4, 5, 6)
_LETTERS = np.full(256, -1, dtype=np.int64)
_LETTERS[np.frombuffer(b"ACGTU", dtype=np.uint8)] = (0, 1, 2, 3, 3)


@dataclass(frozen=True)
class Features:
    """How a sequence becomes a row.

    Attributes
    ----------
    kinds
        Any of ``"kmers"``: log(1 + count) of each word of 1 to 6 nucleotides; ``"positions"``: the
        nucleotide at each position; ``"codons"``: 64 times the relative frequency of each codon.
    length
        Number of positions, from the first.
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
        if "codons" in self.kinds:
            parts.append(_codons(letters, owner, place, len(texts)))
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
    code, valid = _words(letters, owner, k)
    return _ones(owner[: len(code)][valid], code[valid], (n, 4**k)).log1p()


def _codons(
    letters: npt.NDArray[np.int64],
    owner: npt.NDArray[np.int64],
    place: npt.NDArray[np.int64],
    n: int,
) -> sparse.csr_matrix:
    """(n, 64) frequencies of codons, in frame from the first nucleotide; 1 on average."""
    code, valid = _words(letters, owner, 3)
    valid &= place[: len(code)] % 3 == 0
    counts = _ones(owner[: len(code)][valid], code[valid], (n, 64))
    total = np.maximum(np.asarray(counts.sum(1)).ravel(), 1)
    return sparse.diags_array(64 / total) @ counts


def _words(
    letters: npt.NDArray[np.int64], owner: npt.NDArray[np.int64], k: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Return the number of the k-mer at each position, and whether it is a whole one."""
    windows = max(len(letters) - k + 1, 0)
    code, valid = np.zeros(windows, dtype=np.int64), np.ones(windows, dtype=np.bool_)
    for i in range(k):
        piece = letters[i : windows + i]
        code, valid = 4 * code + piece, valid & (piece >= 0)
    return code, valid & (owner[:windows] == owner[k - 1 : windows + k - 1])


def _ones(
    rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64], shape: tuple[int, int]
) -> sparse.csr_matrix:
    """How often each (row, column) is named."""
    ones = np.ones(len(rows), dtype=np.float64)
    return sparse.csr_matrix((ones, (rows, columns)), shape=shape)
