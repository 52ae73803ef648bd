"""Tokens of cells: gene ids and binned values of varying number, in vocabulary order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from scmamba._compiled import for_rows
from scmamba._describe import Described
from scmamba._errors import ScmambaError
from scmamba._sparse import check_indices, check_pointers
from scmamba.tokens.cells.binning import as_float, quantile_positions
from scmamba.tokens.cells.ranks import as_keys, scratch
from scmamba.tokens.cells.rows import copy_rows, tokenize_rows


@dataclass(frozen=True, repr=False)
class CellTokens(Described):
    """Concatenated tokens of cells, without ``<cls>`` and padding.

    Attributes
    ----------
    indptr
        Row pointers: cell ``i`` has the tokens ``indptr[i]`` to ``indptr[i + 1] - 1``; int64, shape
        (n_cells + 1,).
    gene_ids
        Vocabulary ids, ascending within a cell; int32, shape (n_tokens,).
    values
        Bins (int16) or unbinned values (float32), shape (n_tokens,).

    Examples
    --------
    >>> from scipy import sparse
    >>> from scmamba.tokens import tokenize
    >>> tokens = tokenize(sparse.csr_matrix([[1.0, 2.0], [0.0, 3.0]]), [0, 1], n_bins=None)
    >>> len(tokens), tokens.indptr.tolist()
    (2, [0, 2, 3])
    >>> tokens.take([1]).values.tolist()
    [3.0]
    """

    indptr: npt.NDArray[np.int64]
    gene_ids: npt.NDArray[np.int32]
    values: npt.NDArray[np.int16] | npt.NDArray[np.float32]

    def _summary(self) -> tuple[str, Mapping[str, str]]:
        median = np.median(self.lengths) if len(self) else 0
        return f"tokens of {len(self):,} cells", {
            "tokens": f"{len(self.gene_ids):,}, {median:,.0f} a cell (median)",
            "values": "bins" if self.values.dtype == np.int16 else "expression, not binned",
        }

    def __len__(self) -> int:
        """Return the number of cells."""
        return len(self.indptr) - 1

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Number of tokens of each cell, shape (n_cells,); 0 for a cell without counts."""
        return np.diff(self.indptr)

    def take(self, rows: npt.ArrayLike) -> CellTokens:
        """Return the cells ``rows`` (integers, any order, or a boolean mask) as tokens."""
        chosen = np.asarray(rows)
        chosen = np.flatnonzero(chosen) if chosen.dtype == bool else chosen.astype(np.int64)
        starts = self.indptr[:-1][chosen]
        lengths = self.indptr[1:][chosen] - starts
        indptr = np.concatenate([[0], np.cumsum(lengths)])
        source = np.repeat(starts - indptr[:-1], lengths) + np.arange(indptr[-1])
        return CellTokens(indptr, self.gene_ids[source], self.values[source])


def tokenize(
    X: sparse.csr_matrix | sparse.csr_array,
    columns: npt.ArrayLike,
    *,
    n_bins: int | None = 51,
    include_zero_genes: bool = False,
    max_length: int | None = None,
    seed: int = 0,
) -> CellTokens:
    """Turn the rows of a sparse matrix into tokens, in vocabulary order.

    The tokens of a cell depend only on its own values: not on the order of cells or genes, nor on
    the number of threads. Genes outside the vocabulary are dropped before binning. Columns with
    the same id, and duplicate entries, are summed before binning; stored zeros count as zeros.

    Parameters
    ----------
    X
        Expression, shape (n_cells, n_columns), non-negative and finite, in CSR (indices may be
        unsorted).
    columns
        Vocabulary id of each column, -1 for none; integers, shape (n_columns,).
    n_bins
        Number of value bins including the zero bin (see :func:`~scmamba.tokens.bin_values`);
        None keeps the values, as float32.
    include_zero_genes
        Give every cell a token for each vocabulary id in ``columns``, with value 0 where the cell
        has none.
    max_length
        Largest number of genes per cell, ``<cls>`` not counted. From cells with more, that many are
        drawn at random, seeded by the cell's own tokens and ``seed``; None keeps all.
    seed
        Seed of that draw, 0 or more.

    Returns
    -------
    Tokens of the cells, in the order of the rows.

    Raises
    ------
    ScmambaError
        If ``X`` is not CSR, its index arrays contradict its shape, it holds negative or non-finite
        values, or it does not fit ``columns``; if ``n_bins``, ``max_length`` or ``seed`` is out of
        range.

    Examples
    --------
    >>> from scipy import sparse
    >>> from scmamba.tokens import tokenize
    >>> counts = sparse.csr_matrix([[5.0, 0.0, 1.0], [0.0, 2.0, 0.0]])
    >>> tokens = tokenize(counts, [7, 3, -1], n_bins=None)
    >>> tokens.gene_ids.tolist(), tokens.values.tolist(), tokens.lengths.tolist()
    ([7, 3], [5.0, 2.0], [1, 1])
    """
    slot_of_column, gene_ids = _slots(X, columns)
    check_pointers(X.indptr, X.shape[0], len(X.data), len(X.indices), "X")
    check_indices(X.indices, X.shape[1], "X")
    if max_length is not None and max_length < 1:
        raise ScmambaError(f"max_length={max_length}; allowed: at least 1, or None for all genes")
    if seed < 0:
        raise ScmambaError(f"seed={seed}; allowed: 0 or more")
    data = as_float(X.data)
    positions = quantile_positions(51 if n_bins is None else n_bins)
    indptr = X.indptr.astype(np.int64)
    indices = X.indices.astype(np.int32, copy=False)
    found = slot_of_column[slot_of_column >= 0]
    in_order = bool(X.has_canonical_format and (np.diff(found) > 0).all())
    n_cells = X.shape[0]
    room = np.full(n_cells, len(gene_ids)) if include_zero_genes else np.diff(indptr)
    room = np.minimum(room, len(gene_ids) if max_length is None else max_length)
    offsets = np.concatenate([[0], np.cumsum(room)])
    out_ids = np.empty(offsets[-1], dtype=np.int32)
    out_values = np.empty(offsets[-1], dtype=np.float32 if n_bins is None else np.int16)
    lengths = np.empty(n_cells, dtype=np.int64)
    limit = len(gene_ids) if max_length is None else max_length

    def work(start: int, stop: int) -> None:
        room = scratch(len(gene_ids), len(positions), data.dtype)
        values = np.empty(len(gene_ids), dtype=data.dtype)
        tokenize_rows(
            indptr, indices, data, slot_of_column, in_order, gene_ids, positions,
            n_bins is not None, include_zero_genes, limit, np.uint64(seed), offsets, start, stop,
            values, as_keys(values), room, out_ids, out_values, lengths,
        )  # fmt: skip

    for_rows(work, n_cells, len(data))
    tokens = CellTokens(np.concatenate([[0], np.cumsum(lengths)]), out_ids, out_values)
    if tokens.indptr[-1] == offsets[-1]:
        return tokens
    return _squeeze(tokens, offsets)


def _slots(
    X: sparse.csr_matrix | sparse.csr_array, columns: npt.ArrayLike
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Position of each column among the ids in use (-1 for none), and those ids, ascending."""
    if not (sparse.issparse(X) and X.format == "csr" and X.ndim == 2):
        raise ScmambaError(
            f"X is a {type(X).__name__}; allowed: a scipy CSR matrix of shape (n_cells, n_genes): "
            "convert it with scipy.sparse.csr_matrix(X)"
        )
    ids = np.asarray(columns)
    if ids.shape != (X.shape[1],) or not np.issubdtype(ids.dtype, np.integer):
        raise ScmambaError(
            f"columns has shape {ids.shape} and dtype {ids.dtype}; allowed: one integer for each "
            f"of X's {X.shape[1]} columns, -1 where it is not in the vocabulary"
        )
    known = ids[ids >= 0]
    present = np.zeros(known.max(initial=-1) + 1, dtype=bool)  # a table of ids: no sort is needed
    present[known] = True
    slot_of_column = np.full(len(ids), -1, dtype=np.int32)
    slot_of_column[ids >= 0] = (np.cumsum(present, dtype=np.int32) - 1)[known]
    return slot_of_column, np.flatnonzero(present).astype(np.int32)


def _squeeze(tokens: CellTokens, offsets: npt.NDArray[np.int64]) -> CellTokens:
    """Close the gaps after rows with fewer tokens than the space reserved for them."""
    n = tokens.indptr[-1]
    ids, values = np.empty(n, tokens.gene_ids.dtype), np.empty(n, tokens.values.dtype)

    def work(start: int, stop: int) -> None:
        copy_rows(offsets, tokens.indptr, tokens.gene_ids, tokens.values, start, stop, ids, values)

    for_rows(work, len(tokens), n)
    return CellTokens(tokens.indptr, ids, values)
