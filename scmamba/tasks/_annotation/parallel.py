"""Independent fits side by side, each on one thread: the same result on any number of cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import joblib
import torch
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from scmamba._settings import settings

T = TypeVar("T")


def run(
    function: Callable[..., T], jobs: Sequence[tuple[Any, ...]], *, text: str, spread: bool
) -> list[T]:
    """Call ``function`` once a job, in as many processes as there are cores.

    The models are small: a process on one thread each is several times faster than threads that
    share a step, and the sums are the same on every machine with one core or many.

    Parameters
    ----------
    function
        Of a module, so that other processes can import it.
    jobs
        Arguments of each call.
    text
        For the progress bar.
    spread
        Whether to use other processes at all; False on a GPU.
    """
    if not spread:
        return [function(*job) for job in jobs]
    workers = min(len(jobs), _n_cores())
    if workers < 2:
        with _one_thread():
            return [function(*job) for job in jobs]
    quiet = settings.verbosity in ("error", "warning")
    with joblib.parallel_config("loky", inner_max_num_threads=1):
        results = joblib.Parallel(n_jobs=workers, return_as="generator")(
            joblib.delayed(_call)(function, job, settings.seed) for job in jobs
        )
        return list(tqdm(results, desc=text, total=len(jobs), leave=False, disable=quiet))


def _call(function: Callable[..., T], job: tuple[Any, ...], seed: int) -> T:
    settings.seed, settings.verbosity, settings.device = seed, "error", "cpu"
    with _one_thread():
        return function(*job)


@contextmanager
def _one_thread() -> Any:
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
