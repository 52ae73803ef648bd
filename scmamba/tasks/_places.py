"""Work on cells place by place, block by block; results are kept until all are there."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy.typing as npt
from anndata import AnnData
from tqdm.auto import tqdm

from scmamba._errors import ScmambaError
from scmamba._files import remove
from scmamba._log import logger, muted
from scmamba._settings import settings
from scmamba.pp.expression import Expression
from scmamba.stream.expressions import Expressions
from scmamba.stream.sink import add_results, results_for
from scmamba.stream.source import CellSource, OnDisk, open_cells
from scmamba.stream.store import Store, note, read_state
from scmamba.tasks._identity import size, stamp
from scmamba.tasks._write import duplicate

Fitted, Seen = TypeVar("Fitted"), TypeVar("Seen")
Work = Callable[[slice, Expression], Mapping[str, npt.NDArray[Any]]]
"""From the rows of a block and their expression to columns of results, by name."""


@dataclass(frozen=True)
class Place:
    """Some cells and where their results go.

    Attributes
    ----------
    cells
        An AnnData or a file.
    output
        The file to write; None for an AnnData, which is written to.
    copy
        Write to a copy of the AnnData.
    """

    cells: AnnData | Path
    output: Path | None = None
    copy: bool = False

    def open(self) -> AbstractContextManager[CellSource]:
        """The cells, for the time of a block of statements."""
        return open_cells(self.cells)

    @property
    def part(self) -> Path | None:
        """Folder beside the output that keeps what is done; None for an AnnData."""
        return self._hidden("part")

    @property
    def _fit(self) -> Path | None:
        return self._hidden("fit")

    def _hidden(self, what: str) -> Path | None:
        return None if self.output is None else self.output.with_name(f".{self.output.name}.{what}")

    def finished(self, call: str) -> bool:
        """Whether an earlier run of the same call wrote this output already."""
        if self.part is None or self.output is None or not self.output.exists():
            return False
        state, now = read_state(self.part), {"output": stamp(self.output), "call": call}
        if self.output != self.cells:
            now["source"] = stamp(self.cells)  # type: ignore[arg-type]
        return all(state.get(name) == value for name, value in now.items())

    def compute(self, found: Expressions, work: Work, call: str) -> Store:
        """Do ``work`` on every block that is not done yet.

        Raises
        ------
        ScmambaError
            A block holds values that cannot be used; nothing is kept then.
        """
        if isinstance(self.cells, Path):
            call = f"{call} {stamp(self.cells)} {found.first.source} {found.block_values}"
        store = Store(found.source.n_obs, self.part, call)
        quiet = settings.verbosity in ("error", "warning") or found.source.in_memory
        with tqdm(
            total=store.n_rows, initial=store.done, desc=Path(found.source.name).name,
            unit=" cells", delay=2, leave=False, disable=quiet,
        ) as bar:  # fmt: skip
            try:
                for rows, block in found.blocks(store.done):
                    store.put(rows, work(rows, block))
                    bar.update(rows.stop - rows.start)
            except ScmambaError:  # the file must change, and with it everything
                if self.part is not None:
                    remove(self.part)
                raise
        return store

    def write(self, source: CellSource, fill: Callable[[AnnData], None]) -> AnnData:
        """Let ``fill`` write to the AnnData, or to a file that then is there at once.

        Returns
        -------
        What was written to; of a file, an AnnData without expression.
        """
        if self.output is None:
            assert isinstance(self.cells, AnnData)
            result = duplicate(self.cells) if self.copy else self.cells
            fill(result)
            return result
        assert isinstance(source, OnDisk) and isinstance(self.cells, Path) and self.part
        result = results_for(source)
        fill(result)
        add_results(self.cells, self.output, result, self.part)
        return result

    def recall(self, call: str, load: Callable[[Path], Fitted]) -> Fitted | None:
        """What an earlier run of the same call fitted and :meth:`remember` kept, or None."""
        if self._fit is None or read_state(self._fit).get("call") != call:
            return None
        logger.info("what %s holds is not fitted again", self._fit)
        return load(self._fit / "fitted")

    def remember(self, call: str, save: Callable[[Path], object]) -> None:
        """Keep what was fitted until all results are there."""
        if self._fit is None:
            return
        remove(self._fit)
        save(self._fit / "fitted")
        note(self._fit, call=call)

    def finish(self, call: str) -> None:
        """Note that the output is there, and let go of what led to it."""
        if self.part is None or self.output is None:
            return
        remove(self.part)
        self.part.mkdir()
        stamps = {"source": stamp(self.cells), "output": stamp(self.output)}  # type: ignore[arg-type]
        note(self.part, call=call, **stamps)

    def forget(self) -> None:
        """Remove what was kept for another run."""
        for folder in filter(None, (self.part, self._fit)):
            remove(folder)


def each(
    all_places: list[Place],
    call: str,
    look: Callable[[CellSource], Seen],
    do: Callable[[Place, Seen], AnnData],
) -> AnnData | None:
    """Do something with each place that an earlier run did not finish.

    Parameters
    ----------
    all_places
        As :func:`places` made them.
    call
        What decides the results, beside the cells.
    look
        Checks the cells and their genes; of several files all are looked at before any is worked
        on.
    do
        Works on a place, with what ``look`` said of it.

    Returns
    -------
    What was written last.
    """
    result, left = None, [place for place in all_places if not place.finished(call)]
    if len(left) < len(all_places):
        n_done = len(all_places) - len(left)
        logger.info("%d file(s) were written by an earlier run of this call", n_done)
    _check_room(left)
    if len(left) > 1:
        with muted():
            for place in left:
                with _named(place), place.open() as source:
                    look(source)
    for place in left:
        with _named(place) if len(all_places) > 1 else nullcontext(), place.open() as source:
            result = do(place, look(source))
        place.finish(call)
    for place in all_places:
        place.forget()
    return result


def _check_room(all_places: list[Place]) -> None:
    """Raise ScmambaError where the disk has no room for the copies of the files."""
    needed = [size(place.cells) for place in all_places if isinstance(place.cells, Path)]
    if not needed or (output := all_places[0].output) is None:
        return
    in_place = all(place.output == place.cells for place in all_places)
    folder = next(one for one in output.absolute().parents if one.exists())
    free = shutil.disk_usage(folder).free
    if (room := max(needed) if in_place else sum(needed)) > free:
        raise ScmambaError(
            f"results are copies of the files: {room / 1e9:,.1f} GB are needed in {folder}, where "
            f"{free / 1e9:,.1f} GB are free; make room, or give another output"
        )


@contextmanager
def _named(place: Place) -> Iterator[None]:
    """Let an error say which of several files it is of."""
    try:
        yield
    except ScmambaError as error:
        raise ScmambaError(f"{place.cells}: {error}") from error
