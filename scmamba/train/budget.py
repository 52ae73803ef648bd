"""A limit on the time that a training takes, and what was cut to keep to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from scmamba._arguments import check_minutes

_SURE = 3
"""Steps that are timed before their time is trusted."""


@dataclass(frozen=True)
class Cut:
    """One thing that was shortened to keep to a time budget.

    Parameters
    ----------
    what
        Plural of what was cut: ``"epochs"``, ``"networks"``, ``"folds"``.
    done, planned
        How many there were, and how many there would have been.
    where
        The part of the work that was shortened, for example ``"network 2 of 3"``.

    Examples
    --------
    >>> from scmamba.train import Cut
    >>> print(Cut("epochs", 2.5, 8, "network 2 of 3"))
    2.5 of 8 epochs (network 2 of 3)
    """

    what: str
    done: float
    planned: float
    where: str = ""

    def __str__(self) -> str:
        where = f" ({self.where})" if self.where else ""
        return f"{self.done:.3g} of {self.planned:g} {self.what}{where}"


@dataclass
class TimeBudget:
    """The time that a call may take, from the moment this object is made.

    Parameters
    ----------
    max_minutes
        Limit in minutes of wall time; None: no limit.
    clock
        Returns seconds. The default is the same in every process of one machine, so that a budget
        can be sent to worker processes.
    cuts
        What was shortened so far.

    Raises
    ------
    ScmambaError
        The limit is not above 0.

    Examples
    --------
    One budget for a whole call, and a part of what is left for each stage:

    >>> from scmamba.train import TimeBudget
    >>> budget = TimeBudget(10, clock=lambda: 0.0)
    >>> budget.part(0.25).seconds_left
    150.0

    Three folds on two processors take two rounds, so that each may take half of the time:

    >>> budget.for_each(3, n_workers=2)
    5.0
    >>> budget.cut("folds", 1, 3)
    >>> budget.about["cut"]
    '1 of 3 folds'
    """

    max_minutes: float | None = None
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    cuts: list[Cut] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Start the clock."""
        check_minutes(self.max_minutes)
        self._start = self.clock()

    @property
    def limited(self) -> bool:
        """Whether there is a limit."""
        return self.max_minutes is not None

    @property
    def seconds_used(self) -> float:
        """Seconds since the budget was made."""
        return self.clock() - self._start

    @property
    def seconds_left(self) -> float:
        """Seconds until the limit, at least 0; infinity without a limit."""
        if self.max_minutes is None:
            return float("inf")
        return max(60 * self.max_minutes - self.seconds_used, 0.0)

    def allows(self, seconds: float) -> bool:
        """Whether work that takes ``seconds`` fits into the time that is left."""
        return seconds <= self.seconds_left

    def part(self, fraction: float, reserve: float = 0.0) -> TimeBudget:
        """Return a budget for one stage, which starts now and writes to the same list of cuts.

        Parameters
        ----------
        fraction
            Fraction of the time that is left, in (0, 1].
        reserve
            Seconds of it to keep for what follows.
        """
        return TimeBudget(self._minutes(fraction, reserve), self.clock, self.cuts)

    def for_each(self, n_jobs: int, n_workers: int = 1) -> float | None:
        """Minutes for each of ``n_jobs`` that run side by side; None without a limit.

        Parameters
        ----------
        n_jobs
            Number of jobs of equal length.
        n_workers
            Number of jobs that run at the same time.
        """
        rounds = -(-max(n_jobs, 1) // max(n_workers, 1))
        return self._minutes(1 / rounds)

    def cut(self, what: str, done: float, planned: float, where: str = "") -> None:
        """Note that something was shortened; the arguments are those of :class:`Cut`."""
        self.cuts.append(Cut(what, done, planned, where))

    def extend(self, cuts: Sequence[Cut]) -> None:
        """Note what was shortened elsewhere, for example in a worker process."""
        self.cuts.extend(cuts)

    @property
    def about(self) -> dict[str, Any]:
        """Limit and time in minutes, and what was cut as one text, for ``uns`` and saved folders.

        Empty without a limit.
        """
        if self.max_minutes is None:
            return {}
        return {
            "max_minutes": float(self.max_minutes),
            "minutes": round(self.seconds_used / 60, 3),
            "cut": "; ".join(map(str, self.cuts)) or "nothing",
        }

    def _minutes(self, fraction: float, reserve: float = 0.0) -> float | None:
        if self.max_minutes is None:
            return None
        return max((self.seconds_left - reserve) * fraction, 1e-3) / 60


class Pace:
    """Where a training is between its first and its last step, when time may end it earlier.

    As long as the planned steps fit into the time, progress is ``step / planned``. Otherwise the
    number of steps is estimated from the time that steps take, again after each step, so that a
    learning rate that follows :meth:`progress` has fallen to its end when the time is over.

    Parameters
    ----------
    planned
        Steps of the whole training.
    budget
        Its time.

    Attributes
    ----------
    total
        Steps that there will be, as far as is known.
    reserve
        Seconds to keep for what follows the last step, such as validation.

    Examples
    --------
    Steps of one second in a budget of one minute: 60 of 100 steps can be taken.

    >>> from scmamba.train import Pace, TimeBudget
    >>> now = 0.0
    >>> pace = Pace(100, TimeBudget(1, clock=lambda: now))
    >>> step = 0
    >>> while not pace.over(step):
    ...     now += 1.0
    ...     step += 1
    ...     pace.update(step)
    >>> step, pace.progress(30)
    (60, 0.5)
    """

    def __init__(self, planned: int, budget: TimeBudget) -> None:
        self.planned, self.budget = planned, budget
        self.total: float = planned
        self.reserve = 0.0
        self._first: tuple[int, float] | None = None

    def update(self, step: int) -> None:
        """Note that ``step`` steps have been taken.

        The first step that is seen is not timed: it may compile kernels and fill caches.
        """
        if not self.budget.limited:
            return
        now = self.budget.seconds_used
        if self._first is None:
            self._first = step, now
        first, since = self._first
        if step - first >= _SURE:
            seconds = (now - since) / (step - first)
            left = max(self.budget.seconds_left - self.reserve, 0.0)
            possible = step + left / seconds if seconds > 0 else float("inf")
            self.total = min(self.planned, possible)

    def progress(self, step: int) -> float:
        """Fraction of the training after ``step`` steps, in [0, 1]."""
        return min(step / self.total, 1.0)

    def over(self, step: int) -> bool:
        """Whether ``step`` was the last step: all were taken, or the time is over."""
        if step >= self.planned:
            return True
        return step > 0 and self.budget.seconds_left <= self.reserve
