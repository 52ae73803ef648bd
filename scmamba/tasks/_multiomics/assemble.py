"""From what was read to blocks over all cells: for a fit, or as a fitted model reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba.pp.normalize import log_scale
from scmamba.pp.units import Unit
from scmamba.tasks._multiomics.blocks import Block, Blocks, Kind
from scmamba.tasks._multiomics.reading import Input, Measured, choose_features
from scmamba.tasks._panel import choose_panel

_FEW_CELLS, _EXPECTED = 30, 20.0
"""A feature without a count in a batch was not measured there, if the batch has that many cells and
that many counts were to be expected."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Modality:
    """How a fitted model knows a modality.

    Attributes
    ----------
    name, kind
        Its name, and what it holds.
    features
        Names of the features that it reads and decodes.
    unit
        Unit of the values of the cells that it was fitted on.
    factor
        Linear values of that unit for each count, on average.
    """

    name: str
    kind: Kind
    features: tuple[str, ...]
    unit: str = "counts"
    factor: float = 1.0

    @property
    def is_log(self) -> bool:
        """Whether the values were logarithms."""
        return self.unit.startswith("log")


def blocks_to_fit(given: Input, batch_ids: Ints, n_batches: int, n_top_genes: int | None) -> Blocks:
    """Blocks of all modalities: variable genes, all proteins, all peaks that are ever open."""
    blocks = []
    for one in given.modalities:
        X = _placed(one.X, one.rows, len(given.obs))
        measured = np.diff(X.indptr) > 0
        if not measured.any():
            raise ScmambaError(
                f"modality {one.name!r} holds no count in any cell; remove it: modalities={{...}}"
            )
        order = np.argsort(np.array(one.features, dtype=str), kind="stable")
        found = np.bincount(X.indices, minlength=X.shape[1])[order]
        order = order[found > 0].astype(np.int64)
        covered = np.ones((n_batches, X.shape[1]), bool)
        block = Block(one.name, one.kind, X, measured, one.features, covered).choose(order)
        if one.kind == "rna":
            block = block.choose(_variable(block, batch_ids, n_top_genes))
        blocks.append(_with_coverage(block, batch_ids, n_batches))
    return Blocks(tuple(blocks), batch_ids)


def blocks_to_map(
    given: Input, known: Sequence[Modality], batch_ids: Ints, n_batches: int
) -> Blocks:
    """Blocks as a fitted model reads them; a modality that is not there counts as not measured.

    Raises
    ------
    ScmambaError
        No modality of the model is there, or one has fewer than half of its features.
    """
    blocks, n, matched = [], len(given.obs), 0
    for one in known:
        found = _match(given, one)
        p = len(one.features)
        if found is None:
            empty = sparse.csr_matrix((n, p), dtype=np.float32)
            nothing = np.zeros(n, bool)
            covered = np.zeros((n_batches + 1, p), bool)
            blocks.append(Block(one.name, one.kind, empty, nothing, one.features, covered))
            continue
        matched += 1
        X, here = choose_features(found, one.features)
        if here.mean() < 0.5:
            raise ScmambaError(
                f"modality {found.name!r} has {int(here.sum()):,} of the {p:,} features of the "
                f"model, for example not {one.features[int(np.argmin(here))]!r}; at least half are "
                "needed: name features as in the cells that the model was fitted on"
            )
        logger.info("%s: %s of %s features found", one.name, int(here.sum()), p)
        placed = _placed(X, found.rows, n)
        covered = np.tile(here, (n_batches + 1, 1))
        measured = np.diff(placed.indptr) > 0
        blocks.append(Block(one.name, one.kind, placed, measured, one.features, covered))
    if not matched:
        raise ScmambaError(
            f"the cells have {', '.join(map(repr, given.names))}, and the model knows "
            f"{', '.join(repr(one.name) for one in known)}; name modalities alike, or say what "
            "they are: modalities={...}"
        )
    return Blocks(tuple(blocks), batch_ids)


def _match(given: Input, known: Modality) -> Measured | None:
    """The modality of that name, or the only one of that kind."""
    for one in given.modalities:
        if one.name == known.name and one.kind == known.kind:
            return one
    alike = [one for one in given.modalities if one.kind == known.kind]
    return alike[0] if len(alike) == 1 else None


def _placed(X: sparse.csr_matrix, rows: Ints, n: int) -> sparse.csr_matrix:
    """The rows of ``X`` in a matrix of ``n`` rows, without stored zeros."""
    if len(rows) == n and np.array_equal(rows, np.arange(n)):
        placed = X.copy()
    else:
        one = np.ones(len(rows), np.float32)
        placed = (
            sparse.csr_matrix((one, (rows, np.arange(len(rows)))), (n, len(rows))) @ X
        ).tocsr()
    placed.eliminate_zeros()
    placed.sort_indices()
    return placed


def _variable(block: Block, batch_ids: Ints, n_top_genes: int | None) -> Ints:
    """Positions of the genes that vary most within batches."""
    values = log_scale(block.X, Unit("counts"))
    groups = [np.flatnonzero(block.measured & (batch_ids == b)) for b in np.unique(batch_ids)]
    large = [values[rows] for rows in groups if len(rows) >= 20]
    return choose_panel(large or [values[block.rows]], block.features, n_top_genes).chosen


def _with_coverage(block: Block, batch_ids: Ints, n_batches: int) -> Block:
    """Tell which features were not measured in a batch: without a count where many are usual."""
    covered = block.covered.copy()
    rate = np.asarray(block.X[block.rows].mean(0)).ravel()
    for batch in range(n_batches):
        rows = np.flatnonzero(block.measured & (batch_ids == batch))
        if len(rows) < _FEW_CELLS or block.kind == "atac":
            continue
        total = np.asarray(block.X[rows].sum(0)).ravel()
        covered[batch] = (total > 0) | (rate * len(rows) < _EXPECTED)
    return Block(block.name, block.kind, block.X, block.measured, block.features, covered)
