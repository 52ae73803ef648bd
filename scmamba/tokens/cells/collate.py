"""Padded batches of cells as tensors, with ``<cls>`` at the first position."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from scmamba._compiled import compiled, for_rows
from scmamba._errors import ScmambaError
from scmamba.tokens.cells.sampling import choose
from scmamba.tokens.cells.tokenize import CellTokens


@dataclass(frozen=True)
class CellBatch:
    """A padded batch of cells.

    Attributes
    ----------
    gene_ids
        Vocabulary ids, ``<cls>`` at position 0; int64, shape (B, L).
    values
        Bins or values; float32, shape (B, L).
    padding_mask
        True at padding, which follows a cell's genes; bool, shape (B, L).

    Examples
    --------
    >>> from scipy import sparse
    >>> from scmamba.tokens import collate, tokenize
    >>> tokens = tokenize(sparse.csr_matrix([[1.0, 2.0], [0.0, 3.0]]), [0, 1], n_bins=None)
    >>> batch = collate(tokens, pad_id=8, cls_id=9, cls_value=0.0, pad_value=-2.0)
    >>> len(batch), batch.padding_mask.tolist()
    (2, [[False, False, False], [False, False, True]])
    """

    gene_ids: torch.Tensor
    values: torch.Tensor
    padding_mask: torch.Tensor

    def __len__(self) -> int:
        """Return the number of cells."""
        return len(self.gene_ids)

    def to(self, device: str | torch.device) -> CellBatch:
        """Copy the batch to ``device``."""
        return CellBatch(
            self.gene_ids.to(device, non_blocking=True),
            self.values.to(device, non_blocking=True),
            self.padding_mask.to(device, non_blocking=True),
        )


def collate(
    tokens: CellTokens,
    rows: npt.ArrayLike | None = None,
    *,
    pad_id: int,
    cls_id: int,
    cls_value: float,
    pad_value: float,
    max_tokens: int | None = None,
    rng: np.random.Generator | None = None,
) -> CellBatch:
    """Pad the tokens of cells to a common length, with ``<cls>`` at the first position.

    Parameters
    ----------
    tokens
        Tokens of all cells.
    rows
        Positions of the cells of the batch, in its order; None for all.
    pad_id, cls_id
        Ids of ``<pad>`` and ``<cls>``.
    cls_value, pad_value
        Values at ``<cls>`` and at padding.
    max_tokens
        Largest number of genes per cell, ``<cls>`` not counted. Cells with more keep a random
        subset in the original order, drawn from ``rng``; for training.
    rng
        Random number generator; required with ``max_tokens``.

    Returns
    -------
    A batch of length L = 1 + the largest number of genes; L is 1 where no cell has a gene.

    Raises
    ------
    ScmambaError
        If ``max_tokens`` is less than 1 or given without ``rng``, or a row does not exist.

    Examples
    --------
    >>> from scipy import sparse
    >>> from scmamba.tokens import collate, tokenize
    >>> tokens = tokenize(sparse.csr_matrix([[1.0, 2.0], [0.0, 3.0]]), [0, 1], n_bins=None)
    >>> collate(tokens, pad_id=8, cls_id=9, cls_value=0.0, pad_value=-2.0).gene_ids.tolist()
    [[9, 0, 1], [9, 1, 8]]
    """
    if max_tokens is not None and (max_tokens < 1 or rng is None):
        raise ScmambaError(
            f"max_tokens={max_tokens}, rng={rng}; allowed: at least 1, with a numpy.random"
            ".Generator to draw from"
        )
    n_cells = len(tokens)
    chosen = np.arange(n_cells) if rows is None else np.asarray(rows, dtype=np.int64)
    if len(chosen) and (chosen.min() < 0 or chosen.max() >= n_cells):
        raise ScmambaError(
            f"rows go from {chosen.min()} to {chosen.max()}; allowed: 0 to {n_cells - 1}"
        )
    longest = int(tokens.lengths[chosen].max(initial=0))
    seeds = np.zeros(len(chosen), dtype=np.uint64)
    if rng is not None and max_tokens is not None and longest > max_tokens:
        seeds = rng.integers(0, np.iinfo(np.uint64).max, size=len(chosen), dtype=np.uint64)
        longest = max_tokens
    shape = (len(chosen), longest + 1)
    gene_ids, values = np.empty(shape, np.int64), np.empty(shape, np.float32)
    padding_mask = np.empty(shape, np.bool_)

    def work(start: int, stop: int) -> None:
        _fill(
            tokens.indptr, tokens.gene_ids, tokens.values, chosen, seeds, start, stop, pad_id,
            cls_id, cls_value, pad_value, gene_ids, values, padding_mask,
        )  # fmt: skip

    for_rows(work, len(chosen), gene_ids.size)
    return CellBatch(
        torch.from_numpy(gene_ids), torch.from_numpy(values), torch.from_numpy(padding_mask)
    )


@compiled
def _fill(  # type: ignore[no-untyped-def]
    indptr, from_ids, from_values, rows, seeds, start, stop, pad_id, cls_id, cls_value, pad_value,
    gene_ids, values, padding_mask,
):  # fmt: skip
    room = gene_ids.shape[1] - 1
    kept = np.empty(room, dtype=np.int64)
    for b in range(start, stop):
        first, end = indptr[rows[b]], indptr[rows[b] + 1]
        ids, found = from_ids[first:end], from_values[first:end]
        if len(ids) > room:
            choose(len(ids), room, seeds[b], kept)
            ids, found = ids[kept], found[kept]
        stop_genes = len(ids) + 1
        gene_ids[b, 0] = cls_id
        values[b, 0] = cls_value
        _copy(ids, gene_ids[b, 1:stop_genes])
        _copy(found, values[b, 1:stop_genes])
        gene_ids[b, stop_genes:] = pad_id
        values[b, stop_genes:] = pad_value
        padding_mask[b, :stop_genes] = False
        padding_mask[b, stop_genes:] = True


@compiled
def _copy(source, target):  # type: ignore[no-untyped-def]
    """Copy ``source`` to ``target``, of another dtype; a plain loop, so that it is vectorized."""
    for i in range(len(target)):
        target[i] = source[i]
