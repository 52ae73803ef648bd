"""Where cells are and where their results go; of files, what a killed run left is gone on with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeVar

import numpy.typing as npt
from anndata import AnnData
from tqdm.auto import tqdm

from scmamba._errors import ScmambaError
from scmamba._files import remove
from scmamba._log import logger
from scmamba._settings import settings
from scmamba.pp.expression import Expression
from scmamba.stream.expressions import Expressions
from scmamba.stream.sink import add_results, results_for
from scmamba.stream.source import CellSource, OnDisk, open_cells
from scmamba.stream.store import Store, note, read_state
from scmamba.tasks._identity import stamp
from scmamba.tasks._write import duplicate

Fitted = TypeVar("Fitted")
Work = Callable[[slice, Expression], Mapping[str, npt.NDArray[Any]]]
"""From the rows of a block and their expression to columns of results, by name."""


class Place:
    """Cells of an AnnData, which results are written into, or into a copy; nothing is kept.

    Attributes
    ----------
    cells
        An AnnData here, a file in :class:`FilePlace`.
    """

    cells: AnnData | Path

    def __init__(self, adata: AnnData, *, copy: bool = False) -> None:
        self.cells, self._adata, self._copy = adata, adata, copy

    def open(self) -> AbstractContextManager[CellSource]:
        """The cells, for the time of a block of statements."""
        return open_cells(self.cells)

    def compute(self, found: Expressions, work: Work, call: str) -> Store:
        """Do ``work`` on every block that an earlier run of the same ``call`` did not do.

        Raises
        ------
        ScmambaError
            A block holds values that cannot be used; nothing is kept then.
        """
        return _filled(Store(found.source.n_obs), found, work)

    def write(self, source: CellSource, fill: Callable[[AnnData], None]) -> AnnData:
        """Let ``fill`` write to the AnnData, or to a file that then is there at once.

        Returns
        -------
        What was written to; of a file, an AnnData without expression.
        """
        result = duplicate(self._adata) if self._copy else self._adata
        fill(result)
        return result

    def finished(self, call: str) -> bool:
        """Whether an earlier run of the same call wrote this output already."""
        return False

    def finish(self, call: str) -> None:
        """Note that the output is there, and let go of what led to it."""

    def recall(self, call: str, load: Callable[[Path], Fitted]) -> Fitted | None:
        """What an earlier run of the same call fitted and :meth:`remember` kept, or None."""
        return None

    def remember(self, call: str, save: Callable[[Path], object]) -> None:
        """Keep what was fitted until all results are there."""

    def forget(self) -> None:
        """Remove what was kept for another run."""


class FilePlace(Place):
    """Cells of a file, whose results go into a copy of it.

    Two hidden folders beside ``output`` outlive a kill: ``.NAME.part`` holds the results of the
    blocks that are done, then a note that the output is there; ``.NAME.fit`` what was fitted.

    Attributes
    ----------
    output
        The file to write.
    in_place
        Whether that is the file with the cells.
    """

    cells: Path

    def __init__(self, cells: Path, output: Path) -> None:
        self.cells, self.output = cells, output
        self.in_place = output.exists() and output.samefile(cells)
        self._part, self._fit = (
            output.with_name(f".{output.name}.{what}") for what in ("part", "fit")
        )

    def compute(self, found: Expressions, work: Work, call: str) -> Store:
        """See :meth:`Place.compute`."""
        store = Store(found.source.n_obs, self._part, f"{call} {stamp(self.cells)}")
        try:
            return _filled(store, found, work)
        except ScmambaError:  # the file must change, and with it everything
            remove(self._part)
            raise

    def write(self, source: CellSource, fill: Callable[[AnnData], None]) -> AnnData:
        """See :meth:`Place.write`."""
        assert isinstance(source, OnDisk)
        result = results_for(source)
        fill(result)
        add_results(self.cells, self.output, result, self._part)
        return result

    def finished(self, call: str) -> bool:
        """See :meth:`Place.finished`."""
        return self.output.exists() and read_state(self._part) == self._end(call)

    def finish(self, call: str) -> None:
        """See :meth:`Place.finish`."""
        remove(self._part)
        self._part.mkdir()
        note(self._part, **self._end(call))

    def _end(self, call: str) -> dict[str, str]:
        """What is noted when the output is there: it holds while neither file changes."""
        return {"call": call, "source": stamp(self.cells), "output": stamp(self.output)}

    def recall(self, call: str, load: Callable[[Path], Fitted]) -> Fitted | None:
        """See :meth:`Place.recall`."""
        if read_state(self._fit).get("call") != call:
            return None
        logger.info("what %s holds is not fitted again", self._fit)
        return load(self._fit / "fitted")

    def remember(self, call: str, save: Callable[[Path], object]) -> None:
        """See :meth:`Place.remember`."""
        remove(self._fit)
        save(self._fit / "fitted")
        note(self._fit, call=call)

    def forget(self) -> None:
        """See :meth:`Place.forget`."""
        remove(self._part)
        remove(self._fit)


def _filled(store: Store, found: Expressions, work: Work) -> Store:
    """``store`` with the results of all blocks, under a progress bar where cells are read."""
    quiet = settings.verbosity in ("error", "warning") or found.source.in_memory
    with tqdm(
        total=store.n_rows, initial=store.done, desc=Path(found.source.name).name,
        unit=" cells", delay=2, leave=False, disable=quiet,
    ) as bar:  # fmt: skip
        for rows, block in found.blocks(store.done):
            store.put(rows, work(rows, block))
            bar.update(rows.stop - rows.start)
    return store
