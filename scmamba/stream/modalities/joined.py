"""One modality of several inputs: cells below one another, features side by side."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba.stream.modalities.container import Bools, Ints, Modality
from scmamba.stream.modalities.panels import distinct_panels, split_by_batch
from scmamba.stream.modalities.peaks import require_one_build
from scmamba.stream.modalities.values import Values


def joined(name: str, values: list[Values], index: pd.Index, batch: Ints) -> Modality:
    """One modality of several inputs: cells below one another, features side by side."""
    cells = index.get_indexer(np.concatenate([one.cells.astype(str) for one in values]))
    if len(np.unique(cells)) < len(cells):
        twice = index[np.bincount(cells).argmax()]
        raise ScmambaError(
            f"cell {twice!r} occurs in two inputs of {name!r}; cells are joined by name: rename "
            "those of one input, such as with a suffix for its batch"
        )
    _check_units(name, values)
    if name == "atac":
        require_one_build([one.intervals for one in values], "peaks of the inputs")
    names = pd.Index(list(dict.fromkeys(n for one in values for n in one.names)))
    X, panels, of_cell = _stacked(values, names)
    order = np.argsort(cells)
    order = order[np.diff(X.indptr)[order] > 0]
    if not len(order):
        raise ScmambaError(f"modality {name!r} holds no value above 0; drop it")
    if n_lacking := len(cells) - len(order):
        logger.warning("%s: %s cells without any value are not measured", name, f"{n_lacking:,}")
    if not np.array_equal(order, np.arange(len(cells))):
        X = X[order]
    cells, of_cell = cells[order].astype(np.int64), of_cell[order]
    panels, of_cell = distinct_panels(*split_by_batch(X, panels, of_cell, batch[cells]))
    first = _first(values, names)
    return Modality(
        name,
        X,
        np.array([one.features[i] for one, i in first], dtype=object),
        names.to_numpy(dtype=object),
        values[0].unit,
        cells,
        panels,
        of_cell,
        np.array([one.controls[i] for one, i in first], dtype=bool),
        _intervals(values, first),
    )


def _stacked(values: list[Values], names: pd.Index) -> tuple[sparse.csr_matrix, Bools, Ints]:
    """All cells by all features, distinct sets of features, and that of each cell."""
    blocks, panel, masks = [], [], list[Bools]()
    n_panels = 0
    for one in values:
        columns = names.get_indexer(one.names)
        X = one.X
        if not np.array_equal(columns, np.arange(len(names))):
            X = sparse.csr_matrix(
                (X.data, columns[X.indices], X.indptr), shape=(X.shape[0], len(names))
            )
            X.sort_indices()
        blocks.append(X)
        patterns, codes = _patterns(one)
        mask = np.zeros((len(patterns), len(names)), dtype=bool)
        mask[:, columns] = patterns
        panel.append(codes + n_panels)
        masks.append(mask)
        n_panels += len(mask)
    X = blocks[0] if len(blocks) == 1 else sparse.vstack(blocks, format="csr")
    return X, np.concatenate(masks), np.concatenate(panel)


def _patterns(one: Values) -> tuple[np.ndarray, np.ndarray]:
    """Distinct sets of features that were measured, and that of each cell."""
    n_cells, n_features = one.X.shape
    if one.measured is None:
        return np.ones((1, n_features), dtype=bool), np.zeros(n_cells, dtype=np.int64)
    patterns, codes = np.unique(one.measured, axis=0, return_inverse=True)
    return patterns, codes.reshape(-1).astype(np.int64)


def _first(values: list[Values], names: pd.Index) -> list[tuple[Values, int]]:
    places: dict[Any, tuple[Values, int]] = {}
    for one in values:
        for i, name in enumerate(one.names):
            places.setdefault(name, (one, i))
    return [places[name] for name in names]


def _intervals(values: list[Values], first: list[tuple[Values, int]]) -> pd.DataFrame | None:
    if any(one.intervals is None for one in values):
        return None
    if len(values) == 1:
        return values[0].intervals
    rows = [one.intervals.iloc[i] for one, i in first if one.intervals is not None]
    return pd.DataFrame(rows).reset_index(drop=True)


def _check_units(name: str, values: list[Values]) -> None:
    units = list(dict.fromkeys(one.unit for one in values))
    counted = {"counts", "fractional counts"}
    if len(units) > 1 and not set(units) <= counted and name != "atac":
        raise ScmambaError(
            f"inputs of {name!r} are in different units: {', '.join(units)}; give all of them as "
            "counts, or all in the same unit: layer={...}"
        )
