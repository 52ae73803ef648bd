"""Several modalities of the same or of different cells, with what was measured where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from scmamba._describe import Described, listed
from scmamba.stream.modalities.peaks import genome_order

Kind = Literal["counts", "proteins", "peaks"]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

KINDS: dict[str, Kind] = {"rna": "counts", "prot": "proteins", "atac": "peaks"}
"""Kind of each modality."""


@dataclass(frozen=True)
class Modality:
    """One modality of the cells in which it was measured.

    Attributes
    ----------
    name
        ``"rna"``, ``"prot"`` or ``"atac"``.
    X
        (n_measured, n_features) non-negative float32 CSR without stored zeros. May share memory
        with the input: do not write to it. A zero of a feature outside the cell's panel means
        nothing.
    features
        (n_features,) unique names as in the input.
    names
        (n_features,) unique names by which data sets are matched: proteins without ``TotalSeq``
        and the like, peaks as ``chr1:1-100``, genes as in the input.
    unit
        ``"binary"`` (peaks that are 0 or 1), or the kind of :class:`~scmamba.pp.Unit`:
        ``"counts"``, ``"fractional counts"``, ``"normalized counts"``, ``"log1p"``, ...
    cells
        (n_measured,) ascending positions among all cells.
    panels
        (n_panels, n_features) True for the features that were measured together.
    panel
        (n_measured,) panel of each cell.
    controls
        (n_features,) True for isotype controls; False for all genes and peaks.
    intervals
        Position of each feature in the genome (``chrom``, ``start``, ``end``), None where it is not
        known: always known for peaks, for genes where ``var`` says it.
    """

    name: str
    X: sparse.csr_matrix
    features: npt.NDArray[np.object_]
    names: npt.NDArray[np.object_]
    unit: str
    cells: Ints
    panels: Bools
    panel: Ints
    controls: Bools
    intervals: pd.DataFrame | None = None

    @property
    def kind(self) -> Kind:
        """Kind of the modality, which decides how its values are modeled."""
        return KINDS[self.name]

    @property
    def n_features(self) -> int:
        """Number of features."""
        return len(self.features)

    @property
    def is_counts(self) -> bool:
        """Whether the values are counts, whole or fractional, so that a count model applies."""
        return self.unit in ("counts", "fractional counts")

    @cached_property
    def order(self) -> Ints:
        """(n_features,) positions of the features in the order of the genome.

        Where their place in the genome is not known, the order of the input.
        """
        if self.intervals is None:
            return np.arange(self.n_features)
        return genome_order(self.intervals)

    @cached_property
    def opened(self) -> sparse.csr_matrix:
        """(n_measured, n_features) 1 where the value is above 0: what is open, or expressed."""
        parts = (np.ones_like(self.X.data), self.X.indices, self.X.indptr)
        return sparse.csr_matrix(parts, shape=self.X.shape)

    def feature_mask(self, rows: Ints | None = None) -> Bools:
        """(n_rows, n_features) True where a feature was measured in a cell of the modality."""
        return self.panels[self.panel if rows is None else self.panel[rows]]

    def subset(self, rows: Ints, cells: Ints) -> Modality:
        """Return the rows ``rows`` of the modality, as the cells ``cells``."""
        kept, panel = np.unique(self.panel[rows], return_inverse=True)
        return replace(
            self,
            X=self.X[rows],
            cells=cells,
            panels=self.panels[kept],
            panel=panel.astype(np.int64),
        )


@dataclass(frozen=True, eq=False, repr=False)
class Modalities(Described, Mapping[str, Modality]):
    """Modalities by name, in the order ``rna``, ``prot``, ``atac``; see :func:`read_modalities`.

    Attributes
    ----------
    modalities
        The modalities.
    obs
        Annotations of all cells, those of any modality; the index holds unique names.

    Examples
    --------
    >>> import scmamba
    >>> from scmamba.stream.modalities import read_modalities
    >>> rna = scmamba.datasets.synthetic(5, 40, 2)
    >>> prot = scmamba.datasets.synthetic(5, 40, 2)[2:].copy()
    >>> data = read_modalities({"rna": rna, "prot": prot})
    >>> data.measured.sum(0).tolist(), data["prot"].cells.tolist(), data.n_paired
    ([5, 3], [2, 3, 4], 3)
    """

    modalities: Mapping[str, Modality]
    obs: pd.DataFrame

    def __getitem__(self, name: str) -> Modality:
        """Return a modality."""
        return self.modalities[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the modalities."""
        return iter(self.modalities)

    def __len__(self) -> int:
        """Return the number of modalities."""
        return len(self.modalities)

    @property
    def n_cells(self) -> int:
        """Number of cells, those of any modality."""
        return len(self.obs)

    @cached_property
    def measured(self) -> Bools:
        """(n_cells, n_modalities) True where a modality was measured in a cell."""
        found = np.zeros((self.n_cells, len(self)), dtype=bool)
        for i, one in enumerate(self.values()):
            found[one.cells, i] = True
        return found

    @property
    def n_paired(self) -> int:
        """Number of cells with all modalities."""
        return int(self.measured.all(1).sum())

    @property
    def empty(self) -> Bools:
        """(n_cells,) True for cells in which nothing at all was measured."""
        return np.asarray(~self.measured.any(1))

    def rows(self, name: str) -> Ints:
        """(n_cells,) row of each cell in the modality ``name``, -1 where it was not measured."""
        found = np.full(self.n_cells, -1, dtype=np.int64)
        found[self[name].cells] = np.arange(len(self[name].cells))
        return found

    def take(self, cells: npt.ArrayLike) -> Modalities:
        """Return some cells, at the ascending positions ``cells`` or where a mask is True.

        Modalities that none of them has stay, with no rows.
        """
        chosen = np.asarray(cells)
        chosen = np.flatnonzero(chosen) if chosen.dtype == bool else np.unique(chosen)
        found = {}
        for name, one in self.items():
            rows = self.rows(name)[chosen]
            found[name] = one.subset(rows[rows >= 0], np.flatnonzero(rows >= 0))
        return Modalities(found, self.obs.iloc[chosen])

    def without(self, name: str, cells: npt.ArrayLike) -> Modalities:
        """Return the same cells, as if ``name`` had not been measured in ``cells`` (a mask)."""
        one = self[name]
        kept = np.flatnonzero(~np.asarray(cells, dtype=bool)[one.cells])
        return Modalities({**self.modalities, name: one.subset(kept, one.cells[kept])}, self.obs)

    def _summary(self) -> tuple[str, Mapping[str, str]]:
        entries = {}
        for name, one in self.items():
            parts = [f"{len(one.cells):,} cells x {one.n_features:,} {_FEATURES[name]}, {one.unit}"]
            if one.controls.any():
                parts.append(f"isotype controls {listed(one.names[one.controls].tolist())}")
            if len(one.panels) > 1:
                parts.append(f"{len(one.panels)} panels of features")
            if name != "prot":
                known = one.intervals is not None
                parts.append(f"in {'genome' if known else 'the given'} order")
            entries[name] = "; ".join(parts)
        entries["paired"] = f"{self.n_paired:,} cells have all modalities"
        if n_empty := int(self.empty.sum()):
            entries["empty"] = f"{n_empty:,} cells without any value"
        return f"{self.n_cells:,} cells, {len(self)} modalities", entries


_FEATURES = {"rna": "genes", "prot": "proteins", "atac": "peaks"}
