"""Hide a share of each cell's values, for masked gene expression."""

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
    """Write ``values`` with some replaced; a loop so plain is compiled to vectors."""
    for i in range(len(hidden)):
        hidden[i] = mask_value if masked[i] else values[i]
