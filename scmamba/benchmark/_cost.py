"""What a run costs: seconds on the clock, processor seconds with those of its workers, memory."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]


@dataclass
class Cost:
    """Cost of a run, filled in when it ends.

    Attributes
    ----------
    seconds
        Seconds on the clock.
    cpu_seconds
        Seconds of all processors together, user and system, of this process and of the worker
        processes that ended in the run; they do not change with the load of the machine.
    """

    seconds: float = 0.0
    cpu_seconds: float = 0.0


@contextmanager
def measure_cost() -> Iterator[Cost]:
    """Measure what the body of a ``with`` statement costs.

    Idle worker processes of joblib are ended before and after, since the system tells the time of a
    process to its parent only when it ends.

    Examples
    --------
    >>> from scmamba.benchmark._cost import measure_cost
    >>> with measure_cost() as cost:
    ...     total = sum(range(1000))
    >>> cost.cpu_seconds >= 0
    True
    """
    cost = Cost()
    end_workers()
    start, cpu_start = time.perf_counter(), _cpu_seconds()
    try:
        yield cost
    finally:
        cost.seconds = time.perf_counter() - start
        end_workers()
        cost.cpu_seconds = _cpu_seconds() - cpu_start


def end_workers() -> None:
    """End joblib's idle worker processes, if there are any."""
    if "joblib" in sys.modules:
        from joblib.externals.loky import get_reusable_executor

        get_reusable_executor(max_workers=1, reuse=True).shutdown(wait=True)


def _cpu_seconds() -> float:
    if resource is None:
        return time.process_time()
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)
