"""Progress bars in a terminal, a notebook, a log and a worker process."""

from __future__ import annotations

import io
import logging
import sys
from types import ModuleType
from typing import Any

import pytest

from scmamba import _progress
from scmamba._progress import progress_bar, report_progress_to
from scmamba._settings import settings


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Lines of the log."""
    found: list[str] = []
    monkeypatch.setattr(settings, "verbosity", "info")
    handler = logging.Handler()
    handler.emit = lambda record: found.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("scmamba")
    logger.addHandler(handler)
    yield found
    logger.removeHandler(handler)


def move(bar: Any, steps: int = 4) -> None:
    for _ in range(steps):
        bar.update()
        bar.refresh()


def test_a_terminal_shows_steps_and_rate_and_is_left_clean(lines, monkeypatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress_bar("Fitting network 2 of 3", 8) as bar:
        move(bar)
    *_, last, cleared, end = terminal.getvalue().split("\r")
    assert last.startswith("Fitting network 2 of 3:  50%|") and "4 of 8 steps [" in last
    assert "steps/s" in last and "left]" in last
    assert not cleared.strip() and end == ""
    assert lines == []


def test_a_log_has_lines_and_no_control_characters(lines, monkeypatch) -> None:
    errors = io.StringIO()
    monkeypatch.setattr(sys, "stderr", errors)
    with progress_bar("Fitting network 2 of 3", 8, log_every=0) as bar:
        move(bar, 2)
    assert lines[0].startswith("Fitting network 2 of 3: 12 %, 1 of 8 steps [")
    assert lines[-1].startswith("Fitting network 2 of 3: 25 %, 2 of 8 steps [")
    assert "\r" not in errors.getvalue()


def test_a_short_work_leaves_no_line_in_a_log(lines, monkeypatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with progress_bar("Fitting", 100) as bar:
        for _ in range(100):
            bar.update()
    assert lines == []


def test_a_total_may_be_unknown(lines, monkeypatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with progress_bar("Reading", unit="cells", log_every=0) as bar:
        move(bar, 1)
    assert lines[0].startswith("Reading: 1 cells [")


def test_a_notebook_keeps_nothing(lines, monkeypatch) -> None:
    shown: list[dict[str, str]] = []

    class Handle:
        def update(self, content: dict[str, str], raw: bool) -> None:
            shown[self.place] = content

        def __init__(self, place: int) -> None:
            self.place = place

    def display(content: dict[str, str], raw: bool, display_id: bool) -> Handle:
        shown.append(content)
        return Handle(len(shown) - 1)

    package, part = ModuleType("IPython"), ModuleType("IPython.display")
    shell = type("Shell", (), {"kernel": None, "execution_count": 1})()
    package.get_ipython = lambda: shell  # type: ignore[attr-defined]
    part.display = display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setitem(sys.modules, "IPython.display", part)
    errors = io.StringIO()
    monkeypatch.setattr(sys, "stderr", errors)
    with progress_bar("Fitting", 8) as bar:
        move(bar)
        assert len(shown) == 1
        assert shown[0]["text/plain"].startswith("Fitting: 50 %, 4 of 8 steps [")
    assert shown == [{"text/plain": ""}]
    with progress_bar("Fitting", 8) as bar, progress_bar("Reading", 8) as other:
        move(bar)
        move(other)
        assert [one["text/plain"][:7] for one in shown] == ["Fitting", "Reading"]
    assert shown == [{"text/plain": ""}] * 2, "the emptied output of the cell was used again"
    shell.execution_count = 2
    with progress_bar("Fitting", 8) as bar:
        move(bar)
    assert len(shown) == 3, "another cell has its own output"
    assert errors.getvalue() == "" and lines == []


@pytest.mark.parametrize("verbosity", ["warning", "error"])
def test_quiet_is_quiet(monkeypatch, verbosity) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(settings, "verbosity", verbosity)
    with progress_bar("Fitting", 8) as bar:
        move(bar)
    monkeypatch.setattr(settings, "verbosity", "info")
    with progress_bar("Fitting", 8, shown=False) as bar:
        move(bar)
    assert terminal.getvalue() == ""


def test_a_worker_reports_the_sum_of_its_bars(monkeypatch) -> None:
    monkeypatch.setattr(settings, "verbosity", "error")
    told: list[tuple[float, float]] = []
    report_progress_to(lambda done, total: told.append((done, total)))
    try:
        with progress_bar("first", 4) as bar:
            move(bar)
        with progress_bar("cells", 100, unit="cells") as bar:  # no part of a fit
            move(bar)
        with progress_bar("second", 6) as bar:
            move(bar, 3)
    finally:
        report_progress_to(None)
    assert told[0] == (0, 4) and (4, 4) in told and told[-1] == (7, 10)
    assert _progress._report is None


@pytest.mark.parametrize(
    ("elapsed", "said"),
    [
        # the first step, which may compile, is not among those that are timed
        (60.0, ["Fitting: about 9 min for 10 steps of 60 s each; memory so far"]),
        (6.0, []),  # the rest takes less than a minute
        (1.0, []),  # too early to say
    ],
)
def test_long_work_is_announced_once(lines, monkeypatch, elapsed, said) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    with progress_bar("Fitting", 10) as bar:
        bar.update()
        bar.first_t -= elapsed
        for _ in range(3):
            bar.update()
    assert len(lines) == len(said)
    for line, start in zip(lines, said, strict=True):
        assert line.startswith(start) and line.endswith(" GB")
