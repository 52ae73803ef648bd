"""Hide a share of each cell's values, for masked gene expression."""

from __future__ import annotations

import numpy as np
import torch

from scmamba._errors import ScmambaError
from scmamba.tokens._compiled import compiled, for_rows
from scmamba.tokens._sampling import draw
from scmamba.tokens.collate import CellBatch


def mask_values(
    batch: CellBatch,
    ratio: float,
    *,
    mask_value: float = -1.0,
    generator: torch.Generator | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Replace the values of randomly chosen genes by ``mask_value``.

    Never ``<cls>`` (position 0), never padding. In each cell ``round(ratio * n_genes)`` genes are
    hidden, every set of them equally likely, at least one where the cell has a gene and ``ratio``
    is not 0.

    Parameters
    ----------
    batch
        Padded cells; left as it is.
    ratio
        Share of a cell's genes to hide, 0 to 1.
    mask_value
        What stands in place of a hidden value.
    generator
        PyTorch's CPU generator; None for the global one.

    Returns
    -------
    values
        Like ``batch.values``, hidden ones replaced; float32, shape (B, L).
    masked
        True where hidden; bool, shape (B, L).

    Raises
    ------
    ScmambaError
        If ``ratio`` is not in [0, 1].
    """
    if not 0 <= ratio <= 1:
        raise ScmambaError(f"ratio={ratio}; allowed: 0 to 1, the share of genes to hide")
    n_cells, length = batch.values.shape
    limits = torch.iinfo(torch.int64)
    seeds = torch.randint(limits.min, limits.max, (n_cells,), generator=generator).numpy()
    padding_mask = batch.padding_mask.cpu().numpy()
    masked = np.empty((n_cells, length), dtype=np.bool_)

    def work(start: int, stop: int) -> None:
        _mask_rows(padding_mask, ratio, seeds.view(np.uint64), start, stop, masked)

    for_rows(work, n_cells, masked.size)
    hidden = torch.from_numpy(masked).to(batch.values.device)
    return batch.values.masked_fill(hidden, mask_value), hidden


@compiled
def _mask_rows(padding_mask, ratio, seeds, start, stop, masked):  # type: ignore[no-untyped-def]
    length = padding_mask.shape[1]
    genes = np.empty(length, dtype=np.int64)
    drawn = np.empty(length, dtype=np.bool_)
    for b in range(start, stop):
        n = 0
        for i in range(1, length):
            genes[n] = i
            n += not padding_mask[b, i]
        wanted = int(np.floor(ratio * n + 0.5))
        if ratio > 0:
            wanted = min(n, max(1, wanted))
        draw(n, wanted, seeds[b], drawn)
        masked[b, :] = False
        for i in range(n):
            masked[b, genes[i]] = drawn[i]
