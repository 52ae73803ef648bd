"""Compilation of loops with numba without the GIL, and their parallel execution on threads.

``prange`` is not used: its thread pools abort the process when used from two Python threads or
after a fork, and data loaders do both.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numba
import numpy as np
import torch

from scmamba._log import logger
from scmamba._machine_code import MachineCode

_MIN_WORK = 1 << 18  # elements of a block: with fewer, waking a thread costs more than it saves
_BLOCKS_PER_THREAD = 4
_PROCESS = os.getpid()


def compiled(function: Callable[..., Any]) -> Any:
    """Compile ``function`` with numba, and cache the machine code on disk if possible.

    numba detects changes only in the file of the function itself: after editing a compiled function
    that other files call, clear ``__pycache__``.
    """
    dispatcher = numba.njit(nogil=True)(function)
    try:
        dispatcher._cache = MachineCode(function)  # type: ignore[attr-defined]
    except RuntimeError:
        logger.debug("no folder for machine code can be written: it is compiled in every process")
    return dispatcher


def for_rows(
    work: Callable[[int, int], None], n_rows: int, n_elements: int, *, amid_torch: bool = False
) -> None:
    """Call ``work(start, stop)`` over blocks that cover ``range(n_rows)``.

    The number of threads is :func:`torch.get_num_threads`, so that workers of data loaders use one.
    ``work`` must write the results of each row to a separate location, so that results do not
    depend on the number of threads.

    Parameters
    ----------
    work
        Function of the first row and the row after the last; should release the GIL.
    n_rows
        Number of rows.
    n_elements
        Number of elements in all rows; few elements are processed by this thread alone.
    amid_torch
        Whether the work is between operations of PyTorch, and should run on the threads of PyTorch
        if possible. These keep their cores busy for milliseconds after each operation, so that
        other threads would compete with them.
    """
    threads = torch.get_num_threads()
    n_blocks = min(n_rows, threads * _BLOCKS_PER_THREAD, n_elements // _MIN_WORK)
    if threads == 1 or n_blocks <= 1:
        work(0, n_rows)
        return
    bounds = np.linspace(0, n_rows, n_blocks + 1).astype(int).tolist()
    left = iter(list(itertools.pairwise(bounds)))  # shared by all threads

    def share() -> None:
        for start, stop in left:
            work(start, stop)

    run = _by_openmp if amid_torch and _openmp() and os.getpid() == _PROCESS else _by_pool
    run(share, min(threads, n_blocks))


def _by_pool(share: Callable[[], None], threads: int) -> None:
    """Call ``share`` in this thread and in further ones, which do nothing if they start late."""
    pool = _pool(os.getpid())
    helpers = [pool.submit(share) for _ in range(threads - 1)]
    share()
    for helper in helpers:
        if not helper.cancel():  # it had begun
            helper.result()


def _by_openmp(share: Callable[[], None], threads: int) -> None:
    """Call ``share`` in a team of OpenMP threads that includes this one."""
    errors: list[BaseException] = []

    def member(_: int | None) -> None:
        try:
            share()
        except BaseException as error:  # exceptions must not cross OpenMP frames
            errors.append(error)

    _openmp()(_MEMBER(member), None, threads, 0)
    if errors:
        raise errors[0]


_MEMBER = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


@functools.cache
def _openmp() -> Any:
    """Return the function that starts a team of GNU OpenMP, if PyTorch is linked to it, else None.

    Forked processes must not use it, because OpenMP threads do not survive a fork.
    """
    library = Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
    try:
        parallel = ctypes.CDLL(str(library)).GOMP_parallel
    except (OSError, AttributeError):
        return None
    parallel.argtypes = [_MEMBER, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
    parallel.restype = None
    return parallel


@functools.cache
def _pool(process: int) -> ThreadPoolExecutor:
    """Return the thread pool of a process; forked processes get their own."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="scmamba")
