"""A forked child that kills itself at a chosen line or call of what writes."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import scmamba
from scmamba import ScmambaError
from scmamba._files import exchange

ROOMS = tuple(str(Path(scmamba.__file__).parent / room) for room in ("_files", "jobs"))
SUCCESS, REFUSED, BROKEN = 0, 3, 4


def in_child(function: Callable[[], Any], log: Path | None = None) -> int:
    """Run ``function`` in a forked child; its exit code, or minus the signal that ended it."""
    child = start_child(function, log)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def start_child(function: Callable[[], Any], log: Path | None = None) -> int:
    """Start a forked child that ends in SUCCESS, REFUSED (a ScmambaError) or BROKEN."""
    child = os.fork()
    if child:
        return child
    code, text = BROKEN, ""
    try:
        result = function()
        code, text = SUCCESS, "" if result is None else str(result)
    except ScmambaError as error:
        code, text = REFUSED, str(error)
    except BaseException:
        text = traceback.format_exc()
    if log is not None:
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)  # a trial may have lowered the other
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        log.write_text(text)
    os._exit(code)


class Steps:
    """Counts lines or calls of what writes, and kills the process at one of them.

    Parameters
    ----------
    kind
        ``"lines"`` of the rooms that write; ``"renames"``: before and after each rename and
        exchange; ``"calls"``: before and after these, each removal, new folder and flush.
    at
        The step to be killed at, from 1 on; 0: none.
    """

    def __init__(self, kind: str, at: int = 0) -> None:
        self.kind, self.at, self.count = kind, at, 0

    def step(self) -> None:
        self.count += 1
        if self.count == self.at:
            os.kill(os.getpid(), signal.SIGKILL)

    def __enter__(self) -> Steps:
        if self.kind == "lines":
            sys.settrace(self._enter)
            return self
        renames = [(os, "replace"), (exchange, "swap")]
        others = [(shutil, "rmtree"), (os, "unlink"), (os, "mkdir"), (os, "fsync")]
        for holder, name in renames + (others if self.kind == "calls" else []):
            setattr(holder, name, self._around(getattr(holder, name)))
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def stepping(*args: Any, **options: Any) -> Any:
            self.step()
            result = function(*args, **options)
            self.step()
            return result

        return stepping

    def _enter(self, frame: FrameType, event: str, arg: object) -> Any:
        return self._line if frame.f_code.co_filename.startswith(ROOMS) else None

    def _line(self, frame: FrameType, event: str, arg: object) -> Any:
        if event == "line":
            self.step()
        return self._line


def count_steps(kind: str, call: Callable[[], object], log: Path) -> int:
    """Number of steps of a call, which is made in a child."""

    def counting() -> int:
        with Steps(kind) as steps:
            call()
        return steps.count

    if in_child(counting, log) != SUCCESS:
        raise RuntimeError(log.read_text())
    return int(log.read_text())
