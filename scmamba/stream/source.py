"""Sources of cells that are read in blocks: AnnData in memory or backed, h5ad or zarr files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import pandas as pd
import zarr
from anndata import AnnData
from anndata.abc import CSCDataset, CSRDataset
from anndata.io import read_elem

from scmamba.pp._checks import check_shape
from scmamba.pp.expression import Cells
from scmamba.stream._chunks import check_table_chunks
from scmamba.stream.formats import format_of, read_10x
from scmamba.stream.groups import Group, open_group, readable
from scmamba.stream.matrix import RowMatrix, check_encoding, row_matrix
from scmamba.stream.taken import TakenCells, layer_place


class CellSource(ABC):
    """Cells of which any consecutive rows can be read into memory.

    Attributes
    ----------
    obs, var
        Annotations of cells and of genes, in memory.
    uns
        Unstructured annotations; for a file only the colors of labels.
    matrices
        Stored matrices by name: ``"X"``, ``"raw.X"`` and ``"layers['name']"``, as in
        :attr:`scmamba.pp.Expression.source`.
    name
        Name of the source in messages.
    """

    obs: pd.DataFrame
    var: pd.DataFrame
    uns: Mapping[str, Any]
    matrices: Mapping[str, Any]
    name: str
    in_memory = False
    """Whether all cells are in memory and form a single block."""

    @property
    def n_obs(self) -> int:
        """Number of cells."""
        return len(self.obs)

    @cached_property
    @abstractmethod
    def raw_var(self) -> pd.DataFrame:
        """``var`` of ``raw``."""

    def rows_of(self, place: str) -> RowMatrix:
        """Return the matrix with the name ``place``, whose rows can be read in blocks."""
        if place not in self._row_matrices:
            name = f"{place} of {self.name}"
            with readable(name):
                check_encoding(self.matrices[place], name)
                self._row_matrices[place] = row_matrix(self.matrices[place], name)
        return self._row_matrices[place]

    @cached_property
    def _row_matrices(self) -> dict[str, RowMatrix]:
        return {}

    def take(self, rows: slice) -> Cells:
        """Select consecutive cells; matrices are read when accessed."""
        return TakenCells(self, rows)

    def rows(self, place: str, rows: slice) -> Any:
        """Read consecutive rows of the matrix with the name ``place``."""
        matrix = self.rows_of(place)
        with readable(f"{place} of {self.name}"):
            return matrix.take(rows)


class InMemory(CellSource):
    """An AnnData in memory."""

    in_memory = True

    def __init__(self, adata: AnnData) -> None:
        self.adata, self.name = adata, "adata"
        self.obs, self.var, self.uns = adata.obs, adata.var, adata.uns

    @cached_property
    def raw_var(self) -> pd.DataFrame:
        """``var`` of ``raw``."""
        return self.adata.raw.var

    @cached_property
    def matrices(self) -> dict[str, Any]:  # type: ignore[override]
        """Matrices of the AnnData by name."""
        raw = self.adata.raw
        found = {"X": self.adata.X, "raw.X": None if raw is None else raw.X}
        found |= {layer_place(name): matrix for name, matrix in self.adata.layers.items()}
        return {place: matrix for place, matrix in found.items() if matrix is not None}

    def take(self, rows: slice) -> Cells:
        """Return the AnnData itself: all its cells form one block."""
        return self.adata


class Backed(InMemory):
    """AnnData with matrices on disk: backed, or made of zarr or h5py arrays."""

    in_memory = False

    def take(self, rows: slice) -> Cells:
        """Select consecutive cells; matrices are read when accessed."""
        return TakenCells(self, rows)


class OnDisk(CellSource):
    """An h5ad or zarr file; see :func:`open_cells`."""

    def __init__(self, group: Group, name: str) -> None:
        self.name, self.group = name, group
        for table in ("obs", "var"):
            check_table_chunks(group[table], name)
        self.obs, self.var = read_elem(group["obs"]), read_elem(group["var"])
        if not isinstance(self.obs, pd.DataFrame):
            raise TypeError("obs is not a table: the file was written by an old version of anndata")
        stored = group.get("uns", {})
        names = [name for name in stored if name.endswith("_colors")]
        self.uns = {name: read_elem(stored[name]) for name in names}
        layers = {layer_place(name): f"layers/{name}" for name in group.get("layers", ())}
        keys = {"X": "X", "raw.X": "raw/X", **layers}
        self.matrices = {place: group[key] for place, key in keys.items() if key in group}

    @cached_property
    def raw_var(self) -> pd.DataFrame:
        """``var`` of ``raw``."""
        return read_elem(self.group["raw/var"])


@contextmanager
def open_cells(cells: AnnData | Path) -> Iterator[CellSource]:
    """Open an AnnData or a file, and check that it has cells and genes.

    Raises
    ------
    ScmambaError
        If the file is missing, damaged or in an unsupported format, or there are no cells or
        genes.
    """
    if isinstance(cells, Path) and format_of(cells).startswith("10x"):
        adata = read_10x(cells)
        check_shape(adata)
        found = Backed(adata)
        found.name = str(cells)
        yield found
    elif isinstance(cells, Path):
        with open_group(cells) as group:
            with readable(str(cells)):
                stored = OnDisk(group, str(cells))
            check_shape(AnnData(obs=stored.obs[[]], var=stored.var[[]]))
            yield stored
    else:
        check_shape(cells)
        # Rows of a view of a backed AnnData cannot be read in blocks, so it is read as a whole.
        yield (Backed if not cells.is_view and _is_on_disk(cells) else InMemory)(cells)


def _is_on_disk(adata: AnnData) -> bool:
    on_disk = (h5py.Dataset, zarr.Array, CSRDataset, CSCDataset)
    return adata.isbacked or isinstance(adata.X, on_disk)
