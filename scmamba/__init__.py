"""scmamba: single-cell foundation models with a bidirectional Mamba-2 backbone.

Submodules are imported on first use, which keeps ``import scmamba`` fast:
``tasks`` (AnnData in, AnnData out), ``pp``, ``pl``, ``metrics``, ``models``, ``datasets``, ``nn``,
``tokens``, ``stream``, ``train`` and ``benchmark``.
"""

from __future__ import annotations

import importlib
from typing import Any

from scmamba._errors import ScmambaError
from scmamba._settings import settings
from scmamba._version import __version__

_ROOMS = (
    "benchmark",
    "datasets",
    "metrics",
    "models",
    "nn",
    "pl",
    "pp",
    "stream",
    "tasks",
    "tokens",
    "train",
)

__all__ = ["ScmambaError", "__version__", "settings", *_ROOMS]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"scmamba.{name}")
    raise AttributeError(f"module 'scmamba' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
