"""Logger of the package; the root logger is not changed."""

from __future__ import annotations

import logging
import sys

logger = logging.getLogger("scmamba")


class _Stderr(logging.StreamHandler):  # type: ignore[type-arg]
    """Handler for the current ``sys.stderr``, which notebooks and tests may replace."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self):  # type: ignore[no-untyped-def, override]
        return sys.stderr


def set_verbosity(level: str) -> None:
    """Show messages of the package at ``level`` ("error", "warning", "info", "debug") and above."""
    if not any(isinstance(handler, _Stderr) for handler in logger.handlers):
        handler = _Stderr()
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)
        logger.propagate = False
    logger.setLevel(level.upper())
