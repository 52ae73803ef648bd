"""Results of many cells, kept block by block, so that rerunning an interrupted call resumes it."""

from __future__ import annotations

import mmap
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scmamba._errors import ScmambaError
from scmamba._files import remove, write_json, writing
from scmamba._log import logger
from scmamba._read import read_json

_STATE = "state.json"
FORMAT_VERSION = 2


class Checkpoint:
    """Columns of results, one row per cell, in memory or in the files of a folder.

    Parameters
    ----------
    n_rows
        Number of cells.
    folder
        Where to keep what is done; None: in memory. The caller holds the lock of the output.
    key
        Stands for all that decides the results: a folder that another call left is emptied.

    Attributes
    ----------
    done
        Number of rows that are there, from the first on.
    """

    def __init__(self, n_rows: int, folder: Path | None = None, key: str = "") -> None:
        self.n_rows, self.folder, self.done = n_rows, folder, 0
        self._state = {"format_version": FORMAT_VERSION, "key": key, "n_rows": n_rows}
        self._columns: dict[str, npt.NDArray[Any]] = {}
        self._kinds: dict[str, tuple[np.dtype[Any], tuple[int, ...]]] = {}
        if folder is not None:
            with writing(folder):
                self._resume(folder)

    def _resume(self, folder: Path) -> None:
        """Take over what an interrupted run of the same call left, or start with nothing."""
        left = read_state(folder)
        if left and {name: left.get(name) for name in self._state} == self._state:
            try:
                self._take_over(folder, left)
            except (KeyError, TypeError, ValueError, OSError):
                logger.info("%s is damaged: starting again", folder)
                self.done, self._kinds = 0, {}
            else:
                logger.info(
                    "resuming after %s of %s cells, which are in %s",
                    f"{self.done:,}", f"{self.n_rows:,}", folder,
                )  # fmt: skip
                return
        elif left:
            logger.info("%s was left by another call: starting again", folder)
        remove(folder)
        folder.mkdir(mode=0o700, parents=True)

    def _take_over(self, folder: Path, left: dict[str, Any]) -> None:
        done = left["done"]
        if not isinstance(done, int) or not 0 <= done <= self.n_rows:
            raise ValueError("done")
        for name, (dtype, *shape) in left["columns"].items():
            kind = np.dtype(dtype), tuple(shape)
            if _file(folder, name).stat().st_size < done * _row_bytes(*kind):
                raise ValueError("shorter than noted")
            self._kinds[name] = kind
        self.done = done

    def put(self, rows: slice, columns: Mapping[str, npt.NDArray[Any]]) -> None:
        """Keep the results of ``rows``, the next ones.

        Parameters
        ----------
        rows
            Consecutive cells, from the first one that is not done.
        columns
            Arrays of as many rows, by name.

        Raises
        ------
        ScmambaError
            They cannot be written, for example because the disk is full.
        """
        if self.folder is None:
            for name, values in columns.items():
                if name not in self._columns:
                    self._columns[name] = np.zeros((self.n_rows, *values.shape[1:]), values.dtype)
                self._columns[name][rows] = values
            self.done = rows.stop
            return
        with writing(self.folder):
            for name, values in columns.items():
                self._append(self.folder, name, rows, np.ascontiguousarray(values))
            self.done = rows.stop
            kinds = {name: [dtype.str, *shape] for name, (dtype, shape) in self._kinds.items()}
            note(self.folder, **self._state, done=self.done, columns=kinds)

    def _append(self, folder: Path, name: str, rows: slice, values: npt.NDArray[Any]) -> None:
        """Write rows behind those that are done; a full disk is an error here, not a signal."""
        dtype, shape = self._kinds.setdefault(name, (values.dtype, values.shape[1:]))
        if values.shape != (rows.stop - rows.start, *shape):
            raise ValueError(f"{name} has shape {values.shape} for rows {rows}")
        path = _file(folder, name)
        with path.open("r+b" if path.exists() else "w+b") as file:
            file.seek(rows.start * _row_bytes(dtype, shape))
            file.write(values.astype(dtype, copy=False).tobytes())
            file.flush()
            os.fsync(file.fileno())

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        """(n_rows, ...) all values of a column; of a file, mapped to memory."""
        if self.folder is not None and name not in self._columns:
            dtype, shape = self._kinds[name]
            path = _file(self.folder, name)
            self._columns[name] = np.memmap(path, dtype, "r", shape=(self.n_rows, *shape))
        return self._columns[name]


def release(column: npt.NDArray[Any]) -> None:
    """Free the memory of an array that a file holds; it is read again when it is used."""
    held: Any = column
    while held is not None and not isinstance(held, mmap.mmap):
        held = getattr(held, "base", None)
    if held is not None and hasattr(mmap, "MADV_DONTNEED"):
        held.madvise(mmap.MADV_DONTNEED)


def read_state(folder: Path) -> dict[str, Any]:
    """Read what was noted in ``folder``; nothing where nothing whole was."""
    try:
        return read_json(folder / _STATE)
    except ScmambaError:
        return {}


def note(folder: Path, **entries: Any) -> None:
    """Write ``entries``, for :func:`read_state` atomically."""
    write_json(folder / _STATE, entries)


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.bin"


def _row_bytes(dtype: np.dtype[Any], shape: tuple[int, ...]) -> int:
    return int(dtype.itemsize * np.prod(shape, dtype=np.int64))
