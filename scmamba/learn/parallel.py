"""Independent fits in processes of one thread each: the same result on any number of cores."""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import joblib
import numpy as np
import numpy.typing as npt
import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from tqdm import tqdm

from scmamba._progress import progress_bar, report_progress_to
from scmamba._settings import settings

T = TypeVar("T")
_WATCH = "scmamba-parent-watch"
_LOOK = 0.5
"""Seconds between two looks at how far the processes are."""


def run(
    function: Callable[..., T], jobs: Sequence[tuple[Any, ...]], *, text: str, spread: bool
) -> list[T]:
    """Call ``function`` once for each job, in as many processes as there are cores.

    The models are small: processes of one thread each are several times faster than threads that
    share a step, and sums are the same on machines with one core or many. The processes are kept
    for the next call, and end as soon as this process ends, however it ends.

    Parameters
    ----------
    function
        A function of a module, so that other processes can import it.
    jobs
        Arguments of each call.
    text
        Text of the progress bar.
    spread
        Whether to use other processes at all; False on a GPU.
    """
    if not spread:
        return [function(*job) for job in jobs]
    workers = min(len(jobs), n_workers())
    if workers < 2:
        with one_thread():
            return [function(*job) for job in jobs]
    with TemporaryDirectory(prefix="scmamba-", ignore_cleanup_errors=True) as folder:
        steps = np.memmap(Path(folder) / "steps", np.float64, "w+", shape=(len(jobs), 2))
        with (
            _shown(steps, text),
            joblib.parallel_config("loky", inner_max_num_threads=1),
        ):
            return list(
                joblib.Parallel(n_jobs=workers, return_as="generator")(
                    joblib.delayed(_call)(
                        function, job, (steps.filename, i), settings.seed, os.getpid()
                    )
                    for i, job in enumerate(jobs)
                )
            )


def n_workers() -> int:
    """Count processes to fit side by side: ``settings.n_jobs``, or the cores we may use."""
    return settings.n_jobs or _n_cores()


def _call(
    function: Callable[..., T],
    job: tuple[Any, ...],
    place: tuple[Any, int],
    seed: int,
    parent: int,
) -> T:
    """One job in a worker process, which writes how far it is to a row of a file."""
    _end_with(parent)
    settings.seed, settings.verbosity, settings.device = seed, "error", "cpu"
    file, row = place
    steps = np.memmap(file, np.float64, "r+").reshape(-1, 2)
    report_progress_to(partial(_write, steps[row]))
    try:
        with one_thread():
            return function(*job)
    finally:
        report_progress_to(None)
        if not steps[row, 1]:  # a job without a bar is one step
            steps[row] = 1, 1


def _write(row: npt.NDArray[np.float64], done: float, total: float) -> None:
    row[:] = done, total


@contextmanager
def _shown(steps: npt.NDArray[np.float64], text: str) -> Iterator[None]:
    """Show how far all jobs are together while they run.

    Parameters
    ----------
    steps
        (n_jobs, 2) steps that were done and steps in all, written by the workers.
    text
        Text of the progress bar.
    """
    over = threading.Event()
    with progress_bar(text, 1) as bar:
        watch = threading.Thread(target=_watch, args=(bar, steps, over), daemon=True)
        watch.start()
        try:
            yield
        finally:
            over.set()
            watch.join()


def _watch(bar: tqdm[Any], steps: npt.NDArray[np.float64], over: threading.Event) -> None:
    while not over.wait(_LOOK):
        done, total = overall(steps)
        if total:
            bar.total = total
            bar.update(done - bar.n)


def overall(steps: npt.NDArray[np.float64]) -> tuple[int, int]:
    """Count the steps that all jobs have done, and those known to come.

    Parameters
    ----------
    steps
        (n_jobs, 2) steps done and steps in all; (0, 0) for a job that has not begun, which is
        taken to be as long as the others.
    """
    begun = steps[:, 1] > 0
    if not begun.any():
        return 0, 0
    return int(steps[:, 0].sum()), round(float(steps[begun, 1].mean()) * len(steps))


def _end_with(parent: int) -> None:
    """End this process as soon as the process ``parent``, which started it, has ended.

    Linux could send a signal instead (PR_SET_PDEATHSIG), but does so when the thread that started
    this process ends, while the process that waits for a result lives on.
    """
    if all(thread.name != _WATCH for thread in threading.enumerate()):
        threading.Thread(target=_wait_for, args=(parent,), name=_WATCH, daemon=True).start()


def _wait_for(parent: int) -> None:
    try:
        ended = [os.pidfd_open(parent)]  # readable once the process has ended
    except (AttributeError, OSError):  # not Linux, or the process is gone
        ended = []
    while os.getppid() == parent:
        if ended:
            select.select(ended, [], [])
        else:
            time.sleep(0.5)
    os._exit(1)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute in one thread: small steps are no slower, and sums are the same on all machines."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)


def _n_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
