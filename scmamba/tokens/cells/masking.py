"""Masking of expression values, for masked value prediction."""

from __future__ import annotations

import numpy as np
import torch

from scmamba._compiled import compiled, for_rows
from scmamba._errors import ScmambaError
from scmamba.tokens.cells.collate import CellBatch
from scmamba.tokens.cells.sampling import draw


def mask_values(
    batch: CellBatch,
    ratio: float,
    *,
    mask_value: float = -1.0,
    generator: torch.Generator | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Replace the values of randomly chosen genes with ``mask_value``.

    ``<cls>`` (position 0) and padding are never masked. In each cell ``round(ratio * n_genes)``
    genes are masked, chosen uniformly without replacement; at least one where the cell has a gene
    and ``ratio`` is not 0.

    Parameters
    ----------
    batch
        Padded cells; not modified.
    ratio
        Fraction of a cell's genes to mask, in [0, 1].
    mask_value
        Value at masked positions.
    generator
        PyTorch generator on the CPU; None for the global one.

    Returns
    -------
    values
        Copy of ``batch.values`` with masked values replaced; float32, shape (B, L).
    masked
        True where masked; bool, shape (B, L).

    Raises
    ------
    ScmambaError
        If ``ratio`` is not in [0, 1].

    Examples
    --------
    >>> from scipy import sparse
    >>> from scmamba.tokens import collate, mask_values, tokenize
    >>> tokens = tokenize(sparse.csr_matrix([[1.0, 2.0, 3.0, 4.0]]), [0, 1, 2, 3])
    >>> batch = collate(tokens, pad_id=4, cls_id=5, cls_value=0.0, pad_value=-2.0)
    >>> values, masked = mask_values(batch, ratio=0.5)
    >>> int(masked.sum()), values[masked].tolist()
    (2, [-1.0, -1.0])
    """
    if not 0 <= ratio <= 1:
        raise ScmambaError(f"ratio={ratio}; allowed: 0 to 1, the fraction of genes to mask")
    limits = torch.iinfo(torch.int64)
    n_cells, device = len(batch), batch.values.device
    seeds = torch.randint(limits.min, limits.max, (n_cells,), generator=generator).numpy()
    values, padding_mask = batch.values.cpu().numpy(), batch.padding_mask.cpu().numpy()
    hidden, masked = np.empty_like(values), np.empty_like(padding_mask)

    def work(start: int, stop: int) -> None:
        _mask_rows(
            values, padding_mask, ratio, np.float32(mask_value), seeds.view(np.uint64), start, stop,
            hidden, masked,
        )  # fmt: skip

    for_rows(work, n_cells, masked.size)
    return torch.from_numpy(hidden).to(device), torch.from_numpy(masked).to(device)


@compiled
def _mask_rows(  # type: ignore[no-untyped-def]
    values, padding_mask, ratio, mask_value, seeds, start, stop, hidden, masked
):
    for b in range(start, stop):
        n = len(padding_mask[b]) - 1 - padding_mask[b].sum()  # without <cls>
        wanted = int(np.floor(ratio * n + 0.5))
        if ratio > 0:
            wanted = min(n, max(1, wanted))
        masked[b, 0] = False
        draw(n, wanted, seeds[b], masked[b, 1 : n + 1])
        masked[b, n + 1 :] = False
        _hide(values[b], masked[b], mask_value, hidden[b])


@compiled
def _hide(values, masked, mask_value, hidden):  # type: ignore[no-untyped-def]
    """Copy ``values``, masked ones replaced; a plain loop, so that it is vectorized."""
    for i in range(len(hidden)):
        hidden[i] = mask_value if masked[i] else values[i]
