"""Keep freed memory for the next tensor instead of giving it back to the system each time."""

from __future__ import annotations

import ctypes
import functools
import sys

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3  # malloc.h of glibc
_GIB = 1 << 30


@functools.cache
def keep_freed_memory() -> bool:
    """Raise glibc's thresholds for this process, once; elsewhere nothing happens.

    By default glibc maps every large tensor anew and unmaps it when it is freed, so that each one
    is paid for page by page. Called when a model starts to work, never on import.

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
