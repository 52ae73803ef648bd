"""Detection of the unit of expression values, and conversion to linear values.

Counts are whole numbers. Counts divided by a library size are not, but within a cell they remain
multiples of the smallest value, and over a whole transcriptome they sum to the same total in every
cell. Both hold for logarithms after they are undone, and only with the correct base; this
distinguishes log1p, log2, log10 and log1p applied twice. Values with neither property (ambient RNA
removed, reads shared among genes, imputed values) are classified by the fraction of nearly whole
values and by how far the largest value is from the median.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import sparse

from scmamba._errors import ScmambaError

Kind = Literal[
    "counts", "fractional counts", "normalized counts", "log1p", "log2", "log10", "log1p twice"
]
Floats = npt.NDArray[np.float64]

LINEAR = ("counts", "fractional counts", "normalized counts")

_INVERSE: dict[Kind, Callable[[Floats], Floats]] = {
    "normalized counts": lambda x: x,
    "log1p": np.expm1,
    "log2": lambda x: np.expm1(x * np.log(2)),
    "log10": lambda x: np.expm1(x * np.log(10)),
    "log1p twice": lambda x: np.expm1(np.expm1(x)),
}
"""Inverse transformation to linear values, for each scale."""

_CELLS, _VALUES = 256, 2048  # largest numbers of cells, and of values per cell, examined
_WHOLE, _WHOLE_MOST = 1e-3, 0.4  # tolerance of nearly whole numbers: relative, and absolute
_LARGEST_LOG = 25.0  # no logarithm is larger: log2 of counts per ten million is 23
_LARGEST = {
    "log1p": 17.4,
    "log2": 25.0,
    "log10": 7.6,
    "log1p twice": 2.92,
}  # logarithms of a total of 4e7
_LARGEST_TOTAL = 1.5e6  # largest total that cells are normalized to
_STEPS, _NEAR, _RATIO = (1, 2, 3), 0.025, 12.0


@dataclass(frozen=True)
class Unit:
    """Unit of expression values.

    Attributes
    ----------
    kind
        Kind of values. ``"counts"``: whole numbers. ``"fractional counts"``: counts after removal
        of ambient RNA or with reads shared among genes. ``"normalized counts"``: counts per total
        (CPM, TPM), without logarithm. ``"log1p"``, ``"log2"``, ``"log10"``: logarithm of 1 +
        normalized counts. ``"log1p twice"``: log1p applied twice.
    total
        Sum of the linear values of each cell where it is the same in all cells, else None (counts,
        or a subset of the genes).
    counted
        Whether the values are logarithms of counts that were not normalized.
    sure
        Whether whole multiples or totals identified the unit.
    counts_share
        Fraction of cells that hold counts although the others hold logarithms, in [0, 1].

    Examples
    --------
    >>> from scmamba.pp import Unit
    >>> unit = Unit("log1p", total=1e4)
    >>> print(unit)
    log1p values (total per cell 1e+04)
    >>> unit.is_counts, unit.is_linear
    (False, False)
    """

    kind: Kind
    total: float | None = None
    counted: bool = False
    sure: bool = True
    counts_share: float = 0.0

    def require_one(self, name: str) -> None:
        """Raise ScmambaError where cells of the matrix ``name`` are in different units."""
        if self.counts_share:
            raise ScmambaError(
                f"{name} holds counts in about {self.counts_share:.0%} of the cells and {self} in "
                "the others; give all cells the same unit, or pass a layer with counts: "
                'layer="counts"'
            )

    @property
    def is_counts(self) -> bool:
        """Whether values are counts, whole or fractional, so that a count likelihood applies."""
        return self.kind in ("counts", "fractional counts")

    @property
    def is_linear(self) -> bool:
        """Whether values are linear, not logarithms."""
        return self.kind in LINEAR

    @property
    def is_whole_library(self) -> bool:
        """Whether linear values may be divided by their sum in each cell.

        This is not the case for logarithms of a subset of genes that were normalized over all.
        """
        return self.is_linear or self.counted or self.total is not None

    def linear(self, X: sparse.csr_matrix) -> sparse.csr_matrix:
        """Undo logarithms; linear values are returned as they are.

        Parameters
        ----------
        X
            Values in this unit as CSR, shape (n_cells, n_genes).

        Returns
        -------
        Linear values as float32, with the sparsity of ``X``.
        """
        if self.is_linear:
            return X
        data = _INVERSE[self.kind](X.data.astype(np.float64)).astype(np.float32)
        return sparse.csr_matrix((data, X.indices, X.indptr), shape=X.shape)

    def __str__(self) -> str:
        """Return the unit in words."""
        names = {
            "log1p": "log1p values",
            "log2": "log2(1 + x) values",
            "log10": "log10(1 + x) values",
            "log1p twice": "log1p values to which log1p was applied again",
        }
        name = names.get(self.kind, self.kind)
        if self.counted:
            return f"{name} of counts that were not normalized"
        return name if self.total is None else f"{name} (total per cell {self.total:,.4g})"


COUNTS = Unit("counts")


def unit_of(X: sparse.csr_matrix) -> Unit:
    """Detect the unit of non-negative, finite values.

    Parameters
    ----------
    X
        Values as canonical CSR without stored zeros, shape (n_cells, n_genes). All cells are
        checked for whole numbers, and at most 256 cells, evenly spaced, for other units.

    Returns
    -------
    The unit; ``sure`` is False where the values do not identify it.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import sparse
    >>> from scmamba.pp import unit_of
    >>> counts = np.random.default_rng(0).poisson(2.0, (50, 100))
    >>> per_million = counts / counts.sum(1, keepdims=True) * 1e6
    >>> print(unit_of(sparse.csr_matrix(counts, dtype=np.float32)))
    counts
    >>> print(unit_of(sparse.csr_matrix(np.log2(1 + per_million), dtype=np.float32)))
    log2(1 + x) values (total per cell 1e+06)
    """
    if not len(X.data) or whole_numbers(X.data) != "no":
        return COUNTS
    cells = _sample(X)
    whole = np.array([bool(nearly_whole(cell).all()) for cell in cells])
    if whole.all():  # those that are not whole are few
        return Unit("fractional counts", sure=False)
    unit = _unit_of_cells([cell for cell, same in zip(cells, whole, strict=True) if not same])
    counted = whole[[len(cell) > 2 for cell in cells]]
    if not unit.is_linear and unit.sure and counted.sum() > max(0.02 * len(counted), 1):
        return replace(unit, counts_share=float(counted.mean()))
    return unit


def whole_numbers(
    data: npt.NDArray[np.float32], block: int = 1 << 16
) -> Literal["all", "nearly", "no"]:
    """Whether all values are whole numbers, or nearly whole.

    The search stops at the first block with another value.
    """
    found: Literal["all", "nearly"] = "all"
    for start in range(0, len(data), block):
        values = data[start : start + block]
        if (values == np.floor(values)).all():
            continue
        if not nearly_whole(values).all():
            return "no"
        found = "nearly"
    return found


def nearly_whole(values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Mark values within 0.1 % of a positive whole number, such as 0.9999."""
    whole = np.maximum(np.rint(values), 1)
    return np.abs(values - whole) <= np.minimum(_WHOLE * whole, _WHOLE_MOST)


def _sample(X: sparse.csr_matrix) -> list[Floats]:
    """Values of evenly spaced cells that are not empty."""
    rows = np.flatnonzero(np.diff(X.indptr))
    rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), _CELLS)).astype(np.int64)]
    parts = (X.data[X.indptr[row] : X.indptr[row + 1]] for row in rows)
    return [part.astype(np.float64) for part in parts]


def _unit_of_cells(cells: list[Floats]) -> Unit:
    """Detect the unit of cells that hold other values than whole numbers."""
    largest = max(float(cell.max()) for cell in cells)
    possible = [k for k in _INVERSE if largest <= _LARGEST.get(k, np.inf)]
    totals = {kind: _total(cells, kind) for kind in possible}
    multiples = {kind: _multiples(cells, kind) for kind in possible}
    best = max(multiples, key=lambda kind: multiples[kind])
    if multiples[best] < 0.8:
        constant = [kind for kind, total in totals.items() if total is not None]
        if len(constant) != 1:
            return _by_shape(cells, largest)
        best = constant[0]
    total = totals[best]
    if best == "normalized counts" and total is None and _one_step(cells):
        return Unit("fractional counts")  # counts times one number
    counted = False
    if best != "normalized counts" and total is None:
        linear = np.concatenate([_INVERSE[best](cell) for cell in cells])
        counted = bool(nearly_whole(linear).mean() > 0.95)
    return Unit(best, total, counted)


def _total(cells: list[Floats], kind: Kind) -> float | None:
    """Return the sum of the linear values of each cell, None where it differs among cells."""
    if len(cells) < 3:
        return None
    sums = np.array([_INVERSE[kind](cell).sum() for cell in cells])
    middle = float(np.median(sums))
    return middle if np.abs(sums / middle - 1).max() < 5e-3 else None


def _multiples(cells: list[Floats], kind: Kind) -> float:
    """Fraction of linear values that are whole multiples of the smallest in their cell."""
    n_whole = n_values = 0
    for cell in cells:
        ratios = _ratios(_INVERSE[kind](cell[:_VALUES]))
        steps = [ratios * step for step in _STEPS]
        hits = [int((np.abs(r - np.rint(r)) < _NEAR).sum()) for r in steps]
        n_whole, n_values = n_whole + max(hits), n_values + len(ratios)
    return n_whole / n_values if n_values >= 20 else 0.0


def _ratios(linear: Floats) -> Floats:
    """Ratios to the smallest value that are informative: neither 1 nor large."""
    ratios = linear / linear.min()
    return ratios[(ratios > 1.05) & (ratios < _RATIO)]


def _one_step(cells: list[Floats]) -> bool:
    """Whether the smallest value is the same in nearly all cells."""
    smallest = np.array([cell.min() for cell in cells])
    return bool((np.abs(smallest / np.median(smallest) - 1) < 2e-3).mean() > 0.8)


def _by_shape(cells: list[Floats], largest: float) -> Unit:
    """Classify values without common multiples and totals as linear or logarithms."""
    together = np.concatenate(cells)
    some = together[(together >= 0.5) & (together < 20)]
    if len(some) and nearly_whole(some).mean() > 0.25:
        return Unit("fractional counts")  # some reads were shared among genes
    near = np.abs(some - np.rint(some)) < 0.1 if len(some) else np.zeros(1, bool)
    spread = float(np.median([cell.max() / np.median(cell) for cell in cells]))
    if near.mean() > 0.4:
        return Unit("fractional counts", sure=False)
    if largest > _LARGEST_LOG or spread > 10:
        sums = np.array([cell.sum() for cell in cells])
        kind: Kind = "normalized counts" if np.median(sums) > 1e5 else "fractional counts"
        return Unit(kind, sure=False)
    sums = np.array([np.expm1(cell).sum() for cell in cells])
    return Unit("log2" if np.median(sums) > _LARGEST_TOTAL else "log1p", sure=False)
