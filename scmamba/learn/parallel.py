"""Independent fits in processes of one thread each: the same result on any number of cores."""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import joblib
import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from tqdm.auto import tqdm

from scmamba._settings import settings

T = TypeVar("T")
_WATCH = "scmamba-parent-watch"


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
    workers = min(len(jobs), _n_cores())
    if workers < 2:
        with one_thread():
            return [function(*job) for job in jobs]
    quiet = settings.verbosity in ("error", "warning")
    with joblib.parallel_config("loky", inner_max_num_threads=1):
        results = joblib.Parallel(n_jobs=workers, return_as="generator")(
            joblib.delayed(_call)(function, job, settings.seed, os.getpid()) for job in jobs
        )
        return list(tqdm(results, desc=text, total=len(jobs), leave=False, disable=quiet))


def _call(function: Callable[..., T], job: tuple[Any, ...], seed: int, parent: int) -> T:
    """One job in a worker process."""
    _end_with(parent)
    settings.seed, settings.verbosity, settings.device = seed, "error", "cpu"
    with one_thread():
        return function(*job)


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
