"""Package-wide settings: seed, device, verbosity, cache folder."""

from __future__ import annotations

import difflib
import os
import sys
from pathlib import Path

from scmamba import _log
from scmamba._errors import ScmambaError

_LEVELS = ("error", "warning", "info", "debug")
_PRECISIONS = ("auto", "float32", "bfloat16")
_NAMES = ("seed", "device", "precision", "verbosity", "cache_dir", "n_jobs")


def _default_cache() -> Path:
    if chosen := os.environ.get("SCMAMBA_CACHE"):
        return Path(chosen)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "scmamba"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "scmamba"


def _allowed(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise ScmambaError(f"{name}={value!r}; allowed: {', '.join(map(repr, allowed))}")
    return value


class Settings:
    """Global settings, used where a function has no argument of its own or it is None.

    Attributes
    ----------
    seed
        Seed of random number generators, 0 by default.
    device
        Device: ``"auto"`` (CUDA, then MPS, then CPU) or a PyTorch device such as ``"cpu"`` or
        ``"cuda:1"``.
    precision
        Precision of matrix products: ``"auto"`` (bfloat16 on NVIDIA cards with hardware support,
        else float32), ``"float32"`` or ``"bfloat16"``.
    verbosity
        Level of messages: ``"error"``, ``"warning"``, ``"info"`` (default) or ``"debug"``.
    cache_dir
        Folder of downloads; the environment variable ``SCMAMBA_CACHE`` sets the default.
    n_jobs
        Largest number of parallel processes for fitting small networks; None for one per core. It
        does not affect results.

    Raises
    ------
    ScmambaError
        If an unknown setting or a value that is not allowed is assigned.

    Examples
    --------
    >>> import scmamba
    >>> scmamba.settings.seed = 1
    >>> scmamba.settings.sed = 1  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    scmamba._errors.ScmambaError: settings has no 'sed' (did you mean 'seed'?); ...
    """

    def __init__(self) -> None:
        self.seed: int = 0
        self.device: str = "auto"
        self.precision = "auto"
        self.cache_dir: Path = _default_cache()
        self.verbosity = "info"
        self.n_jobs = None

    def __setattr__(self, name: str, value: object) -> None:
        """Set a known setting; unknown names are refused."""
        if name.removeprefix("_") not in _NAMES:
            near = difflib.get_close_matches(name, _NAMES, n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise ScmambaError(f"settings has no {name!r}{hint}; it has {', '.join(_NAMES)}")
        super().__setattr__(name, value)

    @property
    def precision(self) -> str:
        """Precision of matrix products: ``"auto"``, ``"float32"`` or ``"bfloat16"``."""
        return self._precision

    @precision.setter
    def precision(self, name: str) -> None:
        self._precision = _allowed("precision", name, _PRECISIONS)

    @property
    def n_jobs(self) -> int | None:
        """Largest number of parallel processes for fitting; None for one per core."""
        return self._n_jobs

    @n_jobs.setter
    def n_jobs(self, number: int | None) -> None:
        if number is not None and not (isinstance(number, int) and number >= 1):
            raise ScmambaError(f"n_jobs={number!r}; give a whole number above 0, or None")
        self._n_jobs = number

    @property
    def verbosity(self) -> str:
        """Level of messages: ``"error"``, ``"warning"``, ``"info"`` or ``"debug"``."""
        return self._verbosity

    @verbosity.setter
    def verbosity(self, level: str) -> None:
        self._verbosity = _allowed("verbosity", level, _LEVELS)
        _log.set_verbosity(level)


settings = Settings()
