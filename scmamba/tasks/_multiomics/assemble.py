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
from scmamba.stream.modalities.peaks import parse_peaks, require_one_build
from scmamba.tasks._multiomics.blocks import Block, Blocks, Kind
from scmamba.tasks._multiomics.reading import Input, Measured, choose_features
from scmamba.tasks._panel import choose_panel

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Modality:
    """How a fitted model knows a modality.

    Attributes
    ----------
    name, kind
        Its name, and what it holds.
    features
        Names of the features that it reads and decodes, by which data sets are matched.
    shown
        The same names as in the cells that were fitted.
    unit
        Unit of the values of the cells that it was fitted on.
    factor
        Linear values of that unit for each count, on average.
    """

    name: str
    kind: Kind
    features: tuple[str, ...]
    shown: tuple[str, ...]
    unit: str = "counts"
    factor: float = 1.0

    @property
    def is_log(self) -> bool:
        """Whether the values were logarithms."""
        return self.unit.startswith("log")


def blocks_to_fit(given: Input, batch_ids: Ints, n_top_genes: int | None) -> Blocks:
    """Blocks of all modalities: variable genes, all proteins and all peaks."""
    blocks = []
    for one in given.modalities:
        X = _placed(one.X, one.rows, len(given.obs))
        measured = np.diff(X.indptr) > 0
        if not measured.any():
            raise ScmambaError(
                f"modality {one.name!r} holds no count in any cell; remove it: modalities={{...}}"
            )
        order = np.argsort(np.array(one.features, dtype=str), kind="stable")
        panel = _panel(one, len(given.obs))
        block = Block(
            one.name, one.kind, X, measured, one.features, one.panels, panel, one.places
        ).choose(order)
        if one.kind == "rna":
            block = block.choose(_variable(block, batch_ids, n_top_genes))
        blocks.append(block)
    return Blocks(tuple(blocks), batch_ids)


def blocks_to_map(given: Input, known: Sequence[Modality], batch_ids: Ints) -> Blocks:
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
            covered, panel = np.zeros((1, p), bool), np.zeros(n, np.int64)
            blocks.append(Block(one.name, one.kind, empty, nothing, one.features, covered, panel))
            continue
        matched += 1
        X, covered = choose_features(found, one.features)
        here = covered.any(0)
        if here.mean() < 0.5:
            mend = "name features as in the cells that the model was fitted on"
            if one.kind == "atac":
                tables = [parse_peaks(names) for names in (one.features, found.features)]
                require_one_build(tables, "peaks of the model and of the cells")
                mend = "count fragments in the peaks of the model, which are of one genome build"
            raise ScmambaError(
                f"modality {found.name!r} has {int(here.sum()):,} of the {p:,} features of the "
                f"model, for example not {one.features[int(np.argmin(here))]!r}; at least half are "
                f"needed: {mend}"
            )
        logger.info("%s: %s of %s features found", one.name, int(here.sum()), p)
        placed = _placed(X, found.rows, n)
        measured, panel = np.diff(placed.indptr) > 0, _panel(found, n)
        blocks.append(Block(one.name, one.kind, placed, measured, one.features, covered, panel))
    if not matched:
        raise ScmambaError(
            f"the cells have {', '.join(map(repr, given.names))}, and the model knows "
            f"{', '.join(repr(one.name) for one in known)}; name modalities alike, or say what "
            "they are: modalities={...}"
        )
    return Blocks(tuple(blocks), batch_ids)


def _match(given: Input, known: Modality) -> Measured | None:
    """Return the modality of that name."""
    return next((one for one in given.modalities if one.name == known.name), None)


def _panel(one: Measured, n: int) -> Ints:
    """(n,) panel of each cell of the input; 0 for cells without the modality."""
    panel = np.zeros(n, np.int64)
    panel[one.rows] = one.panel
    return panel


def _placed(X: sparse.csr_matrix, rows: Ints, n: int) -> sparse.csr_matrix:
    """Return the rows of ``X`` in a matrix of ``n`` rows, without stored zeros."""
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
