"""How compiled loops are built and run: numba without the GIL, blocks on threads.

``prange`` is not used: its thread pools abort the process when they are entered from two Python
threads or after a fork, and data loaders do both.
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
    """Compile ``function`` with numba, keeping the machine code on disk where a folder allows.

    numba sees a change in the function's own file only: whoever edits a compiled function that
    other files call clears ``__pycache__``.
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

    As many threads as :func:`torch.get_num_threads` says are used, so that a data loader's worker
    uses one. ``work`` must write each row's result to a place of its own: then the number of
    threads changes nothing.

    Parameters
    ----------
    work
        Called with the first row and the row after the last; must release the GIL to gain.
    n_rows
        Number of rows.
    n_elements
        Elements in all rows together; few of them are done in this thread alone.
    amid_torch
        Work that stands between PyTorch's own operations: it runs on PyTorch's threads where they
        can be had. They wait for milliseconds behind each operation without giving up their cores,
        and other threads would have to share these.
    """
    threads = torch.get_num_threads()
    n_blocks = min(n_rows, threads * _BLOCKS_PER_THREAD, n_elements // _MIN_WORK)
    if threads == 1 or n_blocks <= 1:
        work(0, n_rows)
        return
    bounds = np.linspace(0, n_rows, n_blocks + 1).astype(int).tolist()
    left = iter(list(itertools.pairwise(bounds)))  # threads take turns at a list's iterator

    def share() -> None:
        for start, stop in left:
            work(start, stop)

    run = _by_openmp if amid_torch and _openmp() and os.getpid() == _PROCESS else _by_pool
    run(share, min(threads, n_blocks))


def _by_pool(share: Callable[[], None], threads: int) -> None:
    """Call ``share`` here and in further threads, of which those that come too late do nothing."""
    pool = _pool(os.getpid())
    helpers = [pool.submit(share) for _ in range(threads - 1)]
    share()
    for helper in helpers:
        if not helper.cancel():  # it had begun
            helper.result()


def _by_openmp(share: Callable[[], None], threads: int) -> None:
    """Call ``share`` in a team of OpenMP's threads, this one among them."""
    errors: list[BaseException] = []

    def member(_: int | None) -> None:
        try:
            share()
        except BaseException as error:  # it must not cross OpenMP's frames
            errors.append(error)

    _openmp()(_MEMBER(member), None, threads, 0)
    if errors:
        raise errors[0]


_MEMBER = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


@functools.cache
def _openmp() -> Any:
    """How a team is begun in the OpenMP library that PyTorch is linked to, if that is GNU's.

    A fork leaves OpenMP's threads behind, so forked processes are not to use it.
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
    """Threads that wait for work; a forked process has none of its parent's, so it gets its own."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="scmamba")
