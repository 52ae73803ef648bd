"""One input of a call: its cells, the blocks that are still to be computed, and its output."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import numpy.typing as npt
import pandas as pd
from anndata import AnnData

from scmamba._errors import ScmambaError, about_one
from scmamba._files import locked, recover, remove, writing
from scmamba._progress import progress_bar
from scmamba._read import reading
from scmamba.jobs.blocks import Block, Columns, computed
from scmamba.jobs.checkpoint import Checkpoint, note, read_state
from scmamba.jobs.digest import file_stamp
from scmamba.jobs.executor import HERE, ClusterError, Executor
from scmamba.jobs.results import Results
from scmamba.jobs.writer import write_results
from scmamba.pp.expression import rna_of
from scmamba.stream.expressions import Expressions
from scmamba.stream.source import DAMAGED, CellSource, open_cells

LOCK_SECONDS = 10.0
"""How long to wait for another process that writes the same output."""


class Job(ABC):
    """One input and its output.

    Attributes
    ----------
    name
        What messages call the input.
    source
        Its cells, open from :meth:`open` on.
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


class MemoryJob(Job):
    """An AnnData whose results go into it, or into a copy.

    Attributes
    ----------
    result
        What was written to: the object given, or its copy.
    """

    def __init__(self, adata: Any, *, copy: bool) -> None:
        super().__init__()
        self.name, self.result, self._copy = "adata", adata, copy

    @property
    def _cells(self) -> AnnData:
        return rna_of(self.result)

    def _checkpoint(self, key: str) -> Checkpoint:
        return Checkpoint(self.source.n_obs)

    def write(self, results: Results, key: str) -> None:
        """See :meth:`Job.write`."""
        if self._copy:
            backed = isinstance(self.result, AnnData) and self.result.isbacked
            self.result = self.result.to_memory() if backed else self.result.copy()
        results.write_to(rna_of(self.result))

    def finished(self, key: str) -> bool:
        """See :meth:`Job.finished`."""
        return False

    def forget(self) -> None:
        """See :meth:`Job.forget`; nothing is kept."""


class FileJob(Job):
    """A file whose results go into a copy of it.

    The lock of ``output`` is held until :meth:`close`. Next to it, the hidden folder
    ``.NAME.part`` outlives a kill: it holds the results of the blocks that are done, then a note
    that the output is there.

    Attributes
    ----------
    output
        The file to write, with links followed.
    stamp
        Stands for the file with the cells as it was when it was opened.
    original
        The same before an earlier run of the call wrote its results into the file.
    """

    def __init__(self, cells: Path, output: Path, obs: pd.DataFrame | None = None) -> None:
        super().__init__()
        self.cells, self.output, self.name, self._obs = cells, output, str(cells), obs
        self.stamp = self.original = ""
        self._part = output.with_name(f".{output.name}.part")

    @property
    def in_place(self) -> bool:
        """Whether the output is the file with the cells."""
        return self.output.exists() and self.output.samefile(self.cells)

    @property
    def _cells(self) -> Path:
        return self.cells

    @property
    def _path(self) -> Path:
        return self.cells

    def lock(self) -> None:
        """Wait for other processes that write the output, and bring back what a kill set aside."""
        with writing(self.output):
            self.output.parent.mkdir(parents=True, exist_ok=True)
            self._stack.enter_context(locked(self.output, wait=LOCK_SECONDS))
            recover(self.output)

    def open(self) -> None:
        """See :meth:`Job.open`."""
        self.stamp = self.original = file_stamp(self.cells)
        if self.in_place and (written := read_state(self._part)).get("output") == self.stamp:
            self.original = str(written.get("original"))
        super().open()
        if self._obs is not None and not self.source.obs.equals(self._obs):
            raise ScmambaError(
                f"obs of the backed AnnData is not what {self.cells} holds, of which output= would "
                "be a copy; write it to a file first, or omit output=: results then go into the "
                "AnnData"
            )

    def _checkpoint(self, key: str) -> Checkpoint:
        return Checkpoint(self.source.n_obs, self._part, f"{key} {self.stamp}")

    def write(self, results: Results, key: str) -> None:
        """See :meth:`Job.write`."""
        if file_stamp(self.cells) != self.stamp:
            raise ScmambaError(
                f"{self.cells} was changed by another process while it was read; nothing was "
                "written. Call again when it is done"
            )
        with writing(self._part):
            self._part.mkdir(mode=0o700, parents=True, exist_ok=True)
        with reading(self.cells, damage=DAMAGED):
            write_results(self.cells, self.output, results, self._part)
        with writing(self._part):
            remove(self._part)
            self._part.mkdir(mode=0o700)
            note(self._part, **self._end(key), original=self.original)

    def finished(self, key: str) -> bool:
        """See :meth:`Job.finished`."""
        if not self.output.exists():
            return False
        noted = read_state(self._part)
        return all(noted.get(name) == value for name, value in self._end(key).items())

    def _end(self, key: str) -> dict[str, str]:
        """Return what is noted once the output exists; valid while neither file changes."""
        return {
            "key": key,
            "source": file_stamp(self.cells),
            "output": file_stamp(self.output),
        }

    def forget(self) -> None:
        """See :meth:`Job.forget`."""
        remove(self._part)
