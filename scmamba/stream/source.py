"""Sources of cells that are read in blocks: AnnData in memory or backed, h5ad or zarr files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import pandas as pd
import zarr
from anndata import AnnData
from anndata._io.specs.registry import IORegistryError
from anndata.abc import CSCDataset, CSRDataset
from anndata.io import read_elem

from scmamba._errors import ScmambaError
from scmamba.pp._checks import RNA, check_shape
from scmamba.pp.expression import Cells
from scmamba.stream._chunks import check_table_chunks
from scmamba.stream._stores import refuse_pickles
from scmamba.stream.formats import format_of, read_10x
from scmamba.stream.matrix import RowMatrix, check_encoding, row_matrix

DAMAGED = (
    AttributeError,
    IndexError,
    KeyError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    IORegistryError,
)
"""Errors that anndata, h5py and zarr raise for content that they cannot read."""

Group = Any  # h5py.Group or zarr.Group: they read alike


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
        return _Taken(self, rows)

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
        return _Taken(self, rows)


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


@dataclass(frozen=True)
class _Taken:
    """Consecutive cells of a source, with the attributes of AnnData that expression needs."""

    source: CellSource
    rows: slice

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def obs_names(self) -> pd.Index:
        return self.source.obs.index[self.rows]

    @property
    def var(self) -> pd.DataFrame:
        return self.source.var

    @property
    def X(self) -> Any:
        return self.source.rows("X", self.rows) if "X" in self.source.matrices else None

    @property
    def layers(self) -> Mapping[str, Any]:
        return _Layers(self.source, self.rows)

    @property
    def raw(self) -> _Raw | None:
        return _Raw(self.source, self.rows) if "raw.X" in self.source.matrices else None


@dataclass(frozen=True)
class _Raw:
    source: CellSource
    rows: slice

    @property
    def X(self) -> Any:
        return self.source.rows("raw.X", self.rows)

    @property
    def var(self) -> pd.DataFrame:
        return self.source.raw_var


class _Layers(Mapping[str, Any]):
    def __init__(self, source: CellSource, rows: slice) -> None:
        self.source, self.rows = source, rows

    def __getitem__(self, name: str) -> Any:
        return self.source.rows(layer_place(name), self.rows)

    def __contains__(self, name: object) -> bool:
        return layer_place(name) in self.source.matrices

    def __iter__(self) -> Iterator[str]:
        start, end = layer_place("|").split("|")
        places = (place for place in self.source.matrices if place.startswith(start))
        return (place[len(start) : -len(end)] for place in places)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def layer_place(name: object) -> str:
    """Return the name of a layer among the matrices of a source."""
    return f"layers['{name}']"


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


def check_file(path: Path) -> Path:
    """Return ``path`` if it exists and its format is supported.

    Raises
    ------
    ScmambaError
        If not; see :func:`scmamba.stream.formats.format_of`.
    """
    format_of(path)
    return path


@contextmanager
def open_group(path: Path, mode: Literal["r", "r+", "a"] = "r") -> Iterator[Group]:
    """Open an h5ad file, a zarr folder, or the modality ``rna`` of an h5mu file.

    Raises
    ------
    ScmambaError
        If it is none of these.
    """
    way = "adata.write_zarr" if path.is_dir() else "adata.write_h5ad"
    if path.suffix.lower() == ".h5mu":
        way = "mudata.write_h5mu"
    with readable(str(path), way):
        if path.is_dir():  # consolidated metadata cannot be written to
            refuse_pickles(path)
            group = zarr.open_group(path, mode=mode, use_consolidated=False)
        else:
            group = h5py.File(path, mode)
    try:
        yield _rna(group, path) if path.suffix.lower() == ".h5mu" else group
    finally:
        if isinstance(group, h5py.File):
            group.close()


def _rna(file: h5py.File, path: Path) -> h5py.Group:
    modalities = list(file.get("mod", ()))
    if RNA not in modalities:
        raise ScmambaError(
            f"{path} has no modality {RNA!r}, only {', '.join(map(repr, modalities)) or 'none'}; "
            "rename the one with gene expression with mudata, or write it alone: "
            "mdata.mod[...].write_h5ad"
        )
    return file[f"mod/{RNA}"]


@contextmanager
def readable(name: str, way: str = "adata.write_h5ad or adata.write_zarr") -> Iterator[None]:
    """Turn any error of reading a damaged file into a ScmambaError that names the file."""
    try:
        yield
    except (ScmambaError, MemoryError):
        raise
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if isinstance(error, IORegistryError):
            raise ScmambaError(
                f"{name} was written by a newer version of anndata ({reason}); update it: pip "
                "install -U anndata"
            ) from error
        raise ScmambaError(
            f"{name} cannot be read ({reason}): it is damaged or not an AnnData file; write it "
            f"again with {way}"
        ) from error


def as_path(cells: Any) -> Any:
    """Return ``cells`` as a Path where it is a string or path-like, else unchanged."""
    return Path(cells) if isinstance(cells, str) or hasattr(cells, "__fspath__") else cells


def sample(n: int, most: int, seed: int) -> np.ndarray:
    """Draw at most ``most`` of ``n`` positions at random, in ascending order."""
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, most, replace=False))
