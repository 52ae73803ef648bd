"""How much memory this process and its workers have used."""

from __future__ import annotations

import sys
from pathlib import Path

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]


def peak_bytes() -> int:
    """Most resident memory that this process ever had, 0 where that is not known."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count the process that started this one
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return 0 if resource is None else _max_rss(resource.RUSAGE_SELF)


def peak_bytes_of_workers() -> int:
    """Most resident memory of the largest worker process that has ended, 0 where there was none."""
    return 0 if resource is None else _max_rss(resource.RUSAGE_CHILDREN)


def _max_rss(who: int) -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(who).ru_maxrss * unit
