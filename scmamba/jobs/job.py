"""One input of a call: its cells, the blocks that are still to be computed, and its output."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import numpy.typing as npt
from anndata import AnnData

from scmamba._errors import ScmambaError, about_one
from scmamba._progress import progress_bar
from scmamba.jobs.blocks import Block, Columns, computed
from scmamba.jobs.checkpoint import Checkpoint
from scmamba.jobs.executor import HERE, ClusterError, Executor
from scmamba.jobs.results import Results
from scmamba.stream.expressions import Expressions
from scmamba.stream.source import CellSource, open_cells


class Job(ABC):
    """One input and its output.

    Attributes
    ----------
    name
        Name of the input in messages.
    source
        Cells of the input, open from :meth:`open` on.
    executor
        Where blocks of cells are computed.

    Examples
    --------
    >>> import scmamba
    >>> from scmamba.jobs import Job, open_jobs
    >>> adata = scmamba.datasets.synthetic(60, 20)
    >>> with open_jobs(adata) as jobs:
    ...     isinstance(jobs[0], Job), jobs[0].source.n_obs
    (True, 60)
    """

    name: str
    source: CellSource

    def __init__(self) -> None:
        self._stack, self._kept = ExitStack(), Checkpoint(0)
        self.executor: Executor = HERE
        self.several = False
        """Whether the call has other inputs too, so that errors must say which one they mean."""

    def open(self) -> None:
        """Open and check the cells, once."""
        with self.naming_errors():
            self.source = self._stack.enter_context(open_cells(self._cells))

    def close(self) -> None:
        """Close the cells and release the lock of the output."""
        self._stack.close()

    def naming_errors(self) -> AbstractContextManager[None]:
        """Say in an error of the block which of several inputs it is about."""
        return about_one(self.name, of_several=self.several)

    def compute(self, expressions: Expressions, key: str, block: Block) -> None:
        """Compute and keep the blocks of cells that an earlier run of the same call did not finish.

        They are computed in this process or on the workers of the client that
        :func:`~scmamba.jobs.open_jobs` was given, with the same results.

        Parameters
        ----------
        expressions
            Expression of these cells.
        key
            Stands for all that decides the results, but for the cells.
        block
            Gives the results of consecutive cells from their values, as columns by name, which
            :meth:`kept` then has.

        Raises
        ------
        ScmambaError
            A block holds values that cannot be used; nothing is kept then.
        """
        self._kept = self._checkpoint(key)
        rows = list(expressions.rows(self._kept.done))
        with progress_bar(
            Path(self.name).name,
            self.source.n_obs,
            unit="cells",
            done=self._kept.done,
            delay=2,
            shown=len(rows) > 1 or self.executor.remote,
        ) as bar:
            results = computed(expressions, rows, block, self.executor, self._path)
            for some in rows:
                self._kept.put(some, self._next(results))
                bar.update(some.stop - some.start)

    def _next(self, results: Iterator[Columns]) -> Columns:
        try:
            with self.naming_errors():
                return next(results)
        except ClusterError:
            raise
        except ScmambaError:  # the input must change, and with it all results
            self.forget()
            raise

    def kept(self, name: str) -> npt.NDArray[Any]:
        """(n_cells, ...) results of all blocks."""
        return self._kept[name]

    @property
    @abstractmethod
    def _cells(self) -> AnnData | Path: ...

    @property
    def _path(self) -> Path | None:
        """The file with the cells, which other processes can open too."""
        return None

    @abstractmethod
    def _checkpoint(self, key: str) -> Checkpoint: ...

    @abstractmethod
    def write(self, results: Results, key: str) -> None:
        """Write the results of all cells atomically."""

    @abstractmethod
    def finished(self, key: str) -> bool:
        """Whether an earlier run of the same call wrote this output already."""

    @abstractmethod
    def forget(self) -> None:
        """Remove what was kept for another run."""
