"""Reuse of freed memory for later tensors instead of returning it to the system."""

from __future__ import annotations

import ctypes
import functools
import sys

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3  # malloc.h of glibc
_GIB = 1 << 30


@functools.cache
def keep_freed_memory() -> bool:
    """Raise the memory thresholds of glibc for this process, once; a no-op on other systems.

    By default glibc maps every large tensor anew and unmaps it when freed, which costs a page fault
    per page. Called when a model is first used, never on import.

    Returns
    -------
    Whether the thresholds were raised.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # not glibc
        return False
    limits = {_M_MMAP_THRESHOLD: _GIB, _M_TRIM_THRESHOLD: _GIB, _M_TOP_PAD: _GIB // 4}
    return all(mallopt(option, value) for option, value in limits.items())
