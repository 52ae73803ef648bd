"""Checks of the type and range of arguments; every error names the argument."""

from __future__ import annotations

import math
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np

from scmamba._errors import ScmambaError


def check_count(
    name: str, value: Any, *, least: int = 1, most: int | None = None, optional: bool = True
) -> None:
    """Check that an argument is a whole number of at least ``least``, or None where ``optional``.

    Raises
    ------
    ScmambaError
        If it is not.

    Examples
    --------
    >>> from scmamba._arguments import check_count
    >>> check_count("batch_size", 0)
    Traceback (most recent call last):
    scmamba._errors.ScmambaError: batch_size=0; give a whole number of at least 1
    """
    if value is None and optional:
        return
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    top = 2**63 - 1 if most is None else most
    if not whole or not least <= value <= top:
        upto = "" if most is None else f" and at most {most}"
        raise ScmambaError(f"{name}={_short(value)}; give a whole number of at least {least}{upto}")


def check_number(
    name: str,
    value: Any,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    open_low: bool = False,
    open_high: bool = False,
    optional: bool = True,
) -> None:
    """Check that an argument is a finite number from ``low`` to ``high``, or None.

    Parameters
    ----------
    open_low, open_high
        Whether the bound itself is not allowed.
    optional
        Whether None is allowed.

    Raises
    ------
    ScmambaError
        If it is not.
    """
    if value is None and optional:
        return
    number = isinstance(value, int | float | np.integer | np.floating)
    if (
        not number
        or isinstance(value, bool)
        or not math.isfinite(value)
        or not low <= value <= high
        or (open_low and value == low)
        or (open_high and value == high)
    ):
        bounds = [
            f"{'above' if open_low else 'of at least'} {low:g}" if low > -math.inf else "",
            f"{'below' if open_high else 'of at most'} {high:g}" if high < math.inf else "",
        ]
        told = " and ".join(filter(None, bounds))
        raise ScmambaError(f"{name}={_short(value)}; give a finite number {told}".rstrip())


def check_choice(name: str, value: Any, allowed: Sequence[Any]) -> None:
    """Check that an argument is one of the values ``allowed``.

    Raises
    ------
    ScmambaError
        If it is not.
    """
    if not any(type(value) is type(one) and value == one for one in allowed):
        raise ScmambaError(f"{name}={_short(value)}; allowed: {', '.join(map(repr, allowed))}")


def nearest(name: Any, known: Sequence[str], *, cutoff: float = 0.6) -> list[str]:
    """Return the names that are most like ``name``, or the first ones where none is alike.

    Parameters
    ----------
    name
        What was given.
    known
        Names that there are.
    cutoff
        Least similarity, in [0, 1], as difflib measures it.

    Examples
    --------
    >>> nearest("IRF2", ["IRF1", "STAT1"]), nearest("x", ["IRF1", "STAT1"])
    (['IRF1'], ['IRF1', 'STAT1'])
    """
    return get_close_matches(str(name), known, n=3, cutoff=cutoff) or list(known[:5])


def near_names(name: object, known: Sequence[str]) -> str:
    """Return what to say of a name that is not ``known``: the nearest ones, and all.

    Examples
    --------
    >>> near_names("blod", ["blood", "pancreas"])
    "did you mean 'blood'? known: blood, pancreas"
    """
    near = get_close_matches(str(name).casefold(), known, n=2, cutoff=0.6)
    hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
    return f"{hint}known: {', '.join(known) or 'none'}"


def check_value(option: str, value: Any, known: Sequence[str], where: str) -> None:
    """Check that an argument is one of the values that a column holds.

    Raises
    ------
    ScmambaError
        It is not; the error lists values that are near.

    Examples
    --------
    >>> check_value("control", "ctrl", ["IFN", "ctrl"], "obs['condition']")
    """
    if value not in known:
        raise ScmambaError(
            f"{option}={value!r} is not a value of {where}; similar or first values: "
            f"{', '.join(nearest(value, known, cutoff=0.4))}"
        )


def check_flag(name: str, value: Any, *, optional: bool = False) -> None:
    """Check that an argument is True or False, or None where it is ``optional``.

    Raises
    ------
    ScmambaError
        If it is not.
    """
    if not isinstance(value, bool | np.bool_) and not (optional and value is None):
        allowed = "True, False or None" if optional else "True or False"
        raise ScmambaError(f"{name}={_short(value)}; allowed: {allowed}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def check_minutes(value: float | None) -> None:
    """Refuse a limit that is not above 0.

    Parameters
    ----------
    value
        Minutes, or None.

    Raises
    ------
    ScmambaError
        It is 0, negative or not a number.
    """
    check_number("max_minutes", value, low=0, open_low=True)
