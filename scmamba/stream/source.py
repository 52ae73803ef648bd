"""Cells wherever they are, taken some rows at a time: in memory, backed, an h5ad or zarr file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import zarr
from anndata import AnnData
from anndata.io import read_elem, sparse_dataset

from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba.pp.expression import check_shape

SUFFIXES = (".h5ad", ".zarr")
BLOCK_VALUES = 1 << 23
"""Stored values of a block, about: what is held of a large matrix at once."""

_CSC_VALUES = 1 << 28
"""Stored values of a matrix in columns on disk that is read whole for want of rows."""

Group = Any  # h5py.Group or zarr.Group: they read alike


class CellSource(ABC):
    """n_obs cells of which any rows can be taken into memory.

    Attributes
    ----------
    obs, var
        What is known of each cell and of each gene, in memory.
    uns
        Unstructured annotation; of a file the colours of labels alone.
    name
        What a message calls it.
    """

    obs: pd.DataFrame
    var: pd.DataFrame
    uns: Mapping[str, Any]
    name: str

    @property
    def n_obs(self) -> int:
        """Number of cells."""
        return len(self.obs)

    @property
    def in_memory(self) -> bool:
        """Whether nothing has to be read, so that all cells are one block."""
        return False

    @property
    @abstractmethod
    def matrices(self) -> set[str]:
        """What there is: ``"X"``, ``"raw.X"`` and ``"layers['name']"``."""

    @abstractmethod
    def rows_per_block(self, matrix: str) -> int:
        """How many rows of ``matrix`` are about :data:`BLOCK_VALUES` stored values."""

    @abstractmethod
    def take(self, rows: Any, matrix: str | None = None) -> AnnData:
        """Rows (a slice, or ascending positions) as an AnnData in memory, not to be written to.

        ``matrix`` is the one that is read: ``"X"``, ``"raw.X"`` or ``"layers['name']"`` as
        :attr:`scmamba.pp.expression.Expression.source` names them; None: all of them.
        """


class InMemory(CellSource):
    """An AnnData in memory: one block."""

    def __init__(self, adata: AnnData) -> None:
        self.adata, self.name = adata, "adata"
        self.obs, self.var, self.uns = adata.obs, adata.var, adata.uns

    @property
    def in_memory(self) -> bool:
        """It is."""
        return True

    @property
    def matrices(self) -> set[str]:
        """Of the AnnData."""
        found = {f"layers['{name}']" for name in self.adata.layers} | {"X"}
        return found | ({"raw.X"} if self.adata.raw is not None else set())

    def rows_per_block(self, matrix: str) -> int:
        """All of them."""
        return self.n_obs

    def take(self, rows: Any, matrix: str | None = None) -> AnnData:
        """The AnnData itself where all rows are asked for, else a view."""
        if isinstance(rows, slice) and rows == slice(0, self.n_obs):
            return self.adata
        return self.adata[rows]


class Backed(InMemory):
    """A backed AnnData."""

    @property
    def in_memory(self) -> bool:
        """Its X is not."""
        return False

    def rows_per_block(self, matrix: str) -> int:
        """As if a row were dense, but some hundreds at least."""
        return max(BLOCK_VALUES // self.adata.n_vars, 256)

    def take(self, rows: Any, matrix: str | None = None) -> AnnData:
        """Those rows in memory."""
        return self.adata[rows].to_memory()


class OnDisk(CellSource):
    """An h5ad or zarr file, of which one matrix is read at a time; see :func:`open_cells`."""

    def __init__(self, group: Group, name: str) -> None:
        self.name, self.group = name, group
        self.obs, self.var = read_elem(group["obs"]), read_elem(group["var"])
        stored = group.get("uns", {})
        names = [name for name in stored if name.endswith("_colors")]
        self.uns = {name: read_elem(stored[name]) for name in names}
        self._matrices: dict[str, Any] = {}
        for place, key in self._places().items():
            self._matrices[place] = _matrix(group[key], f"{place} of {name}")

    def _places(self) -> dict[str, str]:
        layers = {f"layers['{name}']": f"layers/{name}" for name in self.group.get("layers", ())}
        found = {"X": "X", **layers, "raw.X": "raw/X"}
        return {place: key for place, key in found.items() if key in self.group}

    @property
    def matrices(self) -> set[str]:
        """Of the file."""
        return set(self._matrices)

    def rows_per_block(self, matrix: str) -> int:
        """By the mean of stored values a row."""
        found = self._matrices[matrix]
        stored = found.shape[0] * found.shape[1]
        if hasattr(found, "group"):
            stored = found.group["data"].shape[0]
        return max(BLOCK_VALUES * self.n_obs // max(stored, 1), 1)

    def take(self, rows: Any, matrix: str | None = None) -> AnnData:
        """Those rows of one matrix, or of all."""
        chosen = [matrix] if matrix else list(self._matrices)
        parts: dict[str, Any] = {"layers": {}}
        for place in chosen:
            values = self._matrices[place][rows]
            if place == "raw.X":
                parts["raw"] = {"X": values, "var": read_elem(self.group["raw/var"])}
            elif place == "X":
                parts["X"] = values
            else:
                parts["layers"][place[len("layers['") : -len("']")]] = values
        return AnnData(obs=self.obs.iloc[rows], var=self.var, **parts)


@contextmanager
def open_cells(cells: AnnData | Path) -> Iterator[CellSource]:
    """Give the cells of an AnnData or of a file, checked to have cells and genes.

    Raises
    ------
    ScmambaError
        The file is missing or is no h5ad or zarr file, or there are no cells or genes.
    """
    if isinstance(cells, Path):
        with open_group(check_file(cells)) as group:
            try:
                found = OnDisk(group, str(cells))
            except (AttributeError, KeyError, OSError, TypeError, ValueError) as error:
                raise ScmambaError(
                    f"{cells} is no AnnData file ({error}); write it with adata.write_h5ad or "
                    "adata.write_zarr"
                ) from error
            check_shape(AnnData(obs=found.obs, var=found.var))
            yield found
    else:
        check_shape(cells)
        # Of a view of a backed one no rows can be taken, so that it is read whole.
        yield (Backed if cells.isbacked and not cells.is_view else InMemory)(cells)


def check_file(path: Path) -> Path:
    """``path`` if it is there and named as a file of cells is.

    Raises
    ------
    ScmambaError
        If it is not.
    """
    if path.suffix not in SUFFIXES:
        raise ScmambaError(f"{path} is no file of cells; allowed: {' or '.join(SUFFIXES)}")
    if not path.exists() or path.is_dir() != (path.suffix == ".zarr"):
        what = (
            "is a folder" if path.is_dir() else "is a file" if path.exists() else "does not exist"
        )
        raise ScmambaError(f"{path} {what}; give an .h5ad file or a .zarr folder")
    return path


@contextmanager
def open_group(path: Path, mode: str = "r") -> Iterator[Group]:
    """Open an h5ad file or a zarr folder.

    Raises
    ------
    ScmambaError
        It is neither.
    """
    way = "adata.write_zarr" if path.is_dir() else "adata.write_h5ad"
    try:
        if path.is_dir():  # metadata gathered in one place cannot be written to
            group = zarr.open_group(path, mode=mode, use_consolidated=False)
        else:
            group = h5py.File(path, mode)
    except (OSError, ValueError) as error:
        raise ScmambaError(f"{path} cannot be read ({error}); write it with {way}") from error
    try:
        yield group
    finally:
        if isinstance(group, h5py.File):
            group.close()


def _matrix(element: Any, where: str) -> Any:
    """What rows can be taken from."""
    if isinstance(element, (h5py.Dataset, zarr.Array)):
        return element
    found = sparse_dataset(element)
    if found.format == "csr":
        return found
    stored = element["data"].shape[0]
    if stored > _CSC_VALUES:
        raise ScmambaError(
            f"{where} is stored by columns (CSC), of which rows cannot be read some at a time, and "
            f"is too large to be read whole ({stored:,} values); write it by rows: "
            "scipy.sparse.csr_matrix"
        )
    return _Late(found, where)


class _Late:
    """A matrix in columns, read whole and turned to rows when it is first asked for rows."""

    def __init__(self, stored: Any, where: str) -> None:
        self.stored, self.where, self.shape, self.group = stored, where, stored.shape, stored.group
        self._rows: Any = None

    def __getitem__(self, rows: Any) -> Any:
        if self._rows is None:
            logger.warning("%s is stored by columns (CSC): it is read whole", self.where)
            self._rows = self.stored.to_memory().tocsr()
        return self._rows[rows]


def ranges(n: int, rows: int, start: int = 0) -> Iterator[slice]:
    """Consecutive slices of at most ``rows`` positions, from ``start`` to ``n``."""
    for first in range(start, n, rows):
        yield slice(first, min(first + rows, n))


def as_path(cells: Any) -> Any:
    """A path where ``cells`` names one (text or path-like), else what was given."""
    return Path(cells) if isinstance(cells, str) or hasattr(cells, "__fspath__") else cells


def sample(n: int, most: int, seed: int) -> np.ndarray:
    """At most ``most`` of ``n`` positions, ascending, drawn by ``seed``."""
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, most, replace=False))
