"""Results of many cells, kept block by block, so that a killed run goes on where it was."""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scmamba._errors import ScmambaError
from scmamba._files import remove, write_json
from scmamba._log import logger
from scmamba._read import read_json

_STATE = "state.json"
FORMAT_VERSION = 1


class Store:
    """Columns of results, one row a cell, in memory or in files of a folder.

    Parameters
    ----------
    n_rows
        Number of cells.
    folder
        Where to keep what is done; None: in memory.
    call
        What decides the results: a folder that another call left is emptied.

    Attributes
    ----------
    done
        Rows that are there, from the first on.
    """

    def __init__(self, n_rows: int, folder: Path | None = None, call: str = "") -> None:
        self.n_rows, self.folder, self.done = n_rows, folder, 0
        self._state = {"format_version": FORMAT_VERSION, "call": call, "n_rows": n_rows}
        self._columns: dict[str, npt.NDArray[Any]] = {}
        if folder is not None:
            self._go_on(folder)

    def _go_on(self, folder: Path) -> None:
        there = read_state(folder)
        if there and {k: there.get(k) for k in self._state} == self._state:
            for name in there["columns"]:
                self._columns[name] = np.lib.format.open_memmap(_file(folder, name), mode="r+")
            self.done = there["done"]
            logger.info(
                "going on after %s of %s cells, which %s holds",
                f"{self.done:,}",
                f"{self.n_rows:,}",
                folder,
            )
            return
        if there:
            logger.info("%s holds the start of another call: begun anew", folder)
        remove(folder)
        folder.mkdir(parents=True)

    def put(self, rows: slice, columns: Mapping[str, npt.NDArray[Any]]) -> None:
        """Keep the results of ``rows``, the next ones: arrays of len(rows) rows by name."""
        for name, values in columns.items():
            if name not in self._columns:
                self._columns[name] = self._new(name, values)
            self._columns[name][rows] = values
        self.done = rows.stop
        if self.folder is None:
            return
        for column in self._columns.values():
            column.flush()  # type: ignore[attr-defined]
            forget(column)
        note(self.folder, **self._state, done=self.done, columns=list(self._columns))

    def _new(self, name: str, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        shape = (self.n_rows, *values.shape[1:])
        if self.folder is None:
            return np.zeros(shape, values.dtype)
        return np.lib.format.open_memmap(_file(self.folder, name), "w+", values.dtype, shape)

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        """(n_rows, ...) all values of a column."""
        return self._columns[name]


def forget(column: npt.NDArray[Any]) -> None:
    """Let go of the memory of an array that a file holds; it is read again when asked for."""
    if isinstance(column, np.memmap) and hasattr(mmap, "MADV_DONTNEED"):
        column.base.madvise(mmap.MADV_DONTNEED)  # type: ignore[union-attr]


def read_state(folder: Path) -> dict[str, Any]:
    """What was noted in ``folder``; nothing where nothing whole was."""
    try:
        return read_json(folder / _STATE)
    except ScmambaError:
        return {}


def note(folder: Path, **entries: Any) -> None:
    """Write down ``entries``, for :func:`read_state`, whole or not at all."""
    write_json(folder / _STATE, entries)


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.npy"
