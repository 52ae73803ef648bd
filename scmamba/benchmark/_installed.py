"""Whether what a command needs is installed, asked before any work is done."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping

from scmamba._errors import ScmambaError


def check_installed(needed: Mapping[str, str], extra: str) -> None:
    """Check that packages are there.

    Parameters
    ----------
    needed
        Name to import by, and what needs it.
    extra
        Extra of this package that brings them.

    Raises
    ------
    ScmambaError
        One is not.
    """
    for package, whose in needed.items():
        if importlib.util.find_spec(package) is None:
            raise ScmambaError(
                f"{package} is not installed, and {whose} needs it: pip install "
                f"'scmamba[{extra}]', or do without {whose}"
            )
