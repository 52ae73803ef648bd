"""Progress bars: in a terminal, in a notebook, and as a log line now and then elsewhere."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable
from typing import Any, ClassVar, TypeAlias

from tqdm import tqdm

from scmamba._log import logger
from scmamba._memory import peak_bytes

LOG_EVERY = 30.0
"""Seconds between two lines of a log."""
_TIMED, _LONG = 5.0, 60.0
"""Seconds after which the whole is estimated, and from which on the estimate is logged."""
Report: TypeAlias = Callable[[float, float], None]
"""Takes the steps that were done and the steps that there will be."""

_report: Report | None = None
_COUNTED = "{n_fmt} of {total_fmt}{unit} [{rate_noinv_fmt}, {remaining} left{postfix}]"
_BAR = "{desc}: {percentage:3.0f}%|{bar}| " + _COUNTED
_LINE = "{desc}: {percentage:.0f} %, " + _COUNTED
_UNKNOWN = "{desc}: {n_fmt}{unit} [{rate_noinv_fmt}{postfix}]"


def progress_bar(
    text: str,
    total: int | None = None,
    *,
    unit: str = "steps",
    done: int = 0,
    delay: float = 0.0,
    shown: bool = True,
    log_every: float = LOG_EVERY,
    unit_scale: bool = False,
) -> tqdm[Any]:
    """Open a progress bar, to be moved by ``update(n)`` and closed, best in a ``with`` statement.

    It is shown at verbosity ``"info"`` and above and removed when it is closed; nothing of it stays
    in a saved notebook. Where standard error is no terminal, such as a log file, there is a line
    every ``log_every`` seconds. After a few seconds, work that will take more than a minute is
    announced in one log line with the time and the memory that it takes.

    Parameters
    ----------
    text
        What is done, in words for users, such as ``"Fitting network 2 of 3"``.
    total
        Number of units; None: not known.
    unit
        Plural of what is counted.
    done
        Units that an earlier run has done.
    delay
        Seconds before the bar appears, for work that is mostly short.
    shown
        Whether there is a bar at all.
    log_every
        Seconds between two lines where there is no terminal and no notebook.
    unit_scale
        Write large numbers as 1.2k, 1.2M, 1.2G.

    Examples
    --------
    >>> from scmamba import settings
    >>> from scmamba._progress import progress_bar
    >>> settings.verbosity = "error"
    >>> with progress_bar("Embedding cells", 100, unit="cells") as bar:
    ...     done = bar.update(40)
    """
    reported = _report is not None
    kind = _ReportedBar if reported else _kind()
    shape = _UNKNOWN if total is None else _BAR if kind is _Estimated else _LINE
    often = {"mininterval": log_every, "maxinterval": 2 * log_every} if kind is _LogBar else {}
    return kind(
        desc=text,
        total=total,
        initial=done,
        unit=f" {unit}",
        unit_scale=unit_scale,
        bar_format=shape,
        delay=delay,
        leave=False,
        disable=not shown or not (reported and unit == "steps" or _is_verbose()),
        file=sys.stderr if kind is _Estimated else io.StringIO(),
        **often,
    )


def report_progress_to(report: Report | None) -> None:
    """Let the bars of this process call ``report`` instead of showing themselves.

    Parameters
    ----------
    report
        Called with sums over the bars so far; None: bars show themselves again.
    """
    global _report
    _report = report
    _ReportedBar.before = (0.0, 0.0)


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    if "IPython" not in sys.modules:
        return False
    shell = sys.modules["IPython"].get_ipython()
    return shell is not None and hasattr(shell, "kernel")


def _is_verbose() -> bool:
    return logger.isEnabledFor(logging.INFO)


def _kind() -> type[tqdm[Any]]:
    if in_notebook():
        return _NotebookBar
    return _Estimated if sys.stderr is not None and sys.stderr.isatty() else _LogBar


class _Estimated(tqdm):  # type: ignore[type-arg]
    """Says once how long the whole will take, if that is long."""

    estimated = False
    first_t: float | None = None
    """When the first step was done; it may have compiled loops, so that it says nothing."""

    def update(self, n: float | None = 1) -> bool | None:
        """Move on, and estimate the rest once a few steps were timed."""
        if not (self.disable or self.estimated or self.total is None):
            if self.first_t is None:
                self.first_t, self.first_n = self._time(), self.n + (n or 0)
            elif (elapsed := self._time() - self.first_t) >= _TIMED:
                self.estimated = True
                self._estimate(elapsed / max(self.n + (n or 0) - self.first_n, 1))
        return super().update(n)

    def _estimate(self, seconds: float) -> None:
        rest = seconds * (self.total - self.n)
        if rest >= _LONG:
            self.clear()
            logger.info(
                "%s: about %s for %s%s of %.2g s each; memory so far %.1f GB",
                self.desc.removesuffix(": "),
                _duration(rest),
                f"{self.total:,}",
                self.unit,
                seconds,
                peak_bytes() / 1e9,
            )


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes / 60:.1f} h"


class _LogBar(_Estimated):
    """Writes a line to the log each time that it would be drawn again."""

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Log how far it is, but for the beginning and the end."""
        if msg is None and self.n > self.initial:
            logger.info("%s", self)

    def clear(self, nolock: bool = False) -> None:
        """Lines of a log stay."""


class _NotebookBar(_Estimated):
    """One output of a cell, which is emptied in the end; widgets would stay in the saved file.

    The emptied output is used by the next bar of the same cell, so that a cell with many bars keeps
    one empty output and not many.
    """

    handle: Any = None
    emptied: ClassVar[tuple[int | None, list[Any]]] = (None, [])
    """Number of a cell, and its emptied outputs."""

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Show the present line in place of the one before."""
        text = str(self) if msg is None else msg
        if self.handle is None and not text:
            return
        free = self._emptied()
        if self.handle is None and free:
            self.handle = free.pop()
        content = {"text/plain": text}
        if self.handle is None:
            from IPython.display import display

            self.handle = display(content, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self.handle.update(content, raw=True)
        if not text:
            free.append(self.handle)
            self.handle = None

    @staticmethod
    def _emptied() -> list[Any]:
        """Return the outputs of the running cell that no bar uses."""
        from IPython import get_ipython

        shell = get_ipython()
        cell = None if shell is None else shell.execution_count
        if _NotebookBar.emptied[0] != cell:
            _NotebookBar.emptied = (cell, [])
        return _NotebookBar.emptied[1]

    def clear(self, nolock: bool = False) -> None:
        """Other outputs do not write over this one."""


class _ReportedBar(tqdm):  # type: ignore[type-arg]
    """Shows nothing; the process that waits for this one shows the sum."""

    before: tuple[float, float] = (0.0, 0.0)
    disable: bool

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Report the steps of all bars so far."""
        if _report is not None and self.total and msg is None:
            done, total = self.before
            _report(done + self.n, total + self.total)

    def clear(self, nolock: bool = False) -> None:
        """Nothing is shown."""

    def close(self) -> None:
        """Count the steps of this bar for those that follow."""
        if not self.disable and self.total:
            done, total = _ReportedBar.before
            _ReportedBar.before = done + self.total, total + self.total
        self.disable = True
