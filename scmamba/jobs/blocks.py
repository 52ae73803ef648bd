"""One block of cells: read and computed, in this process or in another one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy.typing as npt

from scmamba.jobs.digest import file_stamp
from scmamba.jobs.executor import ClusterError, Executor
from scmamba.pp.expression import Expression
from scmamba.stream.expressions import Expressions
from scmamba.stream.source import open_cells

Columns: TypeAlias = dict[str, npt.NDArray[Any]]
"""Results of some cells, by name: arrays with one row per cell."""
Block: TypeAlias = Callable[[slice, Expression], Columns]
"""Computes the results of consecutive cells, each from its own values alone."""


def computed(
    expressions: Expressions,
    rows: Sequence[slice],
    block: Block,
    executor: Executor,
    path: Path | None = None,
) -> Iterator[Columns]:
    """Compute block by block, here or on the workers of a cluster.

    Parameters
    ----------
    expressions
        Expression of the cells.
    rows
        Blocks of consecutive cells.
    block
        Function that is computed of each block.
    executor
        Where it is computed.
    path
        File with the cells, which workers open themselves; None: they are sent the values.

    Yields
    ------
    The results of each block, in order.
    """
    if not executor.remote:
        return executor.map(_Here(expressions, block), ((some,) for some in rows))
    if path is None:
        return executor.map(block, ((some, expressions.at(some)) for some in rows))
    there = _FromFile(path.absolute(), file_stamp(path), _without_cells(expressions), block)
    return executor.map(there, ((some,) for some in rows))


@dataclass(frozen=True)
class _Here:
    """Reads and computes a block in this process."""

    expressions: Expressions
    block: Block

    def __call__(self, rows: slice) -> Columns:
        return self.block(rows, self.expressions.at(rows))


class _FromFile:
    """Reads and computes a block in a process that opens the file itself, once.

    Parameters
    ----------
    path
        The file, by a name that all machines know it by.
    stamp
        Stands for the file as the caller opened it.
    expressions
        Expression of the cells, as the caller reads it.
    block
        Function to compute.
    """

    def __init__(self, path: Path, stamp: str, expressions: Expressions, block: Block) -> None:
        self._path, self._stamp, self._block = path, stamp, block
        self._expressions, self._opened = expressions, ExitStack()
        self._is_open = False

    def __getstate__(self) -> tuple[Any, ...]:
        return self._path, self._stamp, self._expressions, self._block

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.__init__(*state)  # type: ignore[misc]

    def __call__(self, rows: slice) -> Columns:
        if not self._is_open:
            self._open()
        return self._block(rows, self._expressions.at(rows))

    def _open(self) -> None:
        """Open the file, which is closed when the worker forgets this object."""
        if not self._path.exists() or file_stamp(self._path) != self._stamp:
            raise ClusterError(
                f"a worker of the dask cluster does not see {self._path} as this process does; "
                "give a path on a disk that all machines share, or an AnnData in memory"
            )
        source = self._opened.enter_context(open_cells(self._path))
        self._expressions = replace(self._expressions, source=source)
        self._is_open = True


def _without_cells(expressions: Expressions) -> Expressions:
    """Return what another process needs to read the same cells, without any of them."""
    first = expressions.first
    empty = replace(first, X=first.X[:0], obs_names=first.obs_names[:0])
    return replace(expressions, source=None, first=empty)  # type: ignore[arg-type]
