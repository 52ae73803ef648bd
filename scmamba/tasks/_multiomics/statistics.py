"""Pooled vectors of cells, and the statistics of them by which encoders norm."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from scmamba.tasks._multiomics.batches import Cells
from scmamba.tasks._multiomics.network import MultiomicsNetwork

_PRIOR_CELLS = 10.0


@torch.no_grad()
def set_statistics(network: MultiomicsNetwork, cells: Cells) -> None:
    """Give the norms of all encoders the exact statistics of the measured cells of each batch."""
    pooled, network_ids = pool(network, cells), torch.from_numpy(cells.blocks.batch_ids)
    for m, one in enumerate(pooled):
        there = torch.from_numpy(cells.blocks.blocks[m].measured)
        norm: Any = network.encoders[m].norm
        if there.any():
            norm.set_statistics(one[there], network_ids[there], _PRIOR_CELLS)


@torch.no_grad()
def pool(
    network: MultiomicsNetwork,
    cells: Cells,
    there: npt.NDArray[np.bool_] | None = None,
    block: int = 512,
) -> list[torch.Tensor]:
    """(n_cells, d) pooled vector of each modality, of those that are ``there``."""
    network.eval()
    size = block if network.mixer is None else 16
    parts = []
    for start in range(0, len(cells.blocks), size):
        rows = np.arange(start, min(start + size, len(cells.blocks)))
        seen = None if there is None else there[rows]
        parts.append(network.pool(cells.whole(rows, seen).values))
    return [torch.cat(one) for one in zip(*parts, strict=True)]
