"""Where cells come from and results go: an AnnData, a file, many files."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import joblib
import numpy.typing as npt
import torch
from anndata import AnnData
from torch import nn
from tqdm.auto import tqdm

from scmamba._errors import ScmambaError
from scmamba._files import writable, writable_folder
from scmamba._log import logger
from scmamba._settings import settings
from scmamba.pp.expression import Expression
from scmamba.stream.expressions import Expressions
from scmamba.stream.sink import add_results, results_for
from scmamba.stream.source import CellSource, OnDisk, as_path, check_file, open_cells
from scmamba.stream.store import Store, note, read_state
from scmamba.tasks._write import check_writable, duplicate

Fitted = TypeVar("Fitted")
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

    @contextmanager
    def open(self) -> Iterator[CellSource]:
        """The cells, for the time of the block."""
        with open_cells(self.cells) as source:
            yield source

    @property
    def part(self) -> Path | None:
        """Folder beside the output that keeps what is done; None for an AnnData."""
        return None if self.output is None else self.output.with_name(f".{self.output.name}.part")

    def finished(self, call: str) -> bool:
        """Whether an earlier run of the same call wrote this output already."""
        if self.output is None or (state := read_state(self.part)) is None:  # type: ignore[arg-type]
            return False
        same = state["call"] == call and self.output.exists()
        return same and state.get("finished") == stamp(self.output)

    def compute(self, found: Expressions, work: Work, call: str) -> Store:
        """Do ``work`` on every block that is not done yet."""
        if self.output is not None:
            assert isinstance(self.cells, Path)
            call = f"{call} {stamp(self.cells)} {found.rows_per_block}"
        store = Store(found.source.n_obs, self.part, call)
        quiet = settings.verbosity in ("error", "warning")
        several = found.rows_per_block < store.n_rows
        with tqdm(
            total=store.n_rows, initial=store.done, desc=found.source.name, unit=" cells",
            delay=2, leave=False, disable=quiet or not several,
        ) as bar:  # fmt: skip
            for rows, block in found.blocks(store.done):
                store.put(rows, work(rows, block))
                bar.update(rows.stop - rows.start)
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
        assert isinstance(source, OnDisk) and isinstance(self.cells, Path)
        result = results_for(source)
        fill(result)
        add_results(self.cells, self.output, result)
        return result

    def recall(self, call: str, load: Callable[[Path], Fitted]) -> Fitted | None:
        """What an earlier run of the same call fitted and :meth:`remember` kept, or None."""
        if self.output is None:
            return None
        state = read_state(self._fit)
        if state is None or state["call"] != call:
            return None
        logger.info("what %s holds is not fitted again", self._fit)
        return load(self._fit / "fitted")

    def remember(self, call: str, save: Callable[[Path], object]) -> None:
        """Keep what was fitted until all results are there."""
        if self.output is None:
            return
        shutil.rmtree(self._fit, ignore_errors=True)
        save(self._fit / "fitted")
        note(self._fit, call=call)

    @property
    def _fit(self) -> Path:
        assert self.output is not None
        return self.output.with_name(f".{self.output.name}.fit")

    def forget(self) -> None:
        """Remove what was kept for another run."""
        if self.output is not None:
            shutil.rmtree(self.part)  # type: ignore[arg-type]
            shutil.rmtree(self._fit, ignore_errors=True)

    def finish(self, call: str) -> None:
        """Note that the output is there, and let go of what led to it."""
        if self.part is None:
            return
        assert self.output is not None
        shutil.rmtree(self.part)
        self.part.mkdir()
        note(self.part, call=call, finished=stamp(self.output))


def places(cells: Any, output: Any, copy: bool) -> list[Place]:
    """Pair cells with where their results go, all checked before any work is done.

    Parameters
    ----------
    cells
        An AnnData, a path, or a list of paths.
    output
        None for an AnnData; a file for a path or a backed AnnData; a folder for a list.
    copy
        Results go to a copy of the AnnData.

    Raises
    ------
    ScmambaError
        An input is missing, or an output is, or cannot be written.
    """
    if isinstance(cells, AnnData) and output is None:
        check_writable(cells, copy)
        return [Place(cells, copy=copy)]
    if copy:
        raise ScmambaError("copy=True is for an AnnData in memory; results of files go to output=")
    if isinstance(cells, (list, tuple)):
        return _many([as_path(one) for one in cells], output)
    if isinstance(cells, AnnData):
        if not cells.isbacked or cells.is_view:
            raise ScmambaError(
                "output= is for files; results of an AnnData in memory, or of a view, go into it: "
                "leave output away"
            )
        cells = Path(str(cells.filename))
    cells = as_path(cells)
    if not isinstance(cells, Path):
        return [Place(cells)]  # told when it is opened
    if output is None:
        raise ScmambaError(
            f"results of {cells} need a file: give output= (the same path to write into it)"
        )
    return [_one(check_file(cells), Path(output))]


def _one(cells: Path, output: Path) -> Place:
    if output.suffix != cells.suffix:
        raise ScmambaError(
            f"output={str(output)!r} for {cells}; it is a copy with results, so it ends in "
            f"{cells.suffix} too"
        )
    if cells.suffix == ".zarr":
        writable_folder(output)
        if output.exists() and not any((output / name).exists() for name in _ZARR):
            raise ScmambaError(f"{output} is a folder without a zarr group; give a new one")
    else:
        writable(output)
    return Place(cells, output)


_ZARR = (".zgroup", "zarr.json", ".zattrs")


def _many(cells: list[Any], output: Any) -> list[Place]:
    if not cells or not all(isinstance(one, Path) for one in cells):
        raise ScmambaError("a list of cells holds paths of .h5ad or .zarr files, one at least")
    if output is None:
        raise ScmambaError("results of many files need a folder: give output=")
    folder, names = Path(output), [one.name for one in cells]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ScmambaError(
            f"{', '.join(twice)} comes more than once among the files, whose results carry the "
            "same names in one folder; rename one, or give them in two calls"
        )
    for one in cells:
        check_file(one)
    writable_folder(folder)
    if folder.suffix in (".h5ad", ".zarr"):
        raise ScmambaError(f"output={str(folder)!r} for {len(cells)} files; give a folder")
    folder.mkdir(parents=True, exist_ok=True)
    return [_one(one, folder / one.name) for one in cells]


def each(
    all_places: list[Place], call: str, do: Callable[[Place, CellSource], AnnData]
) -> AnnData | None:
    """Do something with each place that an earlier run did not finish.

    Returns
    -------
    What was written last.
    """
    result = None
    for place in all_places:
        if place.finished(call):
            logger.info("%s was written by an earlier run of this call", place.output)
            continue
        with place.open() as source:
            result = do(place, source)
        place.finish(call)
    for place in all_places:
        place.forget()
    return result


def fingerprint(**parts: Any) -> str:
    """One short text that stands for the parameters of a call, made of plain values."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def identity(thing: Any) -> str:
    """One text that stands for a model, an AnnData, a file, or whatever has a short name."""
    if isinstance(thing, nn.Module):
        weights = {name: stored.detach().cpu() for name, stored in thing.state_dict().items()}
        plain = {name: t.reshape(-1).view(torch.uint8).numpy() for name, t in weights.items()}
        return str(joblib.hash((repr(thing.config), plain)))
    if isinstance(thing, AnnData):
        return str(joblib.hash((thing.X, thing.raw and thing.raw.X, thing.obs, thing.var)))
    if isinstance(thing, (str, os.PathLike)) and Path(thing).exists():
        return stamp(Path(thing))
    return str(thing)


def stamp(path: Path) -> str:
    """Path, size and time of a file's last change; of a folder's newest."""
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    stats = [one.stat() for one in files]
    newest = max((one.st_mtime_ns for one in stats), default=0)
    return f"{path.absolute()} {sum(one.st_size for one in stats)} {newest}"
