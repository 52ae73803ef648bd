"""The text of a label, and what counts as missing: decided here for the whole package."""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from scmamba._errors import ScmambaError

MISSING = frozenset(
    ("", "nan", "NaN", "NAN", "NA", "N/A", "n/a", "#N/A", "<NA>", "None", "NaT", "null", "NULL")
)
"""Texts that stand for "no value", as in the tables that pandas, R and spreadsheets write."""


def label_texts(
    values: Any, *, unlabeled: str | None = None, name: str = "labels"
) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.bool_]]:
    """Turn values into the text of labels.

    Two values that a reader takes for the same label get the same text: 1 and 1.0 become
    ``"1"``, and blanks around a text are removed.

    Parameters
    ----------
    values : (n,)
        Text, numbers, booleans or categories: a list, an array, a Series or a Categorical.
    unlabeled
        A further text, in upper or lower case, that stands for "no label".
    name
        What an error message calls ``values``.

    Returns
    -------
    texts : (n,)
        The text of each value, ``""`` where it is missing.
    missing : (n,)
        True where a value is NaN, None, NaT or ``pd.NA``, one of the texts in ``MISSING``, or
        ``unlabeled``.

    Raises
    ------
    ScmambaError
        ``values`` is not one column of values.

    Examples
    --------
    >>> label_texts([1.0, " 1", 2, "NA", None])[0].tolist()
    ['1', '1', '2', '', '']
    >>> label_texts(["T", "Unknown"], unlabeled="unknown")[1].tolist()
    [False, True]
    """
    codes, distinct = _distinct(_column(values, name))
    texts = np.array([label_text(value) for value in distinct] + [""], dtype=object)
    gone = np.array([text in MISSING for text in texts], dtype=bool)
    if unlabeled is not None:
        wanted = unlabeled.strip().casefold()
        gone |= np.array([text.casefold() == wanted for text in texts], dtype=bool)
    texts[gone] = ""
    return texts[codes], gone[codes]


def label_text(value: Any) -> str:
    """Text of one value that is not missing; whole numbers without a decimal point.

    Examples
    --------
    >>> label_text(2.0), label_text("B cell "), label_text(True)
    ('2', 'B cell', 'True')
    """
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace").strip()
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, list | dict | set | np.ndarray):
        raise ScmambaError(
            f"a label is a {type(value).__name__}: {str(value)[:40]}; allowed: text, numbers, "
            "booleans"
        )
    if _is_fraction(value) or not isinstance(value, Real | Decimal):
        return str(value).strip()
    return str(int(value))  # type: ignore[arg-type]


def holds_measurements(values: Any) -> bool:
    """Whether a column holds numbers with a fractional part, and therefore no labels.

    Examples
    --------
    >>> holds_measurements([0.25, 1.5]), holds_measurements([1.0, 2.0, None])
    (True, False)
    """
    _, distinct = _distinct(_column(values, "values"))
    return any(map(_is_fraction, distinct))


def _is_fraction(value: Any) -> bool:
    """Whether a number is not whole; infinity is not."""
    if not isinstance(value, float | np.floating | Decimal):
        return False
    return not math.isfinite(value) or value != int(value)


def are_names(n_classes: int, n_values: int) -> bool:
    """Whether a column has too many different values to be labels (names or measurements).

    Up to ten classes always pass; more must stand for two values each on average.

    Examples
    --------
    >>> are_names(40, 60), are_names(10, 12), are_names(40, 400)
    (True, False, False)
    """
    return n_classes > max(10, n_values / 2)


def _column(values: Any, name: str) -> pd.Series:
    if isinstance(values, str | bytes | dict | set | frozenset) or not isinstance(values, Iterable):
        raise ScmambaError(
            f"{name} is {type(values).__name__} {str(values)[:40]!r}; give one value for each "
            "observation: a list, an array or a column"
        )
    if isinstance(values, pd.Series):
        return values
    if not isinstance(values, pd.Categorical | pd.Index | np.ndarray):
        values = np.asarray(values) if hasattr(values, "__array__") else _objects(values)
    if values.ndim != 1:
        raise ScmambaError(f"{name} has shape {values.shape}; give one column of values")
    return pd.Series(values)


def _objects(values: Iterable[Any]) -> npt.NDArray[np.object_]:
    """A list as it is, so that NumPy does not turn the numbers in it into text."""
    items = list(values)
    column = np.empty(len(items), dtype=object)
    column[:] = items
    return column


def _distinct(column: pd.Series) -> tuple[npt.NDArray[np.int64], list[Any]]:
    """Position of each value among the distinct ones, -1 where it is missing."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.codes.to_numpy(np.int64), list(column.cat.categories)
    if column.dtype != object:
        codes, distinct = pd.factorize(column)
        return codes, list(distinct)
    # True, 1 and 1.0 are equal and hash alike, but have different texts.
    places: dict[Any, int] = {}
    codes = np.full(len(column), -1, dtype=np.int64)
    for i, (value, missing) in enumerate(zip(column.to_numpy(), column.isna(), strict=True)):
        if not missing:
            key = (type(value), value if isinstance(value, str | Real) else repr(value))
            codes[i] = places.setdefault(key, len(places))
    return codes, [column.iat[i] for i in _first(codes, len(places))]


def _first(codes: npt.NDArray[np.int64], n: int) -> npt.NDArray[np.int64]:
    """Where each code appears first."""
    first = np.empty(n, dtype=np.int64)
    known = np.flatnonzero(codes >= 0)[::-1]
    first[codes[known]] = known
    return first


def obs_column(obs: pd.DataFrame, key: Any, option: str, where: str) -> pd.Series:
    """Return a column of ``obs``.

    Parameters
    ----------
    obs
        Annotations of cells.
    key
        Name of the column.
    option, where
        What an error message calls the argument and ``obs``.

    Raises
    ------
    ScmambaError
        There is no column of that name, or several of them.
    """
    names = list(obs.columns)
    if names.count(key) == 1:
        return obs[key]
    found = "occurs more than once in" if key in names else "is not a column of"
    raise ScmambaError(
        f"{option}={key!r} {found} {where}, whose columns are "
        f"{', '.join(map(repr, names[:40])) or '(none)'}"
    )
