"""Modalities of an input as counts, over one list of cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from scmamba._log import logger
from scmamba.pp.units import Unit
from scmamba.stream.modalities import Modality, read_modalities
from scmamba.tasks._multiomics.blocks import Kind
from scmamba.tasks._multiomics.places import Places, places_of

_TOLERANCE = 1e-3
_MOSTLY = 0.99
_COUNTED = ("counts", "fractional counts")

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Measured:
    """One modality of an input.

    Attributes
    ----------
    name, kind
        Its name, and what it holds.
    X
        (n, n_features) counts, or linear values where counts could not be recovered; 1 for open
        peaks.
    features
        (n_features,) names by which data sets are matched.
    shown
        (n_features,) names as in the input.
    rows
        (n,) positions of its cells among those of the input.
    panels, panel
        (n_panels, n_features) which features were measured together, and (n,) panel of each cell.
    unit
        Unit in which the input holds it, or ``"open peaks"``.
    factor
        Linear values of the input for each count, on average: 1 where it holds counts.
    places
        Places of the features in the genome, or None.
    """

    name: str
    kind: Kind
    X: sparse.csr_matrix
    features: tuple[str, ...]
    shown: tuple[str, ...]
    rows: Ints
    panels: Bools
    panel: Ints
    unit: str
    factor: float
    places: Places | None


@dataclass(frozen=True)
class Input:
    """Cells of an input.

    Attributes
    ----------
    obs
        (n_cells,) annotations; the index holds the names.
    modalities
        What was measured.
    """

    obs: pd.DataFrame
    modalities: tuple[Measured, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the modalities."""
        return tuple(one.name for one in self.modalities)


def read_input(
    data: Any,
    modalities: Mapping[str, str] | None = None,
    layer: str | Mapping[str, str] | None = None,
    batch_key: str | None = None,
) -> Input:
    """Read an input as counts; see :func:`scmamba.stream.modalities.read_modalities`.

    Isotype controls are left out.

    Raises
    ------
    ScmambaError
        There is nothing to read, or it cannot be used.
    """
    found = read_modalities(data, modalities, layer=layer, batch_key=batch_key)
    return Input(found.obs, tuple(_measured(one) for one in found.values()))


def _measured(one: Modality) -> Measured:
    kept = np.flatnonzero(~one.controls)
    X = one.X if len(kept) == one.n_features else one.X[:, kept].tocsr()
    unit, factor = one.unit, 1.0
    if one.name == "atac":
        data = np.ones_like(X.data, dtype=np.float32)
        X, unit = sparse.csr_matrix((data, X.indices, X.indptr), shape=X.shape), "open peaks"
    elif unit not in _COUNTED:
        known = Unit(cast(Any, unit))
        linear = float(known.linear(X).sum(dtype=np.float64))
        X = counts_of(X, known)
        factor = linear / max(float(X.sum(dtype=np.float64)), 1e-12)
    return Measured(
        one.name,
        cast(Kind, one.name),
        X,
        tuple(map(str, one.names[kept])),
        tuple(map(str, one.features[kept])),
        one.cells,
        one.panels[:, kept],
        one.panel,
        unit,
        factor,
        None if one.intervals is None else places_of(one.intervals.iloc[kept]),
    )


def counts_of(X: sparse.csr_matrix, unit: Unit) -> sparse.csr_matrix:
    """Return counts from values of any unit, as far as they can be recovered.

    Logarithms are undone. Normalized values of a cell are multiples of the smallest one; where
    that holds they are divided by it, which gives counts again.
    """
    linear = unit.linear(X).astype(np.float32)
    if unit.is_counts or not linear.nnz:
        return linear
    filled = np.diff(linear.indptr) > 0
    least = np.ones(linear.shape[0], np.float32)
    least[filled] = np.minimum.reduceat(linear.data, linear.indptr[:-1][filled])
    data = linear.data / np.repeat(least, np.diff(linear.indptr))
    whole = np.abs(data - np.rint(data)) < np.maximum(_TOLERANCE * data, _TOLERANCE)
    if whole.mean() > _MOSTLY:
        data = np.rint(data)
        return sparse.csr_matrix((data, linear.indices, linear.indptr), shape=linear.shape)
    logger.warning("counts could not be recovered from %s; linear values stand for them", unit)
    return linear


def choose_features(one: Measured, wanted: Sequence[str]) -> tuple[sparse.csr_matrix, Bools]:
    """(n, n_wanted) counts by name, and (n_panels, n_wanted) whether each was measured."""
    place = {name: i for i, name in enumerate(wanted)}
    column = np.array([place.get(name, -1) for name in one.features])
    here = np.flatnonzero(column >= 0)
    chosen = sparse.csr_matrix(
        (np.ones(len(here), np.float32), (here, column[here])), shape=(len(column), len(wanted))
    )
    X = (one.X @ chosen).tocsr()
    X.sort_indices()
    covered = np.zeros((len(one.panels), len(wanted)), bool)
    covered[:, column[here]] = one.panels[:, here]
    return X, covered
