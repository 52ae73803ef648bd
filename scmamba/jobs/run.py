"""All inputs of a call: opened and checked once, worked on one by one, resumed after a kill."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from scmamba._errors import ScmambaError
from scmamba._files import remove, writing
from scmamba._log import logger
from scmamba.jobs.checkpoint import note, read_state
from scmamba.jobs.digest import digest, file_size
from scmamba.jobs.executor import Executor, open_executor
from scmamba.jobs.file_job import FileJob
from scmamba.jobs.inputs import pair
from scmamba.jobs.job import Job
from scmamba.jobs.memory_job import MemoryJob

Fitted = TypeVar("Fitted")


class Jobs:
    """The inputs of a call with their outputs; made by :func:`open_jobs`.

    Examples
    --------
    >>> import scmamba
    >>> from scmamba.jobs import open_jobs
    >>> adata = scmamba.datasets.synthetic(60, 20)
    >>> with open_jobs(adata) as jobs:
    ...     len(jobs), jobs.of_files, jobs.rows(jobs[0])
    (1, False, slice(0, 60, None))
    """

    def __init__(self, jobs: list[Job]) -> None:
        self._jobs = jobs
        self._files = [job for job in jobs if isinstance(job, FileJob)]
        for job in jobs:
            job.several = len(jobs) > 1

    def __len__(self) -> int:
        return len(self._jobs)

    def __iter__(self) -> Iterator[Job]:
        return iter(self._jobs)

    def __getitem__(self, i: int) -> Job:
        return self._jobs[i]

    def rows(self, job: Job) -> slice:
        """Return the rows of a job's cells among those of all jobs, one after the other."""
        before = self._jobs[: self._jobs.index(job)]
        start = sum(one.source.n_obs for one in before)
        return slice(start, start + job.source.n_obs)

    @property
    def of_files(self) -> bool:
        """Whether the cells are in files, so that work is kept for another run."""
        return bool(self._files)

    @property
    def result(self) -> Any:
        """The object in memory that was written to; None for files."""
        job = self._jobs[0]
        return job.result if isinstance(job, MemoryJob) else None

    def stamp(self) -> str:
        """Return one text that stands for all input files, whatever this call wrote into them."""
        return digest(files=[job.original for job in self._files])

    def pending(self, key: str) -> list[Job]:
        """Return the jobs that no earlier run of the same call finished.

        Parameters
        ----------
        key
            Stands for all that decides the results, but for the cells.

        Raises
        ------
        ScmambaError
            The disk has no room for the results.
        """
        left = [job for job in self._jobs if not job.finished(key)]
        if n_done := len(self) - len(left):
            logger.info("%d file(s) were written by an earlier run of this call", n_done)
        _check_room([job for job in left if isinstance(job, FileJob)])
        return left

    def resume(self, key: str, load: Callable[[Path], Fitted]) -> Fitted | None:
        """Load what an earlier run of the same call fitted and :meth:`remember` kept, or None."""
        folder = self._fit
        if folder is None or read_state(folder).get("key") != key:
            return None
        logger.info("resuming with the model that %s holds", folder)
        return load(folder / "fitted")

    def remember(self, key: str, save: Callable[[Path], object]) -> None:
        """Keep what was fitted until all results are there."""
        if (folder := self._fit) is None:
            return
        with writing(folder):
            remove(folder)
            folder.mkdir(mode=0o700)
            save(folder / "fitted")
            note(folder, key=key)

    @property
    def _fit(self) -> Path | None:
        """Hidden folder next to the first output that holds what was fitted."""
        if not self._files:
            return None
        output = self._files[0].output
        return output.with_name(f".{output.name}.fit")

    def forget(self) -> None:
        """Remove what was kept for another run."""
        for job in self._jobs:
            job.forget()
        if self._fit is not None:
            remove(self._fit)


@contextmanager
def open_jobs(
    cells: Any, output: Any = None, *, copy: bool = False, client: Any = None
) -> Iterator[Jobs]:
    """Open all inputs of a call and pair them with their outputs.

    Each input is opened and checked once. The outputs are locked until the block ends, so that no
    other process writes them. What is kept for another run is removed when the block succeeds.

    Parameters
    ----------
    cells
        An AnnData or MuData, a path, or paths one by one.
    output
        None for an AnnData; a file for a path or a backed AnnData (the same path to write into
        it); a folder for several paths.
    copy
        Whether results of an AnnData go to a copy.
    client
        Where blocks of cells are computed: None: in this process; a ``distributed.Client`` or the
        address of a scheduler: on the workers of that cluster.

    Raises
    ------
    ScmambaError
        An input or an output cannot be used, another process is writing an output, or the cluster
        does not answer.

    Examples
    --------
    >>> import scmamba
    >>> from scmamba.jobs import open_jobs
    >>> adata = scmamba.datasets.synthetic(60, 20)
    >>> with open_jobs(adata) as jobs:
    ...     [job.source.n_obs for job in jobs]
    [60]
    """
    jobs = Jobs(pair(cells, output, copy))
    with open_executor(client) as executor, _opened(jobs, executor):
        yield jobs
        jobs.forget()


@contextmanager
def _opened(jobs: Jobs, executor: Executor) -> Iterator[None]:
    """Lock the outputs, then open the inputs."""
    try:
        for job in jobs:
            if isinstance(job, FileJob):
                job.lock()
        for job in jobs:
            job.open()
            job.executor = executor
        yield
    finally:
        for job in jobs:
            job.close()


def _check_room(files: list[FileJob]) -> None:
    """Raise ScmambaError where the disk has no room for the copies of the files."""
    if not files:
        return
    sizes = [file_size(file.cells) for file in files]
    room = max(sizes) if all(file.in_place for file in files) else sum(sizes)
    folder = files[0].output.parent
    if room > (free := shutil.disk_usage(folder).free):
        raise ScmambaError(
            f"results are copies of the files: {room / 1e9:,.1f} GB are needed in {folder}, where "
            f"{free / 1e9:,.1f} GB are free; make room, or give another output"
        )
