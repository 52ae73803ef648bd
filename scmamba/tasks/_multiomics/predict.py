"""Open peaks of cells by a peak model and the decoder together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scmamba.tasks._multiomics.batches import Cells
from scmamba.tasks._multiomics.blocks import Block, Blocks
from scmamba.tasks._multiomics.peaks import PeakModel
from scmamba.tasks._multiomics.trained import Trained

_BLOCK = 256
_TINY = 1e-7

Floats = npt.NDArray[np.float32]


def decoded_odds(trained: Trained, cells: Cells, m: int) -> Floats:
    """(n_cells, n_peaks) log odds by the decoder, relative to a cell without any measurement."""
    network = trained.network
    latent = trained.embed(cells).mean
    n = len(latent)
    size = np.full(n, float(network.decoder(m).depth))  # type: ignore[arg-type]
    ids = cells.blocks.batch_ids
    found = _logit(trained.decode(m, latent, size, ids))
    for batch in np.unique(ids):
        one = np.zeros((1, latent.shape[1]), np.float32)
        usual = trained.decode(m, one, size[:1], np.array([batch]))
        found[ids == batch] -= _logit(usual)
    return found


def relative_odds(trained: Trained, cells: Cells, peaks: PeakModel, m: int) -> Floats:
    """(n_cells, n_peaks) log odds of each peak relative to its frequency."""
    blocks = cells.blocks
    found = np.empty((len(blocks), len(peaks.frequency)), np.float32)
    for start in range(0, len(blocks), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(blocks)))
        some = Cells(blocks.take(rows), tuple(X[rows] for X in cells.values))
        odds = peaks.log_odds(some.blocks.blocks[m].X, decoded_odds(trained, some, m))
        odds[~some.blocks.measured.any(1)] = np.nan
        found[rows] = odds
    return found


def peak_probability(trained: Trained, cells: Cells, peaks: PeakModel, m: int) -> Floats:
    """(n_cells, n_peaks) probability that each peak is open in a cell of usual depth."""
    base = np.log(peaks.frequency) - np.log1p(-peaks.frequency)
    odds = relative_odds(trained, cells, peaks, m)
    odds += base.astype(np.float32)
    return np.asarray(1 / (1 + np.exp(-odds)), dtype=np.float32)


def decode_hidden(trained: Trained, blocks: Blocks, m: int, block: Block) -> Floats:
    """Log odds by the decoder where ``block`` takes the place of modality ``m``."""
    parts = tuple(block if i == m else one for i, one in enumerate(blocks.blocks))
    return decoded_odds(trained, trained.cells(Blocks(parts, blocks.batch_ids)), m)


def _logit(p: Floats) -> Floats:
    p = p.clip(_TINY, 1 - _TINY)
    odds: Floats = np.log(p) - np.log1p(-p)
    return odds
