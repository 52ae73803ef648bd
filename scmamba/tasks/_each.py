"""One place with cells after the other, those left out that an earlier run finished."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from anndata import AnnData

from scmamba._errors import ScmambaError
from scmamba._log import logger, muted
from scmamba.stream.source import CellSource
from scmamba.tasks._identity import size
from scmamba.tasks._places import FilePlace, Place

Seen = TypeVar("Seen")


def each(
    places: Sequence[Place],
    call: str,
    look: Callable[[CellSource], Seen],
    do: Callable[[Place, Seen], AnnData],
) -> AnnData | None:
    """Do something with each place that an earlier run of the same call did not finish.

    Parameters
    ----------
    places
        As :func:`~scmamba.tasks._pairing.places` made them.
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

    Raises
    ------
    ScmambaError
        Cells cannot be used, or the disk has no room for the results.
    """
    result, left = None, [place for place in places if not place.finished(call)]
    if n_done := len(places) - len(left):
        logger.info("%d file(s) were written by an earlier run of this call", n_done)
    _check_room([place for place in left if isinstance(place, FilePlace)])
    if len(left) > 1:
        with muted():
            for place in left:
                with _opened(place, several=True) as source:
                    look(source)
    for place in left:
        with _opened(place, several=len(places) > 1) as source:
            result = do(place, look(source))
        place.finish(call)
    for place in places:
        place.forget()
    return result


def _check_room(files: list[FilePlace]) -> None:
    """Raise ScmambaError where the disk has no room for the copies of the files."""
    if not files:
        return
    sizes = [size(file.cells) for file in files]
    room = max(sizes) if all(file.in_place for file in files) else sum(sizes)
    folder = files[0].output.parent
    if room > (free := shutil.disk_usage(folder).free):
        raise ScmambaError(
            f"results are copies of the files: {room / 1e9:,.1f} GB are needed in {folder}, where "
            f"{free / 1e9:,.1f} GB are free; make room, or give another output"
        )


@contextmanager
def _opened(place: Place, *, several: bool) -> Iterator[CellSource]:
    """The cells of a place; an error says which of several files it is of."""
    try:
        with place.open() as source:
            yield source
    except ScmambaError as error:
        if not several or str(place.cells) in str(error):
            raise
        raise ScmambaError(f"{place.cells}: {error}") from error
