"""Single cells with a given mean change: control cells moved one count at a time."""

from __future__ import annotations

import zlib

import numpy as np
import numpy.typing as npt
from scipy import sparse

from scmamba.learn.effects.table import Floats
from scmamba.tasks._perturbation.spread import Spread

_LARGE = 0.25
"""Change of log-normalized expression from which on the spread changes too."""
_SOME_ZEROS = 0.05
"""Share of control cells without a gene from which on a mere shift makes a second mode."""


def perturbed_cells(
    cells: sparse.csr_matrix,
    change: Floats,
    control_mean: Floats,
    seed: int,
    spread: Spread | None = None,
) -> sparse.csr_matrix:
    """Move control cells by a change of log-normalized expression, keeping single-cell noise.

    Genes that go down are scaled, so that their mean falls by the change although many cells have
    none to lose. Genes that go up are raised, and then rounded at random to whole counts such that
    the mean of the logarithm stays; without that, every cell would express a little of everything.
    Genes that go up so far that nearly every cell will express them take the spread of genes with
    such a mean: a mere shift would keep apart the cells that had none and those that had some.

    Parameters
    ----------
    cells
        (n, n_genes) log-normalized control cells, CSR.
    change
        (n, n_genes) predicted change of the mean in cells like each of these.
    control_mean
        (n, n_genes) mean of control cells like each of these.
    seed
        Random numbers of a cell depend on this, on its values and on its change alone.
    spread
        Spread by mean; None: that of the control cells stays.

    Returns
    -------
    (n, n_genes) log-normalized expression, CSR float32.
    """
    values = cells.toarray().astype(np.float64)
    share = np.where(control_mean > 0, 1 + change / np.maximum(control_mean, 1e-12), 0.0)
    moved = np.where(change < 0, values * np.clip(share, 0, 1), values + change)
    random = _uniform(cells, change, seed)
    if spread is not None and len(spread.means):
        after = control_mean + change
        none = spread.zero_share(control_mean)
        up = (change > _LARGE) & (none > _SOME_ZEROS) & spread.is_unimodal(after)
        moved[up] = spread.moved(values[up], control_mean[up], after[up], random[up])
        random = np.where(up, random * 4096 % 1, random)  # digits that gave no rank to a zero
    linear = np.expm1(values)
    one = np.array([row[row > 0].min() if (row > 0).any() else 1.0 for row in linear])[:, None]
    count = np.floor(np.expm1(moved) / one + 1e-9)
    low, high = np.log1p(count * one), np.log1p((count + 1) * one)
    chance = (moved - low) / (high - low)
    count += random < chance
    return sparse.csr_matrix(np.log1p(count * one).astype(np.float32))


def as_counts(cells: sparse.csr_matrix, totals: npt.NDArray[np.float64]) -> sparse.csr_matrix:
    """Whole counts of log-normalized cells whose controls had these totals (n,)."""
    found = cells.copy()
    rows = np.repeat(np.arange(cells.shape[0]), np.diff(cells.indptr))
    found.data = np.rint(np.expm1(cells.data.astype(np.float64)) * totals[rows] / 1e4)
    found.data = found.data.astype(np.float32)
    found.eliminate_zeros()
    return found


def _uniform(cells: sparse.csr_matrix, change: Floats, seed: int) -> Floats:
    """(n, n_genes) random numbers in [0, 1), which depend on each cell and its change alone."""
    found = np.empty(cells.shape)
    for i in range(cells.shape[0]):
        row = cells.indices[cells.indptr[i] : cells.indptr[i + 1]].tobytes()
        own = zlib.crc32(
            cells.data[cells.indptr[i] : cells.indptr[i + 1]].tobytes(), zlib.crc32(row)
        )
        target = zlib.crc32(np.round(change[i], 6).astype(np.float32).tobytes())
        found[i] = np.random.default_rng([seed, own, target]).random(cells.shape[1])
    return found
